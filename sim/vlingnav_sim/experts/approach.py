"""The last metres: going up to an item that is known, and stopping before it with it in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision
from vlingnav_sim.experts.trajectories import (
    TIGHT_M,
    TrajectoryConfig,
    cautious_path,
    free_of_people,
    roll_out,
)
from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house.model import House
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import goal_region

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ApproachConfig:
    """Where one stops.

    Attributes:
        distance: from the item's footprint [m], inside the 1.0 m of the task.
        share: of the item's sample points that must be visible, as the task has it.
    """

    distance: float = 0.65
    share: float = 0.1


class Approach:
    """Goes up to item `target` of `simulator`'s house, coming from `pose (3,)`, and says stop there."""

    def __init__(
        self,
        simulator: Simulator,
        robot: int,
        grid: OccupancyGrid,
        target: int,
        pose: Array,
        config: ApproachConfig = ApproachConfig(),
        trajectory: TrajectoryConfig = TrajectoryConfig(),
    ) -> None:
        self._simulator, self._robot, self._grid, self.target = simulator, robot, grid, target
        self._config, self._trajectory = config, trajectory
        self._reach, self._region = standing_place(simulator.house, grid, target, pose, config.distance)

    def act(self, pose: Array, stamp: float) -> Decision:
        """Go there from `pose (3,)`, or stop; `stamp` [s] is that of the observation answered."""
        item = self._simulator.house.items[self.target]
        if footprint_distance(item, pose[:2]) <= self._reach:
            stop = self._simulator.visible(self.target, self._robot) >= self._config.share
            path = pose[None, :2]
        else:
            stop = False
            free = free_of_people(self._simulator, self._grid, pose)
            path = cautious_path(self._grid, self._region, pose, free)
        facing = float(np.arctan2(item.pose[1] - path[-1, 1], item.pose[0] - path[-1, 0]))
        trajectory = roll_out(pose, path, facing, self._trajectory)
        return Decision(trajectory=trajectory, dt=self._trajectory.dt, stamp=stamp, stop=stop)


def standing_place(
    house: House, grid: OccupancyGrid, target: int, pose: Array, near: float
) -> tuple[float, NDArray[np.bool_]]:
    """Where to stand before item `target`, coming from `pose (3,)`.

    Args:
        near: distance from its footprint to keep [m], if it can be reached; all are inside the task's 1.0 m.

    Returns:
        The distance that was chosen [m], and the cells `(Ny, Nx)` a little nearer than that.
    """
    hangs = house.items[target].base >= 0.4  # in the camera's view only from further away
    wide = grid.clearance > TIGHT_M
    here = tuple(grid.nearest_free(pose[:2], wide))
    for reach in (0.95,) if hangs else (near, 0.8, 0.95):
        region = goal_region(house, grid, (target,), reach - 0.1) & wide
        if np.isfinite(grid.distance_field(region, wide)[here]):
            return reach, region
    return 0.98, goal_region(house, grid, (target,), 0.98)
