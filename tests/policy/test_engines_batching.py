"""One engine for many robots: each gets its own answer, in its turn, and nobody suffers from another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from vlingnav_policy.engines import Arrays
from vlingnav_policy.engines.batching import BatchConfig, BatchingEngine, share
from vlingnav_policy.types import PolicyUnavailable

GRAPH = {
    "inputs": {"x": ["tensor(float)", ["batch", 3]], "past": ["tensor(float)", [2, "batch", "read"]]},
    "outputs": {"y": ["tensor(float)", ["batch"]], "new": ["tensor(float)", [2, "batch", "read"]]},
}
ONE = {"inputs": {"x": ["tensor(float)", [1, 3]]}, "outputs": {"y": ["tensor(float)", [1]]}}


class Sums:
    """An engine that adds up what each robot sends; slow where `gate` is closed, and it refuses 13."""

    provider = "test"

    def __init__(self) -> None:
        self.gate, self.started = threading.Event(), threading.Semaphore(0)
        self.batches: list[list[float]] = []

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        x = inputs["x"]
        self.batches.append(x[:, 0].tolist())
        self.started.release()
        assert self.gate.wait(30.0)
        if (x == 13.0).any():
            raise RuntimeError("thirteen")
        return {"y": x.sum(axis=1), "new": inputs["past"] + 1.0} if "past" in inputs else {"y": x.sum(axis=1)}


def inputs(value: float, length: int = 2) -> dict[str, Any]:
    return {"x": np.full((1, 3), value, np.float32), "past": np.full((2, 1, length), value, np.float32)}


def until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(30_000):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("it did not come to pass within 30 s")


class Crowd:
    """Robots that ask while the engine is busy with the first of them; they stand in line in this order."""

    def __init__(self, config: BatchConfig = BatchConfig(), graph: dict[str, Any] = GRAPH) -> None:
        self.engine = Sums()
        self.shared = BatchingEngine(self.engine, graph, config)
        self._threads = ThreadPoolExecutor(16)
        self.answers: list[Future[Any]] = [self._threads.submit(self.shared.run, inputs(0.0))]
        if graph is ONE:
            self.answers = [self._threads.submit(self.shared.run, {"x": inputs(0.0)["x"]})]
        assert self.engine.started.acquire(timeout=30.0)

    def ask(self, request: Arrays) -> Future[Any]:
        waiting = len(self.shared._line)
        answer = self._threads.submit(self.shared.run, request)
        until(lambda: answer.done() or len(self.shared._line) > waiting)
        return answer

    def go(self) -> None:
        self.engine.gate.set()


def test_who_waits_at_the_same_time_is_answered_at_once_each_with_its_own() -> None:
    crowd = Crowd()
    answers = [crowd.ask(inputs(float(i))) for i in range(1, 6)]
    crowd.go()
    for i, answer in enumerate(answers, start=1):
        out = answer.result(30.0)
        assert out["y"].shape == (1,) and out["y"][0] == 3.0 * i
        assert out["new"].shape == (2, 1, 2) and (out["new"] == i + 1.0).all()
    assert crowd.engine.batches == [[0.0], [1.0, 2.0, 3.0, 4.0, 5.0]]
    assert (crowd.shared.runs, crowd.shared.answered) == (2, 6)


def test_nobody_is_served_before_those_that_came_earlier() -> None:
    crowd = Crowd(BatchConfig(largest=2))
    answers = [crowd.ask(inputs(float(i))) for i in range(1, 6)]
    crowd.go()
    for answer in answers:
        answer.result(30.0)
    assert crowd.engine.batches == [[0.0], [1.0, 2.0], [3.0, 4.0], [5.0]]


def test_only_what_has_the_same_lengths_is_put_together() -> None:
    crowd = Crowd()
    answers = [crowd.ask(inputs(float(i), length=1 + i % 2)) for i in range(1, 5)]
    crowd.go()
    for i, answer in enumerate(answers, start=1):
        assert answer.result(30.0)["new"].shape == (2, 1, 1 + i % 2)
    assert crowd.engine.batches == [[0.0], [1.0, 3.0], [2.0, 4.0]]


def test_a_graph_for_one_robot_serves_one_after_the_other() -> None:
    crowd = Crowd(graph=ONE)
    answers = [crowd.ask({"x": inputs(float(i))["x"]}) for i in range(1, 4)]
    crowd.go()
    assert [answer.result(30.0)["y"][0] for answer in answers] == [3.0, 6.0, 9.0]
    assert crowd.engine.batches == [[0.0], [1.0], [2.0], [3.0]]


def test_who_asks_wrongly_is_told_so_and_nobody_else_notices() -> None:
    crowd = Crowd()
    good = [crowd.ask(inputs(1.0)), crowd.ask(inputs(2.0))]
    for wrong, message in (
        ({**inputs(3.0), "x": np.zeros((1, 4), np.float32)}, "batchx3, got float32 1x4"),
        ({**inputs(3.0), "x": np.zeros((1, 3))}, "got float64"),
        ({"x": np.zeros((1, 3), np.float32)}, "takes past, x; got x"),
        ({"x": np.zeros((2, 3), np.float32), "past": np.zeros((2, 2, 2), np.float32)}, "for one robot"),
    ):
        with pytest.raises(ValueError, match=message):
            crowd.ask(wrong).result(30.0)
    crowd.go()
    assert [answer.result(30.0)["y"][0] for answer in good] == [3.0, 6.0]


def test_who_makes_the_engine_fail_fails_alone() -> None:
    crowd = Crowd()
    answers = [crowd.ask(inputs(value)) for value in (1.0, 13.0, 2.0)]
    crowd.go()
    assert answers[0].result(30.0)["y"][0] == 3.0 and answers[2].result(30.0)["y"][0] == 6.0
    with pytest.raises(RuntimeError, match="thirteen"):
        answers[1].result(30.0)
    assert crowd.shared.run(inputs(5.0))["y"][0] == 15.0


def test_what_is_not_finite_stays_with_who_sent_it() -> None:
    crowd = Crowd()
    answers = [crowd.ask(inputs(value)) for value in (1.0, np.nan, 2.0)]
    crowd.go()
    assert [answer.result(30.0)["y"][0] for answer in answers][::2] == [3.0, 6.0]
    assert np.isnan(answers[1].result(30.0)["y"][0])


def test_the_line_does_not_grow_for_ever() -> None:
    crowd = Crowd(BatchConfig(places=3))
    answers = [crowd.ask(inputs(float(i))) for i in range(3)]
    with pytest.raises(PolicyUnavailable, match="3 requests wait for the engine already"):
        crowd.ask(inputs(9.0)).result(30.0)
    crowd.go()
    for answer in answers:
        answer.result(30.0)
    assert crowd.shared.run(inputs(9.0))["y"][0] == 27.0


def test_nobody_waits_for_ever_and_the_engine_goes_on() -> None:
    crowd = Crowd(BatchConfig(patience_s=0.2))
    with pytest.raises(PolicyUnavailable, match="no answer within 0.2 s"):
        crowd.ask(inputs(1.0)).result(30.0)
    assert not crowd.shared._line
    crowd.go()
    assert crowd.answers[0].result(30.0)["y"][0] == 0.0
    assert crowd.shared.run(inputs(9.0))["y"][0] == 27.0


def test_who_is_alone_waits_for_nobody() -> None:
    engine = Sums()
    engine.gate.set()
    shared = BatchingEngine(engine, GRAPH, BatchConfig(wait_s=1000.0, patience_s=1000.0))
    for value in (1.0, 2.0, 3.0):  # would take an hour
        assert shared.run(inputs(value))["y"][0] == 3.0 * value


def test_who_has_company_is_waited_for() -> None:
    engine = Sums()
    engine.gate.set()
    config = BatchConfig(wait_s=1000.0, patience_s=1000.0, lately_s=1000.0)
    shared = BatchingEngine(engine, GRAPH, config)
    shared.run(inputs(1.0))
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(shared.run, inputs(2.0))
        until(lambda: len(shared._line) == 1)
        assert shared.run(inputs(3.0))["y"][0] == 9.0 and other.result(30.0)["y"][0] == 6.0
    assert engine.batches == [[1.0], [2.0, 3.0]]


def test_who_thinks_keeps_nobody_from_driving() -> None:
    slow, quick = Sums(), Sums()
    quick.gate.set()
    engines = share({"write": slow, "read": quick}, {"write": GRAPH, "read": GRAPH})
    with ThreadPoolExecutor(1) as thread:
        thought = thread.submit(engines["write"].run, inputs(1.0))
        assert slow.started.acquire(timeout=30.0)
        assert engines["read"].run(inputs(2.0))["y"][0] == 6.0
        assert not thought.done()
        slow.gate.set()
        assert thought.result(30.0)["y"][0] == 3.0
