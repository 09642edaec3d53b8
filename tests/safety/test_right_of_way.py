"""Two robots that meet: both keep right, one backs off where two cannot pass, and nothing is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlingnav_safety import (
    FilterConfig,
    LidarBarrierFilter,
    Limits,
    NeighbourConfig,
    Neighbours,
    NeighbourTracker,
    Obstacles,
    Report,
    State,
)

LIMITS = Limits((0.6, 0.0, 1.5), (1.5, 0.0, 6.0))
STEP, PERIOD, RADIUS = np.array(LIMITS.acceleration) * 0.05, 0.05, 0.18


class Robot:
    """A differential drive whose driver goes to `goal` in line with the door at 0, and knows of no robots."""

    def __init__(self, start: tuple[float, float, float], goal: tuple[float, float], config: FilterConfig):
        self.pose, self.velocity, self.goal = np.array(start), np.zeros(3), np.array(goal)
        self.safe, self.ears = LidarBarrierFilter(config, LIMITS), NeighbourTracker(NeighbourConfig())
        self.report, self.reasons = Report("pass"), set[str]()

    def desired(self) -> np.ndarray:
        way = self.goal - self.pose[:2]
        if np.hypot(*way) < 0.2:
            return np.zeros(3)
        x, y, _ = self.pose
        if x * self.goal[0] < 0.0 and abs(x) > 0.3 and abs(y) > 0.1:
            way = np.array([np.copysign(0.7, x), 0.0]) - self.pose[:2]
        error = float(np.angle(np.exp(1j * (np.arctan2(way[1], way[0]) - self.pose[2]))))
        return np.array([0.5 * max(0.0, np.cos(error)) ** 4, 0.0, np.clip(2.0 * error, -1.2, 1.2)])

    def step(self, hits: np.ndarray, now: float) -> None:
        state = State(self.pose.copy(), self.velocity.copy(), now)
        command, self.report = self.safe.filter(
            state, self.desired(), self.ears.at(now), Obstacles(hits, now), now
        )
        self.reasons.add(" ".join(self.report.reason.split()[:2]))
        self.velocity = self.velocity + np.clip(command - self.velocity, -STEP, STEP)
        middle, v = self.pose[2] + 0.025 * self.velocity[2], self.velocity[0]
        self.pose = self.pose + PERIOD * np.array([v * np.cos(middle), v * np.sin(middle), self.velocity[2]])


def meet(
    kinematics: Any, walls: np.ndarray, robots: list[Robot], seconds: float = 40.0
) -> tuple[float, float]:
    """Until both are there: the smallest clearance [m] from walls and each other, and the time taken [s]."""
    hull, closest = np.array([[0.0, 0.0, RADIUS]]), np.inf
    for tick in range(round(seconds / PERIOD)):
        now = tick * PERIOD
        for me, other in (robots, robots[::-1]):
            v, yaw = other.velocity[0], other.pose[2]
            velocity = v * np.array([np.cos(yaw), np.sin(yaw)])
            assert not me.ears.hear("other", other.pose[:2].copy(), velocity, 0.0, now, now)
        for me, other in (robots, robots[::-1]):
            seen = kinematics.World(walls, np.array([[*other.pose[:2], 0.0, 0.0, RADIUS]]))
            closest = min(closest, seen.clearance(me.pose, hull))
            me.step(seen.scan(me.pose), now)
        if all(np.hypot(*(robot.goal - robot.pose[:2])) < 0.25 for robot in robots):
            return closest, now
    return closest, seconds


def facing(config: FilterConfig) -> list[Robot]:
    return [Robot((-2.0, 0.0, 0.0), (2.0, 0.0), config), Robot((2.0, 0.0, np.pi), (-2.0, 0.0), config)]


def corridor(kinematics: Any, width: float) -> np.ndarray:
    return kinematics.box(0.0, 0.0, 6.0, width)


def test_in_a_corridor_wide_enough_two_pass_each_other_on_the_right(kinematics: Any) -> None:
    robots = facing(FilterConfig(delay=0.0, right_of_way=True))
    closest, seconds = meet(kinematics, corridor(kinematics, 1.6), robots)
    assert closest > 0.0 and seconds < 25.0
    assert all("keeping to" in robot.reasons for robot in robots)


def test_without_it_they_stand_for_ever(kinematics: Any) -> None:
    robots = facing(FilterConfig(delay=0.0))
    closest, seconds = meet(kinematics, corridor(kinematics, 1.6), robots, 20.0)
    assert closest > 0.0 and seconds == 20.0
    assert all(abs(robot.velocity[0]) < 0.02 and robot.report.status != "pass" for robot in robots)
    assert robots[1].pose[0] - robots[0].pose[0] < 2.0 * RADIUS + 0.3


def doorway(kinematics: Any) -> np.ndarray:
    """Two rooms of 4 m by 3 m, and a way 0.8 m wide and 0.4 m long from one to the other."""
    room = kinematics.polyline(
        (-0.2, 0.4), (-0.2, 1.5), (-4.2, 1.5), (-4.2, -1.5), (-0.2, -1.5), (-0.2, -0.4)
    )
    jambs = [kinematics.polyline((-0.2, y), (0.2, y)) for y in (-0.4, 0.4)]
    return np.concatenate([room, room * [-1.0, 1.0], *jambs])


@pytest.mark.parametrize("head_start", [0.0, 0.5])
def test_in_a_door_who_goes_west_backs_off(kinematics: Any, head_start: float) -> None:
    """With a head start it is in the door when the other comes, and leaves it again."""
    robots = facing(FilterConfig(delay=0.0, right_of_way=True))
    robots[1].pose[0] -= head_start
    closest, seconds = meet(kinematics, doorway(kinematics), robots, 60.0)
    assert closest > 0.0 and seconds < 60.0
    assert "giving way" in robots[1].reasons and "giving way" not in robots[0].reasons


def test_a_robot_whose_driver_stands_is_not_moved(kinematics: Any) -> None:
    robots = facing(FilterConfig(delay=0.0, right_of_way=True))
    robots[1].goal = np.array([0.5, 0.0])
    robots[1].pose[0] = 0.5
    closest, seconds = meet(kinematics, corridor(kinematics, 1.6), robots)
    assert closest > 0.0 and seconds < 30.0
    assert robots[1].pose == pytest.approx([0.5, 0.0, np.pi])


def test_robots_without_names_are_met_too() -> None:
    safe = LidarBarrierFilter(FilterConfig(delay=0.0, right_of_way=True), LIMITS)
    other = Neighbours(
        np.array([[0.8, 0.0]]),
        np.array([[-0.3, 0.0]]),
        np.array([RADIUS]),
        acceleration=1.5,
        top=0.6,
        brakes=True,
    )
    command, report = safe.filter(
        State(np.zeros(3), np.zeros(3), 0.0),
        np.array([0.3, 0.0, 0.0]),
        other,
        Obstacles(np.zeros((0, 2)), 0.0),
        0.0,
    )
    assert command[2] < 0.0 and report.constraint == "neighbour 0" and "right" in report.reason


@pytest.mark.parametrize("on", [True, False])
def test_it_backs_off_before_a_person_who_waits_in_a_narrow_way(kinematics: Any, on: bool) -> None:
    safe = LidarBarrierFilter(FilterConfig(delay=0.0, right_of_way=on), LIMITS)
    world = kinematics.World(kinematics.box(0.0, 0.0, 8.0, 0.8))
    person = Neighbours(np.array([[0.9, 0.0]]), np.zeros((1, 2)), np.array([0.25]), top=1.5, person=True)
    pose, velocity, reasons = np.zeros(3), np.zeros(3), set()
    for tick in range(160):
        now = tick * PERIOD
        state = State(pose.copy(), velocity.copy(), now)
        hits = Obstacles(world.scan(pose), now)
        command, report = safe.filter(state, np.array([0.4, 0.0, 0.0]), person, hits, now)
        reasons.add(report.reason)
        velocity = velocity + np.clip(command - velocity, -STEP, STEP)
        middle = pose[2] + 0.025 * velocity[2]
        pose = pose + PERIOD * np.array(
            [velocity[0] * np.cos(middle), velocity[0] * np.sin(middle), velocity[2]]
        )
    assert (pose[0] < -0.1) == on
    assert ("giving way to person 0" in reasons) == on
