"""What a kind of furniture is, and how one piece of it is made to measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vlingnav_sim.house.colours import FURNITURE
from vlingnav_sim.house.model import Part, Rgb

Builder = Callable[[Rgb, np.random.Generator], list[Part]]
Placement = Literal["wall", "corner", "centre", "around", "beside", "before", "on", "hung"]


@dataclass(frozen=True)
class Category:
    """One kind of thing.

    Attributes:
        build: gives the parts for a main colour; see `vlingnav_sim.house.furniture`.
        placement: "wall" and "corner" have the back to a wall, "centre" stands free, "hung" hangs on a
            wall; "around", "beside", "before" and "on" need one of the `anchors` in the same room. See
            `vlingnav_sim.house.placement`.
        rooms: relative chance of being drawn for each kind of room.
        colours: names it may have.
        searchable: large enough to be told from 3 m away, so a fair thing to be sent for.
        anchors: categories it goes with.
        most: how many of it one room may hold.
    """

    build: Builder
    placement: Placement
    rooms: Mapping[str, float]
    colours: tuple[str, ...] = FURNITURE
    searchable: bool = True
    anchors: tuple[str, ...] = ()
    most: int = 1

    def make(self, rgb: Rgb, rng: np.random.Generator) -> tuple[tuple[Part, ...], tuple[float, float, float]]:
        """Build one, centred on its footprint, numbers rounded to 4 decimals.

        Returns:
            The parts, and (half x, half y, height) [m] of their bounding box.
        """
        parts = self.build(rgb, rng)
        extents = [extent(part) for part in parts]
        low = [min(p.position[k] - e[k] for p, e in zip(parts, extents, strict=True)) for k in range(3)]
        high = [max(p.position[k] + e[k] for p, e in zip(parts, extents, strict=True)) for k in range(3)]
        shift = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2])
        half_size = _round((high[0] - shift[0], high[1] - shift[1], high[2] - low[2]))
        return tuple(_settled(part, shift) for part in parts), half_size


def extent(part: Part) -> tuple[float, float, float]:
    """Half extents [m] of a part's bounding box along the item's axes."""
    if part.shape == "sphere":
        return part.size[0], part.size[0], part.size[0]
    r = _rotation(part.euler)
    a, b, c = part.size
    if part.shape == "box":
        x, y, z = (abs(row[0]) * a + abs(row[1]) * b + abs(row[2]) * c for row in r)
    elif part.shape == "ellipsoid":
        x, y, z = (math.sqrt((row[0] * a) ** 2 + (row[1] * b) ** 2 + (row[2] * c) ** 2) for row in r)
    elif part.shape == "cylinder":
        x, y, z = (a * math.sqrt(max(0.0, 1.0 - row[2] ** 2)) + b * abs(row[2]) for row in r)
    else:
        x, y, z = (a + b * abs(row[2]) for row in r)
    return x, y, z


def _rotation(euler: tuple[float, float, float]) -> tuple[tuple[float, float, float], ...]:
    """The matrix of extrinsic roll, pitch, yaw: Rz(yaw) Ry(pitch) Rx(roll)."""
    (sr, sp, sy), (cr, cp, cy) = (tuple(map(f, euler)) for f in (math.sin, math.cos))
    return (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )


def _settled(part: Part, shift: tuple[float, float, float]) -> Part:
    position = _round((part.position[0] - shift[0], part.position[1] - shift[1], part.position[2] - shift[2]))
    return replace(part, size=_round(part.size), position=position, euler=_round(part.euler))


def _round(v: tuple[float, float, float]) -> tuple[float, float, float]:
    # Adding 0.0 turns -0.0 into 0.0, which JSON would write differently.
    return round(float(v[0]), 4) + 0.0, round(float(v[1]), 4) + 0.0, round(float(v[2]), 4) + 0.0
