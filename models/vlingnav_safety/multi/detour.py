"""Ways out of deadlocks: where the straight way is blocked, go round, keep to the right, or give way.

A filter only ever takes away. Two robots that meet head on, or one that faces a wall across its way, come to
a stand under any gain, since every controller that drives straight at its goal asks for the same again. This
moves the goal that the controller is given, and nothing else: whatever it says, the filter stays in force.

Each robot looks at what it sees as discs: hits, and robots that stand. Then

  * if the way to the goal is free as far as it matters, nothing is changed;
  * if a way less than `_WIDE` from it is free, that one is taken, the nearest, with a liking for the right
    and for the side taken before (a polar histogram, Borenstein & Koren 1991, "VFH");
  * if the way is blocked by a robot that comes the other way, where there is no room to pass, one of the two
    backs off: right of way has who is bound for the east (of two robots, whose goal lies more to the +x side;
    as aircraft are given levels by heading), so that a queue gives way as a whole;
  * otherwise it follows the obstacle, kept on one side, until the way ahead no longer leads back or is nearer
    to the goal than where it began (Lumelsky & Stepanov 1987, "Bug 2").

Robots tell each other one number for this, the bearing of their goals; without it none gives way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_CIRCLE = 72  # directions that are tried
_WIDE = 20  # of them: a way farther from the goal than this leads back
_KEEP = 12  # by how many the side taken before may be farther than the other
_RIGHT = 3  # by how many the right side may be
_ALONG = 0.35  # cosine between way and goal above which a way leads on
_AGAINST = -0.3  # cosine between two robots' ways below which they come against each other
_LEAD = 2.0  # [m] how far the goal is put: as far as controllers care


@dataclass(frozen=True)
class DetourConfig:
    """When a way counts as blocked.

    Attributes:
        radius: of a robot [m].
        clearance: kept beyond the radius when choosing a way [m].
        ahead: how far a way must be free [m].
        follow: how far when there is no such way, and while something is followed [m].
        standing: speed below which another robot counts as standing [m/s].
        patience: periods after which an obstacle is followed the other way round.
        meet: distance within which robots give way to each other [m].
        wait: periods for which a robot stays away after the other was last near.
    """

    radius: float = 0.05
    clearance: float = 0.015
    ahead: float = 0.45
    follow: float = 0.12
    standing: float = 0.08
    patience: int = 120
    meet: float = 0.4
    wait: int = 20


class Detour:
    """Remembers, for every robot, how it goes round. Call `redirect` once per period.

    Attributes:
        side: `(E, N)` 0: straight on; -1: the obstacle on the left; 1: on the right.
    """

    def __init__(self, config: DetourConfig, worlds: int, robots: int) -> None:
        self.config = config
        self.side = np.zeros((worlds, robots), np.int64)
        # Way taken [rad]; where following began, distance from the goal [m], or 0; periods since; to wait.
        self._memory = np.zeros((worlds, robots, 4))

    def redirect(self, position: Array, velocity: Array, goal: Array, hits: Array, index: Indices) -> Array:
        """Goals `(E, N, 2)` [m] to give to the controllers.

        Args:
            position: `(E, N, 2)` [m].
            velocity: `(E, N, 2)` [m/s], measured where the state of the model holds none.
            goal: `(E, N, 2)` [m].
            hits: `(E, N, R, 2)` [m], in the world frame, inf where nothing is seen.
            index: `(E, N, K)` the nearest robots of each, -1 where there are fewer.
        """
        c = self.config
        lengths = (c.radius, c.clearance, c.ahead, c.follow, c.meet)
        limits = (c.standing, float(c.patience), float(c.wait))
        return _redirect(position, velocity, goal, hits, index, lengths, limits, self.side, self._memory)


@njit(cache=True, error_model="numpy")
def _free(x: float, y: float, things: Array, count: int, far: float) -> float:
    """How far one can go in the direction (x, y) before touching a thing `(count, 3)`: x, y, radius [m]."""
    for k in range(count):
        along = things[k, 0] * x + things[k, 1] * y
        if along <= 0.0:
            continue
        beside = things[k, 0] * y - things[k, 1] * x
        reach = things[k, 2] * things[k, 2] - beside * beside
        if reach > 0.0:
            far = min(far, max(0.0, along - np.sqrt(reach)))
    return far


@njit(cache=True, error_model="numpy")
def _turn(start: float, side: int, things: Array, count: int, need: float) -> tuple[float, int]:
    """Turn from `start` [rad] to `side` until the way is free for `need` [m]; the way and steps taken."""
    for k in range(_CIRCLE):
        angle = start + side * k * (2.0 * np.pi / _CIRCLE)
        if _free(np.cos(angle), np.sin(angle), things, count, need) >= need:
            return angle, k
    return start, _CIRCLE


@njit(cache=True, error_model="numpy")
def _gather(
    e: int,
    i: int,
    position: Array,
    velocity: Array,
    hits: Array,
    index: Indices,
    radius: float,
    clearance: float,
    standing: float,
    things: Array,
) -> int:
    """Write what stands in sight of robot i of world e into `things (., 3)`: x, y, radius [m]; how many."""
    count = 0
    for k in range(index.shape[2] + hits.shape[2]):
        if k < index.shape[2]:
            j = index[e, i, k]
            if j < 0 or velocity[e, j, 0] ** 2 + velocity[e, j, 1] ** 2 > standing * standing:
                continue
            x, y, size = position[e, j, 0], position[e, j, 1], 2.0 * radius + clearance
        else:
            x, y = hits[e, i, k - index.shape[2], 0], hits[e, i, k - index.shape[2], 1]
            size = radius + clearance
            if x == np.inf:
                continue
        dx, dy = x - position[e, i, 0], y - position[e, i, 1]
        # Who stands in the clearance already may go along it.
        things[count] = (dx, dy, min(size, 0.98 * np.sqrt(dx * dx + dy * dy)))
        count += 1
    return count


@njit(cache=True, error_model="numpy")
def _opposed(
    e: int, i: int, position: Array, goal: Array, index: Indices, radius: float, meet: float
) -> tuple[int, bool]:
    """The nearest robot ahead that comes the other way, or -1; and whether it has the right of way."""
    gx, gy = goal[e, i, 0] - position[e, i, 0], goal[e, i, 1] - position[e, i, 1]
    away = np.sqrt(gx * gx + gy * gy)
    for k in range(index.shape[2]):
        j = index[e, i, k]
        if j < 0:
            break
        dx, dy = position[e, j, 0] - position[e, i, 0], position[e, j, 1] - position[e, i, 1]
        if dx * dx + dy * dy > meet * meet:
            break
        hx, hy = goal[e, j, 0] - position[e, j, 0], goal[e, j, 1] - position[e, j, 1]
        its = np.sqrt(hx * hx + hy * hy)
        if its < 2.0 * radius or gx * dx + gy * dy < 0.0:
            continue  # it has arrived, or is behind
        if gx * hx + gy * hy < _AGAINST * away * its:
            mine, other = gx / away, hx / its
            return j, other > mine or (other == mine and j < i)
    return -1, False


@njit(cache=True, error_model="numpy", nogil=True)
def _redirect(
    position: Array,
    velocity: Array,
    goal: Array,
    hits: Array,
    index: Indices,
    lengths: tuple[float, float, float, float, float],
    limits: tuple[float, float, float],
    side: Indices,
    memory: Array,
) -> Array:
    radius, clearance, ahead, follow, meet = lengths
    standing, patience, wait = limits
    worlds, robots, most = index.shape
    result, things = goal.copy(), np.empty((most + hits.shape[2], 3))
    for e in range(worlds):
        for i in range(robots):
            px, py = position[e, i, 0], position[e, i, 1]
            gx, gy = goal[e, i, 0] - px, goal[e, i, 1] - py
            away = np.sqrt(gx * gx + gy * gy)
            count = _gather(e, i, position, velocity, hits, index, radius, clearance, standing, things)
            if away < 2.0 * radius or count == 0:
                side[e, i], memory[e, i, 1], memory[e, i, 3] = 0, 0.0, 0.0
                continue
            toward, lean = np.arctan2(gy, gx), side[e, i]
            met, way = memory[e, i, 1], memory[e, i, 0]
            j, yields = _opposed(e, i, position, goal, index, radius, meet)
            if memory[e, i, 3] > 0.0:  # backing off
                memory[e, i, 3] = wait if yields else memory[e, i, 3] - 1.0
                if yields:
                    back = np.arctan2(py - position[e, j, 1], px - position[e, j, 0])
                    right, rights = _turn(back, -1, things, count, follow)
                    left, lefts = _turn(back, 1, things, count, follow)
                    memory[e, i, 0] = right if rights <= lefts else left
                    result[e, i, 0] = px + _LEAD * np.cos(memory[e, i, 0])
                    result[e, i, 1] = py + _LEAD * np.sin(memory[e, i, 0])
                else:
                    result[e, i, 0], result[e, i, 1] = px, py
                continue
            if met > 0.0 and away > met - clearance and np.cos(way - toward) < _ALONG:  # following
                near, back = np.inf, toward
                for k in range(count):
                    off = np.sqrt(things[k, 0] ** 2 + things[k, 1] ** 2) - things[k, 2]
                    if off < near:
                        near, back = off, np.arctan2(things[k, 1], things[k, 0])
                found, steps = _turn(back, lean, things, count, min(follow, away))
                memory[e, i, 0] = found if steps < _CIRCLE else way
                memory[e, i, 2] += 1.0
                if memory[e, i, 2] > patience:
                    side[e, i], memory[e, i, 2] = -lean, 0.0
            else:
                memory[e, i, 1] = 0.0
                right, rights = _turn(toward, -1, things, count, min(ahead, away))
                if rights == 0:
                    side[e, i] = 0
                    continue
                left, lefts = _turn(toward, 1, things, count, min(ahead, away))
                if min(rights, lefts) > _WIDE:
                    right, rights = _turn(toward, -1, things, count, min(follow, away))
                    left, lefts = _turn(toward, 1, things, count, min(follow, away))
                lean = -1 if rights - _KEEP * (lean < 0) <= lefts - _KEEP * (lean > 0) + _RIGHT else 1
                steps = rights if lean < 0 else lefts
                if steps > _WIDE and j >= 0:  # no room to pass
                    memory[e, i, 3] = wait if yields else 0.0
                    continue
                side[e, i], memory[e, i, 0] = lean, right if lean < 0 else left
                if steps > _WIDE:
                    memory[e, i, 1], memory[e, i, 2] = away, 0.0
            result[e, i, 0] = px + _LEAD * np.cos(memory[e, i, 0])
            result[e, i, 1] = py + _LEAD * np.sin(memory[e, i, 0])
    return result
