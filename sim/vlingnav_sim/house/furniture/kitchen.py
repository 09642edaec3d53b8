"""Kitchen and laundry."""

from __future__ import annotations

import numpy as np

from vlingnav_sim.house.colours import scaled
from vlingnav_sim.house.furniture.primitives import DARK, GLASS, METAL, PALE, WOOD, box, cylinder, disc, rod
from vlingnav_sim.house.model import Part, Rgb


def fridge(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A tall body, a freezer door below a fridge door, two handles."""
    dx, dy, height = rng.uniform(0.60, 0.68), rng.uniform(0.60, 0.75), rng.uniform(1.65, 1.85)
    split = height * rng.uniform(0.34, 0.42)
    front = dx / 2
    return [
        box((-0.02, 0, 0.04), (dx - 0.04, dy, height - 0.04), scaled(rgb, 0.75)),
        box((-0.02, 0, 0), (dx - 0.10, dy - 0.06, 0.04), DARK),
        box((front - 0.01, 0, 0.06), (0.05, dy - 0.01, split - 0.08), rgb),
        box((front - 0.01, 0, split), (0.05, dy - 0.01, height - split - 0.01), rgb),
        box((front + 0.035, dy / 2 - 0.07, split - 0.34), (0.03, 0.03, 0.28), METAL),
        box((front + 0.035, dy / 2 - 0.07, split + 0.08), (0.03, 0.03, 0.42), METAL),
    ]


def oven(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A cooker: oven door with a window and a bar, four hot plates, a row of knobs."""
    dx, dy, height = 0.60, rng.uniform(0.58, 0.66), rng.uniform(0.86, 0.91)
    parts = [
        box((-0.01, 0, 0), (dx - 0.02, dy, height - 0.02), rgb),
        box((0, 0, height - 0.02), (dx, dy, 0.02), DARK),
        box((dx / 2 - 0.005, 0, 0.28), (0.02, dy - 0.14, 0.30), DARK),
        box((dx / 2 + 0.02, 0, 0.64), (0.03, dy - 0.10, 0.03), METAL),
    ]
    parts += [cylinder((x, y, height), 0.085, 0.012, METAL) for x in (-0.14, 0.14) for y in (-0.14, 0.14)]
    parts += [disc((dx / 2, y, height - 0.10), 0.022, 0.04, DARK, "x") for y in (-0.18, 0.0, 0.18)]
    return parts


def kitchen_counter(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A run of cupboards under a worktop."""
    dx, dy, height = 0.60, rng.uniform(0.9, 1.5), 0.90
    half = dy / 2
    return [
        box((-0.04, 0, 0), (dx - 0.10, dy, 0.10), DARK),
        box((-0.02, 0, 0.10), (dx - 0.04, dy, height - 0.14), scaled(rgb, 0.7)),
        box((0, 0, height - 0.04), (dx, dy, 0.04), WOOD),
        *(box((dx / 2 - 0.04, s * half / 2, 0.12), (0.03, half - 0.02, height - 0.19), rgb) for s in (-1, 1)),
        *(box((dx / 2 - 0.02, s * half / 2, height - 0.16), (0.03, 0.16, 0.02), METAL) for s in (-1, 1)),
    ]


def sink(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A cupboard with a basin let into it and a tap bent over the basin."""
    dx, dy, height = rng.uniform(0.48, 0.56), rng.uniform(0.6, 0.8), 0.86
    back = -dx / 2 + 0.06
    return [
        box((-0.02, 0, 0), (dx - 0.04, dy - 0.04, height - 0.10), rgb),
        box((0, 0, height - 0.10), (dx, dy, 0.10), PALE),
        cylinder((0.05, 0, height - 0.005), 0.19, 0.01, scaled(METAL, 0.7)),
        box((dx / 2 - 0.035, 0.02, 0.45), (0.02, 0.03, 0.14), METAL),
        cylinder((back, 0, height), 0.02, 0.24, METAL),
        rod((back, 0, height + 0.23), (back + 0.17, 0, height + 0.20), 0.016, METAL),
    ]


def washing_machine(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A white cube with a round window, a control strip and a dial."""
    dx, dy, height = rng.uniform(0.55, 0.62), 0.60, 0.85
    front = dx / 2
    return [
        box((-0.01, 0, 0), (dx - 0.02, dy, height), rgb),
        disc((front, 0, 0.40), 0.21, 0.04, METAL, "x"),
        disc((front + 0.01, 0, 0.40), 0.16, 0.05, scaled(GLASS, 0.4), "x"),
        box((front - 0.01, 0, height - 0.15), (0.03, dy - 0.02, 0.13), scaled(METAL, 0.75)),
        disc((front + 0.01, -0.18, height - 0.085), 0.045, 0.05, PALE, "x"),
        box((front, 0.15, height - 0.11), (0.03, 0.16, 0.05), DARK),
    ]


def microwave(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A small oven with a dark window, a handle and a panel of keys."""
    dx, dy, height = rng.uniform(0.34, 0.38), rng.uniform(0.46, 0.52), rng.uniform(0.27, 0.31)
    front = dx / 2
    return [
        box((-0.01, 0, 0), (dx - 0.02, dy, height), rgb),
        box((front - 0.015, -0.06, 0.04), (0.02, dy - 0.18, height - 0.08), DARK),
        box((front, dy / 2 - 0.12, 0.05), (0.03, 0.02, height - 0.10), METAL),
        box((front - 0.015, dy / 2 - 0.05, 0.04), (0.02, 0.07, height - 0.08), scaled(METAL, 0.6)),
    ]


def bin_(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A pedal bin: round body, domed lid, pedal."""
    radius, height = rng.uniform(0.15, 0.20), rng.uniform(0.40, 0.65)
    return [
        cylinder((0, 0, 0.02), radius, height - 0.02, rgb),
        cylinder((0, 0, height), radius + 0.012, 0.04, scaled(rgb, 0.5)),
        Part("ellipsoid", (radius, radius, 0.07), (0.0, 0.0, height + 0.04), scaled(rgb, 0.8)),
        box((radius, 0, 0), (0.09, 0.10, 0.025), DARK),
    ]
