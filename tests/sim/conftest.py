"""A room small enough to know where everything is, and a way to drive in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vlingnav_sim.house.model import House, Item, Light, Part, Person, Room, Wall
from vlingnav_sim.simulator import Simulator


@pytest.fixture
def make_room() -> Callable[..., House]:
    """Makes a room whose inner faces are at x = ±3 m and y = ±2 m.

    Its arguments: `boxes`, x, y of red cubes of 0.4 m; `screens`, x, y0, y1 of walls across; `people`.
    """

    def make(
        boxes: Sequence[tuple[float, float]] = (),
        screens: Sequence[tuple[float, float, float]] = (),
        people: Sequence[Person] = (),
    ) -> House:
        rects = [
            (-3.1, -2.1, 3.1, -2.0),
            (-3.1, 2.0, 3.1, 2.1),
            (-3.1, -2.0, -3.0, 2.0),
            (3.0, -2.0, 3.1, 2.0),
        ]
        rects += [(x - 0.05, y0, x + 0.05, y1) for x, y0, y1 in screens]
        cube = Part("box", (0.2, 0.2, 0.2), (0.0, 0.0, 0.2), (0.8, 0.1, 0.1))
        return House(
            seed=0,
            rooms=(Room(0, "office", (-3.05, -2.05, 3.05, 2.05), (0.5, 0.4, 0.3), (0.8, 0.8, 0.75)),),
            doors=(),
            walls=tuple(Wall(rect, 0.0, 2.5, (0.8, 0.8, 0.75)) for rect in rects),
            items=tuple(
                Item(index, "box", "red", 0, (x, y, 0.0), (0.2, 0.2, 0.4), (cube,))
                for index, (x, y) in enumerate(boxes)
            ),
            people=tuple(people),
            light=Light((-0.3, 0.2, -1.0), 0.6, 0.4),
        )

    return make


@pytest.fixture
def drive() -> Callable[..., np.ndarray]:
    """Holds a command `(3,)` for some seconds; returns the body velocities `(N, 3)` of robot 0."""

    def hold(sim: Simulator, command: Sequence[float], seconds: float) -> np.ndarray:
        commands = np.broadcast_to(command, (len(sim.robots), 3))
        velocities = []
        for _ in range(round(seconds / 0.05)):
            sim.step(commands, 0.05)
            velocities.append(sim.velocity())
        return np.array(velocities)

    return hold
