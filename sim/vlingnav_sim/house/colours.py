"""Colours that have a name: those of the things one can ask for, and the pale ones of rooms.

Things are saturated, walls and floors are not, so that a colour in an instruction never fits a wall.
"""

from __future__ import annotations

import numpy as np

from vlingnav_sim.house.model import Rgb

COLOURS: dict[str, Rgb] = {
    "red": (0.80, 0.08, 0.08),
    "orange": (0.95, 0.47, 0.05),
    "yellow": (0.95, 0.84, 0.10),
    "green": (0.12, 0.55, 0.18),
    "cyan": (0.15, 0.78, 0.80),
    "blue": (0.10, 0.22, 0.78),
    "purple": (0.46, 0.14, 0.62),
    "pink": (0.96, 0.52, 0.70),
    "brown": (0.42, 0.24, 0.11),
    "white": (0.94, 0.94, 0.93),
    "grey": (0.48, 0.48, 0.50),
    "black": (0.08, 0.08, 0.09),
}

BRIGHT = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
FURNITURE = (*BRIGHT, "brown", "white", "grey", "black")
"""Names of the colours that furniture comes in."""

WALL_RGB: tuple[Rgb, ...] = (
    (0.88, 0.86, 0.82),
    (0.84, 0.80, 0.71),
    (0.75, 0.80, 0.84),
    (0.76, 0.82, 0.75),
    (0.85, 0.77, 0.74),
    (0.80, 0.77, 0.84),
    (0.70, 0.70, 0.69),
    (0.87, 0.83, 0.66),
)

WOOD_FLOOR_RGB: tuple[Rgb, ...] = (
    (0.62, 0.48, 0.34),
    (0.52, 0.38, 0.26),
    (0.70, 0.58, 0.43),
    (0.44, 0.35, 0.28),
)
TILE_FLOOR_RGB: tuple[Rgb, ...] = (
    (0.72, 0.72, 0.70),
    (0.60, 0.64, 0.68),
    (0.76, 0.70, 0.62),
    (0.50, 0.53, 0.53),
)
CARPET_RGB: tuple[Rgb, ...] = ((0.60, 0.55, 0.52), (0.48, 0.52, 0.58), (0.58, 0.62, 0.52), (0.55, 0.47, 0.46))


def rounded(rgb: Rgb | np.ndarray) -> Rgb:
    """The colour clipped to 0..1 and rounded to 3 decimals."""
    r, g, b = (round(min(max(float(c), 0.0), 1.0), 3) for c in rgb)
    return r, g, b


def shade(rgb: Rgb, rng: np.random.Generator, spread: float = 0.10) -> Rgb:
    """A neighbour of `rgb` that keeps its name: up to `spread` brighter or darker, hue barely moved."""
    gain = 1.0 + spread * (2.0 * rng.random() - 1.0)
    return rounded(np.asarray(rgb) * gain + 0.02 * (2.0 * rng.random(3) - 1.0))


def scaled(rgb: Rgb, gain: float) -> Rgb:
    """`rgb` made darker (`gain` < 1) or brighter, for the second tone of a piece."""
    return rounded((rgb[0] * gain, rgb[1] * gain, rgb[2] * gain))
