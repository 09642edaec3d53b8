"""A task as data: where a robot starts, what it is told, what counts as done; and where one can start at all.

A task holds no simulator. Lengths of ways are geodesic.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house.model import House, Person

BoolGrid = NDArray[np.bool_]
Pose = tuple[float, float, float]

SUCCESS_DISTANCE_M = 1.0
"""So near to the footprint of its target must a robot stop."""

PASSABLE_M = 0.29
"""Where a cell has less clearance [m] the safety filter may hold the robot; no way needs to lead through."""


@dataclass(frozen=True)
class NavigationTask:
    """One episode to be: a search for a thing, and the base of the other tasks.

    Attributes:
        house_seed: seed of the house it happens in.
        start: `(3,)` x [m], y [m], yaw [rad].
        goal: what the robot is told.
        targets: indices of the items that answer the instruction; any of them will do.
        time_limit_s: the episode ends then [s].
        shortest_path_m: length [m] of the way that SPL compares with.
    """

    house_seed: int
    start: Pose
    goal: Goal
    targets: tuple[int, ...]
    time_limit_s: float
    shortest_path_m: float

    @property
    def ends_by_stop(self) -> bool:
        """Whether a robot that says stop has ended the episode; else it merely stands still."""
        return True

    def populated(self, house: House) -> House:
        """`house` with the people of this episode in it."""
        return house


@dataclass(frozen=True)
class FollowTask(NavigationTask):
    """Stay with somebody until the time is up; `shortest_path_m` is how far the leader means to walk.

    Attributes:
        people: everybody who walks about in this episode, in place of the people of the house.
        leader: index in `people` of whom to follow.
    """

    people: tuple[Person, ...]
    leader: int

    @property
    def ends_by_stop(self) -> bool:
        """Time alone ends it."""
        return False

    def populated(self, house: House) -> House:
        """`house` with the people of this episode in it."""
        return dataclasses.replace(house, people=self.people)


@dataclass(frozen=True)
class RouteTask(NavigationTask):
    """Go through certain doors in their order and stop at a certain thing.

    Attributes:
        rooms: indices of the rooms on the way, that of the start first; two neighbours share one door only.
        path: x, y [m] of the reference path.
    """

    rooms: tuple[int, ...]
    path: tuple[tuple[float, float], ...]


def time_limit_s(house: House) -> float:
    """How long [s] a search may take: 40 s and 25 s a room."""
    return 40.0 + 25.0 * len(house.rooms)


def startable_cells(house: House, grid: OccupancyGrid) -> BoolGrid:
    """Cells `(Ny, Nx)` where a robot can start, whoever walks by."""
    return (grid.clearance > grid.radius + 0.1) & ~crowded_cells(house, grid)


def crowded_cells(house: House, grid: OccupancyGrid, room_m: float = 0.9) -> BoolGrid:
    """Cells `(Ny, Nx)` a person never gets `room_m` [m] away from: no robot can start there."""
    rows, cols = np.indices(grid.free.shape)
    xy = grid.to_world(np.stack([rows, cols], axis=-1))
    crowded = np.zeros_like(grid.free)
    for person in house.people:
        farthest = np.max(
            [np.hypot(*(xy - point).transpose(2, 0, 1)) for point in np.array(person.path)], axis=0
        )
        crowded |= farthest < room_m
    return crowded


def room_cells(house: House, grid: OccupancyGrid, room: int) -> BoolGrid:
    """Cells `(Ny, Nx)` whose centres lie in a room."""
    rows, cols = np.indices(grid.free.shape)
    xy = grid.to_world(np.stack([rows, cols], axis=-1))
    x0, y0, x1, y1 = house.rooms[room].rect
    inside: BoolGrid = (xy[..., 0] > x0) & (xy[..., 0] < x1) & (xy[..., 1] > y0) & (xy[..., 1] < y1)
    return inside


def random_start(
    grid: OccupancyGrid,
    field: NDArray[np.float32],
    rng: np.random.Generator,
    min_path_m: float,
    *allowed: BoolGrid,
) -> Pose | None:
    """A random pose; None where there is no place.

    Args:
        field: `(Ny, Nx)` distance [m] to the target.
        min_path_m: farther from the target than this [m], where any place is.
        allowed: cells `(Ny, Nx)` to choose from, the first mask that leaves any.
    """
    reachable = np.isfinite(field) & (field > 0.0)
    for cells in allowed:
        for mask in (reachable & cells & (field >= min_path_m), reachable & cells):
            choice = np.argwhere(mask)
            if len(choice):
                x, y = grid.to_world(choice[rng.integers(len(choice))])
                return float(x), float(y), float(rng.uniform(-np.pi, np.pi))
    return None
