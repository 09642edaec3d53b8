"""Methods that imitate: one network, regressed on what the method has kept of the expert's actions.

RLIF's baselines learn in rounds (five episodes, then 2500 steps of the optimiser); these take one step of the
optimiser after each of the environment, so that all methods have one loop. The loss is the squared error of
the action and not the likelihood of a Gaussian, since the action that is executed is the mean in either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.networks import Actor
from vlingnav_train.rlif.replay import Replay
from vlingnav_train.rlif.trial import Moment

BATCH = 256
PRETRAINING = 5000
"""Steps of the optimiser on the demonstrations alone, before the first of the environment."""
WEIGHT_DECAY = 1e-3
"""Of AdamW; RLIF's, as is the batch."""


class Cloning(ABC):
    """`imitated` says what to do as the expert did; demonstrations are imitated by all."""

    takeovers: ClassVar[bool]

    def __init__(self, setting: Setting) -> None:
        self._device, sizes = setting.device, (setting.observation, setting.action)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            actor = Actor(*sizes, setting.learner.width, setting.learner.layers)
        self.actor = actor.to(setting.device)
        self._optimiser = torch.optim.AdamW(
            self.actor.parameters(), setting.learner.lr, weight_decay=WEIGHT_DECAY, fused=True
        )
        self._rng = np.random.default_rng(setting.seed)
        self._data = Replay(len(setting.demonstrations) + setting.steps, *sizes)
        for moment in setting.demonstrations:
            self._add(moment, moment.action)
        self._to_pretrain = PRETRAINING

    @abstractmethod
    def imitated(self, moment: Moment) -> NDArray[np.float32] | None:
        """The action `(A,)` to be learned for this moment's observation, or None to learn nothing of it."""

    @torch.no_grad()
    def act(self, observation: NDArray[Any], explore: bool) -> NDArray[np.float32]:
        """See `Method`; imitators do not explore."""
        state = torch.as_tensor(observation, dtype=torch.float32, device=self._device)
        return self.actor.best(state).cpu().numpy()

    def keep(self, moment: Moment) -> None:
        """See `Method`."""
        action = self.imitated(moment)
        if action is not None:
            self._add(moment, action)

    def learn(self) -> dict[str, Tensor]:
        """See `Method`; the first time on the demonstrations alone."""
        for _ in range(self._to_pretrain):
            self._regress()
        self._to_pretrain = 0
        return {"error": self._regress()}

    def _regress(self) -> Tensor:
        batch = self._data.sample(BATCH, self._rng)
        loss = F.mse_loss(self.actor.best(batch.observation.to(self._device)), batch.action.to(self._device))
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        return loss.detach()

    def _add(self, moment: Moment, action: NDArray[np.float32]) -> None:
        self._data.add(moment.observation, action, moment.next_observation, 0.0, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """See `Method`."""
        return {
            "actor": self.actor.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "data": self._data.state_dict(),
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Method`."""
        self.actor.load_state_dict(state["actor"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._data.load_state_dict(state["data"])
        self._rng.bit_generator.state = state["rng"]
        self._to_pretrain = 0
