"""A house as data: plain frozen dataclasses, no simulator, no randomness.

World frame: x right, y up on the plan, z up, metres, floor at z = 0. A `House` is complete: the
scene, the occupancy grid, the pictures and the tasks are all made from it and from nothing else.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

Shape = Literal["box", "cylinder", "sphere", "ellipsoid", "capsule"]
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """One primitive of a piece of furniture, in the item's own frame.

    The item's origin is on the floor at the centre of its footprint; its front faces +x.

    Attributes:
        shape: MuJoCo primitive.
        size: half sizes as MuJoCo takes them: box and ellipsoid (x, y, z); cylinder and capsule
            (radius, half length, 0); sphere (radius, 0, 0) [m].
        position: centre [m].
        rgb: colour, 0 to 1.
        euler: roll, pitch, yaw [rad], extrinsic x-y-z.
    """

    shape: Shape
    size: tuple[float, float, float]
    position: tuple[float, float, float]
    rgb: Rgb
    euler: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Item:
    """A thing one can be asked to find.

    Attributes:
        index: its place in `House.items`.
        category: e.g. "chair"; one of the catalogue's names (may hold a space: "coffee table").
        colour: named colour of the main parts, e.g. "red".
        room: index of the room it stands in.
        pose: x [m], y [m], yaw [rad] of its origin in the world.
        half_size: half extents [m] of its bounding box along its own x, y; and its full height.
        parts: what it is built from.
        base: height [m] of its origin: 0 on the floor, more for what stands on other furniture or
            hangs on a wall.
    """

    index: int
    category: str
    colour: str
    room: int
    pose: tuple[float, float, float]
    half_size: tuple[float, float, float]
    parts: tuple[Part, ...]
    base: float = 0.0


@dataclass(frozen=True)
class Room:
    """An axis-aligned room: `rect` is (x0, y0, x1, y1) [m] between the wall centre lines."""

    index: int
    kind: str
    rect: tuple[float, float, float, float]
    floor_rgb: Rgb
    wall_rgb: Rgb


@dataclass(frozen=True)
class Door:
    """An opening between two rooms.

    Attributes:
        position: centre x, y [m].
        width: clear width [m], 0.8 to 1.2.
        along: "x" when the wall it cuts runs along x (one walks through it along y), else "y".
        rooms: the two rooms it joins.
    """

    position: tuple[float, float]
    width: float
    along: Literal["x", "y"]
    rooms: tuple[int, int]


@dataclass(frozen=True)
class Wall:
    """A box-shaped piece of wall, doors already cut out; lintels have `bottom` above 0.

    Attributes:
        rect: x0, y0, x1, y1 [m], axis-aligned, thickness included.
        bottom, top: [m].
        rgb: colour.
    """

    rect: tuple[float, float, float, float]
    bottom: float
    top: float
    rgb: Rgb


@dataclass(frozen=True)
class Person:
    """Somebody who walks round a closed path for ever.

    Attributes:
        index: place in `House.people`.
        top, bottom: named colours of the clothes.
        path: at least two x, y [m] waypoints, walked 0, 1, …, n-1, 0, …; clear of walls and furniture.
        speed: [m/s].
    """

    index: int
    top: str
    bottom: str
    path: tuple[tuple[float, float], ...]
    speed: float


@dataclass(frozen=True)
class Leader(Person):
    """Somebody to be followed, who sets out from `path[0]`; all others start anywhere on their way."""


@dataclass(frozen=True)
class Light:
    """One directional light: `direction` it shines in, brightness `diffuse` and `ambient` 0 to 1."""

    direction: tuple[float, float, float]
    diffuse: float
    ambient: float


@dataclass(frozen=True)
class House:
    """Everything there is, made from `seed` alone."""

    seed: int
    rooms: tuple[Room, ...]
    doors: tuple[Door, ...]
    walls: tuple[Wall, ...]
    items: tuple[Item, ...]
    people: tuple[Person, ...]
    light: Light

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 [m] of everything."""
        r = [wall.rect for wall in self.walls]
        return min(w[0] for w in r), min(w[1] for w in r), max(w[2] for w in r), max(w[3] for w in r)

    def to_json(self) -> str:
        """The whole house as canonical JSON: the same seed gives the same bytes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))
