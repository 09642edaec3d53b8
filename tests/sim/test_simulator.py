"""The simulator as a whole: repeatable, and with many robots."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from vlingnav_policy.se2 import relative
from vlingnav_sim import scene
from vlingnav_sim.house import generate
from vlingnav_sim.house.model import House
from vlingnav_sim.robots import DIFF, OMNI, CameraConfig, OdometryConfig
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]


def test_the_same_seed_gives_the_same_run() -> None:
    house = generate(3)
    robots = (
        dataclasses.replace(
            DIFF,
            camera=CameraConfig(noise_std=3.0, drop_probability=0.2),
            odometry=OdometryConfig(0.02, 0.02, 0.02),
        ),
        OMNI,
    )
    starts = np.array([[*house.people[0].path[0], 0.3], [*house.people[1].path[1], 2.0]])

    def run(seed: int) -> list[np.ndarray]:
        with Simulator(house, robots, seed=seed) as sim:
            sim.reset(starts)
            record = []
            for k in range(40):
                sim.step([[0.5, 0.0, math.sin(k)], [0.3, 0.2, math.cos(k)]], 0.05)
                record += [sim.pose(0), sim.pose(1), sim.people(), sim.scan(1).ranges]
            observation = sim.observe(0)
            return [*record, observation.rgb, observation.depth, observation.odometry.pose]

    one, again, other = run(7), run(7), run(8)
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one[2], other[2])


def test_four_robots_in_one_house(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (DIFF, OMNI, DIFF, OMNI)) as sim:
        starts = np.array([[-1.5, 1.0, 0.0], [1.5, 1.0, math.pi], [-1.5, -1.0, 0.0], [1.5, -1.0, math.pi]])
        sim.reset(starts)
        for robot in range(4):
            np.testing.assert_allclose(sim.pose(robot), sim.observe(robot).odometry.pose)
            assert (sim.labels(robot) == scene.ROBOT).any()
        commands = np.array([[0.2, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.3, 0.0]])
        sim.step(commands, 1.0)
        moved = [np.abs(relative(starts[r], sim.pose(r))) > 0.05 for r in range(4)]
        np.testing.assert_array_equal(moved, commands != 0.0)
        assert [sim.collisions(r) for r in range(4)] == [0, 0, 0, 0]
