"""The expert for routes: it knows the way that the words tell, and goes it.

Wherever it is, it goes to the next door of the route from the room before it, and after the last door to the
thing at the end, where it stops facing it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.approach import Approach
from vlingnav_sim.experts.recovery import Recovery
from vlingnav_sim.experts.trajectories import (
    PLANNING_RADIUS_M,
    TIGHT_M,
    TrajectoryConfig,
    free_of_people,
    leads_away,
    roll_out,
)
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.measures.route import DoorCounter
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import RouteTask
from vlingnav_sim.tasks.route_words import pose_inside
from vlingnav_sim.tasks.routes import door_between, leg_to_door

Array = NDArray[np.float64]


class RouteExpert:
    """Goes the route of `task` in `simulator`'s house; a `Policy`."""

    def __init__(
        self,
        simulator: Simulator,
        task: RouteTask,
        robot: int = 0,
        trajectory: TrajectoryConfig = TrajectoryConfig(),
    ) -> None:
        self._simulator, self._task, self._robot, self._trajectory = simulator, task, robot, trajectory
        self._grid = OccupancyGrid.from_house(simulator.house, PLANNING_RADIUS_M, 0.1)
        self._caution = self._grid.caution()
        self._recovery = Recovery(simulator, robot, self._grid, trajectory)

    def reset(self, goal: Goal) -> None:
        """Begin at the first door again."""
        self._doors = DoorCounter([room.rect for room in self._simulator.house.rooms], self._task.rooms)
        self._approach: Approach | None = None
        self._recovery.reset()

    def act(self, observation: Observation) -> Decision:
        """Go to the next door, or up to the thing at the end."""
        pose = self._simulator.pose(self._robot)
        self._doors.update(pose[:2])
        ahead = self._task.rooms[self._doors.passed :]
        if len(ahead) == 1:
            if self._approach is None:
                target = self._task.targets[0]
                self._approach = Approach(self._simulator, self._robot, self._grid, target, pose)
            return self._recovery.free(self._approach.act(pose, observation.stamp))
        trajectory = roll_out(pose, self._path(pose, ahead), None, self._trajectory)
        return self._recovery.free(Decision(trajectory, self._trajectory.dt, observation.stamp))

    def _path(self, pose: Array, ahead: tuple[int, ...]) -> Array:
        """To the next door and some way on into the room behind it, so that it is not stopped at."""
        house, grid = self._simulator.house, self._grid
        for free in (free_of_people(self._simulator, grid, pose), grid.clearance > TIGHT_M):
            path = leg_to_door(house, grid, pose[:2], ahead[0], ahead[1], free, self._caution)
            if leads_away(path, pose):
                break
        x, y, _ = pose_inside(house, door_between(house, ahead[0], ahead[1]), ahead[1])
        return np.concatenate([path, [[x, y]]])
