"""The expert that policies imitate: it searches, knowing only what the robot has seen.

Imitating shortest paths teaches no search. This one explores the rim of what is known, plausible rooms
first, and goes straight to the target once the camera has had it in view; then it stops, close and facing it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.approach import Approach, ApproachConfig
from vlingnav_sim.experts.exploration import Exploration, ExplorationConfig
from vlingnav_sim.experts.recovery import Recovery
from vlingnav_sim.experts.trajectories import (
    PLANNING_RADIUS_M,
    TIGHT_M,
    TrajectoryConfig,
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
    """When the target counts as seen.

    Attributes:
        notice_distance: farther than this [m] the target is not recognised.
        notice_share: of its sample points that must be visible.
    """

    notice_distance: float = 5.0
    notice_share: float = 0.25


class SearchingExpert:
    """Searches `simulator`'s house for what the goal names or shows; a `Policy`.

    Attributes:
        heading_for: x, y [m] of where it is going now, the target once it is found; None before it decided.
    """

    def __init__(
        self,
        simulator: Simulator,
        robot: int = 0,
        config: SearchingConfig = SearchingConfig(),
        exploration: ExplorationConfig = ExplorationConfig(),
        approach: ApproachConfig = ApproachConfig(),
        trajectory: TrajectoryConfig = TrajectoryConfig(),
        targets: tuple[int, ...] | None = None,
    ) -> None:
        """Search for `targets`, indices of items, as for an image; for what the goal names when None."""
        self._simulator, self._robot, self._config, self._given = simulator, robot, config, targets
        self._exploration_config, self._approach_config = exploration, approach
        self._trajectory = trajectory
        camera = simulator.robots[robot].camera
        self._hfov = camera.hfov
        self._grid = OccupancyGrid.from_house(simulator.house, PLANNING_RADIUS_M, 0.1, camera.mount_height)
        self._targets: tuple[int, ...] = ()
        self._approach: Approach | None = None
        self.heading_for: Array | None = None
        self._recovery = Recovery(simulator, robot, self._grid, trajectory)

    @property
    def found(self) -> int | None:
        """Index of the target the robot has seen, if any."""
        return None if self._approach is None else self._approach.target

    @property
    def seen_m2(self) -> float:
        """Floor that the robot has seen [m^2]; less again once all has been seen in vain."""
        return self._exploration.seen_m2

    def reset(self, goal: Goal) -> None:
        """Start a new search.

        Raises:
            ValueError: nothing in the house answers the instruction.
        """
        house = self._simulator.house
        self._targets = matching_items(house, goal.instruction) if self._given is None else self._given
        if not self._targets:
            raise ValueError(f'nothing in house {house.seed} answers "{goal.instruction}"')
        category = CATALOGUE[house.items[self._targets[0]].category]
        weights = np.array([category.rooms.get(room.kind, 0.0) for room in house.rooms])
        priors = weights / max(float(weights.max()), 1e-9)
        self._exploration = Exploration(house, self._grid, priors, self._hfov, self._exploration_config)
        self._approach, self._share = None, self._config.notice_share
        self.heading_for = None
        self._recovery.reset()

    def act(self, observation: Observation) -> Decision:
        """Look, then go on searching, approach, or stop."""
        pose = self._simulator.pose(self._robot)
        self._exploration.look(pose)
        self._notice(pose)
        if self._approach is not None:
            return self._recovery.free(self._approach.act(pose, observation.stamp))
        open_now = free_of_people(self._simulator, self._grid, pose)
        path = self._exploration.choose(pose, self._grid.free, open_now)
        if path is None:  # the only way on is a tight one: it is driven with care
            path = self._exploration.choose(pose, self._grid.clearance > TIGHT_M, open_now)
        if path is None:  # all is seen and the target was missed: look again, from nearer
            self._exploration.forget()
            self._share *= 0.5
            path = pose[:2][None]
        self.heading_for = path[-1]
        trajectory = roll_out(pose, path, pose[2] + 1.5, self._trajectory)
        return self._recovery.free(Decision(trajectory, self._trajectory.dt, observation.stamp))

    def _notice(self, pose: Array) -> None:
        sim, config = self._simulator, self._config
        seen = [
            (float(footprint_distance(sim.house.items[i], pose[:2])), i)
            for i in self._targets
            if sim.visible(i, self._robot) >= self._share
        ]
        near = [pair for pair in seen if pair[0] <= config.notice_distance]
        if near and self.found not in [i for _, i in near]:
            target = min(near)[1]
            self._approach = Approach(
                sim, self._robot, self._grid, target, pose, self._approach_config, self._trajectory
            )
            self.heading_for = np.array(sim.house.items[target].pose[:2])
