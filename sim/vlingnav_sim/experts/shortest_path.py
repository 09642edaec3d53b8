"""The expert that knows the house and goes straight to the target: for scores and takeovers."""

from __future__ import annotations

import numpy as np

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.approach import standing_place
from vlingnav_sim.experts.trajectories import (
    PLANNING_RADIUS_M,
    TrajectoryConfig,
    cautious_path,
    free_of_people,
    roll_out,
)
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.measures import at_target
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import matching_items


class ShortestPathExpert:
    """Drives the shortest path to what the goal names; a `Policy`."""

    def __init__(
        self,
        simulator: Simulator,
        robot: int = 0,
        trajectory: TrajectoryConfig = TrajectoryConfig(),
        targets: tuple[int, ...] | None = None,
    ) -> None:
        """Go to `targets`, indices of items, as for an image; to what the goal names when None."""
        self._simulator, self._robot, self._trajectory, self._given = simulator, robot, trajectory, targets
        self._grid = OccupancyGrid.from_house(simulator.house, PLANNING_RADIUS_M)

    def reset(self, goal: Goal) -> None:
        """Plan to every item that answers the instruction.

        Raises:
            ValueError: nothing in the house answers it.
        """
        house = self._simulator.house
        self._targets = matching_items(house, goal.instruction) if self._given is None else self._given
        if not self._targets:
            raise ValueError(f'nothing in house {house.seed} answers "{goal.instruction}"')
        self._region, pose = np.zeros_like(self._grid.free), self._simulator.pose(self._robot)
        for target in self._targets:
            self._region |= standing_place(house, self._grid, target, pose, 0.75)[1]

    def act(self, observation: Observation) -> Decision:
        """Follow the distance field down; face the target and stop at its end."""
        sim = self._simulator
        pose = sim.pose(self._robot)
        free = free_of_people(sim, self._grid, pose)
        path = cautious_path(self._grid, self._region, pose, free)
        items = [sim.house.items[i] for i in self._targets]
        item = min(items, key=lambda it: np.hypot(it.pose[0] - path[-1, 0], it.pose[1] - path[-1, 1]))
        facing = float(np.arctan2(item.pose[1] - path[-1, 1], item.pose[0] - path[-1, 0]))
        arrived = float(np.hypot(*(path[-1] - pose[:2]))) < 0.15 and at_target(
            sim, self._targets, self._robot
        )
        trajectory = roll_out(pose, path, facing, self._trajectory)
        return Decision(trajectory=trajectory, dt=self._trajectory.dt, stamp=observation.stamp, stop=arrived)
