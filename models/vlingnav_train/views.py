"""Stage 0 data: single looks into houses, with what is where in them.

A cell of the tower covers 8 x 8 pixels; for each view and each (class, colour) pair in it there is the
number of its pixels in every cell. Masks for "the red chair" and for "the chair" are sums of those. A person
is a pair of its own, with the colours of the clothes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
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
from vlingnav_sim.tasks.images import ASIDE_RAD, FILLED_SHARE
from vlingnav_train.vocabulary import CLASSES, COLOUR_NAMES, NO_COLOUR

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
        pair_top, pair_bottom: `(P,)` colours of a person's clothes; `NO_COLOUR` for all else.
        pair_cells: `(P, h, w)` uint8, its pixels in each cell.
        shows: `(N,)` the pair that the view is a picture of, as goal images are; -1 if of none.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float16]
    pair_view: NDArray[np.int32]
    pair_class: NDArray[np.uint8]
    pair_colour: NDArray[np.uint8]
    pair_top: NDArray[np.uint8]
    pair_bottom: NDArray[np.uint8]
    pair_cells: NDArray[np.uint8]
    shows: NDArray[np.int32]

    def __post_init__(self) -> None:
        self._first = np.searchsorted(self.pair_view, np.arange(len(self) + 1))

    def __len__(self) -> int:
        return len(self.rgb)

    def pairs(self, view: int) -> slice:
        """The pairs of a view."""
        return slice(self._first[view], self._first[view + 1])

    def mask(self, view: int, asked: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Where in a view those of its pairs are that are `asked` for, `(h, w)`."""
        cells: NDArray[np.uint8] = self.pair_cells[self.pairs(view)][asked]
        return np.clip(cells.sum(axis=0, dtype=np.float32) * (2.0 / CELL**2), 0.0, 1.0)

    def shares(self, index: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of the views `index (B,)`: shares of classes `(B, K, h, w)`, of colours `(B, M, h, w)`."""
        h, w = self.pair_cells.shape[1:]
        classes = np.zeros((len(index), len(CLASSES), h, w), np.float32)
        colours = np.zeros((len(index), len(COLOUR_NAMES), h, w), np.float32)
        for b, view in enumerate(index):
            pairs = self.pairs(view)
            cells = self.pair_cells[pairs].astype(np.float32) / CELL**2
            np.add.at(classes[b], self.pair_class[pairs].astype(int), cells)
            np.add.at(colours[b], self.pair_colour[pairs].astype(int), cells)
        return classes, colours

    @classmethod
    def join(cls, parts: list[Views]) -> Views:
        """All views of `parts` in one."""
        views = np.cumsum([0] + [len(part) for part in parts[:-1]])
        pairs = np.cumsum([0] + [len(part.pair_view) for part in parts[:-1]])
        joined = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)
        }
        joined["pair_view"] = np.concatenate(
            [p.pair_view + np.int32(o) for p, o in zip(parts, views, strict=True)]
        )
        joined["shows"] = np.concatenate(
            [np.where(p.shows < 0, -1, p.shows + np.int32(o)) for p, o in zip(parts, pairs, strict=True)]
        )
        return cls(**joined)


def look_out_pose(
    house: House, people: NDArray[np.float64], xy: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], int | None]:
    """A random pose at one of `xy (N, 2)`, and the item it looks straight at, if any.

    Half of them look at some item from up to 4 m, and where there are `people (P, 2)` a sixth at somebody.
    """
    kind, item, near = rng.random(), None, np.zeros(0, np.int64)
    if kind < 0.5 and house.items:
        item = house.items[rng.integers(len(house.items))]
        x0, y0, x1, y1 = house.rooms[item.room].rect
        away = np.hypot(xy[:, 0] - item.pose[0], xy[:, 1] - item.pose[1])
        same_room = (xy[:, 0] > x0) & (xy[:, 0] < x1) & (xy[:, 1] > y0) & (xy[:, 1] < y1)
        near = np.flatnonzero(same_room & (away < rng.uniform(0.8, 4.0)))
        towards = np.array(item.pose[:2])
    elif kind > 5.0 / 6.0 and len(people):
        towards = people[rng.integers(len(people))]
        away = np.hypot(*(xy - towards).T)
        near = np.flatnonzero((away > 0.8) & (away < rng.uniform(1.2, 4.0)))
    if len(near):
        x, y = xy[rng.choice(near)]
        aside = rng.uniform(-0.6, 0.6)
        yaw = np.arctan2(towards[1] - y, towards[0] - x) + aside
        straight = item is not None and abs(aside) <= ASIDE_RAD
        return np.array([x, y, yaw]), item.index if item is not None and straight else None
    x, y = xy[rng.integers(len(xy))]
    return np.array([x, y, rng.uniform(-np.pi, np.pi)]), None


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
    pair_of: list[tuple[int, int, int, int, int]] = []
    shows: list[int] = []
    with Simulator(house, seed=seed) as simulator:
        for _ in range(per_house):
            pose, aim = look_out_pose(house, simulator.people()[:, :2], places, rng)
            try:
                simulator.reset(pose[None])
            except ValueError:  # a person happens to stand there
                continue
            view, shown = len(rgb), None
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
            pairs: dict[tuple[int, int, int, int], NDArray[np.uint8]] = {}
            for label in np.unique(labels[labels != scene.PERSON]):
                if label >= 0:
                    item = house.items[label]
                    pair = classes[item.category], colours[item.colour], NO_COLOUR, NO_COLOUR
                else:
                    pair = classes[BACKGROUND_CLASS[int(label)]], NO_COLOUR, NO_COLOUR, NO_COLOUR
                counts = cell_counts(labels == label)
                pairs[pair] = pairs[pair] + counts if pair in pairs else counts
                if label == aim and np.mean(labels == label) >= FILLED_SHARE:
                    shown = pair
            persons = simulator.person_labels() if scene.PERSON in labels else np.full_like(labels, -1)
            for index in np.unique(persons[persons >= 0]):
                person = house.people[index]
                pair = classes["person"], NO_COLOUR, colours[person.top], colours[person.bottom]
                counts = cell_counts(persons == index)
                pairs[pair] = pairs[pair] + counts if pair in pairs else counts
            shows.append(-1 if shown is None else len(cells) + list(pairs).index(shown))
            pair_of += [(view, *pair) for pair in pairs]
            cells += pairs.values()
    views, *kinds = np.array(pair_of).T
    class_of, colour_of, top_of, bottom_of = (kind.astype(np.uint8) for kind in kinds)
    return Views(
        np.stack(rgb),
        np.stack(depth),
        views.astype(np.int32),
        class_of,
        colour_of,
        top_of,
        bottom_of,
        np.stack(cells),
        np.array(shows, np.int32),
    )


def collect(houses: range, per_house: int, config: HouseConfig) -> Views:
    """Views of many houses."""
    function = partial(collect_house, per_house=per_house, config=config)
    return Views.join(list(over_houses(function, houses, "views")))
