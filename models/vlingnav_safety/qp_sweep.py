"""The exact projection where lines are parallel, touch in one point or contradict each other: row by row.

When row i cuts off the optimum of the rows before it, the new optimum lies on line i, which leaves a problem
in one variable (Seidel 1991; van den Berg et al. 2011, "Reciprocal n-body collision avoidance", section 5.1).
Shuffled rows make that O(m) expected.

Unusual here is the empty case. An empty line names three half-planes (two if parallel) that exclude each
other, and by Farkas' lemma exactly how far the soft ones must give way together. The bound is raised to that
value and the sweep repeated, which is a dual simplex on ORCA's three-dimensional program: it ends at the
smallest common violation, and at the command nearest to the desired one that attains it. The box is what the
motors can do and never gives way; how far each of the others does for a unit of slack is for the caller to
say, so that what is dear is missed less.

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
ROUNDING = 1e-11
"""What one sweep may lose; two orders below `TOLERANCE`."""

_MAX_SWEEPS = 64  # 24 were enough for 1.35 million problems, most of them degenerate or empty


@njit(cache=True)
def sweep(
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
    Rows are normal, bound and how far a unit of slack moves the bound: 0 for the box, which never gives way.
    """
    x, y = gx, gy
    for p in range(count):
        i = order[p]
        ax, ay = rows[i, 0], rows[i, 1]
        bound = rows[i, 2] + slack * rows[i, 3]
        if ax * x + ay * y <= bound + eps:
            continue
        offset = ax * cx + ay * cy - bound
        px, py = cx - offset * ax, cy - offset * ay
        low, high, j_low, j_high, along_low, along_high = -np.inf, np.inf, -1, -1, 0.0, 0.0
        for q in range(p):
            j = order[q]
            along = rows[j, 1] * ax - rows[j, 0] * ay
            room = rows[j, 2] + slack * rows[j, 3] - rows[j, 0] * px - rows[j, 1] * py
            if abs(along) <= ROUNDING:
                if room < -2.0 * eps:  # opposite lines: Farkas' multipliers are 1 and 1
                    return x, y, -room / (rows[i, 3] + rows[j, 3])
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
                soft = between * rows[i, 3] + along_high * rows[j_low, 3] + along_low * rows[j_high, 3]
                return x, y, missing / soft
            # Lines through one point, apart by rounding: miss both by the same.
            low = high = (along_low * low + along_high * high) / (along_low + along_high)
        t = min(max(ax * (gy - py) - ay * (gx - px), low), high)
        x, y = px - t * ay, py + t * ax
    return x, y, 0.0


@njit(cache=True)
def solve(
    desired: Array,
    a: Array,
    b: Array,
    lower: Array,
    upper: Array,
    weight: Array,
    give: Array,
    rows: Array,
    order: Indices,
    u: Array,
) -> tuple[float, int]:
    """Write the nearest command into `u`; returns slack and status.

    Arguments as of `qp.project`; `rows` (m + 4, 4) and `order` (m + 4,) are scratch.
    """
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
    rows[0] = (1.0, 0.0, upper[0] * sx, 0.0)
    rows[1] = (-1.0, 0.0, -lower[0] * sx, 0.0)
    rows[2] = (0.0, 1.0, upper[1] * sy, 0.0)
    rows[3] = (0.0, -1.0, -lower[1] * sy, 0.0)
    count = 4
    impossible = False
    for i in range(a.shape[0]):
        ax, ay = a[i, 0] / sx, a[i, 1] / sy
        length = np.hypot(ax, ay)
        if np.isnan(b[i]) or not np.isfinite(length) or not 0.0 < give[i] < np.inf:
            return np.nan, FAILED
        if length == 0.0:
            impossible |= b[i] < 0.0
            continue
        bound = b[i] / length
        if bound == -np.inf:
            impossible = True
        elif bound < np.inf:
            rows[count] = (ax / length, ay / length, bound, give[i])
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
        x, y, missing = sweep(gx, gy, cx, cy, rows, order, count, slack, ROUNDING * size)
        if missing == 0.0:
            break
        slack += missing

    # Division by the scale may lose a bit: what lies inside must come back as it went in.
    u[0] = desired[0] if x == gx else min(max(x / sx, lower[0]), upper[0])
    u[1] = desired[1] if y == gy else min(max(y / sy, lower[1]), upper[1])
    u[0] = min(max(u[0], lower[0]), upper[0])
    u[1] = min(max(u[1], lower[1]), upper[1])
    worst, missed = 0.0, 0.0
    for i in range(4, count):
        over = rows[i, 0] * u[0] * sx + rows[i, 1] * u[1] * sy - rows[i, 2]
        if not over <= slack * rows[i, 3] + TOLERANCE * size:
            u[:] = np.nan
            return np.nan, FAILED
        worst, missed = max(worst, over), max(missed, over / rows[i, 3])
    if impossible:
        return np.inf, INFEASIBLE
    if worst <= TOLERANCE * size:
        return 0.0, SOLVED
    return missed, INFEASIBLE
