"""`controller`: follows the newest plan, a new one at once and every one at a fixed rate.

A plan is in the body frame of the image it answers; by the time it comes the robot has moved on. The
controller looks up how far in its own odometry and follows the plan from where the robot is now. It says
zero when there is no plan to follow, or none that is young enough.
"""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import TwistStamped

from vlingnav import convert, limits, topics
from vlingnav.node import ManagedNode, run
from vlingnav.odometry import OdometryBuffer
from vlingnav.params import Parameter
from vlingnav_policy.se2 import relative
from vlingnav_policy.tracker import TrajectoryTracker

STAND = np.zeros(3)


class ControllerNode(ManagedNode):
    """Adapter around `TrajectoryTracker`."""

    PARAMETERS = (
        Parameter("rate_hz", 20.0, "Commands per second.", (1.0, 200.0)),
        Parameter("plan_timeout_s", 1.0, "A plan is followed for this long after it came.", (0.05, 10.0)),
        Parameter(
            "odometry_timeout_s", 0.3, "The robot stands when no odometry came for this long.", (0.05, 5.0)
        ),
        Parameter("base_frame", "base_link", "Frame of the commands: the robot's body."),
        *limits.VELOCITY,
    )

    def __init__(self) -> None:
        super().__init__("controller")

    def configure(self) -> None:
        """Make the tracker and subscribe."""
        self._tracker = TrajectoryTracker(
            (self.param("max_vx_mps"), self.param("max_vy_mps"), self.param("max_wz_radps"))
        )
        self._history = OdometryBuffer()
        self._followed = -math.inf
        self._commands = self.output(topics.CMD_VEL_POLICY)
        self._odometry = self.input(
            topics.ODOM, convert.odometry, self.param("odometry_timeout_s"), self._on_odometry
        )
        tick = self.every(1.0 / self.param("rate_hz"), self._tick)
        self._plan = self.input(topics.PLAN, convert.plan, then=tick.now)

    def activate(self) -> None:
        """Forget a plan that came while inactive."""
        self._plan.value = None

    def halt(self) -> None:
        """Say zero once."""
        self._publish(STAND)

    def _on_odometry(self) -> None:
        stamp, odometry = self._odometry.value
        self._history.add(stamp, odometry.pose)

    def _tick(self) -> None:
        self._publish(STAND if self.first_problem() else self._follow())

    def _follow(self) -> np.ndarray:
        """The command for now `(3,)`; zero, and a problem for the diagnostics, when the plan is no use."""
        if self._plan.value is None or not len(self._plan.value[2]):
            return STAND
        captured, dt, waypoints = self._plan.value
        waited = self._plan.age(self.steady())
        if waited > self.param("plan_timeout_s"):
            self.problem = (
                f"the last plan on {self._plan.topic} is {waited:.1f} s old; the policy is too slow or gone"
            )
            return STAND
        stamp, odometry = self._odometry.value
        try:
            moved = relative(self._history.at(captured), odometry.pose)
        except LookupError as error:
            self.problem = str(error)
            return STAND
        if captured != self._followed:
            self._followed = captured
            self.diagnostics.latency("image to command", stamp + self._odometry.age(self.steady()) - captured)
        # The sensors' own clock, at the moment that `moved` is of: needs no `/clock` and cannot jump.
        return self._tracker.command(waypoints, dt, max(stamp - captured, 0.0), moved)

    def _publish(self, velocity: np.ndarray) -> None:
        message = TwistStamped(twist=convert.twist(velocity))
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self.param("base_frame")
        self._commands.publish(message)
        self.diagnostics.count("command")


def main() -> None:
    """Entry point of `vlingnav_controller`."""
    run(ControllerNode)


if __name__ == "__main__":
    main()
