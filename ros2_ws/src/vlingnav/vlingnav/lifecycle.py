"""Walking lifecycle nodes to ACTIVE from outside, as `launch_ros` does with events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.task import Future

from vlingnav.signals import signals_put_off
from vlingnav_cli import CommandFailed


class BringUpFailed(CommandFailed):
    """A node did not come up; the message says which and at what."""


def wait_until(
    executor: Executor,
    condition: Callable[[], bool],
    timeout_s: float,
    check: Callable[[], None] = lambda: None,
) -> bool:
    """Spin until `condition` holds; False when it does not within `timeout_s`.

    Args:
        executor: spun here.
        condition: looked at after each callback.
        timeout_s: [s].
        check: called now and then; may raise to end the wait.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        with signals_put_off():
            executor.spin_once(timeout_sec=0.05)
        check()
    return True


def bring_up(
    node: Node, executor: Executor, names: Sequence[str], check: Callable[[], None], timeout_s: float = 180.0
) -> None:
    """Configure all nodes side by side, then activate them in the order given.

    Args:
        node: makes the requests; must be in `executor`.
        executor: spun here.
        names: full names of the lifecycle nodes.
        check: called while waiting; raises when a node's process has ended.
        timeout_s: for a node to appear, and for each transition [s].

    Raises:
        BringUpFailed: a node did not appear, answer, or make a transition.
    """
    clients = {name: node.create_client(ChangeState, f"{name}/change_state") for name in names}
    try:
        for name, client in clients.items():
            if not wait_until(executor, client.service_is_ready, timeout_s, check):
                raise BringUpFailed(f"node {name} did not appear within {timeout_s:.0f} s")

        def ask(name: str, transition: int) -> Future:
            return clients[name].call_async(ChangeState.Request(transition=Transition(id=transition)))

        def finish(name: str, answer: Future, word: str) -> None:
            if not wait_until(executor, answer.done, timeout_s, check):
                raise BringUpFailed(f"node {name} could not be {word} within {timeout_s:.0f} s")
            if not answer.result().success:
                raise BringUpFailed(f"node {name} could not be {word}; its last lines above say why")

        answers = {name: ask(name, Transition.TRANSITION_CONFIGURE) for name in names}
        for name, answer in answers.items():
            finish(name, answer, "configured")
        for name in names:
            finish(name, ask(name, Transition.TRANSITION_ACTIVATE), "activated")
    finally:
        for client in clients.values():
            node.destroy_client(client)
