"""Doors between rooms, and the walls that are left when the doors are cut out.

Each room has its own half of a shared wall, in its own colour. All pieces are boxes: the part beside a
door, and the lintel above it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlingnav_sim.house.layout import DOOR_EDGE, Rect, shared_edge
from vlingnav_sim.house.model import Door, Rgb, Room, Wall

HEIGHT = 2.5
DOOR_HEIGHT = 2.0
HALF_THICKNESS = 0.05
DOOR_WIDTH = (0.8, 1.2)

_HUBS = ("corridor", "living room")
_DEAD_ENDS = ("bathroom", "storage", "bedroom")


def cut_doors(rng: np.random.Generator, rooms: Sequence[Room], loops: float) -> tuple[Door, ...]:
    """Joins all rooms by a spanning tree of doors, and each further pair of neighbours with chance `loops`.

    The tree prefers ways through corridors and living rooms to ways through bathrooms.
    """
    edges = []
    for a in range(len(rooms)):
        for b in range(a + 1, len(rooms)):
            edge = shared_edge(rooms[a].rect, rooms[b].rect)
            if edge is not None and edge[3] - edge[2] >= DOOR_EDGE:
                kinds = (rooms[a].kind, rooms[b].kind)
                cost = sum(k in _DEAD_ENDS for k in kinds) - 2.0 * any(k in _HUBS for k in kinds)
                edges.append((cost + 1.5 * rng.random(), a, b, edge))
    edges.sort(key=lambda e: e[0])
    group = list(range(len(rooms)))
    doors = []
    for cost, a, b, edge in edges:
        joins = group[a] != group[b]
        extra = rng.random() < loops and cost < 1.0
        if joins or extra:
            doors.append(_door(rng, a, b, edge))
        if joins:
            group = [group[a] if g == group[b] else g for g in group]
    return tuple(doors)


def _door(rng: np.random.Generator, a: int, b: int, edge: tuple[str, float, float, float]) -> Door:
    along, line, low, high = edge
    width = round(float(rng.uniform(*DOOR_WIDTH)), 2)
    # A jamb of 0.1 m beyond the crossing wall is left on both sides.
    margin = width / 2 + HALF_THICKNESS + 0.1
    at = round(float(rng.uniform(low + margin, high - margin)), 2)
    if along == "x":
        return Door((at, line), width, "x", (a, b))
    return Door((line, at), width, "y", (a, b))


def build_walls(rooms: Sequence[Room], doors: Sequence[Door]) -> tuple[Wall, ...]:
    """The walls of all rooms; where nothing is behind a wall it gets its outer half too."""
    walls: list[Wall] = []
    for room in rooms:
        for along, line, outward, low, high in _sides(room.rect):
            behind = _neighbours(room, rooms, along, line)
            gaps = sorted(_gap(d) for d in doors if room.index in d.rooms and _on(d, along, line))
            marks = sorted({low, high, *(m for span in behind + gaps for m in span if low < m < high)})
            pieces: list[tuple[float, float, float, bool]] = []
            for start, end in zip(marks[:-1], marks[1:], strict=True):
                middle = (start + end) / 2
                bottom = DOOR_HEIGHT if any(g[0] < middle < g[1] for g in gaps) else 0.0
                outer = not any(b[0] < middle < b[1] for b in behind)
                if pieces and pieces[-1][2:] == (bottom, outer):
                    start = pieces.pop()[0]
                pieces.append((start, end, bottom, outer))
            for start, end, bottom, outer in pieces:
                walls.append(_wall(along, line, outward, (start, end), bottom, outer, room.wall_rgb))
    return tuple(walls)


def _sides(rect: Rect) -> tuple[tuple[str, float, int, float, float], ...]:
    """(axis it runs along, its coordinate, outward sign, from, to) of the four sides."""
    x0, y0, x1, y1 = rect
    return ("x", y0, -1, x0, x1), ("x", y1, 1, x0, x1), ("y", x0, -1, y0, y1), ("y", x1, 1, y0, y1)


def _neighbours(room: Room, rooms: Sequence[Room], along: str, line: float) -> list[tuple[float, float]]:
    spans = []
    for other in rooms:
        edge = shared_edge(room.rect, other.rect) if other.index != room.index else None
        if edge is not None and edge[0] == along and abs(edge[1] - line) < 1e-6:
            spans.append((edge[2], edge[3]))
    return spans


def _on(door: Door, along: str, line: float) -> bool:
    return door.along == along and abs(door.position[1 if along == "x" else 0] - line) < 1e-6


def _gap(door: Door) -> tuple[float, float]:
    centre = door.position[0 if door.along == "x" else 1]
    return round(centre - door.width / 2, 4), round(centre + door.width / 2, 4)


def _wall(
    along: str, line: float, outward: int, span: tuple[float, float], bottom: float, outer: bool, rgb: Rgb
) -> Wall:
    edges = sorted((line - outward * HALF_THICKNESS, line + outward * HALF_THICKNESS * outer))
    low, high = (round(e, 4) + 0.0 for e in edges)
    rect = (span[0], low, span[1], high) if along == "x" else (low, span[0], high, span[1])
    return Wall(rect, bottom, HEIGHT, rgb)
