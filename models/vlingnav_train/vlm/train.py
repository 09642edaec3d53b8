"""Trains VLingNav on a dataset of experts' episodes with thoughts (VLingNav, arXiv 2601.08665, section 4).

The paper's stages 1 and 2, one config each. In both the vision tower is frozen (the backbone sees to it) and
all else learns: projector, language model, time token, head. Stage 1 is cross-entropy on the text alone;
stage 2 the mixed loss of `model`, half squared error on the trajectory and half cross-entropy. The paper
mixes open-world video and text into both; that data is not read here, so stage 1 learns when to think and
what to say from the same episodes. Its stage 3, reinforcement, is no part of this module.

Ran with the tiny test configurations on a CPU. The 4B and 7B presets have not been trained here, nor has
bfloat16 on a GPU; every process keeps weights, gradients and AdamW's moments in float32, 16 bytes a
parameter and unsharded: 64 GB for 4B, more than one 80 GB GPU has for 7B.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vlingnav_policy.vlm.config import VLingNavConfig
from vlingnav_train import ranks
from vlingnav_train.checkpoint import commit
from vlingnav_train.optimise import Board, OptimiserConfig, ahead, claim, means, optimise
from vlingnav_train.tower import load_tower
from vlingnav_train.vlm.batch import Batch, collate
from vlingnav_train.vlm.episodes import EpisodeSamples
from vlingnav_train.vlm.export import manifest_of, save_policy
from vlingnav_train.vlm.model import VLingNavModel


@dataclass(frozen=True)
class StageConfig:
    """One stage.

    Attributes:
        number: 1 or 2.
        drives: whether the head learns to drive; without, the text alone counts.
        steps: of the optimiser. batch: samples a step, of all processes together.
        at_once: samples that a process holds the activations of at a time; a larger batch is gone through in
            so many, each computed again in the backward pass.
        together: steps drawn of an episode at a time.
        lr: peak learning rate of what was pretrained. new_lr: of the parts that begin at random.
        warm_up: share of the steps until the peak. weight_decay: of AdamW.
        held_out: one house in so many is not learned from but tells how well the model generalises.

    Raises:
        ValueError: the learning rate cannot rise and fall in so few steps.
    """

    number: int
    drives: bool
    steps: int
    batch: int = 512
    at_once: int = 4
    together: int = 4
    lr: float = 1e-5
    new_lr: float = 1e-4
    warm_up: float = 0.03
    weight_decay: float = 0.0
    held_out: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(f"nothing can be trained for {self.steps} step; give 2 or more")


# Steps of stage 2 and batch are the paper's, on 128 GPUs; its learning rates are not known, and these are
# what LLaVA's family is tuned with.
STAGES = {
    1: StageConfig(1, drives=False, steps=5_000),
    2: StageConfig(2, drives=True, steps=20_000),
}


def losses(model: VLingNavModel, batches: Sequence[Batch], drives: bool) -> dict[str, Tensor]:
    """The parts of the loss on `batches`, as if they were one, each a scalar."""
    words = sum(int(batch.learn.sum()) for batch in batches)
    size = sum(len(batch.stop) for batch in batches)
    total: dict[str, Tensor] = {}
    with model.mixed_precision():
        for batch in batches:
            there = batch.to(model.device)
            parts = checkpoint(model, there, use_reentrant=False) if len(batches) > 1 else model(there)
            for name, part in parts.items():
                share = int(batch.learn.sum()) / words if name == "text" else len(batch.stop) / size
                total[name] = total[name] + share * part if name in total else share * part
    return total if drives else {"text": total["text"]}


def open_untrained(config: VLingNavConfig, tower: Path | None) -> VLingNavModel:
    """A VLingNav on the pretrained backbone that `config` names, in float32.

    Args:
        tower: `tower.pt` of stage 0 or `nano.pt`, the eyes of a backbone that has none.

    Raises:
        ValueError, OSError: see `open_backbone` and `load_tower`.
    """
    return VLingNavModel.open(config, None if tower is None else load_tower(tower)[1])


def train_vlm(
    stage: StageConfig, model: VLingNavModel, dataset: Path, out: Path, skip_damaged: bool = False
) -> dict[str, Any]:
    """Train `model`, on a GPU where there is one, in all processes that `torchrun` started.

    `out` becomes a policy (see `export`) and holds the curves. Cut off, it goes on from its last 500 steps as
    if it had not been.

    Returns:
        Mean losses of the last 200 steps, those on held-out houses if there are any, and what of the dataset
        was learned from and what not.

    Raises:
        DatasetError, ValueError: see `EpisodeSamples`, or `out` holds another training, or a finished one.
    """
    ranks.start()
    if (out / "manifest.json").is_file():
        raise ValueError(f"{out} holds a trained policy already; give another folder, or remove it")
    model.to(ranks.device())
    data = EpisodeSamples(dataset, model, stage.together, stage.held_out, skip_damaged)
    camera = data.camera
    about = {"vlm": asdict(stage), "model": asdict(model.config), "dataset": str(dataset.resolve())}
    claim(out, about)
    if ranks.rank() == 0:
        print(f"{dataset}: {len(data.episodes)} episodes, {data.steps:,} steps to learn from", flush=True)
        for reason in data.skipped.values():
            print(f"left out: {reason}", flush=True)
    size = max(1, stage.batch // ranks.count())

    def batches(first: int) -> Iterator[list[Batch]]:
        def batch(step: int) -> list[Batch]:
            return _draw(data, size, stage, np.random.default_rng([stage.seed, ranks.rank(), step]))

        return ahead(batch, range(first, stage.steps))

    board = Board(out / "board")
    config = OptimiserConfig(stage.steps, stage.lr, stage.weight_decay, stage.warm_up)
    figures: dict[str, Any] = {
        "loss": optimise(
            model,
            lambda batch: losses(model, batch, stage.drives),
            batches,
            config,
            out / f"stage{stage.number}.state",
            board,
            _groups(model, stage),
        )
    }
    if data.held_out:
        figures["held_out"] = evaluate(model, data, stage)
        board.write("held_out", figures["held_out"], stage.steps)
    figures |= {"episodes": len(data.episodes), "steps": data.steps, "skipped": list(data.skipped.values())}
    if ranks.rank() == 0:
        training = {"commit": commit(), "config": asdict(stage), "dataset": dataset.name, **figures}
        save_policy(model, manifest_of(model, data.tasks, camera, training), out)
    ranks.wait()
    return figures


@torch.no_grad()
def evaluate(
    model: VLingNavModel, data: EpisodeSamples, stage: StageConfig, batches: int = 8
) -> dict[str, float]:
    """Mean losses on samples of the held-out houses."""
    model.eval()
    draws = (_draw(data, stage.at_once, stage, np.random.default_rng([1, i]), True) for i in range(batches))
    return means([losses(model, draw, stage.drives) for draw in draws])


def _draw(
    data: EpisodeSamples, size: int, stage: StageConfig, rng: np.random.Generator, held_out: bool = False
) -> list[Batch]:
    samples = data.draw(size, rng, held_out)
    # Of about equal length together, for a batch is as long as its longest.
    samples.sort(key=lambda sample: len(sample.sequence))
    return [collate(samples[i : i + stage.at_once]) for i in range(0, size, stage.at_once)]


def _groups(model: VLingNavModel, stage: StageConfig) -> list[dict[str, Any]]:
    """What learns, for AdamW: the pretrained and the new parts, each with its learning rate."""
    old: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad or (name.startswith("head.") and not stage.drives):
            continue
        (old if name.startswith("backbone.model.") else new).append(parameter)
    return [{"params": old, "lr": stage.lr}, {"params": new, "lr": stage.new_lr}]
