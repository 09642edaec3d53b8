"""What training may say: nothing that is held out, and enough to learn the rest from."""

from __future__ import annotations

import hashlib

import pytest

from vlingnav_policy.tokenizer import split_words
from vlingnav_sim.house import CATALOGUE, COLOURS
from vlingnav_sim.tasks import HELD_OUT_WORDS, UNSEEN_PAIRS, training_texts
from vlingnav_sim.tasks.words import CATEGORY_OF, HELD_OUT, SYNONYMS

TRAINING_WORDS = {word for text in training_texts() for word in split_words(text)}


@pytest.mark.parametrize("expression", [words for names in HELD_OUT.values() for words in names])
def test_every_held_out_name_has_a_word_that_training_never_uses(expression: str) -> None:
    strange = set(split_words(expression)) - TRAINING_WORDS
    assert strange and strange <= HELD_OUT_WORDS


def test_names_are_those_of_one_thing_only() -> None:
    names = [*CATALOGUE, *(w for words in (SYNONYMS, HELD_OUT) for many in words.values() for w in many)]
    assert len(names) == len(set(names)) == len(CATEGORY_OF)
    assert set(SYNONYMS) | set(HELD_OUT) <= set(CATALOGUE)


def test_every_colour_and_every_category_is_still_named_in_training() -> None:
    pairs = {(colour, name) for name, category in CATALOGUE.items() for colour in category.colours}
    assert pairs > UNSEEN_PAIRS and 0.1 < len(UNSEEN_PAIRS) / len(pairs) < 0.2
    seen = pairs - UNSEEN_PAIRS
    assert {name for _, name in seen} == set(CATALOGUE)
    assert {colour for colour, _ in seen} == {colour for colour, _ in pairs} <= set(COLOURS)


def test_the_held_out_pairs_stay_the_same() -> None:
    """Weights trained without these pairs have seen some of any other ones: who changes them trains anew."""
    text = " ".join(sorted(f"{colour}/{name}" for colour, name in UNSEEN_PAIRS))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "50ad5eb03d08109e"
