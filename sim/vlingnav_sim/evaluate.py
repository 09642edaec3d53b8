"""A policy on many houses: the task's figures with their intervals, in as many processes as cores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from typing import Any

import numpy as np

from vlingnav_policy import load_policy
from vlingnav_policy.remote.address import without_token
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.types import Policy, Task
from vlingnav_sim.episode import run_episode
from vlingnav_sim.experts import (
    FollowingExpert,
    RandomWalker,
    RouteExpert,
    SearchingExpert,
    ShortestPathExpert,
    WallFollower,
)
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.measures import Measures, mean_interval, wilson_interval
from vlingnav_sim.parallel import over_houses
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import FollowTask, NavigationTask, RouteTask, sample_task


def expert_for(simulator: Simulator, task: NavigationTask) -> Policy:
    """The expert that policies imitate at this kind of task."""
    if isinstance(task, FollowTask):
        return FollowingExpert(simulator)
    if isinstance(task, RouteTask):
        return RouteExpert(simulator, task)
    return SearchingExpert(simulator, targets=task.targets)


SCRIPTED: dict[str, Callable[[Simulator, NavigationTask], Policy]] = {
    "expert": expert_for,
    "shortest-path": lambda simulator, task: ShortestPathExpert(simulator, targets=task.targets),
    "random": lambda simulator, task: RandomWalker(
        simulator, seed=simulator.house.seed, targets=task.targets
    ),
    "wall-follower": lambda simulator, task: WallFollower(simulator, targets=task.targets),
}


@dataclass(frozen=True)
class EvaluationConfig:
    """What to evaluate.

    Attributes:
        policy: a name in `SCRIPTED`, or what `load_policy` takes.
        max_rooms: of a house.
        safety: whether the safety filter stands before the motors.
        task: what the robot is asked.
        split: of the task, one of `vlingnav_sim.tasks.SPLITS`.
        thinking: what the policy uses of thinking and remembering; scripted ones do neither.
        engine: what an exported policy runs on, one of `vlingnav_policy.engines.ENGINES`.
    """

    policy: str = "nano"
    max_rooms: int = 4
    safety: bool = True
    task: Task = "object"
    split: str = "plain"
    thinking: ThinkingConfig = ThinkingConfig()
    engine: str = "cpu"


@dataclass(frozen=True)
class Outcome:
    """One episode: the house, the instruction, the length of its way [m], how it went; see `Episode`."""

    house: int
    instruction: str
    shortest_path_m: float
    stopped: bool
    decisions: int
    thoughts: int
    measures: Measures


def evaluate_house(seed: int, config: EvaluationConfig) -> Outcome | None:
    """One episode in the house of `seed`; None when it has nothing for the task."""
    house = generate(seed, HouseConfig(max_rooms=config.max_rooms))
    grid = OccupancyGrid.from_house(house)
    try:
        task = sample_task(house, grid, task=config.task, split=config.split)
    except ValueError:
        return None
    with Simulator(task.populated(house), seed=seed) as simulator:
        make = SCRIPTED.get(config.policy)
        policy = make(simulator, task) if make else _loaded(config.policy, config.thinking, config.engine)
        episode = run_episode(simulator, policy, task, grid, safety=config.safety)
    return Outcome(
        house=seed,
        instruction=task.goal.instruction,
        shortest_path_m=task.shortest_path_m,
        stopped=episode.stopped,
        decisions=episode.decisions,
        thoughts=episode.thoughts,
        measures=episode.measures,
    )


@lru_cache(maxsize=1)
def _loaded(policy: str, thinking: ThinkingConfig, engine: str) -> Policy:
    """Once in each process: a model may be large, and `reset` makes it forget the last house."""
    return load_policy(policy, 1, thinking, engine)


def evaluate(houses: range, config: EvaluationConfig, processes: int | None = None) -> dict[str, Any]:
    """Figures over `houses`; see `summarise`."""
    _loaded.cache_clear()  # the folder may hold another model by now
    function = partial(evaluate_house, config=config)
    outcomes = list(over_houses(function, houses, without_token(config.policy), processes))
    return summarise([outcome for outcome in outcomes if outcome is not None])


def summarise(outcomes: list[Outcome]) -> dict[str, Any]:
    """Rates with their 95 % intervals, the means of the task's own figures, and every episode.

    Raises:
        ValueError: there is no episode.
    """
    if not outcomes:
        raise ValueError("no house of this range has anything for this task")
    measures = [outcome.measures for outcome in outcomes]
    count, successes = len(measures), sum(m.success for m in measures)
    collided = sum(m.collisions > 0 for m in measures)
    path = sum(m.path_length_m for m in measures)
    figures: dict[str, Any] = {
        "episodes": count,
        "success_rate": successes / count,
        "ci95": wilson_interval(successes, count),
        "collision_rate": collided / count,
        "collision_rate_ci95": wilson_interval(collided, count),
        "collisions_per_100m": 100.0 * sum(m.collisions for m in measures) / max(path, 1e-9),
        "stopped_rate": sum(outcome.stopped for outcome in outcomes) / count,
        "think_rate": sum(o.thoughts for o in outcomes) / max(sum(o.decisions for o in outcomes), 1),
    }
    for name in (field.name for field in fields(measures[0])):
        values = np.array([getattr(m, name) for m in measures], dtype=np.float64)
        if name not in ("success", "collisions"):
            figures[name] = float(values.mean())
        if name in ("spl", "tracking_rate", "ndtw"):
            figures[f"{name}_ci95"] = mean_interval(values)
    return figures | {"outcomes": [asdict(outcome) for outcome in outcomes]}
