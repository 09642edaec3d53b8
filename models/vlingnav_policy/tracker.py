"""Steer for where a trajectory says to be: the command that makes up for all errors in the look-ahead time.

A trajectory is followed by asking it, through `ChunkExecutor`, for the pose a little ahead of now, and
commanding the constant body velocity that reaches that pose in just that time: the logarithm of the pose in
SE(2) over the look-ahead time. On a straight line, an arc or a turn in place that is the reference's own
velocity, so there is no steady error to trade against gain, and late commands only delay it.

A differential drive cannot move sideways: what the logarithm asks of vy is turned into a turn toward the
path, as pure pursuit does (Coulter 1992), fading out with speed because a standing robot cannot correct it by
turning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import logarithm

LOOKAHEAD_S = 0.35
"""Three times the latency of the loop from image to motors, or more."""
_SLOW = 0.15  # [m/s]; below, a differential drive turns less and less toward a path beside it


class TrajectoryTracker:
    """Body velocities toward poses ahead; stateless, so that a new trajectory needs no handover here.

    Args:
        max_velocity: largest |vx| [m/s], |vy| [m/s], |wz| [rad/s]; vy = 0 is a differential drive.
        lookahead_s: how far ahead of now the poses are [s].
    """

    def __init__(self, max_velocity: tuple[float, float, float], lookahead_s: float = LOOKAHEAD_S) -> None:
        self._limit = np.array(max_velocity, np.float64)
        self.lookahead_s = lookahead_s

    def command(self, ahead: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the body velocity vx [m/s], vy [m/s], wz [rad/s] to command now, `(3,)` within the limits.

        Args:
            ahead: `(3,)` where to be in `lookahead_s`, in the body frame of now.

        Raises:
            ValueError: `ahead` is not finite.
        """
        if not np.isfinite(ahead).all():
            raise ValueError("the pose ahead is not finite; stop and wait for sound odometry")
        vx, vy, wz = logarithm(ahead) / self.lookahead_s
        if self._limit[1] == 0.0:
            wz += 2.0 * vx * vy / ((vx * vx + _SLOW * _SLOW) * self.lookahead_s)
            vy = 0.0
        wanted = np.array([vx, vy, wz])
        # One factor for all axes keeps the shape of the path when the base is too slow for it.
        free = self._limit > 0.0
        return wanted / max(1.0, float(np.max(np.abs(wanted[free]) / self._limit[free])))
