"""Who sets the gains, shares and costs: what a tuner sees, what it may say, and two that are written by hand.

A tuner sees each robot's neighbourhood and nothing else: what the robot knows of itself, and one edge to each
robot and each hit in sight. All is turned into the frame whose x axis points at the robot's own goal, so that
what is learned in one place holds in every other. A learned tuner is a graph network over these edges (the
numbers of an edge are `View.edges` and `View.hit_edges`, those of a robot `View.nodes`) whose heads are the
fields of `Tuning`; the filter bounds what it says, so nothing that it says can do harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_safety.multi.batch import Tuning

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """What N robots in E worlds know of their surroundings; edges that are not there hold NaN.

    Attributes:
        nodes: `(E, N, 4)` distance from the goal [m], at most `sensing`; velocity along and across the way to
            the goal [m/s]; 1 if the robot has arrived.
        edges: `(E, N, K, 6)` to each robot: position and velocity relative to one's own, along and across
            one's way to the goal [m, m/s]; cosine of the angle between the two ways; 1 if it has arrived.
        hit_edges: `(E, N, R, 2)` to each hit: position along and across the way to the goal [m].
        index: `(E, N, K)` whose the edges are; -1 where there is none.
        dt: period [s].
    """

    nodes: Array
    edges: Array
    hit_edges: Array
    index: Indices
    dt: float


def look(
    position: Array,
    velocity: Array,
    goal: Array,
    hits: Array,
    index: Indices,
    dt: float,
    radius: float = 0.05,
    sensing: float = 0.5,
) -> View:
    """Build the view of all robots.

    Args:
        position: `(E, N, 2)` [m].
        velocity: `(E, N, 2)` [m/s].
        goal: `(E, N, 2)` [m].
        hits: `(E, N, R, 2)` [m], inf where nothing is seen.
        index: `(E, N, K)` the nearest robots, -1 where there are fewer.
        dt: period [s].
        radius: of a robot [m]; within 2 of its goal it has arrived.
        sensing: range of sight [m].
    """
    return View(*_look(position, velocity, goal, hits, index, radius, sensing), index, dt)


@njit(cache=True, error_model="numpy", nogil=True)
def _look(
    position: Array, velocity: Array, goal: Array, hits: Array, index: Indices, radius: float, sensing: float
) -> tuple[Array, Array, Array]:
    worlds, robots, most = index.shape
    nodes, edges = np.empty((worlds, robots, 4)), np.full((worlds, robots, most, 6), np.nan)
    hit_edges, way = np.full((worlds, robots, hits.shape[2], 2), np.nan), np.empty((robots, 2))
    for e in range(worlds):
        for i in range(robots):
            dx, dy = goal[e, i, 0] - position[e, i, 0], goal[e, i, 1] - position[e, i, 1]
            away = np.sqrt(dx * dx + dy * dy)
            way[i] = (dx / max(away, 1e-9), dy / max(away, 1e-9))
            nodes[e, i, 0], nodes[e, i, 3] = min(away, sensing), 1.0 if away < 2.0 * radius else 0.0
            nodes[e, i, 1], nodes[e, i, 2] = _turned(velocity[e, i, 0], velocity[e, i, 1], way[i])
        for i in range(robots):
            mine = way[i]
            for k in range(most):
                j = index[e, i, k]
                if j < 0:
                    break
                dx, dy = position[e, j, 0] - position[e, i, 0], position[e, j, 1] - position[e, i, 1]
                edges[e, i, k, 0], edges[e, i, k, 1] = _turned(dx, dy, mine)
                vx, vy = velocity[e, j, 0] - velocity[e, i, 0], velocity[e, j, 1] - velocity[e, i, 1]
                edges[e, i, k, 2], edges[e, i, k, 3] = _turned(vx, vy, mine)
                edges[e, i, k, 4] = way[j, 0] * mine[0] + way[j, 1] * mine[1]
                edges[e, i, k, 5] = nodes[e, j, 3]
            for r in range(hits.shape[2]):
                if hits[e, i, r, 0] != np.inf:
                    dx, dy = hits[e, i, r, 0] - position[e, i, 0], hits[e, i, r, 1] - position[e, i, 1]
                    hit_edges[e, i, r, 0], hit_edges[e, i, r, 1] = _turned(dx, dy, mine)
    return nodes, edges, hit_edges


@njit(cache=True, error_model="numpy")
def _turned(x: float, y: float, way: Array) -> tuple[float, float]:
    """Parts of (x, y) along and across (to the left of) the unit vector `way`."""
    return way[0] * x + way[1] * y, way[0] * y - way[1] * x


class Tuner(Protocol):
    """Says how each robot should meet each of its neighbours in the coming period."""

    def __call__(self, view: View) -> Tuning:
        """Return gains, shares and costs for all edges of the view."""


@dataclass(frozen=True)
class FixedTuner:
    """The same gain [1/s] everywhere and always, shares of one half."""

    gain: float = np.inf

    def __call__(self, view: View) -> Tuning:
        """Ignores what it is shown."""
        return Tuning(gain=self.gain, hit_gain=self.gain)


@dataclass(frozen=True)
class RuleTuner:
    """Written by hand, to be beaten by a learned one.

    A robot that has arrived leaves all of the gap to one that has not. What comes fast is dearer to miss.
    Gains stay as large as they may be: with conditions that are exact in discrete time, none of the smaller
    ones that were tried was better anywhere.
    """

    def __call__(self, view: View) -> Tuning:
        """All edges at once; edges that are not there get NaN, which the filter never looks at."""
        arrived, other_arrived = view.nodes[:, :, None, 3], view.edges[..., 5]
        share = 0.5 + 0.5 * (other_arrived - arrived)
        closing = -view.edges[..., 2] * np.sign(view.edges[..., 0])
        largest = 1.0 / view.dt
        return Tuning(gain=largest, hit_gain=largest, share=share, cost=1.0 + np.maximum(closing, 0.0))
