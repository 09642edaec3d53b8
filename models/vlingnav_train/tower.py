"""Stage 0: vision tower and language encoder learn to see and to name, from the simulator's labels.

Four losses on every cell: which classes, which colours, how far, and where the thing asked for is. The last
makes tower and language encoder agree on one space; after this stage the tower is frozen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_sim.house import HouseConfig
from vlingnav_sim.tasks import for_training
from vlingnav_train.networks import ImageQuery, LanguageEncoder, NanoConfig, VisionTower, similarity
from vlingnav_train.views import Query, ViewBatches, Views, collect
from vlingnav_train.vocabulary import CLASSES, COLOUR_NAMES, instruction, tokenizer


@dataclass(frozen=True)
class TowerConfig:
    """Stage 0.

    Attributes:
        houses: seeds of the houses to look at. per_house: views of each. held_out: validation houses.
        batch: views a step. steps: of the optimiser. lr: peak learning rate. weight_decay: of AdamW.
        max_rooms: of a house.
        start: `tower.pt` to go on from; without it both start from nothing.

    Raises:
        ValueError: houses that are not for training.
    """

    houses: tuple[int, int] = (0, 1500)
    per_house: int = 30
    held_out: int = 40
    batch: int = 64
    steps: int = 4000
    lr: float = 2e-3
    weight_decay: float = 0.02
    max_rooms: int = 5
    seed: int = 0
    start: str | None = None

    def __post_init__(self) -> None:
        for_training(range(*self.houses))


class Heads(nn.Module):
    """What is asked of the cells in training and thrown away after it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.classes = nn.Conv2d(channels, len(CLASSES), 1)
        self.colours = nn.Conv2d(channels, len(COLOUR_NAMES), 1)
        self.depth = nn.Conv2d(channels, 1, 1)


def augment(image: Tensor, generator: torch.Generator) -> Tensor:
    """Random brightness, contrast and noise on `(B, H, W, 3)` uint8 images."""
    b = len(image)
    x = image.float()
    gain = 0.7 + 0.6 * torch.rand(b, 1, 1, 1, generator=generator)
    tint = 0.92 + 0.16 * torch.rand(b, 1, 1, 3, generator=generator)
    shift = 30.0 * (torch.rand(b, 1, 1, 1, generator=generator) - 0.5)
    noise = 6.0 * torch.rand(b, 1, 1, 1, generator=generator) * torch.randn(x.shape, generator=generator)
    return (x * gain * tint + shift + noise).clamp(0, 255).to(torch.uint8)


def query_ids(query: Query, rng: np.random.Generator) -> Tensor:
    """Instructions `(B, Q, W)` for the questions of a batch."""
    words = tokenizer()
    ids = [
        [
            words.encode(instruction(int(category), int(colour) if colour >= 0 else None, rng))
            for category, colour in zip(categories, colours, strict=True)
        ]
        for categories, colours in zip(query.category, query.colour, strict=True)
    ]
    return torch.from_numpy(np.array(ids))


@dataclass
class Grounding:
    """How well cells and words agree: average precision over all cells of held-out views."""

    average_precision: float
    class_accuracy: float


@torch.no_grad()
def evaluate(
    tower: VisionTower, language: LanguageEncoder, heads: Heads, views: Views, seed: int = 1
) -> Grounding:
    """Grounding on views the tower has not seen."""
    tower.eval()
    batches, rng = ViewBatches(views, seed=seed), np.random.default_rng(seed)
    scores, truths, right, total = [], [], 0.0, 0.0
    for _ in range(12):
        index, classes, _, query = batches.batch(64)
        cells = tower(torch.from_numpy(views.rgb[index]))
        logits = similarity(
            cells, language(query_ids(query, rng).flatten(0, 1)).unflatten(0, query.category.shape)
        )
        scores.append(logits.flatten().numpy())
        truths.append((query.mask > 0.25).flatten())
        truth = torch.from_numpy(classes).argmax(dim=1)
        right += float((heads.classes(cells).argmax(dim=1) == truth).float().sum())
        total += truth.numel()
    tower.train()
    return Grounding(average_precision(np.concatenate(scores), np.concatenate(truths)), right / total)


def average_precision(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """Area under the curve of precision over recall; NaN where nothing is true."""
    ranked = truth[np.argsort(-scores)]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].mean()) if ranked.any() else float("nan")


def load_tower(file: Path, config: NanoConfig) -> tuple[VisionTower, LanguageEncoder, ImageQuery]:
    """The networks of stage 0, from its `tower.pt` or from the `nano.pt` of a policy.

    Without stage 0b that of goal images is untrained. A `nano.pt` brings its own `config`.

    Raises:
        ValueError: they were trained with words that there are no more.
    """
    weights = torch.load(file, weights_only=True)
    words = tokenizer()
    missing = [word for word in weights["words"] if word not in words.words]
    if missing:
        raise ValueError(f"{file} was trained with words that are gone: {', '.join(missing)}; train it again")
    config = NanoConfig(**weights["config"]) if "config" in weights else config
    tower, language, goal = VisionTower(config), LanguageEncoder(len(words), config), ImageQuery(config)
    tower.load_state_dict(weights["tower"])
    if "goal" in weights:
        goal.load_state_dict(weights["goal"])
    known = weights["language"].pop("words.weight")
    language.load_state_dict(weights["language"], strict=False)
    with torch.no_grad():  # words it has not been taught change nothing
        language.words.weight.zero_()
        language.words.weight[words.ids(" ".join(weights["words"]))] = known[-len(weights["words"]) :]
    return tower, language, goal


def train_tower(config: TowerConfig, network: NanoConfig, out: Path) -> Grounding:
    """Collect views, train, and write `tower.pt` with both networks to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    houses = range(*config.houses)
    held_out = collect(
        range(700_000, 700_000 + config.held_out), config.per_house, HouseConfig(max_rooms=config.max_rooms)
    )
    views = collect(houses, config.per_house, HouseConfig(max_rooms=config.max_rooms))
    batches, rng = ViewBatches(views, seed=config.seed), np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    if config.start is None:
        tower, language = VisionTower(network), LanguageEncoder(len(tokenizer()), network)
    else:
        tower, language, _ = load_tower(Path(config.start), network)
    tower, heads = tower.to(memory_format=torch.channels_last), Heads(network.channels)  # type: ignore[call-overload]
    parameters = [*tower.parameters(), *language.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.lr, total_steps=config.steps, pct_start=0.1
    )
    begin = time.monotonic()
    for step in range(config.steps):
        index, classes, colours, query = batches.batch(config.batch)
        image = augment(torch.from_numpy(views.rgb[index]), generator)
        with torch.autocast("cpu", torch.bfloat16):
            cells = tower(image)
            queries = language(query_ids(query, rng).flatten(0, 1)).unflatten(0, query.category.shape)
            logits = similarity(cells, queries).float()
            class_logits, colour_logits = heads.classes(cells).float(), heads.colours(cells).float()
            log_depth = heads.depth(cells).float().squeeze(1)
        depth = torch.from_numpy(views.depth[index].astype(np.float32)).clamp(0.1, 10.0)
        mask = torch.from_numpy(query.mask)
        weight = 1.0 + mask
        ground = (F.binary_cross_entropy_with_logits(logits, mask, reduction="none") * weight).mean()
        what = F.cross_entropy(class_logits, torch.from_numpy(classes))
        colour = F.cross_entropy(colour_logits, torch.from_numpy(colours))
        far = F.l1_loss(log_depth, depth.log())
        loss = 10.0 * ground + what + colour + far
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == config.steps - 1:
            line = f"step {step} ground {ground:.4f} class {what:.3f} colour {colour:.3f} depth {far:.3f}"
            print(f"{line} {time.monotonic() - begin:.0f} s", flush=True)
        if step % 1000 == 999 or step == config.steps - 1:
            result = evaluate(tower, language, heads, held_out)
            print(
                f"held out: AP {result.average_precision:.3f}, classes {result.class_accuracy:.3f}",
                flush=True,
            )
            torch.save(
                {
                    "tower": tower.state_dict(),
                    "language": language.state_dict(),
                    "words": list(tokenizer().words),
                },
                out / "tower.pt",
            )
    return result
