"""From the hidden state of the action token to a trajectory and a stop.

The trajectory is a diagonal Gaussian over T waypoints (x, y, yaw) in units of the model's scale: sampled in
training rollouts, its mean at test (VLingNav, arXiv 2601.08665, section 3). Stop is a logit of its own. Both
compute in float32 whatever the language model does: a waypoint in bfloat16 has steps of centimetres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LOG_STD = (-5.0, 1.0)  # bounds of the log-std


@dataclass
class Action:
    """What the head says for `B` action tokens.

    Attributes:
        mean, log_std: `(B, T, 3)`, in units of the model's scale.
        stop: `(B,)` logit.
    """

    mean: Tensor
    log_std: Tensor
    stop: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """`(B, T, 3)` drawn from the Gaussian."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return self.mean + self.log_std.exp() * noise

    def log_prob(self, trajectory: Tensor) -> Tensor:
        """`(B,)` log-density of `(B, T, 3)`."""
        z = (trajectory - self.mean) * torch.exp(-self.log_std)
        return (-0.5 * z**2 - self.log_std - 0.5 * math.log(2.0 * math.pi)).sum(dim=(1, 2))


class ActionHead(nn.Module):
    """`(B, width)` hidden states to an `Action` of `waypoints`."""

    def __init__(self, width: int, hidden: int, waypoints: int) -> None:
        super().__init__()
        self.waypoints = waypoints

        def mlp(outputs: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, outputs))

        self.trajectory, self.stop = mlp(waypoints * 6), mlp(1)

    def forward(self, hidden: Tensor) -> Action:
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            mean, log_std = self.trajectory(hidden).unflatten(-1, (2, self.waypoints, 3)).unbind(1)
            return Action(mean, log_std.clamp(*LOG_STD), self.stop(hidden).squeeze(-1))
