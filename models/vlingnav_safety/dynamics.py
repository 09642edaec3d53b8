"""How robots move: five models, one period at a time, thousands of robots in a call.

A model is a frozen dataclass with a period `dt` and limits; `step` takes states and controls of any leading
shape and clips both to the limits. All angles are in the world frame; SI units.

The first two and the Dubins car are those of gcbfplus (MIT-REALM, T-RO 2025), Euler steps included: a
position moves by the velocity that was there *before* the control. A filter must know that, since it delays
every control by a period; `lag` says so. The other two are bases as their drivers expose them: a velocity
command that the base follows within its acceleration limits, integrated at the midpoint.

| model | state | control |
| --- | --- | --- |
| `SingleIntegrator` | x, y | vx, vy [m/s] |
| `DoubleIntegrator` | x, y, vx, vy | fx, fy [N] |
| `DubinsCar` | x, y, yaw, v | turn (1 is `turn_gain` rad/s), acceleration [m/s^2] |
| `Unicycle` | x, y, yaw, v, w | v [m/s], w [rad/s]: a differential drive |
| `Omnidirectional` | x, y, yaw, vx, vy, w (body) | vx, vy [m/s], w [rad/s] in the body frame |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Model(Protocol):
    """What is asked of every model.

    Attributes:
        size: numbers in a state.
        inputs: numbers in a control.
        lag: whether the displacement within a period is settled before its control is.
    """

    size: ClassVar[int]
    inputs: ClassVar[int]
    lag: ClassVar[bool]

    @property
    def dt(self) -> float:
        """Period [s]."""

    def start(self, position: Array, yaw: Array) -> Array:
        """States `(..., size)` at rest at `position (..., 2)`, facing `yaw (...,)`."""

    def velocity(self, state: Array) -> Array:
        """Velocity `(..., 2)` [m/s] in the world frame; zero where the state holds none."""

    def clip(self, control: Array) -> Array:
        """The nearest control within the limits of the actuators."""

    def step(self, state: Array, control: Array) -> Array:
        """States one period later."""


def _at(position: Array, size: int) -> Array:
    state = np.zeros((*position.shape[:-1], size))
    state[..., :2] = position
    return state


def _rotate(yaw: Array, vector: Array) -> Array:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([c * vector[..., 0] - s * vector[..., 1], s * vector[..., 0] + c * vector[..., 1]], -1)


@dataclass(frozen=True)
class SingleIntegrator:
    """A point that goes as it is told, at most `speed` [m/s] along each axis."""

    dt: float = 0.03
    speed: float = 1.0

    size: ClassVar[int] = 2
    inputs: ClassVar[int] = 2
    lag: ClassVar[bool] = False

    def start(self, position: Array, yaw: Array) -> Array:
        return _at(position, self.size)

    def velocity(self, state: Array) -> Array:
        return np.zeros_like(state)

    def clip(self, control: Array) -> Array:
        return np.clip(control, -self.speed, self.speed)

    def step(self, state: Array, control: Array) -> Array:
        return state + self.dt * self.clip(control)


@dataclass(frozen=True)
class DoubleIntegrator:
    """A mass [kg] that is pushed, at most `force` [N] along each axis, up to `speed` [m/s] along each."""

    dt: float = 0.03
    speed: float = 0.5
    force: float = 1.0
    mass: float = 0.1

    size: ClassVar[int] = 4
    inputs: ClassVar[int] = 2
    lag: ClassVar[bool] = True

    def start(self, position: Array, yaw: Array) -> Array:
        return _at(position, self.size)

    def velocity(self, state: Array) -> Array:
        return state[..., 2:4]

    def clip(self, control: Array) -> Array:
        return np.clip(control, -self.force, self.force)

    def step(self, state: Array, control: Array) -> Array:
        after = state[..., 2:] + self.dt / self.mass * self.clip(control)
        position = state[..., :2] + self.dt * state[..., 2:]
        return np.concatenate([position, np.clip(after, -self.speed, self.speed)], axis=-1)


@dataclass(frozen=True)
class DubinsCar:
    """A car that turns `turn_gain * turn` [rad/s] and accelerates, up to `speed` [m/s] either way."""

    dt: float = 0.03
    speed: float = 0.8
    turn: float = 3.0
    turn_gain: float = 20.0
    acceleration: float = 3.0

    size: ClassVar[int] = 4
    inputs: ClassVar[int] = 2
    lag: ClassVar[bool] = True

    def start(self, position: Array, yaw: Array) -> Array:
        state = _at(position, self.size)
        state[..., 2] = yaw
        return state

    def velocity(self, state: Array) -> Array:
        return state[..., 3:] * np.stack([np.cos(state[..., 2]), np.sin(state[..., 2])], axis=-1)

    def clip(self, control: Array) -> Array:
        most = np.array([self.turn, self.acceleration])
        return np.clip(control, -most, most)

    def step(self, state: Array, control: Array) -> Array:
        control = self.clip(control)
        yaw = state[..., 2] + self.dt * self.turn_gain * control[..., 0]
        speed = np.clip(state[..., 3] + self.dt * control[..., 1], -self.speed, self.speed)
        position = state[..., :2] + self.dt * self.velocity(state)
        return np.concatenate([position, yaw[..., None], speed[..., None]], axis=-1)


@dataclass(frozen=True)
class Unicycle:
    """A differential drive: limits of `(v, w)` and of their change per second."""

    dt: float = 0.05
    speed: tuple[float, float] = (0.6, 1.5)
    acceleration: tuple[float, float] = (1.5, 6.0)

    size: ClassVar[int] = 5
    inputs: ClassVar[int] = 2
    lag: ClassVar[bool] = False

    def start(self, position: Array, yaw: Array) -> Array:
        state = _at(position, self.size)
        state[..., 2] = yaw
        return state

    def velocity(self, state: Array) -> Array:
        return state[..., 3:4] * np.stack([np.cos(state[..., 2]), np.sin(state[..., 2])], axis=-1)

    def clip(self, control: Array) -> Array:
        return np.clip(control, np.negative(self.speed), self.speed)

    def step(self, state: Array, control: Array) -> Array:
        change = self.dt * np.array(self.acceleration)
        after = state[..., 3:] + np.clip(self.clip(control) - state[..., 3:], -change, change)
        mean = 0.5 * (state[..., 3:] + after)
        middle = state[..., 2] + 0.5 * self.dt * mean[..., 1]
        moved = self.dt * mean[..., :1] * np.stack([np.cos(middle), np.sin(middle)], axis=-1)
        yaw = state[..., 2] + self.dt * mean[..., 1]
        return np.concatenate([state[..., :2] + moved, yaw[..., None], after], axis=-1)


@dataclass(frozen=True)
class Omnidirectional:
    """A base that drives any way: limits of `(vx, vy, w)` in its frame and of their change per second."""

    dt: float = 0.05
    speed: tuple[float, float, float] = (1.0, 0.6, 1.5)
    acceleration: tuple[float, float, float] = (2.0, 2.0, 6.0)

    size: ClassVar[int] = 6
    inputs: ClassVar[int] = 3
    lag: ClassVar[bool] = False

    def start(self, position: Array, yaw: Array) -> Array:
        state = _at(position, self.size)
        state[..., 2] = yaw
        return state

    def velocity(self, state: Array) -> Array:
        return _rotate(state[..., 2], state[..., 3:5])

    def clip(self, control: Array) -> Array:
        return np.clip(control, np.negative(self.speed), self.speed)

    def step(self, state: Array, control: Array) -> Array:
        change = self.dt * np.array(self.acceleration)
        after = state[..., 3:] + np.clip(self.clip(control) - state[..., 3:], -change, change)
        mean = 0.5 * (state[..., 3:] + after)
        middle = state[..., 2] + 0.5 * self.dt * mean[..., 2]
        moved = self.dt * _rotate(middle, mean[..., :2])
        yaw = state[..., 2] + self.dt * mean[..., 2]
        return np.concatenate([state[..., :2] + moved, yaw[..., None], after], axis=-1)
