"""Which robot touches what, and how often it has run into something.

Looking for contacts is most of the cost of physics, and most of the time there is nothing to be found: it is
left out while nothing is within reach, which changes no result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_sim.geoms import movers, world_bounds

Array = NDArray[np.float64]

RETOUCH_S = 0.5
"""Touching the same thing again within this time [s] is the same collision."""

Circle = tuple[float, float, float]
"""x, y, radius [m]."""
_NO_CONTACTS = int(mujoco.mjtDisableBit.mjDSBL_CONTACT)

Touch = tuple[int, int]
"""A robot's index and the body it touches; everything that is built in is body 0."""


class Contacts:
    """The contacts of the robots in a compiled scene; a lasting touch counts once.

    Robots and floors have none with each other: a hull ends above the floor.

    Args:
        model: compiled scene.
        data: of the model, positions up to date.
        robots: body of each robot.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, robots: Sequence[int]) -> None:
        self._model = model
        self._body: list[int] = model.geom_bodyid.tolist()
        self._robot = {body: index for index, body in enumerate(robots)}
        low, high = world_bounds(model, data)
        top = high[np.isin(model.geom_bodyid, robots), 2].max()
        static = (model.geom_contype != 0) & ~np.isin(model.geom_bodyid, movers(model)) & (low[:, 2] < top)
        self._low, self._high = low[static, :2], high[static, :2]
        self.reset()

    def reset(self) -> None:
        """Start at none, and look for all."""
        self._model.opt.disableflags &= ~_NO_CONTACTS
        self.counts = [0] * len(self._robot)
        self._last_s: dict[Touch, float] = {}

    def look_out(self, robots: Sequence[Circle], people: Sequence[Circle], reach: float) -> None:
        """Have physics look for contacts only if a robot is at most `reach` [m] from anything."""
        if self._near(robots, people, reach):
            self._model.opt.disableflags &= ~_NO_CONTACTS
        else:
            self._model.opt.disableflags |= _NO_CONTACTS

    def _near(self, robots: Sequence[Circle], people: Sequence[Circle], reach: float) -> bool:
        for index, (x, y, radius) in enumerate(robots):
            far = radius + reach
            if any(math.hypot(x - u, y - v) < far + r for u, v, r in (*robots[index + 1 :], *people)):
                return True
            if _any_within(self._low, self._high, x, y, far):
                return True
        return False

    def touches(self, data: mujoco.MjData) -> list[Touch]:
        """What touches what now, robots in order; two robots that touch give two."""
        touches = set()
        for first, second in data.contact.geom.tolist():
            one, two = self._body[first], self._body[second]
            for body, other in ((one, two), (two, one)):
                if body in self._robot:
                    touches.add((self._robot[body], other))
        return sorted(touches)

    def update(self, data: mujoco.MjData, now: float) -> None:
        """Take in the contacts of the time `now` [s]."""
        for touch in self.touches(data):
            if now - self._last_s.get(touch, -math.inf) > RETOUCH_S:
                self.counts[touch[0]] += 1
            self._last_s[touch] = now


@njit(cache=True)
def _any_within(low: Array, high: Array, x: float, y: float, far: float) -> bool:
    """Whether a rectangle from `low` to `high`, `(N, 2)`, is at most `far` from `x`, `y` along both axes."""
    for n in range(len(low)):
        if low[n, 0] < x + far and low[n, 1] < y + far and high[n, 0] > x - far and high[n, 1] > y - far:
            return True
    return False
