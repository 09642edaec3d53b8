"""The exact nearest command in two variables: min |u - desired|_W^2 subject to A u <= b inside a box.

Rows are taken one by one; when row i cuts off the optimum of the rows before it, the new optimum lies on
line i, which leaves a problem in one variable (Seidel 1991; van den Berg et al. 2011, "Reciprocal n-body
collision avoidance", section 5.1). Shuffled rows make that O(m) expected.

Unusual here is the empty case. An empty line names three half-planes (two if parallel) that exclude each
other, and by Farkas' lemma exactly how far the soft ones must give way together. The bound is raised to that
value and the sweep repeated, which is a dual simplex on ORCA's three-dimensional program: it ends at the
smallest common violation, and at the command nearest to the desired one that attains it. The box is what the
motors can do and never gives way.

Every answer is certified against the original rows; one that fails is reported as `FAILED`, never used.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SOLVED = 0
"""All rows hold to `TOLERANCE`."""
INFEASIBLE = 1
"""No command satisfies every row; the least-violating one is returned with its slack."""
FAILED = 2
"""An input is not finite, the box is empty, or the certificate failed; the command is NaN."""

TOLERANCE = 1e-9
"""Largest violation of a row of unit length that counts as satisfied, relative to 1 + the box's size."""

_ROUNDING = 1e-11  # what one sweep may lose; two orders below TOLERANCE
_MAX_SWEEPS = 64  # 24 were enough for 1.35 million problems, most of them degenerate or empty


@njit(cache=True)
def _sweep(
    gx: float,
    gy: float,
    cx: float,
    cy: float,
    rows: Array,
    order: Indices,
    count: int,
    slack: float,
    eps: float,
) -> tuple[float, float, float]:
    """Project (gx, gy) on all rows relaxed by `slack`; the third value is the slack that is missing, or 0.

    (cx, cy) is the middle of the box: line coordinates start there so that a far goal costs no digits.
    Rows 0 to 3 are the box, which takes no slack.
    """
    x, y = gx, gy
    for p in range(count):
        i = order[p]
        ax, ay = rows[i, 0], rows[i, 1]
        bound = rows[i, 2] + slack if i >= 4 else rows[i, 2]
        if ax * x + ay * y <= bound + eps:
            continue
        offset = ax * cx + ay * cy - bound
        px, py = cx - offset * ax, cy - offset * ay
        low, high, j_low, j_high, along_low, along_high = -np.inf, np.inf, -1, -1, 0.0, 0.0
        for q in range(p):
            j = order[q]
            along = rows[j, 1] * ax - rows[j, 0] * ay
            room = (rows[j, 2] + slack if j >= 4 else rows[j, 2]) - rows[j, 0] * px - rows[j, 1] * py
            if abs(along) <= _ROUNDING:
                if room < -2.0 * eps:  # opposite lines: Farkas' multipliers are 1 and 1
                    return x, y, -room / ((i >= 4) + (j >= 4))
            elif along > 0.0:
                if room / along < high:
                    high, j_high, along_high = room / along, j, along
            elif room / along > low:
                low, j_low, along_low = room / along, j, -along
        if low > high:
            # Farkas' multipliers of three lines are the sines between the two others.
            between = abs(rows[j_low, 0] * rows[j_high, 1] - rows[j_low, 1] * rows[j_high, 0])
            missing = along_low * along_high * (low - high)
            if missing > eps * (between + along_high + along_low):
                soft = between * (i >= 4) + along_high * (j_low >= 4) + along_low * (j_high >= 4)
                return x, y, missing / soft
            # Lines through one point, apart by rounding: miss both by the same.
            low = high = (along_low * low + along_high * high) / (along_low + along_high)
        t = min(max(ax * (gy - py) - ay * (gx - px), low), high)
        x, y = px - t * ay, py + t * ax
    return x, y, 0.0


@njit(cache=True)
def _solve(
    desired: Array,
    a: Array,
    b: Array,
    lower: Array,
    upper: Array,
    weight: Array,
    rows: Array,
    order: Indices,
    u: Array,
) -> tuple[float, int]:
    """Write the nearest command into `u`; `rows` (m + 4, 3) and `order` (m + 4,) are scratch."""
    u[:] = np.nan
    for k in range(2):
        if not (
            np.isfinite(desired[k])
            and np.isfinite(lower[k])
            and np.isfinite(upper[k])
            and lower[k] <= upper[k]
            and 0.0 < weight[k] < np.inf
        ):
            return np.nan, FAILED
    # In x = sqrt(W) u the objective is a distance and the box stays a box.
    sx, sy = np.sqrt(weight[0]), np.sqrt(weight[1])
    rows[0] = (1.0, 0.0, upper[0] * sx)
    rows[1] = (-1.0, 0.0, -lower[0] * sx)
    rows[2] = (0.0, 1.0, upper[1] * sy)
    rows[3] = (0.0, -1.0, -lower[1] * sy)
    count = 4
    impossible = False
    for i in range(a.shape[0]):
        ax, ay = a[i, 0] / sx, a[i, 1] / sy
        length = np.hypot(ax, ay)
        if np.isnan(b[i]) or not np.isfinite(length):
            return np.nan, FAILED
        if length == 0.0:
            impossible |= b[i] < 0.0
            continue
        bound = b[i] / length
        if bound == -np.inf:
            impossible = True
        elif bound < np.inf:
            rows[count] = (ax / length, ay / length, bound)
            count += 1
    order[:count] = np.arange(count)
    seed = np.uint32(2463534242)  # xorshift (Marsaglia 2003): the same problem always takes the same path
    for i in range(count - 1, 4, -1):
        seed ^= seed << np.uint32(13)
        seed ^= seed >> np.uint32(17)
        seed ^= seed << np.uint32(5)
        j = 4 + np.int64(seed) % (i - 3)
        order[i], order[j] = order[j], order[i]

    size = 1.0 + max(abs(rows[0, 2]), abs(rows[1, 2]), abs(rows[2, 2]), abs(rows[3, 2]))
    gx, gy = desired[0] * sx, desired[1] * sy
    cx, cy = 0.5 * (rows[0, 2] - rows[1, 2]), 0.5 * (rows[2, 2] - rows[3, 2])
    slack, x, y = 0.0, cx, cy
    for _ in range(_MAX_SWEEPS):
        x, y, missing = _sweep(gx, gy, cx, cy, rows, order, count, slack, _ROUNDING * size)
        if missing == 0.0:
            break
        slack += missing

    # Division by the scale may lose a bit: what lies inside must come back as it went in.
    u[0] = desired[0] if x == gx else min(max(x / sx, lower[0]), upper[0])
    u[1] = desired[1] if y == gy else min(max(y / sy, lower[1]), upper[1])
    u[0] = min(max(u[0], lower[0]), upper[0])
    u[1] = min(max(u[1], lower[1]), upper[1])
    worst = 0.0
    for i in range(4, count):
        worst = max(worst, rows[i, 0] * u[0] * sx + rows[i, 1] * u[1] * sy - rows[i, 2])
    if not worst <= slack + TOLERANCE * size:
        u[:] = np.nan
        return np.nan, FAILED
    if impossible:
        return np.inf, INFEASIBLE
    if worst <= TOLERANCE * size:
        return 0.0, SOLVED
    return worst, INFEASIBLE


@njit(cache=True)
def project(
    desired: Array, a: Array, b: Array, lower: Array, upper: Array, weight: Array
) -> tuple[Array, float, int]:
    """Find the command nearest to `desired` with `a @ u <= b` and `lower <= u <= upper`.

    Args:
        desired: `(2,)`, any finite value, inside the box or not.
        a: `(m, 2)` rows of any scale; a zero row counts as `0 <= b`.
        b: `(m,)`; `inf` leaves a row without effect.
        lower: `(2,)` finite, hard.
        upper: `(2,)` finite, hard.
        weight: `(2,)` diagonal of W, positive.

    Returns:
        `u (2,)`; the slack: the W-distance from `u` to the half-plane it misses most, 0 when solved, `inf`
        when a row can be met by no command at all; and the status, one of the constants above. A `FAILED`
        problem has NaN for `u` and slack.
    """
    u = np.empty(2)
    rows = np.empty((b.shape[0] + 4, 3))
    order = np.empty(b.shape[0] + 4, np.int64)
    slack, status = _solve(desired, a, b, lower, upper, weight, rows, order, u)
    return u, slack, status


@njit(cache=True)
def project_batch(
    desired: Array, a: Array, b: Array, lower: Array, upper: Array, weight: Array
) -> tuple[Array, Array, Indices]:
    """Solve B problems of m rows each: `project` with a leading axis B on every argument but `weight`.

    Pad problems with fewer rows by zero rows with `b = 0`. A bad problem fails alone.

    Returns:
        `u (B, 2)`, `slack (B,)`, `status (B,)` int64.
    """
    size, m = b.shape
    u, slack, status = np.empty((size, 2)), np.empty(size), np.empty(size, np.int64)
    rows, order = np.empty((m + 4, 3)), np.empty(m + 4, np.int64)
    for k in range(size):
        slack[k], status[k] = _solve(desired[k], a[k], b[k], lower[k], upper[k], weight, rows, order, u[k])
    return u, slack, status
