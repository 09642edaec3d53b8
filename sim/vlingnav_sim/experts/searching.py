"""The expert that policies imitate: it searches, knowing only what the robot has seen.

Imitating shortest paths teaches no search. This one explores the rim of what is known, plausible rooms
first, and goes straight to the target once the camera has had it in view; then it stops, close and facing it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.exploration import Exploration, ExplorationConfig
from vlingnav_sim.experts.trajectories import (
    PLANNING_RADIUS_M,
    TIGHT_M,
    TrajectoryConfig,
    approach,
    cautious_path,
    free_of_people,
    roll_out,
)
from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house import CATALOGUE
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import matching_items

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SearchingConfig:
    """When the target counts as seen, and where the expert stops.

    Attributes:
        notice_distance: farther than this [m] the target is not recognised.
        notice_share: of its sample points that must be visible.
        stop_distance: it stops this near to the footprint [m], inside the 1.0 m of the task.
        stop_share: of the target's sample points that must be visible to stop, as the task has it.
    """

    notice_distance: float = 5.0
    notice_share: float = 0.25
    stop_distance: float = 0.65
    stop_share: float = 0.1


class SearchingExpert:
    """Searches `simulator`'s house for what the goal names; a `Policy`."""

    def __init__(
        self,
        simulator: Simulator,
        robot: int = 0,
        config: SearchingConfig = SearchingConfig(),
        exploration: ExplorationConfig = ExplorationConfig(),
        trajectory: TrajectoryConfig = TrajectoryConfig(),
    ) -> None:
        self._simulator, self._robot, self._config = simulator, robot, config
        self._exploration_config, self._trajectory = exploration, trajectory
        camera = simulator.robots[robot].camera
        self._hfov = camera.hfov
        self._grid = OccupancyGrid.from_house(simulator.house, PLANNING_RADIUS_M, 0.1, camera.mount_height)
        self._targets: tuple[int, ...] = ()
        self._found: int | None = None

    @property
    def found(self) -> int | None:
        """Index of the target the robot has seen, if any."""
        return self._found

    def reset(self, goal: Goal) -> None:
        """Start a new search.

        Raises:
            ValueError: nothing in the house answers the instruction.
        """
        house = self._simulator.house
        self._targets = matching_items(house, goal.instruction)
        if not self._targets:
            raise ValueError(f'nothing in house {house.seed} answers "{goal.instruction}"')
        category = CATALOGUE[house.items[self._targets[0]].category]
        weights = np.array([category.rooms.get(room.kind, 0.0) for room in house.rooms])
        priors = weights / max(float(weights.max()), 1e-9)
        self._exploration = Exploration(house, self._grid, priors, self._hfov, self._exploration_config)
        self._found, self._share = None, self._config.notice_share

    def act(self, observation: Observation) -> Decision:
        """Look, then go on searching, approach, or stop."""
        pose = self._simulator.pose(self._robot)
        self._exploration.look(pose)
        self._notice(pose)
        if self._found is not None:
            return self._approach(pose, observation.stamp)
        path = self._exploration.choose(pose, free_of_people(self._simulator, self._grid, pose))
        if (
            path is None
        ):  # people stand in the only way, or it is a tight one: they make room, and it is driven with care
            path = self._exploration.choose(pose, self._grid.clearance > TIGHT_M)
        if path is None:  # all is seen and the target was missed: look again, from nearer
            self._exploration.forget()
            self._share *= 0.5
            path = pose[:2][None]
        return self._decide(roll_out(pose, path, pose[2] + 1.5, self._trajectory), observation.stamp)

    def _notice(self, pose: Array) -> None:
        sim, config = self._simulator, self._config
        seen = [
            (float(footprint_distance(sim.house.items[i], pose[:2])), i)
            for i in self._targets
            if sim.visible(i, self._robot) >= self._share
        ]
        near = [pair for pair in seen if pair[0] <= config.notice_distance]
        if near and self._found not in [i for _, i in near]:
            self._found = min(near)[1]
            self._reach, self._region = approach(
                sim.house, self._grid, self._found, pose, config.stop_distance
            )

    def _approach(self, pose: Array, stamp: float) -> Decision:
        assert self._found is not None
        item = self._simulator.house.items[self._found]
        near = footprint_distance(item, pose[:2]) <= self._reach
        facing = float(np.arctan2(item.pose[1] - pose[1], item.pose[0] - pose[0]))
        if near:
            share = self._simulator.visible(self._found, self._robot)
            stop = share >= self._config.stop_share
            return self._decide(roll_out(pose, pose[:2][None], facing, self._trajectory), stamp, stop)
        free = free_of_people(self._simulator, self._grid, pose)
        path = cautious_path(self._grid, self._region, pose, free)
        end = path[-1]
        facing = float(np.arctan2(item.pose[1] - end[1], item.pose[0] - end[0]))
        return self._decide(roll_out(pose, path, facing, self._trajectory), stamp)

    def _decide(self, trajectory: NDArray[np.float32], stamp: float, stop: bool = False) -> Decision:
        return Decision(trajectory=trajectory, dt=self._trajectory.dt, stamp=stamp, stop=stop)
