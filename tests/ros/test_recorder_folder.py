"""Bags become episodes of a dataset, each once, whatever happens meanwhile."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.serialization import serialize_message

from vlingnav import convert, topics
from vlingnav.definitions import definition
from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.msg import Intervention, ReasoningTrace
from vlingnav_policy.types import Odometry

pytest.importorskip("mcap", reason="mcap is not installed")
pytest.importorskip("pyarrow")
pytest.importorskip("av")

from vlingnav.bag import BagWriter, Message, read
from vlingnav.episode_bag import NEEDED
from vlingnav.episode_folder import EpisodeFolder, EpisodeThread, FolderRefused
from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetReader, DatasetWriter, check
from vlingnav_datasets.navigation import NavigationDataset
from vlingnav_datasets.recorded import recorded_schema

FPS = 5.0
NAMES = {topic.name: f"/robot/{topic.name}" for topic in NEEDED}


def tone(number: int) -> np.ndarray:
    """A picture that says its number, below 60."""
    return np.full((96, 128, 3), 4 * number, np.uint8)


def said(time: float, topic: topics.Topic, message: Any) -> Message:
    """A message as the recorder hears it."""
    module = type(message).__module__.split(".")
    kind = f"{module[0]}/{module[1]}/{type(message).__name__}"
    return Message(NAMES[topic.name], kind, round(time * 1e9), serialize_message(message))


def stamped(message: Any, time: float) -> Any:
    message.header.stamp = convert.stamp(time)
    return message


def driving(seconds: float, begin: float = 100.0) -> Iterator[Message]:
    """A camera at 10 Hz, and a robot that is told to go straight on at 0.5 m/s and does."""
    for k in range(round(10 * seconds)):
        time = begin + 0.1 * k
        pose = np.array([0.05 * k, 0.0, 0.0])
        odometry = Odometry(pose, np.array([0.5, 0.0, 0.0]))
        yield said(time, topics.ODOM, convert.odometry_message(odometry, time, "odom", "base_link"))
        yield said(time, topics.IMAGE, convert.image(tone(k), time, "camera"))
        for topic in (topics.CMD_VEL_DESIRED, topics.CMD_VEL):
            command = TwistStamped(twist=convert.twist(odometry.velocity))
            yield said(time, topic, stamped(command, time))


def decided(time: float, thought: str = "") -> Message:
    trace = ReasoningTrace(policy="nano@12345678", thought=thought, thinking=bool(thought))
    return said(time + 0.02, topics.REASONING, stamped(trace, time))


def phase(time: float, number: int, takeovers: int = 0) -> Message:
    return said(time, topics.INTERVENTION, stamped(Intervention(phase=number, takeovers=takeovers), time))


def goal(instruction: str, **fields: Any) -> Message:
    return said(100.0, topics.GOAL, Navigate.Goal(instruction=instruction, **fields))


def result(outcome: int) -> Message:
    return said(102.0, topics.RESULT, Navigate.Result(outcome=outcome))


def a_search(seconds: float = 2.0) -> list[Message]:
    """A goal that a policy pursues, taken over for a moment, and arrives at."""
    messages = [goal("find the red chair"), *driving(seconds)]
    messages += [decided(100.0), decided(100.4, "a door"), decided(100.8), decided(101.2)]
    messages += [phase(99.0, 0, 2), phase(100.5, 1, 3), phase(100.7, 2, 3), phase(100.9, 0, 3)]
    messages.sort(key=lambda m: m.time)
    return [*messages, result(Navigate.Result.ARRIVED), goal(""), *driving(0.3, 102.0)]


@pytest.fixture
def folder(tmp_path: Path) -> EpisodeFolder:
    folder = EpisodeFolder(tmp_path, NAMES, FPS, 128, 96, "diff")
    os.close(folder.claim())
    return folder


@pytest.fixture
def bag(folder: EpisodeFolder) -> Callable[..., Path]:
    """Writes a bag to where bags are recorded."""

    def write(messages: list[Message], closed: bool = True) -> Path:
        file = folder.new_bag()
        writer = BagWriter(file, definition)
        for message in messages:
            writer.write(message)
        if closed:
            writer.close()
        else:
            writer.flush()
        return file

    return write


def episodes(folder: EpisodeFolder) -> list[Any]:
    assert check(folder.dataset, decode=True) == []
    return list(DatasetReader(folder.dataset))


def test_a_goal_becomes_an_episode(folder: EpisodeFolder, bag: Callable[..., Path]) -> None:
    file = bag(a_search())
    assert folder.take_in(file) == 10
    (episode,) = episodes(folder)
    assert episode.meta.task == "find the red chair"
    assert episode.meta.extras == {
        "house": -1,
        "kind": "object",
        "success": True,
        "outcome": "arrived",
        "bag": file.stem,
    }
    shown = [round(picture.mean() / 4) for picture in episode.pictures(FRONT)]
    assert shown == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18], "up to the end of the goal and no further"
    arrays, texts = episode.arrays, episode.texts
    assert np.allclose(arrays["stamp"], 100.0 + 0.1 * np.array(shown))
    assert np.allclose(arrays["observation.state"][:, 0], 0.05 * np.array(shown), atol=1e-6)
    assert np.allclose(arrays["action"][0].reshape(8, 3)[:, 0], 0.1 * np.arange(1, 9), atol=1e-6)
    assert np.allclose(arrays["command"], [[0.5, 0.0, 0.0]] * 10)
    assert np.flatnonzero(arrays["decided"]).tolist() == [0, 2, 4, 6]
    assert np.flatnonzero(arrays["stop"]).tolist() == [6]
    assert texts["thought"] == ["", "", "a door", *[""] * 7]
    assert set(texts["policy"]) == {"nano@12345678"}
    assert arrays["phase"].tolist() == [0, 0, 0, 1, 2, 0, 0, 0, 0, 0]
    assert np.flatnonzero(arrays["intervention"]).tolist() == [3, 4]
    assert arrays["next.reward"].tolist() == [0, 0, -1, 0, 0, 0, 0, 0, 0, 0]
    assert [path.name for path in (folder.root / "bags").iterdir()] == [file.name]
    assert folder.waiting() == []
    assert len(NavigationDataset(folder.dataset).episode(0)) == 10, "training reads it"


def test_lerobot_reads_it(
    folder: EpisodeFolder, bag: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lerobot", reason="lerobot is not installed")
    cache = pytest.importorskip("datasets.config", reason="lerobot's own dependency is not installed")
    monkeypatch.setattr(cache, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    module = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    folder.take_in(bag(a_search()))
    dataset = module.LeRobotDataset("vlingnav/test", root=folder.dataset, video_backend="pyav")
    assert len(dataset) == 10 and dataset[2]["task"] == "find the red chair"
    assert [float(dataset[k]["next.reward"]) for k in range(4)] == [0.0, 0.0, -1.0, 0.0]
    assert round(float(dataset[6][FRONT].mean()) * 255.0 / 4.0) == 12


def test_a_goal_image_is_kept_at_the_size_of_the_camera(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 100, 40)).save(file, "PNG")
    image = convert.encode(file.getvalue())
    folder.take_in(bag([goal("find this", task="image", image=image), *driving(0.5)]))
    (episode,) = episodes(folder)
    assert episode.meta.extras["kind"] == "image" and episode.meta.extras["outcome"] == "unknown"
    assert np.allclose(episode.picture(GOAL, 0).mean(axis=(0, 1)), (200, 100, 40), atol=4)


def test_what_a_person_drives_becomes_an_episode(folder: EpisodeFolder, bag: Callable[..., Path]) -> None:
    held = [phase(99.0, 1, 1), goal(""), *driving(1.0), phase(101.0, 4, 1), *driving(0.3, 101.0)]
    assert folder.take_in(bag(held)) == 5
    (episode,) = episodes(folder)
    assert episode.meta.task == "driven by hand"
    assert episode.meta.extras["kind"] == "teleoperation" and not episode.meta.extras["success"]
    assert episode.arrays["intervention"].all() and not episode.arrays["decided"].any()
    assert set(episode.texts["policy"]) == {""}


def test_a_bag_that_was_cut_off_becomes_an_episode_of_what_is_there(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    file = bag(a_search()[:60], closed=False)
    file.write_bytes(file.read_bytes()[:-7])
    begun = bag(a_search(), closed=False)
    begun.write_bytes(begun.read_bytes() + b"\x06")  # a record of which only the first byte was written
    assert 0 <= folder.take_in(file) < folder.take_in(begun) == 10
    assert episodes(folder)[-1].meta.extras["outcome"] == "arrived"
    assert len(list(read(folder.root / "bags" / begun.name))) == len(a_search())


def test_commands_without_a_stamp_count_from_their_arrival(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    plain = [
        Message(m.topic, "geometry_msgs/msg/Twist", m.time, serialize_message(twist))
        if m.topic == NAMES[topics.CMD_VEL_DESIRED.name]
        else m
        for twist in [Twist()]
        for m in driving(1.0)
    ]
    assert folder.take_in(bag([goal("go"), *plain])) == 5
    (episode,) = episodes(folder)
    assert not episode.arrays["action"].any() and episode.arrays["command"].any()


def test_numbers_and_pictures_that_are_none_are_left_out(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    messages = [goal("go"), *driving(1.0)]
    wrong = convert.odometry_message(Odometry(np.full(3, np.nan), np.zeros(3)), 100.35, "odom", "base_link")
    grey = convert.image(tone(0), 100.45, "camera")
    grey.encoding = "mono8"
    late = convert.image(tone(0), 99.0, "camera")
    messages[20:20] = [
        said(100.4, topics.ODOM, wrong),
        said(100.4, topics.IMAGE, grey),
        said(100.4, topics.IMAGE, late),
    ]
    assert folder.take_in(bag(messages)) == 5
    shown = [round(picture.mean() / 4) for picture in episodes(folder)[0].pictures(FRONT)]
    assert shown == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("lacks", [topics.IMAGE, topics.ODOM], ids=lambda topic: topic.name)
def test_a_bag_in_which_nothing_can_be_seen_is_kept_and_no_episode(
    folder: EpisodeFolder, bag: Callable[..., Path], lacks: topics.Topic
) -> None:
    file = bag([m for m in a_search() if m.topic != NAMES[lacks.name]])
    assert folder.take_in(file) == 0
    assert episodes(folder) == [] and (folder.root / "bags" / file.name).is_file()


def test_a_bag_that_is_in_the_dataset_already_is_only_put_away(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    file = bag(a_search())
    shutil.copy(file, folder.root / "copy")
    folder.take_in(file)
    shutil.move(folder.root / "copy", file)  # as if killed between the dataset and the move
    assert folder.take_in(file) == 0
    assert len(episodes(folder)) == 1 and folder.waiting() == []


def test_another_camera_or_rate_needs_another_folder(folder: EpisodeFolder, bag: Callable[..., Path]) -> None:
    folder.take_in(bag(a_search()))
    for changes, words in (((10.0, 128, 96), "fps 5"), ((FPS, 64, 48), "observation.images.front")):
        with pytest.raises(FolderRefused, match=f"cannot record in .* was recorded with {words}"):
            EpisodeFolder(folder.root, NAMES, *changes, "diff").claim()
    with pytest.raises(FolderRefused, match="even"):
        EpisodeFolder(folder.root / "odd", NAMES, FPS, 127, 96, "diff").claim()


# The thread.


def wait(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bags_of_an_earlier_process_are_taken_in_and_the_one_being_written_is_not(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    bag(a_search(), closed=False)
    bag([goal("second"), *driving(0.5)])
    written = bag(a_search())
    thread = EpisodeThread(folder, lambda: written)
    thread.stop(20.0)
    assert [episode.meta.task for episode in episodes(folder)] == ["find the red chair", "second"]
    assert folder.waiting() == [written] and thread.episodes == 2 and thread.problem == ""


def test_two_recorders_cannot_have_one_folder(folder: EpisodeFolder) -> None:
    thread = EpisodeThread(folder, lambda: None)
    with pytest.raises(FolderRefused, match="being written by another process"):
        EpisodeThread(folder, lambda: None)
    thread.stop(5.0)
    EpisodeThread(folder, lambda: None).stop(5.0)


def test_what_cannot_be_taken_in_now_is_said_and_taken_in_later(
    folder: EpisodeFolder, bag: Callable[..., Path]
) -> None:
    thread = EpisodeThread(folder, lambda: None)
    with DatasetWriter(folder.dataset, recorded_schema(96, 128), FPS, "diff"):
        file = bag(a_search())
        thread.wake()
        wait(lambda: thread.problem)
        assert f"{file} is not in the dataset" in thread.problem
        assert "written by another process" in thread.problem
    thread.wake()
    wait(lambda: not thread.problem)
    assert thread.episodes == 1 and len(episodes(folder)) == 1
    thread.stop(5.0)


def test_a_bag_that_is_none_holds_up_no_other(folder: EpisodeFolder, bag: Callable[..., Path]) -> None:
    (folder.recording / "0.mcap").write_text("this is a text, and a long one")
    bag(a_search())
    thread = EpisodeThread(folder, lambda: None)
    wait(lambda: thread.problem)
    assert "0.mcap is no bag" in thread.problem and len(episodes(folder)) == 1
    thread.stop(5.0)


def test_a_full_disk_is_left_alone(folder: EpisodeFolder, bag: Callable[..., Path]) -> None:
    file = bag(a_search())
    thread = EpisodeThread(folder, lambda: None, keep_free=1 << 62)
    wait(lambda: thread.problem)
    assert "No space left on device" in thread.problem and folder.waiting() == [file]
    thread.stop(5.0)
