"""Samples to padded tensors.

Padding is on the left, so that the action token is always the last one and a prompt goes on where it ends.
Positions are carried along and padding is masked: a sample means the same alone and in company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_policy.vlm.sequence import Packed, Segment, answer
from vlingnav_policy.vlm.writer import Writer

PAD = -1  # the kind of a token that is not there


@dataclass(frozen=True)
class Sample:
    """One decision to learn from.

    Attributes:
        sequence: prompt and answer.
        trajectory: `(T, 3)` waypoints x [m], y [m], yaw [rad] in the body frame.
        stop: the task is done here; the trajectory then counts for nothing, but has to be finite.
    """

    sequence: Packed
    trajectory: NDArray[np.float32]
    stop: bool


def write_sample(
    writer: Writer,
    prompt: Sequence[Segment],
    trajectory: NDArray[np.float32],
    stop: bool,
    thought: str | None = None,
    summary: str | None = None,
) -> Sample:
    """One decision to learn from; a thought is cut to what the model may say.

    Args:
        writer: of the model. prompt: what it reads.
        trajectory: `(T, 3)` [m, m, rad]. stop: the task is done.
        thought, summary: both, or neither where the model is not to think.
    """
    text, config = writer.text, writer.config
    thinks = None if thought is None else text.encode(thought)[: config.thought_tokens]
    keeps = None if summary is None else text.encode(summary)[: config.summary_tokens]
    said = answer(text.tags, thinks, keeps)
    return Sample(writer.pack([*prompt, *said]), trajectory, stop)


@dataclass
class Batch:
    """`B` sequences, padded to `L` tokens.

    Attributes:
        kinds: `(B, L)` int8, see `sequence`; `PAD` at the left.
        ids: `(B, L)`. learn: `(B, L)` bool. positions: `(3, B, L)`.
        ages: of all time tokens, sequence after sequence. cells: `(N, C)`, likewise.
        trajectory: `(B, T, 3)` [m, m, rad]. stop: `(B,)` float32. Both are empty in a prompt.
    """

    kinds: Tensor
    ids: Tensor
    learn: Tensor
    positions: Tensor
    ages: Tensor
    cells: Tensor
    trajectory: Tensor
    stop: Tensor

    @property
    def mask(self) -> Tensor:
        """`(B, L)` bool: where there is a token."""
        return self.kinds != PAD

    def to(self, device: torch.device) -> Batch:
        """The same on `device`."""
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)}
        return Batch(**moved)


def _padded(sequences: Sequence[Packed], length: int) -> dict[str, Tensor]:
    size = len(sequences)
    kinds = np.full((size, length), PAD, np.int8)
    ids, learn = np.zeros((size, length), np.int64), np.zeros((size, length), np.bool_)
    positions = np.zeros((3, size, length), np.int64)
    for row, sequence in enumerate(sequences):
        real = slice(length - len(sequence), length)
        kinds[row, real], ids[row, real], learn[row, real] = sequence.kinds, sequence.ids, sequence.learn
        positions[:, row, real] = sequence.positions
    ages = np.concatenate([sequence.ages for sequence in sequences])
    cells = np.concatenate([sequence.cells for sequence in sequences])
    arrays = {
        "kinds": kinds, "ids": ids, "learn": learn, "positions": positions, "ages": ages, "cells": cells
    }  # fmt: skip
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def collate(samples: Sequence[Sample]) -> Batch:
    """A batch as long as its longest sample."""
    sequences = [sample.sequence for sample in samples]
    return Batch(
        **_padded(sequences, max(len(sequence) for sequence in sequences)),
        trajectory=torch.from_numpy(np.stack([sample.trajectory for sample in samples]).astype(np.float32)),
        stop=torch.tensor([float(sample.stop) for sample in samples]),
    )


def prompt_batch(prompt: Packed, length: int) -> Batch:
    """One prompt, padded to `length`, which is no less than it has."""
    return Batch(**_padded([prompt], length), trajectory=torch.zeros(1, 0, 3), stop=torch.zeros(1))
