"""A trained nano model as one file: weights, sizes, memory, words, and how it was made."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlingnav_policy.history import HistoryConfig, pool
from vlingnav_policy.memory import MemoryConfig
from vlingnav_policy.sight import GOAL_STRIDE, SIMILARITIES, patchify, sought
from vlingnav_policy.types import Goal, Task
from vlingnav_train import ranks
from vlingnav_train.networks import ImageQuery, LanguageEncoder, NanoConfig, VisionTower
from vlingnav_train.policy_network import PolicyNetwork
from vlingnav_train.vocabulary import tokenizer


@dataclass
class Nano:
    """The networks and what belongs to them.

    Attributes:
        tower, language, goal: of stage 0. policy: of stage 1.
        tasks: what `policy` has been trained for.
        training: how it was made.
    """

    config: NanoConfig
    history: HistoryConfig
    memory: MemoryConfig
    tower: VisionTower
    language: LanguageEncoder
    goal: ImageQuery
    policy: PolicyNetwork
    tasks: tuple[Task, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def untrained(
        cls,
        config: NanoConfig = NanoConfig(),
        history: HistoryConfig = HistoryConfig(),
        memory: MemoryConfig = MemoryConfig(),
    ) -> Nano:
        """Networks that have learned nothing yet."""
        words = len(tokenizer())
        return cls(
            config,
            history,
            memory,
            VisionTower(config),
            LanguageEncoder(words, config),
            ImageQuery(config),
            PolicyNetwork(words, config),
        )

    @torch.no_grad()
    def tokens(
        self, goal: Goal, frames: NDArray[np.uint8], batch: int = 64
    ) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """What `Sight` makes of an episode.

        Args:
            frames: `(N, H, W, 3)`.

        Returns:
            Visual tokens `(N, K, C)` of the frames, and `(G, C)` of the goal image; none without one.
        """
        device = ranks.device()
        self.tower.eval().to(device)
        images = torch.from_numpy(np.ascontiguousarray(frames)).split(batch)
        with torch.autocast(device.type, torch.bfloat16):
            seen = torch.cat([self.tower(part.to(device)).float().cpu() for part in images])
            if goal.image is not None:
                shown = self.tower(torch.from_numpy(np.ascontiguousarray(goal.image))[None].to(device))
        self.tower.cpu()
        if goal.image is None:
            query = self.language.eval()(torch.from_numpy(tokenizer().encode(sought(goal))[None]))[0].numpy()
            pooled = np.zeros((0, self.config.token_channels), np.float32)
        else:
            cells = shown.float().cpu()
            query = self.goal.eval()(cells)[0].numpy()
            pooled = pool(patchify(cells[0].numpy(), query), self.history.grid, GOAL_STRIDE, SIMILARITIES)
        tokens = np.stack([patchify(cell, query).astype(np.float16) for cell in seen.numpy()])
        return tokens, pooled.astype(np.float16)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All of them, by name."""
        return {name: getattr(self, name) for name in ("tower", "language", "goal", "policy")}

    @torch.no_grad()
    def round(self) -> None:
        """Round all weights to half precision, in which `save` then keeps them: half the size."""
        for network in self.networks.values():
            for value in network.state_dict().values():
                if value.is_floating_point():
                    value.copy_(value.half())

    def save(self, file: Path) -> None:
        """Write everything to `file`, in half precision what loses nothing by it."""
        data = {name: _compact(network.state_dict()) for name, network in self.networks.items()}
        about = {
            "config": asdict(self.config),
            "history": asdict(self.history),
            "memory": asdict(self.memory),
            "tasks": list(self.tasks),
            "training": dict(self.training),
        }
        torch.save({**data, **about, "words": list(tokenizer().words)}, file)

    @classmethod
    def load(cls, file: Path) -> Nano:
        """Read what `save` wrote; what older files lack of the networks is there, untrained.

        Raises:
            ValueError: it was trained with other words than today's houses have.
        """
        data = torch.load(file, weights_only=True)
        if data["words"] != list(tokenizer().words):
            raise ValueError(f"{file} was trained with other words than today's; train it again")
        nano = cls.untrained(
            NanoConfig(**data["config"]), HistoryConfig(**data["history"]), MemoryConfig(**data["memory"])
        )
        for name, network in nano.networks.items():
            network.load_state_dict({**network.state_dict(), **data.get(name, {})})
        # Before there were tasks in it, there was one task.
        nano.tasks, nano.training = tuple(data.get("tasks", ("object",))), data["training"]
        return nano


def _compact(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    def compact(value: Tensor) -> Tensor:
        exact = value.is_floating_point() and torch.equal(value.half().to(value.dtype), value)
        return value.half() if exact else value

    return {name: compact(value) for name, value in state.items()}


def commit() -> str:
    """The commit of the working tree this runs in, with "+changes" if it has any."""
    run = subprocess.run(["git", "describe", "--always", "--dirty=+changes"], capture_output=True, text=True)
    return run.stdout.strip() or "unknown"
