"""Searches, for things in words and in pictures: success, SPL, SoftSPL, distance to goal.

Success: the policy said stop within 1.0 m of a target's footprint with that target in view. SPL is that of
Anderson et al., "On Evaluation of Embodied Navigation Agents" (2018), eq. 1; SoftSPL replaces success by the
share of the way covered (Datta et al., 2020), as habitat-lab computes both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.measures.common import Measures, Odometer, at_target, spl
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks.objects import goal_region
from vlingnav_sim.tasks.task import SUCCESS_DISTANCE_M, NavigationTask


@dataclass(frozen=True)
class SearchMeasures(Measures):
    """Figures of one search; distances [m]."""

    spl: float
    soft_spl: float
    distance_to_goal_m: float


class Scorer:
    """Follows one robot through one search; call `update` after every step, `score` at the end."""

    def __init__(
        self, simulator: Simulator, task: NavigationTask, grid: OccupancyGrid, robot: int = 0
    ) -> None:
        self._simulator, self._task, self._grid, self._robot = simulator, task, grid, robot
        region = goal_region(simulator.house, grid, task.targets, SUCCESS_DISTANCE_M)
        self._field = grid.distance_field(region)
        self._way = Odometer(simulator, robot)

    @property
    def path_length_m(self) -> float:
        """How far the robot has gone [m]."""
        return self._way.path_length_m

    def update(self) -> None:
        """Add the way since the last call."""
        self._way.update()

    def distance_to_goal_m(self) -> float:
        """Geodesic distance [m] from the robot to the nearest place that counts."""
        xy = self._way.xy
        cell = self._grid.nearest_free(xy, self._grid.free & np.isfinite(self._field))
        offset = float(np.hypot(*(self._grid.to_world(cell) - xy)))
        distance = float(self._field[tuple(cell)])
        return distance + offset if distance > 0.0 else 0.0

    def score(self, stopped: bool) -> SearchMeasures:
        """The figures, given whether the policy itself said stop."""
        success = stopped and at_target(self._simulator, self._task.targets, self._robot)
        shortest, distance = self._task.shortest_path_m, self.distance_to_goal_m()
        progress = max(0.0, 1.0 - distance / max(shortest, 1e-6))
        return SearchMeasures(
            success=success,
            collisions=self._way.collisions(),
            path_length_m=self._way.path_length_m,
            elapsed_s=self._way.elapsed_s(),
            spl=spl(float(success), shortest, self._way.path_length_m),
            soft_spl=spl(progress, shortest, self._way.path_length_m),
            distance_to_goal_m=distance,
        )
