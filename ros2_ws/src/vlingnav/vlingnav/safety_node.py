"""`safety`: between everything that wants to move the robot and the motors.

A command is filtered when it comes, and again every period against newer scans until the next one comes. A
command, scan or odometry that is missing, too old or not a number brakes the robot, and `safety_state`
says which it was. This reduces the risk of collisions with what the lidar sees in its plane; it is not a
certified safety function.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray

from vlingnav import convert, limits, topics
from vlingnav.markers import safety_markers
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.params import Parameter
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy.types import Odometry
from vlingnav_safety import FilterConfig, LidarBarrierFilter
from vlingnav_safety.types import Limits, Neighbours, Obstacles, Report, State

Array = NDArray[np.float64]

STATUS = {"pass": SafetyState.PASS, "filtered": SafetyState.FILTERED, "brake": SafetyState.BRAKE}
STAND = np.zeros(3)
NOWHERE = np.full(3, np.nan)  # before any odometry: the filter brakes on it


class SafetyNode(ManagedNode):
    """Adapter around a `SafetyFilter`: here the lidar barrier for one robot."""

    PARAMETERS = (
        Parameter(
            "rate_hz",
            20.0,
            "The newest command is filtered at least this often.",
            (1.0, 200.0),
            read_only=True,
        ),
        Parameter(
            "command_timeout_s", 0.3, "The robot brakes when no command came for this long.", (0.05, 5.0)
        ),
        Parameter("scan_timeout_s", 0.4, "The robot brakes when no scan came for this long.", (0.05, 5.0)),
        Parameter(
            "odometry_timeout_s", 0.3, "The robot brakes when no odometry came for this long.", (0.05, 5.0)
        ),
        Parameter(
            "stamped",
            True,
            "Publish cmd_vel as TwistStamped; false for bases that take Twist.",
            read_only=True,
        ),
        Parameter("base_frame", "base_link", "Frame of the commands: the robot's body."),
        Parameter(
            "hull_discs_m", (0.0, 0.0, 0.18), "Discs x, y, radius, one after another, that cover the hull."
        ),
        Parameter("margin_m", 0.02, "Clearance kept from everything the lidar sees.", (0.0, 1.0)),
        Parameter(
            "obstacle_speed_mps",
            0.1,
            "Speed that anything seen may have; the robot keeps room for it.",
            (0.0, 3.0),
        ),
        Parameter("base_delay_s", 0.05, "Time that the base takes to obey a command.", (0.0, 1.0)),
        Parameter("lidar_x_m", 0.0, "Where the lidar is mounted, forward of the hull's centre.", (-2.0, 2.0)),
        Parameter("lidar_y_m", 0.0, "Where the lidar is mounted, left of the hull's centre.", (-2.0, 2.0)),
        Parameter("lidar_yaw_rad", 0.0, "How the lidar is turned, counter-clockwise.", (-3.2, 3.2)),
        *limits.VELOCITY,
        *limits.ACCELERATION,
    )

    def __init__(self) -> None:
        super().__init__("safety")

    def configure(self) -> None:
        """Make the filter and subscribe."""
        base = Limits(
            velocity=(self.param("max_vx_mps"), self.param("max_vy_mps"), self.param("max_wz_radps")),
            acceleration=(self.param("max_ax_mps2"), self.param("max_ay_mps2"), self.param("max_aw_radps2")),
        )
        discs = np.array(self.param("hull_discs_m"))
        if not discs.size or discs.size % 3:
            raise Fault(f"hull_discs_m holds {discs.size} numbers; give x, y and radius for each disc")
        self._hull = discs.reshape(-1, 3)
        config = FilterConfig(
            hull=tuple((x, y, radius) for x, y, radius in self._hull.tolist()),
            margin=self.param("margin_m"),
            obstacle_speed=self.param("obstacle_speed_mps"),
            period=1.0 / self.param("rate_hz"),
            delay=self.param("base_delay_s"),
            state_timeout=self.param("odometry_timeout_s"),
            obstacles_timeout=self.param("scan_timeout_s"),
        )
        try:
            self._filter = LidarBarrierFilter(config, base)
        except ValueError as error:
            raise Fault(str(error)) from error
        self._stamped = self.param("stamped")
        self._commands = self.output(topics.CMD_VEL if self._stamped else topics.CMD_VEL_UNSTAMPED)
        self._states = self.output(topics.SAFETY_STATE)
        self._markers = self.output(topics.SAFETY_MARKERS)
        mount = np.array([self.param("lidar_x_m"), self.param("lidar_y_m"), self.param("lidar_yaw_rad")])
        self._odometry = self.input(topics.ODOM, convert.odometry, self.param("odometry_timeout_s"))
        self._scan = self.input(
            topics.SCAN, lambda message: convert.obstacles(message, mount), self.param("scan_timeout_s")
        )
        tick = self.every(1.0 / self.param("rate_hz"), self._tick)
        self._desired = self.input(
            topics.CMD_VEL_DESIRED,
            lambda message: convert.command(message.twist),
            self.param("command_timeout_s"),
            tick.now,
        )

    def halt(self) -> None:
        """Say zero once, and why."""
        self._publish(STAND, STAND, Report("brake", "the safety node was deactivated"), None)

    def activate(self) -> None:
        """Start with no memory of commands that were given before."""
        self._filter.reset()

    def _tick(self) -> None:
        desired = STAND if self._desired.value is None else self._desired.value
        stamp, odometry = self._odometry.value or (-math.inf, Odometry(NOWHERE, NOWHERE))
        obstacles: Obstacles | None = self._scan.value
        begun = self.steady()
        problem = self.first_problem()
        applied, report = self._filter.filter(
            State(odometry.pose, odometry.velocity, stamp),
            desired,
            Neighbours(),
            None if problem else obstacles,  # no scan brakes, at the rate that the base can
            self.now(),
        )
        if problem:
            report = replace(report, status="brake", reason=problem)
        self.diagnostics.latency("filter", self.steady() - begun)
        self._publish(desired, applied, report, obstacles)

    def _publish(self, desired: Array, applied: Array, report: Report, obstacles: Obstacles | None) -> None:
        message = TwistStamped(twist=convert.twist(applied))
        now, frame = self.get_clock().now().to_msg(), self.param("base_frame")
        message.header.stamp, message.header.frame_id = now, frame
        self._commands.publish(message if self._stamped else message.twist)
        self.diagnostics.count(report.status)
        state = SafetyState(
            header=message.header,
            status=STATUS[report.status],
            reason=report.reason,
            clearance_m=report.clearance,
            barrier_m2=report.barrier,
            slack=report.slack,
            desired=convert.twist(desired),
            applied=message.twist,
        )
        self._states.publish(state)
        if self._markers.get_subscription_count():
            self._markers.publish(safety_markers(report, desired, applied, obstacles, self._hull, now, frame))


def main() -> None:
    """Entry point of `vlingnav_safety`."""
    run(SafetyNode)


if __name__ == "__main__":
    main()
