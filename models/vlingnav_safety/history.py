"""What the robot did and was told lately: where it was at a scan, how it will move when a command arrives.

Odometry tells where the robot was; between two stamps its pose is interpolated. The commands that are still
on their way to the base (its delay) tell what it will do before anything new can be obeyed.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.braking import coast, slew
from vlingnav_safety.types import State

Array = NDArray[np.float64]

_FORGET = 1.0  # [s] after which an old state says nothing about the velocity any more


def compose(frame: Array, pose: Array) -> Array:
    """Express `pose (3,)`, given in `frame (3,)`, in the frame that `frame` itself is given in."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    x, y = frame[0] + c * pose[0] - s * pose[1], frame[1] + s * pose[0] + c * pose[1]
    return np.array([x, y, frame[2] + pose[2]])


def relative(frame: Array, pose: Array) -> Array:
    """Express `pose (3,)` in the body frame of `frame (3,)`; yaw in [-pi, pi)."""
    x, y = into(frame, np.asarray(pose, np.float64)[None, :2])[0]
    return np.array([x, y, (pose[2] - frame[2] + np.pi) % (2.0 * np.pi) - np.pi])


def into(frame: Array, points: Array) -> Array:
    """Express `points (M, 2)` in the body frame of `frame (3,)`."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    return (points - frame[:2]) @ np.array([[c, -s], [s, c]])


class History:
    """The last three seconds (at 20 Hz) of odometry and commands."""

    def __init__(self, velocity_limit: Array, acceleration: Array, delay: float) -> None:
        """Begin with nothing; limits `(3,)` as in `Limits`, `delay` [s] until a command is obeyed."""
        self._velocity_limit, self._acceleration, self._delay = velocity_limit, acceleration, delay
        self._poses: deque[tuple[float, Array]] = deque(maxlen=64)
        self._commands: deque[tuple[float, Array]] = deque(maxlen=64)
        self._state: State | None = None
        self._jumped = ""

    @property
    def last_time(self) -> float:
        """When the last command was given [s]; -inf before the first."""
        return self._commands[-1][0] if self._commands else -np.inf

    @property
    def last_command(self) -> Array:
        """`(3,)`, zero before the first."""
        return self._commands[-1][1] if self._commands else np.zeros(3)

    def add_command(self, now: float, command: Array) -> None:
        """Remember what was given at `now`, if that is a time at all."""
        if np.isfinite(now):
            self._commands.append((now, command))

    def add_state(self, state: State) -> str:
        """Remember odometry, or say how far it jumped: the base must be able to have got there.

        That goes for a stamp that comes again, or is older than the newest, as well: what is said of it now
        must agree with what was said then. A jump counts until the robot has braked to a stand and newer
        odometry agrees with it.
        """
        jump = self._jump(state)
        if jump:
            self._poses.clear()
            self._jumped = jump
        else:
            self._state = state
        if not self._poses or state.stamp > self._poses[-1][0]:
            self._poses.append((state.stamp, np.array(state.pose, np.float64)))
            if not jump and not np.any(self.last_command):
                self._jumped = ""
        return self._jumped

    def _jump(self, state: State) -> str:
        if not self._poses:
            return ""
        before, pose = self._poses[-1]
        moved = np.abs(relative(pose, state.pose))
        # Twice the limits and a little: odometry has noise, and its stamps jitter.
        possible = 2.0 * self._velocity_limit * abs(state.stamp - before)
        distance = float(np.hypot(moved[0], moved[1]))
        if distance > np.hypot(possible[0], possible[1]) + 0.05 or moved[2] > possible[2] + 0.1:
            return f"odometry jumped by {distance:.2f} m and {moved[2]:.2f} rad"
        return ""

    def pose_at(self, stamp: float) -> Array:
        """Pose `(3,)` at `stamp`, in the frame of odometry.

        Interpolated in what was seen, extrapolated at the present velocity beyond it. Needs one `add_state`
        before.
        """
        assert self._state is not None
        first, oldest = self._poses[0]
        newest = self._poses[-1][0]
        if stamp >= newest or stamp <= first:
            at, pose = self._poses[-1] if stamp >= newest else (first, oldest)
            return compose(pose, np.asarray(self._state.velocity) * (stamp - at))
        seen = list(self._poses)
        k = next(i for i in range(len(seen) - 2, -1, -1) if seen[i][0] <= stamp)
        (before, early), (after, late) = seen[k], seen[k + 1]
        return compose(early, relative(early, late) * ((stamp - before) / (after - before)))

    def predict(self, now: float) -> tuple[Array, Array]:
        """Predict motion `(3,)` since the last odometry, and velocity, when a command of now is obeyed."""
        if self._state is None or now - self._state.stamp > _FORGET:
            return np.zeros(3), np.zeros(3)
        begin, end = self._state.stamp, now + self._delay
        velocity = np.array(self._state.velocity, np.float64)
        commands, durations = [], []
        for given, command in reversed(self._commands):
            start = max(begin, given + self._delay)
            if start < end:
                commands.append(command)
                durations.append(end - start)
                end = start
            if end <= begin:
                break
        if end > begin or not commands:
            commands.append(velocity)
            durations.append(max(0.0, end - begin))
        return coast(velocity, np.array(commands[::-1]), np.array(durations[::-1]), self._acceleration)

    def braked(self, now: float, period: float) -> Array:
        """Next command `(3,)` of a braking ramp, from the lesser of predicted velocity and last command.

        Taking the lesser keeps the ramp going down when the base answers later than `delay` says. After calls
        that were missed it goes down by what they would have taken: who is called late must not stop late.
        """
        _, velocity = self.predict(now)
        last = self.last_command
        start = np.where(
            velocity * last > 0.0, np.sign(last) * np.minimum(np.abs(velocity), np.abs(last)), 0.0
        )
        missed = (now - self.last_time) / period
        periods = max(1.0, np.rint(missed)) if np.isfinite(missed) else 1.0
        return slew(start, np.zeros(3), self._acceleration * (period * periods))
