"""Learning curves of several seeds as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def draw(curves: list[list[dict[str, Any]]], expert: float, file: Path) -> None:
    """Return without a person and with what the expert is worth, and share of steps that a person drove."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for seed, curve in enumerate(curves):
        steps = [point["step"] for point in curve]
        left.plot(steps, [np.mean(point["returns"]) for point in curve], label=f"seed {seed}")
        right.plot(steps, [point["held"] for point in curve], label=f"seed {seed}")
    left.axhline(expert, color="black", linestyle="--", label="expert")
    for axis, label in ((left, "return"), (right, "share driven by the person")):
        axis.set_xlabel("steps of the environment")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0.0)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(file, dpi=110)
