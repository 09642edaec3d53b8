"""The distance between the convex hulls of two sets of points, and the direction in which they lie apart.

It is that of the hull of all differences from the origin, found by going on from vertex to vertex (Gilbert,
Johnson & Keerthi 1988). Whatever direction comes out, what is returned with it is measured along that
direction, so that a walk that ends early says too little and never too much.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEPS = 24  # of the walk; hulls of a dozen points take three or four
_ENOUGH = 1e-14  # [m^2] that a step must gain


@njit(cache=True, error_model="numpy")
def _nearest(px: float, py: float, qx: float, qy: float) -> tuple[float, float]:
    """Point of the segment from p to q that is nearest to the origin."""
    dx, dy = qx - px, qy - py
    length = dx * dx + dy * dy
    t = min(max(-(px * dx + py * dy) / length, 0.0), 1.0) if length > 0.0 else 0.0
    return px + t * dx, py + t * dy


@njit(cache=True, error_model="numpy")
def _extremes(points: Array, x: float, y: float) -> tuple[int, int]:
    """The first and the last of the points along (x, y)."""
    low, high, first, last = np.inf, -np.inf, 0, 0
    for k in range(len(points)):
        along = x * points[k, 0] + y * points[k, 1]
        if along < low:
            low, first = along, k
        if along > high:
            high, last = along, k
    return first, last


@njit(cache=True, error_model="numpy")
def separate(a: Array, b: Array) -> tuple[float, float, float, float]:
    """Lay a strip between two sets of points.

    Args:
        a: `(P, 2)` [m].
        b: `(Q, 2)` [m].

    Returns:
        How wide the strip is [m], 0 where the hulls overlap; the unit vector across it from `a` to `b`, x and
        y; and how far `a` reaches along that, from its first point on [m]. NaN if a point is not finite.
    """
    odd = 0.0
    for k in range(len(a)):
        odd += 0.0 * a[k, 0] + 0.0 * a[k, 1]
    for k in range(len(b)):
        odd += 0.0 * b[k, 0] + 0.0 * b[k, 1]
    if odd != 0.0:
        return np.nan, np.nan, np.nan, np.nan
    # An edge of the hull of differences, at first a point, and the point v of it nearest to the origin.
    px, py = b[0, 0] - a[0, 0], b[0, 1] - a[0, 1]
    qx, qy, vx, vy = px, py, px, py
    for _ in range(_STEPS):
        first, last = _extremes(b, vx, vy)[0], _extremes(a, vx, vy)[1]
        wx, wy = b[first, 0] - a[last, 0], b[first, 1] - a[last, 1]
        if vx * vx + vy * vy - (wx * vx + wy * vy) <= _ENOUGH:
            break
        # With w the edge is a triangle. Is the origin within, on the inner side of all three?
        one, two = px * wy - py * wx, wx * qy - wy * qx
        three = qx * py - qy * px
        if (one > 0.0 and two > 0.0 and three > 0.0) or (one < 0.0 and two < 0.0 and three < 0.0):
            vx, vy = 0.0, 0.0
            break
        ux, uy = _nearest(px, py, wx, wy)
        sx, sy = _nearest(qx, qy, wx, wy)
        if ux * ux + uy * uy <= sx * sx + sy * sy:
            qx, qy, vx, vy = wx, wy, ux, uy
        else:
            px, py, vx, vy = wx, wy, sx, sy
    length = np.sqrt(vx * vx + vy * vy)
    overlap = length < 1e-9
    if overlap:
        vx, vy = b[0, 0] - a[0, 0], b[0, 1] - a[0, 1]
        length = np.sqrt(vx * vx + vy * vy)
    nx, ny = (vx / length, vy / length) if length > 1e-9 else (1.0, 0.0)
    first, last = _extremes(b, nx, ny)[0], _extremes(a, nx, ny)[1]
    reach = nx * (a[last, 0] - a[0, 0]) + ny * (a[last, 1] - a[0, 1])
    width = nx * (b[first, 0] - a[last, 0]) + ny * (b[first, 1] - a[last, 1])
    return (0.0 if overlap else max(width, 0.0)), nx, ny, reach
