"""Episodes to imitate: the searching expert labels every step, whoever drives.

Round 0 is driven by the expert with random detours (recovery data); later rounds mostly by the policy itself
(DAgger, Ross et al., 2011), so that the expert is asked about the states the policy really gets into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets import Demonstration
from vlingnav_policy.nano import FOUND_UNIT_M, NanoPolicy
from vlingnav_policy.se2 import relative
from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.episode import run_episode
from vlingnav_sim.experts import SearchingExpert
from vlingnav_sim.experts.baselines import arc
from vlingnav_sim.experts.trajectories import TrajectoryConfig
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.measures import IN_VIEW
from vlingnav_sim.parallel import over_processes
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import sample_task


@dataclass(frozen=True)
class DriverConfig:
    """Who drives.

    Attributes:
        policy_share: of the stretches of an episode, driven by the policy.
        detour_share: of the expert's stretches, driven at random for `detour_s` [s].
        stretch_s: mean length of a stretch [s].
        steps_at_target: the episode goes on for so many steps after the expert first says stop.
        max_steps: of one episode.
    """

    policy_share: float = 0.0
    detour_share: float = 0.25
    detour_s: tuple[float, float] = (0.6, 2.0)
    stretch_s: float = 8.0
    steps_at_target: int = 4
    max_steps: int = 400


@dataclass
class Demonstrator:
    """Drives, asks the expert about every step, and writes it down; a `Policy`."""

    simulator: Simulator
    policy: NanoPolicy
    expert: SearchingExpert
    config: DriverConfig
    rng: np.random.Generator
    rows: list[tuple[object, ...]] = field(default_factory=list)

    def reset(self, goal: Goal) -> None:
        """Reset both drivers."""
        self.policy.reset(goal)
        self.expert.reset(goal)
        self._until, self._driver = 0.0, "expert"
        self._arrived = 0
        self.driven: list[bool] = []

    def act(self, observation: Observation) -> Decision:
        """Record the expert's decision; return that of whoever drives."""
        assert observation.odometry is not None
        label = self.expert.act(observation)
        frame = self.policy.see(observation)
        mirror = np.ascontiguousarray(observation.rgb[:, ::-1])
        row = (
            frame.tokens.astype(np.float16),
            self.policy.encode(replace(observation, rgb=mirror)).astype(np.float16),
            observation.stamp,
            observation.odometry.pose.copy(),
            observation.odometry.velocity.astype(np.float32),
            label.trajectory,
            label.stop,
            self._found(),
        )
        self.rows.append(row)
        self._arrived += label.stop
        over = self._arrived > self.config.steps_at_target or len(self.rows) >= self.config.max_steps
        decision = self._drive(observation, label)
        return Decision(decision.trajectory, decision.dt, observation.stamp, stop=bool(over))

    def _drive(self, observation: Observation, label: Decision) -> Decision:
        config, rng = self.config, self.rng
        if observation.stamp >= self._until:
            self._driver = "policy" if rng.random() < config.policy_share else "expert"
            length = rng.exponential(config.stretch_s)
            if self._driver == "expert" and rng.random() < config.detour_share:
                self._driver, length = "detour", rng.uniform(*config.detour_s)
                shape = TrajectoryConfig()
                self._detour = arc(rng.choice([0.0, 0.4]), rng.uniform(-1.2, 1.2), shape), shape.dt
            self._until = observation.stamp + length
        self.driven.append(self._driver == "policy")
        if self._driver == "policy":
            return self.policy.decide(observation)
        if self._driver == "detour" and not label.stop:
            return Decision(self._detour[0], self._detour[1], observation.stamp)
        return label

    def _found(self) -> NDArray[np.float32]:
        index = self.expert.found
        if index is None:
            return np.zeros(4, np.float32)
        x, y, _ = self.simulator.house.items[index].pose
        there = relative(self.simulator.pose(), np.array([x, y, 0.0]))
        seen = self.simulator.visible(index) >= IN_VIEW
        return np.array([1.0, *there[:2] / FOUND_UNIT_M, float(seen)], np.float32)


def demonstrate(
    seed: int, episodes: int, model: Path, driver: DriverConfig, house: HouseConfig
) -> list[Demonstration]:
    """`episodes` episodes in the house of `seed`, with the exported `model` to see and drive.

    Returns:
        Each episode as it was, followed by itself in the mirror.
    """
    policy = _load(model)
    built = generate(seed, house)
    grid = OccupancyGrid.from_house(built)
    done = []
    with Simulator(built, seed=seed) as simulator:
        expert = SearchingExpert(simulator)
        for episode in range(episodes):
            try:
                task = sample_task(built, grid, episode)
            except ValueError:  # a house with nothing to search for teaches nothing
                break
            rng = np.random.default_rng([seed, episode, 1])
            demonstrator = Demonstrator(simulator, policy, expert, driver, rng)
            outcome = run_episode(simulator, demonstrator, task, grid)
            tokens, mirror, stamps, poses, velocities, trajectories, stops, found = zip(
                *demonstrator.rows, strict=True
            )
            demonstration = Demonstration(
                seed,
                task.goal.instruction,
                np.stack(tokens),
                np.array(stamps),
                np.stack(poses),
                np.stack(velocities),
                np.stack(trajectories),
                np.array(stops),
                np.stack(found),
                outcome.measures.success,
                float(np.mean(demonstrator.driven)),
            )
            done += [demonstration, demonstration.mirrored(np.stack(mirror))]
    return done


_loaded: dict[Path, NanoPolicy] = {}


def _load(model: Path) -> NanoPolicy:
    """One model a process, kept between houses."""
    if model not in _loaded:
        _loaded.clear()
        _loaded[model] = NanoPolicy.load(model, threads=1)
    return _loaded[model]


def collect(
    seeds: range, episodes: int, model: Path, driver: DriverConfig, house: HouseConfig, label: str
) -> Iterator[Demonstration]:
    """Demonstrations from many houses."""
    function = partial(demonstrate, episodes=episodes, model=model, driver=driver, house=house)
    for done in over_processes(function, seeds, len(seeds), label):
        yield from done
