"""Bathroom."""

from __future__ import annotations

import numpy as np

from vlingnav_sim.house.colours import scaled
from vlingnav_sim.house.furniture.primitives import DARK, GLASS, METAL, PALE, WOOD, blob, box, cylinder, rod
from vlingnav_sim.house.model import Part, Rgb


def toilet(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A tank with a button, a foot, an oval bowl under an oval seat."""
    width = rng.uniform(0.36, 0.40)
    return [
        box((-0.27, 0, 0.36), (0.18, width, 0.40), rgb),
        box((-0.27, 0, 0.76), (0.20, width + 0.02, 0.03), scaled(rgb, 0.9)),
        box((-0.27, 0, 0.79), (0.05, 0.08, 0.015), METAL),
        box((-0.12, 0, 0), (0.42, 0.22, 0.30), rgb),
        blob((0.06, 0, 0.30), (0.29, width / 2, 0.14), rgb),
        Part("cylinder", (width / 2, 0.0125, 0.0), (0.14, 0.0, 0.42), scaled(rgb, 0.85)),
        box((-0.04, 0, 0.4075), (0.30, width - 0.02, 0.025), scaled(rgb, 0.85)),
        cylinder((0.14, 0, 0.434), width / 2 - 0.07, 0.005, scaled(GLASS, 0.5)),
    ]


def bathtub(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Four walls with water between them, and a tap at one end."""
    dx, dy, height, rim = rng.uniform(0.70, 0.80), rng.uniform(1.5, 1.75), rng.uniform(0.52, 0.60), 0.07
    parts = [box((s * (dx - rim) / 2, 0, 0), (rim, dy, height), rgb) for s in (-1, 1)]
    parts += [box((0, s * (dy - rim) / 2, 0), (dx - 2 * rim, rim, height), rgb) for s in (-1, 1)]
    parts.append(box((0, 0, 0), (dx - 2 * rim, dy - 2 * rim, height - 0.14), (0.45, 0.72, 0.82)))
    parts.append(cylinder((0, dy / 2 - rim / 2, height), 0.02, 0.16, METAL))
    parts.append(rod((0, dy / 2 - rim / 2, height + 0.15), (0, dy / 2 - 0.20, height + 0.12), 0.016, METAL))
    return parts


def shower(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A tray, two tiled walls in a corner, a pipe and a rose; open on two sides."""
    size, height = rng.uniform(0.80, 0.95), rng.uniform(1.9, 2.05)
    edge = size / 2 - 0.02
    return [
        box((0, 0, 0), (size, size, 0.10), PALE),
        box((-edge, 0, 0.10), (0.04, size, height - 0.10), rgb),
        box((0.02, -edge, 0.10), (size - 0.04, 0.04, height - 0.10), rgb),
        box((edge - 0.01, edge, 0.10), (0.03, 0.03, height - 0.10), METAL),
        box((edge - 0.01, 0.02, height - 0.04), (0.03, size - 0.06, 0.03), METAL),
        rod((-edge + 0.05, 0, 0.9), (-edge + 0.05, 0, height - 0.12), 0.015, METAL),
        rod((-edge + 0.05, 0, height - 0.12), (-edge + 0.30, 0, height - 0.12), 0.015, METAL),
        cylinder((-edge + 0.30, 0, height - 0.17), 0.09, 0.03, METAL),
    ]


def towel_rack(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Two posts with bars and a coloured towel over them."""
    width, height = rng.uniform(0.55, 0.70), rng.uniform(0.85, 1.0)
    parts = [box((0, s * width / 2, 0), (0.26, 0.04, 0.03), WOOD) for s in (-1, 1)]
    parts += [box((0, s * width / 2, 0.03), (0.035, 0.035, height - 0.03), WOOD) for s in (-1, 1)]
    parts.append(box((0, 0, height - 0.05), (0.03, width, 0.03), WOOD))
    parts.append(box((0, 0, height * 0.35), (0.02, width, 0.03), WOOD))
    parts.append(box((0.03, 0.02, height - 0.55), (0.025, width - 0.16, 0.54), rgb))
    parts.append(box((0, 0.02, height - 0.02), (0.09, width - 0.15, 0.025), rgb))
    parts.append(box((-0.03, 0.02, height - 0.40), (0.025, width - 0.16, 0.39), scaled(rgb, 0.85)))
    return parts


def laundry_basket(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """An open basket with rims and white linen showing at the top."""
    radius, height = rng.uniform(0.20, 0.25), rng.uniform(0.45, 0.58)
    return [
        cylinder((0, 0, 0), radius * 0.92, height, rgb),
        cylinder((0, 0, height * 0.45), radius * 0.96, 0.03, scaled(rgb, 0.6)),
        cylinder((0, 0, height - 0.04), radius, 0.05, scaled(rgb, 0.6)),
        blob((0.03, 0, height), (radius * 0.75, radius * 0.7, 0.08), PALE),
        *(box((0, s * radius, height - 0.13), (0.12, 0.03, 0.05), DARK) for s in (-1, 1)),
    ]
