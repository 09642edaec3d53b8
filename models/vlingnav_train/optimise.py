"""The loop that every stage shares: batches in, AdamW on one cycle, resumed where it was cut off, logged.

A stage gives its networks, the parts of its loss, and a stream of batches that is the same each time it is
asked from the same step on; so a training that was killed goes on as if it had not been.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from vlingnav_train import ranks

T = TypeVar("T")
Losses = Callable[[Any], dict[str, Tensor]]
Stream = Callable[[int], Iterator[Any]]

REPORT, KEEP = 100, 500
"""Every so many steps the losses are reported, and all that resuming takes is kept."""


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW and its cycle.

    Attributes:
        steps: of the optimiser, all processes together doing each one.
        lr: peak of the learning rate. warm_up: share of the steps until then. weight_decay: of AdamW.
        end: what the learning rate falls to, as a share of where it began, itself a 25th of the peak.
        clip: largest norm of the gradient.
    """

    steps: int
    lr: float
    weight_decay: float
    warm_up: float = 0.05
    end: float = 0.25
    clip: float = 1.0


def ahead(make: Callable[[int], T], steps: range) -> Iterator[T]:
    """`make(step)` for each of `steps`, put together in a thread while the last one is being learned."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[T]] = deque()
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class Board:
    """Curves for TensorBoard in `folder`; of the first process only."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder)) if ranks.rank() == 0 else None

    def write(self, prefix: str, figures: dict[str, float], step: int) -> None:
        """Add a point to each curve."""
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(f"{prefix}/{name}", value, step)
            self._writer.flush()


def optimise(
    network: nn.Module,
    losses: Losses,
    batches: Stream,
    config: OptimiserConfig,
    state: Path,
    board: Board,
    groups: list[dict[str, Any]] | None = None,
) -> dict[str, float]:
    """Train `network` in place.

    Args:
        losses: the parts of the loss of a batch.
        batches: the stream from a step on.
        state: file to go on from if it is there; removed at the end.
        groups: what learns where that is not all, as AdamW takes it, some with a peak `lr` of their own.

    Returns:
        The mean of each part over the last 200 steps.
    """
    network.train()
    learning = groups or [{"params": list(network.parameters())}]
    optimiser = torch.optim.AdamW(learning, lr=config.lr, weight_decay=config.weight_decay)
    peaks = [group["lr"] for group in optimiser.param_groups]
    # Never a whole number of steps: a phase of none would be divided by.
    warm_up = (max(1, int(config.steps * config.warm_up)) + 0.5) / config.steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peaks, total_steps=config.steps, pct_start=warm_up, final_div_factor=1.0 / config.end
    )
    first = 0
    if state.is_file():
        kept = torch.load(state, map_location="cpu", weights_only=True)
        first = kept["step"]
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        if ranks.rank() == 0:
            print(f"{state.stem}: going on from step {first}", flush=True)
    recent: deque[dict[str, Tensor]] = deque(maxlen=200)
    begin = time.monotonic()
    for step, batch in enumerate(batches(first), start=first + 1):
        parts = losses(batch)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        ranks.average(network.parameters())
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimiser.step()
        schedule.step()
        recent.append({name: part.detach() for name, part in parts.items()})
        if ranks.rank() == 0 and (step % REPORT == 0 or step == config.steps):
            figures = means(recent)
            board.write(state.stem, {**figures, "lr": float(schedule.get_last_lr()[0])}, step)
            pace = (time.monotonic() - begin) / (step - first)
            print(f"{state.stem}: step {step}/{config.steps} {figures} {pace:.3f} s a step", flush=True)
        if ranks.rank() == 0 and step % KEEP == 0 and step < config.steps:
            kept = {"network": network, "optimiser": optimiser, "schedule": schedule}
            data = {name: thing.state_dict() for name, thing in kept.items()}
            new = state.with_suffix(".new")
            torch.save({**data, "step": step}, new)
            new.replace(state)
    if ranks.rank() == 0:
        state.unlink(missing_ok=True)
    return means(recent)


def means(parts: Iterable[dict[str, Tensor]]) -> dict[str, float]:
    """The mean of each part over the batches that have it."""
    values: dict[str, list[Tensor]] = {}
    for part in parts:
        for name, value in part.items():
            values.setdefault(name, []).append(value.detach())
    return {name: round(float(torch.stack(value).mean()), 4) for name, value in values.items()}


def claim(out: Path, settings: dict[str, Any]) -> None:
    """Make `out` the folder of a training with these settings, or of the same one cut off before.

    Raises:
        ValueError: it holds another training.
    """
    file, text = out / "settings.json", json.dumps(settings, indent=1) + "\n"
    if ranks.rank() == 0:
        out.mkdir(parents=True, exist_ok=True)
        if not file.is_file():
            file.write_text(text)
    ranks.wait()
    if file.read_text() != text:
        raise ValueError(f"{out} holds a training with other settings; give another folder, or remove it")
