"""The expert for following: it keeps a short way from a person, whom it knows of only by seeing.

While the person is in view it weighs the places around by how far they are, how well they keep the distance,
whether they have the person in sight and whether they leave people room to walk; mostly that is a place
behind the person, and a step back or aside when the person turns round. When the person is out of view it
goes where it last saw them, a little on in the direction they walked, and looks on from there as in a search:
around, then where it has not looked since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_policy.se2 import wrap
from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.exploration import Exploration
from vlingnav_sim.experts.recovery import Recovery
from vlingnav_sim.experts.trajectories import (
    PLANNING_RADIUS_M,
    TrajectoryConfig,
    cautious_path,
    free_of_people,
    roll_out,
)
from vlingnav_sim.grid import OccupancyGrid, clear_line, path_length
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import matching_people

Array = NDArray[np.float64]

ARRIVED_M = 0.3
"""So near to where the person was last seen it looks on from there [m]."""
CLOSEST_M = 0.6
"""No way leads nearer past the person than this [m]."""
AROUND_M = 4.0
"""So far on its way it looks for a better place [m]."""
ROOMY_M = 0.32
"""The safety filter lets the robot to any place with so much clearance [m]."""
LOOK_AHEAD, EDGE_RAD = 4, 0.1
"""For so many steps ahead it sees to it that the person is in view, and not at the very edge of it."""
SAME_M = 0.25
"""Places nearer than this [m] to each other count as the same."""
STEP_M = 0.15
"""A place nearer than this [m] is no place to go to."""
BACKWARDS_RAD = 1.9
"""A place that lies so far off the direction to the person is driven to backwards [rad]."""


@dataclass(frozen=True)
class FollowingConfig:
    """Where it wants to be; costs are in metres of way.

    Attributes:
        near, far: distance to the person it keeps [m], middle to middle.
        too_near, too_far: cost of a metre nearer or farther than that [m/m].
        in_the_way: cost of a place in the middle of the lane that the person walks in, or another one [m].
        lane: how far ahead [m] that lane reaches, and how far to each side.
        hidden: cost of a place from where the person cannot be seen [m].
        turned_away: cost of a place that is driven to with the person out of view [m].
        turn_within: a person who is nearer than this [m] is rather kept in view than approached; the first
            where they will soon be hidden from here, the second where not.
        retreat: a person who is nearer than this [m] is rather backed away from.
        tight: cost of a place that the safety filter may not let the robot get to, near to something [m].
        keep: for the place chosen last time [m]; without it the choice flickers.
        ahead_s: the person is reckoned with where they will be so much later [s], and is to be seen there.
        notice_distance: farther than this [m] the person is not recognised.
        notice_share: of the person's sample points that must be visible.
        guess_s: for so long [s] after the person went out of view they are thought to walk on.
    """

    near: float = 1.3
    far: float = 1.5
    too_near: float = 3.0
    too_far: float = 6.0
    in_the_way: tuple[float, float] = (4.5, 2.0)
    lane: tuple[float, float] = (2.0, 0.6)
    hidden: float = 2.0
    turned_away: float = 1.5
    turn_within: tuple[float, float] = (1.4, 2.2)
    retreat: float = 0.95
    tight: float = 2.0
    keep: float = 0.5
    ahead_s: tuple[float, float] = (0.4, 1.6)
    notice_distance: float = 5.0
    notice_share: float = 0.06
    guess_s: float = 1.5


@njit(cache=True)
def _hidden_from(clear: NDArray[np.bool_], r: float, c: float, cells: NDArray[np.int64]) -> Any:
    """Of which of `cells (N, 2)` the line from the point r, c [cells] leaves what is `clear`."""
    hidden = np.empty(len(cells), dtype=np.bool_)
    for i in range(len(cells)):
        hidden[i] = not clear_line(clear, r, c, cells[i, 0] + 0.5, cells[i, 1] + 0.5)
    return hidden


class FollowingExpert:
    """Follows the person in `simulator` whom the goal names; a `Policy`.

    Attributes:
        heading_for: x, y [m] of where it is going now; None before it decided.
    """

    def __init__(
        self,
        simulator: Simulator,
        robot: int = 0,
        config: FollowingConfig = FollowingConfig(),
        trajectory: TrajectoryConfig = TrajectoryConfig(speed=0.6, turn_in_place=0.8),
    ) -> None:
        self._simulator, self._robot, self._config, self._trajectory = simulator, robot, config, trajectory
        camera = simulator.robots[robot].camera
        self._hfov = camera.hfov
        self._grid = OccupancyGrid.from_house(simulator.house, PLANNING_RADIUS_M, 0.1, camera.mount_height)
        self._caution = self._grid.caution()
        rows, cols = np.indices(self._grid.free.shape)
        self._xy = self._grid.to_world(np.stack([rows, cols], axis=-1))
        self._recovery = Recovery(simulator, robot, self._grid, trajectory, waits=False)
        self.heading_for: Array | None = None

    def reset(self, goal: Goal) -> None:
        """Take on another person.

        Raises:
            ValueError: the instruction does not fit exactly one person.
        """
        house = self._simulator.house
        fitting = matching_people(house.people, goal.instruction)
        if len(fitting) != 1:
            raise ValueError(
                f'"{goal.instruction}" fits {len(fitting)} people in house {house.seed}, not one'
            )
        self._leader = fitting[0]
        self._seen: tuple[Array, Array, float] | None = None  # where, how fast, when
        self._place: Array | None = None  # where to be
        self._search: Exploration | None = None
        self.heading_for = None
        self._recovery.reset()

    def act(self, observation: Observation) -> Decision:
        """Look, then go after the person or search."""
        sim = self._simulator
        pose = sim.pose(self._robot)
        x, y, vx, vy = sim.people()[self._leader]
        near = np.hypot(x - pose[0], y - pose[1]) <= self._config.notice_distance
        if near and sim.person_visible(self._leader, self._robot) >= self._config.notice_share:
            self._seen, self._search = (np.array([x, y]), np.array([vx, vy]), sim.time), None
            trajectory = self._accompany(pose)
            return Decision(trajectory, self._trajectory.dt, observation.stamp)
        self._place = None
        return self._recovery.free(Decision(self._look_for(pose), self._trajectory.dt, observation.stamp))

    def _accompany(self, pose: Array) -> NDArray[np.float32]:
        """To the place that is best now, facing the person; backwards, if the person is in front then."""
        assert self._seen is not None
        grid, (person, velocity, _) = self._grid, self._seen
        free = free_of_people(self._simulator, grid, pose, leader=self._leader, tight=True)
        free &= np.hypot(*(self._xy - person).transpose(2, 0, 1)) > CLOSEST_M
        if not free.any():
            free = grid.free
        field = grid.distance_field(grid.nearest_free(pose[:2], free)[None], free, self._caution)
        cells = np.argwhere(field < AROUND_M)
        soon, later = (person + ahead * velocity for ahead in self._config.ahead_s)
        if not grid.is_free(later):  # nobody walks into things: there is a bend in the way
            later = soon
        cost = field[cells[:, 0], cells[:, 1]] + self._cost(cells, pose, soon)
        cost += self._config.hidden * (self._hidden(cells, soon) + self._hidden(cells, later))
        if self._place is not None:
            cost -= self._config.keep * (np.hypot(*(grid.to_world(cells) - self._place).T) < SAME_M)
        self._place = self.heading_for = grid.to_world(cells[np.argmin(cost)])
        path = grid.descend(field, self._place, free, self._caution)[::-1]
        facing = float(np.arctan2(*(person - path[-1])[::-1]))
        away = np.arctan2(*(path[-1] - pose[:2])[::-1]) - np.arctan2(*(person - pose[:2])[::-1])
        if abs(wrap(away)) > BACKWARDS_RAD:
            rows = roll_out(pose + (0.0, 0.0, np.pi), path, facing + np.pi, self._trajectory)
            rows *= np.array([-1.0, -1.0, 1.0], np.float32)
        else:
            rows = roll_out(pose, path, facing, self._trajectory)
        distance = float(np.hypot(*(person - pose[:2])))
        stays = not self._hidden(grid.to_cell(pose[:2])[None], later)[0]
        if self._config.retreat < distance < self._config.turn_within[stays] and self._loses(pose, rows):
            facing = float(np.arctan2(*(soon - pose[:2])[::-1]))
            return roll_out(pose, pose[None, :2], facing, self._trajectory)
        return rows

    def _loses(self, pose: Array, rows: NDArray[np.float32]) -> bool:
        """Whether the person would leave the camera's view on the first steps of trajectory `rows (T, 3)`."""
        assert self._seen is not None
        person, velocity, _ = self._seen
        times = self._trajectory.dt * np.arange(1, LOOK_AHEAD + 1)
        there = person + times[:, None] * velocity
        c, s = np.cos(pose[2]), np.sin(pose[2])
        offset = (there - pose[:2]) @ np.array([[c, -s], [s, c]]) - rows[:LOOK_AHEAD, :2]
        bearing = wrap(np.arctan2(offset[:, 1], offset[:, 0]) - rows[:LOOK_AHEAD, 2])
        return bool((np.abs(bearing) > 0.5 * self._hfov - EDGE_RAD).any())

    def _cost(self, cells: NDArray[np.int64], pose: Array, person: Array) -> Array:
        """What is wrong with each of `cells (N, 2)` [m], but for the way to it and the sight there."""
        config, places = self._config, self._grid.to_world(cells)
        away = np.hypot(*(places - person).T)
        cost = config.too_near * np.maximum(0.0, config.near - away)
        cost += config.too_far * np.maximum(0.0, away - config.far)
        people = zip(self._simulator.people(), self._simulator.people_yaw(), strict=True)
        for index, ((x, y, _, _), yaw) in enumerate(people):
            offset, (c, s) = places - (x, y), (np.cos(yaw), np.sin(yaw))
            ahead, aside = offset @ (c, s), np.abs(offset @ (-s, c))
            inside = (ahead > 0.0) & (ahead < config.lane[0])
            middle = np.maximum(0.0, 1.0 - aside / config.lane[1])
            cost += config.in_the_way[index != self._leader] * inside * middle
        way = places - pose[:2]
        off = np.abs(wrap(np.arctan2(way[:, 1], way[:, 0]) - np.arctan2(*(person - pose[:2])[::-1])))
        sideways = (off > 0.5 * self._hfov) & (off < BACKWARDS_RAD) & (np.hypot(*way.T) > STEP_M)
        tight = self._grid.clearance[cells[:, 0], cells[:, 1]] < ROOMY_M
        return cost + config.turned_away * sideways + config.tight * tight

    def _hidden(self, cells: NDArray[np.int64], person: Array) -> NDArray[np.bool_]:
        """Whether something stands between the person and each of `cells (N, 2)`."""
        grid = self._grid
        r, c = (person[::-1] - np.array(grid.origin)[::-1]) / grid.resolution
        hidden: NDArray[np.bool_] = _hidden_from(~grid.opaque, r, c, cells)
        return hidden

    def _look_for(self, pose: Array) -> NDArray[np.float32]:
        house, now = self._simulator.house, self._simulator.time
        if self._search is None:
            self._search = Exploration(house, self._grid, np.ones(len(house.rooms)), self._hfov)
        self._search.look(pose)
        if self._seen is not None:
            xy, velocity, when = self._seen
            path = self._path_to(pose, xy + velocity * min(now - when, self._config.guess_s))
            if path_length(path) > ARRIVED_M:
                self.heading_for = path[-1]
                return roll_out(pose, path, float(np.arctan2(*velocity[::-1])), self._trajectory)
            self._seen = None
        open_now = free_of_people(self._simulator, self._grid, pose, leader=self._leader)
        frontier = self._search.choose(pose, self._grid.free, open_now)
        if frontier is None:  # all has been seen in vain, but people walk about: look again
            self._search, frontier = None, pose[None, :2]
        self.heading_for = frontier[-1]
        return roll_out(pose, frontier, pose[2] + 1.5, self._trajectory)

    def _path_to(self, pose: Array, xy: Array) -> Array:
        region = np.zeros_like(self._grid.free)
        region[tuple(self._grid.nearest_free(xy))] = True
        free = free_of_people(self._simulator, self._grid, pose, leader=self._leader)
        return cautious_path(self._grid, region, pose, free)
