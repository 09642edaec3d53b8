"""The tuner as a network, with a critic: what `vlingnav_safety.multi.learned` computes, in torch.

The actor is shared by all robots and sees each robot's neighbourhood alone. The critic, which training alone
needs, is centralised (Yu et al. 2022, "MAPPO"): it also sees the mean of all robots of the world.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_safety.multi.learned import EDGE, HIT, LAYERS, NODE, Graph

PAIR_HEADS, HIT_HEADS = 3, 2  # gain, share, cost; gain, cost


class Batch(NamedTuple):
    """A `Graph` as tensors."""

    nodes: Tensor
    edges: Tensor
    owner: Tensor
    hits: Tensor
    hit_owner: Tensor


def to_batch(graphs: list[Graph]) -> Batch:
    """Several graphs as one: robots are counted on."""
    offsets = np.cumsum([0, *(len(graph.nodes) for graph in graphs)])
    owners = [graph.owner + offset for graph, offset in zip(graphs, offsets, strict=False)]
    hit_owners = [graph.hit_owner + offset for graph, offset in zip(graphs, offsets, strict=False)]
    return Batch(
        _float([graph.nodes for graph in graphs]),
        _float([graph.edges for graph in graphs]),
        torch.from_numpy(np.concatenate(owners)),
        _float([graph.hits for graph in graphs]),
        torch.from_numpy(np.concatenate(hit_owners)),
    )


def _float(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(np.float32))


class TunerNetwork(nn.Module):
    """Layers by the names of `learned.LAYERS`; the heads start near zero: at first nothing is tuned."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.edge_in, self.edge_out = nn.Linear(NODE + EDGE, width), nn.Linear(width, width)
        self.hit_in, self.hit_out = nn.Linear(NODE + HIT, width), nn.Linear(width, width)
        self.robot = nn.Linear(NODE + 2 * width, width)
        self.edge_head, self.hit_head = nn.Linear(2 * width, PAIR_HEADS), nn.Linear(2 * width, HIT_HEADS)
        self.critic = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.log_std = nn.Parameter(torch.zeros(PAIR_HEADS + HIT_HEADS))
        for head in (self.edge_head, self.hit_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(
        self, nodes: Tensor, edges: Tensor, owner: Tensor, hits: Tensor, hit_owner: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Heads `(M, 3)` of robots and `(H, 2)` of hits, and what the robots make of it all `(N, width)`."""
        told = F.relu(self.edge_out(F.relu(self.edge_in(torch.cat([nodes[owner], edges], dim=1)))))
        hit = F.relu(self.hit_out(F.relu(self.hit_in(torch.cat([nodes[hit_owner], hits], dim=1)))))
        means = [_mean(told, owner, nodes), _mean(hit, hit_owner, nodes)]
        robot = F.relu(self.robot(torch.cat([nodes, *means], dim=1)))
        pairs = self.edge_head(torch.cat([robot[owner], told], dim=1))
        return pairs, self.hit_head(torch.cat([robot[hit_owner], hit], dim=1)), robot

    def value(self, robot: Tensor, robots: int) -> Tensor:
        """Values `(N,)` of worlds of `robots` each."""
        world = robot.view(-1, robots, robot.shape[1]).mean(dim=1).repeat_interleave(robots, dim=0)
        return self.critic(torch.cat([robot, world], dim=1)).squeeze(1)

    def weights(self) -> dict[str, np.ndarray]:
        """What the actor's layers hold, by the names that `LearnedTuner` reads."""
        wanted = {f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")}
        return {name: value.numpy() for name, value in self.state_dict().items() if name in wanted}


def _mean(messages: Tensor, owner: Tensor, nodes: Tensor) -> Tensor:
    """Mean of each robot's messages; zero for one that has none.

    By scatter_add, since index_add is exported wrongly where an index comes twice.
    """
    wide = owner.unsqueeze(1).expand(-1, messages.shape[1])
    total = nodes.new_zeros(nodes.shape[0], messages.shape[1]).scatter_add(0, wide, messages)
    count = nodes.new_zeros(nodes.shape[0]).scatter_add(0, owner, messages.new_ones(messages.shape[0]))
    return total / count.clamp(min=1.0).unsqueeze(1)
