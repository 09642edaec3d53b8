"""Bags: read by everybody; whole up to the last flush, whatever ends the writer; mended afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message

from vlingnav import convert
from vlingnav.definitions import definition, message_class
from vlingnav.recorder_node import RECORDED
from vlingnav_interfaces.action import Navigate

pytest.importorskip("mcap", reason="mcap is not installed")

from mcap.reader import make_reader

from vlingnav.bag import BagError, BagWriter, Message, mend, read
from vlingnav.bag_thread import BagThread, BagThreadConfig

ODOMETRY, GOAL, IMAGE = (
    "nav_msgs/msg/Odometry",
    "vlingnav_interfaces/action/Navigate_Goal",
    "sensor_msgs/msg/Image",
)


def odometry(number: int) -> Message:
    message = Odometry()
    message.header.stamp = convert.stamp(0.1 * number)
    message.pose.pose.position.x = float(number)
    return Message("/robot/odom", ODOMETRY, 100_000_000 * number, serialize_message(message))


def numbers(messages: Any) -> list[int]:
    """What `odometry` was asked for."""
    return [round(deserialize_message(m.data, Odometry).pose.pose.position.x) for m in messages]


def written(file: Path, flushes: int = 4, each: int = 3, close: bool = True) -> list[int]:
    """Write a bag; returns the size of the file after each flush."""
    writer, sizes = BagWriter(file, definition), []
    for number in range(flushes * each):
        writer.write(odometry(number))
        if number % each == each - 1:
            writer.flush()
            sizes.append(file.stat().st_size)
    if close:
        writer.close()
    return sizes


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody switches the machine off within a test, and waiting for its disk takes time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_every_reader_reads_what_came(tmp_path: Path) -> None:
    file = tmp_path / "a.mcap"
    pixels = np.arange(96 * 128 * 3, dtype=np.uint8).reshape(96, 128, 3)
    goal = Navigate.Goal(instruction="find the “red” chair", time_limit_s=30.0)
    came = [
        Message("/robot/goal", GOAL, 5, serialize_message(goal)),
        Message("/robot/image", IMAGE, 7, serialize_message(convert.image(pixels, 1.5, "camera"))),
        *map(odometry, range(3)),
    ]
    writer = BagWriter(file, definition)
    for message in came:
        writer.write(message)
    writer.close()
    assert list(read(file)) == came

    with file.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        found = [
            (c.topic, s.name, m.log_time, m.data) for s, c, m in reader.iter_messages(log_time_order=False)
        ]
        assert found == [(m.topic, m.type, m.time, m.data) for m in came]
        channels, schemas = reader.get_summary().channels.values(), reader.get_summary().schemas.values()
        assert {c.message_encoding for c in channels} == {"cdr"}
        assert {s.encoding for s in schemas} == {"ros2msg"}

    highlevel = pytest.importorskip("rosbags.highlevel", reason="rosbags is not installed")
    with highlevel.AnyReader([file]) as bag:
        by_topic: dict[str, list[Any]] = {}
        for connection, _, data in bag.messages():
            by_topic.setdefault(connection.topic, []).append(bag.deserialize(data, connection.msgtype))
    assert by_topic["/robot/goal"][0].instruction == goal.instruction
    assert bytes(by_topic["/robot/image"][0].data) == pixels.tobytes()
    assert [m.pose.pose.position.x for m in by_topic["/robot/odom"]] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("topic", RECORDED, ids=lambda topic: topic.name)
def test_definitions_are_those_of_the_classes(topic: Any) -> None:
    """An independent reader of definitions finds in each what its class holds, all types in it too."""
    typesys = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
    kind = topic.type.__module__.split(".")[1]
    name = f"{topic.type.__module__.split('.')[0]}/{kind}/{topic.type.__name__}"
    assert message_class(name) is topic.type
    types = typesys.get_types_from_msg(definition(name), name)
    for found, (constants, fields) in types.items():
        assert not constants
        assert [field for field, _ in fields] == list(message_class(found).get_fields_and_field_types())


def test_a_type_that_is_not_installed_is_named() -> None:
    with pytest.raises(LookupError, match="moon_msgs/msg/Crater is not installed"):
        message_class("moon_msgs/msg/Crater")
    with pytest.raises(LookupError, match="nav_msgs/msg/Moon is not installed"):
        definition("nav_msgs/msg/Moon")


def test_a_bag_that_is_cut_off_anywhere_holds_what_was_flushed(tmp_path: Path) -> None:
    sizes = written(tmp_path / "whole.mcap")
    content = (tmp_path / "whole.mcap").read_bytes()
    for length in [*range(60), *range(60, len(content), 41), *sizes, *(size - 1 for size in sizes)]:
        file = tmp_path / "cut.mcap"
        file.write_bytes(content[:length])
        flushed = 3 * sum(size <= length for size in sizes)
        found = numbers(read(file))
        # The index of a chunk comes after it, and who reads from the beginning does without.
        assert len(found) in (flushed, flushed + 3) and found == list(range(len(found)))
        assert mend(file) and not mend(file)
        assert numbers(read(file)) == found
        with file.open("rb") as stream:
            assert make_reader(stream).get_summary().statistics.message_count == len(found)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".mcap"] == []
    assert not mend(tmp_path / "whole.mcap")


def test_zeros_that_a_power_cut_leaves_are_no_messages(tmp_path: Path) -> None:
    file = tmp_path / "a.mcap"
    sizes = written(file, close=False)
    content = file.read_bytes()
    file.write_bytes(content[: sizes[1]] + bytes(len(content) - sizes[1]))
    assert numbers(read(file)) == list(range(6))
    chunk = bytearray(content)
    chunk[sizes[2] + 60 : sizes[2] + 90] = bytes(30)  # within a record whose length is there
    file.write_bytes(chunk)
    assert mend(file) and numbers(read(file)) == list(range(9))


def test_damage_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.mcap"
    sizes = written(file)
    content = bytearray(file.read_bytes())
    content[sizes[1] + 60] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(BagError, match=r"a\.mcap is damaged"):
        list(read(file))
    file.write_text("this is a text, and a long one")
    with pytest.raises(BagError, match=r"a\.mcap is no bag"):
        mend(file)


def test_a_bag_is_never_written_over(tmp_path: Path) -> None:
    written(tmp_path / "a.mcap")
    with pytest.raises(FileExistsError):
        BagWriter(tmp_path / "a.mcap", definition)


# The thread.

RECORD_FOR_EVER = """
import itertools, runpy, sys, time
from pathlib import Path
here = runpy.run_path(sys.argv[1])
thread = here["BagThread"](here["definition"])
thread.begin(Path(sys.argv[2]))
for number in itertools.count():
    m = here["odometry"](number)
    thread.put(m.topic, m.type, m.time, m.data)
    print(number, time.monotonic(), flush=True)
    time.sleep(0.01)
"""


def test_kill_9_costs_the_last_second_at_most(tmp_path: Path) -> None:
    file = tmp_path / "a.mcap"
    command = [sys.executable, "-c", RECORD_FOR_EVER, __file__, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(250)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    times = [float(line.split()[1]) for line in said if line.endswith("\n")]
    assert mend(file)
    found = numbers(read(file))
    assert found == list(range(len(found)))
    assert times[-1] - times[len(found) - 1] < 1.0, "what is lost is younger than a second"


FULL = """
import json, resource, runpy, sys, time
from pathlib import Path
here = runpy.run_path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
thread, folder = here["BagThread"](here["definition"]), Path(sys.argv[2])
def fill(file, count):
    thread.begin(file)
    for number in range(count):
        m = here["odometry"](number)
        thread.put(m.topic, m.type, m.time, m.data)
        time.sleep(0.001)
fill(folder / "full.mcap", 2000)
while not thread.problem:
    time.sleep(0.01)
problem, dropped = thread.problem, thread.dropped
fill(folder / "next.mcap", 10)
thread.stop()
print(json.dumps([problem, dropped, thread.problem]))
"""


def test_a_full_disk_ends_the_bag_and_keeps_what_was_written(tmp_path: Path) -> None:
    import json

    command = [sys.executable, "-c", FULL, __file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    problem, dropped, after = json.loads(done.stdout)
    assert problem == (
        f"recording has stopped on {tmp_path}: File too large; the next episode is tried again"
    )
    assert dropped > 0 and after == "", "the next bag has room again"
    assert numbers(read(tmp_path / "next.mcap")) == list(range(10))
    assert mend(tmp_path / "full.mcap")
    found = numbers(read(tmp_path / "full.mcap"))
    assert 0 < len(found) < 2000 and found == list(range(len(found)))


def wait(condition: Any, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    finished = threading.Event()
    thread = BagThread(definition, finished.set, BagThreadConfig(keep_free=1 << 62))
    thread.begin(tmp_path / "a.mcap")
    wait(lambda: thread.problem)
    assert "No space left on device" in thread.problem and finished.is_set()
    assert not list(tmp_path.iterdir())
    thread.stop()


def test_nobody_waits_for_a_slow_disk_and_small_messages_go_first(tmp_path: Path) -> None:
    disk = threading.Event()

    def define(kind: str) -> str:
        disk.wait(10.0)  # as slow as a disk may be
        return definition(kind)

    thread = BagThread(define, config=BagThreadConfig(queue=1_000_000))
    thread.begin(tmp_path / "a.mcap")
    large = serialize_message(convert.image(np.zeros((96, 128, 3), np.uint8), 1.0, "camera"))
    begin = time.monotonic()
    for number in range(100):
        thread.put("/image", IMAGE, number, large)
    small = odometry(1)
    thread.put(small.topic, small.type, small.time, small.data)
    assert time.monotonic() - begin < 1.0
    assert thread.waiting <= 1_000_000 * 9 // 8
    taken = 1_000_000 // len(large)
    assert 100 - taken - 2 <= thread.dropped <= 100 - taken + 2
    disk.set()
    thread.stop()
    kept = list(read(tmp_path / "a.mcap"))
    assert len(kept) == 101 - thread.dropped and kept[-1] == small
