"""Where a round robot fits in a house, and how far it is from here to there.

Geodesic distances come from Dijkstra on a 16-neighbour stencil (knight's moves included), at most
2.7 % longer than the true shortest path on open floor; `shortest_path` is then pulled straight, so its length
is closer still. Everything is made from the `House` alone: people are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from vlingnav_sim.house.model import House, Item

BoolGrid = NDArray[np.bool_]
Points = NDArray[np.float64]

# (row step, column step, cells that must be free on the way): 8 neighbours, then 8 knight's moves.
_STEPS = np.array(
    [(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)]
    + [(1, 2), (2, 1), (1, -2), (2, -1), (-1, 2), (-2, 1), (-1, -2), (-2, -1)],
    dtype=np.int64,
)
_COSTS = np.hypot(_STEPS[:, 0], _STEPS[:, 1]).astype(np.float32)


@njit(cache=True)
def _passable(free: BoolGrid, r: int, c: int, dr: int, dc: int) -> bool:
    """Whether the move from (r, c) by (dr, dc) stays on free cells, corners included."""
    rows, cols = free.shape
    r1, c1 = r + dr, c + dc
    if not (0 <= r1 < rows and 0 <= c1 < cols) or not free[r1, c1]:
        return False
    if dr == 0 or dc == 0:
        return True
    if abs(dr) == abs(dc):
        return bool(free[r, c1] and free[r1, c])
    if abs(dr) == 2:
        mid = r + dr // 2
        return bool(free[mid, c] and free[mid, c1])
    mid = c + dc // 2
    return bool(free[r, mid] and free[r1, mid])


@njit(cache=True)
def dijkstra(
    free: BoolGrid, seeds: NDArray[np.int64], weight: NDArray[np.float32], steps: Any, costs: Any
) -> NDArray[np.float32]:
    """Distance [cells] from the nearest of `seeds (N, 2)` to every cell; inf where there is no way.

    A step costs its length times the `weight` of the cell it comes to.
    """
    rows, cols = free.shape
    distance = np.full((rows, cols), np.inf, dtype=np.float32)
    # Each cell relaxes each of its 16 edges at most once, so the heap cannot overflow.
    key = np.empty(rows * cols * 16 + len(seeds), dtype=np.float32)
    value = np.empty(len(key), dtype=np.int64)
    size = 0
    for i in range(len(seeds)):
        r, c = seeds[i, 0], seeds[i, 1]
        if 0 <= r < rows and 0 <= c < cols and free[r, c]:
            distance[r, c] = 0.0
            key[size], value[size] = 0.0, r * cols + c
            size += 1
    while size > 0:
        d, cell = key[0], value[0]
        size -= 1
        k, v, i = key[size], value[size], 0
        while True:  # sift the last entry down from the root
            child = 2 * i + 1
            if child >= size:
                break
            if child + 1 < size and key[child + 1] < key[child]:
                child += 1
            if key[child] >= k:
                break
            key[i], value[i] = key[child], value[child]
            i = child
        key[i], value[i] = k, v
        r, c = cell // cols, cell % cols
        if d > distance[r, c]:
            continue
        for n in range(len(costs)):
            dr, dc = steps[n, 0], steps[n, 1]
            if not _passable(free, r, c, dr, dc):
                continue
            candidate = d + costs[n] * weight[r + dr, c + dc]
            if candidate < distance[r + dr, c + dc]:
                distance[r + dr, c + dc] = candidate
                j = size
                size += 1
                while j > 0 and key[(j - 1) // 2] > candidate:
                    key[j], value[j] = key[(j - 1) // 2], value[(j - 1) // 2]
                    j = (j - 1) // 2
                key[j], value[j] = candidate, (r + dr) * cols + c + dc
    return distance


@njit(cache=True)
def _descend(
    distance: NDArray[np.float32],
    free: BoolGrid,
    weight: NDArray[np.float32],
    r: int,
    c: int,
    steps: Any,
    costs: Any,
) -> Any:
    """Cells from (r, c) down the distance field to its source."""
    path = [(r, c)]
    while distance[r, c] > 0.0:
        best, best_r, best_c = np.float32(np.inf), r, c
        for n in range(len(costs)):
            dr, dc = steps[n, 0], steps[n, 1]
            if _passable(free, r, c, dr, dc):
                total = distance[r + dr, c + dc] + costs[n] * weight[r, c]
                if total < best:
                    best, best_r, best_c = total, r + dr, c + dc
        if distance[best_r, best_c] >= distance[r, c]:
            break
        r, c = best_r, best_c
        path.append((r, c))
    return path


@njit(cache=True)
def clear_line(free: BoolGrid, r0: float, c0: float, r1: float, c1: float) -> bool:
    """Whether the straight line between two points [cells, fractional] crosses only free cells."""
    steps = int(np.ceil(max(abs(r1 - r0), abs(c1 - c0)) * 3.0)) + 1
    for i in range(steps + 1):
        t = i / steps
        r, c = int(np.floor(r0 + t * (r1 - r0))), int(np.floor(c0 + t * (c1 - c0)))
        if not (0 <= r < free.shape[0] and 0 <= c < free.shape[1]) or not free[r, c]:
            return False
    return True


def footprint_mask(item: Item, xs: Points, ys: Points) -> BoolGrid:
    """Which of the points `xs`, `ys` (any one shape) lie on the item's footprint."""
    x, y, yaw = item.pose
    c, s = np.cos(yaw), np.sin(yaw)
    u, v = c * (xs - x) + s * (ys - y), c * (ys - y) - s * (xs - x)
    return (np.abs(u) <= item.half_size[0]) & (np.abs(v) <= item.half_size[1])


def footprint_distance(item: Item, xy: Points) -> Any:
    """Distance [m] from points `(..., 2)` to the item's footprint rectangle; 0 inside."""
    x, y, yaw = item.pose
    c, s = np.cos(yaw), np.sin(yaw)
    dx, dy = xy[..., 0] - x, xy[..., 1] - y
    u = np.maximum(np.abs(c * dx + s * dy) - item.half_size[0], 0.0)
    v = np.maximum(np.abs(c * dy - s * dx) - item.half_size[1], 0.0)
    return np.hypot(u, v)


@dataclass(frozen=True)
class OccupancyGrid:
    """A bird's-eye grid; row = y, column = x, cell (0, 0) has its lower-left corner at `origin`.

    Attributes:
        origin: x, y [m]. resolution: cell size [m]. radius: robot radius [m].
        occupied: `(Ny, Nx)` walls and furniture up to `HEIGHT_M`, as they are.
        opaque: `(Ny, Nx)` what a camera cannot look over.
        clearance: `(Ny, Nx)` float32, distance to the nearest occupied cell [m].
        free: `(Ny, Nx)` where the robot's centre may be.
    """

    origin: tuple[float, float]
    resolution: float
    radius: float
    occupied: BoolGrid
    opaque: BoolGrid
    clearance: NDArray[np.float32]
    free: BoolGrid

    HEIGHT_M = 0.9  # the robot's, mast included; a lintel or a wall clock above does not hinder it

    @classmethod
    def from_house(
        cls, house: House, radius: float = 0.18, resolution: float = 0.05, eye_height: float = 0.70
    ) -> OccupancyGrid:
        """Rasterise `house` for a robot of `radius` [m] whose camera is at `eye_height` [m]."""
        x0, y0, x1, y1 = house.bounds
        shape = (int(np.ceil((y1 - y0) / resolution)), int(np.ceil((x1 - x0) / resolution)))
        xs = x0 + (np.arange(shape[1]) + 0.5) * resolution
        ys = y0 + (np.arange(shape[0]) + 0.5) * resolution
        occupied, opaque = np.zeros(shape, bool), np.zeros(shape, bool)
        inside = np.zeros(shape, bool)
        for room in house.rooms:
            a, b, c, d = room.rect
            inside[np.ix_((ys >= b) & (ys <= d), (xs >= a) & (xs <= c))] = True
        half = resolution / 2  # a cell is occupied when a wall touches any of it
        for wall in house.walls:
            if wall.bottom < cls.HEIGHT_M:
                a, b, c, d = wall.rect
                cells = np.ix_(
                    (ys > b - half + 1e-6) & (ys < d + half - 1e-6),
                    (xs > a - half + 1e-6) & (xs < c + half - 1e-6),
                )
                occupied[cells] = opaque[cells] = True
        for item in house.items:
            if item.base >= cls.HEIGHT_M:
                continue
            x, y, _ = item.pose
            reach = np.hypot(item.half_size[0], item.half_size[1])
            rows = np.flatnonzero((ys > y - reach) & (ys < y + reach))
            cols = np.flatnonzero((xs > x - reach) & (xs < x + reach))
            if not len(rows) or not len(cols):
                continue
            window = np.ix_(rows, cols)
            mask = footprint_mask(item, *np.meshgrid(xs[cols], ys[rows]))
            occupied[window] |= mask
            if item.base < eye_height < item.base + item.half_size[2]:
                opaque[window] |= mask
        occupied |= ~inside
        opaque |= ~inside
        padded = np.pad(occupied, 1, constant_values=True)
        clearance = (distance_transform_edt(~padded)[1:-1, 1:-1] * resolution).astype(np.float32)
        return cls((x0, y0), resolution, radius, occupied, opaque, clearance, clearance > radius + half)

    def to_cell(self, xy: Any) -> NDArray[np.int64]:
        """Row, column `(..., 2)` of the cells that hold points `(..., 2)` x, y [m]; may lie outside."""
        p = np.asarray(xy, dtype=np.float64)
        return np.floor((p[..., 1::-1] - np.array(self.origin)[::-1]) / self.resolution).astype(np.int64)

    def to_world(self, cells: Any) -> Points:
        """Centres x, y [m] `(..., 2)` of cells `(..., 2)` row, column."""
        rc = np.asarray(cells, dtype=np.float64)
        return np.array(self.origin) + (rc[..., ::-1] + 0.5) * self.resolution

    def is_free(self, xy: Any) -> bool:
        """Whether the robot's centre may be at x, y [m]."""
        r, c = self.to_cell(xy)
        return bool(0 <= r < self.free.shape[0] and 0 <= c < self.free.shape[1] and self.free[r, c])

    def nearest_free(self, xy: Any, free: BoolGrid | None = None) -> NDArray[np.int64]:
        """The free cell (row, column) nearest to x, y [m]; of `free` when given."""
        cells = np.argwhere(self.free if free is None else free)
        if not len(cells):
            raise ValueError("the grid has no free cell")
        return cells[np.argmin(np.abs(cells - self.to_cell(xy)).sum(axis=1))]

    def caution(self, comfortable: float = 0.5, strength: float = 4.0) -> NDArray[np.float32]:
        """Weights `(Ny, Nx)` that make a path keep `comfortable` [m] away where it can; 1 in the open."""
        return 1.0 + strength * np.maximum(0.0, comfortable - self.clearance)

    def distance_field(
        self, seeds: Any, free: BoolGrid | None = None, weight: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Geodesic distance [m] `(Ny, Nx)` from the nearest of `seeds`, cells `(N, 2)` or a boolean mask.

        Args:
            free: cells to go on; those where the robot fits, when None.
            weight: what a metre counts for in each cell, at least 1; see `caution`.
        """
        cells = np.asarray(seeds)
        cells = np.argwhere(cells) if cells.dtype == np.bool_ else cells.reshape(-1, 2).astype(np.int64)
        free = self.free if free is None else free
        weight = np.ones(free.shape, np.float32) if weight is None else weight.astype(np.float32)
        return dijkstra(free, cells, weight, _STEPS, _COSTS) * np.float32(self.resolution)

    def descend(
        self,
        field: NDArray[np.float32],
        start: Any,
        free: BoolGrid | None = None,
        weight: NDArray[np.float32] | None = None,
    ) -> Points:
        """Path x, y [m] `(N, 2)` from `start` x, y down a `distance_field` of the same `free` and `weight`.

        Straightened where nothing is weighed; `start` alone where there is no way.
        """
        free = self.free if free is None else free
        r, c = self.to_cell(start)
        if not (0 <= r < free.shape[0] and 0 <= c < free.shape[1] and np.isfinite(field[r, c])):
            reachable = free & np.isfinite(field)
            if not reachable.any():
                return np.asarray(start, dtype=np.float64)[None, :2]
            r, c = self.nearest_free(start, reachable)
        costs = np.ones(free.shape, np.float32) if weight is None else weight.astype(np.float32)
        cells = np.array(_descend(field / np.float32(self.resolution), free, costs, r, c, _STEPS, _COSTS))
        if weight is not None:
            return self.to_world(cells)
        keep, i = [0], 0
        while i < len(cells) - 1:  # string pulling: from each kept cell, jump to the farthest one in sight
            j = len(cells) - 1
            while j > i + 1 and not clear_line(free, *(cells[i] + 0.5), *(cells[j] + 0.5)):
                j -= max(1, (j - i) // 8)
            i = max(j, i + 1)
            keep.append(i)
        return self.to_world(cells[keep])

    def shortest_path(self, start: Any, goal: Any) -> Points:
        """Straightened shortest path x, y [m] `(N, 2)`; empty when there is none."""
        field = self.distance_field(self.nearest_free(goal)[None])
        if not np.isfinite(field[tuple(self.nearest_free(start))]):
            return np.zeros((0, 2))
        return self.descend(field, start)


def path_length(path: Points) -> float:
    """Length [m] of a polyline `(N, 2)`."""
    return float(np.hypot(*np.diff(path[:, :2], axis=0).T).sum()) if len(path) > 1 else 0.0
