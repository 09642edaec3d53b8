"""Things that are carried about and left anywhere."""

from __future__ import annotations

import numpy as np

from vlingnav_sim.house.colours import scaled
from vlingnav_sim.house.furniture.primitives import (
    DARK,
    METAL,
    PALE,
    WOOD,
    ball,
    blob,
    box,
    cylinder,
    disc,
    rod,
)
from vlingnav_sim.house.model import Part, Rgb


def suitcase(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Upright on wheels, ribbed shell, drawn-out handle."""
    dx, dy, height = rng.uniform(0.24, 0.30), rng.uniform(0.42, 0.50), rng.uniform(0.58, 0.72)
    parts = [box((0, 0, 0.05), (dx, dy, height - 0.05), rgb)]
    parts += [
        box((0, y, 0.08), (dx + 0.02, 0.03, height - 0.11), scaled(rgb, 0.7)) for y in (-dy / 4, 0.0, dy / 4)
    ]
    parts += [box((-dx / 3, s * 0.11, height), (0.02, 0.02, 0.30), METAL) for s in (-1, 1)]
    parts.append(box((-dx / 3, 0, height + 0.29), (0.03, 0.26, 0.03), DARK))
    parts += [disc((0, s * (dy / 2 - 0.05), 0.03), 0.03, 0.03, DARK) for s in (-1, 1)]
    return parts


def box_(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A packing case with its lid flaps open."""
    dx, dy, height = rng.uniform(0.35, 0.5), rng.uniform(0.40, 0.6), rng.uniform(0.32, 0.5)
    return [
        box((0, 0, 0), (dx, dy, height), rgb),
        box((0, 0, height), (dx - 0.06, dy - 0.06, 0.004), scaled(rgb, 0.35)),
        box((0, 0, 0.02), (dx + 0.006, 0.07, height - 0.05), (0.84, 0.75, 0.52)),
        *(
            box((s * (dx / 2 + 0.05), 0, height - 0.03), (0.14, dy - 0.02, 0.015), rgb, (0.0, s * 0.5, 0.0))
            for s in (-1, 1)
        ),
    ]


def ball_(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """An exercise ball with a white band round it."""
    radius = rng.uniform(0.22, 0.32)
    return [
        ball((0, 0, radius), radius, rgb),
        Part("cylinder", (radius * 1.005, 0.03, 0.0), (0.0, 0.0, radius), PALE, (0.5, 0.3, 0.0)),
    ]


def backpack(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A rounded bag with a pocket in front, a flap and two straps behind."""
    s = rng.uniform(0.95, 1.2)
    return [
        box((0, 0, 0), (0.20 * s, 0.34 * s, 0.36 * s), rgb),
        blob((0, 0, 0.36 * s), (0.10 * s, 0.17 * s, 0.10 * s), rgb),
        box((0.12 * s, 0, 0.04 * s), (0.07 * s, 0.26 * s, 0.20 * s), scaled(rgb, 0.7)),
        box((0.12 * s, 0, 0.22 * s), (0.08 * s, 0.27 * s, 0.035 * s), DARK),
        *(box((-0.12 * s, y * s, 0.04 * s), (0.03 * s, 0.06 * s, 0.36 * s), DARK) for y in (-0.10, 0.10)),
        rod((0, -0.05 * s, 0.47 * s), (0, 0.05 * s, 0.47 * s), 0.015 * s, DARK),
    ]


def teddy_bear(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Sitting: belly, head with ears and a pale snout, arms and legs stretched out."""
    s = rng.uniform(1.0, 1.35)
    tone = scaled(rgb, 0.85)
    return [
        blob((0, 0, 0.20 * s), (0.15 * s, 0.17 * s, 0.20 * s), rgb),
        ball((0.02 * s, 0, 0.48 * s), 0.14 * s, rgb),
        *(ball((0, y * s, 0.60 * s), 0.055 * s, tone) for y in (-0.10, 0.10)),
        blob((0.14 * s, 0, 0.45 * s), (0.06 * s, 0.06 * s, 0.05 * s), (0.93, 0.85, 0.70)),
        ball((0.20 * s, 0, 0.47 * s), 0.02 * s, DARK),
        *(
            blob((0.06 * s, y * s, 0.27 * s), (0.12 * s, 0.05 * s, 0.05 * s), tone, (0.0, 0.5, 0.0))
            for y in (-0.18, 0.18)
        ),
        *(blob((0.18 * s, y * s, 0.08 * s), (0.16 * s, 0.07 * s, 0.07 * s), tone) for y in (-0.12, 0.12)),
        blob((0.12 * s, 0, 0.20 * s), (0.05 * s, 0.10 * s, 0.13 * s), (0.93, 0.85, 0.70)),
    ]


def vase(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A belly, a neck, three flowers."""
    height = rng.uniform(0.26, 0.34)
    parts = [
        blob((0, 0, height * 0.38), (0.09, 0.09, height * 0.38), rgb),
        cylinder((0, 0, 0), 0.055, 0.03, rgb),
        cylinder((0, 0, height * 0.65), 0.04, height * 0.35, rgb),
    ]
    for y, x, tone in (
        (-0.08, 0.02, (0.95, 0.35, 0.45)),
        (0.0, -0.04, (0.98, 0.86, 0.3)),
        (0.08, 0.03, (0.95, 0.6, 0.8)),
    ):
        tip = (x, y, height + 0.18 - abs(y))
        parts += [rod((0.0, 0.0, height), tip, 0.008, (0.2, 0.5, 0.2)), ball(tip, 0.04, tone)]
    return parts


def laptop(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Open: keyboard half in the named colour, lit screen leaning back."""
    width, depth = rng.uniform(0.33, 0.38), rng.uniform(0.23, 0.26)
    return [
        box((0, 0, 0), (depth, width, 0.02), rgb),
        box((0.01, 0, 0.02), (depth * 0.5, width - 0.05, 0.003), DARK),
        box((-depth / 2 - 0.02, 0, 0.01), (0.012, width, depth), rgb, (0.0, -0.25, 0.0)),
        box(
            (-depth / 2 - 0.011, 0, 0.025),
            (0.008, width - 0.03, depth - 0.03),
            (0.45, 0.68, 0.92),
            (0.0, -0.25, 0.0),
        ),
    ]


def fruit_bowl(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A shallow bowl heaped with apples, an orange and a lemon."""
    radius = rng.uniform(0.15, 0.19)
    return [
        cylinder((0, 0, 0), radius * 0.5, 0.03, rgb),
        cylinder((0, 0, 0.03), radius, 0.06, rgb),
        ball((0.06, 0.05, 0.11), 0.05, (0.80, 0.12, 0.10)),
        ball((-0.05, 0.06, 0.11), 0.05, (0.35, 0.65, 0.15)),
        ball((-0.02, -0.07, 0.11), 0.055, (0.96, 0.52, 0.08)),
        ball((0.01, 0.0, 0.16), 0.045, (0.96, 0.87, 0.20)),
    ]


def umbrella_stand(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A tall can with two furled umbrellas."""
    radius, height = rng.uniform(0.12, 0.15), rng.uniform(0.45, 0.55)
    return [
        cylinder((0, 0, 0), radius, height, rgb),
        cylinder((0, 0, height - 0.03), radius + 0.012, 0.04, scaled(rgb, 0.6)),
        rod((0.02, 0.02, height * 0.6), (0.07, 0.06, height + 0.26), 0.035, (0.75, 0.15, 0.20)),
        rod((0.07, 0.06, height + 0.24), (0.09, 0.08, height + 0.40), 0.015, WOOD),
        rod((-0.02, -0.02, height * 0.6), (-0.06, -0.08, height + 0.22), 0.035, (0.12, 0.18, 0.45)),
        rod((-0.06, -0.08, height + 0.20), (-0.07, -0.10, height + 0.36), 0.015, DARK),
    ]


def toy_car(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Big enough to ride on: body, cabin, windscreen, four wheels, lamps."""
    s = rng.uniform(0.9, 1.1)
    parts = [
        box((0, 0, 0.12 * s), (0.80 * s, 0.38 * s, 0.16 * s), rgb),
        box((-0.08 * s, 0, 0.28 * s), (0.36 * s, 0.34 * s, 0.16 * s), scaled(rgb, 0.8)),
        box((0.11 * s, 0, 0.28 * s), (0.02 * s, 0.30 * s, 0.14 * s), (0.60, 0.76, 0.82), (0.0, -0.4, 0.0)),
    ]
    parts += [
        disc((x * s, y * s, 0.11 * s), 0.11 * s, 0.07 * s, DARK) for x in (-0.25, 0.25) for y in (-0.19, 0.19)
    ]
    parts += [ball((0.40 * s, y * s, 0.21 * s), 0.035 * s, (1.0, 0.95, 0.70)) for y in (-0.13, 0.13)]
    return parts


def basketball_hoop(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A child's one: weighted foot, pole, white board with a coloured square, ring."""
    height = rng.uniform(1.35, 1.55)
    return [
        box((0, 0, 0), (0.42, 0.50, 0.12), rgb),
        cylinder((-0.12, 0, 0.12), 0.03, height - 0.12, METAL),
        box((-0.07, 0, height - 0.25), (0.03, 0.62, 0.45), PALE),
        box((-0.05, 0, height - 0.18), (0.012, 0.26, 0.20), rgb),
        cylinder((0.09, 0, height - 0.19), 0.14, 0.025, (0.95, 0.40, 0.05)),
        cylinder((0.09, 0, height - 0.36), 0.09, 0.17, (0.93, 0.93, 0.93)),
    ]
