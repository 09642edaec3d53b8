"""`vlingnav bench loop`: how long after an image the command that answers it reaches the motors.

The whole simulated graph runs as it always does, one process a node; this process only listens. It takes
the time at which the middleware of the sender published each message (`source_timestamp`, one clock for
all processes of a machine), so waiting in its own queues does not count:

    image --policy--> plan (carries the image's stamp) --controller--> cmd_vel_desired --safety--> cmd_vel

An image's command is the first `cmd_vel` published after the first `cmd_vel_desired` that was published
after its plan. A tick that falls into the fraction of a millisecond in which a message is under way is
taken for the answer although it is not; that is one tick in a hundred, and shortens it by a few ms.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.qos import QoSProfile

from vlingnav import convert, graph, topics
from vlingnav.lifecycle import wait_until
from vlingnav.params import Value
from vlingnav.signals import signals_as_interrupt
from vlingnav.up import running
from vlingnav_cli import CommandFailed
from vlingnav_interfaces.action import Navigate


class LoopTimer:
    """Keeps when each message was published, and matches images to the commands that answer them."""

    def __init__(self, node: Node) -> None:
        self._images: dict[float, int] = {}
        self._plans: list[tuple[float, int]] = []
        self._desired: list[int] = []
        self._commands: list[int] = []
        callbacks: list[tuple[topics.Topic, Any]] = [
            (topics.IMAGE, self._on_image),
            (topics.PLAN, self._on_plan),
            (topics.CMD_VEL_DESIRED, lambda _, info: self._desired.append(info["source_timestamp"])),
            (topics.CMD_VEL, lambda _, info: self._commands.append(info["source_timestamp"])),
        ]
        for topic, callback in callbacks:
            # Deeper than the graph's own queues: nothing may be missed while another message is handled.
            qos = QoSProfile(depth=50, reliability=topic.qos.reliability)
            node.create_subscription(topic.type, topic.name, callback, qos)

    def _on_image(self, message: Any, info: dict[str, int]) -> None:
        self._images[convert.seconds(message.header.stamp)] = info["source_timestamp"]

    def _on_plan(self, message: Any, info: dict[str, int]) -> None:
        if message.poses:
            self._plans.append((convert.seconds(message.header.stamp), info["source_timestamp"]))

    def latencies_s(self) -> NDArray[np.float64]:
        """`(N, 2)`: image to plan and image to cmd_vel [s] of each image that was answered."""
        rows = []
        desired, commands = np.sort(self._desired), np.sort(self._commands)
        for captured, planned in self._plans:
            image = self._images.get(captured)
            first = np.searchsorted(desired, planned, "right")
            if image is None or first == len(desired):
                continue
            second = np.searchsorted(commands, desired[first], "right")
            if second < len(commands):
                rows.append((planned - image, commands[second] - image))
        return np.array(rows, np.float64).reshape(-1, 2) * 1e-9


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the graph until enough images were answered, and print percentiles."""
    values: dict[str, Value] = {a.name: a.default for a in graph.ARGUMENTS}
    values |= {name: getattr(args, name) for name in ("robot", "house", "max_rooms", "policy")}
    values["headless"] = True
    with signals_as_interrupt(), running("navigate", values) as (node, executor, supervisor):
        timer = LoopTimer(node)
        client = ActionClient(node, topics.NAVIGATE[1], topics.NAVIGATE[0])
        if not wait_until(executor, client.server_is_ready, 10.0, supervisor.check):
            raise CommandFailed("the policy node offers no goals")
        answered = 0
        while answered < args.samples:
            answer = _send(client, args.goal, executor, supervisor.check)
            while not answer.done() and len(timer.latencies_s()) < args.samples:
                wait_until(executor, answer.done, 1.0, supervisor.check)
            if len(timer.latencies_s()) == answered:
                raise CommandFailed(f"the goal ended without a plan: {answer.result().result.message}")
            answered = len(timer.latencies_s())
    policy, total = timer.latencies_s().T * 1e3
    figures = {
        "p50_ms": float(np.percentile(total, 50)),
        "p99_ms": float(np.percentile(total, 99)),
        "policy_p50_ms": float(np.percentile(policy, 50)),
        "policy_p99_ms": float(np.percentile(policy, 99)),
        "samples": len(total),
    }
    print(
        f"image to cmd_vel: median {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms "
        f"({figures['samples']} images); of that, image to plan: median {figures['policy_p50_ms']:.1f} ms, "
        f"p99 {figures['policy_p99_ms']:.1f} ms"
    )
    return figures


def _send(client: ActionClient, instruction: str, executor: Any, check: Any) -> Any:
    sent = client.send_goal_async(Navigate.Goal(instruction=instruction))
    if not wait_until(executor, sent.done, 10.0, check):
        raise CommandFailed("the policy node does not answer")
    return sent.result().get_result_async()
