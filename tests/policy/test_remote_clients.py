"""Clients of other projects' servers, against servers of ours that behave as those are described."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from vlingnav_policy import (
    Decision,
    Goal,
    Observation,
    Odometry,
    Policy,
    PolicyUnavailable,
    load_policy,
)
from vlingnav_policy.remote import codec

Eventually = Callable[[Policy, Observation], Decision]
GOAL = Goal("find the red chair")
Act = Callable[[Any], Any]


def observation(stamp: float) -> Observation:
    rgb = np.random.default_rng(int(10 * stamp)).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Observation(rgb, stamp, odometry=Odometry(np.zeros(3), np.array([0.3, 0.0, 0.1])))


@contextlib.contextmanager
def listening(handler: Callable[[ServerConnection], None], port: int = 0) -> Iterator[Server]:
    """A WebSocket server in a thread; leaving hangs up on everybody."""
    connections = []

    def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            handler(connection)

    with serve(handle, "127.0.0.1", port, compression=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            for connection in connections:
                connection.close_socket()


def port(server: Server) -> int:
    return server.socket.getsockname()[1]


class LightNav:
    """A server of LightNav-0 with a model of two rules: at "stop" it stops, else it goes straight on."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.next: Act = lambda data: None  # what a test has it answer instead

    def __call__(self, connection: ServerConnection) -> None:
        for message in connection:
            request = json.loads(message)
            action, data = request["action"], request["data"]
            self.requests.append(request)
            answer: Any = {"rc": 0, "msg": "ok"}
            if action == "next":
                assert base64.b64decode(data["image"])[:2] == b"\xff\xd8"
                answer = self.next(data) or self.predict(data)
            elif action not in ("login", "reset"):
                answer = {"rc": 400, "msg": f"unknown action: {action!r}"}
            connection.send(
                answer if isinstance(answer, str) else json.dumps({"action": action, "data": answer})
            )

    def predict(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data["instruction"]:
            return {"rc": 0, "seq": data["seq"], "msg": "image received"}
        stop = "stop" in data["instruction"]
        step = [0.0, 0.0, 0.0] if stop else [0.1, 0.02, 0.05]
        return {
            "rc": 0,
            "seq": data["seq"],
            "actions": {"step": 1, "actions": [[(k + 1) * x for x in step] for k in range(10)]},
            "latency_ms": 143.2,
            "stop": stop,
            "stop_reason": "rvq_stop_code" if stop else None,
            "visible": None,
            "timings_ms": {"vit_ms": 61.0},
            "raw_text": "",
        }

    def said(self) -> list[str]:
        """The requests so far; "see" is a frame without an instruction."""
        return [
            "see" if r["action"] == "next" and not r["data"]["instruction"] else r["action"]
            for r in self.requests
        ]


def lightnav(server: Server, timeout_s: float = 20.0) -> Policy:
    return load_policy(f"lightnav://127.0.0.1:{port(server)}?timeout_s={timeout_s}")


def test_lightnav_answers_with_waypoints_and_stops() -> None:
    double = LightNav()
    with listening(double) as server:
        policy = lightnav(server)
        policy.reset(GOAL)
        decision = policy.act(observation(1.0))
        np.testing.assert_allclose(decision.trajectory[:2], [[0.1, 0.02, 0.05], [0.2, 0.04, 0.1]], rtol=1e-6)
        assert decision.trajectory.shape == (10, 3) and decision.trajectory.dtype == np.float32
        assert (decision.dt, decision.stamp, decision.stop) == (0.1, 1.0, False)
        assert decision.timings["server"] == pytest.approx(0.1432)
        policy.reset(Goal("stop at the door"))
        assert policy.act(observation(2.0)).stop
    assert double.said() == ["login", "reset", "next", "login", "reset", "next"]
    assert double.requests[2]["data"]["instruction"] == GOAL.instruction
    assert double.requests[0]["data"] == {"clientId": "vlingnav"}


@pytest.mark.parametrize("actions", [None, {"actions": []}])
def test_a_lightnav_that_stops_need_not_say_where_to_go(actions: Any) -> None:
    double = LightNav()
    with listening(double) as server:
        policy = lightnav(server)
        policy.reset(GOAL)
        double.next = lambda data: {"rc": 0, "seq": data["seq"], "stop": True, "actions": actions}
        decision = policy.act(observation(0.0))
        assert decision.stop and decision.trajectory.shape == (0, 3)
        double.next = lambda data: {"rc": 0, "seq": data["seq"], "stop": False, "actions": actions}
        with pytest.raises(PolicyUnavailable, match="waypoints that are no rows of 3 numbers"):
            policy.act(observation(0.4))


def test_lightnav_refusals_and_failures_are_told_apart() -> None:
    double = LightNav()
    answers: list[Any] = [
        {"rc": 400, "msg": "bad image: truncated", "seq": 1},
        {"rc": 500, "msg": "trajectory id out of range", "seq": 2},
        "not JSON at all",
        '{"action": "next"}',
        {"rc": 0, "seq": 7, "msg": "another frame's"},
        {"rc": 0, "seq": 6, "actions": {"actions": [[1.0, 2.0]]}, "stop": False},
        {"rc": 0, "seq": 7, "actions": {"actions": [[1.0, 2.0, float("nan")]]}, "stop": False},
        {"rc": 0, "seq": 8, "actions": None, "stop": False},
    ]
    double.next = lambda data: answers.pop(0) if answers else None
    with listening(double) as server:
        policy = lightnav(server)
        policy.reset(GOAL)
        for kind, sentence in (
            (ValueError, "answers next with 400: bad image: truncated"),
            (PolicyUnavailable, "answers next with 500: trajectory id out of range"),
            (PolicyUnavailable, "answered with no answer of LightNav-0 but 'not JSON at all'"),
            (PolicyUnavailable, "no answer of LightNav-0"),
            (PolicyUnavailable, "frame 7 where frame 5 was due"),
            (PolicyUnavailable, "waypoints that are no rows of 3 numbers"),
            (PolicyUnavailable, "waypoints that are not finite"),
            (PolicyUnavailable, "waypoints that are no rows"),
        ):
            with pytest.raises(kind, match=sentence):
                policy.act(observation(0.0))
        assert policy.act(observation(1.0)).stamp == 1.0
    assert double.said().count("login") == 1, "one connection through all of it"


def test_lightnav_takes_no_goal_images() -> None:
    with pytest.raises(ValueError, match="takes no goal images"):
        load_policy("lightnav://127.0.0.1:1").reset(Goal("there", "image", observation(0.0).rgb))


def test_a_late_answer_of_lightnav_is_not_taken_for_the_next(eventually: Eventually) -> None:
    double, go_on = LightNav(), threading.Event()
    double.next = lambda data: None if data["seq"] > 1 or go_on.wait(20.0) else None
    with listening(double) as server:
        policy = lightnav(server, timeout_s=0.2)
        policy.reset(GOAL)
        begin = time.monotonic()
        with pytest.raises(PolicyUnavailable, match="no answer within 0.2 s"):
            policy.act(observation(1.0))
        assert time.monotonic() - begin < 2.0
        go_on.set()
        assert eventually(policy, observation(2.0)).stamp == 2.0
    assert double.said().count("login") == 1, "it was worth waiting for"


def test_a_lightnav_that_never_answers_is_called_anew(eventually: Eventually) -> None:
    double, calls = LightNav(), list[ServerConnection]()

    def stuck(connection: ServerConnection) -> None:
        calls.append(connection)
        for _ in connection:
            pass

    with listening(stuck) as server:
        policy, where = lightnav(server, timeout_s=0.3), port(server)
        policy.reset(GOAL)
        while len(calls) < 2:
            with pytest.raises(PolicyUnavailable):
                policy.act(observation(0.0))
            time.sleep(0.01)
    with listening(double, where):
        eventually(policy, observation(1.0))


def test_a_lightnav_that_comes_back_gets_goal_and_frames_again(eventually: Eventually) -> None:
    first, second = LightNav(), LightNav()
    with listening(first) as server:
        where, policy = port(server), lightnav(server)
        policy.reset(GOAL)
        policy.act(observation(0.0))
        policy.act(observation(0.4))
    with pytest.raises(PolicyUnavailable, match=f"127.0.0.1:{where}"):
        policy.act(observation(0.8))
    with listening(second, where):
        eventually(policy, observation(1.2))
    assert second.said() == ["login", "reset", "see", "see", "next"]
    again = [r["data"]["image"] for r in second.requests if r["action"] == "next"]
    assert again[:2] == [r["data"]["image"] for r in first.requests if r["action"] == "next"][:2]


class Openpi:
    """A policy server of openpi whose model answers with `actions`; a text is an error of its."""

    def __init__(self, actions: Any) -> None:
        self.actions, self.seen = actions, list[dict[str, Any]]()

    def __call__(self, connection: ServerConnection) -> None:
        connection.send(codec.pack({"robot": "a base"}))
        for message in connection:
            self.seen.append(codec.unpack(message))  # type: ignore[arg-type]
            if isinstance(self.actions, str):
                connection.send(self.actions)
                connection.close(1011, "Internal server error.")
                return
            answer = self.actions if isinstance(self.actions, dict) else {"actions": self.actions}
            connection.send(codec.pack({**answer, "server_timing": {"infer_ms": 40.0}}))


def openpi(server: Server, **options: Any) -> Policy:
    query = "&".join(f"{key}={value}" for key, value in {"timeout_s": 20, **options}.items())
    return load_policy(f"openpi://127.0.0.1:{port(server)}?{query}")


def test_openpi_velocities_become_the_way_they_lead() -> None:
    double = Openpi(np.tile([0.5, 0.0, np.pi / 2], (20, 1)))
    with listening(double) as server:
        policy = openpi(server)
        policy.reset(GOAL)
        decision = policy.act(observation(3.0))
        radius = 0.5 / (np.pi / 2)
        assert decision.trajectory.shape == (20, 3) and decision.dt == 0.1 and decision.stamp == 3.0
        np.testing.assert_allclose(decision.trajectory[9], [radius, radius, np.pi / 2], atol=1e-6)
        np.testing.assert_allclose(np.abs(decision.trajectory[19, 2]), np.pi, atol=1e-6)
        assert decision.timings["server"] == pytest.approx(0.04) and not decision.stop
        double.actions = np.array([[0.5, 0.0]] * 2)  # a base that cannot move sideways
        np.testing.assert_allclose(policy.act(observation(3.4)).trajectory, [[0.05, 0, 0], [0.1, 0, 0]])
    seen = double.seen[0]
    assert seen.keys() == {"observation/image", "observation/state", "prompt"}
    assert seen["prompt"] == GOAL.instruction
    np.testing.assert_array_equal(seen["observation/image"], observation(3.0).rgb)
    np.testing.assert_allclose(seen["observation/state"], [0.3, 0.0, 0.1], rtol=1e-6)


def test_openpi_waypoints_goal_image_proprioception_and_stop() -> None:
    way = np.array([[0.1, 0.0, 0.2], [0.3, 0.1, 0.4]], np.float32)
    double = Openpi({"actions": way, "stop": True})
    with listening(double) as server:
        policy = openpi(server, actions="waypoints", dt_s=0.25)
        policy.reset(Goal("there", "image", observation(9.0).rgb))
        decision = policy.act(replace(observation(1.0), proprioception=np.ones(2, np.float32)))
    np.testing.assert_array_equal(decision.trajectory, way)
    assert decision.stop and decision.dt == 0.25
    np.testing.assert_array_equal(double.seen[0]["observation/goal_image"], observation(9.0).rgb)
    assert double.seen[0]["observation/state"].shape == (5,)


@pytest.mark.parametrize("answer", [{"stop": True}, {"stop": True, "actions": np.zeros((0, 3))}])
def test_an_openpi_that_stops_need_not_say_where_to_go(answer: dict[str, Any]) -> None:
    with listening(Openpi(answer)) as server:
        policy = openpi(server)
        policy.reset(GOAL)
        decision = policy.act(observation(0.0))
    assert decision.stop and decision.trajectory.shape == (0, 3)


def test_openpi_errors_are_outages_and_it_is_called_again() -> None:
    double = Openpi("Traceback (most recent call last):\n  ...\nValueError: no such input\n")
    with listening(double) as server:
        policy = openpi(server)
        policy.reset(GOAL)
        with pytest.raises(PolicyUnavailable, match=r"failed: ValueError: no such input$"):
            policy.act(observation(0.0))
        double.actions = np.zeros((4, 7), np.float32)
        with pytest.raises(PolicyUnavailable, match="actions that are no rows of 2 or 3 numbers"):
            policy.act(observation(0.1))
        double.actions = {"action": []}
        with pytest.raises(PolicyUnavailable, match="holds no actions"):
            policy.act(observation(0.2))
        double.actions = np.zeros((4, 3))
        policy.act(observation(0.3))
