"""The drivers of one simulated robot: what its sensors say on its topics, and the command that it obeys."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, LaserScan

from vlingnav import convert, topics
from vlingnav.node import ManagedNode
from vlingnav_policy.types import Odometry
from vlingnav_sim.scene import PERSON_RADIUS
from vlingnav_sim.simulator import Simulator

_SEEN = 5.0  # [m] how far the simulated detector sees people, where its lidar does too


class SimRobot:
    """Robot `index` of a world, as the drivers of a real one.

    Args:
        node: the `sim` node, whose parameters name frames and faults.
        index: of the robot in the world.
        namespace: of its topics, relative to the node's; "" for the node's own.
    """

    def __init__(self, node: ManagedNode, index: int, namespace: str) -> None:
        self._node, self._index = node, index

        def here(topic: topics.Topic) -> topics.Topic:
            name = f"{namespace}/{topic.name}" if namespace else topic.name
            return topics.Topic(name, topic.type, topic.qos)

        self._image, self._depth = node.output(here(topics.IMAGE)), node.output(here(topics.DEPTH))
        self._camera_info = node.output(here(topics.CAMERA_INFO))
        self._scan, self._people = node.output(here(topics.SCAN)), node.output(here(topics.PEOPLE))
        self._odom, self._truth = node.output(here(topics.ODOM)), node.output(here(topics.GROUND_TRUTH))
        self._command = node.input(here(topics.CMD_VEL), lambda message: convert.command(message.twist))

    def command(self) -> NDArray[np.float64]:
        """The command in force `(3,)`; a base stands when commands stop coming."""
        late = self._command.age(self._node.steady()) > self._node.param("command_timeout_s")
        return np.zeros(3) if late else self._command.value

    def publish_odometry(self, world: Simulator) -> None:
        """Truth, and what wheels would say."""
        node, base, now = self._node, self._node.param("base_frame"), world.time
        truth = Odometry(world.pose(self._index), world.velocity(self._index))
        believed = world.odometry(self._index)
        self._truth.publish(convert.odometry_message(truth, now, node.param("map_frame"), base))
        if node.param("fault") == "odometry_nan":
            believed = Odometry(np.full(3, np.nan), truth.velocity)
        self._odom.publish(convert.odometry_message(believed, now, node.param("odom_frame"), base))

    def publish_scan(self, world: Simulator) -> None:
        """The newest scan, and who of the people can be seen in it."""
        scan = world.scan(self._index)
        message = LaserScan(
            angle_min=scan.angle_min,
            angle_max=scan.angle_min + scan.angle_increment * (len(scan.ranges) - 1),
            angle_increment=scan.angle_increment,
            scan_time=1.0 / self._node.param("scan_rate_hz"),
            range_min=scan.range_min,
            range_max=scan.range_max,
            ranges=scan.ranges.tolist(),
        )
        message.header.stamp = convert.stamp(scan.stamp)
        message.header.frame_id = self._node.param("lidar_frame")
        self._scan.publish(message)
        if not self._node.param("publish_people"):
            return
        x0, y0, yaw = world.pose(self._index)
        seen = []
        for person in world.people():
            bearing, distance = (
                math.atan2(person[1] - y0, person[0] - x0) - yaw,
                math.hypot(*(person[:2] - (x0, y0))),
            )
            ray = round((bearing - scan.angle_min) / scan.angle_increment) % len(scan.ranges)
            # Whoever stands behind a wall or a wardrobe is farther away than the lidar sees there.
            if distance < _SEEN and not scan.ranges[ray] < distance - PERSON_RADIUS - 0.15:
                seen.append(person)
        frame = self._node.param("odom_frame")
        self._people.publish(convert.people(seen, PERSON_RADIUS, world.time, frame))

    def publish_camera(self, world: Simulator) -> None:
        """Colour, depth where it is asked for, and the camera's calibration."""
        observation, frame = world.observe(self._index), self._node.param("camera_frame")
        self._image.publish(convert.image(observation.rgb, observation.stamp, frame))
        if self._node.param("publish_depth") and observation.depth is not None:
            self._depth.publish(convert.image(observation.depth, observation.stamp, frame))
        camera = world.robots[self._index].camera
        k = camera.intrinsics
        info = CameraInfo(height=camera.height, width=camera.width, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k, info.r = k.ravel(), np.eye(3).ravel()
        info.p = np.hstack([k, np.zeros((3, 1))]).ravel()
        info.header.stamp, info.header.frame_id = convert.stamp(observation.stamp), frame
        self._camera_info.publish(info)
