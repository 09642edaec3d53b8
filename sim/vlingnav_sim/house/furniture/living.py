"""Living room, hall and leisure: lamps, screens, instruments, pictures."""

from __future__ import annotations

import math

import numpy as np

from vlingnav_sim.house.colours import COLOURS, scaled
from vlingnav_sim.house.furniture.primitives import (
    DARK,
    GLASS,
    LEAF,
    METAL,
    PALE,
    WOOD,
    ball,
    blob,
    box,
    cylinder,
    disc,
    legs,
    rod,
    turned,
)
from vlingnav_sim.house.model import Part, Rgb


def tv(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A flat black screen on a low stand with drawers; the stand has the colour."""
    width, stand = rng.uniform(1.1, 1.5), rng.uniform(0.42, 0.52)
    screen = rng.uniform(0.9, min(1.2, width))
    return [
        box((0, 0, 0.06), (0.40, width, stand - 0.06), rgb),
        box((0, 0, 0), (0.32, width - 0.10, 0.06), DARK),
        *(
            box((0.20, s * width / 4, 0.10), (0.02, width / 2 - 0.04, stand - 0.16), scaled(rgb, 0.8))
            for s in (-1, 1)
        ),
        box((0, 0, stand), (0.18, 0.40, 0.02), DARK),
        box((0, 0, stand + 0.02), (0.04, 0.10, 0.08), DARK),
        box((0, 0, stand + 0.08), (0.05, screen, screen * 0.58), DARK),
        box((0.026, 0, stand + 0.10), (0.006, screen - 0.04, screen * 0.58 - 0.04), (0.16, 0.20, 0.27)),
    ]


def plant(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A pot with earth and a bush of leaves; the colour is that of the leaves."""
    pot, height = rng.uniform(0.14, 0.20), rng.uniform(0.28, 0.36)
    crown = rng.uniform(0.35, 0.60)
    clay = ((0.66, 0.33, 0.20), PALE, (0.35, 0.37, 0.40))[int(rng.integers(3))]
    parts = [
        cylinder((0, 0, 0), pot * 0.85, height, clay),
        cylinder((0, 0, height - 0.05), pot, 0.06, scaled(clay, 0.85)),
        cylinder((0, 0, height), 0.02, crown * 0.8, WOOD),
        blob((0, 0, height + crown), (0.10, 0.10, crown * 0.55), rgb),
    ]
    turn = rng.uniform(0, math.pi)
    for k in range(5):
        yaw = turn + k * 2 * math.pi / 5
        reach, lift = 0.16, height + crown * rng.uniform(0.5, 0.85)
        tone = scaled(rgb, rng.uniform(0.8, 1.25))
        parts.append(
            blob(
                (reach * math.cos(yaw), reach * math.sin(yaw), lift),
                (0.22, 0.075, 0.06),
                tone,
                (0.0, -0.75, yaw),
            )
        )
    return parts


def floor_lamp(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A heavy foot, a thin pole, a wide shade of two rings."""
    height, radius = rng.uniform(1.4, 1.7), rng.uniform(0.18, 0.24)
    return [
        cylinder((0, 0, 0), 0.15, 0.03, DARK),
        cylinder((0, 0, 0.03), 0.016, height - 0.25, METAL),
        cylinder((0, 0, height - 0.30), radius, 0.17, rgb),
        cylinder((0, 0, height - 0.13), radius * 0.75, 0.13, rgb),
        ball((0, 0, height - 0.30), 0.06, (1.0, 0.95, 0.75)),
    ]


def piano(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """An upright: tall case, keyboard ledge with white and black keys, music stand, pedals."""
    width, height = rng.uniform(1.35, 1.5), rng.uniform(1.1, 1.25)
    return [
        box((-0.12, 0, 0), (0.34, width, height), rgb),
        box((-0.11, 0, height), (0.38, width + 0.04, 0.03), scaled(rgb, 0.8)),
        box((0.14, 0, 0.60), (0.24, width, 0.08), rgb),
        box((0.17, 0, 0.68), (0.16, width - 0.16, 0.02), (0.96, 0.96, 0.94)),
        box((0.12, 0, 0.70), (0.07, width - 0.20, 0.012), DARK),
        *(box((0.21, s * (width / 2 - 0.05), 0), (0.07, 0.08, 0.60), scaled(rgb, 0.8)) for s in (-1, 1)),
        box((0.07, 0, 0.86), (0.02, 0.55, 0.20), PALE, (0.0, -0.25, 0.0)),
        box((0.10, 0, 0.03), (0.14, 0.22, 0.025), (0.80, 0.66, 0.25)),
    ]


def guitar(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Leaning back on a stand: two round bouts, a sound hole, a long neck, a head."""
    lean = 0.14
    length = rng.uniform(0.52, 0.58)

    def up(z: float, x: float = 0.0) -> tuple[float, float, float]:
        return (x - math.tan(lean) * (z - 0.30), 0.0, z)

    tilt = (0.0, math.pi / 2 - lean, 0.0)
    return [
        Part("cylinder", (0.20, 0.045, 0.0), up(0.32), rgb, tilt),
        Part("cylinder", (0.15, 0.045, 0.0), up(0.58), rgb, tilt),
        Part("cylinder", (0.055, 0.006, 0.0), up(0.48, 0.05), DARK, tilt),
        box((up(0.34, 0.05)[0], 0, 0.335), (0.02, 0.13, 0.02), DARK),
        Part("box", (0.015, 0.03, length / 2), up(0.68 + length / 2, 0.03), WOOD, (0.0, -lean, 0.0)),
        Part("box", (0.02, 0.045, 0.08), up(0.76 + length, 0.03), DARK, (0.0, -lean, 0.0)),
        rod((-0.20, 0.0, 0.02), (-0.06, 0.0, 0.62), 0.014, DARK),
        box((-0.02, 0, 0), (0.36, 0.04, 0.04), DARK),
        box((0.10, 0, 0), (0.04, 0.34, 0.04), DARK),
    ]


def bicycle(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Seen from its side: two wheels with pale discs for spokes, a diamond frame, a saddle, a handlebar."""
    wheel, base = rng.uniform(0.31, 0.34), rng.uniform(1.00, 1.06)
    rear, front = (-base / 2, 0.0, wheel), (base / 2, 0.0, wheel)
    crank, seat, head = (-0.08, 0.0, wheel - 0.03), (-0.20, 0.0, 0.78), (base / 2 - 0.16, 0.0, 0.80)
    tube = 0.022
    parts = [disc(hub, wheel, 0.035, DARK) for hub in (rear, front)]
    parts += [disc(hub, wheel - 0.05, 0.045, (0.80, 0.81, 0.83)) for hub in (rear, front)]
    parts += [
        rod(rear, seat, tube, rgb),
        rod(crank, seat, tube, rgb),
        rod(crank, head, tube + 0.005, rgb),
        rod(seat, head, tube + 0.005, rgb),
        rod(front, (head[0] - 0.04, 0.0, 0.95), tube, rgb),
        rod((head[0] - 0.02, -0.25, 0.96), (head[0] - 0.02, 0.25, 0.96), 0.018, DARK),
        blob((-0.24, 0, 0.88), (0.14, 0.07, 0.04), DARK),
        cylinder((-0.215, 0, 0.76), 0.018, 0.10, METAL),
    ]
    return turned(parts)


def coat_rack(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A pole on a cross with hooks; a coat hangs on one of them."""
    height = rng.uniform(1.65, 1.8)
    return [
        box((0, 0, 0), (0.44, 0.05, 0.04), WOOD),
        box((0, 0, 0), (0.05, 0.44, 0.04), WOOD),
        cylinder((0, 0, 0.04), 0.024, height - 0.04, WOOD),
        rod((-0.16, 0, height + 0.02), (0.16, 0, height - 0.12), 0.014, WOOD),
        rod((0, -0.16, height - 0.12), (0, 0.16, height - 0.02), 0.014, WOOD),
        box((0.11, 0, height - 0.95), (0.14, 0.36, 0.62), rgb),
        box((0.11, 0, height - 0.33), (0.12, 0.24, 0.10), rgb),
        *(
            box((0.11, s * 0.22, height - 0.85), (0.10, 0.09, 0.52), scaled(rgb, 0.85), (s * 0.12, 0.0, 0.0))
            for s in (-1, 1)
        ),
    ]


def aquarium(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A tank of water on a cabinet, with gravel and two orange fish; the cabinet has the colour."""
    dx, dy, stand, tank = rng.uniform(0.36, 0.42), rng.uniform(0.8, 1.0), rng.uniform(0.55, 0.65), 0.42
    orange = COLOURS["orange"]
    return [
        box((0, 0, 0), (dx, dy, stand), rgb),
        *(
            box((dx / 2, s * dy / 4, 0.04), (0.02, dy / 2 - 0.04, stand - 0.08), scaled(rgb, 0.8))
            for s in (-1, 1)
        ),
        box((0, 0, stand), (dx - 0.02, dy - 0.02, 0.06), (0.75, 0.66, 0.45)),
        box((0, 0, stand + 0.06), (dx - 0.02, dy - 0.02, tank - 0.10), (0.25, 0.62, 0.78)),
        box((0, 0, stand + tank - 0.04), (dx, dy, 0.04), DARK),
        blob((dx / 2 - 0.01, -dy / 5, stand + 0.26), (0.012, 0.07, 0.035), orange),
        blob((dx / 2 - 0.01, dy / 6, stand + 0.17), (0.012, 0.06, 0.03), orange),
        blob((dx / 2 - 0.02, dy / 3, stand + 0.16), (0.015, 0.03, 0.11), LEAF),
    ]


def mirror(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Tall, standing against the wall: a coloured frame round pale glass."""
    width, height, frame = rng.uniform(0.5, 0.7), rng.uniform(1.5, 1.8), 0.06
    return [
        box((0, 0, 0), (0.05, width, frame), rgb),
        box((0, 0, height - frame), (0.05, width, frame), rgb),
        *(box((0, s * (width - frame) / 2, frame), (0.05, frame, height - 2 * frame), rgb) for s in (-1, 1)),
        box((0, 0, frame), (0.03, width - 2 * frame, height - 2 * frame), (0.78, 0.88, 0.92)),
    ]


def painting(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A wide frame on the wall in the named colour, with a little landscape in it."""
    width, height, frame = rng.uniform(0.7, 1.1), rng.uniform(0.5, 0.75), 0.08
    inner = (width - 2 * frame, height - 2 * frame)
    sun = (rng.uniform(-0.3, 0.3) * inner[0], frame + inner[1] * 0.72)
    return [
        box((-0.005, 0, 0), (0.03, width, height), rgb),
        box((0.005, 0, frame), (0.03, inner[0], inner[1]), (0.62, 0.80, 0.93)),
        box(
            (0.008, 0, frame - 0.01),
            (0.03, inner[0] + 0.02, inner[1] * rng.uniform(0.3, 0.5)),
            (0.35, 0.58, 0.30),
        ),
        disc((0.008, sun[0], sun[1]), 0.06, 0.03, (0.98, 0.85, 0.25), "x"),
    ]


def clock(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A round rim on the wall in the named colour, a white dial, two hands."""
    radius = rng.uniform(0.18, 0.24)
    hour, minute = rng.uniform(0, 2 * math.pi), rng.uniform(0, 2 * math.pi)

    def hand(angle: float, length: float) -> Part:
        return rod(
            (0.03, 0.0, radius),
            (0.03, length * math.sin(angle), radius + length * math.cos(angle)),
            0.012,
            DARK,
        )

    return [
        disc((0, 0, radius), radius, 0.04, rgb, "x"),
        disc((0.005, 0, radius), radius * 0.78, 0.04, (0.97, 0.97, 0.95), "x"),
        hand(hour, radius * 0.45),
        hand(minute, radius * 0.68),
    ]


def fireplace(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A surround with a mantel and an opening where logs burn."""
    width, height, depth = rng.uniform(1.1, 1.4), rng.uniform(1.0, 1.15), 0.34
    jamb, back = width * 0.22, -depth / 2
    return [
        *(box((0, s * (width - jamb) / 2, 0), (depth, jamb, height), rgb) for s in (-1, 1)),
        box((0, 0, height * 0.66), (depth, width - 2 * jamb, height * 0.34), rgb),
        box((back + 0.03, 0, 0), (0.06, width - 2 * jamb, height * 0.66), DARK),
        box((0.01, 0, height), (depth + 0.08, width + 0.12, 0.06), scaled(rgb, 0.7)),
        *(disc((x, 0, z), 0.05, width * 0.4, WOOD) for x, z in ((-0.02, 0.05), (0.08, 0.05))),
        blob((0.02, 0, 0.20), (0.05, width * 0.15, 0.16), (0.98, 0.50, 0.08)),
        blob((0.05, 0.02, 0.16), (0.04, width * 0.08, 0.12), (1.0, 0.85, 0.25)),
    ]


def table_lamp(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A round foot, a short stem, a shade."""
    height, radius = rng.uniform(0.38, 0.5), rng.uniform(0.12, 0.15)
    return [
        cylinder((0, 0, 0), 0.08, 0.025, DARK),
        cylinder((0, 0, 0.02), 0.018, height - 0.15, METAL),
        cylinder((0, 0, height - 0.20), radius, 0.12, rgb),
        cylinder((0, 0, height - 0.08), radius * 0.72, 0.08, rgb),
    ]


def rocking_horse(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A toy: body, head, four legs, two runners."""
    s = rng.uniform(0.9, 1.1)
    parts = [
        blob((0, 0, 0.48 * s), (0.26 * s, 0.11 * s, 0.12 * s), rgb),
        rod((0.18 * s, 0, 0.50 * s), (0.30 * s, 0, 0.74 * s), 0.06 * s, rgb),
        blob((0.37 * s, 0, 0.76 * s), (0.13 * s, 0.06 * s, 0.07 * s), rgb, (0.0, 0.4, 0.0)),
        box((0, 0, 0.57 * s), (0.22 * s, 0.20 * s, 0.06 * s), DARK),
        rod((-0.24 * s, 0, 0.52 * s), (-0.36 * s, 0, 0.36 * s), 0.03 * s, DARK),
    ]
    for side in (-1, 1):
        y = side * 0.10 * s
        parts.append(rod((0.14 * s, y * 0.7, 0.42 * s), (0.20 * s, y, 0.05), 0.028 * s, rgb))
        parts.append(rod((-0.14 * s, y * 0.7, 0.42 * s), (-0.20 * s, y, 0.05), 0.028 * s, rgb))
        parts.append(box((0, y, 0.0), (0.80 * s, 0.04, 0.05), WOOD))
    return parts


def globe(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A blue ball with green land, held by a stand."""
    radius, stand = rng.uniform(0.20, 0.24), rng.uniform(0.45, 0.55)
    centre = stand + radius
    return [
        *legs(0.30, 0.30, stand - 0.06, 0.03, WOOD),
        box((0, 0, stand - 0.06), (0.32, 0.32, 0.04), WOOD),
        ball((0, 0, centre), radius, rgb),
        blob((0.06, 0.03, centre + 0.05), (radius * 0.80, radius * 0.55, radius * 0.55), LEAF),
        blob((-0.06, -0.05, centre - 0.03), (radius * 0.75, radius * 0.70, radius * 0.45), LEAF),
        cylinder((0, 0, stand - 0.04), 0.02, 2 * radius + 0.10, scaled(GLASS, 0.5)),
    ]
