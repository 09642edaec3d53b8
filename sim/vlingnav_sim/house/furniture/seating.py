"""Things to sit and lie on."""

from __future__ import annotations

import numpy as np

from vlingnav_sim.house.colours import scaled
from vlingnav_sim.house.furniture.primitives import DARK, METAL, PALE, WOOD, box, cylinder, legs
from vlingnav_sim.house.model import Part, Rgb


def chair(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Four legs, a seat and a back of slats or one board."""
    width, depth, seat = rng.uniform(0.42, 0.48), rng.uniform(0.42, 0.48), rng.uniform(0.43, 0.47)
    top = rng.uniform(0.85, 1.0)
    back = -depth / 2 + 0.02
    parts = legs(depth, width, seat, 0.045, scaled(rgb, 0.8))
    parts.append(box((0, 0, seat), (depth, width, 0.05), rgb))
    if rng.random() < 0.5:
        parts.append(box((back, 0, seat + 0.05), (0.04, width, top - seat - 0.05), rgb))
        return parts
    post = (0.04, 0.05, top - seat - 0.05)
    parts += [box((back, side * (width / 2 - 0.025), seat + 0.05), post, rgb) for side in (-1, 1)]
    parts.append(box((back, 0, top - 0.16), (0.03, width - 0.1, 0.14), rgb))
    parts.append(box((back, 0, seat + 0.16), (0.03, width - 0.1, 0.08), rgb))
    return parts


def office_chair(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A cross-shaped foot, a gas column, a seat, arm rests and a tall back."""
    width, seat = rng.uniform(0.48, 0.54), rng.uniform(0.44, 0.50)
    parts = [
        box((0, 0, 0.02), (0.60, 0.06, 0.05), DARK),
        box((0, 0, 0.02), (0.06, 0.60, 0.05), DARK),
        cylinder((0, 0, 0.07), 0.03, seat - 0.07, METAL),
        box((0, 0, seat), (0.48, width, 0.09), rgb),
        box((-0.24, 0, seat + 0.14), (0.07, width - 0.04, rng.uniform(0.45, 0.6)), rgb, (0.0, -0.1, 0.0)),
        box((-0.25, 0, seat + 0.02), (0.03, 0.08, 0.25), DARK),
    ]
    parts += [
        box((-0.02, side * (width / 2 + 0.02), seat + 0.04), (0.28, 0.05, 0.22), DARK) for side in (-1, 1)
    ]
    return parts


def armchair(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A sofa for one: plinth, cushion, two arms and a leaning back."""
    return _upholstered(rgb, rng, seats=1)


def sofa(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Two or three cushions between two arms, in front of a back."""
    return _upholstered(rgb, rng, seats=int(rng.integers(2, 4)))


def _upholstered(rgb: Rgb, rng: np.random.Generator, seats: int) -> list[Part]:
    depth, arm, cushion = rng.uniform(0.82, 0.92), rng.uniform(0.14, 0.20), rng.uniform(0.56, 0.64)
    seat, top = rng.uniform(0.40, 0.46), rng.uniform(0.78, 0.90)
    width = seats * cushion + 2 * arm
    tone = scaled(rgb, 0.82)
    parts = [
        box((0, 0, 0.05), (depth - 0.03, width - 2 * arm, seat - 0.19), tone),
        box((-depth / 2 + 0.12, 0, seat - 0.13), (0.22, width - 2 * arm + 0.02, top - seat + 0.13), tone),
        box((depth / 2 - 0.04, 0, 0), (0.05, width - 0.1, 0.05), DARK),
        box((-depth / 2 + 0.04, 0, 0), (0.05, width - 0.1, 0.05), DARK),
    ]
    for side in (-1, 1):
        parts.append(box((0, side * (width - arm) / 2, 0.05), (depth, arm, seat + 0.15), rgb))
    for k in range(seats):
        y = (k - (seats - 1) / 2) * cushion
        parts.append(box((0.10, y, seat - 0.14), (depth - 0.22, cushion - 0.02, 0.14), rgb))
        parts.append(
            box((-depth / 2 + 0.28, y, seat + 0.01), (0.12, cushion - 0.05, 0.32), rgb, (0.0, -0.15, 0.0))
        )
    return parts


def stool(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A round seat on four legs."""
    height, radius = rng.uniform(0.45, 0.70), rng.uniform(0.16, 0.19)
    parts = legs(radius * 1.6, radius * 1.6, height, 0.035, WOOD)
    parts.append(box((0, 0, height * 0.4), (radius * 1.55, 0.025, 0.03), WOOD))
    parts.append(cylinder((0, 0, height), radius, 0.06, rgb))
    return parts


def bench(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Three slats on two trestles."""
    length = rng.uniform(1.0, 1.4)
    parts = [box((x, 0, 0.42), (0.11, length, 0.04), rgb) for x in (-0.13, 0.0, 0.13)]
    for side in (-1, 1):
        y = side * (length / 2 - 0.12)
        parts += [box((x, y, 0), (0.05, 0.05, 0.42), scaled(rgb, 0.7)) for x in (-0.15, 0.15)]
    parts.append(box((0, 0, 0.15), (0.04, length - 0.2, 0.05), scaled(rgb, 0.7)))
    return parts


def bed(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A wooden frame, a white mattress, a coloured blanket, pillows at the head."""
    double = rng.random() < 0.5
    width, length = (rng.uniform(1.4, 1.7) if double else rng.uniform(0.9, 1.1)), rng.uniform(1.95, 2.1)
    head = rng.uniform(0.85, 1.1)
    frame = WOOD if rng.random() < 0.6 else PALE
    parts = [
        box((-length / 2 + 0.03, 0, 0), (0.06, width, head), frame),
        box((0.03, 0, 0.12), (length - 0.06, width, 0.16), frame),
        box((length / 2 - 0.1, 0, 0), (0.08, width - 0.1, 0.12), frame),
        box((0.02, 0, 0.28), (length - 0.10, width - 0.06, 0.18), PALE),
        box((0.24, 0, 0.30), (length - 0.50, width + 0.04, 0.20), rgb),
        box((-0.30, 0, 0.44), (0.30, width + 0.05, 0.08), scaled(rgb, 0.75)),
    ]
    for y in (-width / 4, width / 4) if double else (0.0,):
        parts.append(
            box(
                (-length / 2 + 0.28, y, 0.46),
                (0.34, min(0.6, width / 2 + 0.15), 0.12),
                PALE,
                (0.0, -0.2, 0.0),
            )
        )
    return parts
