"""The few words in which furniture is described.

`at` is the centre in x, y and the *bottom* in z, because furniture is stacked: the seat begins where
the legs end. Sizes are full sizes. Low part counts matter more than beauty: rendering costs vertices.
"""

from __future__ import annotations

import math
from dataclasses import replace

from vlingnav_sim.house.model import Part, Rgb

Vec = tuple[float, float, float]

METAL: Rgb = (0.62, 0.63, 0.65)
DARK: Rgb = (0.13, 0.13, 0.14)
WOOD: Rgb = (0.50, 0.34, 0.20)
PALE: Rgb = (0.90, 0.90, 0.88)
GLASS: Rgb = (0.60, 0.76, 0.82)
LEAF: Rgb = (0.13, 0.45, 0.15)


def box(at: Vec, size: Vec, rgb: Rgb, euler: Vec = (0.0, 0.0, 0.0)) -> Part:
    """A box of full `size` whose bottom centre is `at` (before it is turned about its own centre)."""
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Part("box", half, (at[0], at[1], at[2] + half[2]), rgb, euler)


def cylinder(at: Vec, radius: float, height: float, rgb: Rgb) -> Part:
    """An upright cylinder standing on `at`."""
    return Part("cylinder", (radius, height / 2, 0.0), (at[0], at[1], at[2] + height / 2), rgb)


def disc(centre: Vec, radius: float, thickness: float, rgb: Rgb, axis: str = "y") -> Part:
    """A lying cylinder round `centre` whose axis is "x" or "y": a wheel, a dial."""
    euler = (0.0, math.pi / 2, 0.0) if axis == "x" else (math.pi / 2, 0.0, 0.0)
    return Part("cylinder", (radius, thickness / 2, 0.0), centre, rgb, euler)


def rod(start: Vec, end: Vec, radius: float, rgb: Rgb) -> Part:
    """A thin cylinder from `start` to `end`."""
    d = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
    length = math.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
    centre = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
    tilt = math.acos(d[2] / length)
    return Part("cylinder", (radius, length / 2, 0.0), centre, rgb, (0.0, tilt, math.atan2(d[1], d[0])))


def ball(centre: Vec, radius: float, rgb: Rgb) -> Part:
    """A sphere."""
    return Part("sphere", (radius, 0.0, 0.0), centre, rgb)


def blob(centre: Vec, half: Vec, rgb: Rgb, euler: Vec = (0.0, 0.0, 0.0)) -> Part:
    """An ellipsoid with half axes `half`."""
    return Part("ellipsoid", half, centre, rgb, euler)


def turned(parts: list[Part]) -> list[Part]:
    """The parts turned a quarter to the left: what was built facing -y now faces +x."""
    return [
        replace(
            part,
            position=(-part.position[1], part.position[0], part.position[2]),
            euler=(part.euler[0], part.euler[1], part.euler[2] + math.pi / 2),
        )
        for part in parts
    ]


def legs(dx: float, dy: float, height: float, thickness: float, rgb: Rgb) -> list[Part]:
    """Four square legs flush with the corners of a dx by dy top."""
    x, y = (dx - thickness) / 2, (dy - thickness) / 2
    size = (thickness, thickness, height)
    return [box((sx * x, sy * y, 0.0), size, rgb) for sx in (-1, 1) for sy in (-1, 1)]
