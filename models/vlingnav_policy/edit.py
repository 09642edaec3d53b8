"""Small edits of what a policy decides, learned after it was trained: what a head sees, and what it may do.

A head does not drive. It makes a trajectory faster or slower, turns it, and makes the policy more or less
ready to stop; three numbers are little enough to be learned from the few takeovers that a person has the
patience for (`vlingnav_train.rlif.nav`). It sees no images, but what the policy decided, and of what it was
thinking the last layer's values at `<answer>`, the token that has read everything: the graphs give them as
they are. In 44 houses, each judged without itself, whether a person takes over within five seconds was told
with an AUC of 0.68 from the decision alone, and of 0.84 from both; a map of where it had been added nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import compose, exponential, logarithm, relative

Floats = NDArray[np.float32]


def edit_trajectory(trajectory: Floats, dt: float, speed: float, turn: float) -> Floats:
    """`trajectory (T, 3)` of steps of `dt` [s], `speed` [m/s] faster and `turn` [rad/s] further to the left.

    The body velocities of all its legs change alike, so it begins where the robot is and has no kinks that it
    did not have; a base that was to stand turns on the spot or backs away.
    """
    if speed == 0.0 and turn == 0.0:
        return trajectory  # not even rounded: at the first pixel that differs, two runs part ways
    poses = np.vstack([np.zeros(3), trajectory.astype(np.float64)])
    pose, edited = poses[0], np.empty_like(trajectory)
    for k, leg in enumerate(relative(poses[:-1], poses[1:])):
        twist = logarithm(leg) + dt * np.array([speed, 0.0, turn])
        pose = edited[k] = compose(pose, exponential(twist))
    return edited


def difference(trajectory: Floats, other: Floats, dt: float, legs: int) -> tuple[float, float]:
    """The edit, speed [m/s] and turn [rad/s], that makes the first `legs` of `trajectory` like `other`."""

    def velocity(poses: Floats) -> NDArray[np.float64]:
        poses = np.vstack([np.zeros(3), poses[:legs].astype(np.float64)])
        return np.mean([logarithm(leg) / dt for leg in relative(poses[:-1], poses[1:])], axis=0)

    speed, _, turn = velocity(other) - velocity(trajectory)
    return float(speed), float(turn)


def features(
    read: Mapping[str, NDArray[Any]], out: Mapping[str, NDArray[Any]], velocity: NDArray[np.float32]
) -> Floats:
    """What a head sees of a decision, `(F,)`, every number about 1 or less.

    Args:
        read: outputs of the graph `read`. out: those for the action, of `write` where the policy thought.
        velocity: `(3,)` of the body [m/s, m/s, rad/s].
    """
    seen, x, y, in_view = out["found"][0]
    logits = np.array([out["stop"][0], read["think"][0], seen, in_view])
    parts = (
        out["mean"][0].ravel(),
        out["log_std"][0].mean(axis=0) / 4.0,
        np.tanh(logits / 4.0),
        np.clip((x, y), -3.0, 3.0),
        velocity,
        read["values"][-1, 0, :, -1].ravel(),
    )
    return np.concatenate(parts, dtype=np.float32)
