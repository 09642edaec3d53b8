"""The filter of `batch`, robot by robot: constraints, projection, certificate, in compiled code."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_safety.multi.hulls import separate
from vlingnav_safety.multi.steered import steer
from vlingnav_safety.multi.stops import between, braked, measure, periods_to_stop
from vlingnav_safety.qp import project_batch

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Bytes = NDArray[np.int8]

PASS = 0
"""The desired control was passed on."""
FILTERED = 1
"""It was changed so that all constraints hold, or, with a slack, the least violating was taken."""
BRAKE = 2
"""No velocity was found that is better than braking, or an input was not finite."""

_EXTRA = 1e-6  # [m] added to all radii, for rounding
ROUNDING = 1e-9  # [m] by which a certified stop may miss a limit
_CHEAP, _DEAR = 1e-3, 1e3  # bounds of a cost


@njit(cache=True, error_model="numpy")
def _within(value: float, low: float, high: float) -> float:
    """`value` between the bounds, the lower one for NaN."""
    return low if not value > low else min(value, high)


@njit(cache=True, error_model="numpy")
def excess(rows: Array, limits: Array, count: int, x: float, y: float) -> float:
    """By how much (x, y) goes beyond the worst of the limits, at least 0; NaN if one is NaN."""
    worst, odd = 0.0, 0.0
    for r in range(count):
        over = rows[r, 0] * x + rows[r, 1] * y - limits[r]
        odd += over - over
        worst = max(worst, over)
    return worst + odd


@njit(cache=True, error_model="numpy")
def _apart(mine: Array, other: Array) -> tuple[float, float, float, float]:
    """Distance between two stops [m], its direction, and how far `mine` reaches that way [m]."""
    if len(mine) > 2:
        return separate(mine, other)
    last = len(other) - 1
    distance, nx, ny, cx, cy = between(
        mine[0, 0], mine[0, 1], mine[1, 0], mine[1, 1],
        other[0, 0], other[0, 1], other[last, 0], other[last, 1],
    )  # fmt: skip
    return distance, nx, ny, nx * (cx - mine[0, 0]) + ny * (cy - mine[0, 1])


@njit(cache=True, error_model="numpy")
def _part(e: int, i: int, j: int, index: Indices, share: Array, claim: float) -> float:
    """The part of the gap to j that i may use, given what j claims of it; 1/2 of a j that does not see i."""
    told = 0.5
    for k in range(index.shape[2]):
        if index[e, j, k] == i:
            told = _within(share[e, j, k], 0.0, 1.0)
    return min(_within(claim, 0.0, 1.0), 1.0 - told)


@njit(cache=True, error_model="numpy")
def constrain(
    e: int,
    i: int,
    dt: float,
    tau: float,
    fastest: float,
    stops: Array,
    position: Array,
    index: Indices,
    hits: Array,
    radii: tuple[float, float],
    hidden: tuple[float, float],
    gain: Array,
    share: Array,
    cost: Array,
    hit_gain: Array,
    hit_cost: Array,
    rows: Array,
    bounds: Array,
    limits: Array,
    gives: Array,
    source: Indices,
) -> tuple[int, float]:
    """Write the half-planes of robot i of world e that can bind; how many, and the smallest gap [m].

    `rows @ u <= bounds` [m/s] is (1) of `stops` for a stop of tau u; `limits` [m] is the same without gains,
    for a displacement: what must hold, whatever the tuner says.
    """
    most, count, gap, mine, hit = index.shape[2], 0, np.inf, stops[e, i], np.empty((1, 2))
    for k in range(most + hits.shape[2]):
        if k < most:
            j = index[e, i, k]
            if j < 0:
                continue
            distance, nx, ny, behind = _apart(mine, stops[e, j])
            room, part = distance - radii[0] - _EXTRA, _part(e, i, j, index, share, share[e, i, k])
            rate, dear, who = gain[e, i, k], cost[e, i, k], j
        else:
            r = k - most
            hit[0] = hits[e, i, r]
            if hit[0, 0] == np.inf:
                continue
            distance, nx, ny, behind = _apart(mine, hit)
            sight = np.sqrt((hit[0, 0] - position[e, i, 0]) ** 2 + (hit[0, 1] - position[e, i, 1]) ** 2)
            room = distance - radii[1] - _EXTRA - hidden[0] * sight - hidden[1] * tau * fastest
            part, rate, dear, who = 1.0, hit_gain[e, i, r], hit_cost[e, i, r], index.shape[1] + r
        gap = min(gap, room) if room == room else np.nan
        # Too near already: go apart, both of a pair alike.
        used = part * room if room > 0.0 else 0.5 * room
        bound = (behind + _within(rate * dt, 0.0, 1.0) * used) / tau
        if not bound >= fastest:  # NaN must not get lost
            rows[count, 0], rows[count, 1], bounds[count] = nx, ny, bound
            limits[count] = behind + part * max(room, 0.0)
            gives[count], source[count] = 1.0 / _within(dear, _CHEAP, _DEAR), who
            count += 1
    return count, gap


@njit(cache=True, error_model="numpy", nogil=True)
def filter_all(
    dt: float,
    ahead: Array,
    velocity: Array,
    wish: Array,
    lower: Array,
    upper: Array,
    speed: Array,
    heading: Array,
    brakes: tuple[float, float, float],
    kind: tuple[bool, bool],
    position: Array,
    index: Indices,
    hits: Array,
    radii: tuple[float, float],
    hidden: tuple[float, float],
    gain: Array,
    share: Array,
    cost: Array,
    hit_gain: Array,
    hit_cost: Array,
) -> tuple[Array, Array, Array, Bytes, Array, Array, Indices]:
    """Filter all robots of all worlds.

    Args:
        dt: period [s].
        ahead: `(E, N, 2)`, like the next six a field of `Reach`.
        velocity: `(E, N, 2)` [m/s].
        wish: `(E, N, 2)` next velocity that the desired control leads to [m/s].
        lower: `(E, N, 2)` [m/s].
        upper: `(E, N, 2)` [m/s].
        speed: `(E, N, 2)` [m/s].
        heading: `(E, N)` [rad].
        brakes: `brake`, `top` and `turn` of `Reach`.
        kind: `square` and `steered` of `Reach`.
        position: `(E, N, 2)` [m].
        index: `(E, N, K)`.
        hits: `(E, N, R, 2)` [m].
        radii: distance to keep from robots and from hits [m].
        hidden: by how much hits are larger, per metre of sight and per metre driven before standing.
        gain: `(E, N, K)` [1/s], like the rest a field of `Tuning`.
        share: `(E, N, K)`.
        cost: `(E, N, K)`.
        hit_gain: `(E, N, R)` [1/s].
        hit_cost: `(E, N, R)`.

    Returns:
        Next velocities `(E, N, 2)`; for cars, headings and the speeds along them `(E, N)`; and the fields of
        `BatchReport`.
    """
    worlds, robots, most = index.shape
    brake, top, turn = brakes
    square, steered = kind
    chosen, headings, along = np.empty((worlds, robots, 2)), heading.copy(), np.zeros((worlds, robots))
    status, active = np.zeros((worlds, robots), np.int8), np.full((worlds, robots), -1)
    gaps, slacks = np.full((worlds, robots), np.inf), np.zeros((worlds, robots))
    size = most + hits.shape[2]
    rows, bounds, limits, gives = np.empty((size, 2)), np.empty(size), np.empty(size), np.empty(size)
    source, weight = np.empty(size, np.int64), np.ones(2)
    slowed, stops = np.empty((worlds, robots, 2)), np.empty((worlds, robots, 2, 2))
    for e in range(worlds):
        for i in range(robots):
            vx, vy = braked(velocity[e, i, 0], velocity[e, i, 1], brake, square)
            take = dt * periods_to_stop(measure(vx, vy, square), brake)
            slowed[e, i] = (vx, vy)
            stops[e, i, 0] = ahead[e, i]
            stops[e, i, 1] = (ahead[e, i, 0] + take * vx, ahead[e, i, 1] + take * vy)
    for e in range(worlds):
        for i in range(robots):
            now = measure(velocity[e, i, 0], velocity[e, i, 1], square)
            tau = dt * periods_to_stop(min(top, now + brake), brake)
            fastest = max(abs(speed[e, i, 0]), abs(speed[e, i, 1]))
            count, gaps[e, i] = constrain(
                e, i, dt, tau, fastest, stops, position, index, hits, radii, hidden,
                gain, share, cost, hit_gain, hit_cost, rows, bounds, limits, gives, source,
            )  # fmt: skip
            wx, wy = wish[e, i, 0], wish[e, i, 1]
            if np.isfinite(wx) and np.isfinite(wy) and excess(rows, bounds, count, wx, wy) == 0.0:
                chosen[e, i] = (wx, wy)
                continue
            if steered:
                ux, uy, headings[e, i], along[e, i] = steer(
                    wx, wy, rows, bounds, count, heading[e, i], turn, speed[e, i, 0], speed[e, i, 1]
                )
                slacks[e, i] = excess(rows, bounds, count, ux, uy) if ux == ux else 0.0
            else:
                u, missed, _ = project_batch(
                    wish[e, i : i + 1],
                    rows[:count].reshape((1, count, 2)),
                    bounds[:count].reshape((1, count)),
                    lower[e, i : i + 1],
                    upper[e, i : i + 1],
                    weight,
                    gives[:count].reshape((1, count)),
                )
                ux, uy, slacks[e, i] = u[0, 0], u[0, 1], missed[0]
            # The certificate, on the stop itself. Braking needs none: its stop is behind every limit.
            take = dt * periods_to_stop(measure(ux, uy, square), brake)
            beyond = excess(rows, limits, count, take * ux, take * uy)
            status[e, i] = FILTERED
            if not (np.isfinite(ux) and np.isfinite(uy) and beyond <= ROUNDING):
                status[e, i], ux, uy = BRAKE, slowed[e, i, 0], slowed[e, i, 1]
                headings[e, i] = heading[e, i]
                along[e, i] = np.copysign(np.sqrt(ux * ux + uy * uy), speed[e, i, 0] + speed[e, i, 1])
            chosen[e, i] = (ux, uy)
            worst = -np.inf
            for r in range(count):
                over = rows[r, 0] * ux + rows[r, 1] * uy - bounds[r]
                if over > worst:
                    worst, active[e, i] = over, source[r]
    return chosen, headings, along, status, gaps, slacks, active
