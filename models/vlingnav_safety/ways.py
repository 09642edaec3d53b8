"""The way that a driver means to go, and whether the hull itself would pass on it.

Barrier rows know distances and no intentions. In a gap little wider than the robot they hold it back on both
sides, and the nearest command that keeps them is to stand, however well the driver aims. So where the rows
leave nothing but standing, the desired command is followed ahead: if the hull passes on that way, rows no
stricter than the certificate lead it past; if it would pass after a turn on the spot toward where the command
leads, the robot turns first. In every other case it stands, as it should before a wall.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_safety.braking import first_breach

Array = NDArray[np.float64]

_AHEAD = 0.5  # [m] of the way: past the jambs of a door from where the rows would hold the robot back
_TURN = 0.5 * np.pi  # [rad] on that way beyond which a driver is turning round and aims at nothing
_POSES = 26  # one every 2 cm, between which the corner of a jamb comes 0.3 mm nearer at most


@njit(cache=True)
def _arc(velocity: Array, duration: float) -> Array:
    """Poses `(N, 3)` of a base that moves at the body velocity `(3,)` from the origin."""
    poses, dt = np.zeros((_POSES, 3)), duration / (_POSES - 1)
    for k in range(1, _POSES):
        yaw = poses[k - 1, 2] + 0.5 * dt * velocity[2]
        c, s = np.cos(yaw), np.sin(yaw)
        poses[k, 0] = poses[k - 1, 0] + dt * (c * velocity[0] - s * velocity[1])
        poses[k, 1] = poses[k - 1, 1] + dt * (s * velocity[0] + c * velocity[1])
        poses[k, 2] = poses[k - 1, 2] + dt * velocity[2]
    return poses


@njit(cache=True)
def _chord(arc: Array, backward: bool) -> Array:
    """The straight way to where `arc` ends, once the base has turned there."""
    x, y = arc[-1, 0], arc[-1, 1]
    yaw = np.arctan2(-y, -x) if backward else np.arctan2(y, x)
    poses = np.empty_like(arc)
    for k in range(len(arc)):
        share = k / (len(arc) - 1)
        poses[k, 0], poses[k, 1], poses[k, 2] = share * x, share * y, yaw
    return poses


@njit(cache=True)
def _passes(poses: Array, hull: Array, points: Array, radius: Array, margin: float) -> bool:
    """Whether nothing comes within `margin` of the hull on `poses`, or nearer if it is within already."""
    still, beyond = np.zeros(len(points)), np.full(len(points), np.inf)
    return first_breach(poses, np.zeros(len(poses)), hull, points, radius, still, still, beyond, margin) < 0


@njit(cache=True)
def passes(velocity: Array, hull: Array, points: Array, radius: Array, margin: float) -> tuple[bool, bool]:
    """Whether the hull passes on the way of a command, and after turning to where the command leads.

    Args:
        velocity: `(3,)` the desired body velocity, kept for half a metre.
        hull: `(D, 3)` x, y, radius [m].
        points: `(M, 2)` hits [m] in the body frame.
        radius: `(M,)` of each hit [m].
        margin: clearance to keep [m].
    """
    speed = np.hypot(velocity[0], velocity[1])
    if speed * _TURN < abs(velocity[2]) * _AHEAD or speed == 0.0:
        return False, False
    arc = _arc(velocity, _AHEAD / speed)
    if _passes(arc, hull, points, radius, margin):
        return True, True
    return False, _passes(_chord(arc, velocity[0] < 0.0), hull, points, radius, margin)
