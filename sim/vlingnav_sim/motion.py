"""How planar bases follow velocity commands within their limits."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(cache=True)
def ramp(velocity: Array, target: Array, limit: Array, change: Array, steps: int) -> Array:
    """Velocities `(steps, R, 3)` of `R` bases on their way to a target.

    Args:
        velocity: `(R, 3)` at the start.
        target: `(R, 3)` to be reached, as far as `limit` allows.
        limit: `(R, 3)` largest velocities.
        change: `(R, 3)` largest changes in one step.
        steps: how many.
    """
    way = np.empty((steps, *velocity.shape))
    for robot, axis in np.ndindex(velocity.shape):
        start, most = velocity[robot, axis], limit[robot, axis]
        gap = min(max(target[robot, axis], -most), most) - start
        for k in range(steps):
            reach = (k + 1) * change[robot, axis]
            way[k, robot, axis] = start + min(max(gap, -reach), reach)
    return way
