"""The exact nearest command in two variables: min |u - desired|_W^2 subject to A u <= b inside a box.

At most two rows bind. From the optimum of the two that bind so far, take the row that is violated most: the
new optimum lies on its line, between what the two leave of it. The distance grows at every exchange, so this
ends, mostly after two or three (the dual active set of Goldfarb & Idnani 1983, which in two variables needs
no matrix). Lines that are parallel, touch or contradict each other are left to the slower sweeps of
`qp_sweep`, and so is the empty case, in which they find the least violation.

Every answer is certified against the original rows; one that fails is reported as `FAILED`, never used.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vlingnav_safety.qp_sweep import FAILED, INFEASIBLE, ROUNDING, SOLVED, TOLERANCE, Array, Indices, solve

__all__ = ["FAILED", "INFEASIBLE", "SOLVED", "TOLERANCE", "project", "project_batch"]

Row = tuple[float, float, float]  # a half-plane: a normal of unit length, or none, and its bound

_MAX_EXCHANGES = 16  # more than a well-posed problem takes
_PARALLEL = 1e-6  # sine of the angle below which lines are left to the sweeps


@njit(cache=True, error_model="numpy", forceinline=True)
def _left(row: Row, nx: float, ny: float, px: float, py: float) -> tuple[float, float]:
    """What `row` leaves of the line through (px, py) along (-ny, nx): low and high, or nothing."""
    along = row[1] * nx - row[0] * ny
    if abs(along) < _PARALLEL:
        # The same way round, the line is the tighter of the two: it was violated where `row` was not.
        return (-np.inf, np.inf) if row[0] * nx + row[1] * ny >= 0.0 else (np.inf, -np.inf)
    limit = (row[2] - row[0] * px - row[1] * py) / along
    return (-np.inf, limit) if along > 0.0 else (limit, np.inf)


@njit(cache=True, error_model="numpy", forceinline=True)
def _most_violated(
    k: int, a: Array, b: Array, ux: float, uy: float, ix: float, iy: float, enough: float
) -> tuple[float, int]:
    """Largest squared distance beyond a row of problem `k`, and which row; -1: none beyond `enough`.

    It is -2 if there is an entry that is not finite. Rows are mostly of about one length, so the largest
    violation as it stands is tried first and lengths are taken only where that settles nothing.
    """
    worst, most, odd = -1, 0.0, 0.0
    for i in range(b.shape[1]):
        over = a[k, i, 0] * ux + a[k, i, 1] * uy - b[k, i]
        odd += over - over
        if over > most:
            worst, most = i, over
    if odd != 0.0:
        return np.inf, -2
    if worst < 0:
        return enough, -1
    best = most * most / (a[k, worst, 0] ** 2 * ix + a[k, worst, 1] ** 2 * iy)
    if best > enough:
        return best, worst
    best, worst = enough, -1
    for i in range(b.shape[1]):
        over = a[k, i, 0] * ux + a[k, i, 1] * uy - b[k, i]
        if over > 0.0:
            square = a[k, i, 0] ** 2 * ix + a[k, i, 1] ** 2 * iy
            if over * over > best * square:
                best, worst = over * over / square, i
    return best, worst


@njit(cache=True, error_model="numpy", forceinline=True)
def _quick(
    k: int, desired: Array, a: Array, b: Array, lower: Array, upper: Array, weight: Array, u: Array
) -> bool:
    """Write the nearest command of problem `k` into `u[k]` by exchanging rows; False leaves it to the sweeps.

    In x = sqrt(W) u the objective is a distance. Rows are tested on `u` itself, as they came, so that the
    last test is the certificate.
    """
    lx, ly, hx, hy, dx, dy = lower[k, 0], lower[k, 1], upper[k, 0], upper[k, 1], desired[k, 0], desired[k, 1]
    if not (
        0.0 < weight[0] < np.inf
        and 0.0 < weight[1] < np.inf
        and -np.inf < lx <= hx < np.inf
        and -np.inf < ly <= hy < np.inf
        and abs(dx) < np.inf
        and abs(dy) < np.inf
    ):
        return False
    sx, sy, ix, iy = np.sqrt(weight[0]), np.sqrt(weight[1]), 1.0 / weight[0], 1.0 / weight[1]
    enough = (ROUNDING * (1.0 + max(abs(lx) * sx, abs(hx) * sx, abs(ly) * sy, abs(hy) * sy))) ** 2
    gx, gy, cx, cy = dx * sx, dy * sy, 0.5 * (lx + hx) * sx, 0.5 * (ly + hy) * sy
    # What lies outside the box starts on its edge or in its corner, where one or two of its sides bind.
    ux, uy = min(max(dx, lx), hx), min(max(dy, ly), hy)
    sign_x, sign_y = np.sign(dx - ux), np.sign(dy - uy)
    first, second = (sign_x, 0.0, sign_x * ux * sx), (0.0, sign_y, sign_y * uy * sy)
    for _ in range(_MAX_EXCHANGES):
        best, worst = _most_violated(k, a, b, ux, uy, ix, iy, enough)
        if worst == -2:
            return False
        beyond_x, beyond_y = max(ux - hx, lx - ux) * sx, max(uy - hy, ly - uy) * sy
        if max(beyond_x, beyond_y) > 0.0 and max(beyond_x, beyond_y) ** 2 > best:
            if beyond_x > beyond_y:
                nx, ny, bound = (1.0, 0.0, hx * sx) if ux > hx else (-1.0, 0.0, -lx * sx)
            else:
                nx, ny, bound = (0.0, 1.0, hy * sy) if uy > hy else (0.0, -1.0, -ly * sy)
        elif worst >= 0:
            nx, ny = a[k, worst, 0] / sx, a[k, worst, 1] / sy
            length = np.sqrt(nx * nx + ny * ny)
            if not (1e-150 < length < 1e150 and best < np.inf):
                return False
            nx, ny, bound = nx / length, ny / length, b[k, worst] / length
        else:
            u[k, 0], u[k, 1] = min(max(ux, lx), hx), min(max(uy, ly), hy)
            return True
        # Distances along its line are from the point nearest to the middle of the box.
        offset = nx * cx + ny * cy - bound
        px, py = cx - offset * nx, cy - offset * ny
        low, high = _left(first, nx, ny, px, py)
        low_second, high_second = _left(second, nx, ny, px, py)
        wish = nx * (gy - py) - ny * (gx - px)
        t = min(max(wish, low, low_second), high, high_second)
        if max(low, low_second) > min(high, high_second):
            return False
        if t == wish:
            first, second = (nx, ny, bound), (0.0, 0.0, 0.0)
        else:
            first, second = (nx, ny, bound), (first if t in (low, high) else second)
        ux, uy = (px - t * ny) / sx, (py + t * nx) / sy
    return False


@njit(cache=True)
def project_batch(
    desired: Array,
    a: Array,
    b: Array,
    lower: Array,
    upper: Array,
    weight: Array,
    give: Array | None = None,
) -> tuple[Array, Array, Indices]:
    """Solve B problems of m rows each: `project` with a leading axis B on every argument but `weight`.

    Pad problems with fewer rows by zero rows with `b = 0`. A bad problem fails alone.

    Args:
        desired: `(B, 2)`, any finite values, inside the box or not.
        a: `(B, m, 2)` rows of any scale; a zero row counts as `0 <= b`.
        b: `(B, m)`; `inf` leaves a row without effect.
        lower: `(B, 2)` finite, hard.
        upper: `(B, 2)` finite, hard.
        weight: `(2,)` diagonal of W, positive.
        give: `(B, m)` how far a row may be missed for a unit of slack where not all can be met, positive; 1
            for all by default.

    Returns:
        `u (B, 2)`, `slack (B,)`, `status (B,)` int64.
    """
    size, m = b.shape
    u, slack, status = np.empty((size, 2)), np.zeros(size), np.full(size, SOLVED)
    rows, order, ones = np.empty((m + 4, 4)), np.empty(m + 4, np.int64), np.ones(m)
    for k in range(size):
        if not _quick(k, desired, a, b, lower, upper, weight, u):
            gives = ones if give is None else give[k]
            slack[k], status[k] = solve(
                desired[k], a[k], b[k], lower[k], upper[k], weight, gives, rows, order, u[k]
            )
    return u, slack, status


@njit(cache=True)
def project(
    desired: Array, a: Array, b: Array, lower: Array, upper: Array, weight: Array
) -> tuple[Array, float, int]:
    """Find the command nearest to `desired` with `a @ u <= b` and `lower <= u <= upper`.

    Arguments are those of `project_batch` without the axis B.

    Returns:
        `u (2,)`; the slack: the W-distance from `u` to the half-plane it misses most, in units of its `give`,
        0 when solved, `inf` when a row can be met by no command at all; and the status, one of `SOLVED`,
        `INFEASIBLE`, `FAILED`. A `FAILED` problem has NaN for `u` and slack.
    """
    one = np.expand_dims
    u, slack, status = project_batch(
        one(desired, 0), one(a, 0), one(b, 0), one(lower, 0), one(upper, 0), weight
    )
    return u[0], slack[0], status[0]
