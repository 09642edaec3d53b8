"""A policy on many houses: success, SPL and their intervals, in as many processes as there are cores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from vlingnav_policy import load_policy
from vlingnav_policy.types import Policy
from vlingnav_sim.episode import run_episode
from vlingnav_sim.experts import RandomWalker, SearchingExpert, ShortestPathExpert, WallFollower
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.measures import Measures, mean_interval, wilson_interval
from vlingnav_sim.parallel import over_processes
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import sample_task

SCRIPTED: dict[str, Callable[[Simulator], Policy]] = {
    "expert": SearchingExpert,
    "shortest-path": ShortestPathExpert,
    "random": lambda simulator: RandomWalker(simulator, seed=simulator.house.seed),
    "wall-follower": WallFollower,
}


@dataclass(frozen=True)
class EvaluationConfig:
    """What to evaluate: a name in `SCRIPTED`, or what `load_policy` takes."""

    policy: str = "nano"
    max_rooms: int = 4
    safety: bool = True


@dataclass(frozen=True)
class Outcome:
    """One episode: the house, the instruction, its shortest path [m], how it went."""

    house: int
    instruction: str
    shortest_path_m: float
    stopped: bool
    measures: Measures


def evaluate_house(seed: int, config: EvaluationConfig) -> Outcome | None:
    """One episode in the house of `seed`; None when it holds nothing to search for."""
    house = generate(seed, HouseConfig(max_rooms=config.max_rooms))
    grid = OccupancyGrid.from_house(house)
    try:
        task = sample_task(house, grid)
    except ValueError:
        return None
    with Simulator(house, seed=seed) as simulator:
        make = SCRIPTED.get(config.policy)
        policy = make(simulator) if make else load_policy(config.policy, threads=1)
        episode = run_episode(simulator, policy, task, grid, safety=config.safety)
    return Outcome(seed, task.goal.instruction, task.shortest_path_m, episode.stopped, episode.measures)


def evaluate(houses: range, config: EvaluationConfig, processes: int | None = None) -> dict[str, Any]:
    """Figures over `houses`; see `summarise`."""
    function = partial(evaluate_house, config=config)
    outcomes = list(over_processes(function, houses, len(houses), config.policy, processes))
    return summarise([outcome for outcome in outcomes if outcome is not None])


def summarise(outcomes: list[Outcome]) -> dict[str, Any]:
    """Success rate and SPL with 95 % intervals, collisions per 100 m, and every episode.

    Raises:
        ValueError: there is no episode.
    """
    if not outcomes:
        raise ValueError("no house of this range holds anything to search for")
    measures = [outcome.measures for outcome in outcomes]
    successes = sum(m.success for m in measures)
    path = sum(m.path_length_m for m in measures)
    spl = np.array([m.spl for m in measures])
    return {
        "episodes": len(measures),
        "success_rate": successes / len(measures),
        "ci95": wilson_interval(successes, len(measures)),
        "spl": float(spl.mean()),
        "spl_ci95": mean_interval(spl),
        "soft_spl": float(np.mean([m.soft_spl for m in measures])),
        "distance_to_goal_m": float(np.mean([m.distance_to_goal_m for m in measures])),
        "collisions_per_100m": 100.0 * sum(m.collisions for m in measures) / max(path, 1e-9),
        "path_length_m": path / len(measures),
        "elapsed_s": float(np.mean([m.elapsed_s for m in measures])),
        "stopped_rate": sum(outcome.stopped for outcome in outcomes) / len(outcomes),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
