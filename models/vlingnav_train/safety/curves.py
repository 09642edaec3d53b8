"""Learning curves of several seeds as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SMOOTH = 9  # rollouts that are averaged


def draw(curves: list[list[dict[str, Any]]], file: Path) -> None:
    """Reward of a robot and share of arrivals over rollouts, one line for each seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axis, (key, label) in zip(
        figure.subplots(1, 2),
        (("reward", "reward of a robot in an episode"), ("arrived", "share that arrived")),
        strict=True,
    ):
        for seed, curve in enumerate(curves):
            values = np.array([row[key] for row in curve])
            kernel = np.ones(min(SMOOTH, len(values)))
            smooth = np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
            axis.plot(smooth, label=f"seed {seed}")
        axis.set_xlabel("rollout")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(file, dpi=110)
