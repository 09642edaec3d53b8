"""What nano can name: classes of pixels, colours, and the words of its instructions."""

from __future__ import annotations

import numpy as np

from vlingnav_datasets.annotate.wording import VOCABULARY
from vlingnav_policy.tokenizer import WordTokenizer
from vlingnav_sim.house import CATALOGUE, COLOURS
from vlingnav_sim.lexicon import LEXICON
from vlingnav_sim.tasks import PHRASES, UNSEEN_PAIRS, training_texts

CATEGORIES = tuple(sorted(CATALOGUE))
BACKGROUND = ("wall", "floor", "person", "robot", "sky")
CLASSES = (*CATEGORIES, *BACKGROUND)
COLOUR_NAMES = (*sorted(COLOURS), "none")
NO_COLOUR = len(COLOUR_NAMES) - 1
MAY_NAME = np.array([[(colour, name) not in UNSEEN_PAIRS for colour in COLOUR_NAMES] for name in CATEGORIES])
"""`(categories, colours)`: the pairs that training may name."""


def tokenizer() -> WordTokenizer:
    """The tokenizer of the nano preset: the words of its instructions, and those that it thinks in."""
    told = [*PHRASES, *CATEGORIES, *COLOUR_NAMES, *training_texts(), "the a an of to my me nearest where is"]
    return WordTokenizer.from_texts([*told, *VOCABULARY, *LEXICON.words])
