"""Tables and things to put things into."""

from __future__ import annotations

import numpy as np

from vlingnav_sim.house.colours import scaled
from vlingnav_sim.house.furniture.primitives import DARK, METAL, WOOD, box, cylinder, legs
from vlingnav_sim.house.model import Part, Rgb

# Dull, so that the books do not lend the shelf a colour.
_BOOKS = ((0.45, 0.30, 0.28), (0.28, 0.36, 0.45), (0.35, 0.42, 0.33), (0.62, 0.57, 0.47), (0.40, 0.33, 0.42))


def dining_table(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A rectangular top on four legs, or a round one on a column."""
    height = rng.uniform(0.73, 0.77)
    if rng.random() < 0.3:
        radius = rng.uniform(0.48, 0.60)
        return [
            cylinder((0, 0, 0), 0.28, 0.03, scaled(rgb, 0.7)),
            cylinder((0, 0, 0.03), 0.05, height - 0.07, scaled(rgb, 0.7)),
            cylinder((0, 0, height - 0.04), radius, 0.04, rgb),
        ]
    dx, dy = rng.uniform(0.8, 0.95), rng.uniform(1.2, 1.7)
    parts = legs(dx - 0.06, dy - 0.06, height - 0.04, 0.07, scaled(rgb, 0.8))
    parts.append(box((0, 0, height - 0.12), (dx - 0.12, dy - 0.12, 0.08), scaled(rgb, 0.8)))
    parts.append(box((0, 0, height - 0.04), (dx, dy, 0.04), rgb))
    return parts


def coffee_table(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Low: a top, a shelf under it, four legs."""
    dx, dy, height = rng.uniform(0.5, 0.6), rng.uniform(0.85, 1.15), rng.uniform(0.38, 0.46)
    parts = legs(dx, dy, height - 0.04, 0.05, scaled(rgb, 0.75))
    parts.append(box((0, 0, 0.12), (dx - 0.06, dy - 0.06, 0.02), scaled(rgb, 0.75)))
    parts.append(box((0, 0, height - 0.04), (dx, dy, 0.04), rgb))
    return parts


def desk(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A top, a drawer block on one side, two legs on the other, a panel at the back."""
    dx, dy, height = rng.uniform(0.6, 0.7), rng.uniform(1.1, 1.5), rng.uniform(0.72, 0.76)
    side = 1.0 if rng.random() < 0.5 else -1.0
    y = side * (dy / 2 - 0.22)
    parts = [
        box((0, 0, height - 0.035), (dx, dy, 0.035), rgb),
        box((0, y, 0), (dx - 0.06, 0.40, height - 0.035), scaled(rgb, 0.85)),
        box((-dx / 2 + 0.10, -side * 0.2, 0.35), (0.02, dy - 0.46, height - 0.385), scaled(rgb, 0.7)),
    ]
    parts += [
        box((x, -side * (dy / 2 - 0.04), 0), (0.05, 0.05, height - 0.035), DARK)
        for x in (-dx / 2 + 0.05, dx / 2 - 0.05)
    ]
    parts += [box((dx / 2 - 0.025, y, z), (0.02, 0.16, 0.025), METAL) for z in (0.18, 0.38, 0.58)]
    return parts


def nightstand(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A small box on feet with two drawers."""
    dx, dy, height = rng.uniform(0.36, 0.42), rng.uniform(0.40, 0.48), rng.uniform(0.45, 0.58)
    return [
        box((-0.02, 0, 0), (dx - 0.08, dy - 0.06, 0.08), DARK),
        *_fronts(rgb, dx, dy, 0.08, height, columns=1, rows=2),
    ]


def dresser(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A chest of four wide drawers."""
    dx, dy, height = rng.uniform(0.42, 0.50), rng.uniform(0.8, 1.2), rng.uniform(0.75, 1.0)
    return _fronts(rgb, dx, dy, 0.0, height, columns=1, rows=4)


def wardrobe(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """Taller than a person, two doors with long handles in the middle."""
    dx, dy, height = rng.uniform(0.55, 0.62), rng.uniform(1.0, 1.5), rng.uniform(1.85, 2.1)
    front = dx / 2
    return [
        box((0, 0, 0), (dx - 0.04, dy - 0.04, 0.08), DARK),
        box((-0.01, 0, 0.08), (dx - 0.02, dy, height - 0.14), scaled(rgb, 0.7)),
        box((0, 0, height - 0.06), (dx + 0.02, dy + 0.04, 0.06), scaled(rgb, 0.8)),
        *(box((front - 0.01, s * dy / 4, 0.10), (0.025, dy / 2 - 0.02, height - 0.18), rgb) for s in (-1, 1)),
        *(box((front + 0.015, s * 0.06, height * 0.42), (0.025, 0.025, 0.30), METAL) for s in (-1, 1)),
    ]


def cabinet(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """A sideboard: low and wide, two doors, a darker top."""
    dx, dy, height = rng.uniform(0.40, 0.46), rng.uniform(0.9, 1.3), rng.uniform(0.72, 0.86)
    front = dx / 2
    return [
        *legs(dx - 0.06, dy - 0.1, 0.12, 0.04, DARK),
        box((-0.01, 0, 0.12), (dx - 0.02, dy, height - 0.15), scaled(rgb, 0.7)),
        box((0, 0, height - 0.03), (dx, dy + 0.02, 0.03), WOOD),
        *(box((front - 0.01, s * dy / 4, 0.14), (0.02, dy / 2 - 0.03, height - 0.19), rgb) for s in (-1, 1)),
        *(box((front + 0.01, s * 0.07, height * 0.5), (0.02, 0.03, 0.10), METAL) for s in (-1, 1)),
    ]


def bookshelf(rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    """An open frame with boards, and a block of books on each."""
    dx, dy, height = rng.uniform(0.28, 0.34), rng.uniform(0.7, 1.0), rng.uniform(1.5, 1.9)
    rows = 4
    step = (height - 0.06) / rows
    parts = [box((-dx / 2 + 0.02, 0, 0.01), (0.02, dy - 0.04, height - 0.03), scaled(rgb, 0.75))]
    parts += [box((0, s * (dy / 2 - 0.015), 0), (dx, 0.03, height), rgb) for s in (-1, 1)]
    parts.append(box((0, 0, height - 0.03), (dx, dy, 0.03), rgb))
    for k in range(rows):
        z = 0.03 + k * step
        parts.append(box((0.01, 0, z), (dx - 0.03, dy - 0.06, 0.03), rgb))
        fill = rng.uniform(0.45, 0.95) * (dy - 0.08)
        book = _BOOKS[int(rng.integers(len(_BOOKS)))]
        parts.append(
            box(
                (-0.02, (fill - dy + 0.08) / 2, z + 0.03),
                (dx * 0.6, fill, step * rng.uniform(0.55, 0.8)),
                book,
            )
        )
    return parts


def _fronts(rgb: Rgb, dx: float, dy: float, bottom: float, top: float, columns: int, rows: int) -> list[Part]:
    """A carcass between `bottom` and `top` whose front is a grid of drawers with handles."""
    parts = [
        box((-0.01, 0, bottom), (dx - 0.02, dy, top - bottom - 0.03), scaled(rgb, 0.65)),
        box((0, 0, top - 0.03), (dx, dy + 0.02, 0.03), rgb),
    ]
    width, height = dy / columns, (top - bottom - 0.05) / rows
    for column in range(columns):
        y = (column - (columns - 1) / 2) * width
        for row in range(rows):
            z = bottom + 0.02 + row * height
            parts.append(box((dx / 2 - 0.015, y, z), (0.02, width - 0.04, height - 0.02), rgb))
            parts.append(box((dx / 2 + 0.005, y, z + height * 0.45), (0.02, 0.14, 0.02), METAL))
    return parts
