"""Two robots that hear each other over DDS, each with a safety node of its own and nothing else in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import LaserScan

from vlingnav import convert, graph, topics
from vlingnav.lifecycle import wait_until
from vlingnav.up import running
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy.types import Odometry

PERIOD = 0.05
RANGE = np.array([1.5, 0.0, 6.0]) * PERIOD


class Base:
    """A differential drive with a lidar that sees nothing, and a driver who looks at nothing."""

    def __init__(self, node: Node, namespace: str, x: float, yaw: float, stamped: bool = True) -> None:
        self.node, self.pose, self.velocity = node, np.array([x, 0.0, yaw]), np.zeros(3)
        self.command, self.desired, self.filtered, self.silent = np.zeros(3), np.zeros(3), True, False
        self.states: list[SafetyState] = []
        self.stamped = stamped

        def out(topic: topics.Topic) -> Any:
            return node.create_publisher(topic.type, f"/{namespace}/{topic.name}", topic.qos)

        self.odom, self.scan = out(topics.ODOM), out(topics.SCAN)
        self.wish = out(topics.CMD_VEL_DESIRED if stamped else topics.CMD_VEL_DESIRED_UNSTAMPED)
        for topic, callback in (
            (topics.CMD_VEL, lambda m: setattr(self, "command", convert.command(m.twist))),
            (topics.SAFETY_STATE, self.states.append),
        ):
            node.create_subscription(topic.type, f"/{namespace}/{topic.name}", callback, topic.qos)
        node.create_timer(PERIOD, self.step)

    def step(self) -> None:
        command = self.command if self.filtered else self.desired
        self.velocity = self.velocity + np.clip(command - self.velocity, -RANGE, RANGE)
        v, w = self.velocity[0], self.velocity[2]
        self.pose += PERIOD * np.array([v * np.cos(self.pose[2]), v * np.sin(self.pose[2]), w])
        now = self.node.get_clock().now().nanoseconds * 1e-9
        if not self.silent:
            self.odom.publish(
                convert.odometry_message(Odometry(self.pose, self.velocity), now, "odom", "base_link")
            )
        scan = LaserScan(angle_increment=0.1, range_min=0.05, range_max=8.0, ranges=[float("inf")] * 60)
        scan.header.stamp = convert.stamp(now)
        self.scan.publish(scan)
        twist = convert.twist(self.desired)
        self.wish.publish(TwistStamped(twist=twist) if self.stamped else twist)


class Fleet:
    """Both, face to face 2.4 m apart, and what the graph is run by."""

    def __init__(self, node: Node, executor: Any, supervisor: Any) -> None:
        self.bases = [Base(node, "robot0", -1.2, 0.0), Base(node, "robot1", 1.2, np.pi)]
        self._executor, self._check, self.closest = executor, supervisor.check, np.inf

    def drive(self, seconds: float, until: Any = lambda: False) -> bool:
        def look() -> bool:
            a, b = (base.pose[:2] for base in self.bases)
            self.closest = min(self.closest, float(np.hypot(*(a - b))) - 0.36)
            return until()

        return wait_until(self._executor, look, seconds, self._check)

    def place(self, filtered: bool = True) -> None:
        """Back to the start, standing, everything sound."""
        for base in self.bases:
            base.desired, base.filtered, base.silent = np.zeros(3), filtered, False
        assert self.drive(5.0, lambda: all(np.abs(base.velocity).max() < 1e-3 for base in self.bases))
        farthest = 0.0
        for base, start in zip(self.bases, ((-1.2, 0.0, 0.0), (1.2, 0.0, np.pi)), strict=True):
            farthest = max(farthest, float(np.hypot(*(base.pose[:2] - start[:2]))))
            base.pose[:] = start

        # The jump is a fault to both until a robot could have come so far; then nothing holds them.
        def well() -> bool:
            return all(base.states and base.states[-1].status == SafetyState.PASS for base in self.bases)

        if filtered:
            self.drive(farthest / (1.5 * 0.6) + 0.5)  # see `NeighbourTracker`
        for base in self.bases:
            base.states.clear()
        assert not filtered or self.drive(10.0, well)
        self.closest = np.inf


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    values = {a.name: a.default for a in graph.ARGUMENTS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(graph.FLEET, "safety", 2)
        with running("safety", values) as (node, executor, supervisor):
            yield Fleet(node, executor, supervisor)


def test_two_robots_face_to_face_do_not_touch_and_say_for_whom_they_stand(fleet: Fleet) -> None:
    fleet.place()
    for base in fleet.bases:
        base.desired = np.array([0.5, 0.0, 0.0])

    def stopped() -> bool:
        filtered = all(base.states and base.states[-1].status != SafetyState.PASS for base in fleet.bases)
        return filtered and fleet.closest < 1.0 and all(abs(base.velocity[0]) < 0.02 for base in fleet.bases)

    assert fleet.drive(30.0, stopped), fleet.closest
    fleet.drive(1.0)
    assert 0.0 < fleet.closest < 0.6
    for base, other in zip(fleet.bases, ("robot1", "robot0"), strict=True):
        acted = [state for state in base.states if state.constraint == other]
        assert acted and other in acted[-1].reason and acted[-1].gain > 0.0


def test_without_the_filter_they_do(fleet: Fleet) -> None:
    fleet.place(filtered=False)
    for base in fleet.bases:
        base.desired = np.array([0.5, 0.0, 0.0])
    assert fleet.drive(30.0, lambda: fleet.closest < 0.0)


def test_one_that_falls_silent_is_kept_away_from(fleet: Fleet) -> None:
    fleet.place()
    mine, lost = fleet.bases
    lost.silent = True
    mine.desired = np.array([0.5, 0.0, 0.0])
    assert fleet.drive(5.0, lambda: "silent" in mine.states[-1].reason), mine.states[-1].reason
    assert mine.states[-1].constraint.startswith("robot1")
    assert fleet.drive(3.0, lambda: abs(mine.velocity[0]) < 0.02)
    assert fleet.closest > 0.5
