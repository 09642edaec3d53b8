"""Discs that cover a robot, and the half-planes that keep range-sensor hits out of them.

For a disc of radius R about a point c fixed to the body, and a hit q, let r = q - c, n = r / |r| and

    h = |r|^2 - R^2  [m^2],    e = |r| - R  [m]:    the hit is outside while h >= 0, that is e >= 0.

If c moves by d within a period, |r - d| >= n.(r - d) = |r| - n.d, without any linearisation. So with
d = dt J u, J u being the velocity of c under command u, the half-plane

    n.(J u) <= F(e),    F(e) = sqrt((a dt)^2 + 2 a e) - a dt,    gives    e(t + dt) >= e(t) - dt F(e(t)) >= 0.

That is the discrete-time barrier condition (Agrawal & Sreenath 2017; Ames et al. 2019 for continuous time)
with the class-K function dt F: the speed v = F(e) is the one from which, one period later, deceleration a
stops within what is left, e = v dt + v^2 / 2a. It keeps itself true with limited brakes: after that period
e = v^2 / 2a, and F of it is at least v - a dt, as (v - a dt) dt + (v - a dt)^2 / 2a = v^2 / 2a - a dt^2 / 2.
A linear gain would do too, but it stalls a robot that slides along a wall, where the hits beside it have e
near zero.

Turning while braking, and reaching u only within the period, are left to the certificate of `braking`, which
takes the sampled motion as it is.

A differential drive cannot move sideways, but a point l ahead of its axle can: that point's body velocity is
[v, l w]. Its disc is the smallest about that point that holds the hull, so one barrier both slows and steers.

F is never below zero: standing still is always allowed and the filter never sets a standing robot in motion
by itself. A robot that starts too close, or that is walked up to, may only not go nearer.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Disc = tuple[float, float, float]


def cover_rectangle(length: float, width: float, count: int = 3) -> tuple[Disc, ...]:
    """Cover a rectangle centred on the base [m] by `count` equal discs (x, y, radius) along its length."""
    half = 0.5 * length / count
    radius = float(np.hypot(half, 0.5 * width))
    return tuple(((2 * k + 1 - count) * half, 0.0, radius) for k in range(count))


def cover_from(lookahead: float, hull: tuple[Disc, ...]) -> Disc:
    """Return the smallest disc about the point `lookahead` [m] ahead of the axle that holds all of `hull`."""
    return lookahead, 0.0, max(float(np.hypot(x - lookahead, y)) + r for x, y, r in hull)


@njit(cache=True)
def clearance_and_barrier(points: Array, radius: Array, hull: Array) -> tuple[float, float]:
    """Smallest distance [m] and h = d^2 - r^2 [m^2] from the discs `hull (D, 3)`; inf without hits."""
    clearance, barrier = np.inf, np.inf
    for m in range(len(points)):
        for d in range(len(hull)):
            distance = np.hypot(points[m, 0] - hull[d, 0], points[m, 1] - hull[d, 1])
            reach = hull[d, 2] + radius[m]
            clearance = min(clearance, distance - reach)
            barrier = min(barrier, distance * distance - reach * reach)
    return clearance, barrier


@njit(cache=True)
def barrier_rows(
    points: Array, radius: Array, discs: Array, brake: float, period: float, reach: float
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Half-planes `rows @ [vx, vy, wz] <= bounds` of all hits that can bind.

    Args:
        points: `(M, 2)` hits [m] in the body frame.
        radius: `(M,)` distance to keep from each [m]: its own radius, the margin, and how far it may move.
        discs: `(D, 3)` x, y, radius [m].
        brake: deceleration a of a planned stop [m/s^2].
        period: time between two commands [s].
        reach: largest speed of any disc's centre [m/s]; rows that allow more are left out.

    Returns:
        `rows (K, 3)`, the first two columns of unit length; `bounds (K,)` [m/s], never negative; and
        `source (K,)`, the hit each row comes from.
    """
    most = len(points) * len(discs)
    rows, bounds, source = np.empty((most, 3)), np.empty(most), np.empty(most, np.int64)
    count, lost = 0, brake * period
    for m in range(len(points)):
        for d in range(len(discs)):
            x, y = points[m, 0] - discs[d, 0], points[m, 1] - discs[d, 1]
            distance = np.hypot(x, y)
            if distance < 1e-9:
                continue  # in the very centre: every direction leads out
            room = max(0.0, distance - discs[d, 2] - radius[m])
            bound = np.sqrt(lost * lost + 2.0 * brake * room) - lost
            if bound < reach:
                nx, ny = x / distance, y / distance
                rows[count] = (nx, ny, discs[d, 0] * ny - discs[d, 1] * nx)
                bounds[count], source[count] = bound, m
                count += 1
    return rows[:count], bounds[:count], source[:count]
