"""What views are asked in stage 0b: in which words, or with which goal image, and where the answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_sim.house.people import BOTTOMS, TOPS
from vlingnav_sim.tasks import PHRASES
from vlingnav_sim.tasks.words import (
    BOTTOM_GARMENTS,
    FOLLOW_PHRASES,
    HELD_OUT,
    STOP_PHRASES,
    SYNONYMS,
    TOP_GARMENTS,
)
from vlingnav_train.views import ViewBatches, Views
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, COLOUR_NAMES, MAY_NAME, NO_COLOUR, tokenizer

TAUGHT = ("known", "synonym", "route", "clothes", "image")
"""Kinds of questions: a thing by its name in the catalogue, by another one, at the end of a route; somebody
by the clothes; what a goal image shows."""
TESTED = (*TAUGHT, "unseen", "held out")
"""And those that nobody is taught: pairs of colour and category never named, words never heard."""


@dataclass
class Asked:
    """Questions to views.

    Attributes:
        words: `(B, Q, W)` ids, or None where goal images are asked with.
        pictures: `(B, Q)` the views that are the goal images.
        things: `(B, Q, 2)` category, and colour or -1, of what is asked for; -1, -1 for a person.
        truth: `(B, Q, h, w)` where it is.
    """

    words: Tensor | None
    pictures: NDArray[np.int64]
    things: NDArray[np.int64]
    truth: Tensor


class Questions:
    """Random questions of every kind to `views`, so many of a kind to each.

    Raises:
        ValueError: no view can be a goal image.
    """

    def __init__(self, views: Views, questions: int, seed: int) -> None:
        self.views, self._count = views, questions
        self._batches = ViewBatches(views, questions, seed)
        self._rng = np.random.default_rng([seed, 1])
        self._words = tokenizer()
        shown = views.shows[views.shows >= 0]
        if not len(shown):
            raise ValueError("no view is a picture of a thing; look into more houses")
        self._pictures: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._shown = list(
            zip(views.pair_class[shown].tolist(), views.pair_colour[shown].tolist(), strict=True)
        )
        for thing in set(self._shown):
            alike = [pair for pair, other in zip(shown, self._shown, strict=True) if other == thing]
            self._pictures[thing] = views.pair_view[alike].astype(np.int64)

    def ask(self, kind: str, index: NDArray[np.int64]) -> Asked:
        """Questions of one kind to the views `index` `(B,)`."""
        h, w = self.views.pair_cells.shape[1:]
        shape = len(index), self._count
        texts: list[str] = []
        pictures, things = np.zeros(shape, np.int64), np.full((*shape, 2), -1, np.int64)
        truth = np.zeros((*shape, h, w), np.float32)
        for b, view in enumerate(index):
            for q in range(self._count):
                if kind == "clothes":
                    text, asked = self._somebody(view, q)
                    texts.append(text)
                else:
                    category, colour = self._thing(kind, view, q)
                    pairs = self._batches.pairs(view)
                    alike = (self.views.pair_colour[pairs] == colour) | (colour < 0)
                    asked = (self.views.pair_class[pairs] == category) & alike
                    things[b, q] = category, colour
                    if kind == "image":
                        pictures[b, q] = self._rng.choice(self._pictures[category, colour])
                    else:
                        texts.append(self._call(kind, category, colour))
                truth[b, q] = self._batches.mask(view, asked)
        ids = np.array([self._words.encode(text) for text in texts]).reshape(*shape, -1) if texts else None
        return Asked(
            None if ids is None else torch.from_numpy(ids), pictures, things, torch.from_numpy(truth)
        )

    def _thing(self, kind: str, view: int, q: int) -> tuple[int, int]:
        """A thing to ask for, half the time one that is there if there is any."""
        rng, views = self._rng, self.views
        if kind not in ("image", "unseen"):
            category, colour = self._batches.thing(view, q)
            names = {"synonym": SYNONYMS, "held out": HELD_OUT}.get(kind)
            if names is not None and CATEGORIES[category] not in names:
                category = int(rng.choice([i for i, name in enumerate(CATEGORIES) if name in names]))
                colour = colour if colour >= 0 and MAY_NAME[category, colour] else -1
            return category, colour
        pairs = self._batches.pairs(view)
        there = zip(views.pair_class[pairs].tolist(), views.pair_colour[pairs].tolist(), strict=True)
        if kind == "image":
            choice = [thing for thing in there if thing in self._pictures]
            others: Sequence[tuple[int, int]] = self._shown
        else:
            choice = [(c, m) for c, m in there if c < len(CATEGORIES) and not MAY_NAME[c, m]]
            others = [(int(c), int(m)) for c, m in np.argwhere(~MAY_NAME)]
        if not choice or q >= self._count // 2:
            choice = list(others)
        category, colour = choice[rng.integers(len(choice))]
        return category, colour

    def _call(self, kind: str, category: int, colour: int) -> str:
        """An instruction that asks for a thing in words of this kind."""
        rng, name = self._rng, CATEGORIES[category]
        if kind in ("synonym", "held out"):
            names = (SYNONYMS if kind == "synonym" else HELD_OUT)[name]
            name = names[rng.integers(len(names))]
        phrases = STOP_PHRASES if kind == "route" else PHRASES
        named = name if colour < 0 else f"{COLOUR_NAMES[colour]} {name}"
        return phrases[rng.integers(len(phrases))].format(named)

    def _somebody(self, view: int, q: int) -> tuple[str, NDArray[np.bool_]]:
        """An instruction to follow somebody, half the time one who is there, and which pairs that is."""
        rng, views, pairs = self._rng, self.views, self._batches.pairs(view)
        top, bottom = (COLOUR_NAMES.index(colours[rng.integers(len(colours))]) for colours in (TOPS, BOTTOMS))
        there = np.flatnonzero(views.pair_top[pairs] != NO_COLOUR) + pairs.start
        if len(there) and q < 3 * self._count // 4:
            pick = rng.choice(there)
            top = int(views.pair_top[pick]) if q < self._count // 2 or q % 2 else top  # else one garment only
            bottom = int(views.pair_bottom[pick]) if q < self._count // 2 or not q % 2 else bottom
        upper = f"the {COLOUR_NAMES[top]} {TOP_GARMENTS[rng.integers(len(TOP_GARMENTS))]}"
        lower = f"the {COLOUR_NAMES[bottom]} {BOTTOM_GARMENTS[rng.integers(len(BOTTOM_GARMENTS))]}"
        said = q % 3
        clothes = (f"{upper} and {lower}", upper, lower)[said]
        asked = views.pair_class[pairs] == CLASSES.index("person")
        if said != 2:
            asked = asked & (views.pair_top[pairs] == top)
        if said != 1:
            asked = asked & (views.pair_bottom[pairs] == bottom)
        return FOLLOW_PHRASES[rng.integers(len(FOLLOW_PHRASES))].format(clothes), asked
