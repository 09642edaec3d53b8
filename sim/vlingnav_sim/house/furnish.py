"""Puts furniture into one room, so that it stands as people put it and nothing gets cut off.

A piece is kept only if it overlaps nothing, leaves the doors clear, and a disc of `ROBOT_RADIUS` still
gets from every door to every other and close to every piece in the room. Door zones are clear on both
sides, so what holds in each room holds in the house.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlingnav_sim.house.catalogue import CATALOGUE
from vlingnav_sim.house.category import Category
from vlingnav_sim.house.colours import COLOURS, shade
from vlingnav_sim.house.layout import Rect, area
from vlingnav_sim.house.model import Door, Item, Part, Room
from vlingnav_sim.house.placement import Spot, Triple, at_a_wall, footprint, in_the_middle, with_another
from vlingnav_sim.house.raster import Point, Raster, grown
from vlingnav_sim.house.walls import HALF_THICKNESS

ROBOT_RADIUS = 0.30
"""0.25 m for the robot, and a cell of 0.05 m that an occupancy grid may lose to rounding."""
ACCESS = 0.45
"""How far on each side of a piece's rectangle [m] a robot's centre must find a place: even at a corner,
and even if the piece stands askew in its rectangle, that is less than 0.7 m away."""
DOOR_DEPTH = 0.75
"""How far into the room the zone before a door is kept clear [m]."""
GAP, CENTRE_GAP = 0.02, 0.35
"""Between any two pieces, and round what stands in the middle of a room [m]."""
POCKETS = 0.08
"""Share of the free floor that may be closed in between pieces."""
TRIES = 10
"""How many spots are tried for a piece."""

ESSENTIALS: dict[str, tuple[tuple[str, float], ...]] = {
    "living room": (("sofa", 0.95), ("tv", 0.7), ("coffee table", 0.6)),
    "bedroom": (("bed", 1.0), ("nightstand", 0.7), ("wardrobe", 0.6)),
    "kitchen": (
        ("fridge", 0.9),
        ("oven", 0.85),
        ("sink", 0.7),
        ("kitchen counter", 0.7),
        ("dining table", 0.3),
    ),
    "bathroom": (("toilet", 0.95), ("sink", 0.7), ("bathtub", 0.5), ("shower", 0.4)),
    "office": (("desk", 1.0), ("office chair", 0.85), ("bookshelf", 0.5)),
    "dining room": (("dining table", 1.0), ("chair", 1.0), ("chair", 0.8), ("chair", 0.6)),
    "storage": (("box", 0.9), ("washing machine", 0.4)),
    "playroom": (("teddy bear", 0.6), ("toy car", 0.5)),
    "corridor": (),
}
"""Kind of room -> what is placed first, each with its chance."""


@dataclass(frozen=True)
class Placed:
    """A piece that stands: what `Item` will hold, its footprint, and what it stands on."""

    category: str
    colour: str
    pose: Triple
    half_size: Triple
    parts: tuple[Part, ...]
    base: float
    footprint: Rect
    support: int | None

    def item(self, index: int, room: int) -> Item:
        """The same as an `Item`."""
        return Item(index, self.category, self.colour, room, self.pose, self.half_size, self.parts, self.base)


def furnish(rng: np.random.Generator, room: Room, doors: Sequence[Door], density: float) -> list[Placed]:
    """Furnishes `room`, whose doors are `doors`, with `density` times the usual number of things."""
    stage = _Stage(rng, room, doors)
    for name, chance in ESSENTIALS[room.kind]:
        if rng.random() < density * chance:
            stage.add(name)
    wanted = density * (1.5 + 0.4 * area(room.rect)) * rng.uniform(0.75, 1.15)
    for _ in range(int(2 * wanted)):
        if len(stage.placed) >= wanted:
            break
        drawn = stage.draw()
        if drawn is None:
            break
        stage.add(drawn)
    return stage.placed


class _Stage:
    """The room while it is being furnished."""

    def __init__(self, rng: np.random.Generator, room: Room, doors: Sequence[Door]) -> None:
        self.rng, self.kind = rng, room.kind
        self.inner = grown(room.rect, -HALF_THICKNESS)
        entrances = [_entrance(door, room) for door in doors] or [_corner_entrance(rng, self.inner)]
        self.kept_clear = [zone for zone, _ in entrances]
        self.raster = Raster(grown(self.inner, -ROBOT_RADIUS), ROBOT_RADIUS)
        self.doors = [self.raster.bit(point) for _, point in entrances]
        self.access: list[int] = []
        self.placed: list[Placed] = []

    def draw(self) -> str | None:
        """A category that belongs here and still may come, by its weight."""
        here = [p.category for p in self.placed]
        names, bounds = [], [0.0]
        for name, category in CATALOGUE.items():
            weight = category.rooms.get(self.kind, 0.0)
            wanting = category.anchors and not self._anchors(category)
            if weight and not wanting and here.count(name) < category.most:
                names.append(name)
                bounds.append(bounds[-1] + weight)
        return names[bisect(bounds, self.rng.random() * bounds[-1], hi=len(names)) - 1] if names else None

    def add(self, name: str) -> None:
        """Places one piece of category `name`, if a place is found for it."""
        category = CATALOGUE[name]
        anchors = self._anchors(category)
        if category.anchors and not anchors:
            return
        colour = category.colours[int(self.rng.integers(len(category.colours)))]
        parts, half_size = category.make(shade(COLOURS[colour], self.rng), self.rng)
        for _ in range(TRIES):
            anchor = anchors[int(self.rng.integers(len(anchors)))] if anchors else None
            spot = self._spot(category, half_size, anchor)
            if spot is None:
                continue
            x, y, turn, base = spot
            x, y, yaw, base = (round(v, 4) + 0.0 for v in (x, y, math.remainder(turn, math.tau), base))
            rect = footprint(x, y, yaw, half_size[0], half_size[1])
            support = anchor if category.placement == "on" else None
            new = Placed(name, colour, (x, y, yaw), half_size, parts, base, rect, support)
            gap = CENTRE_GAP if category.placement == "centre" else GAP
            if self._fits(new, gap) and self._keep(new, category):
                return

    def _anchors(self, category: Category) -> list[int]:
        return [i for i, p in enumerate(self.placed) if p.category in category.anchors]

    def _spot(self, category: Category, half: Triple, anchor: int | None) -> Spot | None:
        if anchor is not None:
            other = self.placed[anchor]
            return with_another(
                self.rng, category.placement, half, other.pose, other.half_size, other.category == "desk"
            )
        if category.placement == "centre":
            return in_the_middle(self.rng, half, self.inner)
        return at_a_wall(self.rng, category.placement, half, self.inner)

    def _fits(self, new: Placed, gap: float) -> bool:
        x0, y0, x1, y1 = new.footprint
        room = self.inner
        if x0 < room[0] or y0 < room[1] or x1 > room[2] or y1 > room[3]:
            return False
        others = [
            p.footprint for i, p in enumerate(self.placed) if p.support == new.support and i != new.support
        ]
        if new.support is None:
            others += self.kept_clear
        return not any(
            x0 < r[2] + gap and x1 > r[0] - gap and y0 < r[3] + gap and y1 > r[1] - gap for r in others
        )

    def _keep(self, new: Placed, category: Category) -> bool:
        """Commits the piece unless it cuts something off."""
        before = self.raster.free
        if category.placement not in ("on", "hung"):
            self.raster.block(new.footprint)
        access = self.raster.mask(grown(new.footprint, ACCESS))
        reached = self.raster.reach(self.doors[0])
        lost = (self.raster.free & ~reached).bit_count()
        if lost <= POCKETS * reached.bit_count() and all(
            reached & place for place in (*self.doors, *self.access, access)
        ):
            self.access.append(access)
            self.placed.append(new)
            return True
        self.raster.free = before
        return False


def _entrance(door: Door, room: Room) -> tuple[Rect, Point]:
    """The zone inside `room` that is kept clear before `door`, and a point in it where a robot fits."""
    (x, y), w = door.position, door.width / 2 + 0.05
    if door.along == "x":
        inward = 1.0 if y < (room.rect[1] + room.rect[3]) / 2 else -1.0
        zone = (x - w, min(y, y + inward * DOOR_DEPTH), x + w, max(y, y + inward * DOOR_DEPTH))
        return zone, (x, y + inward * 0.4)
    inward = 1.0 if x < (room.rect[0] + room.rect[2]) / 2 else -1.0
    zone = (min(x, x + inward * DOOR_DEPTH), y - w, max(x, x + inward * DOOR_DEPTH), y + w)
    return zone, (x + inward * 0.4, y)


def _corner_entrance(rng: np.random.Generator, inner: Rect) -> tuple[Rect, Point]:
    """For a house of one room: a corner is kept clear as though one came in there."""
    side = 0.8
    x = inner[0] if rng.random() < 0.5 else inner[2] - side
    y = inner[1] if rng.random() < 0.5 else inner[3] - side
    return (x, y, x + side, y + side), (x + side / 2, y + side / 2)
