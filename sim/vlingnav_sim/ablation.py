"""What thinking and remembering are worth: one policy with parts of them switched off, on the same houses.

The rows of the paper's ablations (VLingNav, arXiv 2601.08665, tables on adaptive thought and on VLingMem).
Nothing is trained again: the network learned with notes and frames that are missing now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    """Bars of the success rates with their intervals, as a PNG."""
    from PIL import Image, ImageDraw, ImageFont

    bar, gap, height, top, left = 46, 14, 260, 40, 60
    count = sum(len(rows) for rows in tasks.values())
    width = left + count * (bar + gap) + 40 * len(tasks)
    picture = Image.new("RGB", (width, height + top + 120), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for tenth in range(0, 11, 2):
        y = top + height - height * tenth / 10
        draw.line((left, y, width, y), fill=(225, 225, 225))
        draw.text((12, y - 8), f"{10 * tenth} %", fill="black", font=font)
    x = left + gap
    for task, rows in tasks.items():
        draw.text((x, 10), f"{task}: success rate, 95 % interval", fill="black", font=font)
        for name, row in rows.items():
            rate, (low, high) = row["success_rate"], row["ci95"]
            colour = (38, 110, 190) if name == "full" else (160, 180, 200)
            draw.rectangle((x, top + height * (1 - rate), x + bar, top + height), fill=colour)
            middle = x + bar / 2
            draw.line(
                (middle, top + height * (1 - high), middle, top + height * (1 - low)), fill="black", width=2
            )
            label = Image.new("RGBA", (110, 18))
            ImageDraw.Draw(label).text((0, 0), name, fill="black", font=font)
            turned = label.rotate(-60, expand=True)
            picture.paste(turned, (int(x + 8), top + height + 6), turned)
            x += bar + gap
        x += 40
    picture.save(file)
