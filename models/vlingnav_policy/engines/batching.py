"""One engine for many robots: requests that wait at the same time are answered by one run of it.

There is no thread here and no queue to drain: of the callers that wait, one runs the engine for a batch of
them and wakes the others. Each caller stands in line at most once, since `run` returns with its answer, and
the line is served in order; so no robot is served twice while another one waits. What the line can hold is
bounded, and so is the time in it: who has to leave it gets `PolicyUnavailable`, and the robot stands and asks
again with a newer image. What is wrong with one request is found before it joins the others, or costs only
itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.engines import BATCH, Arrays, Engine, Graph, check_inputs
from vlingnav_policy.types import PolicyUnavailable


@dataclass(frozen=True)
class BatchConfig:
    """How requests are put together.

    Attributes:
        largest: requests in one run of the engine; at most what a TensorRT engine is built for.
        wait_s: how long the first in line waits for others [s]; not at all if nobody else has asked lately.
        patience_s: nobody waits longer for an answer [s].
        places: in the line; who finds none is refused.
        lately_s: who asked within this time is expected to ask again [s].
    """

    largest: int = 8
    wait_s: float = 0.002
    patience_s: float = 1.0
    places: int = 32
    lately_s: float = 1.0


@dataclass(eq=False)
class _Request:
    inputs: Arrays
    alike: object  # requests that have the same can be put side by side
    arrival: float = field(default_factory=time.monotonic)
    answer: dict[str, NDArray[Any]] | Exception | None = None


class BatchingEngine:
    """An `Engine` that may be called from many threads; one that is called from one thread only is unchanged.

    Attributes:
        runs: how often the engine was run. answered: requests that were answered by that.
    """

    def __init__(self, engine: Engine, graph: Graph, config: BatchConfig = BatchConfig()) -> None:
        self._engine, self._graph, self._config = engine, graph, config
        self._axes = {
            name: shape.index(BATCH)
            for side in ("inputs", "outputs")
            for name, (_, shape) in graph[side].items()
            if BATCH in shape
        }
        self._changed = threading.Condition()
        self._line: list[_Request] = []
        self._busy = False
        self._seen: dict[int, float] = {}
        self.runs = self.answered = 0

    @property
    def provider(self) -> str:
        """What the engine runs on."""
        return self._engine.provider

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """The answer to one request, which may have been computed together with others.

        Raises:
            ValueError: these are not the graph's inputs for one robot.
            PolicyUnavailable: too many wait, or it took too long.
        """
        check_inputs(self._graph, inputs)
        if any(array.shape[self._axes[name]] != 1 for name, array in inputs.items() if name in self._axes):
            raise ValueError("a request is for one robot; the axis 'batch' of each input must have length 1")
        request = _Request(inputs, self._alike(inputs))
        with self._changed:
            if len(self._line) >= self._config.places:
                raise PolicyUnavailable(
                    f"{len(self._line)} requests wait for the engine already; it serves too many robots"
                )
            self._line.append(request)
            self._seen[threading.get_ident()] = request.arrival
            self._changed.notify_all()
        while request.answer is None:
            if batch := self._take_turn(request):
                self._serve(batch)
        if isinstance(request.answer, Exception):
            raise request.answer
        return request.answer

    def _alike(self, inputs: Arrays) -> object:
        if not self._axes.keys() >= inputs.keys():
            return object()  # the graph takes one robot at a time
        return tuple(sorted((name, array.shape) for name, array in inputs.items()))

    def _take_turn(self, request: _Request) -> list[_Request]:
        """Wait for the answer, or for the turn to run the engine; those that it is to be run for."""
        config, give_up = self._config, request.arrival + self._config.patience_s
        with self._changed:
            while request.answer is None:
                now = time.monotonic()
                if now >= give_up:
                    if request in self._line:
                        self._line.remove(request)
                    raise PolicyUnavailable(f"the engine gave no answer within {config.patience_s} s")
                if self._busy or not self._line:
                    self._changed.wait(give_up - now)
                    continue
                first = self._line[0]
                batch = [other for other in self._line if other.alike == first.alike][: config.largest]
                expected = sum(now - seen < config.lately_s for seen in self._seen.values())
                ready = first.arrival + config.wait_s
                if len(batch) < min(config.largest, expected) and now < ready and self._axes:
                    self._changed.wait(min(ready, give_up) - now)
                    continue
                self._line = [other for other in self._line if other not in batch]
                self._seen = {who: seen for who, seen in self._seen.items() if now - seen < config.lately_s}
                self._busy = True
                return batch
        return []

    def _serve(self, batch: list[_Request]) -> None:
        """Answer a batch; the engine is this thread's until it is done."""
        interrupted = PolicyUnavailable("the run of the engine was interrupted")
        answers: list[dict[str, NDArray[Any]] | Exception] = [interrupted] * len(batch)
        try:
            answers = self._answers(batch)
        finally:
            with self._changed:
                for request, answer in zip(batch, answers, strict=True):
                    request.answer = answer
                self._busy = False
                self._changed.notify_all()

    def _answers(self, batch: list[_Request]) -> list[dict[str, NDArray[Any]] | Exception]:
        try:
            self.runs += 1
            if len(batch) == 1:
                answers = [self._engine.run(batch[0].inputs)]
            else:
                together = {
                    name: np.concatenate([request.inputs[name] for request in batch], axis=self._axes[name])
                    for name in batch[0].inputs
                }
                out = self._engine.run(together)
                parts = {name: np.split(a, len(batch), axis=self._axes[name]) for name, a in out.items()}
                answers = [{name: part[i] for name, part in parts.items()} for i in range(len(batch))]
            self.answered += len(batch)
            return list(answers)
        except Exception as error:
            # Only the one that it is about may suffer from it.
            return [error] if len(batch) == 1 else [self._answers([request])[0] for request in batch]


def share(
    engines: Mapping[str, Engine], graphs: Mapping[str, Graph], config: BatchConfig = BatchConfig()
) -> dict[str, Engine]:
    """A model's engines for many robots, each in a thread of its own.

    Every graph has a line of its own, so who thinks keeps nobody from driving. Thoughts can be continued side
    by side only where as much was read before, so `write` does not wait for company.
    """
    alone = replace(config, wait_s=0.0)
    return {
        name: BatchingEngine(engine, graphs[name], alone if name == "write" else config)
        for name, engine in engines.items()
    }
