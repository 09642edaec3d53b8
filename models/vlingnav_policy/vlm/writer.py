"""Prompts for one model, from words, metres and cells.

Knows the model's tokenizer and sizes and none of its weights: the running policy and the training write with
the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.history import Frame
from vlingnav_policy.memory import Entry, Memory
from vlingnav_policy.vlm import sequence
from vlingnav_policy.vlm.config import VLingNavConfig
from vlingnav_policy.vlm.sequence import Packed, Segment
from vlingnav_policy.vlm.text import Text


@dataclass(frozen=True)
class Writer:
    """Writes what a model reads.

    Attributes:
        config: of the model.
        text: its tokenizer.
        channels: of a cell.
        grid_positions: see `sequence.pack`.
    """

    config: VLingNavConfig
    text: Text
    channels: int
    grid_positions: bool

    def memory(self, entries: Iterable[Entry] = ()) -> Memory:
        """A memory counted in the model's tokens, empty but for `entries`."""
        return Memory(self.config.memory, self.text.count, entries)

    def instruction(self, text: str, goal: NDArray[np.floating[Any]] | None = None) -> list[Segment]:
        """The instruction, with the goal image's `(rows * columns, channels)` cells if it has one.

        Raises:
            ValueError: the tokenizer knows no word of it, it is too long, or it speaks of a goal image that
                is not there.
        """
        config = self.config
        words = text.replace(sequence.IMAGE_GOAL, " ").strip()
        if words and not self.text.encode(words):
            raise ValueError(f"the model knows no word of {words!r}; say it in the language of its training")
        image = None
        if goal is not None:
            image = sequence.goal_picture(goal, config.history.grid, config.goal_stride)
        return sequence.instruction(text, image, self.text.encode, self.text.tags, config.instruction_tokens)

    def prompt(self, memory: str, told: Sequence[Segment], frames: Sequence[Frame]) -> list[Segment]:
        """All that is read before answering: text of the memory, instruction, `frames` (oldest first)."""
        seen = sequence.frames_seen(frames, self.config.history)
        return sequence.prompt(memory, told, seen, self.text.encode)

    def pack(self, segments: Sequence[Segment]) -> Packed:
        """The arrays of a sequence."""
        return sequence.pack(segments, self.channels, self.grid_positions)

    def prompt_length(self, told: int) -> int:
        """Tokens of the longest prompt whose instruction and goal image have `told`."""
        history = self.config.history
        remembered = self.config.memory.budget + self.text.count("\n")
        return remembered + told + history.max_frames + history.capacity

    def longest(self) -> int:
        """Tokens of the longest prompt and answer there can be."""
        config = self.config
        goal = math.prod(sequence.pooled_grid(config.history.grid, config.goal_stride))
        tags = len(sequence.TAGS) - 2  # all but one indicator and the goal image's
        answer = config.thought_tokens + config.summary_tokens + tags
        return self.prompt_length(config.instruction_tokens + goal) + answer
