"""What the room promises, driven: random worlds and commands, and the scenes in which filters freeze or
scrape.

Each promise is also tested with the filter off, where it must break: a world in which nothing can go wrong
shows nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vlingnav_safety.filter as filter_module

SECONDS = 15.0
WALKING = 0.8  # [m/s]
shared_fixtures = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def cluttered_room(kinematics: Any, robot: Any, seed: int) -> tuple[Any, np.ndarray] | None:
    """A room with up to six boxes from 5 cm to 1 m, and a start 12 cm clear of all; None if too full."""
    rng = np.random.default_rng(seed)
    width, height = rng.uniform(2.5, 6.0, 2)
    walls = [kinematics.box(width / 2, height / 2, width, height)]
    for _ in range(rng.integers(0, 7)):
        walls.append(kinematics.box(*rng.uniform([0, 0], [width, height]), *rng.uniform(0.05, 1.0, 2)))
    world = kinematics.World(np.concatenate(walls))
    for _ in range(100):
        start = rng.uniform([0.0, 0.0, -np.pi], [width, height, np.pi])
        if world.clearance(start, np.array(robot.config.hull)) > 0.12:
            return world, start
    return None


def erratic(robot: Any, seed: int) -> Any:
    """Commands up to 1.5 times what the base can do, held for 0.2 to 2 s; half the drivers never reverse."""
    rng = np.random.default_rng(seed)
    commands = rng.uniform(-1.5, 1.5, (200, 3)) * robot.limits.velocity
    if seed % 2:
        commands[:, 0] = np.abs(commands[:, 0])
    times = np.cumsum(rng.uniform(0.2, 2.0, len(commands)))
    return lambda now, pose: commands[np.searchsorted(times, now)]


@given(seed=st.integers(0, 2**32 - 1))
@settings(shared_fixtures, max_examples=25)
def test_never_touches_what_stands_still(robot: Any, kinematics: Any, seed: int) -> None:
    scene = cluttered_room(kinematics, robot, seed)
    if scene is None:
        return
    world, start = scene
    trace = kinematics.drive(robot, world, start, erratic(robot, seed), SECONDS, seed=seed)
    assert trace.clearance.min() > 0.0
    assert min(report.barrier for report in trace.reports) >= 0.0


def test_without_the_filter_it_touches(robot: Any, kinematics: Any) -> None:
    touched = []
    for seed in range(20):
        scene = cluttered_room(kinematics, robot, seed)
        if scene is not None:
            trace = kinematics.drive(robot, *scene, erratic(robot, seed), SECONDS, filtered=False)
            touched.append(trace.clearance.min() < 0.0)
    assert len(touched) > 10 and np.mean(touched) > 0.7


def crossing(kinematics: Any, robot: Any, seed: int, *, filtered: bool) -> float | None:
    """Speed [m/s] at which the robot approaches a walker when they first touch; None if they never do."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, 3)
    away = rng.uniform(1.5, 4.0, 3)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    heading = -away + rng.normal(0.0, 0.3, (3, 2))
    heading *= WALKING / np.linalg.norm(heading, axis=1, keepdims=True)
    walkers = np.concatenate([away, heading, np.full((3, 1), 0.2)], axis=1)
    world = kinematics.World(kinematics.box(0.0, 0.0, 30.0, 30.0), walkers)
    careful = replace(robot, config=replace(robot.config, obstacle_speed=WALKING))
    trace = kinematics.drive(
        careful, world, np.zeros(3), erratic(robot, seed), 6.0, filtered=filtered, seed=seed
    )
    hits = np.flatnonzero(trace.clearance < 0.0)
    if not len(hits):
        return None
    k = min(hits[0] + 1, len(trace.poses) - 1)
    pose, (vx, vy, wz) = trace.poses[k], trace.velocities[k]
    at = walkers[:, :2] - walkers[:, 2:4] * (6.0 - 0.05 * k)  # `drive` has moved them to the end
    hull = np.array(robot.config.hull)
    c, s = np.cos(pose[2]), np.sin(pose[2])
    offset = (at - pose[:2]) @ np.array([[c, -s], [s, c]])[None, :, :] - hull[:, None, :2]
    gap = np.linalg.norm(offset, axis=-1)
    d, p = np.unravel_index(np.argmin(gap - hull[:, None, 2]), gap.shape)
    velocity = np.array([vx - wz * hull[d, 1], vy + wz * hull[d, 0]])
    return float(velocity @ offset[d, p] / gap[d, p])


@given(seed=st.integers(0, 2**32 - 1))
@settings(shared_fixtures, max_examples=25)
def test_stands_before_a_walker_touches_it(robot: Any, kinematics: Any, seed: int) -> None:
    """Walkers within the speed bound may run into the robot, but never it into them.

    It may creep along where it last saw them; they have moved since, which is the few cm/s allowed here.
    """
    approach = crossing(kinematics, robot, seed, filtered=True)
    assert approach is None or approach < 0.1


def test_without_the_filter_it_runs_into_walkers(robot: Any, kinematics: Any) -> None:
    approach = [crossing(kinematics, robot, seed, filtered=False) for seed in range(20)]
    assert sum(a is not None and a > 0.2 for a in approach) >= 4


def wall_ahead(kinematics: Any) -> Any:
    return kinematics.World(
        np.concatenate([kinematics.box(0.0, 0.0, 40.0, 40.0), kinematics.polyline((3, -15), (3, 15))])
    )


@pytest.mark.parametrize("yaw", [0.0, np.pi])
def test_full_speed_at_a_wall(robot: Any, kinematics: Any, yaw: float) -> None:
    """Forwards and in reverse it comes to a stand near the wall; without the filter it hits it."""
    speed = robot.limits.velocity[0] * np.cos(yaw)
    drive = lambda on: kinematics.drive(  # noqa: E731
        robot,
        wall_ahead(kinematics),
        np.array([0.0, 0.0, yaw]),
        lambda now, pose: np.array([speed, 0.0, 0.0]),
        6.5,
        filtered=on,
    )
    trace = drive(True)
    assert 0.0 < trace.clearance[100:].min() < 0.25
    assert np.abs(np.diff(trace.velocities[:, 0])).max() < robot.limits.acceleration[0] * 0.05 + 1e-9
    assert drive(False).clearance.min() < 0.0


def test_slides_along_a_wall(robot: Any, kinematics: Any) -> None:
    """Pushed at a wall at 30 degrees for 15 s, it keeps moving along it."""
    world = wall_ahead(kinematics)
    trace = kinematics.drive(
        robot, world, np.array([1.5, -6.0, np.pi / 3]), lambda now, pose: np.array([0.5, 0.0, 0.0]), 15.0
    )
    assert trace.clearance.min() > 0.0
    assert trace.poses[-1, 1] - trace.poses[0, 1] > 3.5
    stood = np.linalg.norm(trace.velocities[20:, :2], axis=1) < 0.05
    assert stood.mean() < 0.05


def test_parallel_to_a_wall_nothing_changes(robot: Any, kinematics: Any) -> None:
    """A wall 20 cm beside the hull is no reason to touch the command."""
    half_width = {"diff": 0.18, "omni": 0.155}["diff" if robot.limits.velocity[1] == 0.0 else "omni"]
    start = np.array([3.0 - half_width - 0.2, -6.0, np.pi / 2])
    trace = kinematics.drive(
        robot, wall_ahead(kinematics), start, lambda now, pose: np.array([0.5, 0.0, 0.0]), 10.0
    )
    assert {report.status for report in trace.reports} == {"pass"}


@pytest.mark.parametrize("start", [(0.0, 0.0, 0.0), (0.0, 0.3, 0.0), (1.0, 1.5, 0.0), (1.0, -2.0, 1.5)])
def test_passes_a_door(robot: Any, kinematics: Any, start: tuple[float, float, float]) -> None:
    """A 0.8 m door, also for a driver that heads for the goal behind the wall and not for the door."""
    side = kinematics.polyline((2, 0.4), (2, 8), (2.1, 8), (2.1, 0.4), (2, 0.4))
    world = kinematics.World(np.concatenate([kinematics.box(0, 0, 16, 16), side, side * [1.0, -1.0]]))
    omni = robot.limits.velocity[1] > 0.0

    def head_for_goal(now: float, pose: np.ndarray) -> np.ndarray:
        goal = np.array([4.0, 0.0]) - pose[:2]
        if np.hypot(*goal) < 0.15:
            return np.zeros(3)
        bearing = (np.arctan2(goal[1], goal[0]) - pose[2] + np.pi) % (2 * np.pi) - np.pi
        return np.array([0.5 * max(0.0, np.cos(bearing)), 0.5 * np.sin(bearing) * omni, 1.5 * bearing])

    trace = kinematics.drive(robot, world, np.array(start), head_for_goal, 40.0)
    assert trace.clearance.min() > 0.0
    assert np.linalg.norm(trace.poses[-1, :2] - [4.0, 0.0]) < 0.2


def gap(kinematics: Any, thickness: float) -> Any:
    """A gap of 0.44 m in a wall, for a hull of 0.36 m."""
    deep = kinematics.polyline((0, 0.22), (0, 4), (thickness, 4), (thickness, 0.22), (0, 0.22))
    return kinematics.World(np.concatenate([kinematics.box(0, 0, 16, 16), deep, deep * [1.0, -1.0]]))


def pursue(now: float, pose: np.ndarray) -> np.ndarray:
    """Pure pursuit of the line through the gap at 0.4 m/s, 0.35 m ahead."""
    target = np.array([np.sqrt(max(0.35**2 - pose[1] ** 2, 0.01)), -pose[1]])
    c, s = np.cos(pose[2]), np.sin(pose[2])
    left = c * target[1] - s * target[0]
    return np.array([0.4, 0.0, np.clip(0.8 * left / (target @ target), -1.5, 1.5)])


@pytest.mark.parametrize("thickness", [0.02, 0.3])
@pytest.mark.parametrize("angle", [-40.0, 0.0, 20.0, 40.0])
def test_passes_a_gap_little_wider_than_itself(kinematics: Any, angle: float, thickness: float) -> None:
    """The rows alone hold it back on both sides; a driver who aims well is led past."""
    robot, bearing = kinematics.ROBOTS["diff"], np.radians(angle)
    start = np.array([-np.cos(bearing), -np.sin(bearing), bearing])
    trace = kinematics.drive(robot, gap(kinematics, thickness), start, pursue, 16.0)
    assert trace.clearance.min() > 0.015
    assert trace.poses[-1, 0] > thickness + 0.3


def test_without_looking_at_the_way_it_stands_before_the_gap(
    kinematics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That `ways.passes` is what leads it through."""
    monkeypatch.setattr(filter_module, "passes", lambda *_: (False, False))
    start = np.array([-1.0, 0.0, 0.0])
    trace = kinematics.drive(kinematics.ROBOTS["diff"], gap(kinematics, 0.02), start, pursue, 10.0)
    assert trace.poses[-1, 0] < -0.1


def test_turns_in_place_beside_a_wall(robot: Any, kinematics: Any) -> None:
    """The long hull would strike the wall with its end: it moves off or stops turning, and does not touch."""
    omni = robot.limits.velocity[1] > 0.0
    start = np.array([3.0 - (0.155 if omni else 0.18) - 0.08, 0.0, np.pi / 2])
    turn = lambda now, pose: np.array([0.0, 0.0, 1.5])  # noqa: E731
    trace = kinematics.drive(robot, wall_ahead(kinematics), start, turn, 8.0)
    assert trace.clearance.min() > 0.0
    assert abs(trace.poses[-1, 2] - trace.poses[0, 2]) > np.pi
    if omni:
        assert (
            kinematics.drive(robot, wall_ahead(kinematics), start, turn, 3.0, filtered=False).clearance.min()
            < 0.0
        )


def test_leaves_a_place_that_is_too_close(kinematics: Any) -> None:
    """Set down 1 cm from a wall, the robot gets away from it and never nearer."""
    robot = kinematics.ROBOTS["diff"]
    start = np.array([3.0 - 0.18 - 0.01, 0.0, np.pi / 2])
    trace = kinematics.drive(
        robot, wall_ahead(kinematics), start, lambda now, pose: np.array([0.4, 0.0, 0.0]), 8.0
    )
    assert trace.clearance.min() > 0.005
    assert trace.clearance[-1] > 0.05 and trace.poses[-1, 1] > 1.0
