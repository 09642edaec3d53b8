"""A robot that an inference node serves by topics: it has a camera, odometry and a controller, and no more.

    instruction, image/compressed, odom  ->  plan, reasoning

The plan is empty, and the robot stands, when there is no instruction, when the policy says that it is there,
and when an image gets no decision. There is no limit of time: who gave an instruction takes it back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nav_msgs.msg import Path

from vlingnav import asking, convert, topics
from vlingnav.odometry import OdometryBuffer, Pose
from vlingnav_interfaces.srv import Decide
from vlingnav_policy.chunks import Replanner
from vlingnav_policy.types import Odometry

if TYPE_CHECKING:
    from vlingnav.node import ManagedNode

FRESH_S = 0.5
"""Images and odometry that are older [s] are missing."""


class Ward:
    """One such robot.

    Args:
        node: an inference node, that is being configured.
        name: the robot's namespace, without slashes. policy: that is served.
        ask: has a `Decide.Request` answered; what it is given besides is called with the response.
    """

    def __init__(
        self, node: ManagedNode, name: str, policy: str, ask: Callable[[Any, Callable[[Any], None]], None]
    ) -> None:
        self.name, self._node, self._policy, self._ask = name, node, policy, ask
        self._instruction, self._episode = "", 0
        self._newest: Any = None
        self._memory = ""
        self._said = "no instruction"
        self._history = OdometryBuffer()
        self._replanner = Replanner(1.0 / node.param("rate_hz"))

        def mine(topic: topics.Topic) -> topics.Topic:
            return replace(topic, name=f"/{name}/{topic.name}")

        self._plan = node.output(mine(topics.PLAN))
        self._reasoning = node.output(mine(topics.REASONING))
        self._told = node.input(
            mine(topics.INSTRUCTION), lambda message: message.data.strip(), then=self._on_told
        )
        self._odometry = node.input(mine(topics.ODOM), convert.odometry, then=self._on_odometry)
        self._image = node.input(mine(topics.IMAGE_COMPRESSED), lambda message: message, then=self._on_image)

    def state(self) -> str:
        """How it is with this robot, in a few words for the diagnostics."""
        if self._instruction:
            for source in (self._image, self._odometry):
                if source.age(self._node.steady()) > FRESH_S:
                    return f"nothing new on {source.topic}"
        return self._said

    def stand(self) -> None:
        """Have the robot stand, and forget what it was told."""
        self._instruction, self._said = "", "no instruction"
        self._plan.publish(Path())

    def _on_told(self) -> None:
        self._instruction = self._told.value
        self._episode, self._memory = self._episode + 1, ""
        self._replanner = Replanner(1.0 / self._node.param("rate_hz"))
        self._said = f'told "{self._instruction}"' if self._instruction else "no instruction"
        self._plan.publish(Path())

    def _on_odometry(self) -> None:
        stamp, odometry = self._odometry.value
        self._history.add(stamp, odometry.pose)

    def _on_image(self) -> None:
        image = self._image.value
        stamp = convert.seconds(image.header.stamp)
        if not self._instruction or not self._replanner.due(stamp):
            return
        if self._odometry.age(self._node.steady()) > FRESH_S:
            return
        try:
            pose = self._history.at(stamp)
        except LookupError as error:
            self._said = str(error)
            return
        self._replanner.asked(stamp)
        request = Decide.Request(robot=self.name, episode=self._episode, instruction=self._instruction)
        request.image = image
        odometry = Odometry(pose, self._odometry.value[1].velocity)
        asking.put_motion(request, odometry, self._replanner.underway(stamp, pose), stamp)
        arrival, self._newest = self._node.steady(), request
        self._ask(request, lambda response: self._on_answer(request, response, pose, arrival))

    def _on_answer(self, request: Any, response: Any, pose: Pose, arrival: float) -> None:
        if request.episode != self._episode or not self._instruction:
            return
        if response.status != Decide.Response.DECIDED:
            if request is self._newest:  # else it gave way to that one
                self._fail(response.message)
            return
        latency = self._node.steady() - arrival
        try:
            decision = asking.decision_of(response, convert.seconds(request.image.header.stamp))
            if not decision.stop:
                self._replanner.answered(decision, pose, latency)
        except ValueError as error:
            self._fail(f"the policy answered with {error}")
            return
        self._memory, self._said = response.memory_text or self._memory, f'told "{self._instruction}"'
        frame = response.plan.header.frame_id
        self._reasoning.publish(convert.reasoning(decision, self._memory, latency, self._policy, frame))
        if decision.stop:
            self._instruction, self._said = "", f'there: "{self._instruction}"'
        self._plan.publish(Path() if decision.stop else response.plan)

    def _fail(self, reason: str) -> None:
        self._said = reason
        self._plan.publish(Path())
