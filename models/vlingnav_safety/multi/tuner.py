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
    way = goal - position
    away = np.linalg.norm(way, axis=-1)
    way = way / np.maximum(away, 1e-9)[..., None]
    there = (away < 2.0 * radius).astype(np.float64)
    nodes = np.stack([np.minimum(away, sensing), *_turned(velocity, way), there], axis=-1)
    world = np.arange(len(position))[:, None, None]
    other = np.where(index < 0, 0, index)
    mine = way[:, :, None]
    edges = np.stack(
        [
            *_turned(position[world, other] - position[:, :, None], mine),
            *_turned(velocity[world, other] - velocity[:, :, None], mine),
            (way[world, other] * mine).sum(-1),
            there[world, other],
        ],
        axis=-1,
    )
    edges[index < 0] = np.nan
    seen = np.where(np.isfinite(hits), hits, np.nan) - position[:, :, None]
    return View(nodes, edges, np.stack(_turned(seen, mine), axis=-1), index, dt)


def _turned(vector: Array, way: Array) -> tuple[Array, Array]:
    """Parts of `vector` along and across (to the left of) the unit vector `way`."""
    x, y, c, s = vector[..., 0], vector[..., 1], way[..., 0], way[..., 1]
    return c * x + s * y, c * y - s * x


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
