"""Making up for lost time: a robot that was held up hurries until it is where it would have been alone.

A filter takes time from a robot at every encounter and never gives any back. Here each robot keeps the
distance from its goal that it would have by now, had it been alone in the world, and asks its controller for
more speed while it is farther than that. What it asks for goes through the filter like everything else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.dynamics import Model
from vlingnav_safety.multi.nominal import cruise

Array = NDArray[np.float64]

HASTE = 1.7
"""Factor on the speed that a robot in a hurry asks for: a car's 0.46 m/s become nearly its limit, 0.8."""
_LATE = 0.02  # [m] behind the schedule that counts as late


class Pace:
    """The schedule of `(E, N)` robots. Call `haste` once per period."""

    def __init__(self, model: Model, distance: Array) -> None:
        """Begin at `distance (E, N)` [m] from the goals."""
        self._model, self._due = model, distance.copy()

    def haste(self, distance: Array) -> Array:
        """Factor `(E, N)` on the speed to ask for at `distance (E, N)` [m] from the goals."""
        late = distance > self._due + _LATE
        self._due -= self._model.dt * cruise(self._model, self._due)
        return np.where(late, HASTE, 1.0)
