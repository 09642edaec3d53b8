"""Transitions to learn from: a ring of them, and batches mixed from two.

A transition is one row of one matrix, so that a batch is one look-up, whatever it is made of.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Batch(NamedTuple):
    """Transitions.

    Attributes:
        observation, next_observation: `(B, O)`.
        action: `(B, A)` in [-1, 1].
        reward: `(B,)`.
        mask: `(B,)`, 0 where nothing comes after, so that the value there is the reward alone; else 1.
    """

    observation: Tensor
    action: Tensor
    next_observation: Tensor
    reward: Tensor
    mask: Tensor


class Replay:
    """The newest `capacity` transitions, in memory of the CPU."""

    def __init__(self, capacity: int, observation: int, action: int) -> None:
        self._sizes = (observation, action, observation, 1, 1)
        self._rows = torch.zeros(capacity, sum(self._sizes))
        self._added = 0

    def __len__(self) -> int:
        """How many there are to draw from."""
        return min(self._added, len(self._rows))

    def add(
        self,
        observation: NDArray[Any],
        action: NDArray[Any],
        next_observation: NDArray[Any],
        reward: float,
        mask: float,
    ) -> None:
        """Keep a transition, in place of the oldest when there is no room."""
        row = np.concatenate([observation, action, next_observation, [reward, mask]], dtype=np.float32)
        self._rows[self._added % len(self._rows)] = torch.from_numpy(row)
        self._added += 1

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """`count` transitions drawn with replacement, all alike likely."""
        rows = self._rows[torch.from_numpy(rng.integers(len(self), size=count))]
        observation, action, following, reward, mask = rows.split(self._sizes, dim=1)
        return Batch(observation, action, following, reward.squeeze(1), mask.squeeze(1))

    def state_dict(self) -> dict[str, Any]:
        """All that resuming takes."""
        return {"rows": self._rows[: len(self)].clone(), "added": self._added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._rows[: len(state["rows"])] = state["rows"]
        self._added = state["added"]


def mixed(online: Replay, offline: Replay, count: int, share: float, rng: np.random.Generator) -> Batch:
    """A batch of which `share` comes from `offline` (Ball et al. 2023, section 4.1: one half)."""
    old = round(count * share)
    if old == 0:
        return online.sample(count, rng)
    parts = (offline.sample(old, rng), online.sample(count - old, rng))
    return Batch(*(torch.cat(pair) for pair in zip(*parts, strict=True)))
