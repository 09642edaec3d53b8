"""How well an episode went: success, SPL, SoftSPL, distance to goal, collisions.

Success: the policy said stop within 1.0 m of a target's footprint with that target in view. SPL is that of
Anderson et al., "On Evaluation of Embodied Navigation Agents" (2018), eq. 1; SoftSPL replaces success by the
share of the way covered (Datta et al., 2020), as habitat-lab computes both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import SUCCESS_DISTANCE_M, NavigationTask, goal_region

IN_VIEW = 0.1  # share of a target's sample points the camera must see


@dataclass(frozen=True)
class Measures:
    """Figures of one episode; distances [m], times [s]."""

    success: bool
    spl: float
    soft_spl: float
    distance_to_goal_m: float
    collisions: int
    path_length_m: float
    elapsed_s: float


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


class Scorer:
    """Follows one robot through one episode; call `update` after every step, `score` at the end."""

    def __init__(
        self, simulator: Simulator, task: NavigationTask, grid: OccupancyGrid, robot: int = 0
    ) -> None:
        self._simulator, self._task, self._grid, self._robot = simulator, task, grid, robot
        region = goal_region(simulator.house, grid, task.targets, SUCCESS_DISTANCE_M)
        self._field = grid.distance_field(region)
        self._last = simulator.pose(robot)[:2].copy()
        self._begin_s = simulator.time
        self._begin_collisions = simulator.collisions(robot)
        self.path_length_m = 0.0

    def update(self) -> None:
        """Add the way since the last call."""
        xy = self._simulator.pose(self._robot)[:2]
        self.path_length_m += float(np.hypot(*(xy - self._last)))
        self._last = xy.copy()

    def distance_to_goal_m(self) -> float:
        """Geodesic distance [m] from the robot to the nearest place that counts."""
        cell = self._grid.nearest_free(self._last, self._grid.free & np.isfinite(self._field))
        offset = float(np.hypot(*(self._grid.to_world(cell) - self._last)))
        distance = float(self._field[tuple(cell)])
        return distance + offset if distance > 0.0 else 0.0

    def score(self, stopped: bool) -> Measures:
        """The figures, given whether the policy itself said stop."""
        success = stopped and at_target(self._simulator, self._task.targets, self._robot)
        shortest, distance = self._task.shortest_path_m, self.distance_to_goal_m()
        progress = max(0.0, 1.0 - distance / max(shortest, 1e-6))
        return Measures(
            success=success,
            spl=spl(float(success), shortest, self.path_length_m),
            soft_spl=spl(progress, shortest, self.path_length_m),
            distance_to_goal_m=distance,
            collisions=self._simulator.collisions(self._robot) - self._begin_collisions,
            path_length_m=self.path_length_m,
            elapsed_s=self._simulator.time - self._begin_s,
        )


def wilson_interval(successes: int, episodes: int, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a proportion (Wilson, 1927)."""
    if episodes == 0:
        return 0.0, 1.0
    p, n = successes / episodes, episodes
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def mean_interval(values: NDArray[np.float64], z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a mean, normal approximation."""
    half = z * float(np.std(values, ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else float("inf")
    return float(np.mean(values)) - half, float(np.mean(values)) + half
