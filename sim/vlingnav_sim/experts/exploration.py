"""What a robot has seen of a house, and where it pays to look next.

Frontier exploration (Yamauchi, 1997) on a coarse grid: the camera's field of view is swept with rays, what
they cross is known, and the rim of the known floor is where to go. Which rim: near, ahead, with much unseen
behind it, and in a room where the thing plausibly stands, once it is clear which kind of room that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label, uniform_filter

from vlingnav_policy.se2 import wrap
from vlingnav_sim.experts.trajectories import cautious_path
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house.model import House

Array = NDArray[np.float64]
BoolGrid = NDArray[np.bool_]


@dataclass(frozen=True)
class ExplorationConfig:
    """Weights of the choice among frontiers; costs are in metres of way.

    Attributes:
        view_range: how far the camera is trusted [m].
        turn_cost: for one radian of turning towards it [m/rad].
        gain: for unseen floor around it [m per m^2], counted up to `gain_limit` [m^2].
        plausible: for a room in which the thing surely stands, against one in which it never does [m].
        keep: for the frontier chosen last time [m]; without it the choice flickers.
        smallest: frontiers of fewer cells are ignored.
    """

    view_range: float = 4.5
    turn_cost: float = 0.5
    gain: float = 1.0
    gain_limit: float = 1.5
    plausible: float = 4.0
    keep: float = 1.0
    smallest: int = 3


@njit(cache=True)
def _sweep(
    seen: BoolGrid, opaque: BoolGrid, x: float, y: float, yaw: float, hfov: float, reach: float
) -> None:
    """Mark in `seen` what rays of length `reach` [cells] from x, y [cells] cross; walls end a ray."""
    rays = int(hfov * reach) + 1
    for i in range(rays):
        angle = yaw - hfov / 2 + hfov * i / max(rays - 1, 1)
        dx, dy = np.cos(angle) * 0.5, np.sin(angle) * 0.5
        px, py = x, y
        for _ in range(int(2 * reach)):
            r, c = int(py), int(px)
            if not (0 <= r < seen.shape[0] and 0 <= c < seen.shape[1]):
                break
            seen[r, c] = True
            if opaque[r, c]:
                break
            px += dx
            py += dy


class Exploration:
    """The robot's knowledge of one house during one episode."""

    def __init__(
        self,
        house: House,
        grid: OccupancyGrid,
        priors: NDArray[np.float64],
        hfov: float,
        config: ExplorationConfig = ExplorationConfig(),
    ) -> None:
        """Start knowing nothing.

        Args:
            grid: coarse occupancy grid of `house`.
            priors: `(rooms,)` 0 to 1, how plausible the thing is in each room, were its kind known.
            hfov: horizontal field of view [rad].
        """
        self._grid, self._priors, self._hfov, self._config = grid, priors, hfov, config
        self.seen: BoolGrid = np.zeros_like(grid.free)
        self._caution = grid.caution()
        self._room_of = np.full(grid.free.shape, -1, dtype=np.int64)
        for room in house.rooms:
            x0, y0, x1, y1 = room.rect
            (r0, c0), (r1, c1) = grid.to_cell((x0, y0)), grid.to_cell((x1, y1))
            self._room_of[max(r0, 0) : r1 + 1, max(c0, 0) : c1 + 1] = room.index
        self._room_area = np.bincount(self._room_of[self._room_of >= 0], minlength=len(house.rooms))
        self._last: Array | None = None
        self._view_range = config.view_range

    @property
    def seen_m2(self) -> float:
        """Floor that has been seen [m^2]."""
        return float((self.seen & self._grid.free).sum()) * self._grid.resolution**2

    def forget(self) -> None:
        """Everything has been seen in vain: start again, and trust the camera less far."""
        self.seen[:] = False
        self._view_range = max(1.5, 0.6 * self._view_range)

    def look(self, pose: Array) -> None:
        """Add what the camera sees from `pose (3,)`."""
        grid = self._grid
        x, y = (pose[:2] - np.array(grid.origin)) / grid.resolution
        reach = self._view_range / grid.resolution
        _sweep(self.seen, grid.opaque, x, y, pose[2], self._hfov, reach)
        r, c = grid.to_cell(pose[:2])  # the robot knows the floor it stands on
        self.seen[max(r - 3, 0) : r + 4, max(c - 3, 0) : c + 4] = True

    def choose(self, pose: Array, free: BoolGrid, open_now: BoolGrid) -> Array | None:
        """Path x, y [m] `(N, 2)` to the frontier worth going to; None when everything has been seen.

        Args:
            free: `(Ny, Nx)` cells that are drivable; what has not been seen of them is ignored.
            open_now: those where nobody stands just now. The path keeps to them where it can; the choice is
                none of theirs, or people who pass would turn the robot this way and that.
        """
        grid, config = self._grid, self._config
        free = free & self.seen
        start = grid.nearest_free(pose[:2], free) if free.any() else None
        if start is None:
            return None
        # A wall seen at a grazing angle leaves holes in `seen`; they are no frontiers.
        seen = self.seen | (grid.occupied & binary_dilation(self.seen, iterations=2))
        rim = free & binary_dilation(~seen, iterations=1)
        field = grid.distance_field(start[None], free, self._caution)
        clusters, count = label(rim & np.isfinite(field), structure=np.ones((3, 3), bool))
        if count == 0:
            return None
        window = max(3, round(1.5 / grid.resolution))
        unseen = uniform_filter((~seen).astype(np.float32), window) * 1.5**2  # [m^2] around each cell
        best, best_cost = None, np.inf
        rows, cols = np.nonzero(clusters)
        ids = clusters[rows, cols]
        order = np.argsort(ids, kind="stable")
        for cells in np.split(order, np.searchsorted(ids[order], np.arange(2, count + 1))):
            if len(cells) < config.smallest:
                continue
            rc = np.stack([rows[cells], cols[cells]], axis=-1)
            cell = rc[np.argmin(field[rc[:, 0], rc[:, 1]])]
            cost = self._cost(pose, cell, float(field[tuple(cell)]), unseen, seen)
            if cost < best_cost:
                best, best_cost = cell, cost
        if best is None:
            return None
        self._last = grid.to_world(best)
        region = np.zeros_like(free)
        region[tuple(best)] = True
        return cautious_path(grid, region, pose, free & open_now, free)

    def _cost(
        self, pose: Array, cell: NDArray[np.int64], way: float, unseen: NDArray[np.float32], seen: BoolGrid
    ) -> float:
        config, grid = self._config, self._grid
        xy = grid.to_world(cell)
        turn = abs(float(wrap(np.arctan2(xy[1] - pose[1], xy[0] - pose[0]) - pose[2])))
        cost = (
            way + config.turn_cost * turn - config.gain * min(float(unseen[tuple(cell)]), config.gain_limit)
        )
        cost -= config.plausible * self._plausibility(cell, seen)
        if self._last is not None and np.hypot(*(xy - self._last)) < 0.8:
            cost -= config.keep
        return cost

    def _plausibility(self, cell: NDArray[np.int64], seen: BoolGrid) -> float:
        """How plausible the thing is in the room that the unseen floor next to `cell` belongs to."""
        r, c = cell
        window = (slice(max(r - 2, 0), r + 3), slice(max(c - 2, 0), c + 3))
        rooms = self._room_of[window][~seen[window]]
        rooms = rooms[rooms >= 0]
        if not len(rooms):
            return 0.0
        room = int(np.bincount(rooms).argmax())
        recognised = self.seen[self._room_of == room].sum() >= 0.15 * self._room_area[room]
        return float(self._priors[room]) if recognised else 0.5
