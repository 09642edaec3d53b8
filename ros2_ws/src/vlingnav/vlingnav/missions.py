"""What several robots are told in one house: each to go through a door to something in another room.

Made from the house's seed alone, so that the simulation, which places the robots, and whoever gives the
instructions agree without a word. `pilot` is the scripted policy that the demonstration uses by default: it
knows the house's map and reads its own pose from odometry, and nothing of other robots or people. Trained
policies take its place by name (`policy:=nano`); they miss some of the goals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.approach import standing_place
from vlingnav_sim.experts.trajectories import PLANNING_RADIUS_M, TIGHT_M, cautious_path, roll_out
from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house import House, HouseConfig, generate
from vlingnav_sim.tasks import (
    SUCCESS_DISTANCE_M,
    NavigationTask,
    is_fair,
    matching_items,
    task_for,
)

HOUSE, MAX_ROOMS = 800_018, 4
"""The house of the demonstration, and the only one that `pilot` knows."""
_APART_M = 1.2  # between two starts, and between the things that two robots are sent to


def missions(house: House, count: int) -> tuple[NavigationTask, ...]:
    """A task for each of `count` robots: starts are apart and goals are, each in another room than its start.

    Raises:
        ValueError: the house is too small for so many.
    """
    grid = OccupancyGrid.from_house(house, PLANNING_RADIUS_M)
    rng = np.random.default_rng([house.seed, count])
    items = [item for item in house.items if is_fair(item)]
    chosen: list[NavigationTask] = []
    for _ in range(2000):
        item = items[rng.integers(len(items))]
        task = task_for(house, grid, f"find the {item.colour} {item.category}", rng, 3.0)
        if task is None or len(task.targets) != 1:
            continue
        start, goal = np.array(task.start[:2]), house.items[task.targets[0]]
        x0, y0, x1, y1 = house.rooms[goal.room].rect
        crossing = not (x0 < start[0] < x1 and y0 < start[1] < y1)
        apart = all(
            np.hypot(*(start - other.start[:2])) > _APART_M
            and np.hypot(*np.subtract(goal.pose[:2], house.items[other.targets[0]].pose[:2])) > 2.0 * _APART_M
            for other in chosen
        )
        if crossing and apart:
            chosen.append(task)
        if len(chosen) == count:
            return tuple(chosen)
    raise ValueError(f"house {house.seed} has no room for {count} robots; choose another house")


class Pilot:
    """Drives the shortest way to what the goal names; a `Policy`."""

    def __init__(self, house: House) -> None:
        self._house, self._grid = house, OccupancyGrid.from_house(house, PLANNING_RADIUS_M)

    def reset(self, goal: Goal) -> None:
        """Find out where the goal is.

        Raises:
            ValueError: nothing in the house answers it.
        """
        self._targets = matching_items(self._house, goal.instruction)
        if not self._targets:
            raise ValueError(f'nothing in house {self._house.seed} answers "{goal.instruction}"')
        self._region: NDArray[np.bool_] | None = None

    def act(self, observation: Observation) -> Decision:
        """Follow the distance field down; stop within reach of the target, looking at it."""
        assert observation.odometry is not None
        pose = np.asarray(observation.odometry.pose, np.float64)
        if self._region is None:
            self._region = np.zeros_like(self._grid.free)
            for target in self._targets:
                self._region |= standing_place(self._house, self._grid, target, pose, 0.75)[1]
        path = cautious_path(self._grid, self._region, pose, self._grid.clearance > TIGHT_M)
        item = min(
            (self._house.items[i] for i in self._targets),
            key=lambda it: float(footprint_distance(it, pose[:2])),
        )
        facing = float(np.arctan2(item.pose[1] - pose[1], item.pose[0] - pose[0]))
        turn = abs((facing - pose[2] + np.pi) % (2.0 * np.pi) - np.pi)
        near = float(footprint_distance(item, pose[:2])) < SUCCESS_DISTANCE_M - 0.1
        there = near and float(np.hypot(*(path[-1] - pose[:2]))) < 0.25 and turn < 0.3
        return Decision(roll_out(pose, path, facing), 0.2, observation.stamp, stop=there)


def pilot() -> Pilot:
    """The scripted policy of the demonstration, as the policy node calls it."""
    return Pilot(generate(HOUSE, HouseConfig(max_rooms=MAX_ROOMS)))
