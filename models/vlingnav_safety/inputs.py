"""What forbids to act on an input: missing, stale, from the future, not finite, or a jump."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.config import FilterConfig
from vlingnav_safety.types import Neighbours, Obstacles, State

Array = NDArray[np.float64]

_ABSURD = 20.0  # times what the base can do


def bad_state(config: FilterConfig, state: State | None, now: float) -> str:
    """Why the odometry must not be used at `now` [s]; empty when it may be."""
    if state is None or not (_finite(state.pose, (3,)) and _finite(state.velocity, (3,))):
        return "odometry is missing or not finite"
    return _late(now - state.stamp, config.state_timeout, "odometry")


def bad_surroundings(
    config: FilterConfig, neighbours: Neighbours, obstacles: Obstacles | None, now: float
) -> str:
    """Why scan or neighbours must not be used at `now` [s]; empty when they may be."""
    if obstacles is None:
        return "there is no scan"
    late = _late(now - obstacles.stamp, config.obstacles_timeout, "scan")
    if late:
        return late
    if not _finite(obstacles.points, (*np.shape(obstacles.points)[:1], 2)):
        return "the scan has hits that are not finite"
    count = np.size(neighbours.radius)
    known = _finite(neighbours.position, (count, 2)) and _finite(neighbours.velocity, (count, 2))
    for numbers in (neighbours.radius, neighbours.age, neighbours.acceleration, neighbours.top):
        known = known and np.shape(numbers) in ((), (count,)) and bool(np.all(np.isfinite(numbers)))
    return "" if known else "a neighbour is not finite"


def bad_command(desired: Array, most: float) -> str:
    """Why the desired command must not be used, `most` being the base's largest limit; empty when it may be.

    A driver may ask for more than the base can do; who asks for far more has a fault (units, an overflow).
    """
    if not _finite(desired, (3,)):
        return "the desired command is not finite"
    absurd = float(np.abs(desired).max()) > _ABSURD * most
    return f"a desired command of {np.asarray(desired).tolist()} is absurd" if absurd else ""


def _late(age: float, timeout: float, what: str) -> str:
    if -timeout <= age <= timeout:
        return ""
    return (
        f"{what} is {age:.2f} s old, more than {timeout:.2f} s" if age > 0 else f"{what} has no stamp of now"
    )


def _finite(array: Array, shape: tuple[int, ...]) -> bool:
    return np.shape(array) == shape and bool(np.all(np.isfinite(array)))
