"""When the policy is to be asked again, and what the robot goes on with until it answers.

A policy is asked at a steady pace, and sooner where its answers are too short for that pace: the next one has
to be there before who follows the last one looks beyond its end. How long that takes is learned from the
answers, on the side of caution, as the longest of the latest few (Black et al. 2025, arXiv:2506.07339,
algorithm 1). The first of an episode brings the goal and warms the policy up: it says nothing of the others.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from vlingnav_policy.chunks.executor import Chunk, Row
from vlingnav_policy.se2 import arc, relative
from vlingnav_policy.tracker import LOOKAHEAD_S
from vlingnav_policy.types import Decision, Underway

REMEMBERED = 10
"""So many of the latest delays are looked at."""


class Replanner:
    """The pace of one episode.

    Args:
        period_s: time between the observations that are decided on [s], where chunks are long enough.
    """

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._seen = self._asked = -math.inf
        self._chunk: Chunk | None = None
        self._delays: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def delay_s(self) -> float:
        """How long an answer may take [s]; 0 before there is anything to tell it from."""
        return max(self._delays, default=0.0)

    def due(self, stamp: float) -> bool:
        """Whether to decide on the observation of `stamp` [s]; to be told of each that comes."""
        gap, self._seen = stamp - self._seen, stamp
        # A tenth of slack: a camera's stamps jitter, and the next image may be a whole period away.
        due = not 0.0 <= stamp - self._asked < 0.9 * self._period
        if not due and self._chunk is not None and self._asked <= self._chunk.stamp:  # no answer is under way
            due = stamp + gap + self.delay_s + LOOKAHEAD_S >= self._chunk.end
        return due

    def asked(self, stamp: float) -> None:
        """Note that the observation of `stamp` [s] is being decided on."""
        self._asked = stamp

    def answered(self, decision: Decision, pose: Row, delay_s: float) -> None:
        """Note a decision: where the robot was at its stamp, `(3,)`, and how long it took [s].

        Raises:
            ValueError: its trajectory is none.
        """
        chunk = Chunk.placed(decision, pose)
        if self._chunk is not None:
            self._delays.append(delay_s)
        self._chunk = chunk

    def underway(self, stamp: float, pose: Row) -> Underway | None:
        """The rest of the last trajectory for an observation of `stamp` [s] at `pose (3,)`; None without one.

        A robot that had to wait for that trajectory began it late, which is not known here: it is then taken
        to be further on than it is.
        """
        chunk = self._chunk
        if chunk is None:
            return None
        left = math.floor((chunk.end - stamp) / chunk.dt + 1e-6)
        if left < 1:
            return None
        rows = [chunk.at(stamp + (k + 1) * chunk.dt, arc) for k in range(left)]
        steps = min(math.ceil(self.delay_s / chunk.dt), left)
        return Underway(relative(pose, np.array(rows)).astype(np.float32), chunk.dt, steps)
