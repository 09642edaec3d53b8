"""RLPD, reinforcement learning with prior data (Ball et al. 2023, arXiv:2302.02948): SAC with three changes.

Half of each batch is prior data (`replay.mixed`); the critics have LayerNorm, which bounds how they
extrapolate; and there are ten of them, two of which, drawn anew each time, make the target (REDQ, Chen et al.
2021), so that several updates a step do not overestimate. As in RLIF's code the target has no entropy term,
and the actor climbs the mean of all ten.

What differs from RLIF's settings, for the sake of two cores: two hidden layers and not three, and a batch of
128 and not of 256. `updates`, which RLIF has at 1 (walker2d) to 15 (hopper), is 1.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlingnav_train.rlif.networks import Actor, Critics
from vlingnav_train.rlif.replay import Batch


@dataclass(frozen=True)
class RlpdConfig:
    """The learner.

    Attributes:
        width, layers: of actor and critics alike.
        critics: how many. target_critics: of them make a target.
        lr: of Adam, for everything.
        discount: of rewards to come. target_rate: share by which target critics follow at each update.
        batch: transitions in an update. updates: of the critics at each step of the environment.
        offline_share: of a batch.
    """

    width: int = 256
    layers: int = 2
    critics: int = 10
    target_critics: int = 2
    lr: float = 3e-4
    discount: float = 0.99
    target_rate: float = 0.005
    batch: int = 128
    updates: int = 1
    offline_share: float = 0.5


class Rlpd:
    """The learner for observations of `observation` numbers and actions of `action` in [-1, 1].

    Attributes:
        anchor: what the actor pays for the sum of squares of an action; 0, unless actions are changes of what
            is good already, and shall be small where the critics see no reason.
    """

    def __init__(
        self, observation: int, action: int, config: RlpdConfig, seed: int, device: torch.device
    ) -> None:
        self.config, self.device, self.anchor = config, device, 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # the same networks on every device, and nobody else's numbers disturbed
            actor = Actor(observation, action, config.width, config.layers)
            critics = Critics(config.critics, observation, action, config.width, config.layers)
        self.actor, self.critics = actor.to(device), critics.to(device)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.zeros((), device=device))
        self._entropy = -action / 2.0  # wanted of a policy, half of SAC's
        self._noise = torch.Generator(device).manual_seed(seed)
        self._actor_optimiser = _adam(self.actor.parameters(), config.lr)
        self._critic_optimiser = _adam(self.critics.parameters(), config.lr)
        self._temperature_optimiser = _adam([self.log_temperature], config.lr)

    @torch.no_grad()
    def act(self, observation: NDArray[Any], explore: bool) -> NDArray[np.float32]:
        """The action `(A,)` at an observation `(O,)`; drawn from the policy if it shall explore."""
        state = torch.as_tensor(observation, dtype=torch.float32, device=self.device)
        action = self.actor.sample(state, self._noise)[0] if explore else self.actor.best(state)
        return action.cpu().numpy()

    def update(self, batches: list[Batch]) -> dict[str, Tensor]:
        """The critics learn from each of `batches`, the actor and the temperature from the last one.

        Returns:
            Mean value, temperature, and entropy of the policy, on the last batch.
        """
        for batch in batches:
            batch = Batch(*(part.to(self.device, non_blocking=True) for part in batch))
            target = self.target(batch)
            values = self.critics(batch.observation, batch.action)
            # A sum over critics, for each shall learn as if it were alone.
            _descend(self._critic_optimiser, ((values - target) ** 2).mean(dim=1).sum())
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(self.targets.parameters()), list(self.critics.parameters()), self.config.target_rate
                )
        temperature = self.log_temperature.exp().detach()
        action, likelihood = self.actor.sample(batch.observation, self._noise)
        self.critics.requires_grad_(False)  # nobody would use these gradients
        cost = temperature * likelihood + self.anchor * action.square().sum(dim=-1)
        _descend(self._actor_optimiser, (cost - self.critics(batch.observation, action).mean(dim=0)).mean())
        self.critics.requires_grad_(True)
        entropy = -likelihood.detach().mean()
        _descend(self._temperature_optimiser, self.log_temperature.exp() * (entropy - self._entropy))
        return {"value": values.detach().mean(), "temperature": temperature, "entropy": entropy}

    @torch.no_grad()
    def target(self, batch: Batch) -> Tensor:
        """What the critics shall say `(B,)`: r + γ·mask·min Q'(s', a') over a few of the target critics."""
        chosen = torch.randperm(self.config.critics, generator=self._noise, device=self.device)
        action, _ = self.actor.sample(batch.next_observation, self._noise)
        values = self.targets(batch.next_observation, action, chosen[: self.config.target_critics])
        return batch.reward + self.config.discount * batch.mask * values.amin(dim=0)

    def state_dict(self) -> dict[str, Any]:
        """All that resuming takes."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {**parts, "log_temperature": self.log_temperature.item(), "noise": self._noise.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        nn.init.constant_(self.log_temperature, state["log_temperature"])
        self._noise.set_state(state["noise"])

    def _parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "targets": self.targets,
            "actor_optimiser": self._actor_optimiser,
            "critic_optimiser": self._critic_optimiser,
            "temperature_optimiser": self._temperature_optimiser,
        }


def _adam(parameters: Iterator[nn.Parameter] | list[nn.Parameter], lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=lr, fused=True)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
