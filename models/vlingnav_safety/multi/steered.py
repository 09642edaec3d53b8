"""The nearest velocity for a robot that can only go where it points, within half-planes.

A car's next velocity lies on a ring sector: its speed within what it can gain or lose in a period, its
heading within what it can turn. That is not convex, but for a given speed v every half-plane n.u <= b forbids
one arc of headings, those within arccos(b / v) of n. So the best heading for a speed is the desired one or an
end of an arc, and a handful of speeds is tried: the desired one, the one that the plain projection has, the
least, and two between.

A car that is too near to something already may be asked to go away faster than it can, or backwards. Then it
is asked only to come no nearer: it can stand, turn where it stands, and leave when it faces the way.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TRIES = 5  # speeds
_INSIDE = 1e-7  # [rad] by which the end of an arc is stepped over


@njit(cache=True, error_model="numpy")
def _wrap(angle: float) -> float:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


@njit(cache=True, error_model="numpy")
def _allowed(x: float, y: float, rows: Array, bounds: Array, count: int) -> bool:
    worst = -np.inf
    for r in range(count):
        worst = max(worst, rows[r, 0] * x + rows[r, 1] * y - bounds[r])
    return worst <= 0.0


@njit(cache=True, error_model="numpy")
def _search(
    wx: float,
    wy: float,
    rows: Array,
    bounds: Array,
    count: int,
    heading: float,
    turn: float,
    slow: float,
    fast: float,
) -> tuple[float, float, float, float]:
    """The velocity of `steer` for these bounds and no others."""
    wanted = np.sqrt(wx * wx + wy * wy)
    toward = np.arctan2(wy, wx)
    best = np.inf
    ux, uy, turned, along = np.nan, np.nan, heading, 0.0
    high = min(max(wanted, slow), fast)
    low = slow if slow > 0.0 else 0.0
    for k in range(_TRIES):
        v = high + (low - high) * k / (_TRIES - 1)
        if (wanted - v) ** 2 >= best:
            continue  # no heading makes up for the speed
        for r in range(-1, 2 * count):
            if r < 0:
                angle = toward
            else:
                side, row = 1.0 if r % 2 == 0 else -1.0, r // 2
                share = bounds[row] / v if v > 0.0 else 1.0
                if not -1.0 < share < 1.0:
                    continue
                angle = np.arctan2(rows[row, 1], rows[row, 0]) + side * (np.arccos(share) + _INSIDE)
            change = min(max(_wrap(angle - heading), -turn), turn)
            x, y = v * np.cos(heading + change), v * np.sin(heading + change)
            off = (x - wx) ** 2 + (y - wy) ** 2
            if off < best and _allowed(x, y, rows, bounds, count):
                best = off
                ux, uy, turned, along = x, y, heading + change, v
    return ux, uy, turned, along


@njit(cache=True, error_model="numpy")
def steer(
    wx: float,
    wy: float,
    rows: Array,
    bounds: Array,
    count: int,
    heading: float,
    turn: float,
    slow: float,
    fast: float,
) -> tuple[float, float, float, float]:
    """Find the velocity nearest to (wx, wy) [m/s] that keeps all rows.

    Args:
        wx: desired velocity along x [m/s].
        wy: along y [m/s].
        rows: `(>= count, 2)` normals of unit length.
        bounds: `(>= count,)` [m/s].
        count: how many rows there are.
        heading: now [rad].
        turn: largest change of it [rad].
        slow: least speed along the next heading [m/s], negative in reverse.
        fast: largest [m/s].

    Returns:
        Velocity x and y [m/s], the heading [rad] and the speed along it [m/s]; the velocity is NaN if
        there is none.
    """
    found = _search(wx, wy, rows, bounds, count, heading, turn, slow, fast)
    if found[0] == found[0]:
        return found
    return _search(wx, wy, rows, np.maximum(bounds, 0.0), count, heading, turn, slow, fast)
