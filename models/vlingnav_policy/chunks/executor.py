"""Carry out chunks: nothing consumed is done again, nothing jumps at a join, and no waiting goes uncounted.

A chunk comes late and in the frame that the robot had at capture. Here it is moved into a frame that stays
(`Chunk.placed`) and looked up by time, and three things follow:

- What the robot did of it while the policy was still deciding is dropped. That is the time that passed since
  capture less the time in which the robot stood: who waited for a chunk begins it at its beginning.
- The next chunk takes over where the last lookup ended: what the motors were told is not taken back. From
  there the reference fades from the rest of the old chunk to the new one with no slope at either end, so that
  neither position nor velocity jumps.
- A chunk that has ended is not drawn out. There is no reference then, the robot is to stand, and the time is
  counted: a policy that is slower than its chunks are long makes a robot that moves and waits in turn, and
  the figures have to say so.

It makes no difference what a row is: poses of a base fade along arcs, an arm's joints in a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import arc, compose, relative
from vlingnav_policy.types import Decision

Row = NDArray[np.float64]
Along = Callable[[Row, Row, float], Row]
"""The row at a share in [0, 1] of the way from one row to another."""

BLEND_S = 0.0
"""From a chunk to the next [s]. A base needs none: each chunk begins at the pose it was decided in, and what
jumps is smoothed by the tracker's look ahead and the limits of acceleration. In 64 houses nano succeeded in
56 without, in 54 with 0.1 s and in 51 with 0.2 s."""

_ANOTHER_RUN_S = 0.5  # a clock that goes back by less had two messages out of order


def straight(begin: Row, end: Row, share: float) -> Row:
    """The way between rows of joint angles and the like."""
    return begin + share * (end - begin)


@dataclass(frozen=True)
class Chunk:
    """Where to be, and when.

    Attributes:
        rows: `(T, D)` float64 in a frame that stays; row k is due at `stamp + (k + 1) * dt`.
        dt: time between rows [s].
        stamp: capture time [s] of the observation that it was decided on.
        start: `(D,)` float64, the row at `stamp`.

    Raises:
        ValueError: there are no rows, they do not fit `start`, or something is not finite.
    """

    rows: NDArray[np.float64]
    dt: float
    stamp: float
    start: Row

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or not len(self.rows) or self.start.shape != self.rows.shape[1:]:
            raise ValueError(
                f"a chunk of shape {self.rows.shape} that starts at a row of shape {self.start.shape}; give "
                "(T, D) with at least one row, and (D,)"
            )
        finite = np.isfinite(self.rows).all() and np.isfinite(self.start).all()
        if not (finite and math.isfinite(self.stamp) and 0.0 < self.dt < math.inf):
            raise ValueError("a chunk of rows or times that are not finite; stop and wait for a new decision")

    @classmethod
    def placed(cls, decision: Decision, pose: Row) -> Chunk:
        """A decision's trajectory in the odometry frame; `pose (3,)` is where the robot was at its stamp."""
        start, trajectory = np.asarray(pose, np.float64), np.asarray(decision.trajectory, np.float64)
        if trajectory.shape[1:] != (3,):
            raise ValueError(f"a chunk of shape {trajectory.shape}; a trajectory is rows of x, y and yaw")
        rows = compose(start, trajectory)
        return cls(np.asarray(rows, np.float64), decision.dt, decision.stamp, start)

    @property
    def end(self) -> float:
        """When its last row is due [s]."""
        return self.stamp + len(self.rows) * self.dt

    def at(self, time: float, along: Along) -> Row:
        """The row at `time` [s]; before the first and after the last, that one."""
        due = (time - self.stamp) / self.dt
        leg = min(int(max(due, 0.0)), len(self.rows) - 1)
        begin = self.rows[leg - 1] if leg else self.start
        return along(begin, self.rows[leg], min(max(due - leg, 0.0), 1.0))

    def rest(self, stamp: float, pose: Row) -> NDArray[np.float32]:
        """What is left at `stamp` [s], `(T, 3)` in the body frame at `pose`; it stays at its end."""
        times = stamp + self.dt * np.arange(1, len(self.rows) + 1)
        ahead = np.stack([self.at(time, arc) for time in times])
        return relative(np.asarray(pose, np.float64), ahead).astype(np.float32)


class ChunkExecutor:
    """The reference that a robot follows, made of the chunks as they come.

    All times are on one clock, that of the chunks' stamps. When it goes back, another run has begun (a
    simulation was reset), and what was to be done in the last one is forgotten.

    Args:
        blend_s: time in which a chunk fades into the next [s].
        along: the way between rows: `se2.arc` for poses of a base, `straight` for joints.

    Attributes:
        waited_s: time for which a chunk should have been at hand and none was [s].
    """

    def __init__(self, blend_s: float = BLEND_S, along: Along = arc) -> None:
        self._blend, self._along = max(blend_s, 1e-9), along  # shares of it are taken
        self.waited_s = 0.0
        # Chunks with the times from which they take over; the first is the one in force.
        self._layers: list[tuple[Chunk, float]] = []
        self._stops: list[tuple[float, float]] = []  # from when to when the robot stood
        self._now = self._end = self._given = -math.inf  # last call, end, last row given
        self._ahead, self._moving = 0.0, False

    @property
    def waiting(self) -> bool:
        """Whether the last chunk has ended and the next is not there, as of the last `at`."""
        return bool(self._layers) and not self._moving

    def take(self, chunk: Chunk, now: float) -> None:
        """Go on with `chunk` from `now` [s] on."""
        self._advance(now)
        stood = sum(max(end - max(begin, chunk.stamp), 0.0) for begin, end in self._stops)
        # Chunks come in the order of their stamps: what ended before this one's concerns none to come.
        self._stops = [stop for stop in self._stops if stop[1] > chunk.stamp]
        chunk = replace(chunk, stamp=chunk.stamp + stood)
        self._layers = [*(self._layers if self._moving else ()), (chunk, self._given)]
        self._end = chunk.end

    def stand(self) -> None:
        """Drop all chunks: the robot is to stand, and waits for nothing."""
        self._layers, self._moving = [], False

    def cut(self, now: float) -> None:
        """End what is under way at `now` [s], however much is left of it: the next chunk is overdue."""
        self._end = min(self._end, now)

    def at(self, now: float, ahead_s: float = 0.0) -> Row | None:
        """Where to be `ahead_s` [s] after `now` [s], `(D,)`; None where the robot is to stand.

        A follower that looks ahead gets the last row when it looks beyond it, and so slows down to arrive
        there when the chunk ends; that counts as waiting already.
        """
        self._advance(now)
        self._ahead = ahead_s
        self._moving = bool(self._layers) and self._now < self._end
        if not self._moving:
            return None
        self._given = time = self._now + ahead_s
        done = [k for k, (_, begin) in enumerate(self._layers) if time - begin >= self._blend]
        self._layers = self._layers[max(done, default=0) :]
        row = self._layers[0][0].at(time, self._along)
        for chunk, begin in self._layers[1:]:
            share = (time - begin) / self._blend
            row = self._along(row, chunk.at(time, self._along), share * share * (3.0 - 2.0 * share))
        return row

    def _advance(self, now: float) -> None:
        """Book the time since the last call to what the robot did in it."""
        if self._now == -math.inf or now < self._now - _ANOTHER_RUN_S:
            self.stand()
            self._stops, self._now = [], now
        since, self._now = self._now, max(now, self._now)
        if self._layers:
            self.waited_s += min(self._now - since, max(self._now + self._ahead - self._end, 0.0))
        if not self._moving:
            if self._stops and self._stops[-1][1] == since:
                since = self._stops.pop()[0]
            self._stops.append((since, self._now))
