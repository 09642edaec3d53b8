"""Takeovers per 100 m and success, with intervals over houses, and the picture of how they came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.measures import wilson_interval
from vlingnav_train.rlif.nav.episodes import Watched

RESAMPLES = 2000
"""Of the houses, for an interval."""


def takeovers_per_100m(episodes: Sequence[Watched]) -> float:
    """Of the way that the robot drove itself."""
    return float(_rates(_counts(episodes).sum(axis=0)))


def takeover_interval(episodes: Sequence[Watched]) -> tuple[float, float] | None:
    """95 % interval of `takeovers_per_100m`, by drawing the houses anew; None for a single house."""
    return _percentiles(_rates(_resampled(_counts(episodes)))) if len(episodes) > 1 else None


def change_interval(before: Sequence[Watched], after: Sequence[Watched]) -> tuple[float, float] | None:
    """95 % interval of after - before in takeovers per 100 m, of the same houses in the same order."""
    draws = _resampled(np.hstack([_counts(before), _counts(after)]))
    return _percentiles(_rates(draws[:, 2:]) - _rates(draws[:, :2])) if len(before) > 1 else None


def summary(episodes: Sequence[Watched]) -> dict[str, Any]:
    """Rates with their intervals, takeovers by reason, and the person's share of the decisions."""
    reasons: Counter[str] = Counter()
    for episode in episodes:
        reasons.update(episode.takeovers)
    figures: dict[str, Any] = {
        "houses": len(episodes),
        "takeovers_per_100m": takeovers_per_100m(episodes),
        "takeovers_per_100m_ci95": takeover_interval(episodes),
        "takeovers": dict(reasons),
        "own_m": sum(episode.own_m for episode in episodes),
        "held": float(np.mean([episode.held for episode in episodes])),
    }
    told = [episode.success for episode in episodes if episode.success is not None]
    if told:
        figures["success"] = sum(told) / len(told)
        figures["success_ci95"] = wilson_interval(sum(told), len(told))
    return figures


def draw(curves: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Takeovers per 100 m of each method, round by round, with their intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axis = figure.subplots()
    for name, points in curves.items():
        rounds = np.arange(len(points))
        unknown = (np.nan, np.nan)
        low, high = np.array([point["takeovers_per_100m_ci95"] or unknown for point in points]).T
        axis.plot(rounds, [point["takeovers_per_100m"] for point in points], marker="o", label=name)
        axis.fill_between(rounds, low, high, alpha=0.2)
    axis.set_xlabel("round (0: the policy as it was; 1: with noise, nothing learned yet)")
    axis.set_ylabel("takeovers per 100 m")
    axis.set_ylim(bottom=0.0)
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(file, dpi=110)


def _counts(episodes: Sequence[Watched]) -> NDArray[np.float64]:
    """Takeovers and metres of each, `(N, 2)`."""
    return np.array([(sum(episode.takeovers.values()), episode.own_m) for episode in episodes], np.float64)


def _resampled(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums `(RESAMPLES, K)` of `rows (N, K)` drawn with replacement; the same draws each time."""
    drawn = np.random.default_rng(0).integers(len(rows), size=(RESAMPLES, len(rows)))
    return rows[drawn].sum(axis=1)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _rates(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return 100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1e-9)
