"""`openai://`: a vision-language model behind a chat endpoint, as it is, without training.

The model is shown the goal image, if there is one, the latest frames and what it wrote down before, and
asked for one JSON object: `thought`, `summary`, `waypoints` and `stop`. What it writes goes through the same
`Memory` as any policy's, so that it can be kept from run to run. It knows no more of the robot than the
prompt says: expect it to find the way to what it sees, and little else.

Large models take seconds. Give them the time, `?timeout_s=10`, and waypoints that reach beyond it,
`?dt_s=2`: what is in the past when it arrives is not driven.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import http.client
import json
import time
import urllib.error
import urllib.request
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.manifest import ManifestError
from vlingnav_policy.memory import Memory
from vlingnav_policy.remote import images
from vlingnav_policy.remote.address import Address
from vlingnav_policy.remote.base import BadAnswer, rows
from vlingnav_policy.remote.link import within
from vlingnav_policy.types import Decision, Goal, Observation, PolicyUnavailable

FRAMES = 4
"""Shown at a time; the newest is the last."""
WAYPOINTS = 4
LARGEST_ANSWER = 1 << 20
_FEW = 200  # characters of a strange answer that an error quotes

SYSTEM = (
    "You steer a mobile robot through a house by its camera alone. The camera looks straight ahead. "
    "Positions are in metres relative to where the robot stands now: x is ahead, y is to the left, and yaw "
    "is in radians, counter-clockwise. The robot drives at most 0.5 m/s and turns at most 1 rad/s. It must "
    "not touch anything."
)
_QUESTION = """Task: {task}
{images} The last one is what the camera sees now.
What you wrote down so far: {memory}

Answer with one JSON object and nothing else, with exactly these keys:
"thought": one or two sentences on what is in view that matters and what you do now, or null.
"summary": one sentence worth remembering about where things are, or null.
"waypoints": {count} rows [x, y, yaw]: where the robot should be {times} seconds from now.
"stop": true if the task is done and the robot should stay where it is, else false."""


class ChatPolicy:
    """A chat model as a `Policy`; it `RemembersInWords`.

    Args:
        url: `openai://[KEY@]HOST:PORT[/v1]?model=NAME[&timeout_s=1&dt_s=0.5&tls=0]`; the key may also be
            in OPENAI_API_KEY.

    Attributes:
        memory: the summaries it wrote.

    Raises:
        ManifestError: `url` is no such address, or names no model.
    """

    def __init__(self, url: str) -> None:
        self._address = address = Address.parse(url, {"model": "", "dt_s": "0.5"}, "OPENAI_API_KEY")
        if not address.options["model"]:
            raise ManifestError(f"{address} says no model; write openai://HOST:PORT?model=NAME")
        self._dt = address.positive("dt_s")
        self._goal: Goal | None = None
        self.memory = Memory()

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Take on `goal`, remembering what an earlier run did."""
        self._goal, self._step = goal, 0
        self._frames: deque[NDArray[np.uint8]] = deque(maxlen=FRAMES)
        self.memory = Memory(entries=memory.entries if memory else ())

    def act(self, observation: Observation) -> Decision:
        """Ask the model.

        Raises:
            RuntimeError: no goal was set.
            PolicyUnavailable: it gave no usable answer within the deadline.
        """
        if self._goal is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        begin, deadline = time.perf_counter(), time.monotonic() + self._address.timeout_s
        self._step += 1
        self._frames.append(observation.rgb)
        body = json.dumps(self._request(self._goal)).encode()
        try:
            answer = within(deadline, asyncio.to_thread(self._post, body, deadline))
            decision = read_answer(answer, self._dt, observation.stamp)
        except BadAnswer as error:
            raise PolicyUnavailable(f"{self._address} answered with {error}") from error
        except TimeoutError as error:
            limit = f"{self._address.timeout_s:g} s; a slow model needs a larger ?timeout_s="
            raise PolicyUnavailable(f"{self._address} gave no answer within {limit}") from error
        except (OSError, http.client.HTTPException) as error:
            raise PolicyUnavailable(f"{self._address} cannot be reached: {error}") from error
        if decision.thought is not None:
            self.memory.write(self._step, decision.summary or "")
        return dataclasses.replace(
            decision,
            memory=None if decision.thought is None else self.memory.text(),
            timings={"wire": time.perf_counter() - begin},
        )

    def _request(self, goal: Goal) -> dict[str, Any]:
        shown = [*([] if goal.image is None else [goal.image]), *self._frames]
        count = f"The {len(self._frames)} images before this show what the camera saw lately, in order."
        if goal.image is not None:
            count = f"The first image shows what to find. The {len(self._frames)} after it are the camera's."
        question = _QUESTION.format(
            task=goal.instruction,
            images=count,
            memory=self.memory.text() or "nothing yet.",
            count=WAYPOINTS,
            times=", ".join(f"{self._dt * (k + 1):g}" for k in range(WAYPOINTS)),
        )
        content = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_jpeg(image)}"}}
            for image in shown
        ]
        return {
            "model": self._address.options["model"],
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": [*content, {"type": "text", "text": question}]},
            ],
            "temperature": 0.0,
            "max_tokens": 400,
        }

    def _post(self, body: bytes, deadline: float) -> bytes:
        """One request; in a thread that is left behind when it takes too long, and then ends by itself."""
        headers = {"Content-Type": "application/json"}
        if self._address.token:
            headers["Authorization"] = f"Bearer {self._address.token}"
        post = urllib.request.Request(f"{self._address.url('http')}/chat/completions", body, headers)
        answer = b""
        try:
            with urllib.request.urlopen(post, timeout=self._address.timeout_s) as response:
                while piece := response.read1(1 << 16):
                    answer += piece
                    if time.monotonic() > deadline or len(answer) > LARGEST_ANSWER:
                        raise BadAnswer("more than there was time and room for")
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read(_FEW).decode(errors="replace").strip()
            raise BadAnswer(f"HTTP {error.code} {error.reason}: {detail}") from error
        return answer


def read_answer(body: bytes, dt: float, stamp: float) -> Decision:
    """The decision in a chat completion, whose text may be fenced or have words round the JSON object.

    Raises:
        BadAnswer: there is none.
    """
    try:
        text = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadAnswer(f"no chat completion but {body[:_FEW]!r}") from error
    if not isinstance(text, str):
        raise BadAnswer(f"no text but {text!r}")
    try:
        said = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"no JSON object but {text[:_FEW]!r}") from error
    thought, summary, stop = said.get("thought"), said.get("summary"), said.get("stop")
    if not isinstance(stop, bool) or not all(t is None or isinstance(t, str) for t in (thought, summary)):
        raise BadAnswer(
            f"a thought or summary that is no text, or a stop that is neither true nor false: {said}"
        )
    return Decision(
        trajectory=rows(said.get("waypoints"), (3,), "waypoints", least=0 if stop else 1),
        dt=dt,
        stamp=stamp,
        stop=stop,
        thought=thought,
        summary=summary if thought is not None else None,
    )


def _jpeg(image: NDArray[np.uint8]) -> str:
    return base64.b64encode(images.encode(image, "jpeg")).decode()
