"""Episodes from which the tuner learns: many worlds at once, under the whole online filter.

The learner is itself a `Tuner`: it draws what the filter then uses, and keeps what it saw and said. So what
is trained is what will run, detours and hurry included, and no episode is unsafe, whatever is tried.

A robot is rewarded for coming nearer to its goal and for arriving; half of that is its own, half the mean of
the robots in sight, since making room is worth something to others only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Normal

from vlingnav_safety.multi.batch import Tuning
from vlingnav_safety.multi.evaluate import Online, Sight
from vlingnav_safety.multi.learned import Graph, graph, tuning
from vlingnav_safety.multi.tuner import View
from vlingnav_safety.multi.worlds import WorldConfig, arrived, generate, nearest_robots, scan
from vlingnav_train.safety.network import HIT_HEADS, PAIR_HEADS, TunerNetwork, to_batch

Array = NDArray[np.float64]

PROGRESS = 10.0  # per metre nearer to the goal
ARRIVAL = 2.0
HOLD = 8
"""Periods between two decisions. What changes every 30 ms would have no effect to learn from; what stays, but
counts as drawn anew in every period, can be guessed by the critic from how the robots move by then."""
SELF = 0.5  # the part of its own reward that a robot gets, the rest being the mean of its neighbours'


def likelihood(said: Tensor, mean: Tensor, log_std: Tensor, owner: Tensor, robots: int) -> Tensor:
    """Log-likelihood `(robots,)` of what was said on each robot's edges, all together."""
    each = Normal(mean, log_std.exp()).log_prob(said).sum(dim=1)
    return each.new_zeros(robots).index_add(0, owner, each)


@dataclass
class Explorer:
    """A tuner that says what the network says, and noise; remembers both, once in `HOLD` periods."""

    network: TunerNetwork
    graphs: list[Graph] = field(default_factory=list)
    said: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    likelihoods: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    _periods: int = 0
    _noise: tuple[Tensor, Tensor] = (torch.zeros(0), torch.zeros(0))

    @torch.no_grad()
    def __call__(self, view: View) -> Tuning:
        """Draw gains, shares and costs."""
        seen = graph(view)
        batch = to_batch([seen])
        pairs, hits, robot = self.network(*batch)
        log_std, decides = self.network.log_std, self._periods % HOLD == 0
        self._periods += 1
        if decides:
            worlds, robots, rays = view.hit_edges.shape[:3]
            noise = torch.randn(worlds, robots, robots, PAIR_HEADS)
            self._noise = noise, torch.randn(worlds, robots, rays, HIT_HEADS)
        noise, hit_noise = self._of_edges(view)
        said = pairs + noise * log_std[:PAIR_HEADS].exp()
        hit_said = hits + hit_noise * log_std[PAIR_HEADS:].exp()
        if decides:
            count = len(seen.nodes)
            self.graphs.append(seen)
            self.said.append((said, hit_said))
            self.likelihoods.append(
                likelihood(said, pairs, log_std[:PAIR_HEADS], batch.owner, count)
                + likelihood(hit_said, hits, log_std[PAIR_HEADS:], batch.hit_owner, count)
            )
            self.values.append(self.network.value(robot, view.nodes.shape[1]))
        return tuning(view, said.double().numpy(), hit_said.double().numpy())

    def _of_edges(self, view: View) -> tuple[Tensor, Tensor]:
        """Noise `(M, 3)` and `(H, 2)`: each robot's toward each other one, and toward each of its rays."""
        world, robot, place = np.nonzero(view.index >= 0)
        noise = self._noise[0][world, robot, view.index[world, robot, place]]
        return noise, self._noise[1][torch.from_numpy(np.isfinite(view.hit_edges[..., 0]))]


@dataclass(frozen=True)
class Rollout:
    """T decisions of N robots in all worlds together.

    Attributes:
        explorer: what was seen and said at each.
        rewards: `(T, N)` until the next.
        robots: of each world.
        arrived: share of the robots that have been at their goal.
        speed: how many seconds passed in all worlds together for each second here.
    """

    explorer: Explorer
    rewards: Array
    robots: int
    arrived: float
    speed: float


def play(network: TunerNetwork, config: WorldConfig, seeds: list[int]) -> Rollout:
    """One episode, of a multiple of `HOLD` periods, of one world for each seed."""
    scenes, explorer = generate(config, seeds), Explorer(network)
    control = Online(explorer).begin(config, scenes)
    state, last = scenes.state, scenes.state[..., :2]
    away, done = _away(state, scenes.goal), np.zeros(scenes.goal.shape[:2], bool)
    rewards, begin = [], time.perf_counter()
    for _ in range(config.steps):
        position = np.ascontiguousarray(state[..., :2])
        hits = scan(position, scenes.rectangles, config.rays, config.sensing)
        index = nearest_robots(position, config.neighbours, config.sensing)
        chosen = control(Sight(state, (position - last) / config.model.dt, hits, index))
        state, last = config.model.step(state, chosen), position
        now, there = _away(state, scenes.goal), arrived(config, state[..., :2], scenes.goal)
        # What happens at the goal after arriving counts for nothing.
        reward = np.where(done, 0.0, PROGRESS * (away - now) + ARRIVAL * there)
        rewards.append(_shared(reward, index).reshape(-1))
        away, done = now, done | there
    seconds = config.steps * config.model.dt * len(seeds)
    speed = seconds / (time.perf_counter() - begin)
    decisions = np.array(rewards).reshape(-1, HOLD, done.size).sum(axis=1)
    return Rollout(explorer, decisions, config.robots, float(done.mean()), speed)


def _away(state: Array, goal: Array) -> Array:
    return np.hypot(*np.moveaxis(goal - state[..., :2], -1, 0))


def _shared(reward: Array, index: NDArray[np.int64]) -> Array:
    """Half one's own, half the mean of those in sight, oneself among them."""
    world, there = np.arange(len(reward))[:, None, None], index >= 0
    others = np.where(there, reward[world, np.maximum(index, 0)], 0.0).sum(axis=-1)
    return SELF * reward + (1.0 - SELF) * (reward + others) / (1.0 + there.sum(axis=-1))
