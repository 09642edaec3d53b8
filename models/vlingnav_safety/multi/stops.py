"""Where a robot comes to rest if it brakes from now on, and what keeps those places apart.

Everything the multi-robot filter promises rests on one set per robot, its *stop*: the segment S from where it
will be when a control can first act to where it then stands, had it braked. Two robots whose stops are R
apart can both brake and will not touch, whatever they did before.

Take robots i and j with dist(S_i, S_j) = R + e, e >= 0, and let n be the direction from the nearest point c_i
of S_i to that of S_j. Let i choose a next velocity u whose own stop S_i' satisfies

    n.x <= n.c_i + w_i g e     for all x in S_i',     0 <= g <= 1,     w_i + w_j <= 1                     (1)

and j likewise with -n and w_j. Then the new stops lie on two sides of a strip that is R + (1 - g (w_i + w_j))
e wide at least, so dist(S_i', S_j') >= R: the gap e never falls below zero, and shrinks by the share g of
itself at most. That is the discrete-time barrier condition e+ >= (1 - g) e (Agrawal & Sreenath 2017) for the
barrier e, each of the two answering for a share of it (Wang, Ames & Egerstedt 2017).

Braking always satisfies (1): its stop is a part of S_i, and S_i lies behind c_i since S_i and S_j are convex.
So all constraints of a robot can be met at once, at every time, whatever gains and shares were chosen, then
or before. That is what a barrier on positions and velocities does not give: there the normals turn as the
robots move, and braking for one neighbour may break the condition of another.

(1) is linear in u as soon as the stop is: it begins at a, where the robot will be anyway, and ends at
a + D(|u|) u, so a + tau u with tau = D(largest reachable speed) is on the safe side of it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(cache=True, error_model="numpy", forceinline=True)
def periods_to_stop(speed: float, brake: float) -> float:
    """How many periods of `speed` a stop takes up: the sum over k of max(0, 1 - k brake / speed).

    Args:
        speed: of the next period [m/s].
        brake: by how much a period can lessen it [m/s]; inf for a robot that stops at once.
    """
    if speed <= brake:
        return 1.0
    whole = np.floor(speed / brake)
    return (whole + 1.0) * (1.0 - 0.5 * whole * brake / speed)


@njit(cache=True, error_model="numpy", forceinline=True)
def measure(x: float, y: float, square: bool) -> float:
    """Speed as the brakes count it: the larger component where each axis brakes by itself."""
    return max(abs(x), abs(y)) if square else np.sqrt(x * x + y * y)


@njit(cache=True, error_model="numpy", forceinline=True)
def braked(vx: float, vy: float, brake: float, square: bool) -> tuple[float, float]:
    """Velocity one period of braking later, along the same line."""
    speed = measure(vx, vy, square)
    left = 1.0 - brake / speed if speed > brake else 0.0
    return left * vx, left * vy


@njit(cache=True, error_model="numpy", forceinline=True)
def nearest_on(
    px: float, py: float, ax: float, ay: float, bx: float, by: float
) -> tuple[float, float, float]:
    """Point of the segment from a to b that is nearest to p, and the squared distance."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    t = min(max(((px - ax) * dx + (py - ay) * dy) / length, 0.0), 1.0) if length > 0.0 else 0.0
    x, y = ax + t * dx, ay + t * dy
    return x, y, (px - x) ** 2 + (py - y) ** 2


@njit(cache=True, error_model="numpy")
def between(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> tuple[float, float, float, float, float]:
    """Distance between the segments ab and cd, its direction from ab to cd, and its end on ab.

    Where they cross, the distance is 0 and the direction that from a to c.
    """
    best, x, y, tx, ty = np.inf, ax, ay, cx, cy
    qx, qy, d = nearest_on(ax, ay, cx, cy, dx, dy)
    if d < best:
        best, x, y, tx, ty = d, ax, ay, qx, qy
    if bx != ax or by != ay:
        qx, qy, d = nearest_on(bx, by, cx, cy, dx, dy)
        if d < best:
            best, x, y, tx, ty = d, bx, by, qx, qy
        qx, qy, d = nearest_on(cx, cy, ax, ay, bx, by)
        if d < best:
            best, x, y, tx, ty = d, qx, qy, cx, cy
        if dx != cx or dy != cy:
            qx, qy, d = nearest_on(dx, dy, ax, ay, bx, by)
            if d < best:
                best, x, y, tx, ty = d, qx, qy, dx, dy
            # They cross where the ends of each lie on different sides of the other.
            side_c = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            side_d = (bx - ax) * (dy - ay) - (by - ay) * (dx - ax)
            side_a = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx)
            side_b = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx)
            if side_c * side_d < 0.0 and side_a * side_b < 0.0:
                best = 0.0
    distance = np.sqrt(best)
    nx, ny = tx - x, ty - y
    if distance < 1e-9:
        distance, nx, ny = 0.0, cx - ax, cy - ay
    length = np.sqrt(nx * nx + ny * ny)
    if length < 1e-9:
        return distance, 1.0, 0.0, x, y
    return distance, nx / length, ny / length, x, y
