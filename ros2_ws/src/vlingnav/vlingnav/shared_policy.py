"""`ros://NODE`: a policy that the `inference` node of that name serves to several robots.

The address `ros://inference` names the service `/inference/decide`; `?timeout_s=` is the deadline of one
decision (1 s), `?image=jpeg` sends images with loss, for radios that need it. As with the addresses of
`vlingnav_policy.remote`, a policy that does not answer in time is unavailable, the robot stands, and later
calls find it again and tell it the goal anew.
"""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name

from vlingnav import asking, topics
from vlingnav_interfaces.srv import Decide
from vlingnav_policy.manifest import CameraSpec, ManifestError
from vlingnav_policy.memory import Memory
from vlingnav_policy.remote import images, wire
from vlingnav_policy.types import Decision, Goal, Observation, PolicyUnavailable

SCHEME = "ros://"
OPTIONS = {"timeout_s": "1", "image": "png"}


class SharedPolicy:
    """A `Policy` in another node; it `RemembersInWords` what the served one does.

    Its calls are to be made in a thread other than the one that spins `node`.

    Args:
        url: `ros://NODE[?timeout_s=1&image=png]`.
        node: asks, under its namespace.
        camera: the robot's, which a policy that was made for another refuses.

    Attributes:
        memory: what the served policy wrote.

    Raises:
        ManifestError: `url` is no such address.
    """

    def __init__(self, url: str, node: Node, camera: CameraSpec) -> None:
        self._service, self._timeout_s, self._kind = _parse(url)
        self._robot = node.get_namespace().strip("/") or node.get_name()
        self._camera = camera
        self._client = node.create_client(Decide, self._service, qos_profile=topics.REQUESTS)
        self._node = node
        self._goal: Goal | None = None
        self._episode = 0
        self.memory = Memory(wire.AS_WRITTEN)

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Take on `goal`, remembering what an earlier run did; the node hears of it with the next look."""
        self._goal = goal
        # By chance and not by counting: a robot that was restarted must not meet the number of its last goal.
        self._episode = secrets.randbits(32)
        self.memory = Memory(wire.AS_WRITTEN, entries=memory.entries if memory else ())

    def act(self, observation: Observation) -> Decision:
        """Ask the node.

        Raises:
            RuntimeError: no goal was set, or the policy failed.
            ValueError: the node refuses the goal or the observation; the message says why.
            PolicyUnavailable: it gave no decision within the deadline.
        """
        if self._goal is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        begin = time.perf_counter()
        response = self._ask(self._request(self._goal, observation))
        if response.status == Decide.Response.REFUSED:
            raise ValueError(response.message)
        if response.status == Decide.Response.FAILED:
            raise RuntimeError(f"{self._service}: {response.message}")
        if response.status != Decide.Response.DECIDED:
            raise PolicyUnavailable(f"{self._service}: {response.message}")
        try:
            decision = asking.decision_of(response, observation.stamp)
        except ValueError as error:
            raise PolicyUnavailable(f"{self._service} answered with no decision: {error}") from error
        if (entries := asking.memory_of(response)) is not None:
            self.memory = Memory(wire.AS_WRITTEN, entries=entries)
        elsewhere = decision.timings["server"]
        spent = max(0.0, time.perf_counter() - begin - elsewhere)
        return replace(decision, timings={**decision.timings, "wire": spent})

    def close(self) -> None:
        """Let go of the service."""
        self._node.destroy_client(self._client)

    def _request(self, goal: Goal, observation: Observation) -> Any:
        if observation.odometry is None:
            raise ValueError(
                "a shared policy is told where the robot is, and the observation has no odometry"
            )
        request = Decide.Request(robot=self._robot, episode=self._episode)
        asking.put_goal(request, goal, self._camera, self.memory.entries, self._kind)
        request.image = asking.compressed(observation.rgb, self._kind, observation.stamp)
        asking.put_motion(request, observation.odometry, observation.underway, observation.stamp)
        return request

    def _ask(self, request: Any) -> Any:
        if not self._client.service_is_ready():
            raise PolicyUnavailable(f"nothing answers at {self._service}; start its inference node")
        response = self._client.call(request, self._timeout_s)
        if response is None:
            late = f"{self._service} gave no answer within {self._timeout_s:g} s"
            raise PolicyUnavailable(f"{late}; a slow one needs a larger ?timeout_s=")
        return response


def _parse(url: str) -> tuple[str, float, str]:
    """Service, deadline [s] and kind of images of an address; raises ManifestError."""
    parts = urlsplit(url)
    service = f"/{parts.netloc}{parts.path}/{topics.DECIDE[0]}"
    try:
        validate_full_topic_name(service, is_service=True)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        if strange := sorted(given.keys() - OPTIONS.keys()):
            raise ValueError(f"it says {', '.join(strange)}, and there is {', '.join(OPTIONS)}")
        options = {**OPTIONS, **given}
        timeout_s, kind = float(options["timeout_s"]), options["image"]
        if not 0.0 < timeout_s < math.inf or kind not in images.FORMATS:
            raise ValueError(f"timeout_s={timeout_s:g} and image={kind}; give seconds, and png or jpeg")
    except (ValueError, NameValidationException) as error:
        raise ManifestError(f"{url!r} is no address of an inference node: {error}") from error
    return service, timeout_s, kind
