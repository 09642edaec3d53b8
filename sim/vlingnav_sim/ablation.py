"""What thinking and remembering are worth: one policy with parts of them switched off, on the same houses.

The rows of the paper's ablations (VLingNav, arXiv 2601.08665, tables on adaptive thought and on VLingMem).
Nothing is trained again: the network learned with notes and frames that are missing now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_sim.evaluate import EvaluationConfig, evaluate

VARIANTS: dict[str, ThinkingConfig] = {
    "full": ThinkingConfig(),
    "no-thought": ThinkingConfig("never"),
    "every-step": ThinkingConfig("always"),
    "no-memory": ThinkingConfig(words=False, frames=False),
    "words-only": ThinkingConfig(frames=False),
    "frames-only": ThinkingConfig(words=False),
}
FIGURES = ("episodes", "success_rate", "ci95", "spl", "spl_ci95", "think_rate", "collision_rate")


def ablate(
    config: EvaluationConfig, houses: range, variants: Mapping[str, ThinkingConfig], processes: int | None
) -> dict[str, dict[str, Any]]:
    """`FIGURES` of each variant, as far as the task has them."""
    rows = {}
    for name, thinking in variants.items():
        figures = evaluate(houses, replace(config, thinking=thinking), processes)
        rows[name] = {figure: figures[figure] for figure in FIGURES if figure in figures}
    return rows


def markdown(tasks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The table of all tasks."""
    lines = [
        "| task | variant | success rate (95 %) | SPL | thinks in | episodes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for task, rows in tasks.items():
        for name, row in rows.items():
            low, high = row["ci95"]
            spl = f"{row['spl']:.3f}" if "spl" in row else ""
            lines.append(
                f"| {task} | {name} | {row['success_rate']:.1%} ({low:.1%}–{high:.1%}) | {spl} "
                f"| {row['think_rate']:.1%} | {row['episodes']} |"
            )
    return "\n".join(lines) + "\n"


def plot(tasks: Mapping[str, Mapping[str, Mapping[str, Any]]], file: Path) -> None:
    """Bars of the success rates with their 95 % intervals, one panel for each task, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure((1.0 + sum(0.5 * len(rows) + 0.6 for rows in tasks.values()), 4.0), layout="constrained")
    widths = [len(rows) for rows in tasks.values()]
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False, width_ratios=widths)[0]
    for axes, (task, rows) in zip(panels, tasks.items(), strict=True):
        rates = 100.0 * np.array([row["success_rate"] for row in rows.values()])
        ends = 100.0 * np.array([row["ci95"] for row in rows.values()])
        colours = ["tab:blue" if name == "full" else "lightsteelblue" for name in rows]
        axes.bar(list(rows), rates, yerr=np.abs(ends.T - rates), capsize=3, color=colours)
        axes.set(title=task, ylim=(0.0, 100.0))
        axes.tick_params("x", rotation=60)
    panels[0].set_ylabel("success [%], 95 % interval")
    figure.savefig(file, dpi=150)
