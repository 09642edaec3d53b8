"""The head that edits decisions: an actor, as an engine of the policy while it learns and as a graph after.

The actor's actions are in [-1, 1], as everywhere in `rlif`; what leaves the head has units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlingnav_policy.engines import BATCH, Arrays, Engine
from vlingnav_train.graphs import Graph
from vlingnav_train.rlif.networks import Actor

LIMITS = np.array([0.6, 1.5, 4.0], np.float32)
"""The most that an edit changes: speed [m/s], turn rate [rad/s], readiness to stop [logits].

A robot that drives can be made to stand or to back away, one that turns to turn the other way, and a stop
that the policy is 98 % sure of can be undone."""
NOISE = 0.15
"""Standard deviation of an actor that has learned nothing yet; what the learner's entropy target comes to."""


def unlearned(actor: Actor) -> None:
    """Let `actor` begin with no edit but noise, for the policy it edits is good already."""
    with torch.no_grad():
        actor.head.weight.zero_()
        mean, log_std = actor.head.bias.chunk(2)
        mean.zero_()
        log_std.fill_(math.log(NOISE))


class Head:
    """An `Engine` of the graph `edit`; it remembers the last decision, for learning.

    Args:
        source: what gives the edits, an actor or a graph; None edits nothing.
        noise: seed of the noise in an actor's; None for none.

    Attributes:
        seen: `(F,)` what was seen of it. done: `(3,)` its edit, in [-1, 1].
    """

    provider = "torch"

    def __init__(self, source: Actor | Engine | None, noise: Sequence[int] | None = None) -> None:
        self._source = source
        self._noise = (
            None
            if noise is None
            else torch.Generator().manual_seed(int(np.random.SeedSequence(noise).generate_state(1)[0]))
        )
        self.seen: NDArray[np.float32] = np.zeros(0, np.float32)
        self.done: NDArray[np.float32] = np.zeros(len(LIMITS), np.float32)

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """The edit of one decision."""
        self.seen = inputs["features"][0]
        if isinstance(self._source, Actor):
            self.done = self._edit(self._source, torch.from_numpy(self.seen)).numpy()
        elif self._source is not None:
            out = self._source.run(inputs)
            self.done = out["edit"][0] / LIMITS
            return out
        return {"edit": (LIMITS * self.done)[None]}

    @torch.inference_mode()
    def _edit(self, actor: Actor, seen: Tensor) -> Tensor:
        return actor.best(seen) if self._noise is None else actor.sample(seen, self._noise)[0]


class _Best(nn.Module):
    """Features `(B, F)` to edits `(B, 3)`, with units."""

    limits: Tensor

    def __init__(self, actor: Actor, limits: NDArray[np.float32]) -> None:
        super().__init__()
        self.actor = actor
        self.register_buffer("limits", torch.from_numpy(limits))

    def forward(self, features: Tensor) -> Tensor:
        return self.limits * self.actor.best(features)


def edit_graph(actor: Actor, limits: NDArray[np.float32] = LIMITS) -> Graph:
    """The graph `edit` of an exported model, whose edits are within `limits (3,)`."""
    first = next(actor.body.children())
    assert isinstance(first, nn.Linear)
    axes = {name: {0: BATCH} for name in ("features", "edit")}
    return Graph(_Best(actor, limits), {"features": torch.rand(2, first.in_features)}, ("edit",), axes)
