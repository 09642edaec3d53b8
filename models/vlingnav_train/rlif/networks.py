"""A squashed Gaussian actor, and an ensemble of critics that is computed as one.

Ten small critics one after the other cost a CPU mostly the calls. Here their weights have a leading axis, and
one batched product serves all; `tests/train/test_rlif_learner.py` compares that with the loop.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOG_STD = (-20.0, 2.0)
"""Bounds of the actor's, those of RLPD's code; they only keep `exp` finite."""


class Actor(nn.Module):
    """A policy over actions in [-1, 1]: a Gaussian, squashed by tanh (Haarnoja et al. 2018, appendix C)."""

    def __init__(self, observation: int, action: int, width: int, layers: int) -> None:
        super().__init__()
        sizes = [observation] + [width] * layers
        hidden = [
            part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())
        ]
        self.body = nn.Sequential(*hidden)
        self.head = nn.Linear(width, 2 * action)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation `(B, A)` before squashing, for observations `(B, O)`."""
        mean, log_std = self.head(self.body(observation)).chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD)

    def sample(self, observation: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Actions `(B, A)` with a gradient, and their log-likelihoods `(B,)`."""
        mean, log_std = self(observation)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        raw = mean + log_std.exp() * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2.0 * math.pi)
        squash = 2.0 * (math.log(2.0) - raw - F.softplus(-2.0 * raw))  # log(1 - tanh²) without its overflow
        return raw.tanh(), (normal - squash).sum(dim=-1)

    def best(self, observation: Tensor) -> Tensor:
        """Actions `(B, A)` without noise."""
        return self(observation)[0].tanh()


class Critics(nn.Module):
    """`count` networks Q(s, a) with LayerNorm before each ReLU (Ball et al. 2023, section 4.2), as one."""

    def __init__(self, count: int, observation: int, action: int, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        sizes = [observation + action] + [width] * layers + [1]
        pairs = list(zip(sizes, sizes[1:], strict=False))
        # As torch begins with its Linear: uniform within one over the root of the inputs.
        self.weights = nn.ParameterList(_uniform((count, a, b), a) for a, b in pairs)
        self.biases = nn.ParameterList(_uniform((count, 1, b), a) for a, b in pairs)
        self.gains = nn.ParameterList(torch.ones(count, 1, width) for _ in range(layers))
        self.shifts = nn.ParameterList(torch.zeros(count, 1, width) for _ in range(layers))

    def forward(self, observation: Tensor, action: Tensor, members: Tensor | None = None) -> Tensor:
        """Values `(E, B)` of actions `(B, A)`, of all critics or of those numbered `members` `(E,)`."""

        def chosen(parameter: Tensor) -> Tensor:
            return parameter if members is None else parameter[members]

        count = len(self.weights[0]) if members is None else len(members)
        x = torch.cat([observation, action], dim=-1).expand(count, -1, -1)
        *hidden, last = [(chosen(w), chosen(b)) for w, b in zip(self.weights, self.biases, strict=True)]
        for (weight, bias), gain, shift in zip(hidden, self.gains, self.shifts, strict=True):
            x = F.layer_norm(torch.baddbmm(bias, x, weight), (self.width,))
            x = torch.addcmul(chosen(shift), x, chosen(gain)).relu()
        return torch.baddbmm(last[1], x, last[0]).squeeze(-1)


def _uniform(shape: tuple[int, ...], inputs: int) -> Tensor:
    return (2.0 * torch.rand(shape) - 1.0) / math.sqrt(inputs)
