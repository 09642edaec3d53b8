"""Motion of the robots, against arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy.se2 import relative
from vlingnav_sim.house.model import House
from vlingnav_sim.robots import DIFF, OMNI, RobotConfig
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]
Drive = Callable[..., np.ndarray]


@pytest.mark.parametrize("robot", [DIFF, OMNI], ids=["diff", "omni"])
def test_velocity_and_acceleration_limits_hold(make_room: MakeRoom, robot: RobotConfig) -> None:
    with Simulator(make_room(), (robot,)) as sim:
        sim.reset([[-1.0, 0.0, 0.0]])
        velocities = [np.zeros(3)]
        for command in ([9.0, 9.0, 9.0], [-9.0, -9.0, -9.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
            for _ in range(60):
                sim.step([command], 0.01)
                velocities.append(sim.velocity())
        velocities = np.array(velocities)
        limits = robot.limits
        assert (np.abs(velocities) <= np.array(limits.velocity) + 1e-6).all()
        assert (np.abs(np.diff(velocities, axis=0)) <= 0.01 * np.array(limits.acceleration) + 1e-6).all()
        # They are reached, too.
        assert velocities[:, 0].max() > 0.99 * min(limits.velocity[0], 0.6 * limits.acceleration[0])
        assert np.abs(np.diff(velocities[:, 2])).max() > 0.99 * 0.01 * limits.acceleration[2]


def test_a_differential_drive_never_moves_sideways(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(), (DIFF,)) as diff, Simulator(make_room(), (OMNI,)) as omni:
        for sim in (diff, omni):
            sim.reset([[-1.0, -1.0, 0.3]])
        poses = [diff.pose()]
        for _ in range(100):
            diff.step([[0.5, 0.6, 1.2]], 0.01)
            poses.append(diff.pose())
        poses = np.array(poses)
        middle = poses[:-1].copy()
        middle[:, 2] += 0.5 * np.diff(np.unwrap(poses[:, 2]))
        sideways = relative(middle, poses[1:])[:, 1]
        assert np.abs(sideways).max() < 1e-9
        assert np.abs(drive(diff, [0.5, 0.6, 1.2], 0.5)[:, 1]).max() < 1e-9
        assert drive(omni, [0.5, 0.6, 1.2], 0.5)[-1, 1] == pytest.approx(0.6)


def test_commands_are_in_the_frame_of_the_robot(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(), (OMNI,)) as sim:
        sim.reset([[0.0, 0.0, math.pi / 2]])
        drive(sim, [0.0, 0.4, 0.0], 1.0)
        x, y, yaw = sim.pose()
        assert x < -0.3 and abs(y) < 1e-6 and yaw == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("commands", "duration", "message"),
    [
        ([[math.nan, 0.0, 0.0]], 0.05, "commands must be finite"),
        ([[0.0, math.inf, 0.0]], 0.05, "commands must be finite"),
        ([0.0, 0.0, 0.0], 0.05, r"commands must be \(1, 3\)"),
        ([[0.0, 0.0]], 0.05, r"commands must be \(1, 3\)"),
        ([[0.0, 0.0, 0.0]], 0.0, "positive multiple of 0.01"),
        ([[0.0, 0.0, 0.0]], 0.015, "positive multiple of 0.01"),
        ([[0.0, 0.0, 0.0]], math.nan, "positive multiple of 0.01"),
    ],
)
def test_bad_commands_are_refused_and_change_nothing(
    make_room: MakeRoom, commands, duration, message
) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        with pytest.raises(ValueError, match=message):
            sim.step(commands, duration)
        assert sim.time == 0.0 and (sim.pose() == 0.0).all()


def test_time_counts_steps_and_starts_again(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        drive(sim, [0.1, 0.0, 0.0], 30.0)
        assert sim.time == pytest.approx(30.0, abs=1e-9)
        sim.reset([[0.0, 0.0, 0.0]])
        assert sim.time == 0.0
        np.testing.assert_array_equal(sim.velocity(), 0.0)
        drive(sim, [0.0, 0.0, 0.0], 0.1)
        np.testing.assert_allclose(sim.pose(), 0.0, atol=1e-9)
