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

from vlingnav_policy.history import HistoryConfig
from vlingnav_policy.memory import MemoryConfig
from vlingnav_policy.nano import patchify
from vlingnav_train import ranks
from vlingnav_train.networks import LanguageEncoder, NanoConfig, VisionTower
from vlingnav_train.policy_network import PolicyNetwork
from vlingnav_train.vocabulary import tokenizer


@dataclass
class Nano:
    """The three networks and what belongs to them."""

    config: NanoConfig
    history: HistoryConfig
    memory: MemoryConfig
    tower: VisionTower
    language: LanguageEncoder
    policy: PolicyNetwork
    training: Mapping[str, Any] = field(default_factory=dict)

    @torch.no_grad()
    def tokens(self, instruction: str, frames: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float16]:
        """Visual tokens `(N, K, C)` of `frames (N, H, W, 3)`; what `NanoPolicy.encode` makes of them."""
        device = ranks.device()
        self.tower.eval().to(device)
        self.language.eval()
        query = self.language(torch.from_numpy(tokenizer().encode(instruction)[None]))[0].numpy()
        done = []
        for start in range(0, len(frames), batch):
            images = torch.from_numpy(np.ascontiguousarray(frames[start : start + batch])).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                cells = self.tower(images).float().cpu().numpy()
            done += [patchify(each, query).astype(np.float16) for each in cells]
        self.tower.cpu()
        return np.stack(done)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The three, by name."""
        return {"tower": self.tower, "language": self.language, "policy": self.policy}

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
            "training": dict(self.training),
        }
        torch.save({**data, **about, "words": list(tokenizer().words)}, file)

    @classmethod
    def load(cls, file: Path) -> Nano:
        """Read what `save` wrote.

        Raises:
            ValueError: it was trained with other words than today's houses have.
        """
        data = torch.load(file, weights_only=True)
        if data["words"] != list(tokenizer().words):
            raise ValueError(f"{file} was trained with other words than today's; train it again")
        config = NanoConfig(**data["config"])
        vocabulary = len(tokenizer())
        nano = cls(
            config,
            HistoryConfig(**data["history"]),
            MemoryConfig(**data["memory"]),
            VisionTower(config),
            LanguageEncoder(vocabulary, config),
            PolicyNetwork(vocabulary, config),
            data["training"],
        )
        nano.tower.load_state_dict(data["tower"])
        nano.language.load_state_dict(data["language"])
        nano.policy.load_state_dict(data["policy"])
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
