"""A small kinematic world: walls as segments, walkers as discs, a lidar, a base with limits and a delay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from vlingnav_safety import (
    FilterConfig,
    LidarBarrierFilter,
    Limits,
    Neighbours,
    Obstacles,
    Report,
    State,
    cover_rectangle,
)

PERIOD = 0.05
RAYS = np.linspace(-np.pi, np.pi, 180, endpoint=False)
Controller = Callable[[float, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Robot:
    """A filter's configuration and the limits of the base that it drives."""

    config: FilterConfig
    limits: Limits


ROBOTS = {
    "diff": Robot(FilterConfig(), Limits((0.6, 0.0, 1.5), (1.5, 0.0, 6.0))),
    "omni": Robot(FilterConfig(hull=cover_rectangle(0.65, 0.31)), Limits((1.0, 0.6, 1.5), (2.0, 2.0, 6.0))),
}


@dataclass
class World:
    """Walls `(S, 2, 2)` [m] and walkers `(P, 5)` x, y, vx, vy, radius that walk through anything."""

    walls: np.ndarray
    walkers: np.ndarray = field(default_factory=lambda: np.zeros((0, 5)))

    def scan(self, pose: np.ndarray) -> np.ndarray:
        """Return hits `(M, 2)` in the body frame, seen by 180 rays up to 8 m."""
        angle = RAYS + pose[2]
        ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]
        start, along = self.walls[:, 0] - pose[:2], self.walls[:, 1] - self.walls[:, 0]
        cross = ray[..., 0] * along[:, 1] - ray[..., 1] * along[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (start[:, 0] * along[:, 1] - start[:, 1] * along[:, 0]) / cross
            share = (start[:, 0] * ray[..., 1] - start[:, 1] * ray[..., 0]) / cross
        distance = np.where((share >= 0.0) & (share <= 1.0) & (distance > 0.0), distance, np.inf)
        nearest = distance.min(axis=1, initial=np.inf)
        for x, y, _, _, radius in self.walkers:
            centre = np.array([x, y]) - pose[:2]
            middle = ray[:, 0] @ centre
            inside = radius**2 - (centre @ centre - middle**2)
            with np.errstate(invalid="ignore"):
                edge = middle - np.sqrt(inside)
            nearest = np.where((inside > 0.0) & (edge > 0.0), np.minimum(nearest, edge), nearest)
        seen = nearest < 8.0
        return nearest[seen, None] * np.stack([np.cos(RAYS[seen]), np.sin(RAYS[seen])], axis=1)

    def clearance(self, pose: np.ndarray, hull: np.ndarray) -> float:
        """Distance [m] from the hull's discs to the nearest wall or walker."""
        c, s = np.cos(pose[2]), np.sin(pose[2])
        centres = pose[:2] + hull[:, :2] @ np.array([[c, s], [-s, c]])
        along = self.walls[:, 1] - self.walls[:, 0]
        offset = centres[:, None] - self.walls[:, 0]
        share = np.clip((offset * along).sum(-1) / (along**2).sum(-1), 0.0, 1.0)
        distance = np.linalg.norm(offset - share[..., None] * along, axis=-1).min(axis=1, initial=np.inf)
        for x, y, _, _, radius in self.walkers:
            distance = np.minimum(distance, np.linalg.norm(centres - [x, y], axis=1) - radius)
        return float((distance - hull[:, 2]).min())


@dataclass
class Trace:
    """What happened: one row per control period, clearance also in between."""

    poses: np.ndarray
    velocities: np.ndarray
    commands: np.ndarray
    clearance: np.ndarray
    reports: list[Report]


def drive(
    robot: Robot,
    world: World,
    start: np.ndarray,
    controller: Controller,
    seconds: float,
    *,
    filtered: bool = True,
    seed: int = 0,
) -> Trace:
    """Drive `controller(time, pose)`: 20 Hz control, 10 Hz scans with 5 mm of noise, delay as configured."""
    rng = np.random.default_rng(seed)
    safe = LidarBarrierFilter(robot.config, robot.limits)
    hull, acceleration = np.array(robot.config.hull), np.array(robot.limits.acceleration)
    pose, velocity, top = np.array(start, float), np.zeros(3), np.array(robot.limits.velocity)
    pending = [np.zeros(3)] * round(robot.config.delay / PERIOD)
    trace: tuple[list, ...] = ([], [], [], [], [])
    points, stamp = np.zeros((0, 2)), 0.0
    for tick in range(round(seconds / PERIOD)):
        now = tick * PERIOD
        if tick % 2 == 0:
            points, stamp = world.scan(pose), now
            points = points + rng.normal(0.0, 0.005, points.shape)
        desired = controller(now, pose)
        command, report = desired, Report("pass")
        if filtered:
            state = State(pose.copy(), velocity.copy(), now)
            command, report = safe.filter(state, desired, Neighbours(), Obstacles(points, stamp), now)
        for log, value in zip(trace, (pose.copy(), velocity.copy(), command, None, report), strict=True):
            if value is not None:
                log.append(value)
        pending.append(command)
        target = np.clip(pending.pop(0), -top, top)
        for _ in range(5):
            before, velocity = (
                velocity,
                velocity + np.clip(target - velocity, -acceleration * 0.01, acceleration * 0.01),
            )
            vx, vy, wz = 0.5 * (before + velocity)
            yaw = pose[2] + 0.005 * wz
            pose = pose + 0.01 * np.array(
                [np.cos(yaw) * vx - np.sin(yaw) * vy, np.sin(yaw) * vx + np.cos(yaw) * vy, wz]
            )
            world.walkers[:, :2] += 0.01 * world.walkers[:, 2:4]
        trace[3].append(world.clearance(pose, hull))
    return Trace(np.array(trace[0]), np.array(trace[1]), np.array(trace[2]), np.array(trace[3]), trace[4])


def polyline(*points: tuple[float, float], closed: bool = False) -> np.ndarray:
    """Walls `(S, 2, 2)` along the points."""
    corners = np.array([*points, points[0]] if closed else points, float)
    return np.stack([corners[:-1], corners[1:]], axis=1)


def box(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Walls of an upright box centred at x, y."""
    w, h = width / 2, height / 2
    return polyline((x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h), closed=True)


@pytest.fixture(params=["diff", "omni"])
def robot(request: pytest.FixtureRequest) -> Robot:
    return ROBOTS[request.param]


@pytest.fixture
def kinematics() -> type:
    """The names above, for test files, which cannot import each other."""

    class Kinematics:
        pass

    for name, value in (
        ("World", World),
        ("drive", drive),
        ("polyline", polyline),
        ("box", box),
        ("ROBOTS", ROBOTS),
    ):
        setattr(Kinematics, name, staticmethod(value))
    return Kinematics
