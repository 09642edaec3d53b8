"""The demo `fleet`: two robots, one engine, and everything that `navigate` does for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rclpy.action import ActionClient

from vlingnav import convert, graph, topics
from vlingnav.lifecycle import wait_until
from vlingnav.up import running
from vlingnav_interfaces.action import Navigate


class Robot:
    """What is said of one robot, and to it."""

    def __init__(self, node: Any, name: str) -> None:
        self.plans: list[Any] = []
        self.thoughts: list[str] = []
        self.velocity = 0.0
        self.client = ActionClient(node, Navigate, f"/{name}/navigate")
        for topic, hear in (
            (topics.PLAN, self.plans.append),
            (topics.REASONING, lambda m: self.thoughts.append(m.thought)),
            (topics.GROUND_TRUTH, self._moved),
        ):
            node.create_subscription(topic.type, f"/{name}/{topic.name}", hear, topic.qos)

    def _moved(self, message: Any) -> None:
        self.velocity = float(abs(convert.odometry(message)[1].velocity[2]))


class Fleet:
    """Both robots, and what the graph is run by."""

    def __init__(self, node: Any, executor: Any, supervisor: Any) -> None:
        self.robots = [Robot(node, f"robot{k}") for k in range(2)]
        self.served = ""
        self._executor, self._check = executor, supervisor.check
        topic = topics.DIAGNOSTICS
        node.create_subscription(topic.type, topic.name, self._hear, topic.qos)

    def _hear(self, message: Any) -> None:
        for status in message.status:
            if status.name == "/inference":
                self.served = {value.key: value.value for value in status.values}.get("robots", "")

    def wait(self, condition: Any, what: str, timeout_s: float = 20.0) -> None:
        assert wait_until(self._executor, condition, timeout_s, self._check), f"waited for {what}"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    values = {a.name: graph.default(a, "fleet") for a in graph.ARGUMENTS}
    values |= {"headless": True, "policy": "policy_doubles:spin"}
    with running("fleet", values) as (node, executor, supervisor):
        yield Fleet(node, executor, supervisor)


def test_each_is_told_something_else_and_goes(fleet: Fleet) -> None:
    goals = ("find the red chair", "find the bed")
    handles = []
    for robot, text in zip(fleet.robots, goals, strict=True):
        fleet.wait(robot.client.server_is_ready, "the action")
        sent = robot.client.send_goal_async(Navigate.Goal(instruction=text))
        fleet.wait(sent.done, "the goal to be accepted")
        handles.append(sent.result())
    fleet.wait(lambda: all(robot.velocity > 0.2 for robot in fleet.robots), "both robots to turn")
    for robot, text in zip(fleet.robots, goals, strict=True):
        fleet.wait(lambda said=robot.thoughts: len(said) > 3, "thoughts")
        assert {thought for thought in robot.thoughts if thought} <= {
            f"look {k} for {text!r}" for k in range(2, 40)
        }
    fleet.wait(lambda: fleet.served == "robot0, robot1", "diagnostics to name both")
    # One is taken back; the other goes on.
    first, second = fleet.robots
    result = handles[0].get_result_async()
    fleet.wait(handles[0].cancel_goal_async().done, "the goal to be taken back")
    fleet.wait(result.done, "the result")
    assert result.result().result.outcome == Navigate.Result.CANCELED
    fleet.wait(lambda: first.velocity < 0.01, "the robot to stand")
    heard = len(second.plans)
    fleet.wait(lambda: len(second.plans) > heard + 2, "plans for the other")
    assert second.velocity > 0.2


def test_the_policies_are_the_engines_and_the_engine_is_told_what_to_be() -> None:
    """The table says it once: who serves a node takes its arguments, and that node gets an address."""
    placed = {each.name: each for each in graph.placed("fleet", "robot")}
    assert dict(placed["/robot1/policy"].parameters) == {"policy": "ros://inference"}
    assert dict(placed["/robot0/safety"].parameters)["neighbours"] == "/robot1"
    server = placed["/inference"]
    assert server.parameters == ()
    assert graph.overrides(server.node, {"policy": "nano", "engine": "cuda", "house": 3}) == {
        "policy": "nano",
        "engine": "cuda",
    }
    assert not any(each.node.name == "inference" for each in graph.placed("multi_robot", "robot"))
