"""`teleop`: joystick, keyboard and RViz, all optional, made into one command and one word for the arbiter.

`teleoperation.py` says who of several has the robot and what silence means. Sources:

- `joy`: a joystick by its ROS driver (`ros2 run joy joy_node`), which repeats what it says 20 times a second;
  while the button `hold_button` is pressed, its person has the robot. The defaults are an Xbox controller's.
- `keyboard`: the terminal of `vlingnav up`, which writes what a joystick would.
- `takeover_button` (true: take the robot, false: give it to the policy) and `cmd_vel_rviz`, for RViz's panels
  and anything else that publishes a velocity.
- `target`: a marker in RViz that the robot follows while the mouse drags it; see `rviz_target.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, Header
from visualization_msgs.msg import InteractiveMarkerFeedback

from vlingnav import convert, limits, rviz_target, topics
from vlingnav.arbitration import STAND, Request, Velocity, Word
from vlingnav.node import ManagedNode, run
from vlingnav.params import Parameter
from vlingnav.teleoperation import KEYBOARD, Controls, Hand, Layout, read
from vlingnav_interfaces.msg import Takeover


class TeleopNode(ManagedNode):
    """Adapter around `Controls`."""

    PARAMETERS = (
        Parameter("rate_hz", 20.0, "Commands per second.", (5.0, 200.0)),
        Parameter("dead_man_s", 0.35, "A source that is silent for this long commands zero.", (0.05, 2.0)),
        Parameter("vx_axis", 1, "Axis of the joystick that is forward; -1 for none.", (-1, 31)),
        Parameter("vy_axis", 0, "Axis of the joystick that is left; -1 for none.", (-1, 31)),
        Parameter("wz_axis", 3, "Axis of the joystick that turns left; -1 for none.", (-1, 31)),
        Parameter("hold_button", 4, "Button that holds the robot as long as it is pressed.", (0, 31)),
        Parameter("stop_button", 1, "Button of the emergency stop; -1 for none.", (-1, 31)),
        Parameter("pause_button", 6, "Button that has the robot stand; -1 for none.", (-1, 31)),
        Parameter("release_button", 7, "Button that releases the emergency stop; -1 for none.", (-1, 31)),
        Parameter("resume_button", 0, "Button that lets the policy go on; -1 for none.", (-1, 31)),
        Parameter(
            "override_button",
            -1,
            "Button with which a trained operator, holding hold_button too, moves the robot past the safety "
            "filter, if the safety node allows it; -1 for none.",
            (-1, 31),
        ),
        Parameter(
            "rviz_stamped",
            True,
            "Take cmd_vel_rviz as TwistStamped; false for senders of Twist.",
            read_only=True,
        ),
        Parameter("base_frame", "base_link", "Frame of the commands: the robot's body."),
        *limits.VELOCITY,
    )

    def __init__(self) -> None:
        super().__init__("teleop")

    def configure(self) -> None:
        """Subscribe to every source; none has to be there."""
        self._commands = self.output(topics.CMD_VEL_TELEOP)
        self._takeovers = self.output(topics.TAKEOVER)
        self._overrides = self.output(topics.OPERATOR_OVERRIDE)
        self._tick = self.every(1.0 / self.param("rate_hz"), self._say)
        own = Layout(
            *(self.param(f"{name}_axis") for name in ("vx", "vy", "wz")),
            *(
                self.param(f"{name}_button")
                for name in ("hold", "stop", "pause", "release", "resume", "override")
            ),
        )
        self._listen(topics.JOY, "joystick", self._joystick(own))
        self._listen(topics.KEYBOARD, "keyboard", self._joystick(KEYBOARD))
        self._pushed = False
        stamped = self.param("rviz_stamped")
        self._listen(topics.TAKEOVER_BUTTON, "rviz", self._push)
        self._listen(
            topics.CMD_VEL_RVIZ if stamped else topics.CMD_VEL_RVIZ_UNSTAMPED,
            "rviz",
            lambda message: self._steer(message.twist if stamped else message),
        )
        self._offer_target()

    def activate(self) -> None:
        """Know of nobody yet: what is held already does not count."""
        self._pushed = False
        self._controls = Controls(("joystick", "keyboard"), ("target", "rviz"), self.param("dead_man_s"))

    def halt(self) -> None:
        """Say zero once, and have the robot stand: nobody can take it any more."""
        reason = "the teleop node was deactivated"
        self._publish(STAND, Word("", Request.PAUSE, "teleop", reason))

    def _listen(self, topic: topics.Topic, name: str, understand: Callable[[Any], Hand]) -> None:
        def hear() -> None:
            if self._controls.hear(name, source.value, self.steady()):
                self._tick.now()

        source = self.input(topic, understand, then=hear)

    def _offer_target(self) -> None:
        frame, self._target_moves = self.param("base_frame"), 0
        updates = self.output(topics.RVIZ_TARGET)
        markers = [rviz_target.marker(frame)]
        name, kind = topics.RVIZ_TARGET_MARKERS

        def offer(_: Any, answer: Any) -> Any:
            answer.sequence_number, answer.markers = self._target_moves, markers
            return answer

        def feel(message: InteractiveMarkerFeedback) -> Hand:
            top = self.param("max_vx_mps"), self.param("max_vy_mps"), self.param("max_wz_radps")
            hand = rviz_target.read(message, frame, top)
            if message.event_type == InteractiveMarkerFeedback.MOUSE_UP:
                self._target_moves += 1
                updates.publish(rviz_target.back_home(frame, self._target_moves))
            return hand

        self.own(self.create_service(kind, name, offer), self.destroy_service)
        self._listen(topics.RVIZ_TARGET_FEEDBACK, "target", feel)
        self.every(0.5, lambda: updates.publish(rviz_target.alive(self._target_moves)))

    def _joystick(self, layout: Layout) -> Callable[[Joy], Hand]:
        top = self.param("max_vx_mps"), self.param("max_vy_mps"), self.param("max_wz_radps")
        return lambda message: read(layout, message.axes, message.buttons, top)

    def _push(self, message: Bool) -> Hand:
        """A button that is pushed drives nowhere; one that is pushed again gives the robot to the policy."""
        self._pushed = bool(message.data)
        return Hand(self._pushed, STAND, Request.NOTHING if self._pushed else Request.RESUME)

    def _steer(self, twist: Twist) -> Hand:
        vx, vy, wz = convert.command(twist).tolist()
        return Hand(self._pushed, (vx, vy, wz))

    def _say(self) -> None:
        self.first_problem()
        now = self.steady()
        self._publish(*self._controls.say(now))
        self._overrides.publish(Bool(data=self._controls.overriding(now)))

    def _publish(self, velocity: Velocity, word: Word) -> None:
        command = TwistStamped(twist=convert.twist(np.array(velocity)))
        command.header.stamp = self.get_clock().now().to_msg()
        command.header.frame_id = self.param("base_frame")
        self._commands.publish(command)
        self._takeovers.publish(
            Takeover(
                header=Header(stamp=command.header.stamp),
                holder=word.holder,
                request=int(word.request),
                source=word.source,
                reason=word.reason,
            )
        )
        self.diagnostics.note("holder", word.holder or "nobody")
        self.diagnostics.count("command")


def main() -> None:
    """Entry point of `vlingnav_teleop`."""
    run(TeleopNode)


if __name__ == "__main__":
    main()
