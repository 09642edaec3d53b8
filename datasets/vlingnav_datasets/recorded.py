"""What a robot recorded, as frames of a dataset: all that was heard, brought to the times of its pictures.

The columns are those of `navigation_schema` and what only a robot in use can tell: who drove, and when it was
taken from the policy. So whatever learns from experts' episodes learns from a robot's as well.

- `action`: what was commanded by whoever drove: where the robot would have come had it done exactly that for
  the next T dt seconds, as T waypoints x, y [m], yaw [rad] in the body frame.
- `stop`: the policy declared the task done here.
- `thought`, `summary`: the policy's. `facts`: empty, for nobody knows.
- `command`: the body velocity that went to the motors, after the safety filter [m/s, m/s, rad/s].
- `decided`: this is a picture that the policy decided on. `policy`: which, with its version; empty for none.
- `phase`: the arbiter's, a number of `PHASES`; `intervention`: a person drove.
- `next.reward`: -1 where a takeover comes before the next frame, else 0 (RLIF: Luo et al. 2023,
  arXiv:2311.12996, section 4).
- `stamp`: when the picture was taken [s]; `timestamp` counts frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.schema import Feature, Schema, navigation_schema
from vlingnav_policy.se2 import compose, exponential, relative

Floats = NDArray[np.float64]

PHASES = ("autonomous", "taking over", "human", "handing back", "paused", "stopped")
HELD = frozenset({1, 2})
"""Phases in which a person drives."""
TELEOPERATION = "teleoperation"
"""Kind of an episode that people drove without a goal."""

WAYPOINTS, WAYPOINT_DT_S = 8, 0.2
HOLD_S = 0.5  # a base stands when it has not been commanded for this long
GAP_S = 5.0  # without pictures for longer than this, the time between is left out


def recorded_schema(height: int, width: int) -> Schema:
    """Columns of what is recorded with a camera of `height` x `width` pixels, both even."""
    return navigation_schema(height, width, WAYPOINTS, WAYPOINT_DT_S).extended(
        frame={
            "command": Feature("float32", (3,), ("vx", "vy", "wz")),
            "decided": Feature("bool"),
            "policy": Feature("string"),
            "phase": Feature("int64", info={"phases": list(PHASES)}),
            "intervention": Feature("bool"),
            "next.reward": Feature("float32"),
            "stamp": Feature("float64"),
        },
        episode={"outcome": "string", "bag": "string"},
    )


@dataclass(frozen=True)
class Series:
    """Values `(N, D)` and since when each holds, `times (N,)` [s], ascending."""

    times: Floats
    values: Floats

    def before(self, times: Floats) -> NDArray[np.int64]:
        """Which value holds at each of `times`: the newest by then, the first before that."""
        return np.maximum(np.searchsorted(self.times, times, side="right") - 1, 0)

    def at(self, times: Floats, default: Floats) -> Floats:
        """The values that hold at `times (K,)`, `(K, D)`; `default (D,)` where nothing was heard."""
        return self.values[self.before(times)] if len(self.times) else np.tile(default, (len(times), 1))


@dataclass(frozen=True)
class Thought:
    """What the policy said of one decision; `stamp` [s] is that of the picture which it decided on."""

    stamp: float
    policy: str
    thought: str
    summary: str


@dataclass(frozen=True)
class Heard:
    """What was heard in one episode.

    Attributes:
        pictures: `(N,)` their stamps [s].
        odometry: rows x, y [m], yaw [rad], vx, vy [m/s], wz [rad/s].
        desired: commands of whoever drove, rows vx, vy [m/s], wz [rad/s]; applied: those to the motors.
        phases: rows phase, takeovers so far.
        decisions: the policy's, by stamp.
        stopped: the last of them declared the task done.
    """

    pictures: Floats
    odometry: Series
    desired: Series
    applied: Series
    phases: Series
    decisions: tuple[Thought, ...] = ()
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether there is something to see, and where it was seen from."""
        return len(self.pictures) > 0 and len(self.odometry.times) > 0


def lay_out(heard: Heard, fps: float) -> Iterator[tuple[int, dict[str, Any]]]:
    """The frames of an episode: which picture each shows, and its other columns but the goal image.

    A frame shows the picture nearest to its time, but rather one that the policy decided on; where none came,
    the last one again.

    Args:
        heard: `complete`.
        fps: frames a second.
    """
    decisions = _by_picture(heard)
    shown = _shown(heard.pictures, set(decisions), fps)
    stamps = heard.pictures[shown]
    states = _states(heard.odometry, stamps)
    path = _Path(heard.desired)
    commands = heard.applied.at(stamps, np.zeros(3))
    phases = heard.phases.at(stamps, np.zeros(2)).astype(np.int64)
    rewards = np.where(np.diff(phases[:, 1], append=phases[-1, 1]) > 0, -1.0, 0.0)
    policy, before = "", -1
    for k, picture in enumerate(shown.tolist()):
        decision = decisions.get(picture) if picture != before else None
        before = picture
        policy = decision.policy if decision else policy
        yield (
            picture,
            {
                "observation.state": states[k].astype(np.float32),
                "action": path.ahead(stamps[k]).astype(np.float32).ravel(),
                "stop": heard.stopped and decision is not None and decision is heard.decisions[-1],
                "thought": decision.thought if decision else "",
                "summary": decision.summary if decision else "",
                "facts": "",
                "command": commands[k].astype(np.float32),
                "decided": decision is not None,
                "policy": policy,
                "phase": phases[k, 0],
                "intervention": bool(phases[k, 0] in HELD),
                "next.reward": float(rewards[k]),
                "stamp": stamps[k],
            },
        )


def _by_picture(heard: Heard) -> dict[int, Thought]:
    """The decisions, by the number of the picture that each was made on."""
    found = {}
    for decision in heard.decisions:
        picture = int(np.abs(heard.pictures - decision.stamp).argmin())
        if abs(heard.pictures[picture] - decision.stamp) < 1e-3:
            found[picture] = decision
    return found


def _shown(stamps: Floats, decided: set[int], fps: float) -> NDArray[np.int64]:
    """The picture that each frame shows `(K,)`."""
    steps = np.diff(stamps, prepend=stamps[0])
    steps[steps > GAP_S] = 1.0 / fps
    due = np.cumsum(steps) * fps
    # A picture half way between two frames (a camera at twice the rate) is no reason for one more at the end.
    frames = np.ceil(due - 0.51).astype(np.int64)
    shown = np.full(frames[-1] + 1, -1)
    # The last to be written wins: the nearest to its frame's time, of those decided on if there are any.
    order = sorted(range(len(stamps)), key=lambda k: (k in decided, -abs(due[k] - frames[k])))
    shown[frames[order]] = order
    return np.maximum.accumulate(shown)


def _states(odometry: Series, stamps: Floats) -> Floats:
    """Pose and velocity at `stamps (K,)`, `(K, 6)`, interpolated."""
    values = odometry.values.copy()
    values[:, 2] = np.unwrap(values[:, 2])
    states = np.stack([np.interp(stamps, odometry.times, column) for column in values.T], axis=-1)
    states[:, 2] = (states[:, 2] + np.pi) % (2.0 * np.pi) - np.pi
    return states


class _Path:
    """Where commands lead that are carried out exactly, from the pose 0, 0, 0 on."""

    def __init__(self, commands: Series) -> None:
        self._commands = commands
        self._poses = [np.zeros(3)]  # at the time of each command
        for k, duration in enumerate(np.diff(commands.times)):
            self._poses.append(self._after(k, duration))

    def ahead(self, stamp: float) -> Floats:
        """The way from `stamp` [s] on: waypoints `(WAYPOINTS, 3)` in the body frame."""
        if not len(self._commands.times):
            return np.zeros((WAYPOINTS, 3))
        times = stamp + WAYPOINT_DT_S * np.arange(WAYPOINTS + 1, dtype=np.float64)
        last = self._commands.before(times)
        here, *poses = [self._after(k, t - self._commands.times[k]) for k, t in zip(last, times, strict=True)]
        return np.asarray(relative(here, np.array(poses)), np.float64)

    def _after(self, command: int, duration: float) -> Floats:
        """The pose after command number `command` has been carried out for `duration` [s]."""
        velocity = self._commands.values[command]
        moved = exponential(velocity * min(max(duration, 0.0), HOLD_S))
        return np.asarray(compose(self._poses[command], moved), np.float64)
