"""How the base moves, and the proof that it can still stop, on which every certificate rests.

The base is modelled as what its limits say: each axis of the body velocity slews toward the command in force
at no more than its acceleration, and a command comes into force a known delay after it was given. Poses are
integrated at the midpoint, 10 ms a step at 20 Hz.

A command is safe to give when the robot, after obeying it for one period, could still brake to a stand
without a hit coming into its discs. That is a property of the whole sampled motion (delay, limited
acceleration, turning while braking), not of an instant, and it carries itself forward: braking is the rest of
the path just checked, so if the last command was safe then braking now is safe. This is the argument of
passive motion safety (Bouraine, Fraichard & Salhi 2012) and of backup barrier functions (Gurriet et al.
2018).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEP = (
    0.01  # [s]; at 1 m/s the discs are checked every centimetre, and exactly where the robot comes to rest
)


@njit(cache=True)
def slew(velocity: Array, target: Array, change: Array) -> Array:
    """Move `velocity (3,)` toward `target (3,)` by at most `change (3,)` on each axis."""
    return velocity + np.minimum(np.maximum(target - velocity, -change), change)


@njit(cache=True)
def _step(pose: Array, velocity: Array, target: Array, acceleration: Array, duration: float) -> Array:
    """Advance `pose` in place; returns the velocity at the end."""
    after = slew(velocity, target, acceleration * duration)
    mean = 0.5 * (velocity + after)
    yaw = pose[2] + 0.5 * duration * mean[2]
    c, s = np.cos(yaw), np.sin(yaw)
    pose[0] += duration * (c * mean[0] - s * mean[1])
    pose[1] += duration * (s * mean[0] + c * mean[1])
    pose[2] += duration * mean[2]
    return after


@njit(cache=True)
def coast(velocity: Array, commands: Array, durations: Array, acceleration: Array) -> tuple[Array, Array]:
    """Predict what commands already given will have done.

    Args:
        velocity: `(3,)` body velocity now.
        commands: `(N, 3)` commands in the order in which they come into force.
        durations: `(N,)` how long each stays in force [s].
        acceleration: `(3,)` limits.

    Returns:
        The pose `(3,)` then, in the body frame of now, and the velocity `(3,)` then.
    """
    pose = np.zeros(3)
    for n in range(len(durations)):
        steps = int(np.ceil(durations[n] / _STEP - 1e-9))
        for _ in range(steps):
            velocity = _step(pose, velocity, commands[n], acceleration, durations[n] / steps)
    return pose, velocity


@njit(cache=True)
def stopping_path(velocity: Array, command: Array, acceleration: Array, period: float) -> tuple[Array, Array]:
    """Poses while obeying `command` for `period` and then braking to a stand.

    Returns:
        `(N, 3)` poses in the frame of the first, which is the origin, and `(N,)` their times [s]; N >= 2.
    """
    stop = np.zeros(3)
    obeying = int(np.ceil(period / _STEP - 1e-9))
    longest = 0.0
    for axis in range(3):
        fastest = max(abs(velocity[axis]), abs(command[axis]))
        if fastest > 0.0:
            longest = max(longest, fastest / acceleration[axis])
    braking = int(np.ceil(longest / _STEP)) + 1
    poses, times = np.zeros((1 + obeying + braking, 3)), np.zeros(1 + obeying + braking)
    pose, count = np.zeros(3), 1
    for k in range(obeying + braking):
        target, duration = (command, period / obeying) if k < obeying else (stop, _STEP)
        velocity = _step(pose, velocity, target, acceleration, duration)
        poses[count], times[count] = pose, times[count - 1] + duration
        count += 1
        if k >= obeying and not np.any(velocity != 0.0):
            break
    return poses[:count], times[:count]


@njit(cache=True)
def first_breach(
    poses: Array,
    times: Array,
    discs: Array,
    points: Array,
    radius: Array,
    speed: Array,
    age: Array,
    reach: Array,
    margin: float,
) -> int:
    """Find a hit that would come too close to the robot on a stopping path.

    A hit may have moved at `speed` since it was seen, up to `reach` from there, so its distance must exceed
    `margin + min(speed * (age + t), reach)`. One that is nearer than that already must not come nearer still:
    a robot beside a wall may always leave.

    Args:
        poses: `(N, 3)` from `stopping_path`.
        times: `(N,)` [s].
        discs: `(D, 3)` x, y, radius [m] in the body frame, together covering the hull.
        points: `(M, 2)` hits [m] in the frame of `poses`.
        radius: `(M,)` of each hit [m]; 0 for a range reading.
        speed: `(M,)` bound of each hit's own speed [m/s].
        age: `(M,)` seconds between seeing the hit and the first pose.
        reach: `(M,)` how far it can come at all before it stands [m]; inf for what need not stand.
        margin: clearance to keep [m].

    Returns:
        The index of the first such hit, or -1: the path is clear.
    """
    count, size = len(poses), len(discs)
    centres = np.empty((count, size, 2))
    travel = 0.0
    for k in range(count):
        c, s = np.cos(poses[k, 2]), np.sin(poses[k, 2])
        for d in range(size):
            centres[k, d, 0] = poses[k, 0] + c * discs[d, 0] - s * discs[d, 1]
            centres[k, d, 1] = poses[k, 1] + s * discs[d, 0] + c * discs[d, 1]
            travel = max(travel, np.hypot(centres[k, d, 0] - discs[d, 0], centres[k, d, 1] - discs[d, 1]))
    if travel == 0.0:
        return -1
    for m in range(len(points)):
        now = np.inf
        for k in range(count):
            clearance = np.inf
            for d in range(size):
                dx, dy = points[m, 0] - centres[k, d, 0], points[m, 1] - centres[k, d, 1]
                clearance = min(clearance, np.sqrt(dx * dx + dy * dy) - discs[d, 2] - radius[m])
            if k == 0:
                now = clearance
                if now - travel > margin + min(speed[m] * (age[m] + times[-1]), reach[m]):
                    break
            elif clearance < min(now, margin + min(speed[m] * (age[m] + times[k]), reach[m])) - 1e-9:
                return m
    return -1
