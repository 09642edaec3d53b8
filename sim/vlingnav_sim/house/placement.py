"""Where a piece of furniture may stand: one random spot for each `Placement` word.

A spot is x, y [m], yaw [rad] and the height of what the piece stands on [m]. Whether a spot is free is
asked in `furnish`.
"""

from __future__ import annotations

import math

import numpy as np

from vlingnav_sim.house.category import Placement
from vlingnav_sim.house.layout import Rect

Triple = tuple[float, float, float]
Spot = tuple[float, float, float, float]

WALL_GAP, HANGING_GAP = 0.02, 0.005
"""Between the wall and what stands before it, or hangs on it [m]."""
HANGING_HEIGHT = (1.0, 1.3)
"""Of the lower edge of what hangs [m]."""
CARRIED = 0.3
"""What is smaller than this half size [m] is put down by hand, not quite square to the wall."""

# The yaw that turns the back to the left, right, lower and upper wall, and which end of that wall
# (-1 the low one) is at the piece's right hand.
_WALLS = ((0.0, -1), (math.pi, 1), (math.pi / 2, 1), (-math.pi / 2, -1))


def footprint(x: float, y: float, yaw: float, hx: float, hy: float) -> Rect:
    """The upright rectangle round a turned one with half sizes `hx`, `hy` [m]."""
    c, s = abs(math.cos(yaw)), abs(math.sin(yaw))
    ex, ey = c * hx + s * hy, s * hx + c * hy
    return x - ex, y - ey, x + ex, y + ey


def in_the_middle(rng: np.random.Generator, half: Triple, inner: Rect) -> Spot | None:
    """Away from the walls of the room whose inner faces are `inner`; None where there is no room."""
    x0, y0, x1, y1 = inner
    margin = max(half[0], half[1]) + 0.4
    if min(x1 - x0, y1 - y0) < 2 * margin:
        return None
    yaw = float(rng.integers(2)) * math.pi / 2
    return rng.uniform(x0 + margin, x1 - margin), rng.uniform(y0 + margin, y1 - margin), yaw, 0.0


def at_a_wall(rng: np.random.Generator, placement: Placement, half: Triple, inner: Rect) -> Spot | None:
    """With its back to a wall: anywhere along it, in the "corner" to its right, or "hung" on it."""
    x0, y0, x1, y1 = inner
    hung = placement == "hung"
    wall = int(rng.integers(4))
    yaw, right = _WALLS[wall]
    if not hung and max(half[0], half[1]) < CARRIED:
        yaw += rng.uniform(-0.3, 0.3)
    ex, ey = footprint(0.0, 0.0, yaw, half[0], half[1])[2:]
    ex, ey = ex + WALL_GAP, ey + WALL_GAP
    low, high = (y0 + ey, y1 - ey) if wall < 2 else (x0 + ex, x1 - ex)
    if high < low:
        return None
    along = rng.uniform(low, high)
    if placement == "corner":
        along = low if right < 0 else high
    shift = WALL_GAP - HANGING_GAP if hung else 0.0
    across = (x0 + ex - shift, x1 - ex + shift, y0 + ey - shift, y1 - ey + shift)[wall]
    base = rng.uniform(*HANGING_HEIGHT) if hung else 0.0
    return (across, along, yaw, base) if wall < 2 else (along, across, yaw, base)


def with_another(
    rng: np.random.Generator,
    placement: Placement,
    half: Triple,
    anchor: Triple,
    anchor_half: Triple,
    one_sided: bool,
) -> Spot | None:
    """Next to, before, around or on the piece that stands at `anchor` (x, y, yaw).

    Args:
        rng: source of chance.
        placement: "beside" (backs in line), "before" (with room for legs), "around" or "on".
        half: of the new piece.
        anchor: pose of the other one.
        anchor_half: its half sizes and height.
        one_sided: "around" means its front alone, as with a desk.
    """
    (hx, hy, _), (ax, ay, top) = half, anchor_half
    turn, base = 0.0, 0.0
    if placement == "on":
        if hx > ax or hy > ay:
            return None
        x, y = rng.uniform(-1, 1) * (ax - hx), rng.uniform(-1, 1) * (ay - hy)
        turn, base = rng.uniform(-0.2, 0.2), top
    elif placement == "beside":
        side = 1.0 if rng.random() < 0.5 else -1.0
        x, y = hx - ax, side * (ay + hy + rng.uniform(0.03, 0.08))
    elif placement == "before":
        x, y = ax + hx + rng.uniform(0.30, 0.45), rng.uniform(-0.15, 0.15)
    else:
        quarter = 0 if one_sided else int(rng.integers(4))
        reach, length = (ax, ay) if quarter % 2 == 0 else (ay, ax)
        slot = rng.uniform(-0.2, 0.2)
        if not one_sided:
            # Two chairs fit on a long side, one in the middle of a short one.
            slot = length / 2 * (1.0 if rng.random() < 0.5 else -1.0) if length > 0.55 else 0.0
        wobble = rng.uniform(-0.15, 0.15)
        out = reach + footprint(0.0, 0.0, wobble, hx, hy)[2] + rng.uniform(0.02, 0.10)
        c, s = math.cos(quarter * math.pi / 2), math.sin(quarter * math.pi / 2)
        x, y, turn = c * out - s * slot, s * out + c * slot, quarter * math.pi / 2 + math.pi + wobble
    c, s = math.cos(anchor[2]), math.sin(anchor[2])
    return anchor[0] + c * x - s * y, anchor[1] + s * x + c * y, anchor[2] + turn, base
