"""The tracker in its loop: decisions at 5 Hz, 0.1 s old on arrival; control at 20 Hz; a base with limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy import se2
from vlingnav_policy.chunks import Chunk, ChunkExecutor
from vlingnav_policy.se2 import compose, relative, wrap
from vlingnav_policy.tracker import TrajectoryTracker
from vlingnav_policy.types import Decision

T, DT, CONTROL, LATENCY = 8, 0.2, 0.05, 0.1
DIFF, OMNI = (0.6, 0.0, 1.5), (1.0, 0.6, 1.5)
Path = Callable[[float], np.ndarray]


def arc(v: float, w: float, vy: float = 0.0) -> Path:
    """Pose at time t of a body that moves at constant body velocity from the origin."""

    def at(t: float) -> np.ndarray:
        s, c = (t, 0.0) if w == 0.0 else (np.sin(w * t) / w, (1.0 - np.cos(w * t)) / w)
        return np.array([v * s - vy * c, v * c + vy * s, w * t])

    return at


def follow(
    path: Path,
    limits: tuple[float, float, float],
    seconds: float,
    *,
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Drive along `path`, replanned every 0.2 s from where the robot then is; returns poses and velocities
    `(N, 3)`.

    A plan holds the path's true future poses in the body frame at capture, and is in use 0.1 s later.
    """
    tracker, executor, acceleration = TrajectoryTracker(limits), ChunkExecutor(), np.array([1.5, 1.5, 6.0])
    pose, velocity = np.array(start), np.zeros(3)
    plans: list[Chunk] = []
    poses, velocities = [], []
    for tick in range(round(seconds / CONTROL)):
        now = tick * CONTROL
        if tick % 4 == 0:
            future = np.array([path(now + (k + 1) * DT) for k in range(T)])
            decision = Decision(relative(pose, future).astype(np.float32), DT, now)
            plans.append(Chunk.placed(decision, pose))
        if plans and now - plans[0].stamp >= LATENCY - 1e-9:
            executor.take(plans.pop(0), now)
        ahead = executor.at(now, tracker.lookahead_s)
        command = np.zeros(3) if ahead is None else tracker.command(relative(pose, ahead))
        assert np.all(np.abs(command) <= np.array(limits) + 1e-12)
        for _ in range(5):
            velocity = velocity + np.clip(command - velocity, -acceleration * 0.01, acceleration * 0.01)
            pose = compose(pose, velocity * 0.01)
        poses.append(pose)
        velocities.append(velocity)
    return np.array(poses), np.array(velocities)


def errors(path: Path, poses: np.ndarray, settle: float) -> tuple[float, float]:
    """Largest distance [m] from the curve, and largest yaw error [rad] to the pose due, after `settle`."""
    curve = np.array([path(t) for t in np.arange(0.0, len(poses) * CONTROL + 2.0, 0.01)])
    first = round(settle / CONTROL)
    distance = np.linalg.norm(poses[first:, None, :2] - curve[None, :, :2], axis=-1).min(axis=1)
    yaw = [abs(wrap(poses[k, 2] - path((k + 1) * CONTROL)[2])) for k in range(first, len(poses))]
    return float(distance.max()), float(max(yaw))


@pytest.mark.parametrize("w", [-1.2, -0.5, 0.0, 0.5, 1.2])
@pytest.mark.parametrize("v", [0.2, 0.55])
@pytest.mark.parametrize("limits", [DIFF, OMNI])
def test_lines_and_arcs(limits: tuple[float, float, float], v: float, w: float) -> None:
    path = arc(v, w)
    poses, velocities = follow(path, limits, 6.0)
    distance, yaw = errors(path, poses, 0.0)
    assert distance < 0.05
    late, _ = errors(path, poses, 3.0)
    assert late < 0.02
    assert errors(path, poses, 3.0)[1] < 0.1
    np.testing.assert_allclose(velocities[80:], [[v, 0.0, w]] * 40, atol=0.02)  # and no ripple


def test_full_speed_arc() -> None:
    """At 0.6 m/s no speed is left to catch up with: the robot lags in time, and still keeps to the curve."""
    path = arc(0.6, 0.8)
    poses, _ = follow(path, DIFF, 6.0)
    assert errors(path, poses, 0.0)[0] < 0.05


def test_omni_moves_sideways() -> None:
    path = arc(0.4, 0.3, vy=0.3)
    poses, velocities = follow(path, OMNI, 5.0)
    assert errors(path, poses, 0.0)[0] < 0.05
    np.testing.assert_allclose(velocities[-1], [0.4, 0.3, 0.3], atol=0.03)


@pytest.mark.parametrize("limits", [DIFF, OMNI])
@pytest.mark.parametrize("w", [-1.2, 0.6])
def test_turn_in_place(limits: tuple[float, float, float], w: float) -> None:
    poses, velocities = follow(arc(0.0, w), limits, 5.0)
    assert np.abs(poses[:, :2]).max() < 0.005
    np.testing.assert_allclose(velocities[40:, 2], w, atol=0.05)


@pytest.mark.parametrize("limits", [DIFF, OMNI])
def test_stops_where_the_path_stops(limits: tuple[float, float, float]) -> None:
    """A path that slows down and ends 1 m ahead is ended on, without hunting about the end."""

    def path(t: float) -> np.ndarray:
        t = min(t, 4.0)
        return np.array([t / 2.0 - t * t / 16.0, 0.0, 0.0])

    poses, velocities = follow(path, limits, 8.0)
    np.testing.assert_allclose(poses[-1], [1.0, 0.0, 0.0], atol=0.01)
    assert np.abs(velocities[-40:]).max() < 0.01
    assert velocities[:, 0].min() > -0.01


def test_drives_backwards() -> None:
    path = arc(-0.3, 0.4)
    poses, _ = follow(path, DIFF, 5.0)
    assert errors(path, poses, 0.0)[0] < 0.05


@pytest.mark.parametrize("offset", [-0.2, 0.2])
def test_comes_back_to_the_line(offset: float) -> None:
    """20 cm beside the line it returns within 3 s and does not weave."""
    poses, _ = follow(arc(0.4, 0.0), DIFF, 6.0, start=(0.0, offset, 0.0))
    assert np.abs(poses[60:, 1]).max() < 0.03
    assert (np.sign(offset) * poses[:, 1]).min() > -0.05


def command(
    path: Path, age: float, pose: np.ndarray, limits: tuple[float, float, float] = DIFF
) -> np.ndarray:
    """What is commanded at `pose`, `age` after a plan along `path` was made at the origin."""
    tracker, executor = TrajectoryTracker(limits), ChunkExecutor()
    rows = np.array([path((k + 1) * DT) for k in range(T)])
    executor.take(Chunk.placed(Decision(rows.astype(np.float32), DT, 0.0), np.zeros(3)), age)
    ahead = executor.at(age, tracker.lookahead_s)
    assert ahead is not None
    return tracker.command(relative(pose, ahead))


@pytest.mark.parametrize("limits", [DIFF, OMNI])
def test_noise_makes_no_chatter(limits: tuple[float, float, float]) -> None:
    """Asked to stand, with odometry noise of 2 mm and 2 mrad, it commands next to nothing."""
    tracker, rng = TrajectoryTracker(limits), np.random.default_rng(0)
    commands = [tracker.command(relative(rng.normal(0.0, 0.002, 3), np.zeros(3))) for _ in range(500)]
    assert np.abs(commands).max() < 0.05


def test_age_and_motion_matter() -> None:
    """One trajectory serves for a second; re-anchoring is what keeps the command right."""
    path = arc(0.5, 1.0)
    for age in (0.0, 0.4, 0.8, 1.2):
        np.testing.assert_allclose(command(path, age, path(age)), [0.5, 0.0, 1.0], atol=0.02)
    stale = command(path, 0.8, np.zeros(3))
    assert not np.allclose(stale, [0.5, 0.0, 1.0], atol=0.05)


def test_yaw_goes_the_way_the_waypoints_go() -> None:
    """Yaw that passes pi between waypoints is the same turn, not a turn back."""
    turned = command(arc(0.0, 1.0), 0.2, np.array([0.0, 0.0, 0.2]))
    assert turned[2] == pytest.approx(1.0, abs=0.05)
    rows = np.column_stack([np.zeros((T, 2)), wrap(3.0 + 0.2 * np.arange(1, T + 1))])
    chunk = Chunk(rows, DT, 0.0, np.array([0.0, 0.0, 3.0]))
    yaws = np.unwrap([chunk.at(t, se2.arc)[2] for t in np.arange(0.0, T * DT, 0.02)])
    np.testing.assert_allclose(np.diff(yaws), 0.02, atol=1e-6)


def test_limits_keep_the_curvature() -> None:
    wanted = command(arc(1.2, 1.2), 0.0, np.zeros(3))
    assert wanted[0] == pytest.approx(0.6)
    assert wanted[2] / wanted[0] == pytest.approx(1.0, abs=0.05)


def test_refuses_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="not finite"):
        TrajectoryTracker(DIFF).command(np.array([0.1, np.nan, 0.0]))
