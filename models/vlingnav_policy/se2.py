"""Rigid motions of the plane: poses are `(..., 3)` arrays of x [m], y [m], yaw [rad] (REP-103)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def wrap(angle: Any) -> Any:
    """Wrap angles [rad] into [-pi, pi)."""
    return (np.asarray(angle) + np.pi) % (2.0 * np.pi) - np.pi


def compose(frame: Array, pose: Array) -> Array:
    """Express `pose`, given in `frame`, in the frame that `frame` itself is given in."""
    c, s = np.cos(frame[..., 2]), np.sin(frame[..., 2])
    x = frame[..., 0] + c * pose[..., 0] - s * pose[..., 1]
    y = frame[..., 1] + s * pose[..., 0] + c * pose[..., 1]
    return np.stack([x, y, wrap(frame[..., 2] + pose[..., 2])], axis=-1)


def relative(frame: Array, pose: Array) -> Array:
    """Express `pose` in the body frame of `frame`; the inverse of `compose`."""
    c, s = np.cos(frame[..., 2]), np.sin(frame[..., 2])
    dx, dy = pose[..., 0] - frame[..., 0], pose[..., 1] - frame[..., 1]
    return np.stack([c * dx + s * dy, c * dy - s * dx, wrap(pose[..., 2] - frame[..., 2])], axis=-1)


def logarithm(pose: Array) -> NDArray[np.float64]:
    """Return the constant body velocity that reaches `pose (3,)` in one second."""
    x, y, yaw = pose
    half = 0.5 * yaw
    cot = 1.0 if abs(half) < 1e-6 else half / np.tan(half)
    return np.array([cot * x + half * y, cot * y - half * x, yaw])


def exponential(twist: Array) -> NDArray[np.float64]:
    """Return the pose `(3,)` reached after one second at body velocity `twist (3,)`; undoes `logarithm`."""
    vx, vy, yaw = twist
    sine, versine = (1.0, 0.5 * yaw) if abs(yaw) < 1e-6 else (np.sin(yaw) / yaw, (1.0 - np.cos(yaw)) / yaw)
    return np.array([sine * vx - versine * vy, versine * vx + sine * vy, yaw])


def arc(begin: Array, end: Array, share: float) -> NDArray[np.float64]:
    """Return the pose at a share of the way from `begin (3,)` to `end (3,)` at constant body velocity."""
    return np.asarray(compose(begin, exponential(share * logarithm(relative(begin, end)))), np.float64)
