"""Stage 0: vision tower, language encoder and image query learn to see and to name from simulated views.

Losses on every cell: which classes, which colours, how far, and where the thing or the person asked for is.
The last makes cells, words and goal images agree on one space; after this stage all three are frozen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_sim.house import HouseConfig
from vlingnav_sim.tasks import for_training
from vlingnav_train import ranks
from vlingnav_train.networks import ImageQuery, LanguageEncoder, NanoConfig, VisionTower, similarity
from vlingnav_train.optimise import Board, OptimiserConfig, ahead, claim, optimise
from vlingnav_train.questions import TAUGHT, TESTED, Questions
from vlingnav_train.views import Views, collect
from vlingnav_train.vocabulary import CLASSES, COLOUR_NAMES, tokenizer


@dataclass(frozen=True)
class TowerConfig:
    """Stage 0.

    Attributes:
        houses: seeds of the houses to look at. per_house: views of each. held_out: validation houses.
        max_rooms: of a house. people: how many walk about in one.
        batch: views a step. steps: of the optimiser. lr: peak learning rate. weight_decay: of AdamW.

    Raises:
        ValueError: houses that are not for training.
    """

    houses: tuple[int, int] = (0, 2400)
    per_house: int = 25
    held_out: int = 40
    max_rooms: int = 6
    people: tuple[int, int] = (0, 4)
    batch: int = 64
    steps: int = 10_000
    lr: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for_training(range(*self.houses))


class Stage0(nn.Module):
    """All that learns in stage 0; the heads are what is asked of the cells, and thrown away after it."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.tower = VisionTower(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.language = LanguageEncoder(len(tokenizer()), config)
        self.goal = ImageQuery(config)
        self.classes = nn.Conv2d(config.channels, len(CLASSES), 1)
        self.colours = nn.Conv2d(config.channels, len(COLOUR_NAMES), 1)
        self.depth = nn.Conv2d(config.channels, 1, 1)
        nn.init.zeros_(self.language.words.weight)  # a word that is never taught changes nothing

    def queries(self, cells: Tensor, words: Tensor, pictures: Tensor) -> Tensor:
        """Queries `(B, Q, C + 1)`: for questions in `words (B, Q', W)`, then those with `pictures (B, P)`."""
        told = self.language(words.flatten(0, 1)).unflatten(0, words.shape[:2])
        return torch.cat([told, self.goal(cells)[pictures]], dim=1)


def augment(image: Tensor, seed: int) -> Tensor:
    """Random brightness, contrast and noise on `(B, H, W, 3)` uint8 images."""
    b, x = len(image), image.float()
    generator = torch.Generator(image.device).manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(b, *shape, generator=generator, device=image.device)

    gain = 0.7 + 0.6 * random(1, 1, 1)
    tint = 0.92 + 0.16 * random(1, 1, 3)
    shift = 30.0 * (random(1, 1, 1) - 0.5)
    noise = 6.0 * random(1, 1, 1) * torch.randn(x.shape, generator=generator, device=image.device)
    return (x * gain * tint + shift + noise).clamp(0, 255).to(torch.uint8)


def losses(networks: Stage0, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts of the loss on a batch of `Questions`; in bfloat16 on the networks' device."""
    device = networks.depth.weight.device
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    with torch.autocast(device.type, torch.bfloat16):
        cells = networks.tower(augment(batch["rgb"], int(batch["seed"])))
        found = similarity(cells, networks.queries(cells, batch["words"], batch["pictures"])).float()
        classes, colours = networks.classes(cells).float(), networks.colours(cells).float()
        log_depth = networks.depth(cells).float().squeeze(1)
    truth = batch["truth"]
    wrong = F.binary_cross_entropy_with_logits(found, truth, reduction="none")
    return {
        "ground": 10.0 * (wrong * (1.0 + truth)).mean(),
        "classes": F.cross_entropy(classes, batch["classes"]),
        "colours": F.cross_entropy(colours, batch["colours"]),
        "depth": F.l1_loss(log_depth, batch["depth"].clamp(0.1, 10.0).log()),
    }


@torch.no_grad()
def evaluate(networks: Stage0, views: Views, batches: int = 12, seed: int = 1) -> dict[str, float]:
    """How well cells and queries agree on `views`.

    Returns:
        For each kind of question in `TESTED` the average precision over all cells; "false alarms" is the
        share of known things that are absent and yet light up four cells or more; "classes" is that of the
        cells of which the prevailing class is told right.
    """
    networks.eval().cpu()
    questions, rng = Questions(views), np.random.default_rng(seed)
    scores: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in TESTED}
    truths: dict[str, list[NDArray[np.bool_]]] = {kind: [] for kind in TESTED}
    right, alarms = [], []
    for _ in range(batches):
        index = questions.draw(64, rng)
        cells = networks.tower(torch.from_numpy(views.rgb[index]))
        for kind in TESTED:
            asked = questions.ask(kind, index, TAUGHT.get(kind, 4), rng)
            if asked.words is None:
                queries = networks.goal(cells)[torch.from_numpy(asked.pictures)]
            else:
                words = torch.from_numpy(asked.words)
                queries = networks.language(words.flatten(0, 1)).unflatten(0, words.shape[:2])
            found = similarity(cells, queries).numpy()
            scores[kind].append(found.ravel())
            truths[kind].append((asked.truth > 0.25).ravel())
            if kind == "known":
                absent = ~asked.truth.any(axis=(2, 3))
                alarms.append(((found > 0.0).sum(axis=(2, 3)) >= 4)[absent])
        truth = torch.from_numpy(views.shares(index)[0]).argmax(dim=1)
        right.append((networks.classes(cells).argmax(dim=1) == truth).numpy())
    figures: dict[str, float] = {
        kind: average_precision(np.concatenate(scores[kind]), np.concatenate(truths[kind])) for kind in TESTED
    }
    figures["false alarms"] = float(np.concatenate(alarms).mean())
    figures["classes"] = float(np.mean(right))
    return {name: round(value, 4) for name, value in figures.items()}


def average_precision(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """Area under the curve of precision over recall; NaN where nothing is true."""
    ranked = truth[np.argsort(-scores)]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].mean()) if ranked.any() else float("nan")


def load_tower(file: Path) -> tuple[NanoConfig, VisionTower, LanguageEncoder, ImageQuery]:
    """The networks of stage 0 and their sizes, from its `tower.pt` or from the `nano.pt` of a policy.

    The image query is untrained where the file is from before there was one.

    Raises:
        ValueError: they were trained with other words than today's houses have, or their sizes are not said.
    """
    weights = torch.load(file, weights_only=True)
    if weights["words"] != list(tokenizer().words):
        raise ValueError(f"{file} was trained with other words than today's; train it again")
    if "config" not in weights:
        raise ValueError(f"{file} does not say the sizes of its networks; train it again")
    config = NanoConfig(**weights["config"])
    networks = VisionTower(config), LanguageEncoder(len(tokenizer()), config), ImageQuery(config)
    for name, network in zip(("tower", "language", "goal"), networks, strict=True):
        if name != "goal" or name in weights:
            network.load_state_dict(weights[name])
    return config, *networks


def train_tower(config: TowerConfig, network: NanoConfig, out: Path) -> dict[str, float]:
    """Look into houses and train, on a GPU where there is one, in all processes that `torchrun` started.

    `out` gets `tower.pt` and the curves. Cut off, it goes on from its last 500 steps.

    Returns:
        See `evaluate`, on held-out houses.

    Raises:
        ValueError: `out` holds another training.
    """
    ranks.start()
    torch.manual_seed(config.seed)
    claim(out, {"tower": asdict(config), "network": asdict(network)})
    house = HouseConfig(max_rooms=config.max_rooms, people=config.people)
    questions = Questions(collect(range(*config.houses), config.per_house, house))
    size = max(1, config.batch // ranks.count())

    def batches(first: int) -> Iterator[dict[str, Tensor]]:
        def batch(step: int) -> dict[str, Tensor]:
            return questions.batch(size, np.random.default_rng([config.seed, ranks.rank(), step]))

        return ahead(batch, range(first, config.steps))

    networks, board = Stage0(network).to(ranks.device()), Board(out / "board")
    optimise(
        networks,
        lambda batch: losses(networks, batch),
        batches,
        OptimiserConfig(config.steps, config.lr, config.weight_decay),
        out / "tower.state",
        board,
    )
    held_out = range(700_000, 700_000 + config.held_out)
    figures = evaluate(networks, collect(held_out, config.per_house, house))
    if ranks.rank() == 0:
        print(f"held out: {figures}", flush=True)
        board.write("held_out", figures, config.steps)
        states = {name: getattr(networks, name).state_dict() for name in ("tower", "language", "goal")}
        about = {"config": asdict(network), "words": list(tokenizer().words), "figures": figures}
        torch.save({**states, **about}, out / "tower.pt")
    return figures
