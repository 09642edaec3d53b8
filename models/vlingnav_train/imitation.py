"""Stage 1: the policy learns to do as the experts of its tasks would, in rounds of DAgger.

One dataset that grows, one network that goes on learning; after each round the network is exported and
drives the next one.
Loss: the paper's squared error on the trajectory, here with Huber's tails (where the expert may go left or
right, the mean of both is a wall), a Gaussian's likelihood for the spread alone, and cross-entropy for stop,
for whether to think, and for the words of the thought and the summary.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlingnav_datasets import Demonstration
from vlingnav_policy.memory import MemoryConfig
from vlingnav_policy.tokenizer import ACTION, PAD
from vlingnav_policy.types import TASKS
from vlingnav_sim.house import HouseConfig
from vlingnav_sim.tasks import TRAINING_SPLITS, for_training
from vlingnav_train import ranks
from vlingnav_train.checkpoint import Nano, commit
from vlingnav_train.demonstrations import (
    ALL_TASKS,
    Collection,
    DriverConfig,
    TaskMix,
    collect,
    read,
    read_all,
)
from vlingnav_train.export import export_model
from vlingnav_train.optimise import Board, OptimiserConfig, claim, means, optimise
from vlingnav_train.policy_network import PolicyNetwork, Prediction, Prompt
from vlingnav_train.samples import Demonstrations, SampleConfig
from vlingnav_train.sight_cache import SightCache
from vlingnav_train.tower import load_tower


@dataclass(frozen=True)
class Round:
    """One round: collect in `houses` new houses, perhaps in none, then train for `steps`.

    Attributes:
        episodes: in each house. policy_share: of the driving. lr: at the start of the round; it falls to a
            tenth.
        tasks: tasks and their splits, of those for training, that the episodes of all houses take in turn.

    Raises:
        ValueError: training may not use such a split.
    """

    houses: int
    steps: int
    policy_share: float
    episodes: int = 1
    lr: float = 5e-4
    tasks: TaskMix = ALL_TASKS

    def __post_init__(self) -> None:
        for task, split in self.tasks:
            if split not in TRAINING_SPLITS.get(task, ()):
                raise ValueError(f"training may not use split {split!r} of task {task!r}")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Round:
        """The round that `settings`, as in `settings.json`, asks for."""
        tasks = settings.get("tasks", ALL_TASKS)
        return cls(**{**settings, "tasks": tuple((task, split) for task, split in tasks)})


@dataclass(frozen=True)
class ImitationConfig:
    """Stage 1.

    Attributes:
        rounds: see `Round`.
        first_seed: houses are taken from here on, none twice; below 700 000.
        max_rooms: of a house.
        batch: samples a step. weight_decay: of AdamW.
        samples: how they are drawn.
        held_out: one house in so many is not learned from but tells how well the network generalises. It
            shares no factor with the tasks that take turns, or some of them would never be held out.
        start: `nano.pt` whose transformer goes on learning; without it one starts from nothing.
        also: folders of earlier trainings, from whose demonstrations it learns as well.

    Raises:
        ValueError: houses that are not for training.
    """

    rounds: tuple[Round, ...] = (
        Round(houses=700, steps=5000, policy_share=0.0),
        Round(houses=600, steps=4000, policy_share=0.7),
        Round(houses=700, steps=6000, policy_share=0.85),
    )
    first_seed: int = 100_000
    max_rooms: int = 4
    batch: int = 64
    weight_decay: float = 0.05
    samples: SampleConfig = field(default_factory=lambda: SampleConfig(forget=0.2, forget_notes=0.1))
    held_out: int = 13
    seed: int = 0
    start: str | None = None
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for_training(range(self.first_seed, self.first_seed + sum(each.houses for each in self.rounds)))

    @classmethod
    def of(cls, settings: dict[str, Any]) -> ImitationConfig:
        """The config that `settings`, as in `settings.json`, asks for; what they leave out is as it is here.

        Raises:
            TypeError: they name what there is not.
        """
        parts: dict[str, Any] = dict(settings)
        if "rounds" in parts:
            parts["rounds"] = tuple(Round.of(part) for part in parts["rounds"])
        if "samples" in parts:
            parts["samples"] = SampleConfig(**parts["samples"])
        if "also" in parts:
            parts["also"] = tuple(parts["also"])
        return cls(**parts)


def losses(network: PolicyNetwork, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts of the loss on `batch`, each a scalar; computed in bfloat16 on the network's device."""
    device = next(network.parameters()).device
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    prompt = Prompt(**{field.name: batch[field.name] for field in fields(Prompt)})
    answer, rows = batch["answer"], torch.arange(len(batch["answer"]), device=device)
    last = (answer != PAD).sum(dim=1) - 1  # the action token
    with torch.autocast(device.type, torch.bfloat16):
        hidden = network(prompt, answer)
        prediction = network.predict(hidden[rows, last])
        said = network.vocabulary(hidden[:, :-1])
    text = text_losses(said.float(), answer, batch["think_weight"])
    return {**action_losses(prediction, batch), **text}


def text_losses(said: Tensor, answer: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Cross-entropies of whether to think, and of the words if there are any.

    Args:
        said: `(B, S - 1, V)` logits of what follows each token of `answer` `(B, S)`.
        weight: `(B,)` of each sample in the first of them. Steps with a thought are drawn more often than
            they occur; by their weight the network learns how often they do.
    """
    target = answer[:, 1:]
    wrong = F.cross_entropy(said.transpose(1, 2), target, reduction="none")
    words = (target != PAD) & (target != ACTION)
    words[:, 0] = False
    parts = {"think": 0.2 * (wrong[:, 0] * weight).sum() / weight.sum()}
    if words.any():
        parts["words"] = 0.3 * (wrong * words).sum() / words.sum()
    return parts


def action_losses(prediction: Prediction, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of trajectory, stop, and where the target is."""
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


@torch.no_grad()
def evaluate(network: PolicyNetwork, data: Demonstrations, batch: int, steps: int = 30) -> dict[str, float]:
    """Mean losses on `steps` batches of `data`."""
    network.eval()
    return means([losses(network, b) for b in data.stream(batch, steps, seed=(0,))])


def _start(config: ImitationConfig, tower_file: Path) -> Nano:
    sizes, tower, language, goal = load_tower(tower_file)
    # The budget leaves room for the last thought within `notes.PATCHES`.
    nano = Nano.untrained(sizes, memory=MemoryConfig(budget=160))
    if config.start is not None:
        nano.policy.load_state_dict(Nano.load(Path(config.start)).policy.state_dict())
    return replace(nano, tower=tower, language=language, goal=goal)


def train_imitation(config: ImitationConfig, tower_file: Path, out: Path) -> None:
    """All rounds, on a GPU where there is one, in all processes that `torchrun` started.

    `out` holds the demonstrations, what is seen in them, and after each round the exported model, `nano.pt`,
    `log.json` and the curves; `round<N>.pt` are kept, for the last one need not be the best. Cut off, it goes
    on from there: no house is collected twice, no finished round learned again, and one in its middle since
    its last 500 steps.

    Raises:
        ValueError: `out` holds another training, or see `load_tower`.
    """
    ranks.start()
    torch.manual_seed(config.seed)
    nano = _start(config, tower_file)
    claim(out, {"imitation": asdict(config), "network": asdict(nano.config)})
    data = Demonstrations(nano.history, nano.memory, nano.config.scale, config.samples)
    held_out = {task: Demonstrations(nano.history, nano.memory, nano.config.scale) for task in TASKS}
    see = SightCache(nano, out / "seen")

    def add(demonstration: Demonstration) -> None:
        part = held_out[demonstration.task] if demonstration.house % config.held_out == 0 else data
        for each in (demonstration, demonstration.mirrored()):
            part.add(each, *see(each))

    learned = {*nano.tasks, *(task for this in config.rounds if this.houses for task, _ in this.tasks)}
    for folder in config.also:
        for demonstration in read_all(Path(folder)):
            add(demonstration)
            learned.add(demonstration.task)
    nano.tasks = tuple(task for task in TASKS if task in learned)
    board, first = Board(out / "board"), config.first_seed
    log: list[dict[str, Any]] = []
    for number, this in enumerate(config.rounds):
        seeds, first = range(first, first + this.houses), first + this.houses
        begun = len(data)
        if ranks.rank() == 0:
            if not (out / "manifest.json").is_file() or number:
                export_model(out, nano)  # even untrained it sees: round 0 is encoded with it
            collect(seeds, _collection(config, this, number, out), f"round {number}")
        ranks.wait()
        success: dict[str, list[bool]] = {}
        for demonstration in read(out, number, seeds):
            add(demonstration)
            success.setdefault(demonstration.task, []).append(demonstration.success)
        rates = {task: round(float(np.mean(ended)), 3) for task, ended in success.items()}
        done = out / f"round{number}.pt"
        if done.is_file():
            kept = Nano.load(done)
            nano.policy.load_state_dict(kept.policy.state_dict())
            log = list(kept.training["rounds"])
            continue
        if ranks.rank() == 0:
            print(f"round {number}: {len(data) - begun} new steps, driver's success {rates}", flush=True)
        loss = _learn(nano.policy, data, config, number, out, board)
        parts = {task: part for task, part in held_out.items() if len(part)}
        unseen = {task: evaluate(nano.policy, part, config.batch) for task, part in parts.items()}
        nano.policy.cpu()
        driven = {"samples": len(data), "driver_success": rates}
        log = [*log, {**asdict(this), **driven, "loss": loss, "held_out": unseen}]
        nano.training = {"commit": commit(), "config": asdict(config), "rounds": log}
        if ranks.rank() == 0:
            print(f"round {number}: held out {unseen}", flush=True)
            for task, figures in unseen.items():
                board.write(f"held_out/{task}", figures, number)
            (out / "log.json").write_text(json.dumps(log, indent=1) + "\n")
            for file in (out / "nano.pt", done):
                nano.save(file)
        ranks.wait()
    if ranks.rank() == 0:
        export_model(out, nano)


def _collection(config: ImitationConfig, this: Round, number: int, out: Path) -> Collection:
    driver = DriverConfig(policy_share=this.policy_share)
    house = HouseConfig(max_rooms=config.max_rooms)
    return Collection(out, number, this.episodes, this.tasks, driver, house)


def _learn(
    network: PolicyNetwork,
    data: Demonstrations,
    config: ImitationConfig,
    number: int,
    out: Path,
    board: Board,
) -> dict[str, float]:
    this = config.rounds[number]
    size = max(1, config.batch // ranks.count())
    seed = config.seed, number, ranks.rank()
    network.to(ranks.device())
    return optimise(
        network,
        lambda batch: losses(network, batch),
        lambda first: data.stream(size, this.steps, seed, first),
        OptimiserConfig(this.steps, this.lr, config.weight_decay),
        out / f"round{number}.state",
        board,
    )
