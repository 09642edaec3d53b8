"""`arbiter`: gives the robot to the policy or to a person, and says who has it.

`arbitration.py` decides; this node hears, asks it at a fixed rate and at every change, and speaks. What it
gives goes to the safety node, whoever drives: a person is kept from hitting things as the policy is.

An emergency stop outlives deactivation and cleanup of this node; it does not outlive its process.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TwistStamped

from vlingnav import convert, topics
from vlingnav.arbitration import STAND, Arbiter, ArbiterConfig, Phase, Request, Velocity, Word
from vlingnav.freshness import Input
from vlingnav.node import ManagedNode, run
from vlingnav.params import Parameter
from vlingnav_interfaces.msg import Intervention, Takeover

BUTTON = topics.EMERGENCY_STOP.name


class ArbiterNode(ManagedNode):
    """Adapter around `Arbiter`."""

    PARAMETERS = (
        Parameter("rate_hz", 20.0, "Commands per second.", (1.0, 200.0)),
        Parameter(
            "policy_timeout_s",
            0.3,
            "The robot stands when the policy is to drive and no command of its came for this long.",
            (0.05, 5.0),
        ),
        Parameter(
            "teleop_timeout_s",
            0.35,
            "The robot is paused when whoever holds it is not heard for this long.",
            (0.05, 5.0),
        ),
        Parameter(
            "watch_timeout_s",
            2.0,
            "The robot is paused when a teleop node that has been heard is silent for this long.",
            (0.05, 60.0),
        ),
        Parameter(
            "take_over_s", 0.2, "Time in which the policy's command gives way to a person's.", (0.0, 2.0)
        ),
        Parameter(
            "hand_back_s", 0.5, "Time in which a person's command gives way to the policy's.", (0.0, 5.0)
        ),
        Parameter("base_frame", "base_link", "Frame of the commands: the robot's body."),
    )

    def __init__(self) -> None:
        super().__init__("arbiter")
        self._core: Arbiter | None = None

    def configure(self) -> None:
        """Subscribe."""
        self._commands = self.output(topics.CMD_VEL_DESIRED)
        self._interventions = self.output(topics.INTERVENTION)
        self._tick = self.every(1.0 / self.param("rate_hz"), self._command)
        self._policy = self.input(
            topics.CMD_VEL_POLICY, _velocity, self.param("policy_timeout_s"), self._on_policy
        )
        self._human = self.input(
            topics.CMD_VEL_TELEOP, _velocity, self.param("teleop_timeout_s"), self._on_human
        )
        self._takeover = self.input(topics.TAKEOVER, _word, then=self._on_takeover)
        self._button = self.input(topics.EMERGENCY_STOP, lambda m: bool(m.data), then=self._on_button)

    def activate(self) -> None:
        """Start with the policy, unless an emergency stop is in force or pressed."""
        self._takeover.value = None
        self._core = Arbiter(
            ArbiterConfig(
                take_over=self.param("take_over_s"),
                hand_back=self.param("hand_back_s"),
                silence=self.param("teleop_timeout_s"),
                watch=self.param("watch_timeout_s"),
            ),
            stopped=self._core is not None and self._core.phase == Phase.STOPPED,
        )
        if self._button.value:
            self._on_button()
        self._announce()

    def halt(self) -> None:
        """Say zero once."""
        self._publish(STAND)

    def _on_takeover(self) -> None:
        assert self._core is not None
        self._core.hear(self._takeover.value)
        if self._core.changes:
            self._tick.now()

    def _on_button(self) -> None:
        assert self._core is not None
        self._core.press(BUTTON, self._button.value)
        if self._core.changes:
            self._tick.now()

    def _on_policy(self) -> None:
        if self._core is not None and self._core.phase == Phase.AUTONOMOUS:
            self._tick.now()

    def _on_human(self) -> None:
        if self._core is not None and self._core.phase == Phase.HUMAN:
            self._tick.now()

    def _command(self) -> None:
        assert self._core is not None
        now = self.steady()
        silence = self._takeover.age(now)
        command = self._core.command(now, silence, self._fresh(self._human), self._fresh(self._policy))
        self.problem = self._policy.problem(now) if self._core.phase == Phase.AUTONOMOUS else ""
        self._announce()
        self._publish(command)

    def _fresh(self, source: Input) -> Velocity | None:
        return None if source.problem(self.steady()) else source.value

    def _announce(self) -> None:
        """Publish what has changed."""
        assert self._core is not None
        for change in self._core.changes:
            message = Intervention(
                phase=int(change.phase),
                previous=int(change.previous),
                source=change.source,
                reason=change.reason,
                takeovers=change.takeovers,
            )
            message.header.stamp = self.get_clock().now().to_msg()
            self._interventions.publish(message)
            if change.phase in (Phase.PAUSED, Phase.STOPPED):
                self.get_logger().warning(f"{change.phase.words}: {change.reason}")
        self._core.changes.clear()
        self.diagnostics.note("phase", self._core.phase.words)
        self.diagnostics.note("takeovers", str(self._core.takeovers))

    def _publish(self, velocity: Velocity) -> None:
        message = TwistStamped(twist=convert.twist(np.array(velocity)))
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self.param("base_frame")
        self._commands.publish(message)
        self.diagnostics.count("command")


def _velocity(message: TwistStamped) -> Velocity:
    vx, vy, wz = convert.command(message.twist).tolist()
    return vx, vy, wz


def _word(message: Takeover) -> Word:
    return Word(message.holder, Request(message.request), message.source, message.reason)


def main() -> None:
    """Entry point of `vlingnav_arbiter`."""
    run(ArbiterNode)


if __name__ == "__main__":
    main()
