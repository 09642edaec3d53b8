"""The lifecycle base: what rclpy's swallows is logged, what it lets run on is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from vlingnav import convert, topics
from vlingnav.lifecycle import wait_until
from vlingnav.node import Fault, ManagedNode
from vlingnav.params import Parameter


class Mover(ManagedNode):
    """Publishes commands every 20 ms and zero when halted."""

    PARAMETERS = (Parameter("rate_hz", 50.0, "Commands per second.", (1.0, 100.0)),)

    def __init__(self, trouble: Exception | None = None) -> None:
        super().__init__("mover")
        self.trouble = trouble
        self.ticks = 0

    def configure(self) -> None:
        self._commands = self.output(topics.CMD_VEL)
        self.every(1.0 / self.param("rate_hz"), self.tick)
        if self.trouble is not None:
            raise self.trouble

    def halt(self) -> None:
        self.say(0.0)

    def tick(self) -> None:
        self.ticks += 1
        self.say(0.3)

    def say(self, vx: float) -> None:
        self._commands.publish(TwistStamped(twist=convert.twist(np.array([vx, 0.0, 0.0]))))


@pytest.fixture
def mover(ros: SingleThreadedExecutor) -> Any:
    made: list[Mover] = []

    def make(trouble: Exception | None = None) -> Mover:
        node = Mover(trouble)
        ros.add_node(node)
        made.append(node)
        return node

    yield make
    for node in made:
        node.destroy_node()


def spin(ros: SingleThreadedExecutor, seconds: float) -> None:
    wait_until(ros, lambda: False, seconds)


def test_a_fault_is_one_sentence_and_can_be_tried_again(mover: Callable[..., Mover], capfd: Any) -> None:
    node = mover(Fault("the weights are missing; fetch them"))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    logged = capfd.readouterr().err
    assert "the weights are missing; fetch them" in logged
    assert "Traceback" not in logged
    node.trouble = None
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_a_bug_is_logged_with_its_traceback(mover: Callable[..., Mover], capfd: Any) -> None:
    node = mover(ZeroDivisionError("a bug"))
    assert node.trigger_configure() == TransitionCallbackReturn.ERROR
    logged = capfd.readouterr().err
    assert "ZeroDivisionError: a bug" in logged and "Traceback" in logged
    node.trouble = None
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_timers_run_only_while_active_and_the_last_word_is_zero(
    mover: Callable[..., Mover], ros: SingleThreadedExecutor
) -> None:
    node = mover()
    heard: list[float] = []
    node.create_subscription(
        topics.CMD_VEL.type, topics.CMD_VEL.name, lambda m: heard.append(m.twist.linear.x), topics.CMD_VEL.qos
    )
    node.trigger_configure()
    spin(ros, 0.2)
    assert node.ticks == 0 and not heard, "inactive"
    node.trigger_activate()
    assert wait_until(ros, lambda: len(heard) >= 5, 5.0)
    node.trigger_deactivate()
    assert wait_until(ros, lambda: heard[-1] == 0.0, 5.0)
    said, ticks = len(heard), node.ticks
    spin(ros, 0.2)
    assert (len(heard), node.ticks) == (said, ticks), "zero, then silence"


def test_a_stopped_clock_stops_no_timer(mover: Callable[..., Mover], ros: SingleThreadedExecutor) -> None:
    node = mover()
    node.set_parameters([node.get_parameter("use_sim_time").__class__("use_sim_time", value=True)])
    node.trigger_configure()
    node.trigger_activate()
    assert wait_until(ros, lambda: node.ticks >= 5, 5.0), "nobody publishes /clock"
    assert node.now() == 0.0


def test_cleanup_lets_go_of_everything(mover: Callable[..., Mover], ros: SingleThreadedExecutor) -> None:
    node = mover()
    before = len(list(node.publishers))
    for _ in range(3):
        node.trigger_configure()
        node.trigger_activate()
        node.trigger_deactivate()
        node.trigger_cleanup()
    assert len(list(node.publishers)) == before
    begun = time.monotonic()
    node.trigger_configure()
    assert time.monotonic() - begun < 1.0
