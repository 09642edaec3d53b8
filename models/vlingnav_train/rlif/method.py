"""What a method is: something that acts, keeps what it wants of each moment, and learns after each step.

All are run by the one loop in `run`, get the same demonstrations at the beginning, and are watched by the
same person. So a method says only what sets it apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.trial import Moment


@dataclass(frozen=True)
class Setting:
    """What every method begins with.

    Attributes:
        observation, action: how many numbers each has.
        demonstrations: of the expert alone.
        steps: of the environment there will be.
        learner: sizes of networks and batches; the rest of it is for those that learn by reinforcement.
    """

    observation: int
    action: int
    demonstrations: Sequence[Moment]
    steps: int
    learner: RlpdConfig
    seed: int
    device: torch.device


class Method(Protocol):
    """A way to learn from somebody who watches.

    Attributes:
        takeovers: whether the person takes over, or looks on.
    """

    takeovers: ClassVar[bool]

    def __init__(self, setting: Setting) -> None: ...

    def act(self, observation: NDArray[Any], explore: bool) -> NDArray[np.float32]:
        """What the robot would do `(A,)` at an observation `(O,)`."""

    def keep(self, moment: Moment) -> None:
        """A moment has passed; in order, each once."""

    def learn(self) -> dict[str, Tensor]:
        """Once after each step of the environment; returns figures for the curves, if there are any."""

    def state_dict(self) -> dict[str, Any]:
        """All that resuming takes."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
