"""What views are asked in stage 0: in which words, or with which goal image, and where the answer is.

Half of what is asked for is not there, or only in another colour: a tower that was never asked for what is
absent finds it everywhere. Questions name no pair of colour and category that is kept from training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_sim.house.people import BOTTOMS, TOPS
from vlingnav_sim.tasks import PHRASES
from vlingnav_sim.tasks.words import (
    BOTTOM_GARMENTS,
    FOLLOW_PHRASES,
    STOP_PHRASES,
    SYNONYMS,
    TOP_GARMENTS,
)
from vlingnav_train.views import CELL, Views
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, COLOUR_NAMES, MAY_NAME, NO_COLOUR, tokenizer

Kind = Literal["known", "synonym", "route", "clothes", "image", "unseen"]
TAUGHT: dict[Kind, int] = {"known": 11, "synonym": 3, "route": 2, "clothes": 4, "image": 4}
"""Kinds of questions, and how many of each a view is asked: for a thing by its name in the catalogue, by
another name, at the end of a route; for somebody by the clothes; for what a goal image shows."""
TESTED: tuple[Kind, ...] = (*TAUGHT, "unseen")
"""And one that nobody is taught: pairs of colour and category never named."""


@dataclass
class Asked:
    """Questions of one kind to B views.

    Attributes:
        words: `(B, Q, W)` ids, or None where goal images are asked with.
        pictures: `(B, Q)` which of the B views are the goal images.
        things: `(B, Q, 2)` category, and colour or -1, of what is asked for; -1, -1 for a person.
        truth: `(B, Q, h, w)` where it is, as float32 shares.
    """

    words: NDArray[np.int64] | None
    pictures: NDArray[np.int64]
    things: NDArray[np.int64]
    truth: NDArray[np.float32]


class Questions:
    """Random views, and random questions of every kind to them."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self._words = tokenizer()
        self._pictures = np.flatnonzero(views.shows >= 0)

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Random views; a quarter of them can be goal images, if there are any."""
        index = rng.integers(len(self.views), size=size)
        if len(self._pictures):
            index[: size // 4] = rng.choice(self._pictures, size // 4)
        return index

    def batch(self, size: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """What a step of stage 0 learns from.

        Returns:
            `rgb (B, H, W, 3)` uint8, `depth (B, h, w)` [m], `classes (B, K, h, w)` and `colours (B, M, h, w)`
            shares, `words (B, Q', W)` ids and `pictures (B, Q - Q')` for questions with words and with goal
            images, `truth (B, Q, h, w)` where the answers are, and a `seed ()` for augmentation. Half of the
            views are mirrored.
        """
        index = self.draw(size, rng)
        views = self.views
        asked = {kind: self.ask(kind, index, count, rng) for kind, count in TAUGHT.items()}
        words = np.concatenate([each.words for each in asked.values() if each.words is not None], axis=1)
        classes, colours = views.shares(index)
        dense = {
            "depth": views.depth[index].astype(np.float32),
            "classes": classes,
            "colours": colours,
            "truth": np.concatenate([each.truth for each in asked.values()], axis=1),
        }
        rgb = views.rgb[index]
        mirrored = rng.random(size) < 0.5
        rgb[mirrored] = rgb[mirrored, :, ::-1]
        for values in dense.values():
            values[mirrored] = values[mirrored, ..., ::-1]
        longest = int((words != 0).sum(axis=2).max())
        told = {"words": words[..., :longest], "pictures": asked["image"].pictures}
        batch = {"rgb": rgb, **dense, **told, "seed": rng.integers(2**31)}
        return {name: torch.as_tensor(np.ascontiguousarray(value)) for name, value in batch.items()}

    def ask(self, kind: Kind, index: NDArray[np.int64], count: int, rng: np.random.Generator) -> Asked:
        """`count` questions of one kind to each of the views `index (B,)`."""
        views = self.views
        h, w = views.pair_cells.shape[1:]
        shape = len(index), count
        texts: list[str] = []
        pictures, things = np.zeros(shape, np.int64), np.full((*shape, 2), -1, np.int64)
        truth = np.zeros((*shape, h, w), np.float32)
        shown = self._shown(index) if kind == "image" else {}
        for b, view in enumerate(index):
            pairs = views.pairs(view)
            for q in range(count):
                if kind == "clothes":
                    text, asked = self._somebody(view, q / count, rng)
                    texts.append(text)
                else:
                    category, colour = self._thing(kind, view, q / count, shown, rng)
                    alike = (views.pair_colour[pairs] == colour) | (colour < 0)
                    asked = (views.pair_class[pairs] == category) & alike
                    things[b, q] = category, colour
                    if kind == "image":
                        pictures[b, q] = rng.choice(shown[category, colour]) if shown else b
                    else:
                        texts.append(self._call(kind, category, colour, rng))
                truth[b, q] = views.mask(view, asked)
        ids = np.array([self._words.encode(text) for text in texts]).reshape(*shape, -1) if texts else None
        return Asked(ids, pictures, things, truth)

    def _shown(self, index: NDArray[np.int64]) -> dict[tuple[int, int], list[int]]:
        """The things that some of the views `index` are goal images of, and which of them."""
        shown: dict[tuple[int, int], list[int]] = {}
        for b, pair in enumerate(self.views.shows[index]):
            if pair >= 0:
                thing = int(self.views.pair_class[pair]), int(self.views.pair_colour[pair])
                shown.setdefault(thing, []).append(b)
        return shown

    def _thing(
        self,
        kind: Kind,
        view: int,
        share: float,
        shown: dict[tuple[int, int], list[int]],
        rng: np.random.Generator,
    ) -> tuple[int, int]:
        """A thing to ask for; `share` is that of the view's questions which come before this one."""
        if kind not in ("image", "unseen"):
            category, colour = self._named(view, share, rng)
            if kind == "synonym" and CATEGORIES[category] not in SYNONYMS:
                category = int(rng.choice([i for i, name in enumerate(CATEGORIES) if name in SYNONYMS]))
                colour = colour if colour >= 0 and MAY_NAME[category, colour] else -1
            return category, colour
        views, pairs = self.views, self.views.pairs(view)
        there = zip(views.pair_class[pairs].tolist(), views.pair_colour[pairs].tolist(), strict=True)
        if kind == "image":
            choice = [thing for thing in there if thing in shown]
            others: Sequence[tuple[int, int]] = list(shown) or [(-1, -1)]
        else:
            choice = [(c, m) for c, m in there if c < len(CATEGORIES) and not MAY_NAME[c, m]]
            others = [(int(c), int(m)) for c, m in np.argwhere(~MAY_NAME)]
        if not choice or share >= 0.5:
            choice = list(others)
        return choice[rng.integers(len(choice))]

    def _named(self, view: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
        """A thing that may be named: a third of them is there, a quarter in another colour."""
        views, pairs = self.views, self.views.pairs(view)
        large = views.pair_cells[pairs].sum(axis=(1, 2), dtype=np.int64) > 0.2 * CELL**2
        things = pairs.start + np.flatnonzero(large & (views.pair_class[pairs] < len(CATEGORIES)))
        coloured = rng.random() < 0.6
        category, colour = int(rng.integers(len(CATEGORIES))), int(rng.integers(NO_COLOUR))
        if len(things) and share < 7 / 12:
            pick = rng.choice(things)
            category = int(views.pair_class[pick])
            if share < 1 / 3:
                colour = int(views.pair_colour[pick])
            else:
                coloured = True
        return category, colour if coloured and MAY_NAME[category, colour] else -1

    @staticmethod
    def _call(kind: Kind, category: int, colour: int, rng: np.random.Generator) -> str:
        """An instruction that asks for a thing in words of this kind."""
        name = CATEGORIES[category]
        if kind == "synonym":
            name = SYNONYMS[name][rng.integers(len(SYNONYMS[name]))]
        phrases = STOP_PHRASES if kind == "route" else PHRASES
        named = name if colour < 0 else f"{COLOUR_NAMES[colour]} {name}"
        return phrases[rng.integers(len(phrases))].format(named)

    def _somebody(self, view: int, share: float, rng: np.random.Generator) -> tuple[str, NDArray[np.bool_]]:
        """An instruction to follow somebody, half the time one who is there, and which pairs that is."""
        views, pairs = self.views, self.views.pairs(view)
        top, bottom = (COLOUR_NAMES.index(colours[rng.integers(len(colours))]) for colours in (TOPS, BOTTOMS))
        there = np.flatnonzero(views.pair_top[pairs] != NO_COLOUR) + pairs.start
        if len(there) and share < 0.75:
            pick = rng.choice(there)
            other = share >= 0.5  # one of the garments is that of another
            keep_top = not other or rng.random() < 0.5
            top = int(views.pair_top[pick]) if keep_top else top
            bottom = int(views.pair_bottom[pick]) if not (other and keep_top) else bottom
        upper = f"the {COLOUR_NAMES[top]} {TOP_GARMENTS[rng.integers(len(TOP_GARMENTS))]}"
        lower = f"the {COLOUR_NAMES[bottom]} {BOTTOM_GARMENTS[rng.integers(len(BOTTOM_GARMENTS))]}"
        said = rng.integers(3)
        clothes = (f"{upper} and {lower}", upper, lower)[said]
        asked = views.pair_class[pairs] == CLASSES.index("person")
        if said != 2:
            asked = asked & (views.pair_top[pairs] == top)
        if said != 1:
            asked = asked & (views.pair_bottom[pairs] == bottom)
        return FOLLOW_PHRASES[rng.integers(len(FOLLOW_PHRASES))].format(clothes), asked
