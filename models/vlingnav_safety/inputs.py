"""What forbids to act on an input: missing, stale, from the future, not finite, or no number at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.config import FilterConfig
from vlingnav_safety.types import Neighbours, Obstacles, State

Array = NDArray[np.float64]

_ABSURD = 20.0  # times what the base can do


def shape(value: object) -> tuple[int, ...] | None:
    """Shape of what is finite numbers, `()` of one; None of anything else that there may be."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        return None
    return array.shape if array.dtype.kind in "biuf" and bool(np.isfinite(array).all()) else None


def bad_state(config: FilterConfig, state: State | None, now: float) -> str:
    """Why the odometry must not be used at `now` [s]; empty when it may be."""
    if state is None or not shape(state.pose) == shape(state.velocity) == (3,):
        return "odometry is missing or not finite"
    return _late(state.stamp, now, config.state_timeout, "odometry")


def bad_surroundings(
    config: FilterConfig, neighbours: Neighbours | None, obstacles: Obstacles | None, now: float
) -> str:
    """Why scan or neighbours must not be used at `now` [s]; empty when they may be."""
    if obstacles is None:
        return "there is no scan"
    late = _late(obstacles.stamp, now, config.obstacles_timeout, "scan")
    if late:
        return late
    hits = shape(obstacles.points)
    if hits is None or hits[1:] != (2,):
        return "the scan has hits that are not finite"
    known = neighbours is not None and _sound(neighbours)
    return "" if known else "a neighbour is not finite or makes no sense"


def bad_command(desired: Array, most: float) -> str:
    """Why the desired command must not be used, `most` being the base's largest limit; empty when it may be.

    A driver may ask for more than the base can do; who asks for far more has a fault (units, an overflow).
    """
    if shape(desired) != (3,):
        return "the desired command is not finite"
    absurd = float(np.abs(desired).max()) > _ABSURD * most
    return f"a desired command of {np.asarray(desired).tolist()} is absurd" if absurd else ""


def _sound(neighbours: Neighbours) -> bool:
    """Whether all is finite, as long as the rest and, where it is a size or a time, not negative."""
    arrays = (neighbours.position, neighbours.velocity, neighbours.radius)
    if not all(isinstance(array, np.ndarray) for array in arrays):
        return False
    count = len(neighbours.position) if neighbours.position.ndim else 0
    if [shape(array) for array in arrays] != [(count, 2), (count, 2), (count,)]:
        return False
    for least in (neighbours.radius, neighbours.age, neighbours.acceleration, neighbours.top):
        if shape(least) not in ((), (count,)) or np.min(least, initial=0.0) < 0.0:
            return False
    for truth in (neighbours.brakes, neighbours.person):
        if shape(truth) not in ((), (count,)) or np.asarray(truth).dtype != np.bool_:
            return False
    return len(neighbours.name) in (0, count)


def _late(stamp: float, now: float, timeout: float, what: str) -> str:
    age = now - stamp if shape(stamp) == () else np.nan
    if -timeout <= age <= timeout:
        return ""
    return (
        f"{what} is {age:.2f} s old, more than {timeout:.2f} s" if age > 0 else f"{what} has no stamp of now"
    )
