"""The lifecycle node all of ours are: what rclpy's leaves open, closed once.

- rclpy swallows what a transition raises; here it is logged: a `Fault` as its one sentence (the
  transition fails and can be tried again), anything else with its traceback.
- rclpy's timers run on while a node is inactive; those made with `every` exist only while it is active.
- Leaving ACTIVE, by a transition, a signal or a crash, calls `halt` while publishers still work: a node
  that moves the robot says "zero" there, and then is silent.
- Control timers and deadlines run on the steady clock: a simulation that stops its `/clock` must stop
  the robot, not the watchdogs.
"""

from __future__ import annotations

import math
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Return
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

from vlingnav import topics
from vlingnav.diagnostics import Diagnostics
from vlingnav.freshness import Input
from vlingnav.params import Parameter, declare
from vlingnav.signals import SIGNALS
from vlingnav.supervision import end_with_supervisor

Result: TypeAlias = Any  # rclpy's TransitionCallbackReturn, which type checkers cannot see into


class Fault(Exception):
    """Something a person can put right: one sentence saying what is wrong and what to do."""


@dataclass
class Periodic:
    """A callback of `ManagedNode.every`; its timer exists only while the node is active."""

    period_s: float
    callback: Callable[[], None]
    timer: Timer | None = None

    def now(self) -> None:
        """Call back at once, and then a whole period later."""
        if self.timer is not None:
            self.timer.reset()
            self.callback()


class ManagedNode(LifecycleNode):
    """Base of every node here; subclasses fill in the hooks `configure`, `activate`, `halt`, `release`."""

    PARAMETERS: ClassVar[tuple[Parameter, ...]] = ()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        declare(self, self.PARAMETERS)
        self.active = False
        self.problem = ""
        self.diagnostics = Diagnostics(self.get_fully_qualified_name())
        self._inputs: dict[str, Input] = {}
        self._periodic: list[Periodic] = []
        self._entities: list[tuple[Callable[[Any], Any], Any]] = []
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_publisher = self.create_publisher(
            topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, topics.DIAGNOSTICS.qos
        )
        self.create_timer(1.0, self._publish_diagnostics, clock=self._steady)

    # What a subclass fills in.

    def configure(self) -> None:
        """Make publishers, inputs, models; may raise `Fault`."""

    def activate(self) -> None:
        """Called once publishers work and timers run; may raise `Fault`."""

    def halt(self) -> None:
        """Called on leaving ACTIVE, with publishers still working: leave the robot standing."""

    def release(self) -> None:
        """Let go of what `configure` made, apart from publishers, inputs and timers."""

    # What a subclass uses.

    def param(self, name: str) -> Any:
        """The present value of a declared parameter."""
        return self.get_parameter(name).value

    def own_folder(self, name: str) -> Path:
        """This robot's folder in the one that parameter `name` names: called as the robot's namespace."""
        return Path(self.param(name)).expanduser() / self.get_namespace().strip("/")

    def steady(self) -> float:
        """Steady time [s]; has nothing to do with `/clock` or the wall clock."""
        return time.monotonic()

    def now(self) -> float:
        """ROS time [s]: `/clock` in simulation."""
        return float(self.get_clock().now().nanoseconds * 1e-9)

    def progress(self, text: str) -> None:
        """Say in diagnostics what a long transition is at, during which no timer runs."""
        self.diagnostics.note("progress", text)
        self._publish_diagnostics()

    def output(self, topic: topics.Topic) -> Publisher:
        """A publisher that is silent unless the node is active."""
        publisher = self.create_lifecycle_publisher(topic.type, topic.name, topic.qos)
        self._entities.append((self.destroy_lifecycle_publisher, publisher))
        return publisher

    def input(
        self,
        topic: topics.Topic,
        convert: Callable[[Any], Any],
        deadline_s: float = math.inf,
        then: Callable[[], None] | None = None,
    ) -> Input:
        """Subscribe: messages become the input's value, also while inactive; `then` runs while active."""
        name = self.resolve_topic_name(topic.name)
        source = self._inputs[name] = Input(name, deadline_s, convert)

        def receive(message: Any) -> None:
            good = source.receive(message, self.steady())
            if good and then is not None and self.active:
                then()

        self._entities.append(
            (self.destroy_subscription, self.create_subscription(topic.type, topic.name, receive, topic.qos))
        )
        return source

    def own(self, entity: Any, destroy: Callable[[Any], Any]) -> Any:
        """Have `destroy(entity)` called at cleanup."""
        self._entities.append((destroy, entity))
        return entity

    def every(self, period_s: float, callback: Callable[[], None]) -> Periodic:
        """Call back every `period_s` [s, steady] while the node is active."""
        periodic = Periodic(period_s, callback)
        self._periodic.append(periodic)
        return periodic

    def first_problem(self) -> str:
        """What is wrong with the first input that must not be used now; also reported in diagnostics."""
        now = self.steady()
        self.problem = next((text for source in self._inputs.values() if (text := source.problem(now))), "")
        return self.problem

    # Transitions.

    def on_configure(self, state: LifecycleState) -> Result:
        """See rclpy; calls `configure`."""
        result = self._attempt("configure", self.configure)
        if result != Return.SUCCESS:
            self._let_go()
            return result
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> Result:
        """See rclpy; calls `activate`."""
        super().on_activate(state)
        self.active = True
        for periodic in self._periodic:
            periodic.timer = self.create_timer(periodic.period_s, periodic.callback, clock=self._steady)
        result = self._attempt("activate", self.activate)
        if result != Return.SUCCESS:
            self.on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> Result:
        """See rclpy; calls `halt`."""
        self.active = False
        for periodic in self._periodic:
            if periodic.timer is not None:
                self.destroy_timer(periodic.timer)
            periodic.timer = None
        result = self._attempt("deactivate", self.halt)
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> Result:
        """See rclpy; calls `release`."""
        self._let_go()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> Result:
        """See rclpy; calls `halt` and `release` as far as they are due."""
        if self.active:
            self.on_deactivate(state)
        self._let_go()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> Result:
        """See rclpy; the node can be configured again."""
        return self.on_shutdown(state)

    def _attempt(self, name: str, hook: Callable[[], None]) -> Result:
        try:
            hook()
        except Fault as fault:
            self.get_logger().error(str(fault))
            return Return.FAILURE
        except Exception:
            self.get_logger().error(f"could not {name}:\n{traceback.format_exc()}")
            return Return.ERROR
        return Return.SUCCESS

    def _let_go(self) -> None:
        self._attempt("clean up", self.release)
        for destroy, entity in reversed(self._entities):
            destroy(entity)
        self._entities, self._periodic, self._inputs = [], [], {}
        self.problem = ""

    def _publish_diagnostics(self) -> None:
        now = self.steady()
        ages = {name: source.age(now) for name, source in self._inputs.items()}
        state = self._state_machine.current_state[1]
        message = DiagnosticArray(status=[self.diagnostics.report(now, state, self.problem, ages)])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(message)


def run(node_class: Callable[[], ManagedNode]) -> None:
    """Run one node as a process until a signal comes; an active node is halted before it ends."""
    end_with_supervisor()
    stop: list[int] = []
    # rclpy's own handlers shut the context down at once, and "zero" could no longer be said.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for number in SIGNALS:
        signal.signal(number, lambda received, _frame: stop.append(received))
    executor = SingleThreadedExecutor()
    node = None
    try:
        node = node_class()
        executor.add_node(node)
        while not stop:
            executor.spin_once(timeout_sec=0.1)
    finally:
        if node is not None:
            if node.active:
                node.trigger_deactivate()
                for _ in range(5):  # lets results of cancelled goals go out
                    executor.spin_once(timeout_sec=0.02)
            node.trigger_shutdown()
            node.destroy_node()
        rclpy.shutdown()
        for number in SIGNALS:
            # `ros2 launch` repeats Ctrl-C, perhaps while Python ends, when any other handler is gone.
            signal.signal(number, signal.SIG_IGN)
