"""Samples for imitation: every step of all demonstrations, with the memory the robot would have had there.

The memory of frames and that of words are replayed as the robot keeps them. Where the policy drove, memory
holds what it had written itself, not what it should have: DAgger for words. Now and then a sample lacks its
notes, and old frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_datasets import Demonstration
from vlingnav_policy.history import Frame, HistoryConfig, assemble, thin
from vlingnav_policy.memory import Memory, MemoryConfig
from vlingnav_policy.notes import Note, read_notes
from vlingnav_policy.sight import SIMILARITIES
from vlingnav_policy.tokenizer import (
    ACTION,
    ANSWER,
    END_SUMMARY,
    END_THINK,
    THINK_OFF,
    THINK_ON,
    WordTokenizer,
)
from vlingnav_train.optimise import ahead
from vlingnav_train.policy_network import GOAL_TOKENS
from vlingnav_train.vocabulary import tokenizer

LENGTH = 32
"""Sequences are made as long as a multiple of this."""


@dataclass(frozen=True)
class SampleConfig:
    """How samples are drawn.

    Attributes:
        forget: share of the old frames that a sample lacks, drawn anew each time: no single one may be what a
            house is recognised by.
        forget_notes: share of the samples without any memory in words, and of those without the last thought.
        stop, found, thought: how much more often than others a step is drawn at which to stop, at which the
            target has been seen, and at which to think. All are rare, and decide the episode.
        balance: of the tasks: at 0 each is drawn as often as it has steps, at 1 all are equally often.
    """

    forget: float = 0.0
    forget_notes: float = 0.0
    stop: float = 2.0
    found: float = 1.5
    thought: float = 6.0
    balance: float = 0.5


@dataclass
class Episode:
    """A demonstration and what the robot remembers at each of its steps.

    Attributes:
        kept: indices of the frames in memory. notes: what is in memory in words. answers: ids of the answer.
        goal: `(GOAL_TOKENS, C)` of the goal image, zeros without one.
    """

    demonstration: Demonstration
    frames: list[Frame]
    words: NDArray[np.int64]
    kept: list[list[int]]
    notes: list[tuple[Note, ...]]
    answers: list[tuple[int, ...]]
    goal: NDArray[np.float32]


def replay_notes(d: Demonstration, words: WordTokenizer, config: MemoryConfig) -> list[tuple[Note, ...]]:
    """What is in memory in words when each step of `d` begins, the last thought at the end."""
    memory, thought = Memory(config), None
    notes: list[tuple[Note, ...]] = []
    for i in range(len(d)):
        notes.append(notes[-1] if i else ())
        thoughts, summaries = (d.said, d.noted) if d.by_policy[i - 1] else (d.thoughts, d.summaries)
        if i and thoughts[i - 1]:
            memory.write(i, str(summaries[i - 1]))
            thought = Note(tuple(words.ids(thoughts[i - 1])), d.stamps[i - 1], d.poses[i - 1], thought=True)
            entries = (
                Note(tuple(words.ids(e.summary)), d.stamps[e.step - 1], d.poses[e.step - 1])
                for e in memory.entries
            )
            notes[-1] = (*entries, thought)
    return notes


def answer_ids(thought: str, summary: str, words: WordTokenizer) -> tuple[int, ...]:
    """The answer that a label asks for; see `policy_network`."""
    if not thought:
        return ANSWER, THINK_OFF, ACTION
    return (ANSWER, THINK_ON, *words.ids(thought), END_THINK, *words.ids(summary), END_SUMMARY, ACTION)


class Demonstrations:
    """Grows with every round; gives random batches."""

    def __init__(
        self,
        history: HistoryConfig,
        memory: MemoryConfig,
        scale: tuple[float, float, float],
        config: SampleConfig = SampleConfig(),
    ) -> None:
        self._history, self._memory, self._scale = history, memory, np.array(scale, np.float32)
        self._config, self._words = config, tokenizer()
        self._episodes: list[Episode] = []
        self._index: list[tuple[int, int]] = []
        self._weight: list[float] = []
        self._length: list[int] = []
        self._tasks: list[str] = []

    def __len__(self) -> int:
        return len(self._index)

    def add(
        self, demonstration: Demonstration, tokens: NDArray[np.float16], shown: NDArray[np.float16]
    ) -> None:
        """Add an episode; its memory is replayed so that every step sees what it would have kept then.

        Args:
            tokens: `(N, K, C)` visual tokens of its frames. shown: `(G, C)` of its goal image, if any.
        """
        d = demonstration
        frames = [Frame(tokens[i], d.stamps[i], d.poses[i], SIMILARITIES) for i in range(len(d))]
        kept: list[int] = []
        memory = []
        for i in range(len(d)):
            kept = [*kept, i]
            kept = [kept[k] for k in thin(d.stamps[kept].tolist(), self._history)]
            memory.append(kept)
        notes = replay_notes(d, self._words, self._memory)
        answers = [answer_ids(t, s, self._words) for t, s in zip(d.thoughts, d.summaries, strict=True)]
        goal = np.zeros((GOAL_TOKENS, tokens.shape[2]), np.float32)
        goal[: len(shown)] = shown
        config = self._config
        for i in range(len(d)):
            self._tasks.append(d.task)
            self._index.append((len(self._episodes), i))
            weight = config.stop if d.stops[i] else config.found if d.found[i, 0] else 1.0
            self._weight.append(weight * (config.thought if d.thoughts[i] else 1.0))
            # About how long the sequence will be.
            self._length.append(
                5 * len(memory[i]) + sum(len(n.ids) for n in notes[i]) // 4 + 2 * len(answers[i])
            )
        d = replace(d, frames=np.empty((len(d), 0, 0, 3), np.uint8))  # seen, and large
        words = self._words.encode(d.instruction)
        self._episodes.append(Episode(d, frames, words, memory, notes, answers, goal))

    def draw(self, size: int, steps: int, seed: Sequence[int]) -> NDArray[np.int64]:
        """Indices `(steps, size)` of samples, drawn by weight.

        Samples of about the same length share a batch, for a batch is as long as its longest.
        """
        weight, lengths, rng = np.array(self._weight), np.array(self._length), np.random.default_rng(seed)
        tasks = np.unique(self._tasks, return_inverse=True)[1]
        weight /= np.bincount(tasks, weight)[tasks] ** self._config.balance
        draws = rng.choice(len(weight), size=(steps, size), p=weight / weight.sum())
        for start in range(0, steps, 16):
            block = draws[start : start + 16].ravel()
            batches = block[np.argsort(lengths[block], kind="stable")].reshape(-1, size)
            draws[start : start + 16] = rng.permutation(batches)
        return draws

    def stream(
        self, size: int, steps: int, seed: Sequence[int], first: int = 0
    ) -> Iterator[dict[str, Tensor]]:
        """Random batches.

        Args:
            size: of a batch. steps: how many there are in all.
            seed: the same gives the same batches. first: batches left out at the beginning.
        """
        draws = self.draw(size, steps, seed)
        return ahead(lambda step: self.batch(draws[step], (*seed, step)), range(first, steps))

    def batch(self, indices: NDArray[np.int64], seed: Sequence[int] = (0,)) -> dict[str, Tensor]:
        """Inputs and targets of samples, cut to the longest; zeros are padding."""
        rng = np.random.default_rng(seed)
        rows: dict[str, list[NDArray[np.generic]]] = {}
        for sample in indices:
            episode, step = self._index[sample]
            for name, value in self._sample(episode, step, rng).items():
                rows.setdefault(name, []).append(np.asarray(value))
        lengths = {
            "words": max(int(np.count_nonzero(row)) for row in rows["words"]),
            "notes": max(int(np.count_nonzero(row[:, 0])) for row in rows["notes"]),
            "goal": max(int(row.any(axis=1).sum()) for row in rows["goal"]),
            "answer": max(len(row) for row in rows["answer"]),
        }
        # Together a little longer, so that there are few lengths: what was made for one, kernels and memory,
        # is used again; with hundreds of them the process grows until nothing is left.
        others = sum(lengths.values())
        lengths["tokens"] = -(-(others + max(int(used) for used in rows["used"])) // LENGTH) * LENGTH - others
        lengths |= {"notes_meta": lengths["notes"], "meta": lengths["tokens"]}
        for name, length in lengths.items():
            rows[name] = [_fitted(row, length) for row in rows[name]]
        return {name: torch.from_numpy(np.stack(value)) for name, value in rows.items()}

    def _sample(
        self, e: int, i: int, rng: np.random.Generator
    ) -> dict[str, NDArray[np.generic] | np.generic]:
        episode, forget = self._episodes[e], self._config
        d = episode.demonstration
        kept = [episode.frames[k] for k in episode.kept[i] if k == i or rng.random() >= forget.forget]
        tokens, meta, used = assemble(kept, self._history)
        no_memory, no_thought = rng.random(2) < forget.forget_notes
        notes = [n for n in episode.notes[i] if not (no_thought if n.thought else no_memory)]
        patches, notes_meta = read_notes(notes, d.stamps[i], d.poses[i])
        return {
            "words": episode.words,
            "notes": patches,
            "notes_meta": notes_meta,
            "tokens": tokens,
            "meta": meta,
            "used": np.int64(used),
            "velocity": d.velocities[i],
            "goal": episode.goal,
            "answer": np.array(episode.answers[i], np.int64),
            "think_weight": np.float32(1.0 / self._config.thought if d.thoughts[i] else 1.0),
            "trajectory": d.trajectories[i] / self._scale,
            "stop": np.float32(d.stops[i]),
            "found": d.found[i],
        }


def _fitted(row: NDArray[np.generic], length: int) -> NDArray[np.generic]:
    """`row` cut to `length`, or with zeros behind it."""
    return np.pad(row[:length], [(0, max(0, length - len(row))), *[(0, 0)] * (row.ndim - 1)])
