"""The loop that every method runs in: act, keep, learn, be measured; what is cut off goes on.

A state is kept only between two episodes, where a simulation has nothing to remember but which one comes
next, so a training that went on equals one that was never cut off, number by number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vlingnav_train.rlif.method import Method
from vlingnav_train.rlif.tasks import Task, returns
from vlingnav_train.rlif.trial import Trial


@dataclass(frozen=True)
class Plan:
    """How long, and how it is measured.

    Attributes:
        steps: of the environment.
        every: so many steps are between two measurements, of `episodes` each.
        keep: so many steps, at least, are between two states that are kept.
    """

    steps: int
    every: int = 5000
    episodes: int = 10
    keep: int = 5000


@dataclass(frozen=True)
class Point:
    """What was measured after `step` steps.

    Attributes:
        returns: of episodes without noise and without a person.
        held: share of the steps since the last point that the person drove.
        takeovers: of a thousand of these steps, how many were followed by one.
        falls: of a thousand.
        figures: of the learner, at its last update.
    """

    step: int
    returns: list[float]
    held: float
    takeovers: float
    falls: float
    figures: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(np.mean(self.returns))


def run(
    method: Method, trial: Trial, task: Task, plan: Plan, seed: int, state: Path, name: str
) -> Iterator[list[Point]]:
    """Let `method` learn in `trial`.

    Args:
        seed: of the episodes it is measured in.
        state: file to go on from if it is there; whoever asks removes it when they are done.
        name: before the bar of progress.

    Yields:
        After each measurement all points so far, those from before a resumption among them.
    """
    points: list[Point] = []
    step, count = 0, Counter[str]()
    if state.is_file():
        saved = torch.load(state, map_location="cpu", weights_only=True)
        method.load_state_dict(saved["method"])
        trial.load_state_dict(saved["trial"])
        points = [Point(**point) for point in saved["points"]]
        step, count = saved["step"], Counter(saved["count"])
    kept = step
    with tqdm(total=plan.steps, initial=step, desc=name, unit="step", mininterval=5, smoothing=0.05) as bar:
        while step < plan.steps:
            for moment in trial.step(lambda observation: method.act(observation, explore=True)):
                method.keep(moment)
                count.update(moments=1, held=moment.held, takeovers=moment.before_takeover, falls=moment.fell)
            figures = method.learn()
            step += 1
            bar.update()
            if step % plan.every == 0 or step == plan.steps:
                moments = max(count["moments"], 1)  # the first step's is told by the second
                points.append(
                    Point(
                        step,
                        returns(lambda seen: method.act(seen, explore=False), task, plan.episodes, seed),
                        held=count["held"] / moments,
                        takeovers=1000 * count["takeovers"] / moments,
                        falls=1000 * count["falls"] / moments,
                        figures={key: float(value) for key, value in figures.items()},
                    )
                )
                count.clear()
                bar.set_postfix({"return": f"{points[-1].mean:.0f}", "held": f"{points[-1].held:.0%}"})
                yield points
            if trial.between_episodes and kept + plan.keep <= step < plan.steps:
                kept = step
                whole = {
                    "method": method.state_dict(),
                    "trial": trial.state_dict(),
                    "points": [asdict(point) for point in points],
                    "step": step,
                    "count": dict(count),
                }
                torch.save(whole, state.with_suffix(".new"))
                state.with_suffix(".new").replace(state)
