"""Stage 1: the policy learns to do as the searching expert would, in rounds of DAgger.

One dataset that grows, one network that goes on learning; after each round the network is exported and
drives the next one.
Loss: the paper's squared error on the trajectory, here with Huber's tails (where the expert may go left or
right, the mean of both is a wall), a Gaussian's likelihood for the spread alone, and cross-entropy for stop.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_policy.history import HistoryConfig
from vlingnav_sim.house import HouseConfig
from vlingnav_train.checkpoint import Nano, commit
from vlingnav_train.demonstrations import DriverConfig, collect
from vlingnav_train.export import export_model
from vlingnav_train.networks import LanguageEncoder, NanoConfig, PolicyNetwork, Prediction, VisionTower
from vlingnav_train.samples import Demonstrations
from vlingnav_train.vocabulary import tokenizer


@dataclass(frozen=True)
class Round:
    """One round: collect in `houses` new houses, then train for `steps`.

    Attributes:
        episodes: in each house. policy_share: of the driving. lr: at the start of the round; it falls to a
            tenth.
    """

    houses: int
    steps: int
    policy_share: float
    episodes: int = 3
    lr: float = 5e-4


@dataclass(frozen=True)
class ImitationConfig:
    """Stage 1.

    Attributes:
        rounds: see `Round`.
        first_seed: houses are taken from here on, none twice; below 700 000.
        max_rooms: of a house.
        batch: samples a step. weight_decay: of AdamW.
        forget: share of the old frames that a sample lacks, drawn anew each time: no single one may be what a
            house is recognised by.
        held_out: one house in so many is not learned from but tells how well the network generalises.
    """

    rounds: tuple[Round, ...] = (
        Round(houses=350, steps=5000, policy_share=0.0),
        Round(houses=250, steps=4000, policy_share=0.7),
        Round(houses=300, steps=5000, policy_share=0.85),
    )
    first_seed: int = 100_000
    max_rooms: int = 4
    batch: int = 64
    weight_decay: float = 0.05
    forget: float = 0.1
    held_out: int = 12
    seed: int = 0


def losses(prediction: Prediction, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts of the loss, each a scalar."""
    mean, log_std = prediction.mean.float(), prediction.log_std.float()
    target, moving = batch["trajectory"], 1.0 - batch["stop"]
    error = F.smooth_l1_loss(mean, target, beta=0.1, reduction="none").mean(dim=(1, 2))
    deviation = (target - mean.detach()) ** 2 * torch.exp(-2.0 * log_std)
    spread = (0.5 * deviation + log_std).mean(dim=(1, 2))
    found, truth = prediction.found.float(), batch["found"]
    where = (F.l1_loss(found[:, 1:3], truth[:, 1:3], reduction="none").mean(dim=1) * truth[:, 0]).mean()
    seen = F.binary_cross_entropy_with_logits(found[:, [0, 3]], truth[:, [0, 3]])
    return {
        "trajectory": (error * moving).mean(),
        "spread": 0.02 * (spread * moving).mean(),
        "stop": 0.5 * F.binary_cross_entropy_with_logits(prediction.stop.float(), batch["stop"]),
        "found": 0.2 * (where + seen),
    }


def predict(network: PolicyNetwork, batch: dict[str, Tensor]) -> tuple[Prediction, dict[str, Tensor]]:
    """The prediction for a batch in bfloat16, and the batch on the network's device."""
    device = next(network.parameters()).device
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    with torch.autocast(device.type, torch.bfloat16):
        inputs = (batch[name] for name in ("words", "tokens", "meta", "used", "velocity"))
        return network(*inputs), batch


@torch.no_grad()
def evaluate(network: PolicyNetwork, data: Demonstrations, batch: int, steps: int = 30) -> dict[str, float]:
    """Mean losses on `steps` batches of `data`; empty if it is."""
    if not len(data):
        return {}
    network.eval()
    totals = [losses(*predict(network, b)) for b in data.stream(batch, steps)]
    return {name: round(float(torch.stack([t[name] for t in totals]).mean()), 4) for name in totals[0]}


def train_round(
    network: PolicyNetwork, data: Demonstrations, config: ImitationConfig, this: Round
) -> dict[str, float]:
    """Train for one round; returns the mean losses of its last 200 steps."""
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=this.lr, weight_decay=config.weight_decay)
    warm_up = (
        max(1, this.steps // 20) + 0.5
    ) / this.steps  # never a whole step: a phase of none divides by it
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, this.lr, total_steps=this.steps, pct_start=warm_up, final_div_factor=4.0
    )
    recent: deque[dict[str, Tensor]] = deque(maxlen=200)

    def means() -> dict[str, float]:
        return {name: round(float(torch.stack([r[name] for r in recent]).mean()), 4) for name in recent[0]}

    begin = time.monotonic()
    for step, batch in enumerate(data.stream(config.batch, this.steps)):
        parts = losses(*predict(network, batch))
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent.append({name: part.detach() for name, part in parts.items()})
        if step % 200 == 199 or step == this.steps - 1:
            print(f"step {step + 1}/{this.steps} {means()} {time.monotonic() - begin:.0f} s", flush=True)
    return means()


def load_tower(file: Path, config: NanoConfig) -> tuple[VisionTower, LanguageEncoder]:
    """The two networks of stage 0.

    Raises:
        ValueError: they were trained with other words.
    """
    weights = torch.load(file, weights_only=True)
    if weights["words"] != list(tokenizer().words):
        raise ValueError(f"{file} was trained with other words than today's; train the tower again")
    tower, language = VisionTower(config), LanguageEncoder(len(tokenizer()), config)
    tower.load_state_dict(weights["tower"])
    language.load_state_dict(weights["language"])
    return tower, language


def train_imitation(config: ImitationConfig, network_config: NanoConfig, tower_file: Path, out: Path) -> None:
    """All rounds, on a GPU where there is one.

    The exported model, `nano.pt` and `log.json` are in `out` after each round; `round<N>.pt` are kept, for
    the last one need not be the best.
    """
    torch.manual_seed(config.seed)
    tower, language = load_tower(tower_file, network_config)
    nano = Nano(
        network_config, HistoryConfig(), tower, language, PolicyNetwork(len(tokenizer()), network_config)
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = Demonstrations(nano.history, network_config.scale, config.seed, config.forget)
    held_out = Demonstrations(nano.history, network_config.scale, config.seed)
    log: list[dict[str, object]] = []
    seed = config.first_seed
    export_model(out, nano)  # untrained, but it already sees: the expert's episodes are encoded with it
    for number, this in enumerate(config.rounds):
        driver = DriverConfig(policy_share=this.policy_share)
        seeds = range(seed, seed + this.houses)
        seed += this.houses
        success, before = [], len(data)
        house = HouseConfig(max_rooms=config.max_rooms)
        for demonstration in collect(seeds, this.episodes, out, driver, house, f"round {number}"):
            (held_out if demonstration.house % config.held_out == 0 else data).add(demonstration)
            success.append(demonstration.success)
        print(
            f"round {number}: {len(data) - before} new steps, driver's success {np.mean(success):.2f}",
            flush=True,
        )
        figures = train_round(nano.policy.to(device), data, config, this)
        unseen = evaluate(nano.policy, held_out, config.batch)
        print(f"round {number}: held out {unseen}", flush=True)
        nano.policy.cpu()
        log.append(
            {
                **asdict(this),
                "samples": len(data),
                "driver_success": float(np.mean(success)),
                "loss": figures,
                "held_out": unseen,
            }
        )
        nano.training = {"commit": commit(), "config": asdict(config), "rounds": log}
        for name in ("nano.pt", f"round{number}.pt"):
            nano.save(out / name)
        export_model(out, nano)
        (out / "log.json").write_text(json.dumps(log, indent=1) + "\n")
