"""From a path on the map to the short trajectory a `Decision` holds.

A pure-pursuit unicycle is rolled out along the path, so every trajectory is one the base can drive: it turns
on the spot when the path leads elsewhere, slows in bends, and comes to rest at the end, facing `final_yaw`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import relative, wrap
from vlingnav_sim.grid import OccupancyGrid, clear_line
from vlingnav_sim.house.model import House
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import goal_region

Array = NDArray[np.float64]

PLANNING_RADIUS_M = 0.25
"""Experts plan for a robot this wide [m], so that cutting a corner while tracking does not touch it."""
TIGHT_M = 0.2
"""Least clearance [m] they accept where there is no other way."""


@dataclass(frozen=True)
class TrajectoryConfig:
    """Shape of the trajectories: `waypoints` of `dt` [s], speeds [m/s, rad/s], `lookahead` [m]."""

    waypoints: int = 8
    dt: float = 0.2
    speed: float = 0.5
    turn_rate: float = 1.2
    lookahead: float = 0.45
    turn_in_place: float = 0.4  # heading error [rad] above which it does not drive


def approach(
    house: House, grid: OccupancyGrid, target: int, pose: Array, near: float
) -> tuple[float, NDArray[np.bool_]]:
    """Where to stand before item `target`, coming from `pose (3,)`.

    Args:
        near: distance from its footprint to keep [m], if it can be reached; all are inside the task's 1.0 m.

    Returns:
        The distance that was chosen [m], and the cells `(Ny, Nx)` a little nearer than that.
    """
    hangs = house.items[target].base >= 0.4  # in the camera's view only from further away
    wide = grid.clearance > TIGHT_M
    here = tuple(grid.nearest_free(pose[:2], wide))
    for reach in (0.95,) if hangs else (near, 0.8, 0.95):
        region = goal_region(house, grid, (target,), reach - 0.1) & wide
        if np.isfinite(grid.distance_field(region, wide)[here]):
            return reach, region
    return 0.98, goal_region(house, grid, (target,), 0.98)


def free_of_people(
    simulator: Simulator, grid: OccupancyGrid, pose: Array, keep_away: float = 0.55, sight: float = 2.5
) -> NDArray[np.bool_]:
    """The grid's free cells `(Ny, Nx)` less those near a person within `sight` [m] that no wall hides."""
    free = grid.free.copy()
    rows, cols = np.indices(free.shape)
    eye = (pose[1::-1] - np.array(grid.origin)[::-1]) / grid.resolution
    for x, y, _, _ in simulator.people():
        r, c = (np.array([y, x]) - np.array(grid.origin)[::-1]) / grid.resolution
        if np.hypot(x - pose[0], y - pose[1]) < sight and clear_line(~grid.opaque, eye[0], eye[1], r, c):
            near = np.hypot(rows + 0.5 - r, cols + 0.5 - c) * grid.resolution < keep_away
            free &= ~near
    return free


def cautious_path(
    grid: OccupancyGrid, region: NDArray[np.bool_], pose: Array, free: NDArray[np.bool_]
) -> Array:
    """Path x, y [m] `(N, 2)` from `pose` to `region`, away from things, through tight places if need be."""
    weight = grid.caution()
    for cells in (free, grid.clearance > TIGHT_M):
        path = grid.descend(grid.distance_field(region, cells, weight), pose[:2], cells, weight)
        if len(path) > 1:
            return path
    return path


def point_along(path: Array, xy: Array, lookahead: float) -> tuple[Array, float]:
    """The point of `path (N, 2)` `lookahead` [m] past the one nearest to `xy`, and the way left [m]."""
    if len(path) == 1:
        return path[0], float(np.hypot(*(path[0] - xy)))
    a, d = path[:-1], np.diff(path, axis=0)
    lengths = np.hypot(d[:, 0], d[:, 1])
    t = np.clip(((xy - a) * d).sum(axis=1) / np.maximum(lengths**2, 1e-9), 0.0, 1.0)
    gaps = np.hypot(*(a + t[:, None] * d - xy).T)
    i = int(np.argmin(gaps))
    left = float((1.0 - t[i]) * lengths[i] + lengths[i + 1 :].sum())
    ahead = lookahead + t[i] * lengths[i]
    while i < len(lengths) - 1 and ahead > lengths[i]:
        ahead -= lengths[i]
        i += 1
    return a[i] + d[i] * min(1.0, ahead / max(lengths[i], 1e-9)), left


def roll_out(
    pose: Array,
    path: Array,
    final_yaw: float | None = None,
    config: TrajectoryConfig = TrajectoryConfig(),
) -> NDArray[np.float32]:
    """Trajectory `(T, 3)` in the body frame of `pose (3,)` that follows `path (N, 2)` in the world.

    Args:
        final_yaw: heading [rad] to take up at the end of the path; None keeps the last one.
    """
    substeps = 4
    dt = config.dt / substeps
    x, y, yaw = (float(value) for value in pose)
    rows = np.empty((config.waypoints, 3))
    for k in range(config.waypoints):
        for _ in range(substeps):
            xy = np.array([x, y])
            aim, left = point_along(path, xy, config.lookahead)
            if left < 0.05 and float(np.hypot(*(path[-1] - xy))) < 0.1:
                error = 0.0 if final_yaw is None else float(wrap(final_yaw - yaw))
                speed = 0.0
            else:
                error = float(wrap(np.arctan2(aim[1] - y, aim[0] - x) - yaw))
                slow = max(0.0, 1.0 - abs(error) / config.turn_in_place)
                speed = config.speed * slow * min(1.0, max(left, 0.05) / 0.3)
            yaw += float(np.clip(3.0 * error, -config.turn_rate, config.turn_rate)) * dt
            x, y = x + speed * np.cos(yaw) * dt, y + speed * np.sin(yaw) * dt
        rows[k] = x, y, yaw
    return relative(np.asarray(pose, dtype=np.float64), rows).astype(np.float32)
