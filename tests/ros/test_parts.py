"""The parts of a node that need no node: inputs that age, odometry looked up, a worker with one slot."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from vlingnav.freshness import Input
from vlingnav.markers import thought_markers
from vlingnav.odometry import OdometryBuffer
from vlingnav.worker import Worker
from vlingnav_interfaces.msg import ReasoningTrace


def number(message: str) -> float:
    if message == "nan":
        raise ValueError("it holds NaN")
    return float(message)


def test_an_input_says_what_is_wrong_with_it() -> None:
    source = Input("/robot/image", 0.5, number)
    assert "nothing has come on /robot/image" in source.problem(0.0)
    assert source.receive("1", 10.0)
    assert source.problem(10.5) == ""
    assert "0.6 s old" in source.problem(10.6)
    assert not source.receive("nan", 10.7)
    assert source.problem(10.7) == "/robot/image: it holds NaN"
    assert source.value == 1.0, "a message that is refused changes nothing"
    assert source.receive("2", 10.8)
    assert source.problem(10.8) == ""


def test_an_input_without_a_deadline_may_be_silent() -> None:
    assert Input("plan", math.inf, number).problem(1e9) == ""


def test_odometry_is_interpolated_the_short_way_round() -> None:
    history = OdometryBuffer(slack_s=0.1)
    history.add(1.0, np.array([0.0, 0.0, math.pi - 0.1]))
    history.add(2.0, np.array([1.0, 0.0, -math.pi + 0.1]))
    assert abs(history.at(1.5)[2]) == pytest.approx(math.pi)
    assert history.at(1.0) == pytest.approx([0.0, 0.0, math.pi - 0.1])
    assert history.at(2.05)[0] == pytest.approx(1.0), "a little beyond is the newest"
    for outside in (0.8, 2.2):
        with pytest.raises(LookupError, match="share a clock"):
            history.at(outside)


def test_odometry_forgets_what_is_old_and_what_was_before_a_reset() -> None:
    history = OdometryBuffer(span_s=1.0, slack_s=0.0)
    with pytest.raises(LookupError, match="no odometry"):
        history.at(0.0)
    for k in range(30):
        history.add(0.1 * k, np.zeros(3))
    with pytest.raises(LookupError):
        history.at(1.5)
    history.add(0.0, np.ones(3))
    assert history.at(0.0) == pytest.approx(np.ones(3))


def test_the_newest_job_wins_and_errors_are_answers() -> None:
    begun, go_on = threading.Event(), threading.Event()
    answers: list[tuple[int, object]] = []
    done = threading.Event()

    def work(job: int) -> int:
        if job == 0:
            begun.set()
            go_on.wait(5.0)
        if job == 3:
            raise RuntimeError("three")
        return 10 * job

    def deliver(job: int, answer: object) -> None:
        answers.append((job, answer))
        if job == 3:
            done.set()

    worker = Worker(work, deliver)
    assert not worker.put(0)
    assert begun.wait(5.0)
    assert not worker.put(1)
    assert worker.put(2), "job 1 was still waiting"
    assert worker.put(3)
    go_on.set()
    assert done.wait(5.0)
    worker.end()
    assert answers[0] == (0, 0)
    assert [job for job, _ in answers] == [0, 3]
    assert isinstance(answers[1][1], RuntimeError)


def test_a_thought_can_be_read_in_rviz() -> None:
    trace = ReasoningTrace(thinking=True, thought="The chair is behind the door. " * 3, summary="Saw a door.")
    trace.header.frame_id = "base_link"
    (text,) = thought_markers(trace).markers
    lines = text.text.splitlines()
    assert lines[0].startswith("The chair") and lines[-1] == "Saw a door."
    assert max(map(len, lines)) <= 50 and text.header.frame_id == "base_link"
