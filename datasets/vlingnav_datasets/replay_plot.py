"""A replay as one picture: how far apart then and now are at each step, and where they are farthest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlingnav_datasets.lerobot_v3 import FRONT, DatasetReader
from vlingnav_datasets.replay import Replay, Step, Trajectory, farthest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 5
_THEN, _NOW = "#195fdc", "#d9661f"


def draw(done: Replay, root: Path, file: Path, title: str) -> None:
    """Write the picture to `file`, a PNG.

    Args:
        done: it; at least one step. root: the dataset that it is of.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * _SHOWN, 8.0), layout="constrained")
    grid = figure.add_gridspec(3, _SHOWN)
    course = figure.add_subplot(grid[0, :])
    course.set_title(title)
    _course(course, done)
    reader = DatasetReader(root)
    for column, step in enumerate(farthest(done.steps, _SHOWN)):
        picture = figure.add_subplot(grid[1, column])
        picture.imshow(reader.episode(step.episode).picture(FRONT, step.frame))
        picture.set_title(f"episode {step.episode}, frame {step.frame}: {step.distance_m:.2f} m", fontsize=9)
        picture.axis("off")
        _ways(figure.add_subplot(grid[2, column]), step)
    figure.savefig(file, dpi=100)


def _course(axis: Axes, done: Replay) -> None:
    """Distance at each step, one episode after the other."""
    steps = np.arange(len(done.steps))
    axis.plot(steps, [step.distance_m for step in done.steps], color="black", linewidth=1.0)
    marks = (
        ("stopped then only", "v", _THEN, [s.stop_then and not s.stop_now for s in done.steps]),
        ("stops now only", "^", _NOW, [s.stop_now and not s.stop_then for s in done.steps]),
        ("driven by hand", "_", "#6a6f7a", [s.by_hand for s in done.steps]),
    )
    for label, marker, colour, where in marks:
        chosen = steps[np.array(where)]
        if len(chosen):
            axis.plot(chosen, np.zeros(len(chosen)), marker, color=colour, label=label, clip_on=False)
            axis.legend(loc="upper left")
    borders = [k for k in steps[1:] if done.steps[k].episode != done.steps[k - 1].episode]
    for border in borders:
        axis.axvline(border - 0.5, color="#bbb", linewidth=0.8)
    axis.set(xlabel="step", ylabel="ends of trajectories apart [m]", xlim=(-0.5, len(steps) - 0.5))
    axis.set_ylim(bottom=0.0)
    axis.grid(alpha=0.3)


def _ways(axis: Axes, step: Step) -> None:
    """Both trajectories from above, the robot looking up."""

    def way(trajectory: Trajectory, colour: str, label: str) -> None:
        points = np.vstack([np.zeros(3), trajectory])
        axis.plot(-points[:, 1], points[:, 0], ".-", color=colour, label=label)

    way(step.then, _THEN, "then")
    way(step.now, _NOW, "now")
    axis.set_aspect("equal", adjustable="datalim")
    axis.set_xlabel("to the right [m]")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
