"""People walk their routes, wait for robots, and turn back in the end."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_sim.house.model import House, Leader, Person
from vlingnav_sim.people_motion import LEADER_REACH, PATIENCE_S, REACH, Walker
from vlingnav_sim.robots import DIFF
from vlingnav_sim.scene import PERSON_RADIUS
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]
Drive = Callable[..., np.ndarray]


def walker(speed: float = 1.0) -> Person:
    return Person(0, "red", "blue", ((-2.0, 0.0), (2.0, 0.0)), speed)


def test_a_person_walks_the_route_at_the_given_speed(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker(0.8)])) as sim:
        sim.reset([[0.0, -1.7, 0.0]])
        places = []
        for _ in range(600):
            sim.step([[0.0, 0.0, 0.0]], 0.02)
            places.append(sim.people()[0])
        places = np.array(places)
        np.testing.assert_allclose(places[:, 1], 0.0, atol=1e-9)
        assert places[:, 0].min() < -1.95 and places[:, 0].max() > 1.95
        speeds = np.hypot(places[:, 2], places[:, 3])
        assert speeds.max() == pytest.approx(0.8) and np.median(speeds) == pytest.approx(0.8)
        assert np.abs(np.diff(places[:, 0])).max() <= 0.8 * 0.02 + 1e-9  # turns on the spot, never jumps
        assert (np.abs(sim.data.mocap_pos[0, :2] - places[-1, :2]) < 1e-9).all()


def until_the_person_waits(sim: Simulator, drive: Drive) -> None:
    for _ in range(400):
        drive(sim, [0.0, 0.0, 0.0], 0.05)
        x, _, vx, vy = sim.people()[0]
        if (vx, vy) == (0.0, 0.0) and abs(x) < 1.5:  # not just turning at an end of the route
            return
    pytest.fail("the person never waited for the robot")


def test_a_person_waits_for_a_robot_and_in_the_end_turns_back(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(people=[walker()])) as sim:
        sim.reset([[0.0, 0.0, math.pi / 2]])
        until_the_person_waits(sim, drive)
        waiting = sim.people()[0]
        assert 0.55 < abs(waiting[0]) - DIFF.radius < 0.65
        drive(sim, [0.0, 0.0, 0.0], 0.8 * PATIENCE_S)
        np.testing.assert_array_equal(sim.people()[0], waiting)
        drive(sim, [0.0, 0.0, 0.0], PATIENCE_S)
        assert abs(sim.people()[0, 0]) > abs(waiting[0]) + 0.3
        drive(sim, [0.0, 0.0, 0.0], 10.0)
        assert sim.collisions() == 0


def test_a_person_who_turns_about_beside_a_robot_does_not_walk_into_it() -> None:
    """At the end of a route one walks on before one has turned: what is ahead is where one goes."""
    robot = (0.33, 0.36, DIFF.radius)
    person = Walker(Person(0, "red", "blue", ((0.0, 0.0), (0.0, 2.0)), 0.8), 0.005 / 4.0)
    for _ in range(2000):
        person.step(0.01, [robot])
        gap = math.hypot(person.x - robot[0], person.y - robot[1]) - DIFF.radius - PERSON_RADIUS
        assert gap > 0.04


def test_a_person_goes_on_when_the_robot_has_gone(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(people=[walker()])) as sim:
        sim.reset([[0.0, 0.0, math.pi / 2]])
        until_the_person_waits(sim, drive)
        side = math.copysign(1.0, sim.people()[0, 0])
        drive(sim, [0.6, 0.0, 0.0], 1.6)  # out of the way
        drive(sim, [0.0, 0.0, 0.0], 1.0)
        assert side * sim.people()[0, 0] < 0.3  # past where the robot stood, or nearly


def test_running_into_a_person_is_a_collision(make_room: MakeRoom, drive: Drive) -> None:
    with Simulator(make_room(people=[walker()])) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        until_the_person_waits(sim, drive)
        drive(sim, [math.copysign(0.6, sim.people()[0, 0]), 0.0, 0.0], 2.0)
        assert sim.collisions() == 1


def test_people_can_be_left_out(make_room: MakeRoom) -> None:
    with Simulator(make_room(people=[walker()]), people=False) as sim:
        assert sim.people().shape == (0, 4)
        assert len(sim.house.people) == 1


def test_a_leader_sets_out_from_the_beginning_and_waits_sooner(make_room: MakeRoom, drive: Drive) -> None:
    person = walker()
    leader = Leader(person.index, person.top, person.bottom, person.path, person.speed)
    waits = []
    for who in (person, leader):
        with Simulator(make_room(people=[who])) as sim:
            sim.reset([[0.0, 0.0, math.pi / 2]])
            if who is leader:
                assert tuple(sim.people()[0, :2]) == leader.path[0]
            until_the_person_waits(sim, drive)
            waits.append(abs(sim.people()[0, 0]) - DIFF.radius)
    assert waits == pytest.approx([REACH, LEADER_REACH], abs=0.05)
