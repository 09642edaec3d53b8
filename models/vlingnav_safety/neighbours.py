"""Other robots, by what each says of itself: where it is, how far off that may be, whether to believe it.

Every robot publishes its odometry and hears that of the others; there is no server, and nothing is agreed on.
What is heard becomes `Neighbours`, whose age and speed bound the filter turns into room (see `movers`):

- A robot that is heard in time runs the same filter and is trusted to stop for this one.
- One whose news is old is no longer trusted: from `timeout` on it may have gone anywhere at its top speed,
  and the room kept for it grows. After `memory` without any message it is forgotten, since a robot that was
  switched off must not close the house; then the lidar alone answers for it.
- One that says it is where it cannot have come to, or whose clock is ahead or goes back, is not believed. It
  is not silent either: it is kept away from until what it says makes sense.
- One that was told of beforehand and was never heard is `unheard`: nobody knows where it is, and the room
  that it needs cannot be kept. When the own clock goes back, or jumps ahead by more than `memory`, all are.
- One that moves faster than it says counts as fast as it moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.types import Neighbours

Array = NDArray[np.float64]

_ANY = 1e6  # [m/s^2] of one that may do what it likes: the top speed at once
_AHEAD = 0.1  # [s] that clocks may disagree, and messages overtake each other
_JITTER = 0.1  # [m] of a jump, and [m/s] of speed, that noise and stamps account for


@dataclass(frozen=True)
class NeighbourConfig:
    """What is known of the other robots beforehand.

    Attributes:
        radius: of their hulls [m].
        top: their largest speed [m/s].
        acceleration: by how much they change it per second, and brake [m/s^2].
        timeout: age of its news after which one is no longer trusted [s].
        memory: silence after which one is forgotten [s].
    """

    radius: float = 0.18
    top: float = 0.6
    acceleration: float = 1.5
    timeout: float = 0.3
    memory: float = 5.0


@dataclass(frozen=True)
class _Heard:
    position: Array
    velocity: Array
    uncertainty: float
    stamp: float


class NeighbourTracker:
    """The newest of each robot that can be believed. Every method is told the time, which may be set anew."""

    def __init__(self, config: NeighbourConfig, robots: tuple[str, ...] = ()) -> None:
        """Begin alone; `robots` are the names of those that there must be."""
        self.config, self._robots = config, robots
        self._now = np.nan
        self._forget()

    def hear(
        self, name: str, position: Array, velocity: Array, uncertainty: float, stamp: float, now: float
    ) -> str:
        """Take what robot `name` says of itself; why it is not believed, or "".

        Args:
            name: of the robot.
            position: `(2,)` [m] in the frame that all share.
            velocity: `(2,)` [m/s] in that frame.
            uncertainty: how far off `position` may be [m].
            stamp: when that was so [s].
            now: time [s].
        """
        self._watch_clock(now)
        self._spoke[name] = now
        doubt = self._doubt(name, position, velocity, uncertainty, stamp, now)
        if doubt:
            self._doubts[name] = doubt
            return doubt
        last = self._heard.get(name)
        if last is not None and stamp <= last.stamp:
            return ""  # older than what is known already
        velocity = np.asarray(velocity, np.float64)
        if last is not None and stamp - last.stamp <= self.config.timeout:
            apparent = (np.asarray(position) - last.position) / (stamp - last.stamp)
            if np.hypot(*apparent) > np.hypot(*velocity) + _JITTER:
                velocity = apparent
        self._doubts.pop(name, None)
        self._heard[name] = _Heard(np.array(position, np.float64), velocity, uncertainty, stamp)
        return ""

    def at(self, now: float) -> Neighbours:
        """All that are not forgotten, as the filter takes them."""
        self._watch_clock(now)
        silence = {name: now - self._spoke[name] for name in self._heard}
        known = {n: heard for n, heard in self._heard.items() if silence[n] <= self.config.memory}
        if not known:
            return Neighbours()
        age = np.array([max(0.0, now - heard.stamp) for heard in known.values()])
        trusted = age <= self.config.timeout

        def why(name: str, old: float) -> str:
            silent = silence[name] > self.config.timeout
            late = f"silent for {silence[name]:.1f} s" if silent else f"what it says is {old:.1f} s old"
            return f"{name} ({self._doubts.get(name, late)})"

        return Neighbours(
            position=np.array([heard.position for heard in known.values()]),
            velocity=np.array([heard.velocity for heard in known.values()]),
            radius=np.array([self.config.radius + heard.uncertainty for heard in known.values()]),
            age=age,
            acceleration=np.where(trusted, self.config.acceleration, _ANY),
            top=self.config.top,
            brakes=trusted,
            name=tuple(
                name if good else why(name, old) for name, good, old in zip(known, trusted, age, strict=True)
            ),
        )

    def unheard(self, now: float) -> dict[str, str]:
        """Those that there must be and of whom nothing could be believed yet, each with why."""
        self._watch_clock(now)
        missing = (name for name in self._robots if name not in self._heard)
        return {name: self._doubts.get(name, "not heard yet") for name in missing}

    def forgotten(self, now: float) -> tuple[str, ...]:
        """Those that were heard once, and of whom `at` says nothing any more."""
        return tuple(name for name in self._heard if now - self._spoke[name] > self.config.memory)

    def _watch_clock(self, now: float) -> None:
        """Stamps of before a clock was set tell nothing about what is now."""
        if not 0.0 <= now - self._now <= self.config.memory:
            self._forget()
        self._now = now

    def _forget(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self._doubts: dict[str, str] = {}
        self._spoke: dict[str, float] = {}  # when each last said anything, believed or not

    def _doubt(
        self, name: str, position: Array, velocity: Array, uncertainty: float, stamp: float, now: float
    ) -> str:
        if not np.all(np.isfinite([*position, *velocity, uncertainty, stamp])):
            return "says numbers that are not finite"
        if stamp - now > _AHEAD:
            return f"its clock is {stamp - now:.1f} s ahead"
        last = self._heard.get(name)
        if last is None:
            return ""
        if last.stamp - stamp > max(_AHEAD, self.config.timeout):
            return f"its clock went back by {last.stamp - stamp:.1f} s"
        if stamp <= last.stamp:
            return ""
        jump = float(np.hypot(*(np.asarray(position) - last.position)))
        possible = 1.5 * self.config.top * (stamp - last.stamp) + uncertainty + last.uncertainty + _JITTER
        return f"jumped by {jump:.1f} m" if jump > possible else ""
