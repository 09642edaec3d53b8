"""One goal of the policy node while it runs, and the looks it takes on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.task import Future

from vlingnav_policy.chunks import Replanner
from vlingnav_policy.types import Goal, Observation


@dataclass
class Episode:
    """One accepted goal.

    Attributes:
        goal: what was asked for.
        time_limit_s: it ends then [s].
        started: ROS time of its acceptance [s]; 0 until the first `/clock` has come.
        replanner: says when the policy is to be asked.
        ended: resolves to its result.
        path_length_m: driven so far, by odometry [m].
        thought, summary, memory: the policy's newest.
        distance_m: to the target, as the policy believes now [m]; NaN while unknown.
        lost_since: steady time since when an input is lost [s]; None while all are there.
    """

    goal: Goal
    time_limit_s: float
    started: float
    replanner: Replanner
    ended: Future = field(default_factory=Future)
    path_length_m: float = 0.0
    thought: str = ""
    summary: str = ""
    memory: str = ""
    distance_m: float = math.nan
    lost_since: float | None = None
    _last_xy: Any = None

    def moved_to(self, xy: Any) -> None:
        """Add the way to x, y [m] since the last call."""
        if self._last_xy is not None:
            self.path_length_m += float(np.hypot(*(xy - self._last_xy)))
        self._last_xy = xy


@dataclass(frozen=True)
class Look:
    """One job of the worker: an observation, the episode it belongs to, and when it came [s, steady]."""

    episode: Episode
    observation: Observation
    arrival: float
