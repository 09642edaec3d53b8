"""Routes in words: success, SPL, and how faithful the way was (nDTW).

Success: the policy said stop within 1.0 m of the last thing with it in view, and the robot had gone through
the doors of the route in their order; other doors in between, there and back, are no failure but cost SPL
and nDTW. SPL compares with the length of the route itself. nDTW is that of Ilharco et al., "General
Evaluation for Instruction Conditioned Navigation using Dynamic Time Warping" (2019), eq. 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.grid import OccupancyGrid, path_length
from vlingnav_sim.measures.search import Scorer, SearchMeasures
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks.task import SUCCESS_DISTANCE_M, RouteTask

Points = NDArray[np.float64]

SPACING_M = 0.25
"""Both paths of an nDTW are compared at points so far apart [m]: it depends on how dense these are."""


@dataclass(frozen=True)
class RouteMeasures(SearchMeasures):
    """Figures of one route.

    Attributes:
        doors_passed: share of the route's doors that were taken in order.
        ndtw: likeness of the way to the reference path, 0 to 1.
    """

    doors_passed: float
    ndtw: float


class DoorCounter:
    """How many doors of a route a robot has taken in their order.

    Args:
        rooms: rectangles x0, y0, x1, y1 [m] of the house's rooms.
        route: indices of the rooms on the way, that of the start first.
    """

    def __init__(self, rooms: Sequence[tuple[float, float, float, float]], route: Sequence[int]) -> None:
        self._rooms, self._route = rooms, route
        self._room = route[0]
        self.passed = 0

    def update(self, xy: Points) -> None:
        """Take in where the robot is now; it moves less than a room between calls."""
        x, y = xy
        x0, y0, x1, y1 = self._rooms[self._room]
        if x0 <= x <= x1 and y0 <= y <= y1:
            return
        for room, (x0, y0, x1, y1) in enumerate(self._rooms):
            if x0 <= x <= x1 and y0 <= y <= y1:
                step = (self._room, room)
                if self.passed < len(self._route) - 1 and step == tuple(
                    self._route[self.passed : self.passed + 2]
                ):
                    self.passed += 1
                self._room = room
                return


class RouteScorer(Scorer):
    """Follows one robot along one route; call `update` after every step, `score` at the end."""

    def __init__(self, simulator: Simulator, task: RouteTask, grid: OccupancyGrid, robot: int = 0) -> None:
        super().__init__(simulator, task, grid, robot)
        self._doors = DoorCounter([room.rect for room in simulator.house.rooms], task.rooms)
        self._count, self._reference = len(task.rooms) - 1, np.array(task.path)
        self._driven = [self._way.xy]

    def update(self) -> None:
        """Add the way since the last call."""
        super().update()
        self._driven.append(self._way.xy)
        self._doors.update(self._way.xy)

    def score(self, stopped: bool) -> RouteMeasures:
        """The figures, given whether the policy itself said stop."""
        search = super().score(stopped)
        done = self._doors.passed == self._count
        return RouteMeasures(
            success=search.success and done,
            collisions=search.collisions,
            path_length_m=search.path_length_m,
            elapsed_s=search.elapsed_s,
            spl=search.spl * done,
            soft_spl=search.soft_spl,
            distance_to_goal_m=search.distance_to_goal_m,
            doors_passed=self._doors.passed / self._count,
            ndtw=ndtw(np.array(self._driven), self._reference),
        )


def ndtw(path: Points, reference: Points, threshold_m: float = SUCCESS_DISTANCE_M) -> float:
    """Normalised dynamic time warping of ways `(N, 2)`, `(M, 2)` [m]: 1 for the same, toward 0 for others.

    exp(-DTW / (|R| d_th)), where |R| is the number of points of the reference.
    """
    q, r = (_spaced(np.asarray(way, dtype=np.float64)) for way in (path, reference))
    gaps = np.hypot(*(q[:, None] - r).transpose(2, 0, 1))
    cost = np.full((len(q) + 1, len(r) + 1), np.inf)
    cost[0, 0] = 0.0
    for i in range(len(q)):
        for j in range(len(r)):
            cost[i + 1, j + 1] = gaps[i, j] + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
    return float(np.exp(-cost[-1, -1] / (len(r) * threshold_m)))


def _spaced(way: Points) -> Points:
    """The same way as points about `SPACING_M` apart, both ends included."""
    along = (
        np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))]) if len(way) > 1 else np.zeros(1)
    )
    at = np.linspace(0.0, along[-1], 1 + max(1, round(path_length(way) / SPACING_M)))
    return np.stack([np.interp(at, along, way[:, k]) for k in (0, 1)], axis=-1)
