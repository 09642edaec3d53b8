"""What a safety filter sees and answers.

SI units, REP-103 frames. A command is `(3,)`: vx [m/s], vy [m/s], wz [rad/s] in the body frame; a
differential drive has vy = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What the base can do; the filter never commands more.

    Attributes:
        velocity: `(3,)` largest |vx| [m/s], |vy| [m/s], |wz| [rad/s]; 0 locks an axis.
        acceleration: `(3,)` largest change per second of each [m/s^2, m/s^2, rad/s^2].
    """

    velocity: tuple[float, float, float] = (0.6, 0.0, 1.5)
    acceleration: tuple[float, float, float] = (1.5, 0.0, 6.0)


@dataclass(frozen=True)
class State:
    """The robot now.

    Attributes:
        pose: `(3,)` x [m], y [m], yaw [rad].
        velocity: `(3,)` measured body velocity vx [m/s], vy [m/s], wz [rad/s].
        stamp: when it was measured [s].
    """

    pose: Array
    velocity: Array
    stamp: float


@dataclass(frozen=True)
class Neighbours:
    """Robots and people whose motion is known, in the frame of the odometry.

    What is given a default may be one number for all.

    Attributes:
        position: `(N, 2)` [m] where each was when it was last heard of.
        velocity: `(N, 2)` [m/s] then.
        radius: `(N,)` of its hull [m], with how far off `position` may be.
        age: `(N,)` time since then [s].
        acceleration: `(N,)` by how much its speed can change per second [m/s^2].
        top: `(N,)` the most that its speed can become by that [m/s].
        brakes: `(N,)` whether it runs this filter too: then it is where it is, or on its way to a stand.
        person: `(N,)` whether it is a person, beside whom the robot goes slowly.
        name: what to call each in a report, e.g. "robot2"; its number where there are no names.
    """

    position: Array = field(default_factory=lambda: np.zeros((0, 2)))
    velocity: Array = field(default_factory=lambda: np.zeros((0, 2)))
    radius: Array = field(default_factory=lambda: np.zeros(0))
    age: Array | float = 0.0
    acceleration: Array | float = 0.0
    top: Array | float = 0.0
    brakes: NDArray[np.bool_] | bool = False
    person: NDArray[np.bool_] | bool = False
    name: tuple[str, ...] = ()


@dataclass(frozen=True)
class Obstacles:
    """Range-sensor hits.

    Attributes:
        points: `(M, 2)` x, y [m] in the body frame of the robot at `stamp`.
        stamp: when they were measured [s].
    """

    points: Array
    stamp: float


@dataclass(frozen=True)
class Report:
    """Why the command is what it is.

    Attributes:
        status: "pass" (command unchanged), "filtered" (changed by a constraint) or "brake".
        reason: one sentence naming the constraint or the fault that acted; empty for "pass".
        clearance: distance from hull to nearest hit [m]; inf when nothing is seen.
        barrier: the smallest h = d^2 - r^2 [m^2] of the hull's discs; negative means in contact.
        slack: how far the least-violating solution misses a constraint [m/s]; 0 when all hold.
        constraint: what acted: "hit", "robot2", "person 0", "keep-out 1", "people", "limits", "input", or "".
        gain: class-K gain at the constraint nearest to binding [1/s]: how fast its room may be used up.
    """

    status: str
    reason: str = ""
    clearance: float = float("inf")
    barrier: float = float("inf")
    slack: float = 0.0
    constraint: str = ""
    gain: float = 0.0


class SafetyFilter(Protocol):
    """Between every policy and the motors.

    Infeasible, NaN, stale or late means brake, never the desired command.
    """

    def filter(
        self, state: State, desired: Array, neighbours: Neighbours, obstacles: Obstacles | None, now: float
    ) -> tuple[Array, Report]:
        """Return the safe body-frame command `(3,)` nearest to `desired`, and why."""
