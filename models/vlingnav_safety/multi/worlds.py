"""The worlds of gcbfplus, many at a time: robots with goals among rectangles, seen by a lidar of short range.

Restated from the environments of MIT-REALM/gcbfplus (T-RO 2025, section VI): an area of 4 m by 4 m without
walls, robots of radius 0.05 m that see each other and rectangles up to 0.5 m away, 256 periods of 0.03 s.
Starts and goals are 4 r apart, and 4 r clear of the rectangles. A robot has collided when it ever was nearer
than 2 r to another or nearer than r to a rectangle, and has arrived when it ever was within 2 r of its goal:
what has arrived stays in everybody's way.

Arrays have a leading axis E of worlds; one seed makes one world, whatever the batch it is in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_safety.dynamics import DoubleIntegrator, DubinsCar, Model, SingleIntegrator

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]

_TRIES = 1024  # for one start or goal, before all of them are drawn anew
_RESTARTS = 8


@dataclass(frozen=True)
class WorldConfig:
    """What a world is made of.

    Attributes:
        model: how the robots move.
        robots: how many.
        obstacles: how many rectangles.
        area: side of the square in which all begins and ends [m].
        steps: periods in an episode.
        radius: of a robot [m].
        sensing: how far robots and rectangles are seen [m].
        rays: of the lidar, evenly spread, the first toward -x of the world.
        sides: shortest and longest side of a rectangle [m].
        neighbours: how many of the nearest robots are told of.
        travel: how far a goal is from its start at most [m]; for areas too large to be crossed in an episode.
    """

    model: Model
    robots: int = 32
    obstacles: int = 0
    area: float = 4.0
    steps: int = 256
    radius: float = 0.05
    sensing: float = 0.5
    rays: int = 32
    sides: tuple[float, float] = (0.1, 0.6)
    neighbours: int = 20
    travel: float = np.inf

    def at_density(self, robots: int) -> WorldConfig:
        """The same world grown to hold `robots` with as many of them, and of rectangles, per square metre."""
        share = robots / self.robots
        return replace(
            self,
            robots=robots,
            area=self.area * share**0.5,
            obstacles=round(self.obstacles * share),
        )


WORLDS = {
    "single": WorldConfig(SingleIntegrator()),
    "double": WorldConfig(DoubleIntegrator(), sides=(0.1, 0.5)),
    "dubins": WorldConfig(DubinsCar(), rays=16),
}


@dataclass(frozen=True)
class Scenes:
    """E worlds before the first step.

    Attributes:
        rectangles: `(E, M, 6)` centre x, y, half the sides [m], cosine and sine of the yaw of the first side.
        state: `(E, N, size)` of the model, at rest.
        goal: `(E, N, 2)` [m].
    """

    rectangles: Array
    state: Array
    goal: Array


def rectangle(x: float, y: float, length: float, width: float, yaw: float = 0.0) -> list[float]:
    """One row of `Scenes.rectangles`."""
    return [x, y, 0.5 * length, 0.5 * width, float(np.cos(yaw)), float(np.sin(yaw))]


def generate(config: WorldConfig, seeds: list[int]) -> Scenes:
    """Draw one world per seed.

    Raises:
        RuntimeError: the robots do not fit into the area.
    """
    worlds = [_draw(config, np.random.default_rng(seed)) for seed in seeds]
    rectangles, start, goal, yaw = (np.array(part) for part in zip(*worlds, strict=True))
    return Scenes(rectangles, config.model.start(start, yaw), goal)


def _draw(config: WorldConfig, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Rectangles `(M, 6)`, starts `(N, 2)`, goals `(N, 2)` and yaws `(N,)` of one world."""
    centre = rng.uniform(0.0, config.area, (config.obstacles, 2))
    sides = rng.uniform(*config.sides, (config.obstacles, 2))
    yaw = rng.uniform(0.0, 2.0 * np.pi, config.obstacles)
    rectangles = np.column_stack([centre, 0.5 * sides, np.cos(yaw), np.sin(yaw)])
    for _ in range(_RESTARTS):
        start = _scatter(config, rectangles, rng, None)
        goal = None if start is None else _scatter(config, rectangles, rng, start)
        if start is not None and goal is not None:
            return rectangles, start, goal, rng.uniform(-np.pi, np.pi, config.robots)
    raise RuntimeError(f"{config.robots} robots do not fit into {config.area} m; give them more room")


def _scatter(
    config: WorldConfig, rectangles: Array, rng: np.random.Generator, near: Array | None
) -> Array | None:
    """Points `(N, 2)`, 4 r apart and clear, each within `travel` of one in `near`; None if there are none."""
    apart, points = 4.0 * config.radius, np.empty((config.robots, 2))
    for i in range(config.robots):
        for _ in range(_TRIES):
            low, high = np.zeros(2), np.full(2, config.area)
            if near is not None:
                low, high = (
                    np.maximum(near[i] - config.travel, low),
                    np.minimum(near[i] + config.travel, high),
                )
            point = rng.uniform(low, high)
            if near is not None and np.hypot(*(point - near[i])) > config.travel:
                continue
            crowded = i > 0 and np.hypot(*(points[:i] - point).T).min() <= apart
            if not crowded and clearance(point[None, None], rectangles[None])[0, 0] >= apart:
                points[i] = point
                break
        else:
            return None
    return points


@njit(cache=True, nogil=True)
def clearance(points: Array, rectangles: Array) -> Array:
    """Distance `(E, N)` [m] from `points (E, N, 2)` to the nearest rectangle, negative inside; or inf."""
    distance = np.full(points.shape[:2], np.inf)
    for e in range(points.shape[0]):
        for m in range(rectangles.shape[1]):
            cx, cy, hx, hy, c, s = rectangles[e, m]
            for i in range(points.shape[1]):
                dx, dy = points[e, i, 0] - cx, points[e, i, 1] - cy
                px, py = abs(c * dx + s * dy) - hx, abs(c * dy - s * dx) - hy
                outside = np.sqrt(max(px, 0.0) ** 2 + max(py, 0.0) ** 2)
                distance[e, i] = min(distance[e, i], outside if outside > 0.0 else max(px, py))
    return distance


@njit(cache=True, error_model="numpy", nogil=True)
def scan(points: Array, rectangles: Array, rays: int, reach: float) -> Array:
    """What the lidars see.

    Args:
        points: `(E, N, 2)` [m].
        rectangles: `(E, M, 6)` of `Scenes`.
        rays: number of rays R, the first toward -x.
        reach: how far they see [m].

    Returns:
        `(E, N, R, 2)` hits [m] in the world frame in the order of the rays; inf where nothing is hit.
    """
    worlds, robots = points.shape[:2]
    hits, nearest = np.full((worlds, robots, rays, 2), np.inf), np.empty(rays)
    angle = -np.pi + 2.0 * np.pi / rays * np.arange(rays)
    ray_x, ray_y = np.cos(angle), np.sin(angle)
    for e in range(worlds):
        for i in range(robots):
            seen = False
            for m in range(rectangles.shape[1]):
                cx, cy, hx, hy, c, s = rectangles[e, m]
                dx, dy = points[e, i, 0] - cx, points[e, i, 1] - cy
                if dx * dx + dy * dy > (reach + np.sqrt(hx * hx + hy * hy)) ** 2:
                    continue
                if not seen:
                    nearest[:], seen = reach, True
                # Slabs (Kay & Kajiya 1986), in the frame of the rectangle.
                ox, oy = c * dx + s * dy, c * dy - s * dx
                for k in range(rays):
                    vx, vy = c * ray_x[k] + s * ray_y[k], c * ray_y[k] - s * ray_x[k]
                    near_x, far_x = (-np.copysign(hx, vx) - ox) / vx, (np.copysign(hx, vx) - ox) / vx
                    near_y, far_y = (-np.copysign(hy, vy) - oy) / vy, (np.copysign(hy, vy) - oy) / vy
                    enter, leave = max(near_x, near_y, 0.0), min(far_x, far_y)
                    if enter <= leave and enter < nearest[k]:
                        nearest[k] = enter
            if seen:
                for k in range(rays):
                    if nearest[k] < reach:
                        hits[e, i, k, 0] = points[e, i, 0] + nearest[k] * ray_x[k]
                        hits[e, i, k, 1] = points[e, i, 1] + nearest[k] * ray_y[k]
    return hits


@njit(cache=True, nogil=True)
def nearest_robots(points: Array, count: int, reach: float) -> Indices:
    """The nearest robots of each, nearest first.

    Args:
        points: `(E, N, 2)` [m].
        count: at most how many, K.
        reach: how far they may be [m].

    Returns:
        `(E, N, K)` their index within the world, -1 where there are fewer.
    """
    worlds, robots = points.shape[:2]
    index, distance = np.full((worlds, robots, count), -1), np.empty(count)
    for e in range(worlds):
        for i in range(robots):
            found = 0
            for j in range(robots):
                dx, dy = points[e, j, 0] - points[e, i, 0], points[e, j, 1] - points[e, i, 1]
                d = dx * dx + dy * dy
                if d >= reach * reach or i == j or (found == count and d >= distance[count - 1]):
                    continue
                k = min(found, count - 1)
                while k > 0 and distance[k - 1] > d:
                    distance[k], index[e, i, k] = distance[k - 1], index[e, i, k - 1]
                    k -= 1
                distance[k], index[e, i, k] = d, j
                found = min(found + 1, count)
    return index


def collided(config: WorldConfig, points: Array, rectangles: Array) -> Bools:
    """Whether each of the robots at `points (E, N, 2)` touches another or a rectangle now: `(E, N)`."""
    nearest = nearest_robots(points, 1, 2.0 * config.radius)[..., 0] >= 0
    return nearest | (clearance(points, rectangles) < config.radius)


def arrived(config: WorldConfig, points: Array, goal: Array) -> Bools:
    """Whether each of the robots is within 2 r of its goal now: `(E, N)`."""
    return np.hypot(*np.moveaxis(points - goal, -1, 0)) < 2.0 * config.radius
