"""The keyboard of a terminal as a joystick, and a line that says who has the robot; `vlingnav drive`.

A terminal says which key was pressed, not when it was let go of, and repeats a held key after a quarter to
half a second. So a key steers for the dead-man's time and the repetitions carry on; the first key takes the
robot, and it is held, standing, until `h` gives it back. The terminal goes on saying so many times a second:
when its process ends, or is stopped (Ctrl-Z), the robot is paused.

Of a node `learner` the line says which version is in use, its loss, and how far the next one is.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Joy

from vlingnav import domain, topics
from vlingnav.arbitration import STAND, Phase, Request, Velocity
from vlingnav.lifecycle import wait_until
from vlingnav.signals import signals_as_interrupt
from vlingnav_cli import UserError
from vlingnav_interfaces.msg import Intervention

HELP = "arrows or w a s d drive, h hands back, p pauses, space stops, r releases the stop"
PERIOD_S = 0.05
_TAP_S = 0.35  # the dead-man's time
_PULSE_S = 0.15  # long enough for three messages
_SHARE = 0.7  # of full deflection

FORWARD, BACK, LEFT, RIGHT = (
    (_SHARE, 0.0, 0.0),
    (-_SHARE, 0.0, 0.0),
    (0.0, 0.0, _SHARE),
    (0.0, 0.0, -_SHARE),
)
STEERING: dict[str, Velocity] = {
    "\x1b[A": FORWARD,
    "\x1b[B": BACK,
    "\x1b[D": LEFT,
    "\x1b[C": RIGHT,
    "w": FORWARD,
    "s": BACK,
    "a": LEFT,
    "d": RIGHT,
}
ASKING = {" ": Request.STOP, "p": Request.PAUSE, "r": Request.RELEASE, "h": Request.RESUME}


class Keys:
    """What has been typed, as axes and buttons in the layout `teleoperation.KEYBOARD`."""

    def __init__(self) -> None:
        self._held = False
        self._axes, self._steered = STAND, -math.inf
        self._request, self._asked = Request.NOTHING, -math.inf

    def press(self, text: str, now: float) -> None:
        """Take what was typed at `now` [s]; of several keys, each counts."""
        while text:
            key = text[:3] if text[:3] in STEERING else text[0]
            text = text[len(key) :]
            if key in STEERING:
                self._held, self._axes, self._steered = True, STEERING[key], now
            elif key in ASKING:
                self._request, self._asked = ASKING[key], now
                self.let_go()

    def let_go(self) -> None:
        """Hold the robot no longer."""
        self._held, self._axes = False, STAND

    def joystick(self, now: float) -> tuple[list[float], list[int]]:
        """Axes and buttons at `now` [s]."""
        axes = self._axes if now - self._steered <= _TAP_S else STAND
        request = self._request if now - self._asked <= _PULSE_S else Request.NOTHING
        order = (Request.STOP, Request.PAUSE, Request.RELEASE, Request.RESUME)
        return list(axes), [int(self._held), *(int(request == each) for each in order)]


class Terminal:
    """While the context lasts, keys steer and a line says who has the robot; without a terminal, only that.

    Args:
        node: an rclpy node in the robot's namespace that somebody spins.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._keys = Keys()
        self._restore: list[Any] | None = None
        self._live = sys.stdout.isatty()
        self._phase = self._reason = self._lesson = ""

    def __enter__(self) -> Terminal:
        node = self._node
        node.create_subscription(
            topics.INTERVENTION.type, topics.INTERVENTION.name, self._changed, topics.INTERVENTION.qos
        )
        node.create_subscription(
            topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, self._heard, topics.DIAGNOSTICS.qos
        )
        # A job in the background must not touch the terminal: the kernel would stop it.
        if sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp():
            self._restore = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
            self._joystick = node.create_publisher(
                topics.KEYBOARD.type, topics.KEYBOARD.name, topics.KEYBOARD.qos
            )
            node.create_timer(PERIOD_S, self._say, clock=Clock(clock_type=ClockType.STEADY_TIME))
            print(HELP, flush=True)
        else:
            print("there is no terminal to read keys from; a joystick or RViz can take over", flush=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._restore is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._restore)
        if self._live:
            print()

    @property
    def status(self) -> str:
        """Who has the robot, how often it was taken over, and what a learner has made of that."""
        return " | ".join(filter(None, (self._phase, self._lesson)))

    def _say(self) -> None:
        now = time.monotonic()
        while select.select([sys.stdin], [], [], 0.0)[0]:
            typed = os.read(sys.stdin.fileno(), 64)
            if not typed:
                break
            self._keys.press(typed.decode(errors="ignore"), now)
        axes, buttons = self._keys.joystick(now)
        self._joystick.publish(Joy(axes=axes, buttons=buttons))

    def _changed(self, message: Intervention) -> None:
        if message.phase in (Phase.PAUSED, Phase.STOPPED):
            self._keys.let_go()  # what takes the robot again is a new key
        times = "takeover" if message.takeovers == 1 else "takeovers"
        self._phase = f"{Phase(message.phase).words} | {message.takeovers} {times}"
        self._reason = message.reason
        self._show()

    def _heard(self, message: DiagnosticArray) -> None:
        name = f"{self._node.get_namespace().rstrip('/')}/learner"
        for status in (status for status in message.status if status.name == name):
            before, self._lesson = self._lesson, _lesson({v.key: v.value for v in status.values})
            if self._lesson != before and self._live and self._phase:  # elsewhere its own lines say so
                self._show()

    def _show(self) -> None:
        line = f"{self.status} | {self._reason}"
        print(f"\r\033[K{line[:110]}" if self._live else line, end="" if self._live else "\n", flush=True)


def _lesson(learner: dict[str, str]) -> str:
    """What the learner says of itself in diagnostics, in short; empty before it has said anything."""
    version, loss, learning = (learner.get(key, "") for key in ("version", "loss", "learning"))
    if not version:
        return ""
    parts = ["no version yet" if version == "none" else f"version {version}"]
    if loss != "unknown":
        parts.append(f"loss {loss}")
    if learning != "no":
        parts.append(learning)
    return ", ".join(parts)


def run(args: argparse.Namespace) -> None:
    """Be the keyboard of a robot that is up, until Ctrl-C.

    Raises:
        UserError: no such robot listens, or it has a keyboard.
    """
    domain.stay_on_this_machine()
    if not sys.stdin.isatty():
        raise UserError("there is no terminal to read keys from; run this in one")
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("drive", namespace=args.namespace)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    topic = node.resolve_topic_name(topics.KEYBOARD.name)
    try:
        with signals_as_interrupt(), contextlib.suppress(KeyboardInterrupt):
            if not wait_until(executor, lambda: node.count_subscribers(topic) > 0, 5.0):
                raise UserError(
                    f"no teleop node listens to {topic}; start `vlingnav up takeover`, and use the same "
                    "--namespace and ROS_DOMAIN_ID"
                )
            # Two that speak as one would take the robot from each other many times a second.
            if wait_until(executor, lambda: node.count_publishers(topic) > 0, 1.0):
                raise UserError(f"{topic} has a keyboard: the terminal of `vlingnav up`, or of another drive")
            with Terminal(node):
                wait_until(executor, lambda: False, math.inf)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
