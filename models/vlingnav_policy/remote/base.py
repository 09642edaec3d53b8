"""What the clients of WebSocket policies share: when the server is told the goal, and what is an answer.

A goal is told with the first observation after `reset`, and again whenever the connection is a new one, so
that a server that was restarted in the middle of an episode goes on with it.
"""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.remote.link import Link
from vlingnav_policy.types import Decision, Goal, Observation, PolicyUnavailable

LONGEST_TRAJECTORY = 1000  # waypoints


class BadAnswer(Exception):
    """What the server said is no answer; the message says what is wrong with it."""


class RemotePolicy(ABC):
    """A `Policy` behind a `Link`; subclasses say what is sent and what the answers mean."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._goal: Goal | None = None
        self._episode = 0
        self._told = (0, 0)  # in which session the server heard of which episode's goal

    def reset(self, goal: Goal) -> None:
        """Take on `goal`; the server hears of it with the next observation."""
        self._goal = goal
        self._episode += 1

    def act(self, observation: Observation) -> Decision:
        """Ask the server.

        Raises:
            RuntimeError: no goal was set.
            ValueError: the server refuses the goal or the observation; the message says why.
            PolicyUnavailable: it gave no usable answer within the deadline.
        """
        if self._goal is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        begin = time.perf_counter()
        try:
            with self._link.turn():
                if self._told != (now := (self._link.session, self._episode)):
                    self._tell(self._goal)
                    self._told = now
                decision = self._decide(self._goal, observation)
        except BadAnswer as error:
            raise PolicyUnavailable(f"{self._link.address} answered with {error}") from error
        elsewhere = sum(decision.timings.values())
        wire = max(0.0, time.perf_counter() - begin - elsewhere)
        return dataclasses.replace(decision, timings={**decision.timings, "wire": wire})

    def close(self) -> None:
        """Hang up; `act` calls again."""
        self._link.close()

    @abstractmethod
    def _tell(self, goal: Goal) -> None:
        """Have the server forget the last episode and take on `goal`."""

    @abstractmethod
    def _decide(self, goal: Goal, observation: Observation) -> Decision:
        """The server's decision, with `timings` in parts that do not overlap."""


def rows(values: Any, columns: Sequence[int], what: str, least: int = 1) -> NDArray[np.float32]:
    """`values` as a finite `(T, C)` array, T at least `least` and C one of `columns`; None is no rows.

    Raises:
        BadAnswer: they are something else.
    """
    try:
        array = np.asarray([] if values is None else values, np.float32)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0, np.float32)
    if least == 0 and array.size == 0:
        return np.zeros((0, columns[0]), np.float32)
    if array.ndim != 2 or not least <= len(array) <= LONGEST_TRAJECTORY or array.shape[1] not in columns:
        wanted = " or ".join(map(str, columns))
        raise BadAnswer(f"{what} that are no rows of {wanted} numbers")
    if not np.isfinite(array).all():
        raise BadAnswer(f"{what} that are not finite")
    return array
