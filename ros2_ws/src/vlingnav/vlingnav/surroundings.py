"""Who else is there: other robots by their own odometry, people by a detector.

Each robot subscribes to the odometry of the others (`<namespace>/odom`); there is no server. All odometry
must be in one frame: start poses that are known, or localisation. What cannot be believed is not passed on: a
robot that says NaN, jumps or falls silent is taken for one that may go anywhere, see
`vlingnav_safety.neighbours`.

What is unusual: this robot stands until it has heard every robot that it was told of. A name with a typo, QoS
that does not match and a node that died would else all look like a robot that is not there.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from numpy.typing import ArrayLike, NDArray

from vlingnav import convert, topics
from vlingnav.node import ManagedNode
from vlingnav_interfaces.msg import People
from vlingnav_safety import NeighbourConfig, Neighbours, NeighbourTracker

Array = NDArray[np.float64]

_WALK, _START = 1.5, 1.0  # [m/s] people's speed indoors, and [m/s^2] how quickly they take it up


class Surroundings:
    """Listens for a safety node; call it while the node is being configured."""

    def __init__(self, node: ManagedNode, robots: tuple[str, ...], config: NeighbourConfig) -> None:
        """Subscribe.

        Args:
            node: whose subscriptions these are; its parameter `people_timeout_s` is read here.
            robots: namespaces of the others.
            config: what is known of them.
        """
        names = tuple(robot.strip("/") for robot in robots)
        self._node, self._tracker, self._radius = node, NeighbourTracker(config, names), config.radius
        self._frames: dict[str, str] = {}  # of the odometry of each robot that was heard
        self._detector_deadline_s = node.param("people_timeout_s")
        for robot, name in zip(robots, names, strict=True):
            odometry = topics.Topic(f"{robot}/{topics.ODOM.name}", topics.ODOM.type, topics.ODOM.qos)
            node.input(odometry, partial(self._hear, name))
        self._people = node.input(topics.PEOPLE, _people)

    def problem(self, frame: str, pose: Array, others: Neighbours, now: float) -> str:
        """Why the robot must stand whatever its lidar sees; empty when it need not.

        A detector of people that never said anything is one that is not there.

        Args:
            frame: of the robot's odometry.
            pose: `(3,)` of the robot in it.
            others: what `at` says.
            now: time [s].
        """
        for name, why in self._tracker.unheard(now).items():
            return f"{name}: {why}; it must run, and its odometry come on /{name}/{topics.ODOM.name}"
        frames = dict(self._frames)
        if self._people.value is not None:
            age = self._people.age(self._node.steady())
            if age > self._detector_deadline_s:
                return f"the last message on {self._people.topic} is {age:.1f} s old"
            frames[self._people.topic] = self._people.value[1]
        for name, other in frames.items():
            if other != frame:
                return f"{name} is in the frame {other!r}, the odometry in {frame!r}; give both in one frame"
        # Of two that touch, neither has its centre in the other's hull.
        inside = np.hypot(*(others.position - pose[:2]).T) < self._radius
        for which in np.flatnonzero(inside & others.brakes):
            return f"{others.name[which]} says that it is where this robot is; give both in one frame"
        return ""

    def at(self, now: float) -> Neighbours:
        """Everybody known at `now` [s], robots first."""
        robots = self._tracker.at(now)
        if self._frames:
            self._node.diagnostics.note("left to the lidar", ", ".join(self._tracker.forgotten(now)))
        if self._people.value is None or not len(self._people.value[2]):
            return robots
        stamp, _, rows = self._people.value
        count, others = len(rows), len(robots.position)

        def both(of_robots: ArrayLike, of_people: float) -> NDArray[Any]:
            return np.concatenate([np.broadcast_to(np.asarray(of_robots), others), np.full(count, of_people)])

        return Neighbours(
            position=np.concatenate([robots.position, rows[:, :2]]),
            velocity=np.concatenate([robots.velocity, rows[:, 2:4]]),
            radius=np.concatenate([robots.radius, rows[:, 4]]),
            age=both(robots.age, max(0.0, now - stamp)),
            acceleration=both(robots.acceleration, _START),
            top=both(robots.top, _WALK),
            brakes=both(robots.brakes, False),
            person=both(False, True),
            name=(*robots.name, *(f"person {k}" for k in range(count))),
        )

    def _hear(self, robot: str, message: Odometry) -> None:
        """Take one robot's odometry; the tracker knows what to make of numbers that make no sense."""
        self._frames[robot] = message.header.frame_id
        pose, velocity = message.pose.pose, message.twist.twist.linear
        angle = convert.yaw(pose.orientation)
        c, s = math.cos(angle), math.sin(angle)
        doubt = self._tracker.hear(
            robot,
            np.array([pose.position.x, pose.position.y]),
            np.array([c * velocity.x - s * velocity.y, s * velocity.x + c * velocity.y]),
            convert.uncertainty(message),
            convert.seconds(message.header.stamp),
            self._node.now(),
        )
        if doubt:
            self._node.get_logger().warning(f"{robot} {doubt}", throttle_duration_sec=5.0)


def _people(message: People) -> tuple[float, str, Array]:
    """Stamp [s], frame, and rows `(P, 5)` x, y, vx, vy, radius.

    Raises:
        ValueError: a number in it is not finite.
    """
    rows = np.array(
        [(p.position.x, p.position.y, p.velocity.x, p.velocity.y, p.radius) for p in message.people]
    ).reshape(-1, 5)
    if not np.isfinite(rows).all():
        raise ValueError("a person is where no number says; the robot stands until the detector is sound")
    return convert.seconds(message.header.stamp), message.header.frame_id, rows
