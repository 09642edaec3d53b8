"""What nano sees with: images to visual tokens, goals to what is looked out for.

The tower's cells become tokens of 2 x 2 cells, each cell with its similarity to a query; the query is what
the graph `language` makes of words, or `goal` of the cells of a goal image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.engines import Engine
from vlingnav_policy.history import pool
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.tokenizer import WordTokenizer
from vlingnav_policy.types import Goal

Floats = NDArray[np.float32]
SIMILARITIES = 4  # the last channels of a visual token: one similarity for each of its 2 x 2 cells
GOAL_STRIDE = 2  # pooling of a goal image: 3 x 4 tokens say what is around; what is meant is in the query


def patchify(cells: Floats, query: Floats) -> Floats:
    """Visual tokens of one frame: 2 x 2 cells and their similarity to the query.

    Args:
        cells: `(C, h, w)` of the tower. query: `(C + 1,)` of the language encoder.

    Returns:
        `(h / 2 * w / 2, 4 C + 4)`.
    """
    channels, h, w = cells.shape
    alike = np.tensordot(query[:-1], cells, axes=1) + query[-1]
    alike = 1.0 / (1.0 + np.exp(-np.clip(alike, -30.0, 30.0)))

    def blocks(x: Floats) -> Floats:
        return x.reshape(-1, h // 2, 2, w // 2, 2).transpose(1, 3, 0, 2, 4).reshape((h // 2) * (w // 2), -1)

    return np.concatenate([blocks(cells), blocks(alike[None])], axis=1).astype(np.float32)


@dataclass(frozen=True)
class EncodedGoal:
    """A goal as the networks read it; the same for a whole episode.

    Attributes:
        words: `(1, W)` ids of the instruction.
        query: `(C + 1,)` what a cell that shows what is asked for is like.
        tokens: `(G, 4 C + 4)` of the goal image, pooled by `GOAL_STRIDE`; zeros without one.
    """

    words: NDArray[np.int64]
    query: Floats
    tokens: Floats


def sought(goal: Goal) -> str:
    """The words that a goal's query is made of: of a route the last clause, which names what it ends at.

    One query cannot point at everything that a route passes; the other words are for the transformer.
    """
    if goal.task != "route":
        return goal.instruction
    clauses = [clause.strip() for clause in re.split(r"[,.;]|\bthen\b", goal.instruction)]
    return next(filter(None, reversed(clauses)), goal.instruction)


class Sight:
    """Runs the graphs `tower`, `language` and, where the model learned goal images, `goal`.

    Args:
        grid: rows and columns of an image's tokens.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        tokenizer: WordTokenizer,
        camera: CameraSpec,
        grid: tuple[int, int],
    ) -> None:
        self._engines, self._tokenizer, self._camera, self._grid = engines, tokenizer, camera, grid

    def encode_goal(self, goal: Goal) -> EncodedGoal:
        """A goal as the networks read it; one that `NanoPolicy.check` has passed."""
        words = self._tokenizer.encode(goal.instruction)[None]
        if goal.task == "image" and goal.image is not None:
            cells = self._engines["tower"].run({"image": goal.image[None]})["cells"]
            query = self._engines["goal"].run({"cells": cells})["query"][0]
            tokens = pool(patchify(cells[0], query), self._grid, GOAL_STRIDE, SIMILARITIES)
            return EncodedGoal(words, query, tokens)
        told = self._tokenizer.encode(sought(goal))[None]
        query = self._engines["language"].run({"words": told})["query"][0]
        rows, columns = (-(-side // GOAL_STRIDE) for side in self._grid)
        return EncodedGoal(words, query, np.zeros((rows * columns, SIMILARITIES * len(query)), np.float32))

    def encode(self, rgb: NDArray[np.uint8], goal: EncodedGoal) -> Floats:
        """Visual tokens `(rows * columns, 4 C + 4)` of an image, with their similarities to the goal's query.

        Raises:
            ValueError: see `check`.
        """
        self.check(rgb)
        return patchify(self._engines["tower"].run({"image": rgb[None]})["cells"][0], goal.query)

    def check(self, rgb: NDArray[np.uint8]) -> None:
        """Refuse what is no image of the model's camera.

        Raises:
            ValueError: it has another size or type.
        """
        camera = self._camera
        if rgb.shape != (camera.height, camera.width, 3) or rgb.dtype != np.uint8:
            raise ValueError(
                f"the policy takes uint8 images of {camera.height}x{camera.width}x3, "
                f"got {rgb.dtype} {'x'.join(map(str, rgb.shape))}"
            )
