"""What the figures of all tasks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vlingnav_sim.grid import footprint_distance
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks.task import SUCCESS_DISTANCE_M

IN_VIEW = 0.1  # share of a target's sample points the camera must see


@dataclass(frozen=True)
class Measures:
    """Figures of one episode; distances [m], times [s]."""

    success: bool
    collisions: int
    path_length_m: float
    elapsed_s: float


class TaskScorer(Protocol):
    """Follows one robot through one episode; call `update` after every step, `score` at the end."""

    def update(self) -> None:
        """Take in what has happened since the last call."""

    def score(self, stopped: bool) -> Measures:
        """The figures, given whether the policy itself said stop."""


class Odometer:
    """What every scorer counts: the way, the time and the collisions since it was made."""

    def __init__(self, simulator: Simulator, robot: int) -> None:
        self._simulator, self._robot = simulator, robot
        self.xy = simulator.pose(robot)[:2].copy()
        self._begin_s, self._begin_collisions = simulator.time, simulator.collisions(robot)
        self.path_length_m = 0.0

    def update(self) -> None:
        """Add the way since the last call."""
        xy = self._simulator.pose(self._robot)[:2]
        self.path_length_m += float(np.hypot(*(xy - self.xy)))
        self.xy = xy.copy()

    def collisions(self) -> int:
        """How often the robot has run into something."""
        return self._simulator.collisions(self._robot) - self._begin_collisions

    def elapsed_s(self) -> float:
        """How long it has taken [s]."""
        return self._simulator.time - self._begin_s


def spl(success: float, shortest_m: float, travelled_m: float) -> float:
    """Success weighted by shortest over travelled path length [m]."""
    return success * shortest_m / max(shortest_m, travelled_m, 1e-6)


def at_target(simulator: Simulator, targets: tuple[int, ...], robot: int = 0) -> bool:
    """Whether the robot stands within 1.0 m of a target that its camera sees."""
    xy = simulator.pose(robot)[:2]
    return any(
        footprint_distance(simulator.house.items[i], xy) <= SUCCESS_DISTANCE_M
        and simulator.visible(i, robot) >= IN_VIEW
        for i in targets
    )
