"""The recorder as a process, over DDS; an arbiter is there, and the test is the rest of the robot."""

from __future__ import annotations

import itertools
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import LaserScan

from vlingnav import convert, graph, topics
from vlingnav.lifecycle import bring_up
from vlingnav.up import command
from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.msg import Intervention, ReasoningTrace, Takeover
from vlingnav_policy.types import Odometry

pytest.importorskip("mcap", reason="mcap is not installed")
pytest.importorskip("pyarrow")
pytest.importorskip("av")

from vlingnav.bag import read
from vlingnav_datasets.lerobot_v3 import FRONT, DatasetError, DatasetReader, check

_COUNT = itertools.count()


class Recorder:
    """A recorder of the robot whose arbiter is `relay`, and all else that this robot has."""

    def __init__(self, relay: Any, root: Path) -> None:
        self.relay, self.root = relay, root / "robot"
        values = {a.name: a.default for a in graph.ARGUMENTS} | {"simulation": False, "recordings": str(root)}
        self._command = command(graph.Placed(graph.NODES["recorder"], "robot"), "takeover", values)
        self.process: subprocess.Popen[bytes] | None = None
        self.name = ""
        self.stamps: list[float] = []
        self.reports: list[dict[str, str]] = []
        self._diagnostics = relay.node.create_subscription(
            topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, self._report, topics.DIAGNOSTICS.qos
        )

    def start(self) -> None:
        """Bring it up by a new name: DDS takes who was killed for alive for a while."""
        self.name = f"recorder{next(_COUNT)}"
        words = [word.replace("__node:=recorder", f"__node:={self.name}") for word in self._command]
        self.process = subprocess.Popen(words)
        bring_up(self.relay.node, self.relay.executor, [f"/robot/{self.name}"], self._check, 30.0)

    def drive(self) -> None:
        """Have a camera, a lidar, an odometry, a policy that goes straight on and people who want nothing."""
        self.relay.say(topics.IMAGE, self._image)
        self.relay.say(topics.SCAN, lambda: LaserScan(ranges=[1.0] * 360))
        self.relay.say(topics.ODOM, self._odometry)
        self.relay.say(topics.CMD_VEL_POLICY, self.relay.twist(0.4))
        self.relay.say(topics.CMD_VEL_TELEOP, self.relay.twist(0.0, 1.0))
        self.relay.say(topics.TAKEOVER, Takeover())

    def pursue(self, instruction: str) -> None:
        """Begin a goal; an empty one ends."""
        self.relay.publisher(topics.GOAL).publish(Navigate.Goal(instruction=instruction))

    def arrive(self) -> None:
        """The policy decides on the newest image, to stop."""
        trace = ReasoningTrace(policy="nano@12345678", thought="there it is", thinking=True)
        trace.header.stamp = convert.stamp(self.stamps[-1])
        self.relay.publisher(topics.REASONING).publish(trace)
        self.relay.publisher(topics.RESULT).publish(Navigate.Result(outcome=Navigate.Result.ARRIVED))
        self.pursue("")

    def episodes(self, count: int) -> list[Any]:
        """The episodes of the dataset once there are so many."""
        self.relay.wait(lambda: self._count() >= count, f"{count} episodes", 30.0)
        assert check(self.root / "dataset", decode=True) == []
        return list(DatasetReader(self.root / "dataset"))

    def kill(self) -> float:
        """kill -9; the time of it [s]."""
        assert self.process is not None
        now = time.time()
        self.process.kill()
        self.process.wait()
        return now

    def end(self) -> None:
        """As `vlingnav up` ends it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10.0)
        self.relay.node.destroy_subscription(self._diagnostics)
        for name in list(self.relay.saying):
            del self.relay.saying[name]

    def _count(self) -> int:
        with suppress(DatasetError):
            return len(DatasetReader(self.root / "dataset"))
        return 0

    def _check(self) -> None:
        assert self.process is not None and self.process.poll() is None, "the recorder ended"

    def _image(self) -> Any:
        self.stamps.append(time.time())
        tone = np.full((96, 128, 3), 4 * (len(self.stamps) % 60), np.uint8)
        return convert.image(tone, self.stamps[-1], "camera")

    def _odometry(self) -> Any:
        odometry = Odometry(np.zeros(3), np.array([0.4, 0.0, 0.0]))
        return convert.odometry_message(odometry, time.time(), "odom", "base_link")

    def _report(self, message: Any) -> None:
        for status in message.status:
            if status.name == f"/robot/{self.name}":
                values = {value.key: value.value for value in status.values}
                self.reports.append(values | {"message": status.message})


def test_it_is_in_a_graph_where_asked_for_and_where_there_is_a_robot() -> None:
    for demo in graph.DEMOS:
        names = {argument.name for argument in graph.arguments(demo)}
        here = demo not in ("sim", "safety")
        assert {"record", "recordings"} <= names if here else not {"record", "recordings"} & names
        assert "recorder" not in [node.name for node in graph.members(demo)]
        with_it = [node.name for node in graph.members(demo, record=True)]
        assert with_it[0] == "recorder" if here else "recorder" not in with_it, "last to be ended"
    fleet = graph.placed("multi_robot", "robot", record=True)
    assert [p.name for p in fleet if p.node.records] == [f"/robot{k}/recorder" for k in range(4)]


@pytest.fixture
def recorder(arbiter: Any, tmp_path: Path) -> Iterator[Recorder]:
    """Up and running, with a robot that drives and has no goal."""
    recorder = Recorder(arbiter, tmp_path)
    try:
        recorder.start()
        arbiter.restart("arbiter")
        recorder.drive()
        arbiter.wait_desired(0.4)
        yield recorder
    finally:
        recorder.end()


def bags(recorder: Recorder) -> list[Path]:
    return sorted(recorder.root.glob("*/*.mcap"))


def test_a_goal_with_a_takeover_and_then_a_person_alone(recorder: Recorder) -> None:
    relay = recorder.relay
    relay.spin(0.5)
    assert not bags(recorder), "nobody goes anywhere"
    recorder.pursue("find the red chair")
    relay.spin(1.2)
    relay.say(topics.TAKEOVER, Takeover(holder="joystick"))
    relay.wait_phase(Intervention.HUMAN)
    relay.spin(0.6)
    relay.say(topics.TAKEOVER, Takeover())
    relay.wait_phase(Intervention.AUTONOMOUS)
    relay.spin(1.0)
    recorder.arrive()
    (episode,) = recorder.episodes(1)
    assert (episode.meta.task, episode.meta.extras["outcome"]) == ("find the red chair", "arrived")
    by_hand = episode.arrays["intervention"]
    begin, end = np.flatnonzero(np.diff(by_hand.astype(int))) + 1
    assert 4 <= begin <= 10 and 2 <= end - begin <= 8
    rewards = episode.arrays["next.reward"]
    assert np.flatnonzero(rewards).tolist() == [begin - 1] and rewards[begin - 1] == -1.0
    assert set(episode.arrays["phase"][begin:end]) <= {1, 2}
    actions = episode.arrays["action"].reshape(len(episode), 8, 3)
    assert np.allclose(actions[1, 0], [0.08, 0.0, 0.0], atol=1e-3), "what the policy commanded"
    assert actions[end - 1, 0, 2] > 0.1, "and the person: to turn"
    assert episode.texts["thought"].index("there it is") == np.flatnonzero(episode.arrays["stop"])[0]
    steps = np.diff(episode.arrays["stamp"])
    assert np.abs(steps - 0.2).max() < 0.15

    relay.say(topics.TAKEOVER, Takeover(holder="joystick"))
    relay.wait_phase(Intervention.HUMAN)
    relay.spin(1.0)
    relay.say(topics.TAKEOVER, Takeover())
    _, alone = recorder.episodes(2)
    assert alone.meta.task == "driven by hand" and alone.arrays["intervention"].all()

    relay.wait(lambda: len(list((recorder.root / "bags").iterdir())) == len(bags(recorder)) == 2)
    heard = {message.topic for message in read(bags(recorder)[0])}
    wanted = "image odom scan cmd_vel_policy cmd_vel_teleop cmd_vel_desired takeover intervention goal result"
    assert {f"/robot/{name}" for name in wanted.split()} | {"/diagnostics"} <= heard
    relay.wait(lambda: bool(recorder.reports) and recorder.reports[-1].get("episodes") == "2")
    assert recorder.reports[-1]["dropped messages"] == "0"
    assert recorder.reports[-1]["message"] == "active" and recorder.reports[-1]["recording"] == "nothing"

    highlevel = pytest.importorskip("rosbags.highlevel", reason="rosbags is not installed")
    with highlevel.AnyReader([bags(recorder)[0]]) as bag:
        phases = [
            bag.deserialize(data, connection.msgtype).phase
            for connection, _, data in bag.messages()
            if connection.topic == "/robot/intervention"
        ]
    assert phases == [0, 1, 2, 3, 0], "the first is from before the bag began"


def test_kill_9_costs_the_last_second_and_the_rest_is_there_at_the_next_start(recorder: Recorder) -> None:
    relay = recorder.relay
    recorder.pursue("find the red chair")
    relay.spin(3.0)
    killed = recorder.kill()
    assert not recorder._count()
    recorder.start()
    (episode,) = recorder.episodes(1)
    assert episode.meta.extras["outcome"] == "unknown"
    assert killed - 1.0 < episode.arrays["stamp"][-1] <= killed and len(episode) > 8
    assert [round(p.mean() / 4) for p in episode.pictures(FRONT)] == [
        (1 + int(np.abs(np.array(recorder.stamps) - stamp).argmin())) % 60
        for stamp in episode.arrays["stamp"]
    ]
    # The goal is pursued still, and what is left of it is an episode of its own.
    relay.spin(1.0)
    recorder.arrive()
    assert [e.meta.extras["outcome"] for e in recorder.episodes(2)] == ["unknown", "arrived"]


def test_being_ended_completes_the_episode(recorder: Recorder) -> None:
    recorder.pursue("find the red chair")
    recorder.relay.spin(1.5)
    recorder.end()
    (episode,) = recorder.episodes(1)
    assert len(episode) >= 5


def test_a_policy_that_is_gone_ends_the_episode(recorder: Recorder) -> None:
    relay = recorder.relay
    recorder.pursue("find the red chair")
    relay.spin(1.0)
    relay.node.destroy_publisher(relay._publishers.pop(topics.GOAL.name))
    (episode,) = recorder.episodes(1)
    assert episode.meta.extras["outcome"] == "unknown"


def test_a_full_disk_is_said_and_what_was_written_stays(recorder: Recorder) -> None:
    relay = recorder.relay
    assert recorder.process is not None
    before = resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE)
    recorder.pursue("find the red chair")
    relay.wait(lambda: any(bag.stat().st_size > 20_000 for bag in bags(recorder)))
    resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE, (60_000, before[1]))
    relay.wait(lambda: bool(recorder.reports) and "has stopped" in recorder.reports[-1]["message"])
    assert "File too large; the next episode is tried again" in recorder.reports[-1]["message"]
    relay.wait(lambda: int(recorder.reports[-1]["dropped messages"]) > 0)
    resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE, before)
    recorder.arrive()
    recorder.pursue("find the bed")
    relay.spin(1.0)
    recorder.arrive()
    first, second = recorder.episodes(2)
    assert (first.meta.task, first.meta.extras["outcome"]) == ("find the red chair", "unknown")
    assert (second.meta.task, second.meta.extras["outcome"]) == ("find the bed", "arrived")
    relay.wait(lambda: recorder.reports[-1]["message"] == "active")


def test_a_folder_that_cannot_be_used_is_a_sentence(arbiter: Any, tmp_path: Path, capfd: Any) -> None:
    from vlingnav.lifecycle import BringUpFailed

    (tmp_path / "robot").write_text("a file")
    recorder = Recorder(arbiter, tmp_path)
    try:
        with pytest.raises(BringUpFailed, match="could not be configured"):
            recorder.start()
    finally:
        recorder.end()
    said = capfd.readouterr().err
    assert f"cannot record in {tmp_path}/robot" in said and "Traceback" not in said
