"""What the safety node is told that it must not believe: it stands short of a wall that nobody shows it.

The node runs in this process, between a driver who looks at nothing and a base; the same base without it is
in the wall.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry as OdometryMsg
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Bool

from vlingnav import convert, topics
from vlingnav.lifecycle import wait_until
from vlingnav.safety_node import SafetyNode
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy.types import Odometry

PERIOD, RADIUS, SPEED = 0.05, 0.18, 0.4
CHANGE = np.array([1.5, 0.0, 6.0]) * PERIOD
# v^2 / 2a and v (period + delay), as stated, and two periods in which messages travel.
STOP = SPEED**2 / (2 * 1.5) + SPEED * 4 * PERIOD
Spoil = Callable[[LaserScan, OdometryMsg], None]


class Base:
    """A robot on x in the open; `spoil` is done to what its drivers say, `silent` names one that is not."""

    def __init__(self, executor: SingleThreadedExecutor, node: Node) -> None:
        self._executor, self._node = executor, node
        self.x, self.speed, self.command, self.desired = 0.0, 0.0, np.zeros(3), np.zeros(3)
        self.filtered, self.spoil, self.silent, self.state = True, sound, "", SafetyState()
        self.problem = ""
        self._outputs = {
            topic.name: node.create_publisher(topic.type, topic.name, topic.qos)
            for topic in (topics.ODOM, topics.SCAN, topics.PEOPLE, topics.CMD_VEL_DESIRED)
        }
        self.override: bool | None = None  # what an operator's button says
        self._override = node.create_publisher(
            topics.OPERATOR_OVERRIDE.type, topics.OPERATOR_OVERRIDE.name, topics.OPERATOR_OVERRIDE.qos
        )
        self.other: str | None = None  # the frame in which another robot says that it is
        self.place = 0.1  # [m] where that is
        self._other = node.create_publisher(topics.ODOM.type, "/robot1/odom", topics.ODOM.qos)
        for topic, take in (
            (topics.CMD_VEL, lambda m: setattr(self, "command", convert.command(m.twist))),
            (topics.SAFETY_STATE, lambda m: setattr(self, "state", m)),
            (topics.DIAGNOSTICS, self._diagnose),
        ):
            node.create_subscription(topic.type, topic.name, take, topic.qos)
        node.create_timer(PERIOD, self._step)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.problem = message.status[0].message

    def _step(self) -> None:
        command = self.command if self.filtered else self.desired
        velocity = np.array([self.speed, 0.0, 0.0])
        self.speed = float((velocity + np.clip(command - velocity, -CHANGE, CHANGE))[0])
        self.x += PERIOD * self.speed
        now = self._node.get_clock().now().nanoseconds * 1e-9
        odometry = Odometry(np.array([self.x, 0.0, 0.0]), np.array([self.speed, 0.0, 0.0]))
        said = convert.odometry_message(odometry, now, "odom", "base_link")
        scan = LaserScan(angle_increment=0.05, range_min=0.05, range_max=8.0, ranges=[math.inf] * 126)
        scan.header.stamp = convert.stamp(now)
        self.spoil(scan, said)
        wish = TwistStamped(twist=convert.twist(self.desired))
        nobody = convert.people([], 0.25, now, "odom")
        for message, (name, output) in zip((said, scan, nobody, wish), self._outputs.items(), strict=True):
            if name != self.silent:
                output.publish(message)
        if self.override is not None:
            self._override.publish(Bool(data=self.override))
        if self.other is not None:
            there = Odometry(np.array([self.place, 0.0, 0.0]), np.zeros(3))
            self._other.publish(convert.odometry_message(there, now, self.other, "base_link"))

    def wait(self, until: Callable[[], bool], seconds: float = 10.0) -> bool:
        return wait_until(self._executor, until, seconds)

    def at_speed(self, filtered: bool = True) -> None:
        """Everything is sound, and the driver is obeyed."""
        self.filtered, self.spoil, self.silent = filtered, sound, ""
        self.desired = np.array([SPEED, 0.0, 0.0])
        assert self.wait(lambda: self.speed > SPEED - 1e-6), self.state.reason

    def fail(self, fault: Spoil | str, unnoticed: float) -> float:
        """Let it happen; where a wall is that nobody shows [m]."""
        if isinstance(fault, str):
            self.silent = fault
        else:
            self.spoil = fault
        return self.x + RADIUS + STOP + SPEED * unnoticed

    def stands(self, why: str) -> bool:
        """Whether it comes to a stand, and says why."""
        return self.wait(
            lambda: self.speed < 1e-6 and self.state.status == SafetyState.BRAKE and why in self.state.reason
        )


@pytest.fixture
def make(ros: SingleThreadedExecutor) -> Iterator[Callable[..., Base]]:
    made: list[Node] = []

    def start(**parameters: str | float) -> Base:
        safety, node = SafetyNode(), Node("base")
        made.extend((safety, node))
        safety.set_parameters([Parameter(name, value=value) for name, value in parameters.items()])
        for each in made:
            ros.add_node(each)
        base = Base(ros, node)
        safety.trigger_configure()
        safety.trigger_activate()
        return base

    yield start
    for node in made:
        node.destroy_node()


def sound(scan: LaserScan, odometry: OdometryMsg) -> None:
    """Leaves all as it is."""


def ranges(value: float) -> Spoil:
    def spoil(scan: LaserScan, odometry: OdometryMsg) -> None:
        scan.ranges = [value] * 126

    return spoil


def no_limit(scan: LaserScan, odometry: OdometryMsg) -> None:
    scan.range_max = math.nan


def jump(scan: LaserScan, odometry: OdometryMsg) -> None:
    odometry.pose.pose.position.x += 20.0 * (convert.seconds(odometry.header.stamp) % 100.0)  # at 20 m/s


# What happens, how long that may go unnoticed [s], and what is said; a topic's name: it falls silent.
FAULTS: tuple[tuple[Spoil | str, float, str], ...] = (
    (ranges(math.nan), 0.0, "100% of the scan's rays see nothing"),
    (ranges(-math.inf), 0.0, "100% of the scan's rays see nothing"),
    (ranges(0.0), 0.0, "100% of the scan's rays see nothing"),
    (ranges(0.04), 0.0, "100% of the scan's rays see nothing"),
    (no_limit, 0.0, "are no limits"),
    (jump, 0.0, "odometry jumped by"),
    ("scan", 0.4, "the last message on /scan is"),
    ("odom", 0.3, "the last message on /odom is"),
    ("cmd_vel_desired", 0.3, "the last message on /cmd_vel_desired is"),
    ("people", 0.5, "the last message on /people is"),
)


def test_a_scan_or_odometry_that_lies_stops_the_robot(make: Callable[..., Base]) -> None:
    """Within the stated distance, and for as long as it lasts; without the filter it is in the wall."""
    base = make()
    for fault, unnoticed, why in FAULTS:
        base.at_speed()
        wall = base.fail(fault, unnoticed)
        assert base.stands(why), (why, base.state)
        assert base.x + RADIUS < wall, why
        base.at_speed(filtered=False)
        wall = base.fail(fault, unnoticed)
        assert base.wait(lambda wall=wall: base.x + RADIUS > wall), why
    base.at_speed()


def test_nobody_drives_before_all_neighbours_have_been_heard(make: Callable[..., Base]) -> None:
    """Silent, in another frame, or where this robot is itself: it stands, and diagnostics say so."""
    base = make(neighbours="/robot1")
    base.desired = np.array([SPEED, 0.0, 0.0])
    assert base.stands("robot1: not heard yet"), base.state
    assert base.wait(lambda: "robot1: not heard yet" in base.problem), base.problem
    assert not base.wait(lambda: base.speed > 0.0, 1.0)
    base.other = "robot1/odom"
    assert base.stands("robot1 is in the frame 'robot1/odom', the odometry in 'odom'"), base.state
    base.other = "odom"
    assert base.stands("robot1 says that it is where this robot is"), base.state
    assert base.x == 0.0
    base.place = -0.8
    base.at_speed()


def behind_a_wall(scan: LaserScan, odometry: OdometryMsg) -> None:
    """What it stands at is nearer than it may get."""
    scan.ranges = [RADIUS + 0.01] * 4 + [math.inf] * 118 + [RADIUS + 0.01] * 4


@pytest.mark.parametrize("allowed", [0.0, 0.1])
def test_an_operator_moves_it_slowly_past_the_filter_where_that_is_allowed(
    make: Callable[..., Base], allowed: float
) -> None:
    base = make(operator_override_mps=allowed)
    base.spoil, base.desired = behind_a_wall, np.array([SPEED, 0.0, 0.0])
    assert base.wait(lambda: base.state.status != SafetyState.PASS and bool(base.state.reason))
    begin = base.x
    base.override = True
    went = base.wait(lambda: base.x > begin + 0.1, 10.0 if allowed else 1.0)
    assert went == bool(allowed)
    if not allowed:
        assert base.state.status != SafetyState.OVERRIDE
        return
    assert base.state.status == SafetyState.OVERRIDE and base.state.constraint == "operator"
    assert base.state.applied.linear.x == pytest.approx(0.1) == base.speed
    base.silent = "scan"  # the lidar has failed: that is when it is needed
    assert base.wait(lambda: "scan" in base.state.reason and base.state.status == SafetyState.OVERRIDE)
    base.override = None  # the teleop node has died
    assert base.stands("scan")
