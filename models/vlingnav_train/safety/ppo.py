"""Multi-agent proximal policy optimisation of the tuner (Schulman et al. 2017; Yu et al. 2022).

One robot at one decision is one sample: its action is everything it says about its edges, so that the
likelihoods of those add up. All robots share one actor, and what they learn in one world holds in all.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlingnav_safety.multi.worlds import WORLDS, WorldConfig
from vlingnav_train.safety.network import PAIR_HEADS, TunerNetwork, to_batch
from vlingnav_train.safety.rollout import Rollout, likelihood, play

CROWDS: tuple[WorldConfig, ...] = (
    replace(WORLDS["single"], robots=24, obstacles=2, area=1.8, steps=128),
    replace(WORLDS["double"], robots=24, obstacles=2, area=1.8, steps=128),
    replace(WORLDS["dubins"], robots=24, obstacles=2, area=1.8, steps=128),
)
"""Four times as crowded as what is measured: there the tuning matters."""


@dataclass(frozen=True)
class SafetyConfig:
    """Training of the tuner.

    Attributes:
        worlds: take turns.
        batch: worlds in a rollout.
        iterations: rollouts.
        epochs: how often each is learned from, in `parts`.
        gamma, trace: discount and GAE's lambda, from one decision to the next.
        clip: of the ratio of likelihoods.
        value_weight, entropy_weight: in the loss.
        first_seed: of the worlds; evaluation has those below 100 000.
        seed: of the network and the noise.
    """

    worlds: tuple[WorldConfig, ...] = CROWDS
    batch: int = 24
    iterations: int = 300
    epochs: int = 3
    parts: int = 4
    lr: float = 3e-3
    gamma: float = 0.9
    trace: float = 0.9
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 1e-3
    width: int = 32
    first_seed: int = 100_000
    seed: int = 0


def advantages(
    rewards: NDArray[np.float64], values: Tensor, gamma: float, trace: float
) -> tuple[Tensor, Tensor]:
    """GAE (Schulman et al. 2016) and returns, both `(T, N)`; the episode goes on after the last decision."""
    reward, advantage = torch.from_numpy(rewards).float(), torch.zeros_like(values)
    after, following = torch.zeros(values.shape[1]), values[-1]
    for t in reversed(range(len(values))):
        after = reward[t] + gamma * following - values[t] + gamma * trace * after
        advantage[t], following = after, values[t]
    return advantage, advantage + values


def update(
    network: TunerNetwork, optimiser: torch.optim.Optimizer, rollout: Rollout, config: SafetyConfig
) -> float:
    """Learn from one rollout; returns the mean loss."""
    told, robots = rollout.explorer, rollout.rewards.shape[1]
    values, before = torch.stack(told.values), torch.stack(told.likelihoods)
    advantage, returns = advantages(rollout.rewards, values, config.gamma, config.trace)
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    losses = []
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(values)).chunk(config.parts):
            batch = to_batch([told.graphs[t] for t in chosen])
            said = torch.cat([told.said[t][0] for t in chosen])
            hit_said = torch.cat([told.said[t][1] for t in chosen])
            pairs, hits, robot = network(*batch)
            count, log_std = robots * len(chosen), network.log_std
            now = likelihood(said, pairs, log_std[:PAIR_HEADS], batch.owner, count)
            now = now + likelihood(hit_said, hits, log_std[PAIR_HEADS:], batch.hit_owner, count)
            ratio = torch.exp(now - before[chosen].reshape(-1))
            gain = advantage[chosen].reshape(-1)
            surrogate = torch.min(ratio * gain, ratio.clamp(1 - config.clip, 1 + config.clip) * gain)
            missed = (network.value(robot, rollout.robots) - returns[chosen].reshape(-1)) ** 2
            loss = config.value_weight * missed.mean() - surrogate.mean()
            loss = loss - config.entropy_weight * log_std.sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimiser.step()
            losses.append(loss.item())
    return float(np.mean(losses))


def train(config: SafetyConfig, out: Path) -> TunerNetwork:
    """Train one network; `curve.json` in `out` is written after every rollout."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = TunerNetwork(config.width)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.lr)
    curve: list[dict[str, Any]] = []
    begin, seed = time.monotonic(), config.first_seed + 1_000_000 * config.seed
    for iteration in range(config.iterations):
        optimiser.param_groups[0]["lr"] = config.lr * (1.0 - iteration / config.iterations)
        world = config.worlds[iteration % len(config.worlds)]
        rollout = play(network, world, list(range(seed, seed + config.batch)))
        seed += config.batch
        loss = update(network, optimiser, rollout, config)
        curve.append(
            {
                "world": type(world.model).__name__,
                "reward": float(rollout.rewards.sum(axis=0).mean()),
                "arrived": rollout.arrived,
                "loss": loss,
                "std": network.log_std.exp().tolist(),
                "times_real_time": rollout.speed,
                "seconds": time.monotonic() - begin,
            }
        )
        (out / "curve.json").write_text(json.dumps(curve, indent=1) + "\n")
        print(f"seed {config.seed} {iteration + 1}/{config.iterations} {curve[-1]}", flush=True)
        torch.save({"config": asdict(config), "network": network.state_dict()}, out / "tuner.pt")
    return network
