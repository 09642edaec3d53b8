"""Follow a trajectory that was decided on an older image: re-anchor it to now, then steer for it.

A decision arrives late and in the body frame the robot had when the image was taken. The tracker moves it
into the body frame of now, takes the pose it asks for a little ahead of now, and commands the constant body
velocity that reaches that pose in just that time: the logarithm of the pose in SE(2) over the look-ahead
time. On a straight line, an arc or a turn in place that is the reference's own velocity, so there is no
steady error to trade against gain, and late commands only delay it.

A differential drive cannot move sideways: what the logarithm asks of vy is turned into a turn toward the
path, as pure pursuit does (Coulter 1992), fading out with speed because a standing robot cannot correct it by
turning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import compose, exponential, logarithm, relative

Array = NDArray[np.floating[Any]]

_SLOW = 0.15  # [m/s]; below, a differential drive turns less and less toward a path beside it


class TrajectoryTracker:
    """Body velocities along one trajectory; stateless, so that a replaced trajectory needs no handover."""

    def __init__(self, max_velocity: tuple[float, float, float], lookahead_s: float = 0.35) -> None:
        """Configure for one base.

        Args:
            max_velocity: largest |vx| [m/s], |vy| [m/s], |wz| [rad/s]; vy = 0 is a differential drive.
            lookahead_s: time in which errors are to be made up for [s]: three times the latency of the loop,
                or more.
        """
        self._limit = np.array(max_velocity, np.float64)
        self._lookahead = lookahead_s

    def command(self, trajectory: Array, dt: float, age_s: float, motion: Array) -> NDArray[np.float64]:
        """Return the body velocity vx [m/s], vy [m/s], wz [rad/s] to command now.

        Args:
            trajectory: `(T, 3)` x, y, yaw in the body frame at capture; row k is due at `(k + 1) * dt`.
            dt: time between waypoints [s].
            age_s: time since capture [s].
            motion: `(3,)` the robot's pose now in the body frame at capture, from odometry.

        Returns:
            `(3,)` within the limits; zero when the trajectory ended more than its own length ago.

        Raises:
            ValueError: an input is not finite or has another shape.
        """
        waypoints, moved = np.asarray(trajectory, np.float64), np.asarray(motion, np.float64)
        if waypoints.shape[1:] != (3,) or not len(waypoints) or moved.shape != (3,) or not dt > 0.0:
            raise ValueError(
                f"cannot track a trajectory of shape {waypoints.shape} from a motion of shape {moved.shape} "
                f"at dt = {dt}; give (T, 3), (3,) and a positive time"
            )
        if not (np.isfinite(waypoints).all() and np.isfinite(moved).all() and np.isfinite(age_s)):
            raise ValueError(
                "the trajectory, the motion or its age is not finite; stop and wait for a new decision"
            )
        end = len(waypoints) * dt
        if age_s > 2.0 * end:
            return np.zeros(3)

        due = (age_s + self._lookahead) / dt
        leg = min(int(max(due, 0.0)), len(waypoints) - 1)
        begin = waypoints[leg - 1] if leg else np.zeros(3)
        share = min(max(due - leg, 0.0), 1.0)
        # Between waypoints the reference is an arc: a chord would make the turn rate ripple at every
        # waypoint.
        ahead = compose(begin, exponential(share * logarithm(relative(begin, waypoints[leg]))))
        vx, vy, wz = logarithm(relative(moved, ahead)) / self._lookahead
        if self._limit[1] == 0.0:
            wz += 2.0 * vx * vy / ((vx * vx + _SLOW * _SLOW) * self._lookahead)
            vy = 0.0
        wanted = np.array([vx, vy, wz])
        # One factor for all axes keeps the shape of the path when the base is too slow for it.
        free = self._limit > 0.0
        return wanted / max(1.0, float(np.max(np.abs(wanted[free]) / self._limit[free])))
