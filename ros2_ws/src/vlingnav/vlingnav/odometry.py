"""Where the robot was: a short history of odometry, looked up by time.

An image is answered some 100 ms after it was taken, and the robot has moved since; `OdometryBuffer`
says how far, so that a plan can be followed from where the robot is now.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import compose, relative

Pose = NDArray[np.float64]


class OdometryBuffer:
    """Poses of the last `span_s` seconds.

    Args:
        span_s: how far back a lookup can reach [s].
        slack_s: how far a lookup may lie outside what is held and still get the nearest pose [s]: a
            camera and an odometry of one robot are never stamped at quite the same time.
    """

    def __init__(self, span_s: float = 5.0, slack_s: float = 0.15) -> None:
        self._span = span_s
        self._slack = slack_s
        self._history: deque[tuple[float, Pose]] = deque()

    def add(self, stamp: float, pose: Pose) -> None:
        """Append a pose `(3,)`; a stamp that goes back (a simulation was reset) forgets what was held."""
        if self._history and stamp < self._history[-1][0]:
            self._history.clear()
        self._history.append((stamp, pose))
        while self._history[0][0] < stamp - self._span:
            self._history.popleft()

    def at(self, stamp: float) -> Pose:
        """The pose `(3,)` at `stamp`, interpolated.

        Raises:
            LookupError: the history does not reach there; the message says what it covers.
        """
        if not self._history:
            raise LookupError("no odometry has come yet")
        first, last = self._history[0][0], self._history[-1][0]
        if not first - self._slack <= stamp <= last + self._slack:
            raise LookupError(
                f"an image of {stamp:.2f} s lies outside the odometry held, {first:.2f} to {last:.2f} s; "
                "do camera and odometry share a clock?"
            )
        before = self._history[0]
        for after in self._history:
            if after[0] >= stamp:
                break
            before = after
        span = after[0] - before[0]
        if span <= 0.0 or stamp >= after[0]:
            return after[1]
        share = max((stamp - before[0]) / span, 0.0)
        return np.asarray(compose(before[1], share * relative(before[1], after[1])), np.float64)
