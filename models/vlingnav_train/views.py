"""Stage 0 data: single looks into houses, with what is where in them.

A cell of the tower covers 8 x 8 pixels; for each view and each (class, colour) pair in it there is the
number of its pixels in every cell. Masks for "the red chair" and for "the chair" are sums of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vlingnav_sim import scene
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House
from vlingnav_sim.parallel import over_houses
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import crowded_cells
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, COLOUR_NAMES, NO_COLOUR

CELL = 8
BACKGROUND_CLASS = {
    scene.WALL: "wall",
    scene.FLOOR: "floor",
    scene.PERSON: "person",
    scene.ROBOT: "robot",
    scene.SKY: "sky",
}


@dataclass
class Views:
    """N looks; h x w cells each.

    Attributes:
        rgb: `(N, H, W, 3)` uint8.
        depth: `(N, h, w)` float16, mean depth of a cell [m].
        pair_view, pair_class, pair_colour: `(P,)` which view holds which pair; sorted by view.
        pair_cells: `(P, h, w)` uint8, its pixels in each cell.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float16]
    pair_view: NDArray[np.int32]
    pair_class: NDArray[np.uint8]
    pair_colour: NDArray[np.uint8]
    pair_cells: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rgb)

    @classmethod
    def join(cls, parts: list[Views]) -> Views:
        """All views of `parts` in one."""
        offsets = np.cumsum([0] + [len(part) for part in parts[:-1]])
        return cls(
            np.concatenate([p.rgb for p in parts]),
            np.concatenate([p.depth for p in parts]),
            np.concatenate([p.pair_view + o for p, o in zip(parts, offsets, strict=True)]).astype(np.int32),
            np.concatenate([p.pair_class for p in parts]),
            np.concatenate([p.pair_colour for p in parts]),
            np.concatenate([p.pair_cells for p in parts]),
        )


def look_out_pose(house: House, xy: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random pose at one of `xy (N, 2)`; half of them look at some item from up to 4 m."""
    if rng.random() < 0.5 and house.items:
        item = house.items[rng.integers(len(house.items))]
        x0, y0, x1, y1 = house.rooms[item.room].rect
        away = np.hypot(xy[:, 0] - item.pose[0], xy[:, 1] - item.pose[1])
        same_room = (xy[:, 0] > x0) & (xy[:, 0] < x1) & (xy[:, 1] > y0) & (xy[:, 1] < y1)
        near = np.flatnonzero(same_room & (away < rng.uniform(0.8, 4.0)))
        if len(near):
            x, y = xy[rng.choice(near)]
            towards = np.arctan2(item.pose[1] - y, item.pose[0] - x)
            return np.array([x, y, towards + rng.uniform(-0.6, 0.6)])
    x, y = xy[rng.integers(len(xy))]
    return np.array([x, y, rng.uniform(-np.pi, np.pi)])


def cell_counts(labels: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Sum a `(H, W)` mask over cells: `(h, w)`."""
    h, w = labels.shape
    return labels.reshape(h // CELL, CELL, w // CELL, CELL).sum(axis=(1, 3)).astype(np.uint8)


def collect_house(seed: int, per_house: int, config: HouseConfig) -> Views:
    """`per_house` views of the house of `seed`."""
    house = generate(seed, config)
    grid = OccupancyGrid.from_house(house)
    places = grid.to_world(np.argwhere(grid.free & ~crowded_cells(house, grid)))
    rng = np.random.default_rng([seed, 0])
    classes = {name: i for i, name in enumerate(CLASSES)}
    colours = {name: i for i, name in enumerate(COLOUR_NAMES)}
    rgb: list[NDArray[np.uint8]] = []
    depth: list[NDArray[np.float16]] = []
    cells: list[NDArray[np.uint8]] = []
    view_of: list[int] = []
    class_of: list[int] = []
    colour_of: list[int] = []
    with Simulator(house, seed=seed) as simulator:
        for _ in range(per_house):
            try:
                simulator.reset(look_out_pose(house, places, rng)[None])
            except ValueError:  # a person happens to stand there
                continue
            view = len(rgb)
            observation = simulator.observe()
            assert observation.depth is not None
            rgb.append(observation.rgb.copy())
            h, w = observation.depth.shape
            depth.append(
                observation.depth.reshape(h // CELL, CELL, w // CELL, CELL)
                .mean(axis=(1, 3))
                .astype(np.float16)
            )
            labels = simulator.labels()
            pairs: dict[tuple[int, int], NDArray[np.uint8]] = {}
            for label in np.unique(labels):
                if label >= 0:
                    item = house.items[label]
                    pair = classes[item.category], colours[item.colour]
                else:
                    pair = classes[BACKGROUND_CLASS[int(label)]], NO_COLOUR
                counts = cell_counts(labels == label)
                pairs[pair] = pairs[pair] + counts if pair in pairs else counts
            for (class_index, colour), counts in pairs.items():
                view_of.append(view)
                class_of.append(class_index)
                colour_of.append(colour)
                cells.append(counts)
    return Views(
        np.stack(rgb),
        np.stack(depth),
        np.array(view_of, np.int32),
        np.array(class_of, np.uint8),
        np.array(colour_of, np.uint8),
        np.stack(cells),
    )


def collect(houses: range, per_house: int, config: HouseConfig) -> Views:
    """Views of many houses."""
    function = partial(collect_house, per_house=per_house, config=config)
    return Views.join(list(over_houses(function, houses, "views")))


@dataclass
class Query:
    """What a batch of views is asked: instructions as (category, colour or -1), and where the answers are."""

    category: NDArray[np.int64]
    colour: NDArray[np.int64]
    mask: NDArray[np.float32]


class ViewBatches:
    """Random batches of views with dense targets and questions."""

    def __init__(self, views: Views, questions: int = 12, seed: int = 0) -> None:
        self._views, self._questions = views, questions
        self._rng = np.random.default_rng(seed)
        self._first = np.searchsorted(views.pair_view, np.arange(len(views) + 1))

    def batch(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], Query]:
        """Views `(B,)`, class shares `(B, K, h, w)`, colour shares `(B, M, h, w)`, questions `(B, Q)`."""
        views, rng = self._views, self._rng
        index = rng.integers(len(views), size=size)
        h, w = views.pair_cells.shape[1:]
        classes = np.zeros((size, len(CLASSES), h, w), np.float32)
        colours = np.zeros((size, len(COLOUR_NAMES), h, w), np.float32)
        query = Query(
            np.zeros((size, self._questions), np.int64),
            np.full((size, self._questions), -1, np.int64),
            np.zeros((size, self._questions, h, w), np.float32),
        )
        for b, view in enumerate(index):
            pairs = slice(self._first[view], self._first[view + 1])
            cells = views.pair_cells[pairs].astype(np.float32) / CELL**2
            class_of, colour_of = views.pair_class[pairs].astype(int), views.pair_colour[pairs].astype(int)
            np.add.at(classes[b], class_of, cells)
            np.add.at(colours[b], colour_of, cells)
            things = np.flatnonzero((class_of < len(CATEGORIES)) & (cells.sum(axis=(1, 2)) > 0.2))
            for q in range(self._questions):
                kind, coloured = q / self._questions, rng.random() < 0.6
                if len(things) and kind < 1 / 3:  # what is there
                    category, colour = class_of[pick := rng.choice(things)], colour_of[pick]
                elif len(things) and kind < 7 / 12:  # the right thing in a wrong colour
                    category, colour, coloured = class_of[rng.choice(things)], rng.integers(NO_COLOUR), True
                else:  # what is, as a rule, not there
                    category, colour = rng.integers(len(CATEGORIES)), rng.integers(NO_COLOUR)
                asked = (class_of == category) & ((colour_of == colour) | (not coloured))
                query.category[b, q], query.colour[b, q] = category, colour if coloured else -1
                query.mask[b, q] = np.clip(2.0 * cells[asked].sum(axis=0), 0.0, 1.0)
        return index, classes, colours, query
