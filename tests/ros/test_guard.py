"""The safety node alone, before the motors of a robot that any other stack drives: Nav2, teleop, a script."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import LaserScan

from vlingnav import convert, graph, topics
from vlingnav.lifecycle import wait_until
from vlingnav.up import running
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy.types import Odometry

PERIOD, WALL, RADIUS = 0.05, 2.0, 0.18
RANGE = np.array([1.5, 0.0, 6.0]) * PERIOD


class Base:
    """A robot 2 m before a wall, and a plain publisher of `kind` that drives it straight at it."""

    def __init__(self, node: Node, kind: type[Twist] | type[TwistStamped]) -> None:
        self._node, self._kind = node, kind
        self.x, self.speed, self.command, self.filtered = 0.0, 0.0, np.zeros(3), True
        self.state = SafetyState()
        self.desired = np.array([0.4, 0.0, 0.0])
        reliable = QoSProfile(depth=10)  # as publishers of commands are by default
        self._wish = node.create_publisher(kind, "/robot/cmd_vel_desired", reliable)
        self._odom = node.create_publisher(topics.ODOM.type, "/robot/odom", topics.ODOM.qos)
        self._scan = node.create_publisher(topics.SCAN.type, "/robot/scan", topics.SCAN.qos)
        node.create_subscription(kind, "/robot/cmd_vel", self._hear, reliable)
        node.create_subscription(
            SafetyState, "/robot/safety_state", lambda m: setattr(self, "state", m), reliable
        )
        node.create_timer(PERIOD, self._step)

    def _hear(self, message: Any) -> None:
        self.command = convert.command(message.twist if self._kind is TwistStamped else message)

    def _step(self) -> None:
        command = self.command if self.filtered else self.desired
        velocity = np.array([self.speed, 0.0, 0.0])
        self.speed = float((velocity + np.clip(command - velocity, -RANGE, RANGE))[0])
        self.x += PERIOD * self.speed
        now = self._node.get_clock().now().nanoseconds * 1e-9
        odometry = Odometry(np.array([self.x, 0.0, 0.0]), np.array([self.speed, 0.0, 0.0]))
        self._odom.publish(convert.odometry_message(odometry, now, "odom", "base_link"))
        ahead = np.cos(0.05 * np.arange(126))
        ranges = np.where(ahead > 0.0, (WALL - self.x) / np.maximum(ahead, 1e-9), np.inf)
        scan = LaserScan(angle_increment=0.05, range_min=0.05, range_max=8.0, ranges=ranges.tolist())
        scan.header.stamp = convert.stamp(now)
        self._scan.publish(scan)
        twist = convert.twist(self.desired)
        self._wish.publish(TwistStamped(twist=twist) if self._kind is TwistStamped else twist)


@pytest.mark.parametrize("kind", [TwistStamped, Twist])
def test_any_publisher_is_guarded(kind: Any) -> None:
    """A command passes unchanged where there is room and is stopped before the wall; unguarded it is not."""
    values = {a.name: a.default for a in graph.ARGUMENTS}
    values["stamped"] = values["desired_stamped"] = kind is TwistStamped
    with running("safety", values) as (node, executor, supervisor):
        base = Base(node, kind)

        def drive(until: Any) -> bool:
            return wait_until(executor, until, 30.0, supervisor.check)

        assert drive(lambda: bool(np.allclose(base.command, base.desired))), base.state.reason
        assert drive(lambda: base.x > 1.2 and base.speed < 0.01 and base.state.constraint == "hit")
        assert base.x < WALL - RADIUS and base.state.status != SafetyState.PASS
        base.filtered = False
        assert drive(lambda: base.x > WALL - RADIUS)
