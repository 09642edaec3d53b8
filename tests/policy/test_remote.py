"""`vlingnav serve` and its client: the same decisions as here, and nothing a client does reaches another."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from vlingnav_policy import (
    Decision,
    Goal,
    Memory,
    Observation,
    Odometry,
    Policy,
    PolicyUnavailable,
    load_policy,
)
from vlingnav_policy.engines.batching import BatchConfig
from vlingnav_policy.load import load_exported
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.remote import codec, images, wire
from vlingnav_policy.remote.client import WirePolicy
from vlingnav_policy.remote.server import PolicyServer, ServerConfig
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.types import Underway

TOKEN = "a token"
Eventually = Callable[[Policy, Observation], Decision]
GOAL = Goal("find the red chair")


def observation(stamp: float, shape: tuple[int, ...] = (96, 128, 3)) -> Observation:
    rgb = np.random.default_rng(int(10 * stamp)).integers(0, 256, shape, dtype=np.uint8)
    return Observation(rgb, stamp, odometry=Odometry(np.array([0.1 * stamp, 0.0, 0.0]), np.zeros(3)))


class Straight:
    """Drives on; what tests want to know of it is in class attributes, for a server makes many."""

    made: list[Straight] = []

    def __init__(self) -> None:
        self.goals: list[Goal] = []
        self.memory = Memory()
        self.made.append(self)

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        self.goals.append(goal)
        self.looks = 0
        self.memory = Memory(entries=memory.entries if memory else ())

    def act(self, observation: Observation) -> Decision:
        self.looks += 1
        self.memory.write(self.looks, f"look {self.looks}")
        row = [[0.1, 0.0, 0.0]]
        return Decision(np.array(row, np.float32), 0.2, observation.stamp, thought="on", summary="on")


class Server:
    """A `PolicyServer` in a thread of this process."""

    def __init__(self, make: Callable[[], Policy], config: ServerConfig) -> None:
        self._server = PolicyServer("double", make, TOKEN, config)
        self._up = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),))
        self._thread.start()
        assert self._up.wait(20.0)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._server.listening() as self.port:
            self._up.set()
            await self._stop.wait()

    def end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20.0)
        assert not self._thread.is_alive()

    def client(self, **options: Any) -> WirePolicy:
        query = "&".join(f"{key}={value}" for key, value in {"timeout_s": 20, **options}.items())
        return WirePolicy(f"vlingnav://{TOKEN.replace(' ', '%20')}@127.0.0.1:{self.port}?{query}")

    def raw(self, token: str = TOKEN) -> ClientConnection:
        """A client that says whatever a test wants."""
        return connect(
            f"ws://127.0.0.1:{self.port}",
            subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
        )


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    Straight.made.clear()
    with contextlib.ExitStack() as stack:

        def start(make: Callable[[], Policy] = Straight, **config: Any) -> Server:
            server = Server(make, ServerConfig(**{"port": 0, **config}))
            stack.callback(server.end)
            return server

        yield start


@pytest.fixture(scope="module")
def model() -> NanoPolicy:
    return load_exported("nano", 1, batching=BatchConfig(patience_s=20.0))


@pytest.fixture(scope="module")
def nano(model: NanoPolicy) -> Iterator[Server]:
    server = Server(model.another, ServerConfig(port=0))
    yield server
    server.end()


def same(ours: Decision, theirs: Decision) -> None:
    np.testing.assert_array_equal(ours.trajectory, theirs.trajectory)
    for name in ("dt", "stamp", "stop", "thought", "summary", "memory", "distance"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("think", ["never", "always"])
def test_a_decision_over_the_wire_is_the_one_made_here(serve: Serve, model: NanoPolicy, think: Any) -> None:
    here = model.another()
    here.thinking = ThinkingConfig(think, longest=6)
    there = serve(here.another).client()
    here.reset(GOAL)
    there.reset(GOAL)
    for step in range(4):
        seen = observation(0.4 * step)
        decision = there.act(seen)
        same(here.act(seen), decision)
        assert (decision.thought is not None) == (think == "always")
        assert decision.timings.keys() == {"see", "decide", "wire"}
    assert there.memory.entries == here.memory.entries


def test_jpeg_costs_nothing_but_the_loss_of_jpeg(nano: Server, model: NanoPolicy) -> None:
    here, there = model.another(), nano.client(image="jpeg")
    here.reset(GOAL)
    there.reset(GOAL)
    seen = observation(1.0)
    lossy = images.decode(images.encode(seen.rgb, "jpeg"), "the image")
    assert not np.array_equal(lossy, seen.rgb)
    same(here.act(replace(seen, rgb=lossy)), there.act(seen))


def test_all_of_an_observation_and_a_goal_arrives(serve: Serve) -> None:
    class Nosy(Straight):
        def act(self, observation: Observation) -> Decision:
            self.seen = observation
            return super().act(observation)

    there = serve(Nosy).client()
    goal = Goal("go where this was taken", "image", observation(7.0).rgb)
    seen = replace(
        observation(1.0, (48, 64, 3)),
        depth=np.full((48, 64), 1.5, np.float32),
        proprioception=np.arange(3, dtype=np.float32),
        underway=Underway(np.arange(6, dtype=np.float32).reshape(2, 3), 0.2, 1),
    )
    there.reset(goal)
    there.act(seen)
    policy: Any = Straight.made[-1]
    assert policy.goals[0].task == "image" and policy.goals[0].instruction == goal.instruction
    for ours, theirs in (
        (goal.image, policy.goals[0].image),
        (seen.rgb, policy.seen.rgb),
        (seen.depth, policy.seen.depth),
        (seen.proprioception, policy.seen.proprioception),
        (seen.odometry.pose, policy.seen.odometry.pose),  # type: ignore[union-attr]
    ):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(policy.seen.underway.rows, seen.underway.rows)  # type: ignore[union-attr]
    assert (policy.seen.underway.dt, policy.seen.underway.delay) == (0.2, 1)


def act_message(**changes: Any) -> bytes:
    fields = codec.unpack(wire.pack_act(observation(1.0), "jpeg"))
    return codec.pack({**fields, **changes})


def picture(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (128, 96)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A PNG that says it is `side` pixels wide and high, and is not."""
    small = picture("PNG")
    header = b"IHDR" + 2 * side.to_bytes(4, "big") + small[24:29]
    return small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]


RESET = wire.pack_reset(wire.Reset(GOAL, None, None), "png")
MISDEEDS: dict[str, tuple[str | bytes, str]] = {
    "garbage": (os.urandom(64) + b"\xc1", "no MessagePack"),
    "nothing": (b"", "no MessagePack"),
    "text": ("hello", "send MessagePack in binary messages"),
    "a number": (codec.pack(5), "type None"),
    "an unknown type": (codec.pack({"type": "dance"}), "type 'dance'"),
    "nested without end": (b"\x91" * 100_000, "no MessagePack"),
    "an array of objects": (
        codec.pack({b"__ndarray__": True, b"data": b"12345678", b"dtype": "|O", b"shape": [1]}),
        "an array of '|O'",
    ),
    "a truncated JPEG": (act_message(image=picture()[:-200]), "the image is damaged"),
    "another encoding": (act_message(image=picture("GIF")), "neither a JPEG nor a PNG"),
    "no image": (act_message(image=None), "the image is no bytes"),
    "a grey image": (act_message(image=picture(mode="L")), "kind L, not RGB"),
    "a decompression bomb": (act_message(image=bomb(30_000)), "the image is damaged: .*bomb"),
    "an image that is too large": (act_message(image=bomb(4000)), "16000000 pixels, and 4194304 are"),
    "half an odometry": (act_message(odometry={"pose": [1.0, 2.0]}), "no pose of three numbers"),
    "a stamp that is none": (act_message(stamp=float("nan")), "stamp is nan; send a finite number"),
    "depth that is none": (act_message(depth=[1.0]), "depth is no array"),
    "depth of another size": (act_message(depth=np.ones((2, 2), np.float32)), "send one as large"),
    "a field missing": (codec.pack({"type": "act", "image": picture()}), "has no 'odometry'"),
    "a blank goal": (
        codec.pack({**codec.unpack(RESET), "instruction": " "}),
        "the instruction is empty",
    ),
    "an unknown task": (codec.pack({**codec.unpack(RESET), "task": "cook"}), "unknown task 'cook'"),
    "a memory that is none": (codec.pack({**codec.unpack(RESET), "memory": [1]}), "no list of"),
    "a camera that is none": (codec.pack({**codec.unpack(RESET), "camera": 5}), "camera is no map"),
}


@pytest.fixture(scope="module")
def doubles() -> Iterator[Server]:
    server = Server(Straight, ServerConfig(port=0))
    yield server
    server.end()


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_bad_request_is_answered_in_words_and_harms_nobody(doubles: Server, misdeed: str) -> None:
    message, sentence = MISDEEDS[misdeed]
    good = doubles.client()
    good.reset(GOAL)
    good.act(observation(0.0))
    with doubles.raw() as bad:
        for request in (RESET, message):
            bad.send(request)
            answer = codec.unpack(bad.recv())  # type: ignore[arg-type]
        assert answer["type"] == "refused"
        assert re.search(sentence, answer["reason"]), answer["reason"]
        bad.send(RESET)
        assert codec.unpack(bad.recv())["type"] == "ready"  # type: ignore[arg-type]
        bad.send(act_message())
        assert codec.unpack(bad.recv())["type"] == "decision"  # type: ignore[arg-type]
    good.act(observation(0.4))
    assert [entry.summary for entry in good.memory.entries] == ["look 1", "look 2"]


def test_an_observation_before_the_goal_is_refused(doubles: Server) -> None:
    with doubles.raw() as bad:
        bad.send(act_message())
        assert "send a reset before" in codec.unpack(bad.recv())["reason"]  # type: ignore[arg-type]


def test_a_frame_of_100_mb_is_refused_before_it_is_read(doubles: Server) -> None:
    good = doubles.client()
    good.reset(GOAL)
    with doubles.raw() as bad:
        bad.socket.sendall(b"\x82\xff" + (100 << 20).to_bytes(8, "big") + b"mask")
        with pytest.raises(ConnectionClosedError, match="1009"):
            bad.recv(timeout=20.0)
    good.act(observation(0.0))


def test_whoever_does_not_even_speak_http_is_hung_up_on(doubles: Server) -> None:
    good = doubles.client()
    good.reset(GOAL)
    with socket.create_connection(("127.0.0.1", doubles.port), timeout=20.0) as bad:
        bad.sendall(os.urandom(1000) + b"\r\n")
        while bad.recv(4096):
            pass
    good.act(observation(0.0))


def test_a_client_that_does_not_wait_for_answers_fills_nobodys_memory(serve: Serve) -> None:
    go_on = threading.Event()

    class Stuck(Straight):
        def act(self, observation: Observation) -> Decision:
            if self.goals[-1].instruction == "wait":
                go_on.wait(20.0)
            return super().act(observation)

    server = serve(Stuck)
    good = server.client()
    good.reset(GOAL)
    size, sent = 4 << 20, 0
    with server.raw() as bad:
        try:
            bad.send(codec.pack({**codec.unpack(RESET), "instruction": "wait"}))
            bad.send(act_message())
            bad.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                while sent < 100:
                    # A frame of its own size: an unmasked header would end the connection at once.
                    bad.socket.sendall(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4 + size))
                    sent += 1
            good.act(observation(0.0))
        finally:
            go_on.set()
            bad.socket.shutdown(socket.SHUT_RDWR)
    assert sent < 12, "of which the sockets' own buffers hold the most"


def test_a_slow_decision_of_one_does_not_hold_up_another(serve: Serve, eventually: Eventually) -> None:
    go_on = threading.Event()

    class Slow(Straight):
        def act(self, observation: Observation) -> Decision:
            if self.goals[-1].instruction == "wait":
                assert go_on.wait(20.0)
            return super().act(observation)

    server = serve(Slow)
    slow, quick = server.client(timeout_s=0.3), server.client()
    slow.reset(Goal("wait"))
    quick.reset(GOAL)
    begin = time.monotonic()
    with pytest.raises(PolicyUnavailable, match="no answer within 0.3 s"):
        slow.act(observation(0.0))
    assert time.monotonic() - begin < 2.0
    quick.act(observation(0.0))
    go_on.set()
    # The answer that came too late is not taken for that to the next image, and its session goes on.
    assert eventually(slow, observation(5.0)).stamp == 5.0
    assert sorted(policy.goals[0].instruction for policy in Straight.made) == [GOAL.instruction, "wait"]


def test_a_server_that_went_away_is_found_again_with_goal_and_memory(
    serve: Serve, eventually: Eventually
) -> None:
    server = serve()
    there = server.client()
    there.reset(GOAL)
    there.act(observation(0.0))
    there.act(observation(0.4))
    server.end()
    begin = time.monotonic()
    with pytest.raises(PolicyUnavailable, match=f"127.0.0.1:{server.port} (cannot be reached|closed)"):
        there.act(observation(0.8))
    with pytest.raises(PolicyUnavailable):
        there.act(observation(1.2))
    assert time.monotonic() - begin < 2.0
    serve(port=server.port)
    assert eventually(there, observation(1.6)).stamp == 1.6
    policy = Straight.made[-1]
    assert policy.goals == [GOAL]
    assert [entry.summary for entry in policy.memory.entries] == ["look 1", "look 2", "look 1"]


def test_calls_that_come_too_soon_after_a_failure_fail_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = WirePolicy(f"vlingnav://127.0.0.1:{unused.getsockname()[1]}")
        nobody.reset(GOAL)
        said = []
        for _ in range(50):
            with pytest.raises(PolicyUnavailable) as error:
                nobody.act(observation(0.0))
            said.append(str(error.value))
    assert "cannot be reached" in said[0]
    assert sum("it is called again in" in sentence for sentence in said) > 25


def test_a_network_that_swallows_everything_costs_no_more_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it accepts, and never says a word
        silent = WirePolicy(f"vlingnav://127.0.0.1:{mute.getsockname()[1]}?timeout_s=0.2")
        silent.reset(GOAL)
        begin = time.monotonic()
        with pytest.raises(PolicyUnavailable, match="no answer within 0.2 s"):
            silent.act(observation(0.0))
        assert time.monotonic() - begin < 2.0


def test_a_policy_that_raises_is_an_outage_for_its_client(serve: Serve) -> None:
    class Fails(Straight):
        def act(self, observation: Observation) -> Decision:
            if observation.stamp < 1.0:
                raise RuntimeError("out of ideas")
            return super().act(observation)

    there = serve(Fails).client()
    there.reset(GOAL)
    with pytest.raises(PolicyUnavailable, match="RuntimeError: out of ideas"):
        there.act(observation(0.0))
    there.act(observation(1.0))


def test_numbers_that_are_not_finite_are_no_decision(serve: Serve) -> None:
    class Wild(Straight):
        def act(self, observation: Observation) -> Decision:
            return replace(super().act(observation), trajectory=np.full((2, 3), np.nan, np.float32))

    there = serve(Wild).client()
    there.reset(GOAL)
    with pytest.raises(PolicyUnavailable, match="not finite"):
        there.act(observation(0.0))


def test_what_is_wrong_with_a_request_is_the_same_error_as_here(nano: Server) -> None:
    there = nano.client()
    with pytest.raises(RuntimeError, match="call reset"):
        there.act(observation(0.0))
    there.reset(GOAL)
    with pytest.raises(ValueError, match="uint8 images of 96x128x3"):
        there.act(observation(0.0, (48, 64, 3)))
    with pytest.raises(ValueError, match="the observation has none"):
        there.act(replace(observation(0.0), odometry=None))
    there.act(observation(0.0))
    there.reset(Goal("xylophone gramophone"))
    with pytest.raises(ValueError, match="this model knows none of the words"):
        there.act(observation(0.4))
    there.reset(GOAL)
    there.act(observation(0.8))


def test_a_robot_with_another_camera_is_refused_naming_both(nano: Server, model: NanoPolicy) -> None:
    there, camera = nano.client(), model.manifest.camera
    there.camera = replace(camera, hfov_rad=0.9)
    there.reset(GOAL)
    with pytest.raises(ValueError, match=r"expects camera hfov_rad 1\.5\d+, the robot has 0\.9"):
        there.act(observation(0.0))
    there.camera = camera
    there.act(observation(0.0))


def test_without_the_token_nobody_is_let_in(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    for token in ("", "another", TOKEN[:-1]):
        with pytest.raises(InvalidStatus, match="401"):
            server.raw(token)
    monkeypatch.delenv("VLINGNAV_TOKEN", raising=False)
    stranger = WirePolicy(f"vlingnav://127.0.0.1:{server.port}?timeout_s=20")
    stranger.reset(GOAL)
    with pytest.raises(PolicyUnavailable, match="HTTP 401: the token is missing or wrong"):
        stranger.act(observation(0.0))
    monkeypatch.setenv("VLINGNAV_TOKEN", TOKEN)
    known = load_policy(f"vlingnav://127.0.0.1:{server.port}?timeout_s=20")
    known.reset(GOAL)
    known.act(observation(0.0))


def test_there_is_room_for_so_many_clients(serve: Serve, eventually: Eventually) -> None:
    server = serve(most_clients=1)
    first, second = server.client(), server.client()
    for client in (first, second):
        client.reset(GOAL)
    first.act(observation(0.0))
    with pytest.raises(PolicyUnavailable, match="HTTP 503: there are 1 clients already"):
        second.act(observation(0.0))
    del first  # whoever is no longer needed hangs up by itself
    gc.collect()
    eventually(second, observation(0.0))
