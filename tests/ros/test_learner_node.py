"""Learner and policy as processes, over DDS; the test is the robot, its people, and the recorder."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.action import ActionClient
from rclpy.lifecycle import TransitionCallbackReturn

from vlingnav import convert, graph, topics
from vlingnav.learner_node import LearnerNode
from vlingnav.lifecycle import bring_up
from vlingnav.supervision import SUPERVISOR
from vlingnav.terminal import Terminal
from vlingnav.up import command
from vlingnav_interfaces.action import Navigate
from vlingnav_policy import Manifest
from vlingnav_policy.edit import edit_trajectory
from vlingnav_policy.types import Odometry
from vlingnav_policy.versions import Versions

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("av")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetWriter
from vlingnav_datasets.recorded import recorded_schema

FRAMES, HELD = 24, range(12, 18)
PATIENCE_S = 120.0
_COUNT = itertools.count()


def record(root: Path, *turns: float) -> None:
    """Add an episode for each of `turns` [rad/s]: so the person turned who took the robot in the middle."""
    with DatasetWriter(root, recorded_schema(96, 128), 5.0, "diff") as writer:
        for turn in turns:
            episode = next(_COUNT)
            rng = np.random.default_rng(episode)
            for k in range(FRAMES):
                still = np.zeros((8, 3), np.float32)
                picture = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((16, 16, 1)))
                writer.add_frame(
                    {
                        FRONT: picture.astype(np.uint8),
                        GOAL: np.zeros((96, 128, 3), np.uint8),
                        "observation.state": np.array([0.1 * k, 0, 0, 0.2, 0, 0], np.float32),
                        "action": edit_trajectory(still, 0.2, 0.2, turn if k in HELD else 0.0).ravel(),
                        "stop": False,
                        "thought": "",
                        "summary": "",
                        "facts": "",
                        "command": np.zeros(3, np.float32),
                        "decided": k % 2 == 0,
                        "policy": "nano",
                        "phase": 2 if k in HELD else 0,
                        "intervention": k in HELD,
                        "next.reward": -1.0 if k + 1 == HELD.start else 0.0,
                        "stamp": 100.0 + k / 5.0,
                    }
                )
            extras = {"house": -1, "kind": "object", "success": False, "outcome": "canceled"}
            writer.end_episode("find the red chair", extras | {"bag": f"bag{episode}"})


class Nodes:
    """Learners and policy nodes of one robot in a namespace of its own, and what they say of themselves."""

    def __init__(self, relay: Any, root: Path) -> None:
        self.relay, self.root = relay, root
        self.dataset = root / "recorded" / "robot" / "dataset"
        self.versions = Versions(root / "learned" / "robot")
        self.said: dict[str, dict[str, str]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._diagnostics = relay.node.create_subscription(
            topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, self._heard, topics.DIAGNOSTICS.qos
        )

    def start(self, node: str, name: str = "", steps: int = 4, **parameters: str) -> subprocess.Popen[bytes]:
        """Bring one up; by a name of its own where it is not the first, for DDS takes the dead for alive.

        Args:
            steps: of a learner for each decision: with a few it learns for less than a second.
        """
        name = name or node
        values = {a.name: graph.default(a, "learn") for a in graph.ARGUMENTS} | {
            "simulation": False,
            "recordings": str(self.root / "recorded"),
            "versions": str(self.root / "learned"),
        }
        words = command(graph.Placed(graph.NODES[node], "robot"), "learn", values)
        words = [word.replace(f"__node:={node}", f"__node:={name}") for word in words]
        words = [word.replace("vlingnav.learner_node", "learner_double") for word in words]
        words += [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        environment = os.environ | {"VLINGNAV_TEST_STEPS": str(steps), SUPERVISOR: str(os.getpid())}
        process = subprocess.Popen(words, env=environment, start_new_session=True)
        self._processes.append(process)

        def check() -> None:
            assert process.poll() is None, f"{name} ended"

        bring_up(self.relay.node, self.relay.executor, [f"/robot/{name}"], check, 30.0)
        return process

    def wait(self, name: str, key: str, condition: Callable[[str], bool]) -> str:
        """Wait for what a node says of itself, and return it."""
        value = ""

        def heard() -> bool:
            nonlocal value
            value = self.said.get(name, {}).get(key, "")
            return condition(value)

        try:
            self.relay.wait(heard, f"{key} of {name}", PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {self.said.get(name)}") from error
        return value

    def end(self) -> None:
        """As `vlingnav up` ends them."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
                process.wait(10.0)
        self.relay.node.destroy_subscription(self._diagnostics)
        self.relay.saying.clear()

    def _heard(self, message: Any) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            self.said[status.name.removeprefix("/robot/")] = values | {"message": status.message}


@pytest.fixture
def nodes(arbiter: Any, tmp_path: Path) -> Iterator[Nodes]:
    """None yet."""
    nodes = Nodes(arbiter, tmp_path)
    yield nodes
    nodes.end()


def pursue(nodes: Nodes, client: ActionClient) -> str:
    """Give the policy node a goal, and return which policy decides on it."""
    heard: list[str] = []
    relay = nodes.relay
    traces = relay.node.create_subscription(
        topics.REASONING.type, topics.REASONING.name, lambda m: heard.append(m.policy), topics.REASONING.qos
    )
    relay.wait(client.server_is_ready, "the policy node")
    sent = client.send_goal_async(Navigate.Goal(instruction="find the red chair"))
    relay.wait(sent.done, "the goal to be accepted")
    heard.clear()
    relay.wait(lambda: len(heard) > 1, "a decision")
    relay.node.destroy_subscription(traces)
    return heard[-1]


def test_episodes_in_a_better_version_out_which_drives_from_the_next_goal_on(nodes: Nodes) -> None:
    relay = nodes.relay
    client = ActionClient(relay.node, Navigate, "navigate")
    nodes.start("policy")
    nodes.start("learner", method="bc")
    relay.say(topics.IMAGE, lambda: convert.image(np.full((96, 128, 3), 99, np.uint8), time.time(), "camera"))
    still = Odometry(np.zeros(3), np.zeros(3))
    relay.say(topics.ODOM, lambda: convert.odometry_message(still, time.time(), "odom", "base_link"))
    with Terminal(relay.node) as terminal:
        shipped = pursue(nodes, client)
        relay.wait(lambda: "no version yet" in terminal.status, "the line of the terminal")
        record(nodes.dataset, *[-1.0] * 5)
        nodes.wait("learner", "version", lambda version: version == "0002")
        loss = nodes.wait("learner", "loss", lambda loss: loss != "unknown")
        assert 0.0 < float(loss) < 1.0
        nodes.wait("learner", "learning", lambda learning: learning == "no")
        relay.wait(lambda: f"version 0002, loss {loss}" in terminal.status, "the line of the terminal")
    assert nodes.said["policy"]["version"] == "nano", "in the middle of a goal it changes nothing"
    learned = pursue(nodes, client)
    assert learned == f"nano@{Manifest.read(nodes.versions.root / '0002').version}" != shipped
    nodes.wait("policy", "version", lambda version: version == "0002")

    # Those who take it over now do the opposite, but not in the episode that is left out.
    record(nodes.dataset, *[1.0] * 4, -1.0)
    why = nodes.wait("learner", "newest training", lambda why: "no better" in why)
    assert why.startswith("what was learned is no better, and not offered: on 2 episodes left out")
    assert nodes.versions.current() == "0002" and nodes.versions.names() == ["0001", "0002"]
    assert nodes.said["learner"]["loss"] != "unknown" and nodes.said["learner"]["version"] == "0002"
    assert pursue(nodes, client) == learned

    nodes.versions.roll_back()
    assert pursue(nodes, client) == f"nano@{Manifest.read(nodes.versions.root / '0001').version}" == shipped
    nodes.wait("learner", "version", lambda version: version == "0001")
    client.destroy()


def children(process: subprocess.Popen[bytes]) -> list[Path]:
    """The processes that one has started."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [Path("/proc") / pid for pid in pids]


def test_it_is_ended_in_a_training_and_goes_on_around_a_damaged_episode(nodes: Nodes) -> None:
    record(nodes.dataset, *[-1.0] * 6)
    (file,) = nodes.dataset.glob("data/*/*.parquet")
    column = pq.ParquetFile(file).metadata.row_group(1).column(0)
    with file.open("r+b") as damaged:
        damaged.seek(column.data_page_offset)
        damaged.write(b"damaged")

    for name, number in (("learner", signal.SIGINT), ("killed", signal.SIGKILL)):
        process = nodes.start("learner", name, steps=10**6, method="bc")
        nodes.wait(name, "learning", lambda learning: learning.startswith("learning"))
        (training,) = children(process)
        begin = time.monotonic()
        process.send_signal(number)
        process.wait(10.0)
        if number == signal.SIGINT:
            assert process.returncode == 0 and not training.exists()
            assert time.monotonic() - begin < 4.0, "a runner kills what takes longer"
        nodes.relay.wait(lambda training=training: not training.exists(), "the training to end")
        left = {path.name for path in nodes.versions.root.iterdir()}
        assert left == {"episodes", "learner.log"}

    nodes.start("learner", "again", method="bc")
    why = nodes.wait("again", "newest training", lambda why: why.startswith("version"))
    assert "1 of the dataset cannot be learned from: episode 1, " in why and str(file) in why
    assert nodes.said["again"]["episodes learned from"] == "5"
    assert nodes.versions.current() == "0002"

    nodes.start("learner", "later", method="bc")
    assert nodes.wait("later", "newest training", bool) == why
    nodes.relay.spin(2.5)
    assert nodes.said["later"]["learning"] == "no", "it knows these episodes"


def test_what_a_training_ended_with_is_said(nodes: Nodes) -> None:
    record(nodes.dataset, -1.0)
    (nodes.versions.root / "episodes").mkdir(parents=True)
    nodes.versions.root.joinpath("current").symlink_to("0001")
    nodes.versions.root.joinpath("0001").mkdir()
    nodes.start("learner")
    said = nodes.wait("learner", "message", lambda message: message not in ("", "inactive", "active"))
    assert "manifest.json is missing" in said


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        ("policy", "policy_doubles:spin", "not policy 'policy_doubles:spin'"),
        ("policy", "nowhere", "not policy 'nowhere'"),
        ("method", "magic", "choose one of: rlif, bc"),
    ],
)
def test_what_it_cannot_learn_is_a_sentence(
    arbiter: Any, capfd: Any, parameter: str, value: str, said: str
) -> None:
    from rclpy.parameter import Parameter

    node = LearnerNode()
    node.set_parameters([Parameter(parameter, value=value)])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert said in capfd.readouterr().err
    node.destroy_node()


def test_without_torch_it_says_what_to_type(
    arbiter: Any, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    node = LearnerNode()
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    said = capfd.readouterr().err
    assert "learning needs torch, which is not installed; run: pip install" in said
    assert "Traceback" not in said
    node.destroy_node()


def test_the_robot_does_not_load_what_trains() -> None:
    code = "import sys, vlingnav.learner_node; print('torch' in sys.modules, 'pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_it_is_in_the_graph_learn_with_a_recorder() -> None:
    assert [node.name for node in graph.members("learn", record=True)][:2] == ["recorder", "learner"]
    defaults = {a.name: graph.default(a, "learn") for a in graph.arguments("learn")}
    assert defaults["record"] is True and defaults["versions"] == "runs/learned"
    values = graph.overrides(graph.NODES["learner"], defaults)
    policy = graph.overrides(graph.NODES["policy"], defaults)
    assert policy["versions"] == values["versions"] and policy["policy"] == values["policy"]
    assert graph.overrides(graph.NODES["recorder"], defaults)["folder"] == values["recordings"]
    assert graph.default(next(a for a in graph.ARGUMENTS if a.name == "versions"), "takeover") == ""
