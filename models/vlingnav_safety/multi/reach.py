"""What a model lets a robot do within a period, in the terms of the filter: its next velocity.

The filter chooses the velocity u of the next displacement. For each model this file says where that
displacement begins, which u can be had, how fast u can be braked away, and which control gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.dynamics import DoubleIntegrator, DubinsCar, Model, SingleIntegrator

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reach:
    """What can become of robots within a period, in the world frame.

    Attributes:
        ahead: `(..., 2)` where the displacement that can still be chosen begins [m].
        velocity: `(..., 2)` now [m/s].
        lower: `(..., 2)` least next velocity along x and y [m/s].
        upper: `(..., 2)` largest [m/s].
        speed: `(..., 2)` least and largest next speed [m/s]; along the heading for `steered`.
        heading: `(...,)` now [rad]; only for `steered`.
        brake: by how much a period can lessen a speed [m/s].
        top: largest speed, measured as the brakes do [m/s].
        turn: by how much a period can change the heading [rad].
        square: whether each axis brakes by itself.
        steered: whether the next velocity must lie along the next heading.
    """

    ahead: Array
    velocity: Array
    lower: Array
    upper: Array
    speed: Array
    heading: Array
    brake: float
    top: float
    turn: float
    square: bool
    steered: bool


def reach(model: Model, state: Array) -> Reach:
    """Say what `model` can make of `state (..., size)`.

    Raises:
        TypeError: the filter does not know this model.
    """
    position, velocity = state[..., :2], model.velocity(state)
    ahead = position + model.dt * velocity if model.lag else np.array(position)
    still = np.zeros(ahead.shape[:-1])
    if isinstance(model, SingleIntegrator):
        top = np.full_like(ahead, model.speed)
        return Reach(
            ahead, velocity, -top, top, _speeds(-top, top), still, np.inf, model.speed, 0.0, True, False
        )
    if isinstance(model, DoubleIntegrator):
        change = model.dt * model.force / model.mass
        lower, upper = (np.clip(velocity + sign * change, -model.speed, model.speed) for sign in (-1, 1))
        return Reach(
            ahead, velocity, lower, upper, _speeds(lower, upper), still, change, model.speed, 0.0, True, False
        )
    if isinstance(model, DubinsCar):
        change = model.dt * model.acceleration
        speed = np.clip(state[..., 3:] + np.array([-change, change]), -model.speed, model.speed)
        top = np.abs(speed).max(axis=-1, keepdims=True) + np.zeros(2)
        turn = model.dt * model.turn_gain * model.turn
        heading = np.array(state[..., 2])
        return Reach(ahead, velocity, -top, top, speed, heading, change, model.speed, turn, False, True)
    raise TypeError(f"the filter does not know {type(model).__name__}; it knows those of dynamics.py")


def _speeds(lower: Array, upper: Array) -> Array:
    most = np.linalg.norm(np.maximum(np.abs(lower), np.abs(upper)), axis=-1)
    return np.stack([np.zeros_like(most), most], axis=-1)


def next_velocity(model: Model, state: Array, control: Array) -> Array:
    """Velocity `(..., 2)` of the next displacement that `control` leads to [m/s]."""
    if isinstance(model, SingleIntegrator):
        return model.clip(control)
    return model.velocity(model.step(state, control))


def control_for(model: Model, state: Array, velocity: Array, heading: Array, speed: Array) -> Array:
    """Control that leads to a next velocity within the `Reach` of the state.

    Args:
        model: how the robots move.
        state: `(..., size)`.
        velocity: `(..., 2)` [m/s]; for integrators.
        heading: `(...,)` [rad]; for cars.
        speed: `(...,)` along the heading [m/s]; for cars.
    """
    if isinstance(model, SingleIntegrator):
        return model.clip(velocity)
    if isinstance(model, DoubleIntegrator):
        return model.clip((velocity - state[..., 2:]) * (model.mass / model.dt))
    if isinstance(model, DubinsCar):
        turned = (heading - state[..., 2] + np.pi) % (2.0 * np.pi) - np.pi
        control = np.stack([turned / (model.dt * model.turn_gain), (speed - state[..., 3]) / model.dt], -1)
        return model.clip(control)
    raise TypeError(f"the filter does not know {type(model).__name__}; it knows those of dynamics.py")
