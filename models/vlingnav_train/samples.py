"""Samples for imitation: every step of all demonstrations, with the memory the robot would have had there."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlingnav_datasets import Demonstration
from vlingnav_policy.history import Frame, HistoryConfig, assemble, thin
from vlingnav_policy.nano import SIMILARITIES
from vlingnav_train.vocabulary import tokenizer


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
