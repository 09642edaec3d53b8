"""Robots that hear each other late, people, keep-out zones: what is promised about each, with and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
CONFIG = FilterConfig(delay=0.0)
EMPTY = np.zeros((0, 2))
STEP = np.array(LIMITS.acceleration) * 0.05


class Base:
    """A robot of a small world: a differential drive, its filter, and what it hears."""

    def __init__(self, start: np.ndarray, config: FilterConfig = CONFIG) -> None:
        self.pose, self.velocity = np.array(start, float), np.zeros(3)
        self.safe, self.ears = LidarBarrierFilter(config, LIMITS), NeighbourTracker(NeighbourConfig())
        self.report = Report("pass")

    def world_velocity(self) -> np.ndarray:
        return self.velocity[0] * np.array([np.cos(self.pose[2]), np.sin(self.pose[2])])

    def move(self, now: float, desired: np.ndarray, filtered: bool = True, around: Any = None) -> None:
        command = desired
        if filtered:
            state = State(self.pose.copy(), self.velocity.copy(), now)
            others = self.ears.at(now) if around is None else around
            command, self.report = self.safe.filter(state, desired, others, Obstacles(EMPTY, now), now)
        self.velocity = self.velocity + np.clip(command - self.velocity, -STEP, STEP)
        middle = self.pose[2] + 0.025 * self.velocity[2]
        self.pose += 0.05 * np.array(
            [self.velocity[0] * np.cos(middle), self.velocity[0] * np.sin(middle), self.velocity[2]]
        )


def meet(seed: int, filtered: bool) -> float:
    """Three robots that nobody's lidar sees, driven blindly at one another; the smallest distance [m]."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi) + np.arange(3) * 2.1
    robots = [Base(np.array([1.2 * np.cos(a), 1.2 * np.sin(a), a + np.pi])) for a in angle]
    heard: list[list[tuple[float, np.ndarray, np.ndarray]]] = [[] for _ in robots]
    late, closest = rng.uniform(0.0, 0.2, (3, 3)), np.inf
    commands = rng.uniform([0.2, 0.0, -1.0], [0.6, 0.0, 1.0], (3, 12, 3))
    for tick in range(120):
        now = 0.05 * tick
        for robot, log in zip(robots, heard, strict=True):
            log.append((now, robot.pose[:2].copy(), robot.world_velocity()))
        for i, robot in enumerate(robots):
            for j in range(3):
                known = [m for m in heard[j] if m[0] <= now - late[i, j]]
                if i != j and known:
                    stamp, position, velocity = known[-1]
                    assert not robot.ears.hear(f"robot{j}", position, velocity, 0.0, stamp, now)
        for i in rng.permutation(3):
            robots[i].move(now, commands[i, tick // 10], filtered)
        gaps = [
            np.hypot(*(robots[i].pose[:2] - robots[j].pose[:2])) - 0.36 for i, j in ((0, 1), (0, 2), (1, 2))
        ]
        closest = min(closest, *gaps)
    return float(closest)


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=10)
def test_robots_that_hear_each_other_late_never_touch(seed: int) -> None:
    """Without a server, a common beat, or lidar; messages are up to 0.2 s old."""
    assert meet(seed, filtered=True) > 0.0


def test_without_the_filter_they_do() -> None:
    assert sum(meet(seed, filtered=False) < 0.0 for seed in range(10)) >= 5


def approach(tick_to_heard: Any, seconds: float = 6.0, filtered: bool = True) -> tuple[Base, list[Report]]:
    """Drive at full speed at a robot 3 m ahead, of which `tick_to_heard(ears, now)` tells what is heard."""
    robot, reports = Base(np.zeros(3)), []
    for tick in range(round(seconds / 0.05)):
        tick_to_heard(robot.ears, 0.05 * tick)
        robot.move(0.05 * tick, np.array([0.6, 0.0, 0.0]), filtered)
        reports.append(robot.report)
    return robot, reports


def says(ears: NeighbourTracker, now: float, x: float = 3.0, vx: float = 0.0) -> str:
    return ears.hear("robot1", np.array([x, 0.0]), np.array([vx, 0.0]), 0.0, now, now)


def test_a_standing_neighbour_is_stopped_short_of_and_named() -> None:
    robot, reports = approach(says)
    assert 2.5 < robot.pose[0] < 3.0 - 0.36
    assert reports[-1].constraint == "robot1" and "robot1" in reports[-1].reason and reports[-1].gain > 0.0
    alone, _ = approach(lambda ears, now: None)
    assert alone.pose[0] > 3.0, "unheard and unseen it is driven through"


def test_a_silent_neighbour_is_kept_away_from_until_it_is_forgotten() -> None:
    """After 1 s of silence it may have come to within 2.4 m; after five nobody waits for it any more."""
    robot, reports = approach(lambda ears, now: says(ears, now) if now < 0.5 else "", seconds=5.0)
    assert robot.velocity[0] <= 1e-9 and robot.pose[0] < 1.5
    assert "silent for" in reports[-1].reason and reports[-1].constraint.startswith("robot1")
    robot, reports = approach(lambda ears, now: says(ears, now) if now < 0.5 else "", seconds=7.0)
    assert reports[-1].status == "pass" and robot.velocity[0] > 0.3
    assert approach(lambda ears, now: None, filtered=False)[0].pose[0] > 3.0, "unfiltered nobody waits at all"


@pytest.mark.parametrize(
    "lie,why",
    [
        (lambda ears, now: says(ears, now, x=3.0 + 50.0 * (now > 1.0)), "jumped"),
        (lambda ears, now: says(ears, now, x=3.0 if now < 1.0 else np.nan), "not finite"),
        (
            lambda ears, now: ears.hear(
                "robot1", np.array([3.0, 0.0]), np.zeros(2), 0.0, now + 9.0 * (now > 1.0), now
            ),
            "ahead",
        ),
        (
            lambda ears, now: ears.hear(
                "robot1", np.array([3.0, 0.0]), np.zeros(2), 0.0, now - 9.0 * (now > 1.0), now
            ),
            "its clock went back",
        ),
        (
            lambda ears, now: ears.hear("robot1", np.array([3.0, 0.0]), np.zeros(2), 0.0, now - 9.0, now),
            "what it says is 9.0 s old",
        ),
    ],
)
def test_a_neighbour_that_cannot_be_believed_may_be_anywhere(lie: Any, why: str) -> None:
    """For as long as it talks: one that lies is not one that was switched off."""
    robot, reports = approach(lie, seconds=9.0)
    assert robot.pose[0] < 2.0 and robot.velocity[0] <= 1e-9
    assert why in reports[-1].reason and reports[-1].constraint.startswith("robot1")
    assert approach(lie, filtered=False)[0].pose[0] > 3.0, "unfiltered it is driven through"


def test_a_clock_that_is_set_anew_makes_old_news_no_news() -> None:
    """Back by 90 s, as when a simulation begins again: what was said before is not of the future."""
    ears = NeighbourTracker(NeighbourConfig(), ("robot1",))
    assert ears.unheard(100.0) == {"robot1": "not heard yet"}
    ears.hear("robot1", np.array([3.0, 0.0]), np.zeros(2), 0.0, 100.0, 100.0)
    assert not ears.unheard(100.0)
    assert ears.unheard(10.0) and not len(ears.at(10.0).position)
    ears.hear("robot1", np.array([1.0, 0.0]), np.zeros(2), 0.0, 10.0, 10.0)
    heard = ears.at(10.0)
    assert heard.position.tolist() == [[1.0, 0.0]] and np.all(heard.age == 0.0) and not ears.unheard(10.0)


def test_a_clock_that_jumps_ahead_lets_nobody_be_forgotten() -> None:
    """By more than `memory`: it is not silence, and the robots must be heard again."""
    ears = NeighbourTracker(NeighbourConfig(), ("robot1",))
    says(ears, 1.0)
    assert not ears.unheard(1.05) and len(ears.at(1.05).position) == 1
    assert ears.unheard(60.0) == {"robot1": "not heard yet"}
    says(ears, 60.0)
    assert not ears.unheard(60.05)
    for tick in range(120):  # this is silence
        ears.at(60.05 + 0.05 * tick)
    assert not len(ears.at(66.05).position) and not ears.unheard(66.05), "heard, and forgotten"
    assert ears.forgotten(66.05) == ("robot1",)


def test_one_that_was_never_believed_has_not_been_heard() -> None:
    ears = NeighbourTracker(NeighbourConfig(), ("robot1",))
    says(ears, 1.0, x=np.nan)
    assert ears.unheard(1.0) == {"robot1": "says numbers that are not finite"}


def test_a_neighbour_counts_as_fast_as_it_moves_whatever_it_says() -> None:
    ears = NeighbourTracker(NeighbourConfig())
    for tick in range(10):
        says(ears, 0.05 * tick, x=3.0 - 0.5 * 0.05 * tick, vx=0.0)
    assert np.hypot(*ears.at(0.45).velocity[0]) == pytest.approx(0.5)


def person(x: float, vx: float) -> Neighbours:
    return Neighbours(np.array([[x, 0.6]]), np.array([[vx, 0.0]]), np.array([0.25]), person=True)


def test_slow_beside_people() -> None:
    """It passes a person at 0.6 m at walking-frame speed, and at full speed when that is switched off."""
    speeds = {}
    for limit in (0.3, 0.6):
        robot = Base(np.array([-2.0, -0.2, 0.0]), FilterConfig(delay=0.0, people_speed=limit))
        fastest = 0.0
        for tick in range(160):
            robot.move(0.05 * tick, np.array([0.6, 0.0, 0.0]), around=person(0.0, 0.0))
            near = np.hypot(*(robot.pose[:2] - [0.0, 0.6])) - 0.25 - 0.18 < 1.15
            if near:
                fastest = max(fastest, float(robot.velocity[0]))
                assert limit == 0.6 or robot.report.constraint == "people"
        assert robot.pose[0] > 0.3
        speeds[limit] = fastest
    assert speeds[0.3] <= 0.3 + 1e-6 < speeds[0.6]


def test_a_person_who_comes_is_met_standing() -> None:
    """Towards the robot at 1 m/s: it stands, and says for whom, before the person is there."""
    robot = Base(np.array([0.0, 0.6, 0.0]))
    for tick in range(60):
        now = 0.05 * tick
        x = 3.0 - now
        robot.move(now, np.array([0.6, 0.0, 0.0]), around=person(x, -1.0))
        if x - robot.pose[0] < 0.43:
            assert robot.velocity[0] < 1e-6
            return
        if tick > 20:
            assert robot.report.constraint in {"person 0", "people"}
    pytest.fail("they did not meet")


ZONE = ((1.5, -1.0), (2.5, -1.0), (2.5, 1.0), (1.5, 1.0))


@pytest.mark.parametrize("yaw", [0.0, 0.4])
def test_keep_out_zones_are_not_entered(yaw: float) -> None:
    for zones in ((ZONE,), ()):
        robot, entered = Base(np.array([0.0, 0.0, yaw]), FilterConfig(delay=0.0, keep_out=zones)), False
        for tick in range(120):
            robot.move(0.05 * tick, np.array([0.6, 0.0, 0.0]))
            away = np.abs(robot.pose[:2] - [2.0, 0.0]) - [0.5, 1.0]
            entered |= bool(np.hypot(*np.maximum(away, 0.0)) < 0.18)
            assert robot.report.constraint in {"", "limits", "keep-out 0"}
        assert entered == (not zones)


@pytest.mark.parametrize("speed", [3.0, 5.0])
def test_fast_robots_see_a_keep_out_zone_early_enough(speed: float) -> None:
    """5 m/s takes 8 m to stop: an edge matters from as far as that."""
    zone = ((20.0, -9.0), (30.0, -9.0), (30.0, 9.0), (20.0, 9.0))
    limits = Limits((speed, 0.0, 1.5), (1.5, 0.0, 6.0))
    for zones in ((zone,), ()):
        safe = LidarBarrierFilter(FilterConfig(delay=0.0, keep_out=zones), limits)
        x, v = 0.0, 0.0
        for tick in range(300):
            state = State(np.array([x, 0.0, 0.0]), np.array([v, 0.0, 0.0]), 0.05 * tick)
            command, _ = safe.filter(
                state, np.array([speed, 0.0, 0.0]), Neighbours(), Obstacles(EMPTY, 0.05 * tick), 0.05 * tick
            )
            v += float(np.clip(command[0] - v, -0.075, 0.075))
            x += 0.05 * v
        assert (x + 0.18 > 20.0) == (not zones)
        assert not zones or x > 19.5


def test_inside_a_keep_out_zone_it_does_not_drive() -> None:
    robot = Base(np.array([2.0, 0.0, 0.0]), FilterConfig(keep_out=(ZONE,)))
    robot.move(0.0, np.array([0.6, 0.0, 0.0]))
    assert robot.report.status == "brake" and "inside keep-out 0" in robot.report.reason
    with pytest.raises(ValueError, match="three or more"):
        LidarBarrierFilter(FilterConfig(keep_out=(((0.0, 0.0), (1.0, 0.0)),)), LIMITS)
