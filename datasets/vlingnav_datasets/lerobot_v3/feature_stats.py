"""Moments and quantiles of a column, as LeRobot normalises with: min, max, mean, std, count, q01 … q99.

What is unusual: pictures are counted, not kept. 256 bins a channel hold all that the statistics of 8-bit
pictures need, exactly and in the same memory for ten frames and for ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Stats = dict[str, Array]

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)


def vector_stats(values: NDArray[np.generic]) -> Stats:
    """Statistics of `(N, D)` numbers over N: arrays `(D,)`, and `count` `(1,)`."""
    numbers = values.astype(np.float64)
    stats = {
        "min": numbers.min(axis=0),
        "max": numbers.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
        "count": np.array([len(numbers)]),
    }
    quantiles = np.quantile(numbers, list(QUANTILES.values()), axis=0)
    return {**stats, **dict(zip(QUANTILES, quantiles, strict=True))}


class PictureStats:
    """Statistics of pictures per channel, on a scale from 0 to 1: arrays `(3, 1, 1)`."""

    def __init__(self) -> None:
        self._bins = np.zeros((3, 256), dtype=np.int64)
        self._count = 0

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Count the pixels of `(H, W, 3)`."""
        self._bins += [np.bincount(picture[..., channel].ravel(), minlength=256) for channel in range(3)]
        self._count += 1

    def result(self) -> Stats:
        """Statistics of what was added; `count` is in pictures, not in pixels."""
        levels = np.arange(256)
        total = self._bins.sum(axis=1)
        mean = self._bins @ levels / total
        variance = self._bins @ levels**2 / total - mean**2
        below = np.cumsum(self._bins, axis=1) / total[:, None]
        stats = {
            "min": np.argmax(self._bins > 0, axis=1),
            "max": 255 - np.argmax(self._bins[:, ::-1] > 0, axis=1),
            "mean": mean,
            "std": np.sqrt(np.maximum(variance, 0.0)),
            **{name: np.argmax(below >= q, axis=1) for name, q in QUANTILES.items()},
        }
        scaled = {name: (value / 255.0).reshape(3, 1, 1) for name, value in stats.items()}
        return {**scaled, "count": np.array([self._count])}


def pooled(parts: Iterable[Stats]) -> Stats:
    """Statistics of several sets together.

    Exact but for the quantiles, which are LeRobot's: means of the sets' own, weighted by their counts.
    """
    sets = list(parts)
    stacked = {name: np.stack([part[name] for part in sets]) for name in NAMES}
    count = stacked["count"].sum(axis=0)
    weight = (stacked["count"] / count).reshape((len(sets),) + (1,) * (stacked["mean"].ndim - 1))
    mean = (weight * stacked["mean"]).sum(axis=0)
    variance = (weight * (stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2)).sum(axis=0)
    return {
        "min": stacked["min"].min(axis=0),
        "max": stacked["max"].max(axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": count,
        **{name: (weight * stacked[name]).sum(axis=0) for name in QUANTILES},
    }
