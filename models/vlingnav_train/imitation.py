"""Stage 1: the policy learns to do as the searching expert would, in rounds of DAgger.

One dataset that grows, one network that goes on learning; after each round the network is exported and
drives the next one.
Loss: the paper's squared error on the trajectory, here with Huber's tails (where the expert may go left or
right, the mean of both is a wall), a Gaussian's likelihood for the spread alone, and cross-entropy for stop.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_datasets import Demonstration
from vlingnav_policy.history import Frame, HistoryConfig, assemble, thin
from vlingnav_policy.nano import SIMILARITIES
from vlingnav_sim.house import HouseConfig
from vlingnav_train.checkpoint import Nano, commit
from vlingnav_train.demonstrations import DriverConfig, collect
from vlingnav_train.export import export_model
from vlingnav_train.networks import LanguageEncoder, NanoConfig, PolicyNetwork, Prediction, VisionTower
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
        Round(houses=300, steps=10000, policy_share=0.9),
    )
    first_seed: int = 100_000
    max_rooms: int = 4
    batch: int = 64
    weight_decay: float = 0.05
    forget: float = 0.1
    held_out: int = 12
    seed: int = 0


class TokenStore:
    """Visual tokens in files, for there are more than memory holds; they go when the store does."""

    CHUNK = 1 << 16  # steps a file

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vlingnav-tokens-")
        self._chunks: list[NDArray[np.float16]] = []
        self._used = 0

    def keep(self, tokens: NDArray[np.float16]) -> NDArray[np.float16]:
        """Write `(N, K, C)` tokens; returns them as they are read back."""
        if not self._chunks or self._used + len(tokens) > len(self._chunks[-1]):
            shape = (max(self.CHUNK, len(tokens)), *tokens.shape[1:])
            file = f"{self._folder.name}/{len(self._chunks)}"
            self._chunks.append(np.memmap(file, np.float16, "w+", shape=shape))
            self._used = 0
        kept = np.asarray(self._chunks[-1])[self._used : self._used + len(tokens)]
        kept[:] = tokens
        self._used += len(tokens)
        return kept


class Demonstrations:
    """Grows with every round; gives random batches."""

    def __init__(
        self, history: HistoryConfig, scale: tuple[float, float, float], seed: int, forget: float = 0.0
    ) -> None:
        self._store = TokenStore()
        self._history, self._scale, self._forget = history, np.array(scale, np.float32), forget
        self._rng = np.random.default_rng(seed)
        self._words = tokenizer()
        self._episodes: list[tuple[Demonstration, list[Frame], list[list[int]], NDArray[np.int64]]] = []
        self._index: list[tuple[int, int]] = []
        self._weight: list[float] = []

    def __len__(self) -> int:
        return len(self._index)

    def add(self, demonstration: Demonstration) -> None:
        """Add an episode; its memory is replayed so that every step sees what it would have kept then."""
        d = replace(demonstration, tokens=self._store.keep(demonstration.tokens))
        frames = [Frame(d.tokens[i], d.stamps[i], d.poses[i], SIMILARITIES) for i in range(len(d))]
        kept: list[int] = []
        memory = []
        for i in range(len(d)):
            kept = [*kept, i]
            kept = [kept[k] for k in thin(d.stamps[kept].tolist(), self._history)]
            memory.append(kept)
        episode = len(self._episodes)
        self._episodes.append((d, frames, memory, self._words.encode(d.instruction)))
        for i in range(len(d)):
            self._index.append((episode, i))
            # Stops are rare, and so is the moment the target is known; both decide the episode.
            self._weight.append(2.0 if d.stops[i] else 1.5 if d.found[i, 0] else 1.0)

    def draw(self, size: int, steps: int) -> NDArray[np.int64]:
        """Indices `(steps, size)` of samples, drawn by weight."""
        weight = np.array(self._weight)
        return self._rng.choice(len(weight), size=(steps, size), p=weight / weight.sum())

    def stream(self, size: int, steps: int) -> Iterator[dict[str, Tensor]]:
        """`steps` random batches, each put together while the last one is being learned.

        Samples of about as long a memory share a batch, for a batch is as long as its longest.
        """
        draws = self.draw(size, steps)
        for start in range(0, steps, 8):
            block = draws[start : start + 8].ravel()
            length = np.array([len(self._episodes[e][2][i]) for e, i in (self._index[s] for s in block)])
            batches = block[np.argsort(length, kind="stable")].reshape(-1, size)
            draws[start : start + 8] = self._rng.permutation(batches)
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[dict[str, Tensor]]] = deque()
            for indices in draws:
                waiting.append(pool.submit(self.batch, indices))
                if len(waiting) > 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def batch(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Inputs and targets of samples."""
        rows: dict[str, list[NDArray[np.generic]]] = {}
        for sample in indices:
            e, i = self._index[sample]
            d, frames, memory, words = self._episodes[e]
            kept = [frames[k] for k in memory[i] if k == i or self._rng.random() >= self._forget]
            tokens, meta, used = assemble(kept, self._history)
            values = {
                "words": words,
                "tokens": tokens,
                "meta": meta,
                "used": np.int64(used),
                "velocity": d.velocities[i],
                "trajectory": d.trajectories[i] / self._scale,
                "stop": np.float32(d.stops[i]),
                "found": d.found[i],
            }
            for name, value in values.items():
                rows.setdefault(name, []).append(value)
        longest = max(int(used) for used in rows["used"])
        for name in ("tokens", "meta"):
            rows[name] = [row[:longest] for row in rows[name]]
        return {name: torch.from_numpy(np.stack(value)) for name, value in rows.items()}


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
