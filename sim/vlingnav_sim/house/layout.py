"""Floor plans: a number of rooms becomes touching rectangles, each with a kind.

Three ways to make one, drawn at random because a policy that has seen one way only learns that way:
`subdivide` cuts a rectangle again and again, `corridor` strings rooms along both sides of a passage,
`grow` sticks rooms to one another and leaves a ragged outline. A plan is kept only if all rooms can be
joined by doors; the drawing is repeated until it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rect = tuple[float, float, float, float]

SMALLEST, LARGEST = 2.2, 6.0
"""Sides of rooms [m]; only corridors are narrower, `CORRIDOR_WIDTH` [m], or longer."""
CORRIDOR_WIDTH = (1.5, 2.0)
DOOR_EDGE = 1.5
"""Two rooms can be joined where they share at least this much wall [m]."""

KINDS: dict[str, tuple[float, int]] = {
    "living room": (2.0, 1),
    "bedroom": (2.0, 3),
    "kitchen": (2.0, 1),
    "bathroom": (1.8, 2),
    "office": (1.2, 2),
    "dining room": (1.0, 1),
    "storage": (0.7, 1),
    "playroom": (0.7, 1),
}
"""Kind -> (how likely, how many at most in one house). "corridor" comes from the plan."""

_LARGE = ("living room", "dining room", "bedroom", "playroom")
_SMALL = ("bathroom", "storage")


def draw_plan(rng: np.random.Generator, count: int) -> tuple[list[Rect], list[str]]:
    """Draws `count` rooms.

    Returns:
        Rectangles x0, y0, x1, y1 [m] between wall centre lines, the lowest corner at (0, 0), and the
        kind of each.
    """
    while True:
        style = rng.random()
        corridor: int | None = None
        if count >= 4 and style < 0.35:
            rects, corridor = _corridor(rng, count), 0
        elif style < 0.65:
            rects = _grow(rng, count)
        else:
            rects = _subdivide(rng, count)
        if rects and _joined(rects):
            break
    if rng.random() < 0.5:
        rects = [(y0, x0, y1, x1) for x0, y0, x1, y1 in rects]
    left, low = min(r[0] for r in rects), min(r[1] for r in rects)
    rects = [_round((r[0] - left, r[1] - low, r[2] - left, r[3] - low)) for r in rects]
    return rects, _kinds(rng, rects, corridor)


def shared_edge(a: Rect, b: Rect) -> tuple[str, float, float, float] | None:
    """Where two rectangles touch: (axis the wall runs along, its coordinate, from, to) [m], or None."""
    for first, second in ((a, b), (b, a)):
        if abs(first[2] - second[0]) < 1e-6:
            low, high = max(a[1], b[1]), min(a[3], b[3])
            if high - low > 1e-6:
                return "y", first[2], low, high
        if abs(first[3] - second[1]) < 1e-6:
            low, high = max(a[0], b[0]), min(a[2], b[2])
            if high - low > 1e-6:
                return "x", first[3], low, high
    return None


def area(rect: Rect) -> float:
    """[m^2]."""
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _subdivide(rng: np.random.Generator, count: int) -> list[Rect] | None:
    """Cuts a rectangle into `count`, across its longer side more often than not."""
    size = count * rng.uniform(10.0, 17.0)
    aspect = rng.uniform(0.7, 1.4)
    pieces = _cut(rng, (0.0, 0.0, (size * aspect) ** 0.5, (size / aspect) ** 0.5), count)
    rects = [_round(p) for p in pieces or []]
    return rects if all(map(_fits, rects)) else None


def _cut(rng: np.random.Generator, rect: Rect, count: int) -> list[Rect] | None:
    if count == 1:
        return [rect]
    x0, y0, x1, y1 = rect
    first = int(rng.integers(1, count)) if count < 4 else count // 2 + int(rng.integers(-1, 2))
    share = min(max(first / count + rng.uniform(-0.12, 0.12), 0.15), 0.85)
    along_x = (x1 - x0 > y1 - y0) != (rng.random() < 0.2)
    if along_x:
        cut = x0 + share * (x1 - x0)
        halves = (x0, y0, cut, y1), (cut, y0, x1, y1)
    else:
        cut = y0 + share * (y1 - y0)
        halves = (x0, y0, x1, cut), (x0, cut, x1, y1)
    if any(min(h[2] - h[0], h[3] - h[1]) < SMALLEST for h in halves):
        return None
    left, right = _cut(rng, halves[0], first), _cut(rng, halves[1], count - first)
    return left + right if left and right else None


def _corridor(rng: np.random.Generator, count: int) -> list[Rect] | None:
    """A passage along x (the first rectangle) with rooms below and above it."""
    width = rng.uniform(*CORRIDOR_WIDTH)
    above = (count - 1) // 2 + int(rng.integers(0, 2)) * ((count - 1) % 2)
    below = count - 1 - above
    length = max(above, below) * rng.uniform(2.8, 3.8)
    rects: list[Rect] = [(0.0, 0.0, length, width)]
    for number, side in ((below, -1), (above, 1)):
        # Rooms of one side share a depth, cut off anywhere along the passage.
        depth = rng.uniform(2.6, 4.6)
        cuts = np.cumsum(rng.uniform(0.7, 1.3, number))
        edges = [0.0, *(length * cuts / cuts[-1])]
        low, high = (-depth, 0.0) if side < 0 else (width, width + depth)
        rects += [(float(a), low, float(b), high) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    rects = [_round(r) for r in rects]
    return rects if all(map(_fits, rects[1:])) else None


def _grow(rng: np.random.Generator, count: int) -> list[Rect] | None:
    """Sticks each new room to a wall of one already there."""
    rects: list[Rect] = [(0.0, 0.0, _side(rng), _side(rng))]
    for _ in range(40 * count):
        if len(rects) == count:
            return rects
        base = rects[int(rng.integers(len(rects)))]
        w, h, side = _side(rng), _side(rng), int(rng.integers(4))
        slide = rng.random()
        if side < 2:
            x = base[2] if side == 0 else base[0] - w
            y = _snap(base[1] - h + DOOR_EDGE + slide * (h + base[3] - base[1] - 2 * DOOR_EDGE))
        else:
            x = _snap(base[0] - w + DOOR_EDGE + slide * (w + base[2] - base[0] - 2 * DOOR_EDGE))
            y = base[3] if side == 2 else base[1] - h
        new = _round((x, y, x + w, y + h))
        if all(
            min(new[2], r[2]) - max(new[0], r[0]) < 1e-6 or min(new[3], r[3]) - max(new[1], r[1]) < 1e-6
            for r in rects
        ):
            rects.append(new)
    return None


def _side(rng: np.random.Generator) -> float:
    return _snap(rng.uniform(2.6, 5.2))


def _snap(value: float) -> float:
    # A coarse lattice: grown rooms either share a wall line or leave a gap that is wider than walls.
    return round(value / 0.4) * 0.4


def _fits(rect: Rect) -> bool:
    w, h = rect[2] - rect[0], rect[3] - rect[1]
    return min(w, h) >= SMALLEST - 1e-9 and max(w, h) <= LARGEST + 1e-9


def _joined(rects: Sequence[Rect]) -> bool:
    """Whether doors could make one house of all of them."""
    reached, frontier = {0}, [0]
    while frontier:
        here = frontier.pop()
        for other in range(len(rects)):
            if other not in reached:
                edge = shared_edge(rects[here], rects[other])
                if edge is not None and edge[3] - edge[2] >= DOOR_EDGE:
                    reached.add(other)
                    frontier.append(other)
    return len(reached) == len(rects)


def _kinds(rng: np.random.Generator, rects: Sequence[Rect], corridor: int | None) -> list[str]:
    """Kinds drawn without more repeats than plausible, large ones to the large rooms."""
    wanted: list[str] = []
    for _ in range(len(rects) - (corridor is not None)):
        names = [k for k, (_, most) in KINDS.items() if wanted.count(k) < most]
        # Something already there becomes less likely, so that small houses are mixed.
        weights = np.array([KINDS[k][0] / (1.0 + 2.0 * wanted.count(k)) for k in names])
        wanted.append(names[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random()))])
    order = sorted(
        (i for i in range(len(rects)) if i != corridor), key=lambda i: -area(rects[i]) * rng.uniform(0.7, 1.3)
    )
    wanted.sort(key=lambda k: (k in _SMALL) - (k in _LARGE))
    kinds = ["corridor"] * len(rects)
    for room, kind in zip(order, wanted, strict=True):
        kinds[room] = kind
    return kinds


def _round(rect: tuple[float, ...]) -> Rect:
    x0, y0, x1, y1 = (round(float(v), 2) + 0.0 for v in rect)
    return x0, y0, x1, y1
