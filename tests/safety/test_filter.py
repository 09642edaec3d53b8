"""The filter's contract, call by call: what is passed on, what is not, and what every bad input leads to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vlingnav_safety.filter as filter_module
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
from vlingnav_safety.qp import FAILED

LIMITS = Limits((0.6, 0.0, 1.5), (1.5, 0.0, 6.0))
FORWARD = np.array([0.6, 0.0, 0.0])
NAN = float("nan")


def around(distance: float = 3.0) -> np.ndarray:
    """A circle of 180 hits `(180, 2)`."""
    angle = np.linspace(-np.pi, np.pi, 180, endpoint=False)
    return distance * np.stack([np.cos(angle), np.sin(angle)], axis=1)


class Drive:
    """A robot that drives along x through a free world until an input goes bad; unfiltered for comparison.

    Its base obeys what is a command at all, within its limits, and else the last one that was.
    """

    def __init__(self, filtered: bool = True) -> None:
        self.safe, self.filtered = LidarBarrierFilter(FilterConfig(delay=0.0), LIMITS), filtered
        self.now, self.pose, self.velocity, self.obeyed = 0.0, np.zeros(3), np.zeros(3), np.zeros(3)

    def call(
        self, spoil: Callable[[dict[str, Any]], None] | None = None, periods: int = 1
    ) -> tuple[np.ndarray, Report]:
        """One command, in force for `periods`."""
        inputs: dict[str, Any] = {
            "state": State(self.pose.copy(), self.velocity.copy(), self.now),
            "desired": FORWARD.copy(),
            "neighbours": Neighbours(),
            "obstacles": Obstacles(around(), self.now),
            "now": self.now,
        }
        if spoil:
            spoil(inputs)
        command, report = inputs["desired"], Report("pass")
        if self.filtered:
            command, report = self.safe.filter(**inputs)
        if command is not None and np.isfinite(command).all():
            self.obeyed = np.clip(command, -np.array(LIMITS.velocity), LIMITS.velocity)
        change = np.array(LIMITS.acceleration) * 0.05
        for _ in range(periods):
            self.velocity = self.velocity + np.clip(self.obeyed - self.velocity, -change, change)
            self.pose = self.pose + self.velocity * 0.05
            self.now += 0.05
        return command, report

    def at_full_speed(self) -> Drive:
        """Get there."""
        while self.velocity[0] < 0.6 - 1e-9:
            assert self.call()[1].status == "pass"
        return self


def spoil_state(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda inputs: inputs.update(state=replace(inputs["state"], **fields))


def spoil_scan(points: Any) -> Callable[[dict[str, Any]], None]:
    return lambda inputs: inputs.update(obstacles=Obstacles(points, inputs["now"]))


def age(name: str, seconds: float) -> Callable[[dict[str, Any]], None]:
    return lambda inputs: inputs.update({name: replace(inputs[name], stamp=inputs["now"] - seconds)})


def clock(shown: Callable[[float], float]) -> Callable[[dict[str, Any]], None]:
    """All stamps and now by a clock that shows `shown(t)` at t [s]."""

    def spoil(inputs: dict[str, Any]) -> None:
        inputs["now"] = shown(inputs["now"])
        for name in ("state", "obstacles"):
            inputs[name] = replace(inputs[name], stamp=inputs["now"])

    return spoil


def jump(late: float) -> Callable[[dict[str, Any]], None]:
    """Odometry that is `late` and jumps by one metre a call."""

    def spoil(inputs: dict[str, Any]) -> None:
        state, now = inputs["state"], inputs["now"]
        inputs["state"] = replace(state, pose=state.pose + [20.0 * now, 0.0, 0.0], stamp=now - late)

    return spoil


BAD: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no scan": (lambda inputs: inputs.update(obstacles=None), "no scan"),
    "stale scan": (age("obstacles", 0.31), "scan is 0.31 s old"),
    "scan from the future": (age("obstacles", -5.0), "scan has no stamp of now"),
    "scan stamp NaN": (age("obstacles", NAN), "scan has no stamp of now"),
    "NaN hit": (spoil_scan(np.vstack([around(), [[NAN, 1.0]]])), "hits that are not finite"),
    "infinite hit": (spoil_scan(np.vstack([around(), [[np.inf, 1.0]]])), "hits that are not finite"),
    "hits in 3-D": (spoil_scan(np.zeros((5, 3))), "hits that are not finite"),
    "no hits array": (spoil_scan(None), "hits that are not finite"),
    "no odometry": (lambda inputs: inputs.update(state=None), "odometry is missing"),
    "stale odometry": (age("state", 0.25), "odometry is 0.25 s old"),
    "odometry from the future": (age("state", -1.0), "odometry has no stamp of now"),
    "NaN pose": (spoil_state(pose=np.array([NAN, 0.0, 0.0])), "odometry is missing or not finite"),
    "infinite velocity": (
        spoil_state(velocity=np.array([np.inf, 0.0, 0.0])),
        "odometry is missing or not finite",
    ),
    "odometry jump": (jump(0.0), "odometry jumped by"),
    "odometry jump, stamp repeated": (jump(0.05), "odometry jumped by"),
    "odometry jump, stamp older": (jump(0.15), "odometry jumped by"),
    "clock jumps ahead": (clock(lambda now: 201.0 * now), "was last called"),
    "clock goes back": (clock(lambda now: -now), "the clock went back"),
    "clock says NaN": (clock(lambda now: NAN), "the clock went back or is not finite"),
    "NaN desired": (
        lambda inputs: inputs.update(desired=np.array([NAN, 0.0, 0.0])),
        "desired command is not finite",
    ),
    "infinite desired": (
        lambda inputs: inputs.update(desired=np.array([0.6, 0.0, np.inf])),
        "desired command",
    ),
    "no desired": (lambda inputs: inputs.update(desired=None), "desired command is not finite"),
    "absurd desired": (
        lambda inputs: inputs.update(desired=np.array([1e9, 0.0, 0.0])),
        "is absurd",
    ),
    "absurd neighbour age": (
        lambda inputs: inputs.update(
            neighbours=Neighbours(np.array([[9.0, 9.0]]), np.zeros((1, 2)), np.ones(1), age=NAN)
        ),
        "neighbour is not finite",
    ),
    "NaN neighbour": (
        lambda inputs: inputs.update(
            neighbours=Neighbours(np.array([[1.0, NAN]]), np.zeros((1, 2)), np.ones(1))
        ),
        "neighbour is not finite",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_brakes(name: str) -> None:
    """It ramps to zero at the base's deceleration, names the fault, and goes on when it is over.

    It stands within v^2 / 2a and a period, short of a wall that stands there; unfiltered it is in the wall.
    """
    spoil, reason = BAD[name]
    drive, unfiltered = Drive().at_full_speed(), Drive(filtered=False).at_full_speed()
    wall = drive.pose[0] + 0.18 + 0.6**2 / (2 * 1.5) + 0.6 * 0.05
    for step in range(1, 12):
        command, report = drive.call(spoil)
        unfiltered.call(spoil)
        assert report.status == "brake"
        assert reason in report.reason
        ramp = max(0.0, 0.6 - 1.5 * 0.05 * step)
        if "clock" in name:  # how long ago the last command was given is not known: to zero at once
            ramp = 0.0 if step > 1 else float(command[0])
            assert command[0] < 0.6
        np.testing.assert_allclose(command, [ramp, 0.0, 0.0], atol=1e-9)
    assert drive.velocity[0] == 0.0 and drive.pose[0] + 0.18 < wall < unfiltered.pose[0] + 0.18
    for _ in range(2):  # back from a jump is a jump too
        command, report = drive.call()
    assert report.status == "pass" and np.array_equal(command, FORWARD)


@pytest.mark.parametrize("periods", [5, 8])
def test_called_too_late_it_brakes_as_much_as_the_time_asks_for(periods: int) -> None:
    """What the base did in between was not certified; it goes on when calls come in time."""
    drive, unfiltered = Drive().at_full_speed(), Drive(filtered=False).at_full_speed()
    for each in (drive, unfiltered):
        each.call(periods=periods)
    wall = drive.pose[0] + 0.18 + 0.6**2 / (2 * 1.5) + 0.6 * 0.05
    while drive.velocity[0] > 0.0:
        _, report = drive.call(periods=periods)
        unfiltered.call(periods=periods)
        assert report.status == "brake" and "deadline missed" in report.reason
    assert drive.pose[0] + 0.18 < wall < unfiltered.pose[0] + 0.18
    for _ in range(2):
        report = drive.call()[1]
    assert report.status == "pass"


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_an_odometry_jump_under_an_old_stamp_moves_no_hits(late: float) -> None:
    """A wall is 0.3 m ahead; the odometry says, of a time it spoke of before, that it is a metre behind."""
    safe = LidarBarrierFilter(FilterConfig(delay=0.0), LIMITS)
    ahead = Obstacles(np.array([[0.3, 0.0]]), 0.15)
    for k in range(4):
        state = State(np.zeros(3), np.zeros(3), 0.05 * k)
        safe.filter(state, FORWARD, Neighbours(), replace(ahead, stamp=0.05 * k), 0.05 * k)
    jumped = State(np.array([-1.0, 0.0, 0.0]), np.zeros(3), 0.15 - late)
    command, report = safe.filter(jumped, FORWARD, Neighbours(), ahead, 0.2)
    assert report.status == "brake" and "odometry jumped by 1.00 m" in report.reason and command[0] == 0.0


TWO = Neighbours(np.full((2, 2), 9.0), np.zeros((2, 2)), np.ones(2), name=("a", "b"))
JUNK = (None, NAN, np.inf, "a", [[1.0], [1.0, 2.0]], np.full((2, 2), -np.inf), np.zeros(4), np.zeros((2, 3)))
FIELDS = {
    "state": ("pose", "velocity", "stamp"),
    "desired": ("",),
    "neighbours": ("position", "velocity", "radius", "age", "acceleration", "top", "brakes", "person"),
    "obstacles": ("points", "stamp"),
    "now": ("",),
}


@pytest.mark.parametrize("name,field", [(name, field) for name, fields in FIELDS.items() for field in fields])
def test_it_brakes_for_what_is_no_input_at_all_and_never_raises(name: str, field: str) -> None:
    safe = LidarBarrierFilter(FilterConfig(delay=0.0), LIMITS)
    negative = (-1.0, np.array([0.1, -0.1])) if name == "neighbours" and field else ()
    for junk in (*JUNK, *negative):
        inputs: dict[str, Any] = {
            "state": State(np.zeros(3), np.zeros(3), 0.0),
            "desired": FORWARD,
            "neighbours": TWO,
            "obstacles": Obstacles(around(), 0.0),
            "now": 0.0,
        }
        safe.reset()
        assert safe.filter(**inputs)[1].status == "pass"
        inputs[name] = replace(inputs[name], **{field: junk}) if field else junk
        command, report = safe.filter(**inputs)
        assert report.status == "brake" and report.constraint == "input", (junk, report)
        np.testing.assert_array_equal(command, 0.0)


@pytest.mark.parametrize("name", ["state", "desired", "neighbours", "obstacles", "now"])
def test_nothing_in_place_of_an_input_brakes(name: str) -> None:
    safe = LidarBarrierFilter(FilterConfig(delay=0.0), LIMITS)
    inputs: dict[str, Any] = {
        "state": State(np.zeros(3), np.zeros(3), 0.0),
        "desired": FORWARD,
        "neighbours": TWO,
        "obstacles": Obstacles(around(), 0.0),
        "now": 0.0,
    }
    assert safe.filter(**{**inputs, name: None})[1].constraint == "input"


def test_failed_projection_brakes(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive()
    for _ in range(12):
        drive.call()
    monkeypatch.setattr(filter_module, "project", lambda *_: (np.full(2, NAN), NAN, FAILED))
    command, report = drive.call(spoil_scan(np.array([[0.35, 0.0]])))
    assert report.status == "brake" and "certified" in report.reason
    assert command[0] == pytest.approx(0.525)


def test_ramp_goes_on_although_the_base_does_not_answer() -> None:
    """A base slower than `delay` says must not hold the ramp up."""
    safe = LidarBarrierFilter(FilterConfig(delay=0.0), LIMITS)
    speeds = []
    for k in range(12):
        state = State(np.array([0.6 * 0.05 * k, 0.0, 0.0]), FORWARD, 0.05 * k)
        speeds.append(safe.filter(state, FORWARD, Neighbours(), None, 0.05 * k)[0][0])
    assert np.all(np.diff(speeds) <= 0.0) and speeds[-1] == 0.0


@pytest.mark.parametrize("desired", [(0.1 + 0.2, 0.0, -1.0 / 3.0), (-0.6, 0.0, 1.5), (0.0, 0.0, 0.0)])
def test_pass_is_bit_by_bit(desired: tuple[float, float, float]) -> None:
    safe = LidarBarrierFilter(FilterConfig(), LIMITS)
    command, report = safe.filter(
        State(np.zeros(3), np.zeros(3), 0.0), np.array(desired), Neighbours(), Obstacles(around(), 0.0), 0.0
    )
    assert report == Report("pass", "", report.clearance, report.barrier, 0.0)
    assert report.clearance == pytest.approx(3.0 - 0.18)
    assert report.barrier == pytest.approx(3.0**2 - 0.18**2)
    assert command.tobytes() == np.array(desired).tobytes()


def test_velocity_limits() -> None:
    safe = LidarBarrierFilter(FilterConfig(), LIMITS)
    state = State(np.zeros(3), np.zeros(3), 0.0)
    command, report = safe.filter(
        state, np.array([9.0, 0.3, -9.0]), Neighbours(), Obstacles(around(), 0.0), 0.0
    )
    assert report.status == "filtered" and "velocity limit" in report.reason
    np.testing.assert_array_equal(command, [0.6, 0.0, -1.5])


@pytest.mark.parametrize(
    "hull,limits",
    [(((0, 0, 0.18),), LIMITS), (cover_rectangle(0.65, 0.31), Limits((1, 0.6, 1.5), (2, 2, 6)))],
)
def test_applied_is_what_was_certified(hull: Any, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever leaves the filter is the very array whose stopping path was found clear, or a braking ramp."""
    certified: list[np.ndarray] = []
    original = filter_module.stopping_path

    def record(velocity: Any, command: np.ndarray, *rest: Any) -> Any:
        certified.append(command.copy())
        return original(velocity, command, *rest)

    monkeypatch.setattr(filter_module, "stopping_path", record)
    safe, rng = LidarBarrierFilter(FilterConfig(hull=hull), limits), np.random.default_rng(0)
    top, change = np.array(limits.velocity), np.array(limits.acceleration) * 0.05
    velocity, seen = np.zeros(3), set()
    for k in range(400):
        points = around(0.7) + rng.normal(0.0, 0.05, (180, 2))
        desired = np.array([np.sin(0.1 * k), np.cos(0.13 * k), np.sin(0.03 * k)]) * top
        command, report = safe.filter(
            State(np.zeros(3), velocity, 0.05 * k),
            desired,
            Neighbours(),
            Obstacles(points, 0.05 * k),
            0.05 * k,
        )
        seen.add(report.status)
        if report.status == "filtered":
            assert np.array_equal(command, certified[-1])
        elif report.status == "pass":
            assert np.array_equal(command, desired)
        else:
            assert np.all(np.abs(command) <= np.maximum(np.abs(velocity), change) + 1e-9)
        velocity = velocity + np.clip(command - velocity, -change, change)
    assert {"pass", "filtered"} <= seen


def test_shut_in_it_stands_and_says_so() -> None:
    """Hits all around and inside the margin: no motion is asked of a standing robot, and none is allowed."""
    safe = LidarBarrierFilter(FilterConfig(), LIMITS)
    command, report = safe.filter(
        State(np.zeros(3), np.zeros(3), 0.0), FORWARD, Neighbours(), Obstacles(around(0.2), 0.0), 0.0
    )
    np.testing.assert_allclose(command, 0.0, atol=1e-9)
    assert report.status != "pass" and report.reason
    assert report.clearance == pytest.approx(0.02)


def test_a_round_robot_may_always_turn_where_it_stands() -> None:
    """With 7 cm to a wall ahead: its hull has room to turn, though its look-ahead point swings nearer."""
    safe = LidarBarrierFilter(FilterConfig(), LIMITS)
    wall = np.stack([np.full(41, 0.25), np.linspace(-1.0, 1.0, 41)], axis=-1)
    state, turn = State(np.zeros(3), np.zeros(3), 0.0), np.array([0.0, 0.0, 1.0])
    for yaw in (0.6, -0.6):  # the wall ahead to the left, and to the right
        c, s = np.cos(yaw), np.sin(yaw)
        seen = wall @ np.array([[c, -s], [s, c]])
        safe.reset()
        command, report = safe.filter(state, turn, Neighbours(), Obstacles(seen, 0.0), 0.0)
        assert report.status == "pass" and np.array_equal(command, turn)


def test_beside_a_corner_no_turn_takes_the_hull_into_it() -> None:
    """A door jamb 1 to 5 cm away, which the look-ahead disc has swung into: driving on would graze it."""
    rng = np.random.default_rng(0)
    reach = np.array(LIMITS.acceleration) * 0.05
    for _ in range(100):
        safe = LidarBarrierFilter(FilterConfig(), LIMITS)
        angle, distance = rng.uniform(-2.0, 0.0), rng.uniform(0.19, 0.23)
        jamb = distance * np.array([np.cos(angle), np.sin(angle)])
        desired = np.array([rng.uniform(0.05, 0.6), 0.0, rng.uniform(0.3, 1.5)])
        pose, velocity = np.zeros(3), np.zeros(3)
        for step in range(60):
            now = step * 0.05
            if step % 2 == 0:  # scans come at 10 Hz
                c, s = np.cos(pose[2]), np.sin(pose[2])
                seen = Obstacles(((jamb - pose[:2]) @ np.array([[c, -s], [s, c]]))[None], now)
            state = State(pose.copy(), velocity.copy(), now)
            command, _ = safe.filter(state, desired, Neighbours(), seen, now)
            velocity = velocity + np.clip(command - velocity, -reach, reach)
            middle = pose[2] + 0.025 * velocity[2]
            pose += 0.05 * np.array([velocity[0] * np.cos(middle), velocity[0] * np.sin(middle), velocity[2]])
            assert np.hypot(*(jamb - pose[:2])) > 0.18


def test_slack_is_reported() -> None:
    """A hit appears 6 cm ahead at full speed: it brakes, and says by how much that is too late."""
    safe = LidarBarrierFilter(FilterConfig(), LIMITS)
    command, report = safe.filter(
        State(np.zeros(3), FORWARD, 0.0), FORWARD, Neighbours(), Obstacles(np.array([[0.24, 0.0]]), 0.0), 0.0
    )
    assert report.status == "brake" and report.slack > 0.1
    assert "(0.24, 0.00)" in report.reason
    assert command[0] < 0.6


@pytest.mark.parametrize("velocity", [(0.0, 0.0), (-0.5, 0.0)])
def test_neighbours_are_kept_away_from(velocity: tuple[float, float]) -> None:
    """In the world frame, whichever way the robot faces; the faster they are the sooner."""
    safe = LidarBarrierFilter(FilterConfig(), LIMITS)
    pose = np.array([2.0, 3.0, np.pi / 2])
    other = Neighbours(np.array([[2.0, 3.95]]), np.array([velocity]), np.array([0.2]))
    command, report = safe.filter(State(pose, FORWARD, 0.0), FORWARD, other, Obstacles(around(), 0.0), 0.0)
    assert report.clearance == pytest.approx(0.95 - 0.2 - 0.18)
    if velocity[0]:
        assert "neighbour 0" in report.reason and command[0] < 0.6
    else:
        assert report.status == "pass"


def test_scan_is_moved_to_now() -> None:
    """A scan 0.2 s old, taken 0.12 m further back: the hit is that much nearer now."""
    safe = LidarBarrierFilter(FilterConfig(delay=0.0), LIMITS)
    scan = Obstacles(np.array([[1.0, 0.0]]), 0.0)
    for k in range(5):
        now = 0.05 * k
        state = State(np.array([0.6 * now, 0.0, 0.0]), FORWARD, now)
        _, report = safe.filter(state, FORWARD, Neighbours(), scan, now)
    assert report.clearance == pytest.approx(1.0 - 0.12 - 0.18)


@pytest.mark.parametrize(
    "config,limits",
    [
        (FilterConfig(hull=()), LIMITS),
        (FilterConfig(period=0.0), LIMITS),
        (FilterConfig(delay=-0.1), LIMITS),
        (FilterConfig(brake_share=1.5), LIMITS),
        (FilterConfig(), Limits((0.6, 0.0, 1.5), (1.5, 0.0, 0.0))),
    ],
)
def test_senseless_configurations_are_refused(config: FilterConfig, limits: Limits) -> None:
    with pytest.raises(ValueError, match="needs|cannot"):
        LidarBarrierFilter(config, limits)


def test_fast_enough_for_any_control_loop() -> None:
    """Median thread time of a call with 360 hits all around, most of them near enough to matter."""
    safe, rng = LidarBarrierFilter(FilterConfig(), LIMITS), np.random.default_rng(0)
    angle = np.linspace(-np.pi, np.pi, 360, endpoint=False)
    spent = []
    for k in range(300):
        points = rng.uniform(0.5, 1.0, (360, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        state, scan = State(np.zeros(3), np.zeros(3), 0.05 * k), Obstacles(points, 0.05 * k)
        begin = time.thread_time()
        safe.filter(state, rng.uniform(-1.0, 1.0, 3) * [0.6, 0.0, 1.5], Neighbours(), scan, 0.05 * k)
        spent.append(time.thread_time() - begin)
    assert np.median(spent) < 1e-3


ROUND = LidarBarrierFilter(FilterConfig(), LIMITS)


@settings(max_examples=300, deadline=None)
@given(
    hits=st.lists(st.tuples(st.floats(-np.pi, np.pi), st.floats(0.185, 0.5)), min_size=1, max_size=8),
    forward=st.floats(0.0, 0.6),
    turn=st.floats(0.3, 1.5),
)
def test_a_round_robot_at_rest_may_always_turn(
    hits: list[tuple[float, float]], forward: float, turn: float
) -> None:
    """However close things are: turning on the spot a disc comes no nearer to anything."""
    points = np.array([[r * np.cos(a), r * np.sin(a)] for a, r in hits])
    state = State(np.zeros(3), np.zeros(3), 0.0)
    ROUND.reset()
    _, report = ROUND.filter(state, np.array([forward, 0.0, turn]), Neighbours(), Obstacles(points, 0.0), 0.0)
    assert report.status != "brake", report
