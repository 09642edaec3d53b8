"""Controllers that know the goal and nothing else; they drive straight at it. Those of gcbfplus.

The integrators have the discrete-time LQR of their model (Q = 2 I and 5 I, R = I), with the error in the
whole state shortened to `ERROR_REACH`; the Dubins car has a proportional steering and speed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.dynamics import DoubleIntegrator, DubinsCar, Model, SingleIntegrator

Array = NDArray[np.float64]

ERROR_REACH = 0.5
"""Longest error that is acted on: beyond it the controllers ask for no more."""
_CAR = (2.3, 2.5)  # gains of a car's acceleration on distance and speed


def nominal(model: Model, state: Array, goal: Array, haste: Array | float = 1.0) -> Array:
    """Control `(..., inputs)` that drives to rest at the goal, within the limits.

    Args:
        model: how the robots move.
        state: `(..., size)`.
        goal: `(..., 2)` [m].
        haste: `(...,)` factor on the distance that is acted on, and so on the speed that is asked for; 1 in
            gcbfplus. (A double integrator runs at its limit anyway until it nears its goal; there it slows
            down later.)

    Raises:
        TypeError: there is no such controller for this model.
    """
    more = np.asarray(haste)[..., None]
    if isinstance(model, SingleIntegrator):
        return model.clip(more * _shorten(goal - state) @ _single_gain(model).T)
    if isinstance(model, DoubleIntegrator):
        error = _shorten(np.concatenate([goal - state[..., :2], -state[..., 2:]], axis=-1))
        error = np.concatenate([more * error[..., :2], error[..., 2:]], axis=-1)
        return model.clip(error @ _double_gain(model).T)
    if isinstance(model, DubinsCar):
        return _steer(model, state, goal, haste)
    raise TypeError(f"there is no nominal controller for {type(model).__name__}; give desired controls")


def cruise(model: Model, distance: Array) -> Array:
    """Speed [m/s] to go straight at a goal with that is `distance` [m] away, for what takes velocities."""
    near = np.minimum(distance, ERROR_REACH)
    if isinstance(model, SingleIntegrator):
        return np.asarray(float(_single_gain(model)[0, 0]) * near)
    if isinstance(model, DoubleIntegrator):
        return np.minimum(model.speed, 2.0 * near)
    if isinstance(model, DubinsCar):
        return _CAR[0] / _CAR[1] * near
    raise TypeError(f"there is no nominal controller for {type(model).__name__}; give desired controls")


def _shorten(error: Array) -> Array:
    length = np.linalg.norm(error, axis=-1, keepdims=True)
    return error * np.minimum(1.0, ERROR_REACH / np.maximum(length, 1e-12))


def _steer(model: DubinsCar, state: Array, goal: Array, haste: Array | float) -> Array:
    """Turn by the bearing; speed up in proportion to the distance."""
    dx, dy = np.moveaxis(goal - state[..., :2], -1, 0)
    bearing = (np.arctan2(dy, dx) - state[..., 2] + np.pi) % (2.0 * np.pi) - np.pi
    away = np.minimum(np.hypot(dx, dy), ERROR_REACH)
    return model.clip(np.stack([bearing, _CAR[0] * haste * away - _CAR[1] * state[..., 3]], axis=-1))


@lru_cache
def _single_gain(model: SingleIntegrator) -> Array:
    return lqr_gain(np.eye(2), model.dt * np.eye(2), 2.0 * np.eye(2), np.eye(2))


@lru_cache
def _double_gain(model: DoubleIntegrator) -> Array:
    a, b = np.eye(4), np.zeros((4, 2))
    a[0, 2] = a[1, 3] = model.dt
    b[2, 0] = b[3, 1] = model.dt / model.mass
    return lqr_gain(a, b, 5.0 * np.eye(4), np.eye(2))


def lqr_gain(a: Array, b: Array, q: Array, r: Array) -> Array:
    """Gain K of u = -K x that minimises the sum of x'Qx + u'Ru with x+ = Ax + Bu (Riccati iteration)."""
    cost = q
    while True:
        gain = np.linalg.solve(r + b.T @ cost @ b, b.T @ cost @ a)
        after = q + a.T @ cost @ (a - b @ gain)
        if np.abs(after - cost).max() < 1e-12 * np.abs(after).max():
            return np.asarray(gain, np.float64)
        cost = after
