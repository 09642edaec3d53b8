"""Collisions: what counts as one, and starts that would be one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_sim.house import generate
from vlingnav_sim.house.model import House
from vlingnav_sim.robots import DIFF, OMNI
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]
Drive = Callable[..., np.ndarray]


def test_a_lasting_touch_is_one_collision(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[2.0, 0.0, 0.0]])
        assert sim.collisions() == 0
        drive(sim, [0.6, 0.0, 0.0], 4.0)
        assert sim.collisions() == 1
        assert sim.pose()[0] == pytest.approx(3.0 - DIFF.radius, abs=0.01)  # the wall holds
        drive(sim, [-0.6, 0.0, 0.0], 1.5)
        drive(sim, [0.6, 0.0, 0.0], 2.0)
        assert sim.collisions() == 2
        sim.reset([[2.0, 0.0, 0.0]])
        assert sim.collisions() == 0


def test_touching_again_at_once_is_the_same_collision(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[2.6, 0.0, 0.0]])
        drive(sim, [0.6, 0.0, 0.0], 1.0)
        apart = 0
        for _ in range(4):
            for command in (-0.1, 0.1):
                for _ in range(15):
                    sim.step([[command, 0.0, 0.0]], 0.01)
                    apart += sim.data.ncon == 0
        assert apart > 0  # it did let go in between
        assert sim.collisions() == 1


def test_driving_freely_is_no_collision(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(boxes=[(1.0, 0.0)])) as sim:
        sim.reset([[0.0, 0.0, math.pi]])
        drive(sim, [0.5, 0.0, 0.2], 2.0)
        assert sim.collisions() == 0


def test_robots_collide_with_each_other_and_with_items(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(boxes=[(-1.5, 0.0)]), (DIFF, OMNI)) as sim:
        sim.reset([[0.0, 0.0, 0.0], [1.5, 0.0, math.pi]])
        drive(sim, [0.5, 0.0, 0.0], 3.0)
        assert sim.collisions(0) == 1 and sim.collisions(1) == 1
        sim.reset([[0.0, 0.0, math.pi], [2.0, 1.0, 0.0]])
        drive(sim, [0.5, 0.0, 0.0], 3.0)
        assert sim.collisions(0) == 1


@pytest.mark.parametrize(
    ("pose", "what"),
    [([2.9, 0.0, 0.0], "a wall"), ([1.1, 0.0, 0.0], "the red box"), ([-1.0, 0.1, 0.0], "robot 1")],
)
def test_a_start_in_collision_is_refused_by_name(make_room: MakeRoom, pose, what: str) -> None:
    with Simulator(make_room(boxes=[(1.0, 0.0)]), (DIFF, DIFF)) as sim:
        with pytest.raises(ValueError, match=f"robot 0 cannot start at .* would stand in {what}"):
            sim.reset([pose, [-1.0, 0.0, 0.0]])
        sim.reset([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])


def test_looking_for_contacts_only_nearby_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = generate(3)
    start = [[*house.people[0].path[0], 0.3], [*house.people[1].path[0], 0.3]]

    def run(sim: Simulator) -> tuple[list[np.ndarray], list[int], int]:
        sim.reset(start)
        rng, poses, looked = np.random.default_rng(0), [], 0
        for _ in range(400):
            sim.step(np.column_stack([np.full(2, 0.5), np.zeros(2), rng.uniform(-1.0, 1.0, 2)]), 0.05)
            poses += [sim.pose(0), sim.pose(1), sim.people()]
            looked += sim.model.opt.disableflags == 0
        return poses, [sim.collisions(0), sim.collisions(1)], looked

    with Simulator(house, (DIFF, OMNI)) as sim:
        sparing = run(sim)
        monkeypatch.setattr(sim._contacts, "look_out", lambda *_: None)
        always = run(sim)
    for a, b in zip(sparing[0], always[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert sparing[1] == always[1] and sum(always[1]) > 0
    assert 0 < sparing[2] < always[2] == 400
