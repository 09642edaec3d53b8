"""All of `vlingnav rlif-bench`: a method, an expert, several seeds; what the robot is worth without a person.

Seeds differ in everything: networks, episodes, demonstrations, moods of the person. The expert is one and the
same. What is reported is the last network of each seed, and not its best.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlingnav_train import ranks
from vlingnav_train.checkpoint import commit
from vlingnav_train.optimise import claim
from vlingnav_train.rlif.bc import BehaviourCloning
from vlingnav_train.rlif.curves import draw
from vlingnav_train.rlif.dagger import Dagger
from vlingnav_train.rlif.experts import LAST, MEASURED, Expert, expert_file
from vlingnav_train.rlif.hg_dagger import HgDagger
from vlingnav_train.rlif.human_reward import HumanReward
from vlingnav_train.rlif.method import Method, Setting
from vlingnav_train.rlif.person import NEVER, Intervention, Person, RandomIntervention, ValueIntervention
from vlingnav_train.rlif.rlif import Rlif
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.run import Plan, Point, run
from vlingnav_train.rlif.tasks import TASKS, TRIAL, returns
from vlingnav_train.rlif.trial import Trial, demonstrate

METHODS: dict[str, type[Method]] = {
    "rlif": Rlif,
    "human-reward": HumanReward,
    "hg-dagger": HgDagger,
    "dagger": Dagger,
    "bc": BehaviourCloning,
}
INTERVENTIONS: dict[str, Callable[[Expert, float], Intervention]] = {
    "value": lambda reference, tolerance: ValueIntervention(reference, tolerance),
    "random-30": lambda *_: RandomIntervention(0.3),
    "random-50": lambda *_: RandomIntervention(0.5),
    "random-85": lambda *_: RandomIntervention(0.85, hold=8),
}
"""When a person takes over, given the good expert and the task's tolerance."""


@dataclass(frozen=True)
class BenchConfig:
    """One cell of the table.

    Attributes:
        environment: of `tasks.TASKS`. quality: of the expert. method: of `METHODS`.
        intervention: of `INTERVENTIONS`; of no matter for methods without takeovers.
        demonstrations: steps that the expert shows beforehand.
        plan: steps of the environment, a tenth of RLIF's million, and how often it is measured.
    """

    environment: str
    quality: str
    method: str
    intervention: str = "value"
    demonstrations: int = 5000
    plan: Plan = field(default_factory=lambda: Plan(steps=100_000))
    learner: RlpdConfig = RlpdConfig()


def bench(config: BenchConfig, seeds: int, experts: Path, out: Path) -> dict[str, Any]:
    """Train with the seeds 0, 1, ... into `out/seed<N>`; seeds that are done already are not repeated.

    Returns:
        `return_mean` over seeds, `ci95` its confidence interval or None with one seed, `expert_return`,
        `returns` of the seeds, and `held`, the person's share of the last steps.

    Raises:
        ValueError: an expert is missing, or `out` holds another benchmark.
    """
    for quality in {config.quality, "good"}:
        if not (file := expert_file(experts, config.environment, quality)).is_file():
            command = f"vlingnav rlif-experts --env {config.environment} --out {experts}"
            raise ValueError(f"{file} is missing; make it with: {command}")
    claim(out, {**asdict(config), "experts": str(experts)})
    results = [_train(config, seed, experts, out / f"seed{seed}") for seed in range(seeds)]
    expert = Expert.load(expert_file(experts, config.environment, config.quality), ranks.device())
    values = [result["return"] for result in results]
    draw([result["points"] for result in results], expert.mean_return, out / "curves.png")
    figures = {
        "return_mean": float(np.mean(values)),
        "ci95": interval(values),
        "expert_return": expert.mean_return,
        "returns": values,
        "held": float(np.mean([result["points"][-1]["held"] for result in results])),
        "commit": commit(),
    }
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def _train(config: BenchConfig, seed: int, experts: Path, out: Path) -> dict[str, Any]:
    """One seed; what came of it is kept in `result.json`, what comes of it in `state.pt`."""
    out.mkdir(parents=True, exist_ok=True)
    if (file := out / "result.json").is_file():
        return json.loads(file.read_text())
    task, device = TASKS[config.environment], ranks.device()
    expert = Expert.load(expert_file(experts, config.environment, config.quality), device)
    reference = Expert.load(expert_file(experts, config.environment, "good"), device)
    shown = demonstrate(task, expert.act, config.demonstrations, seed)
    kind = METHODS[config.method]
    method = kind(Setting(*task.sizes(), shown, config.plan.steps, config.learner, seed, device))
    when = INTERVENTIONS[config.intervention](reference, task.tolerance) if kind.takeovers else NEVER
    trial = Trial(task, Person(expert.act, when, seed), TRIAL, seed)
    name = f"{config.environment} {config.quality} {config.method} seed {seed}"
    points: list[Point] = []
    for points in run(method, trial, task, config.plan, seed, out / "state.pt", name):
        (out / "curve.json").write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n")
    last = returns(lambda seen: method.act(seen, explore=False), task, MEASURED, LAST)
    result = {"return": float(np.mean(last)), "points": [asdict(point) for point in points]}
    torch.save(method.state_dict(), out / "method.pt")
    file.write_text(json.dumps(result, indent=1) + "\n")
    (out / "state.pt").unlink(missing_ok=True)
    return result


def interval(values: list[float]) -> list[float] | None:
    """The 95 % confidence interval of the mean, by Student's t; None for a single value."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return [float(np.mean(values)) - half, float(np.mean(values)) + half]
