"""Making up for lost time: a robot that was held up hurries until it is where it would have been alone.

A filter takes time from a robot at every encounter and never gives any back. Here each robot keeps a ghost:
itself, alone in an empty world under the same controller. While it is farther from its goal than its ghost,
it asks its controller for more speed. What it asks for goes through the filter like everything else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.dynamics import Model
from vlingnav_safety.multi.nominal import nominal

Array = NDArray[np.float64]

HASTE = 1.7
"""Factor on the speed that a robot in a hurry asks for: a car's 0.46 m/s become nearly its limit, 0.8."""
_LATE = 0.02  # [m] behind the ghost that counts as late


class Pace:
    """The ghosts of `(E, N)` robots. Call `haste` once per period."""

    def __init__(self, model: Model, state: Array, goal: Array) -> None:
        """Begin at `state (E, N, size)`, bound for `goal (E, N, 2)` [m]."""
        self._model, self._ghost, self._goal = model, state, goal

    def haste(self, state: Array) -> Array:
        """Factor `(E, N)` on the speed to ask for in `state (E, N, size)`."""
        late = self._away(state) > self._away(self._ghost) + _LATE
        self._ghost = self._model.step(self._ghost, nominal(self._model, self._ghost, self._goal))
        return np.where(late, HASTE, 1.0)

    def _away(self, state: Array) -> Array:
        return np.hypot(*np.moveaxis(self._goal - state[..., :2], -1, 0))
