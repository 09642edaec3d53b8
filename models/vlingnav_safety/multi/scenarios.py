"""Scenes made to be hard: where robots must give way, no gain of a barrier lets them through by itself.

Each is a family, not a picture: the seed moves starts and goals by up to `_JITTER` and, in the swap, the
clutter, so that nothing is solved by an accident of symmetry, and nothing fails for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.multi.worlds import Scenes, WorldConfig, clearance, rectangle

Array = NDArray[np.float64]

_JITTER = 0.02  # [m]
STEPS = 512
"""Periods that these scenes are given, twice those of the random worlds: most of the time is waiting."""


def door(config: WorldConfig, seeds: list[int]) -> tuple[WorldConfig, Scenes]:
    """Four robots on either side of a thick wall want to the other side, by a door for one at a time."""
    width, thick, half = 0.18, 0.2, 2.0
    walls = [rectangle(2.0, 2.0 + s * (half + 0.5 * width), thick, 2.0 * half) for s in (-1.0, 1.0)]
    x = np.array([1.5, 1.5, 1.25, 1.25, 2.5, 2.5, 2.75, 2.75])
    y = np.array([1.85, 2.15, 1.9, 2.1, 2.15, 1.85, 2.1, 1.9])
    starts = np.stack([x, y], axis=-1)
    return _scenes(config, seeds, [walls] * len(seeds), starts, starts[[4, 5, 6, 7, 0, 1, 2, 3]])


def crossing(config: WorldConfig, seeds: list[int]) -> tuple[WorldConfig, Scenes]:
    """Two corridors 0.4 m wide cross; two robots at each of the four ends want straight across."""
    side, centre = 1.4, 0.2 + 0.7
    walls = [rectangle(2.0 + a * centre, 2.0 + b * centre, side, side) for a in (-1, 1) for b in (-1, 1)]
    along = np.array([0.9, 0.65])
    ends = [np.stack([2.0 + s * along, 2.0 + s * np.array([0.06, -0.06])], axis=-1) for s in (-1.0, 1.0)]
    starts = np.concatenate([*ends, *(end[:, ::-1] for end in ends)])
    goals = np.concatenate([ends[1], ends[0], ends[1][:, ::-1], ends[0][:, ::-1]])
    return _scenes(config, seeds, [walls] * len(seeds), starts, goals)


def swap(config: WorldConfig, seeds: list[int]) -> tuple[WorldConfig, Scenes]:
    """Sixteen robots on a circle want to the opposite point, through six small boxes about its middle."""
    angle = 2.0 * np.pi / 16 * np.arange(16)
    starts = 2.0 + 1.2 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    boxes = []
    for seed in seeds:
        rng, chosen = np.random.default_rng([seed, 1]), np.zeros((0, 2))
        while len(chosen) < 6:
            point = 2.0 + rng.uniform(-0.7, 0.7, 2)
            if len(chosen) == 0 or np.hypot(*(chosen - point).T).min() > 0.35:
                chosen = np.concatenate([chosen, point[None]])
        boxes.append([rectangle(x, y, 0.12, 0.12, rng.uniform(0.0, np.pi)) for x, y in chosen])
    return _scenes(config, seeds, boxes, starts, np.roll(starts, 8, axis=0))


SCENARIOS: dict[str, Callable[[WorldConfig, list[int]], tuple[WorldConfig, Scenes]]] = {
    "door": door,
    "crossing": crossing,
    "swap": swap,
}


def _scenes(
    config: WorldConfig, seeds: list[int], walls: list[list[list[float]]], starts: Array, goals: Array
) -> tuple[WorldConfig, Scenes]:
    moved = [
        np.random.default_rng([seed, 0]).uniform(-_JITTER, _JITTER, (2, *starts.shape)) for seed in seeds
    ]
    start, goal = (np.stack([places + m[k] for m in moved]) for k, places in enumerate((starts, goals)))
    rectangles = np.array(walls)
    assert clearance(start, rectangles).min() > config.radius
    yaw = np.arctan2(*np.moveaxis(goal - start, -1, 0)[::-1])
    grown = replace(config, robots=len(starts), obstacles=rectangles.shape[1], steps=STEPS)
    return grown, Scenes(rectangles, config.model.start(start, yaw), goal)
