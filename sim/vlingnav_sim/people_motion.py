"""People who walk their closed routes for ever.

A walker never leaves its route, so what is clear of walls in the `House` stays clear. At a corner it slows
down while it turns; it waits while a robot stands close ahead, after a while turns back, and it walks through
other people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vlingnav_sim.house.model import Leader, Person
from vlingnav_sim.scene import PERSON_RADIUS

if TYPE_CHECKING:
    import mujoco

Circle = tuple[float, float, float]
"""x, y, radius [m]."""
Direction = tuple[float, float, float]
"""An angle [rad], its cosine and its sine."""

TURN_RATE = 3.5
"""How fast a person turns [rad/s]."""
REACH, LEADER_REACH, SHOULDER = 0.6, 1.0, 0.3
"""A person waits for a robot this close ahead [m], a leader sooner, in a lane of this half width [m]."""
PATIENCE_S = 2.5
"""After waiting this long [s] a person turns back: two who wait for each other would wait for ever."""
_ELBOW_ROOM = 1.0
"""People start at least this far [m] from a robot's middle where their route allows it."""


class People:
    """The people of a compiled scene, whose mocap bodies they move."""

    def __init__(self, model: mujoco.MjModel, persons: Sequence[Person]) -> None:
        self._persons = persons
        self._mocap = [int(model.body(f"person_{person.index}").mocapid[0]) for person in persons]
        self.walkers: list[Walker] = []

    def reset(self, data: mujoco.MjData, robots: Sequence[Circle], rng: np.random.Generator) -> None:
        """Put everybody somewhere on their route, away from the robots; leaders where it begins."""

        def room(walker: Walker) -> float:
            return min((math.hypot(walker.x - x, walker.y - y) for x, y, _ in robots), default=math.inf)

        self.walkers = []
        for person in self._persons:
            if isinstance(person, Leader):
                self.walkers.append(Walker(person, 0.0))
                continue
            tries = [Walker(person, rng.random()) for _ in range(20)]
            roomy = (walker for walker in tries if room(walker) > _ELBOW_ROOM)
            self.walkers.append(next(roomy, max(tries, key=room)))
        self._place(data)

    def step(self, data: mujoco.MjData, robots: Sequence[Circle], dt: float) -> None:
        """Everybody walks for `dt` [s] among `robots`."""
        for walker in self.walkers:
            walker.step(dt, robots)
        self._place(data)

    def circles(self) -> list[Circle]:
        """Where everybody is, by their solid cylinders."""
        return [(walker.x, walker.y, PERSON_RADIUS) for walker in self.walkers]

    def _place(self, data: mujoco.MjData) -> None:
        places, turns = data.mocap_pos, data.mocap_quat
        for mocap, walker in zip(self._mocap, self.walkers, strict=True):
            half = 0.5 * walker.yaw
            # Upright on the floor: the rest of both rows is zero and stays it.
            places[mocap, 0], places[mocap, 1] = walker.x, walker.y
            turns[mocap, 0], turns[mocap, 3] = math.cos(half), math.sin(half)


class Walker:
    """One person: `x`, `y` [m], `yaw` [rad], `vx`, `vy` [m/s].

    Args:
        person: whose route and speed.
        start: how far round the route to begin, 0 to 1.
    """

    def __init__(self, person: Person, start: float) -> None:
        points = np.array(person.path, dtype=np.float64)
        steps = np.roll(points, -1, axis=0) - points
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        keep = lengths > 1e-6
        self._points: list[tuple[float, float]] = [(float(x), float(y)) for x, y in points[keep]]
        self._lengths: list[float] = lengths[keep].tolist()
        # Where each leg leads when it is walked ahead, and back.
        self._ahead = [_direction(yaw) for yaw in np.arctan2(steps[keep, 1], steps[keep, 0]).tolist()]
        self._back = [_direction(yaw + math.pi) for yaw, _, _ in self._ahead]
        self._speed = person.speed
        self._reach = LEADER_REACH if isinstance(person, Leader) else REACH
        self.vx = self.vy = 0.0
        self._sense, self._waited_s = 1.0, 0.0
        self._leg, self._along = 0, start * sum(self._lengths)
        self._turn_corners()
        self.yaw = self._heading()[0]
        self._place()

    def step(self, dt: float, robots: Sequence[Circle]) -> None:
        """Walk for `dt` [s] among `robots`."""
        heading, c, s = self._heading()
        error = math.remainder(heading - self.yaw, math.tau)
        self.yaw += max(-TURN_RATE * dt, min(TURN_RATE * dt, error))
        blocked = self._blocked(c, s, robots)
        self._waited_s = self._waited_s + dt if blocked else 0.0
        if self._waited_s > PATIENCE_S:
            self._sense, self._waited_s = -self._sense, 0.0
            _, c, s = self._heading()
        speed = 0.0 if blocked else self._speed * max(0.0, math.cos(error))
        self.vx, self.vy = speed * c, speed * s
        self._along += self._sense * speed * dt
        self._turn_corners()
        self._place()

    def _blocked(self, c: float, s: float, robots: Sequence[Circle]) -> bool:
        # Ahead is where the next step leads, which at a corner is not yet where the person looks.
        for x, y, radius in robots:
            dx, dy = x - self.x, y - self.y
            ahead, aside = c * dx + s * dy, abs(c * dy - s * dx)
            if 0.0 < ahead < self._reach + radius and aside < SHOULDER + radius:
                return True
        return False

    def _heading(self) -> Direction:
        return (self._ahead if self._sense > 0.0 else self._back)[self._leg]

    def _turn_corners(self) -> None:
        while self._along >= self._lengths[self._leg]:
            self._along -= self._lengths[self._leg]
            self._leg = (self._leg + 1) % len(self._lengths)
        while self._along < 0.0:
            self._leg = (self._leg - 1) % len(self._lengths)
            self._along += self._lengths[self._leg]

    def _place(self) -> None:
        x, y = self._points[self._leg]
        _, c, s = self._ahead[self._leg]
        self.x, self.y = x + self._along * c, y + self._along * s


def _direction(yaw: float) -> Direction:
    return yaw, math.cos(yaw), math.sin(yaw)
