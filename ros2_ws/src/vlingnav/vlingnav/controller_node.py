"""`controller`: follows the plans as they come, without a jump from one to the next, at a fixed rate.

A plan is in the body frame of the image it answers; by the time it comes the robot has moved on. The
controller looks up in its own odometry where that was, and goes on from where the robot is now. It says zero
when there is no plan to follow, or none that is young enough, and diagnostics say for how much of the time a
robot under way had none.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TwistStamped

from vlingnav import convert, limits, topics
from vlingnav.node import ManagedNode, run
from vlingnav.odometry import OdometryBuffer
from vlingnav.params import Parameter
from vlingnav_policy.chunks import Chunk, ChunkExecutor
from vlingnav_policy.chunks.executor import BLEND_S
from vlingnav_policy.se2 import relative
from vlingnav_policy.tracker import TrajectoryTracker
from vlingnav_policy.types import Decision

STAND = np.zeros(3)


class ControllerNode(ManagedNode):
    """Adapter around `ChunkExecutor` and `TrajectoryTracker`."""

    PARAMETERS = (
        Parameter("rate_hz", 20.0, "Commands per second.", (1.0, 200.0)),
        Parameter("plan_timeout_s", 1.0, "A plan is followed for this long after it came.", (0.05, 10.0)),
        Parameter("blend_s", BLEND_S, "Time in which a plan gives way to the next one.", (0.0, 2.0)),
        Parameter(
            "odometry_timeout_s", 0.3, "The robot stands when no odometry came for this long.", (0.05, 5.0)
        ),
        Parameter("base_frame", "base_link", "Frame of the commands: the robot's body."),
        *limits.VELOCITY,
    )

    def __init__(self) -> None:
        super().__init__("controller")

    def configure(self) -> None:
        """Make executor and tracker, and subscribe."""
        self._executor = ChunkExecutor(self.param("blend_s"))
        self._tracker = TrajectoryTracker(
            (self.param("max_vx_mps"), self.param("max_vy_mps"), self.param("max_wz_radps"))
        )
        self._history = OdometryBuffer()
        self._taken: object = None  # the plan that the executor has
        self._waited = 0.0
        self._commands = self.output(topics.CMD_VEL_POLICY)
        self._odometry = self.input(
            topics.ODOM, convert.odometry, self.param("odometry_timeout_s"), self._on_odometry
        )
        tick = self.every(1.0 / self.param("rate_hz"), self._tick)
        self._plan = self.input(topics.PLAN, convert.plan, then=tick.now)

    def activate(self) -> None:
        """Forget a plan that came while inactive."""
        self._plan.value = self._taken = None
        self._executor.stand()

    def halt(self) -> None:
        """Say zero once."""
        self._publish(STAND)

    def _on_odometry(self) -> None:
        stamp, odometry = self._odometry.value
        self._history.add(stamp, odometry.pose)

    def _tick(self) -> None:
        if self.first_problem():
            self._executor.stand()
            self._publish(STAND)
        else:
            self._publish(self._follow())

    def _follow(self) -> np.ndarray:
        """The command for now `(3,)`; zero, and a problem for the diagnostics, when no plan says more."""
        # The sensors' own clock, at the moment that the pose is of: needs no `/clock` and cannot jump.
        stamp, odometry = self._odometry.value
        if self._plan.value is not self._taken:
            try:
                self._take(stamp)
            except LookupError as error:  # odometry that reaches so far may be on its way
                self.problem = str(error)
        if (age := self._plan.age(self.steady())) > self.param("plan_timeout_s"):
            self._executor.cut(stamp)
        ahead = self._executor.at(stamp, self._tracker.lookahead_s)
        self.diagnostics.spent("waiting for a plan", self._executor.waited_s - self._waited)
        self._waited = self._executor.waited_s
        if self._executor.waiting:
            self.problem = self.problem or (
                f"the last plan on {self._plan.topic} came {age:.1f} s ago and is at its end; the policy is "
                "too slow for plans of that length, or gone"
            )
            self.get_logger().warning(f"standing: {self.problem}", throttle_duration_sec=5.0)
        return STAND if ahead is None else self._tracker.command(relative(odometry.pose, ahead))

    def _take(self, now: float) -> None:
        """Go on with the plan that came; raises LookupError when odometry does not reach to its image."""
        captured, dt, waypoints = self._plan.value
        if len(waypoints):
            decision = Decision(waypoints, dt, captured)
            self._executor.take(Chunk.placed(decision, self._history.at(captured)), now)
            age = self._odometry.age(self.steady())
            self.diagnostics.latency("image to command", now + age - captured)
        else:
            self._executor.stand()
        self._taken = self._plan.value

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
