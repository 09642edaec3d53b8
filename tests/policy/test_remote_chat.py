"""A chat endpoint as a policy: what it is shown, what is made of its answers, and what it may not say."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from vlingnav_policy import (
    Decision,
    Goal,
    Observation,
    Odometry,
    Policy,
    PolicyUnavailable,
    RemembersInWords,
    load_policy,
)
from vlingnav_policy.remote import images

Eventually = Callable[[Policy, Observation], Decision]
GOAL = Goal("find the red chair")


def observation(stamp: float) -> Observation:
    rgb = np.random.default_rng(int(10 * stamp)).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Observation(rgb, stamp, odometry=Odometry(np.zeros(3), np.array([0.3, 0.0, 0.1])))


class Chat:
    """An endpoint that answers with `answer`: a text, or an HTTP status."""

    def __init__(self) -> None:
        self.answer: str | int = json.dumps({"waypoints": [[0.5, 0, 0]], "stop": False})
        self.requests: list[tuple[str | None, dict[str, Any]]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                double.requests.append((self.headers["Authorization"], body))
                double.go_on.wait(20.0)
                status = double.answer if isinstance(double.answer, int) else 200
                completion = {"choices": [{"message": {"content": double.answer}}]}
                with contextlib.suppress(OSError):  # who asked may be gone
                    self.send_response(status if self.path == "/v1/chat/completions" else 404)
                    self.end_headers()
                    self.wfile.write(b"busy" if status != 200 else json.dumps(completion).encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}).start()

    def policy(self, timeout_s: float = 20.0) -> Any:
        where = f"key@127.0.0.1:{self.server.server_port}/v1"
        return load_policy(f"openai://{where}?model=large&timeout_s={timeout_s}")


@pytest.fixture
def chat() -> Iterator[Chat]:
    double = Chat()
    yield double
    double.go_on.set()
    double.server.shutdown()
    double.server.server_close()


def test_a_chat_model_thinks_remembers_and_drives(chat: Chat) -> None:
    policy = chat.policy()
    assert isinstance(policy, RemembersInWords)
    policy.reset(GOAL)
    said = {
        "thought": "A door is ahead.",
        "summary": "Room one: no chair.",
        "waypoints": [[0.5, 0, 0], [1.0, 0.1, 0.2]],
        "stop": False,
    }
    chat.answer = f"Sure!\n```json\n{json.dumps(said)}\n```"
    decision = policy.act(observation(1.0))
    np.testing.assert_allclose(decision.trajectory, said["waypoints"], rtol=1e-6)
    assert (decision.thought, decision.summary) == (said["thought"], said["summary"])
    assert "1th: Room one: no chair." in (decision.memory or "")
    assert (decision.dt, decision.stamp, decision.stop) == (0.5, 1.0, False)
    chat.answer = json.dumps({"thought": None, "summary": None, "waypoints": [], "stop": True})
    last = policy.act(observation(1.4))
    assert last.stop and last.thought is None and last.memory is None
    (key, first), (_, second) = chat.requests
    assert key == "Bearer key" and first["model"] == "large"
    system, user = first["messages"]
    assert system["role"] == "system" and [c["type"] for c in user["content"]] == ["image_url", "text"]
    kinds = [c["type"] for c in second["messages"][1]["content"]]
    assert kinds == ["image_url", "image_url", "text"]
    assert "Room one: no chair." in second["messages"][1]["content"][-1]["text"]
    shown = first["messages"][1]["content"][0]["image_url"]["url"]
    pixels = images.decode(base64.b64decode(shown.removeprefix("data:image/jpeg;base64,")), "the image")
    assert pixels.shape == (48, 64, 3)


def test_a_goal_image_is_shown_first_and_old_frames_are_dropped(chat: Chat) -> None:
    policy = chat.policy()
    policy.reset(Goal("there", "image", observation(9.0).rgb))
    for step in range(6):
        policy.act(observation(0.4 * step))
    content = chat.requests[-1][1]["messages"][1]["content"]
    assert len(content) == 1 + 4 + 1 and "first image shows what to find" in content[-1]["text"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (503, "answered with HTTP 503 Service Unavailable: busy"),
        ("I would rather not.", "no JSON object but 'I would rather not.'"),
        ('{"waypoints": [[1, 2]], "stop": false}', "waypoints that are no rows of 3 numbers"),
        ('{"waypoints": [[1, 2, NaN]], "stop": false}', "waypoints that are not finite"),
        ('{"waypoints": [], "stop": false}', "waypoints that are no rows"),
        ('{"waypoints": [[1, 2, 3]]}', "a stop that is neither true nor false"),
        ('{"waypoints": [[1, 2, 3]], "stop": false, "thought": 5}', "a thought or summary that is no text"),
    ],
)
def test_what_a_chat_model_should_not_say_is_an_outage(chat: Chat, answer: str | int, sentence: str) -> None:
    policy = chat.policy()
    policy.reset(GOAL)
    chat.answer = answer
    with pytest.raises(PolicyUnavailable) as error:
        policy.act(observation(0.0))
    assert sentence in str(error.value) and "key" not in str(error.value)
    chat.answer = '{"waypoints": [[0.1, 0, 0]], "stop": false}'
    policy.act(observation(0.4))


def test_a_slow_or_lost_endpoint_costs_no_more_than_the_deadline(chat: Chat, eventually: Eventually) -> None:
    policy = chat.policy(timeout_s=0.2)
    policy.reset(GOAL)
    chat.go_on.clear()
    begin = time.monotonic()
    with pytest.raises(PolicyUnavailable, match="no answer within 0.2 s"):
        policy.act(observation(0.0))
    assert time.monotonic() - begin < 2.0
    chat.go_on.set()
    eventually(policy, observation(0.4))
    chat.server.shutdown()
    chat.server.server_close()
    with pytest.raises(PolicyUnavailable, match="cannot be reached"):
        policy.act(observation(0.8))
