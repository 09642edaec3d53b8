"""Lidar, odometry and camera, against geometry, and their faults."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_sim import scene
from vlingnav_sim.house.model import House, Person
from vlingnav_sim.robots import DIFF, OMNI, CameraConfig, LidarConfig, OdometryConfig, RobotConfig
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]
Drive = Callable[..., np.ndarray]


def with_camera(**options) -> RobotConfig:
    return dataclasses.replace(DIFF, camera=CameraConfig(**options))


def test_lidar_ranges_are_those_of_the_room(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[1.0, -0.5, 0.7]])
        scan = sim.scan()
        angles = 0.7 + scan.angle_min + scan.angle_increment * np.arange(180)
        with np.errstate(divide="ignore"):
            to_x = np.where(np.cos(angles) > 0, 3.0 - 1.0, -3.0 - 1.0) / np.cos(angles)
            to_y = np.where(np.sin(angles) > 0, 2.0 + 0.5, -2.0 + 0.5) / np.sin(angles)
        np.testing.assert_allclose(scan.ranges, np.minimum(to_x, to_y), atol=1e-4)
        points = scan.points()
        assert points.shape == (180, 2)
        c, s = math.cos(0.7), math.sin(0.7)
        world = points @ np.array([[c, s], [-s, c]]) + [1.0, -0.5]
        np.testing.assert_allclose(np.abs(world / [3.0, 2.0]).max(axis=1), 1.0, atol=1e-3)


def test_lidar_sees_items_people_and_robots_but_not_itself(make_room: MakeRoom) -> None:
    still = Person(0, "red", "blue", ((0.0, 1.5), (0.0, 1.5001)), 0.001)
    with Simulator(make_room(boxes=[(1.0, 0.0)], people=[still]), (DIFF, OMNI)) as sim:
        sim.reset([[0.0, 0.0, 0.0], [0.0, -1.2, 0.0]])
        ranges = sim.scan().ranges
        assert ranges[90] == pytest.approx(0.8, abs=1e-4)  # the box, ahead
        assert ranges[135] == pytest.approx(1.5 - scene.PERSON_RADIUS, abs=0.01)  # the person, at the left
        assert ranges[45] == pytest.approx(1.2 - OMNI.hull[1], abs=0.01)  # the other robot, at the right
        assert ranges[0] == pytest.approx(3.0, abs=1e-4)


def test_lidar_range_rate_and_noise(make_room: MakeRoom) -> None:
    short = dataclasses.replace(DIFF, lidar=LidarConfig(range_max=1.5))
    noisy = dataclasses.replace(DIFF, lidar=LidarConfig(noise_std=0.02))
    with Simulator(make_room(), (short, noisy, DIFF)) as sim:
        sim.reset([[-0.5, 0.0, 0.0], [1.0, 0.0, 0.0], [-2.0, 0.0, 0.0]])
        assert np.isinf(sim.scan(0).ranges[60]) and len(sim.scan(0).points()) < 180
        errors = sim.scan(1).ranges[80:100] - 2.0 / np.cos(
            sim.scan(1).angle_min + math.tau / 180 * np.arange(80, 100)
        )
        assert 0.005 < errors.std() < 0.04
        first = sim.scan(2)
        sim.step(np.zeros((3, 3)), 0.05)
        assert sim.scan(2) is first  # 10 Hz
        sim.step(np.zeros((3, 3)), 0.05)
        assert sim.scan(2).stamp == pytest.approx(0.1)


def test_odometry_is_true_unless_drift_is_asked_for(make_room: MakeRoom, drive: Drive) -> None:
    drifting = dataclasses.replace(
        DIFF, odometry=OdometryConfig(translation_std=0.05, yaw_std=0.05, veer_std=0.05)
    )
    with Simulator(make_room(), (DIFF, drifting)) as sim:
        sim.reset([[-2.0, 1.0, 0.0], [-2.0, -1.0, 0.0]])
        drive(sim, [0.5, 0.0, 0.3], 3.0)
        np.testing.assert_array_equal(sim.observe(0).odometry.pose, sim.pose(0))
        np.testing.assert_array_equal(sim.observe(0).odometry.velocity, sim.velocity(0))
        off = np.abs(sim.observe(1).odometry.pose - sim.pose(1))
        assert 1e-3 < np.hypot(*off[:2]) < 0.5 and 1e-3 < off[2] < 0.5


def test_noise_and_exposure_change_the_picture_only_when_asked_for(make_room: MakeRoom) -> None:
    dark = with_camera(exposure_range=(0.5, 0.5))
    noisy = with_camera(noise_std=8.0)
    images = []
    for robot in (DIFF, dark, noisy):
        with Simulator(make_room(), (robot,)) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            images.append(sim.observe().rgb.astype(float))
    clean, dim, grainy = images
    np.testing.assert_allclose(dim, 0.5 * clean, atol=1.0)
    assert 4.0 < (grainy - clean).std() < 12.0


def test_an_image_is_as_old_as_the_latency(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (with_camera(latency_s=0.1),)) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        ages, yaws = [], []
        for _ in range(8):
            observation = sim.observe()
            ages.append(sim.time - observation.stamp)
            yaws.append(observation.odometry.pose[2])
            sim.step([[0.0, 0.0, 1.0]], 0.05)
        np.testing.assert_allclose(ages[2:], 0.1, atol=1e-9)
        assert (np.diff(yaws[2:]) > 0).all() and yaws[-1] < sim.pose()[2] - 0.1


def test_a_lost_frame_repeats_the_last_with_its_old_stamp(make_room: MakeRoom) -> None:
    def stamps(robot: RobotConfig) -> tuple[list[float], list[np.ndarray]]:
        with Simulator(make_room(), (robot,), seed=1) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            seen = []
            for _ in range(40):
                seen.append(sim.observe())
                sim.step([[0.0, 0.0, 1.0]], 0.05)
            return [o.stamp for o in seen], [o.rgb for o in seen]

    kept, _ = stamps(DIFF)
    np.testing.assert_allclose(kept, 0.05 * np.arange(40), atol=1e-9)
    lossy, images = stamps(with_camera(drop_probability=0.4))
    repeated = np.flatnonzero(np.diff(lossy) == 0.0)
    assert 8 <= len(repeated) <= 24
    assert all(np.array_equal(images[i], images[i + 1]) for i in repeated)
    fresh = np.flatnonzero(np.diff(lossy) > 0.0)
    assert all(not np.array_equal(images[i], images[i + 1]) for i in fresh[5:])


def test_sensors_answer_the_same_when_asked_twice(make_room: MakeRoom) -> None:
    robot = dataclasses.replace(DIFF, camera=CameraConfig(noise_std=5.0), lidar=LidarConfig(noise_std=0.01))
    with Simulator(make_room(), (robot,)) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        assert sim.observe() is sim.observe()
        assert sim.scan() is sim.scan()
