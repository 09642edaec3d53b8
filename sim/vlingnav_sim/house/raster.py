"""Where a disc may stand, as one big integer with a bit per cell.

Furnishing asks "is everything still reachable?" after every piece, thousands of times a second. Shifts
and masks of Python integers answer in tens of microseconds with neither a compiler nor numpy overhead.
Obstacles are rectangles grown by the radius on all sides (square corners, so slightly too careful).
"""

from __future__ import annotations

from functools import lru_cache

from vlingnav_sim.house.layout import Rect

Point = tuple[float, float]


class Raster:
    """Free cells of a rectangle of the plan.

    Args:
        rect: region covered [m]; everything outside is blocked.
        radius: of the disc [m]; the disc's centre stays this far from every obstacle.
        cell: edge of a cell [m].
    """

    def __init__(self, rect: Rect, radius: float, cell: float = 0.05) -> None:
        self.x0, self.y0, self.radius, self.cell = rect[0], rect[1], radius, cell
        # One blocked column between rows stops a shift by one from wrapping round.
        self.columns = _ceil((rect[2] - rect[0]) / cell - 1e-6)
        self.rows = _ceil((rect[3] - rect[1]) / cell - 1e-6)
        self.stride = self.columns + 1
        self.free = self.mask(rect)

    def mask(self, rect: Rect) -> int:
        """The cells whose centres lie in `rect`."""
        c0 = max(0, _ceil((rect[0] - self.x0) / self.cell - 0.5))
        c1 = min(self.columns - 1, _floor((rect[2] - self.x0) / self.cell - 0.5))
        r0 = max(0, _ceil((rect[1] - self.y0) / self.cell - 0.5))
        r1 = min(self.rows - 1, _floor((rect[3] - self.y0) / self.cell - 0.5))
        if c1 < c0 or r1 < r0:
            return 0
        row = ((1 << (c1 - c0 + 1)) - 1) << (c0 + r0 * self.stride)
        return row * _comb(r1 - r0 + 1, self.stride)

    def block(self, rect: Rect) -> None:
        """Puts an obstacle there."""
        self.free &= ~self.mask(grown(rect, self.radius))

    def bit(self, point: Point) -> int:
        """The cell of a point, whether free or not; 0 outside."""
        column, row = _floor((point[0] - self.x0) / self.cell), _floor((point[1] - self.y0) / self.cell)
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return 0
        return 1 << (column + row * self.stride)

    def centre(self, index: int) -> Point:
        """The middle of the cell whose bit has this index [m]."""
        row, column = divmod(index, self.stride)
        return round(self.x0 + (column + 0.5) * self.cell, 4), round(self.y0 + (row + 0.5) * self.cell, 4)

    def reach(self, start: int) -> int:
        """All free cells that can be reached from the cells `start`."""
        free = self.free
        here, before = start & free, 0
        while here != before:
            before = here
            here |= (here << 1 | here >> 1) & free
            here |= (here << self.stride | here >> self.stride) & free
        return here

    def path(self, start: Point, goal: Point) -> list[Point]:
        """Cell centres of a shortest way over edges of cells, from one free cell to another.

        Raises:
            ValueError: if there is none.
        """
        layer, goal_bit = self.bit(start) & self.free, self.bit(goal) & self.free
        layers, seen = [layer], layer
        while layer and not layer & goal_bit:
            layer = (
                (layer << 1 | layer >> 1 | layer << self.stride | layer >> self.stride) & self.free & ~seen
            )
            seen |= layer
            layers.append(layer)
        if not layer:
            raise ValueError(f"There is no way from {start} to {goal} for a disc of {self.radius} m.")
        here = goal_bit
        way = [here.bit_length() - 1]
        for layer in reversed(layers[:-1]):
            around = (here << 1 | here >> 1 | here << self.stride | here >> self.stride) & layer
            here = around & -around
            way.append(here.bit_length() - 1)
        return [self.centre(index) for index in reversed(way)]


def grown(rect: Rect, margin: float) -> Rect:
    """`rect` with `margin` [m] more on every side."""
    return rect[0] - margin, rect[1] - margin, rect[2] + margin, rect[3] + margin


@lru_cache(maxsize=4096)
def _comb(rows: int, stride: int) -> int:
    """A 1 at the start of each of `rows` rows."""
    comb, have = 1, 1
    while have < rows:
        more = min(have, rows - have)
        comb |= (comb & ((1 << (more * stride)) - 1)) << (have * stride)
        have += more
    return comb


def _floor(value: float) -> int:
    return int(value // 1)


def _ceil(value: float) -> int:
    return -int(-value // 1)
