"""Those who take over: networks of three qualities, all from one training by RLPD on the reward of the task.

The poor, the middling and the good expert are the first networks of it that reach what `tasks.TASKS` asks
for. The few episodes of the learning curve only nominate them, since the first one to be above is as a rule a
lucky one; what counts is the mean of fifty others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from vlingnav_train import ranks
from vlingnav_train.checkpoint import commit
from vlingnav_train.optimise import claim
from vlingnav_train.rlif.human_reward import HumanReward
from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.networks import Actor, Critics
from vlingnav_train.rlif.person import NEVER, Person
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.run import Plan, run
from vlingnav_train.rlif.tasks import EXPERT, QUALITIES, TASKS, returns
from vlingnav_train.rlif.trial import Trial

MEASURED = 50
"""Episodes that tell what a network is worth in the end."""
LAST = 10**6
"""Their seed; those of trainings are small."""


@dataclass(frozen=True)
class Expert:
    """A trained policy, and what it thinks of actions.

    Attributes:
        mean_return: over `MEASURED` episodes.
    """

    actor: Actor
    critics: Critics
    mean_return: float

    @classmethod
    def load(cls, file: Path, device: torch.device) -> Expert:
        """Read what `train_experts` has written.

        Raises:
            ValueError: the file is no expert.
        """
        try:
            kept = torch.load(file, map_location="cpu", weights_only=True)
            config = RlpdConfig(**kept["learner"])
            observation, action = kept["sizes"]
            actor = Actor(observation, action, config.width, config.layers)
            critics = Critics(config.critics, observation, action, config.width, config.layers)
            actor.load_state_dict(kept["actor"])
            critics.load_state_dict(kept["critics"])
            value = float(kept["mean_return"])
        except (KeyError, TypeError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
            raise ValueError(f"{file} is not an expert that `vlingnav rlif-experts` made: {error}") from error
        return cls(actor.to(device), critics.to(device), value)

    @torch.no_grad()
    def act(self, observation: NDArray[Any]) -> NDArray[np.float32]:
        """What it does `(A,)`, without noise."""
        return self.actor.best(self._tensor(observation)).cpu().numpy()

    @torch.no_grad()
    def values(self, observation: NDArray[Any], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean of its critics `(N,)` for actions `(N, A)` at an observation `(O,)`."""
        state = self._tensor(observation).expand(len(actions), -1)
        return self.critics(state, self._tensor(actions)).mean(dim=0).cpu().numpy()

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=next(self.actor.parameters()).device)


def expert_file(folder: Path, environment: str, quality: str) -> Path:
    """Where `train_experts` writes it."""
    return folder / environment / f"{quality}.pt"


def train_experts(
    environment: str, folder: Path, plan: Plan, learner: RlpdConfig = RlpdConfig(), seed: int = 0
) -> dict[str, float]:
    """Train until the good one is found; cut off, it goes on from its last state.

    Returns:
        The mean return of each quality.

    Raises:
        ValueError: `folder` holds other experts, or the steps of `plan` did not do.
    """
    task, out = TASKS[environment], folder / environment
    settings = {
        "environment": task.environment,
        "returns": task.returns,
        "learner": asdict(learner),
        "seed": seed,
    }
    claim(out, settings)
    files = {quality: expert_file(folder, environment, quality) for quality in QUALITIES}
    setting = Setting(*task.sizes(), (), plan.steps, learner, seed, ranks.device())
    method = HumanReward(setting)
    nobody = Person(lambda observation: method.act(observation, explore=False), NEVER, seed)
    training = run(method, Trial(task, nobody, EXPERT, seed), task, plan, seed, out / "state.pt", environment)
    wanted = dict(zip(QUALITIES, task.returns, strict=True))
    while sought := [quality for quality in QUALITIES if not files[quality].is_file()]:
        points = next(training, None)
        if points is None:
            raise ValueError(f"{plan.steps} steps did not make a good expert of {environment}; give more")
        if points[-1].mean < wanted[sought[0]]:
            continue
        worth = float(np.mean(returns(nobody.advise, task, MEASURED, LAST)))
        kept = {
            "actor": method.learner.actor.state_dict(),
            "critics": method.learner.critics.state_dict(),
            "learner": asdict(learner),
            "sizes": task.sizes(),
            "mean_return": worth,
            "step": points[-1].step,
            "commit": commit(),
        }
        for quality in sought:
            if worth >= wanted[quality]:
                torch.save(kept, new := files[quality].with_suffix(".new"))
                new.replace(files[quality])
                tqdm.write(f"{files[quality]}: mean return {worth:.0f} after {points[-1].step} steps")
    (out / "state.pt").unlink(missing_ok=True)
    return {quality: Expert.load(file, torch.device("cpu")).mean_return for quality, file in files.items()}
