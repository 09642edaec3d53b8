"""`lightnav://`: the server of LightNav-0 (its docs/PROTOCOL.md), which answers with waypoints.

JSON in text messages, one answer to each request: `login`, `reset`, and `next` with a base64 JPEG and the
instruction, answered by H rows [forward m, left m, yaw rad], each a pose in the robot's frame of that image.
The rows carry no time of their own; `?dt_s=` says what one stands for (0.1 s, as in LightNav-0's own tools).
A `next` without an instruction only leaves its frame in the server's history: that is how a server that came
back in the middle of an episode gets the latest frames again.

Code 400 is a request that is wrong: a `ValueError`. Code 500 is a model that failed at this one frame:
`PolicyUnavailable`, and the next frame is tried.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from typing import Any

from vlingnav_policy.remote import images
from vlingnav_policy.remote.address import Address
from vlingnav_policy.remote.base import BadAnswer, RemotePolicy, rows
from vlingnav_policy.remote.link import Link
from vlingnav_policy.types import Decision, Goal, Observation, PolicyUnavailable

KEPT = 8
"""Of the latest frames, so many are sent again; one round trip each, within one deadline."""


class LightNavPolicy(RemotePolicy):
    """LightNav-0 as a `Policy`: it takes instructions, sees images alone, and neither thinks nor writes.

    Args:
        url: `lightnav://HOST:PORT[?timeout_s=1&dt_s=0.1&tls=0]`.

    Raises:
        ManifestError: `url` is no such address.
    """

    def __init__(self, url: str) -> None:
        address = Address.parse(url, {"dt_s": "0.1"})
        self._dt = address.positive("dt_s")
        self._seen: deque[str] = deque(maxlen=KEPT)
        self._count = 0
        super().__init__(Link(address))

    def reset(self, goal: Goal) -> None:
        """Take on `goal`.

        Raises:
            ValueError: it is an image.
        """
        if goal.task == "image":
            raise ValueError("LightNav-0 takes no goal images; say in words what to find")
        super().reset(goal)
        self._seen.clear()

    def _tell(self, goal: Goal) -> None:
        self._ask("login", {"clientId": "vlingnav"})
        self._ask("reset", {})
        for frame in self._seen:
            self._next(frame, None)

    def _decide(self, goal: Goal, observation: Observation) -> Decision:
        frame = base64.b64encode(images.encode(observation.rgb, "jpeg")).decode()
        data = self._next(frame, goal.instruction)
        self._seen.append(frame)
        stop, actions = bool(data.get("stop")), data.get("actions")
        way = actions.get("actions") if isinstance(actions, dict) else None
        latency = data.get("latency_ms")
        return Decision(
            trajectory=rows(way, (3,), "waypoints", least=0 if stop else 1),
            dt=self._dt,
            stamp=observation.stamp,
            stop=stop,
            timings={"server": latency / 1e3} if isinstance(latency, int | float) else {},
        )

    def _next(self, frame: str, instruction: str | None) -> dict[str, Any]:
        self._count += 1
        data = self._ask("next", {"seq": self._count, "image": frame, "instruction": instruction})
        if data.get("seq") != self._count:
            raise BadAnswer(f"frame {data.get('seq')} where frame {self._count} was due")
        return data

    def _ask(self, action: str, data: dict[str, Any]) -> dict[str, Any]:
        """The `data` of the answer.

        Raises:
            ValueError: the request was wrong. PolicyUnavailable: the server failed.
        """
        answer = self._link.ask(json.dumps({"action": action, "data": data}))
        try:
            message = json.loads(answer)
            said, code = message["data"], message["data"]["rc"]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise BadAnswer(f"no answer of LightNav-0 but {answer[:80]!r}") from error
        reason = f"{self._link.address} answers {action} with {code}: {said.get('msg')}"
        if code == 400:
            raise ValueError(reason)
        if code != 0:
            raise PolicyUnavailable(reason)
        return said
