"""What a policy sees, is asked, and answers: the contract every room shares.

Frames follow REP-103 (x forward, y left, z up; yaw counter-clockwise) and all quantities are SI.
Images and depth are those of a pinhole camera looking along the robot's x axis.
Everything that decides is a `Policy`; no consumer may know which one it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.memory import Memory

Task = Literal["object", "image", "follow", "route"]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Odometry:
    """Where the robot believes it is.

    Attributes:
        pose: `(3,)` float64, x [m], y [m], yaw [rad] in the odometry frame (may drift).
        velocity: `(3,)` float64, vx [m/s], vy [m/s], wz [rad/s] in the body frame.
    """

    pose: NDArray[np.float64]
    velocity: NDArray[np.float64]


@dataclass(frozen=True)
class Underway:
    """What the robot goes on with while a policy decides: the rest of the policy's last trajectory.

    A policy may make its next one continue it (`chunks.flow`), so that the two need no joining.

    Attributes:
        rows: `(R, 3)` float32, R at least 1; as `Decision.trajectory`, in the body frame of the observation:
            row k is due `(k + 1) * dt` after its stamp.
        dt: time between rows [s].
        delay: of these rows, so many will have been driven when the decision is there.
    """

    rows: NDArray[np.float32]
    dt: float
    delay: int


@dataclass(frozen=True)
class Observation:
    """One look at the world.

    Attributes:
        rgb: `(H, W, 3)` uint8, egocentric colour image.
        stamp: time of capture [s], on the clock of the sensor.
        depth: optional `(H, W)` float32, distance along the optical axis [m]; 0 where unknown.
        odometry: optional, taken at `stamp`.
        proprioception: optional `(P,)` float32, robot-specific (an arm's joints, say).
        underway: what the robot does meanwhile; None when it stands, or when no time passes meanwhile.
    """

    rgb: NDArray[np.uint8]
    stamp: float
    depth: NDArray[np.float32] | None = None
    odometry: Odometry | None = None
    proprioception: NDArray[np.float32] | None = None
    underway: Underway | None = None


@dataclass(frozen=True)
class Goal:
    """What a person asked for.

    Attributes:
        instruction: plain language, e.g. "find the red chair"; never blank.
        task: which family of tasks the instruction belongs to.
        image: optional `(H, W, 3)` uint8 goal image (task "image").

    Raises:
        ValueError: the instruction is blank or the task is unknown.
    """

    instruction: str
    task: Task = "object"
    image: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if not self.instruction.strip():
            raise ValueError('the instruction is empty; say what to find, e.g. "find the red chair"')
        if self.task not in TASKS:
            raise ValueError(f"unknown task {self.task!r}; choose one of {', '.join(TASKS)}")


@dataclass(frozen=True)
class Decision:
    """What the policy wants the robot to do next.

    Attributes:
        trajectory: `(T, 3)` float32, x [m], y [m], yaw [rad] in the body frame the robot had at
            `stamp`; row k is to be reached `(k + 1) * dt` after `stamp`.
        dt: time between waypoints [s].
        stamp: capture time [s] of the observation this answers.
        stop: the policy believes the task is done; the trajectory is then to be ignored.
        thought: the chain of thought, when the policy thought on this step.
        summary: what it chose to remember, only when it thought.
        memory: all that it then remembers in words, only when it thought.
        distance: to what was asked for, in a straight line, as the policy believes [m]; None while unknown.
        timings: seconds spent per named part, for diagnostics.
    """

    trajectory: NDArray[np.float32]
    dt: float
    stamp: float
    stop: bool = False
    thought: str | None = None
    summary: str | None = None
    memory: str | None = None
    distance: float | None = None
    timings: Mapping[str, float] = field(default_factory=dict)


class PolicyUnavailable(Exception):
    """No decision came within the deadline, but one may come to the next observation.

    Raised by policies that run elsewhere; the message says where, and what is wrong. The robot is to stand
    and to go on asking.
    """


class Policy(Protocol):
    """Anything that decides: a network, a remote server, a scripted expert, a test double."""

    def reset(self, goal: Goal) -> None:
        """Forget the last episode and take on `goal`."""

    def act(self, observation: Observation) -> Decision:
        """Decide on the newest observation; observations come in the order of their stamps.

        Raises:
            PolicyUnavailable: it runs elsewhere, and gave no decision in time.
        """


@runtime_checkable
class RemembersInWords(Protocol):
    """A `Policy` whose memory in words can be kept and given to its next run."""

    memory: Memory

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Forget the last episode and take on `goal`, remembering what an earlier run did."""

    def act(self, observation: Observation) -> Decision:
        """As any policy."""
