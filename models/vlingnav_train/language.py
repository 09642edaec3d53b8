"""Stage 0b: more words, and goal images, for a tower that stays as it is.

A policy knows one tower, and learns anew if that changes. Here the language encoder learns anew and the
tower does not. Things keep the queries that they had (the old encoder is the
teacher), and their other names and the last clauses of routes get the same ones; people are found by their
clothes, and what a goal image shows by its cells, from labelled views. The new encoder begins from nothing
and is told of no pair in `UNSEEN_PAIRS`, so what it makes of those is its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_sim.house import HouseConfig
from vlingnav_sim.tasks import PHRASES, for_training
from vlingnav_train.networks import ImageQuery, LanguageEncoder, NanoConfig, VisionTower, similarity
from vlingnav_train.questions import TAUGHT, TESTED, Asked, Questions
from vlingnav_train.tower import average_precision, load_tower
from vlingnav_train.views import Views, collect
from vlingnav_train.vocabulary import CATEGORIES, COLOUR_NAMES, NO_COLOUR, tokenizer


@dataclass(frozen=True)
class LanguageConfig:
    """Stage 0b.

    Attributes:
        houses: seeds of the houses to look at. per_house: views of each. held_out: validation houses.
        people: how many walk about in a house. max_rooms: of a house.
        batch: views a step. questions: of each kind to a view. steps: of the optimiser.
        lr: peak learning rate. weight_decay: of AdamW.

    Raises:
        ValueError: houses that are not for training.
    """

    houses: tuple[int, int] = (0, 600)
    per_house: int = 25
    held_out: int = 40
    people: tuple[int, int] = (2, 4)
    max_rooms: int = 5
    batch: int = 32
    questions: int = 8
    steps: int = 6000
    lr: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for_training(range(*self.houses))


@torch.no_grad()
def look(tower: VisionTower, views: Views) -> Tensor:
    """The cells `(N, C, h, w)` float16 of all views."""
    tower.eval()
    images = torch.from_numpy(views.rgb)
    return torch.cat([tower(images[i : i + 64]).half() for i in range(0, len(images), 64)])


@torch.no_grad()
def teach(language: LanguageEncoder) -> Tensor:
    """The queries `(K, M, C + 1)` that a language encoder has for things; the last colour is none."""
    language.eval()
    words = tokenizer()
    names = [
        name if colour == NO_COLOUR else f"{COLOUR_NAMES[colour]} {name}"
        for name in CATEGORIES
        for colour in range(len(COLOUR_NAMES))
    ]
    ids = np.array([words.encode(PHRASES[0].format(name)) for name in names])
    return language(torch.from_numpy(ids)).unflatten(0, (len(CATEGORIES), len(COLOUR_NAMES)))


def queries(asked: Asked, language: nn.Module, goal: nn.Module, cells: Tensor) -> Tensor:
    """What the networks make of questions: `(B, Q, C + 1)`; `cells` are those of all views."""
    if asked.words is None:
        pictures = torch.from_numpy(asked.pictures)
        return goal(cells[pictures.flatten()].float()).unflatten(0, pictures.shape)
    return language(asked.words.flatten(0, 1)).unflatten(0, asked.words.shape[:2])


@torch.no_grad()
def evaluate(
    views: Views, cells: Tensor, language: LanguageEncoder, goal: ImageQuery, seed: int = 1
) -> dict[str, float]:
    """Average precision over all cells of `views`, for each kind of question in `TESTED`."""
    language.eval()
    goal.eval()
    questions, figures = Questions(views, 8, seed), {}
    for kind in TESTED:
        rng, scores, truths = np.random.default_rng(seed), [], []
        for _ in range(12):
            index = rng.integers(len(views), size=64)
            asked = questions.ask(kind, index)
            found = similarity(cells[index].float(), queries(asked, language, goal, cells))
            scores.append(found.flatten().numpy())
            truths.append((asked.truth > 0.25).flatten().numpy())
        figures[kind] = round(average_precision(np.concatenate(scores), np.concatenate(truths)), 4)
    language.train()
    goal.train()
    return figures


def train_language(config: LanguageConfig, source: Path, network: NanoConfig, out: Path) -> dict[str, Any]:
    """Teach words and goal images, and write `source` with what was learned to `out`; all else stays.

    Args:
        source: `tower.pt` of stage 0, or a whole `nano.pt`.
        network: the sizes of a `tower.pt`; a `nano.pt` brings its own.

    Returns:
        Average precisions on validation houses by kind: of the encoder in `source`, and of the new one.
    """
    torch.manual_seed(config.seed)
    kept: Mapping[str, Any] = torch.load(source, weights_only=True)
    network = NanoConfig(**kept["config"]) if "config" in kept else network
    tower, old, _ = load_tower(source, network)
    house = HouseConfig(max_rooms=config.max_rooms, people=config.people)
    held_out = collect(range(700_000, 700_000 + config.held_out), config.per_house, house)
    views = collect(range(*config.houses), config.per_house, house)
    cells, unseen_cells, taught = look(tower, views), look(tower, held_out), teach(old)
    language, goal = LanguageEncoder(len(tokenizer()), network), ImageQuery(network)
    nn.init.zeros_(language.words.weight)  # so that a word which is never taught changes nothing
    before = evaluate(held_out, unseen_cells, old, goal)
    print(f"held out, before: {before}", flush=True)
    parameters = [*language.parameters(), *goal.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.lr, total_steps=config.steps, pct_start=0.1
    )
    questions, rng = Questions(views, config.questions, config.seed), np.random.default_rng(config.seed)
    begin = time.monotonic()
    for step in range(1, config.steps + 1):
        index = rng.integers(len(views), size=config.batch)
        seen, parts = cells[index].float(), {}
        for kind in TAUGHT:
            asked = questions.ask(kind, index)
            target = asked.truth
            if kind not in ("clothes", "image"):
                target = similarity(seen, taught[asked.things[..., 0], asked.things[..., 1]]).sigmoid()
            found = similarity(seen, queries(asked, language, goal, cells))
            wrong = F.binary_cross_entropy_with_logits(found, target, reduction="none")
            parts[kind] = (wrong * (1.0 + target)).mean()
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 200 == 0 or step == config.steps:
            line = " ".join(f"{kind} {part.item():.4f}" for kind, part in parts.items())
            print(f"step {step}/{config.steps} {line} {time.monotonic() - begin:.0f} s", flush=True)
    after = evaluate(held_out, unseen_cells, language, goal)
    print(f"held out, after: {after}", flush=True)
    learned = {"language": language.state_dict(), "goal": goal.state_dict(), "words": list(tokenizer().words)}
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**kept, **learned}, out)
    return {"before": before, "after": after}
