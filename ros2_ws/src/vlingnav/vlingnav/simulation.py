"""Asking a simulated world: what it is, and how well a robot in it has done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.executors import Executor
from rclpy.node import Node

from vlingnav import topics
from vlingnav.lifecycle import wait_until
from vlingnav.recorder import World
from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.srv import Score

SCORES = ("success", "spl", "soft_spl", "distance_to_goal_m", "shortest_path_m", "collisions")
_PARAMETERS = ("house", "max_rooms", "contains", "robot", "robots")


class Simulation:
    """The `sim` node as others see it; on a robot there is none.

    Args:
        node: with which to ask.
        executor: spun here.
        check: called while waiting; raises when there is no point in waiting any longer.
        name: of the `sim` node, relative to `node`'s namespace.
        timeout_s: after which there is none [s].
    """

    def __init__(
        self,
        node: Node,
        executor: Executor,
        check: Callable[[], None],
        name: str = "sim",
        timeout_s: float = 5.0,
    ) -> None:
        client = node.create_client(GetParameters, f"{name}/get_parameters")
        self.parameters: dict[str, Any] = {}
        if wait_until(executor, client.service_is_ready, timeout_s, check):
            values = ask(client, GetParameters.Request(names=_PARAMETERS), executor, check)
            for key, value in zip(_PARAMETERS, values.values if values else (), strict=False):
                self.parameters[key] = (
                    value.integer_value
                    if value.type == ParameterType.PARAMETER_INTEGER
                    else value.string_value
                )

    def world(self, instruction: str) -> World | None:
        """The world, and what in it answers an instruction; None where nothing is simulated."""
        if not self.parameters:
            return None
        house, rooms, contains, robot, _ = self.parameters.values()
        return World.of(house, rooms, contains, robot, instruction)

    def missions(self, count: int) -> list[str]:
        """An instruction for each of `count` robots, which the world placed with that in mind."""
        from vlingnav.missions import missions

        world = self.world("")
        return [] if world is None else [task.goal.instruction for task in missions(world.house, count)]


class Scorer:
    """The simulated world's verdict on one robot; does nothing where there is no simulation."""

    def __init__(self, node: Node, executor: Executor, check: Callable[[], None]) -> None:
        self._executor, self._check, self._begun = executor, check, False
        self._score = node.create_client(topics.SCORE[1], topics.SCORE[0])

    def begin(self, instruction: str) -> None:
        """Begin an episode."""
        if not wait_until(self._executor, self._score.service_is_ready, 5.0, self._check):
            return
        request = Score.Request(instruction=instruction, begin=True)
        answer = ask(self._score, request, self._executor, self._check)
        self._begun = answer is not None and answer.ok
        if answer is not None and answer.message:
            print(f"note: {answer.message}")

    def end(self, result: Navigate.Result) -> dict[str, Any]:
        """The scores; a robot that did not itself say "there" has not succeeded, wherever it stands."""
        if not self._begun:
            return {}
        answer = ask(self._score, Score.Request(begin=False), self._executor, self._check)
        if answer is None or not answer.ok:
            return {}
        scores = {name: getattr(answer, name) for name in SCORES}
        if result.outcome != Navigate.Result.ARRIVED:
            scores.update(success=False, spl=0.0)
        return {
            name: round(value, 4) if isinstance(value, float) else value for name, value in scores.items()
        }


def ask(client: Any, request: Any, executor: Executor, check: Callable[[], None]) -> Any:
    """A service's answer, or None when there is none within half a minute."""
    future = client.call_async(request)
    return future.result() if wait_until(executor, future.done, 30.0, check) else None
