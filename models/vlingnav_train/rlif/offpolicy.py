"""Methods that learn by reinforcement: RLPD on what happened, under a reward that the method gives it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.networks import Actor
from vlingnav_train.rlif.replay import Replay, mixed
from vlingnav_train.rlif.rlpd import Rlpd
from vlingnav_train.rlif.trial import Moment


class OffPolicy(ABC):
    """Every moment is kept, whoever drove, and judged by `judge`; so are the demonstrations, as prior data.

    It learns from the first full batch on. Without demonstrations there is no prior data to mix in.
    """

    takeovers: ClassVar[bool] = True

    def __init__(self, setting: Setting) -> None:
        self._config = setting.learner
        sizes = (setting.observation, setting.action)
        self.learner = Rlpd(*sizes, setting.learner, setting.seed, setting.device)
        self._online = Replay(setting.steps, *sizes)
        self._offline = Replay(max(1, len(setting.demonstrations)), *sizes)
        self._rng = np.random.default_rng(setting.seed)
        for moment in setting.demonstrations:
            self._add(self._offline, moment)

    @abstractmethod
    def judge(self, moment: Moment) -> tuple[float, float]:
        """The reward of a moment, and its mask: 0 if nothing comes after it, else 1."""

    @property
    def actor(self) -> Actor:
        """What acts."""
        return self.learner.actor

    def act(self, observation: NDArray[Any], explore: bool) -> NDArray[np.float32]:
        """See `Method`."""
        return self.learner.act(observation, explore)

    def keep(self, moment: Moment) -> None:
        """See `Method`."""
        self._add(self._online, moment)

    def learn(self) -> dict[str, Tensor]:
        """See `Method`."""
        if len(self._online) < self._config.batch:
            return {}
        share = self._config.offline_share if len(self._offline) else 0.0
        return self.learner.update(
            [
                mixed(self._online, self._offline, self._config.batch, share, self._rng)
                for _ in range(self._config.updates)
            ]
        )

    def _add(self, replay: Replay, moment: Moment) -> None:
        replay.add(moment.observation, moment.action, moment.next_observation, *self.judge(moment))

    def state_dict(self) -> dict[str, Any]:
        """See `Method`."""
        return {
            "learner": self.learner.state_dict(),
            "online": self._online.state_dict(),
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Method`."""
        self.learner.load_state_dict(state["learner"])
        self._online.load_state_dict(state["online"])
        self._rng.bit_generator.state = state["rng"]
