"""Differential drives and omnidirectional bases: robots whose stop bends, because they turn while they brake.

What such a base does when it is told to stand is known, so its stop is what the model does then: the points
at which it is from now on, period by period, until it stands. All of `stops` holds for the hulls of those
points. The stop that a command leads to is not linear in the command, though, so there is nothing to project
onto; there is no need either, since in a period a base can change its velocity by little. A lattice of the
velocities that it can reach is tried, each with its whole stop, and the nearest to the desired one is taken.

Both kinds are bases with three axes, vx, vy and w; a differential drive has no vy.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_safety.dynamics import Omnidirectional, Unicycle
from vlingnav_safety.multi.kernel import BRAKE, FILTERED, PASS, ROUNDING, Bytes, constrain, excess

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Base = Unicycle | Omnidirectional

_TRIES = 5  # velocities along each axis, besides the desired one
_TURN = 0.2  # [m] that a turn rate's rad/s count for in what is nearest
_MISSED = 1e6  # what missing a constraint by a metre counts for


def axes(model: Base) -> tuple[Array, Array]:
    """Largest `(vx, vy, w)` and the largest change of each in a period."""
    if isinstance(model, Unicycle):
        (v, w), (a, alpha) = model.speed, model.acceleration
        return np.array([v, 0.0, w]), model.dt * np.array([a, 0.0, alpha])
    return np.array(model.speed), model.dt * np.array(model.acceleration)


def three_axes(model: Base, state: Array, control: Array) -> tuple[Array, Array]:
    """States `(..., 6)` and controls `(..., 3)` with a sideways axis."""
    if isinstance(model, Unicycle):
        state, control = np.insert(state, 4, 0.0, axis=-1), np.insert(control, 1, 0.0, axis=-1)
    return np.ascontiguousarray(state), np.ascontiguousarray(control)


def own_axes(model: Base, control: Array) -> Array:
    """The model's own controls of `control (..., 3)`."""
    return control[..., ::2] if isinstance(model, Unicycle) else control


def periods_to_stand(state: Array, change: Array) -> int:
    """How many periods the slowest to stop of `state (..., 6)` can still move, one more if it speeds up."""
    speed = np.abs(np.where(np.isfinite(state[..., 3:]), state[..., 3:], 0.0)).reshape(-1, 3).max(axis=0)
    return 2 + int(np.ceil((speed / np.maximum(change, 1e-9))[change > 0.0].max()))


@njit(cache=True, error_model="numpy")
def roll(state: Array, command: Array, change: Array, dt: float) -> None:
    """Move `state (6,)` on by a period, as `Omnidirectional.step` does."""
    vx, vy, w = state[3], state[4], state[5]
    for k in range(3):
        state[3 + k] += min(max(command[k] - state[3 + k], -change[k]), change[k])
    turn = 0.5 * dt * (w + state[5])
    vx, vy, middle = 0.5 * (vx + state[3]), 0.5 * (vy + state[4]), state[2] + 0.5 * turn
    c, s = np.cos(middle), np.sin(middle)
    state[0] += dt * (c * vx - s * vy)
    state[1] += dt * (s * vx + c * vy)
    state[2] += turn


@njit(cache=True, error_model="numpy")
def stop_of(state: Array, change: Array, dt: float, stop: Array) -> None:
    """Write where `state (6,)` is while it brakes, from now on, into `stop (P, 2)`."""
    moving, still = state.copy(), np.zeros(3)
    for p in range(len(stop)):
        stop[p] = moving[:2]
        roll(moving, still, change, dt)


@njit(cache=True, error_model="numpy")
def _worst(rows: Array, limits: Array, count: int, origin: Array, stop: Array) -> float:
    """By how much a stop goes beyond the worst of the limits [m], at least 0; NaN if one is NaN."""
    worst, odd = 0.0, 0.0
    for p in range(len(stop)):
        over = excess(rows, limits, count, stop[p, 0] - origin[0], stop[p, 1] - origin[1])
        odd += over - over
        worst = max(worst, over)
    return worst + odd


@njit(cache=True, error_model="numpy")
def _choose(
    state: Array,
    wish: Array,
    top: Array,
    change: Array,
    dt: float,
    rows: Array,
    bounds: Array,
    limits: Array,
    count: int,
    stop: Array,
    command: Array,
) -> float:
    """Write the best reachable velocity `(3,)` into `command`; by how much it misses a bound [m], or NaN.

    It is the nearest to `wish` of those that keep all bounds or, where none does, of those that miss them
    least and still keep all limits; NaN where none keeps those.
    """
    values, counts = np.empty((3, _TRIES + 1)), np.ones(3, np.int64)
    for k in range(3):
        low = state[3 + k] + min(max(-top[k] - state[3 + k], -change[k]), change[k])
        high = state[3 + k] + min(max(top[k] - state[3 + k], -change[k]), change[k])
        values[k, 0] = min(max(wish[k], low), high)
        if high > low:
            counts[k] = _TRIES + 1
            for t in range(_TRIES):
                values[k, 1 + t] = low + (high - low) * t / (_TRIES - 1)
    best, least, tried, moved = np.inf, np.nan, np.empty(3), np.empty(6)
    for a in range(counts[0]):
        for b in range(counts[1]):
            for c in range(counts[2]):
                tried[0], tried[1], tried[2] = values[0, a], values[1, b], values[2, c]
                off = (tried[0] - wish[0]) ** 2 + (tried[1] - wish[1]) ** 2
                off += _TURN * _TURN * (tried[2] - wish[2]) ** 2
                if not off < best:
                    continue
                moved[:] = state
                roll(moved, tried, change, dt)
                stop_of(moved, change, dt, stop)
                missed = _worst(rows, bounds, count, state, stop)
                off += _MISSED * missed
                if off < best and _worst(rows, limits, count, state, stop) <= ROUNDING:
                    best, least = off, missed
                    command[:] = tried
    return least


@njit(cache=True, error_model="numpy", nogil=True)
def filter_bases(
    dt: float,
    state: Array,
    desired: Array,
    top: Array,
    change: Array,
    periods: int,
    index: Indices,
    hits: Array,
    radii: tuple[float, float],
    hidden: tuple[float, float],
    gain: Array,
    share: Array,
    cost: Array,
    hit_gain: Array,
    hit_cost: Array,
) -> tuple[Array, Bytes, Array, Array, Indices]:
    """Filter all robots of all worlds.

    Args:
        dt: period [s].
        state: `(E, N, 6)`.
        desired: `(E, N, 3)` within the limits.
        top: `(3,)` of `axes`, like `change`.
        change: `(3,)`.
        periods: points of a stop.
        index: `(E, N, K)`, like all that follow as in `kernel.filter_all`.
        hits: `(E, N, R, 2)` [m].
        radii: distance to keep from robots and from hits [m].
        hidden: by how much hits are larger.
        gain: `(E, N, K)` [1/s].
        share: `(E, N, K)`.
        cost: `(E, N, K)`; as no constraint is missed for another, it has no effect here.
        hit_gain: `(E, N, R)` [1/s].
        hit_cost: `(E, N, R)`.

    Returns:
        Commands `(E, N, 3)` and the fields of `BatchReport`.
    """
    worlds, robots, most = index.shape
    chosen, status = np.zeros((worlds, robots, 3)), np.full((worlds, robots), BRAKE, np.int8)
    gaps, slacks = np.full((worlds, robots), np.inf), np.zeros((worlds, robots))
    active, stops = np.full((worlds, robots), -1), np.empty((worlds, robots, periods, 2))
    size = most + hits.shape[2]
    rows, bounds, limits, gives = np.empty((size, 2)), np.empty(size), np.empty(size), np.empty(size)
    source, stop, moved, command = np.empty(size, np.int64), np.empty((periods, 2)), np.empty(6), np.empty(3)
    for e in range(worlds):
        for i in range(robots):
            stop_of(state[e, i], change, dt, stops[e, i])
    position = np.ascontiguousarray(state[:, :, :2])
    fastest = np.sqrt(top[0] * top[0] + top[1] * top[1])
    far = dt * periods * fastest  # no stop reaches farther
    for e in range(worlds):
        for i in range(robots):
            count, gaps[e, i] = constrain(
                e, i, dt, 1.0, far, stops, position, index, hits, radii, hidden,
                gain, share, cost, hit_gain, hit_cost, rows, bounds, limits, gives, source,
            )  # fmt: skip
            moved[:] = state[e, i]
            roll(moved, desired[e, i], change, dt)
            stop_of(moved, change, dt, stop)
            if _worst(rows, bounds, count, state[e, i], stop) == 0.0 and np.all(np.isfinite(moved)):
                status[e, i] = PASS
                chosen[e, i] = desired[e, i]
                continue
            tightest = -np.inf
            for r in range(count):
                for p in range(periods):
                    x, y = stop[p, 0] - state[e, i, 0], stop[p, 1] - state[e, i, 1]
                    over = rows[r, 0] * x + rows[r, 1] * y - bounds[r]
                    if over > tightest:
                        tightest, active[e, i] = over, source[r]
            missed = _choose(
                state[e, i], desired[e, i], top, change, dt, rows, bounds, limits, count, stop, command
            )
            if missed == missed:  # else it brakes: what it is told then is to stand
                status[e, i], slacks[e, i] = FILTERED, missed / dt
                chosen[e, i] = command
    return chosen, status, gaps, slacks, active
