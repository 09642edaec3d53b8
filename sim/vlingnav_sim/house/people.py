"""People who walk closed routes through the rooms, clear of everything that stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlingnav_sim.house.layout import Rect
from vlingnav_sim.house.model import Door, Item, Person, Room, Wall
from vlingnav_sim.house.placement import footprint
from vlingnav_sim.house.raster import Point, Raster, grown

CLEARANCE = 0.35
"""Kept from every wall and piece of furniture [m]."""
TOPS = ("red", "yellow", "green", "blue", "purple", "pink", "orange", "white", "black", "cyan")
BOTTOMS = ("black", "blue", "grey", "brown", "white")
SPEED = (0.4, 0.9)
SHORTEST = 2.0
"""A route shorter than this [m] is not worth walking."""


def send_out(
    rng: np.random.Generator,
    count: int,
    rooms: Sequence[Room],
    doors: Sequence[Door],
    walls: Sequence[Wall],
    items: Sequence[Item],
) -> tuple[Person, ...]:
    """Up to `count` people, fewer where the rooms leave no way of some length."""
    if count == 0:
        return ()
    obstacles = [wall.rect for wall in walls if wall.bottom == 0.0]
    obstacles += [footprint(*item.pose, item.half_size[0], item.half_size[1]) for item in items]
    # A house begins at (0, 0).
    raster = Raster((0.0, 0.0, max(r.rect[2] for r in rooms), max(r.rect[3] for r in rooms)), CLEARANCE)
    for rect in obstacles:
        raster.block(rect)
    blocked = np.array([grown(rect, CLEARANCE) for rect in obstacles])
    people: list[Person] = []
    for _ in range(5 * count):
        if len(people) == count:
            break
        route = _route(rng, raster, blocked, rooms, doors)
        if route is not None:
            top = TOPS[int(rng.integers(len(TOPS)))]
            bottom = BOTTOMS[int(rng.integers(len(BOTTOMS)))]
            people.append(Person(len(people), top, bottom, route, round(float(rng.uniform(*SPEED)), 2)))
    return tuple(people)


def _route(
    rng: np.random.Generator,
    raster: Raster,
    blocked: np.ndarray,
    rooms: Sequence[Room],
    doors: Sequence[Door],
) -> tuple[Point, ...] | None:
    """Round a few random places in rooms next to each other."""
    room = int(rng.integers(len(rooms)))
    stops: list[Point] = []
    open_to = raster.free
    for _ in range(int(rng.integers(2, 5))):
        place = _place(rng, raster, open_to, rooms[room].rect)
        if place is not None:
            if not stops:
                open_to = raster.reach(raster.bit(place))
            stops.append(place)
        ways = [d.rooms[d.rooms[0] == room] for d in doors if room in d.rooms]
        if ways and rng.random() < 0.6:
            room = ways[int(rng.integers(len(ways)))]
    if len(stops) < 2:
        return None
    route: list[Point] = []
    for start, goal in zip(stops, stops[1:] + stops[:1], strict=True):
        route += _straightened(raster.path(start, goal), blocked)[:-1]
    length = sum(
        np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in zip(route, route[1:] + route[:1], strict=True)
    )
    return tuple(route) if length > SHORTEST else None


def _place(rng: np.random.Generator, raster: Raster, open_to: int, rect: Rect) -> Point | None:
    """A random one of the cells `open_to` within `rect`; None after some misses."""
    for _ in range(20):
        bit = raster.bit((rng.uniform(rect[0], rect[2]), rng.uniform(rect[1], rect[3])))
        if bit & open_to:
            return raster.centre(bit.bit_length() - 1)
    return None


def _straightened(way: list[Point], blocked: np.ndarray) -> list[Point]:
    """Leaves out points as long as the straight line between those kept is clear."""
    kept, here = [way[0]], 0
    while here < len(way) - 1:
        # Clear lines get rarer with distance, so halving finds a far one (not always the farthest).
        sure, limit = here + 1, len(way)
        while limit - sure > 1:
            middle = (sure + limit) // 2
            if _clear(way[here], way[middle], blocked):
                sure = middle
            else:
                limit = middle
        here = sure
        kept.append(way[here])
    return kept


def _clear(a: Point, b: Point, blocked: np.ndarray) -> bool:
    """Whether the line from `a` to `b` stays out of all `blocked` rectangles (N, 4)."""
    start, step = np.array(a), np.array(b) - np.array(a)
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    low, high = (blocked[:, :2] - start) / step, (blocked[:, 2:] - start) / step
    enter = np.minimum(low, high).max(axis=1)
    leave = np.maximum(low, high).min(axis=1)
    return not bool(np.any((enter < leave) & (leave > 0.0) & (enter < 1.0)))
