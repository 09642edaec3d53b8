"""One episode, written down step by step: an expert labels every step, and most of the time it drives too.

Now and then a detour takes its place for a moment: who only ever saw the expert's own way does not know how
to get back to it (Ross et al., "DAgger", 2011). A detour at the very start makes a perturbed start, one at a
door a wrong turn. What the expert would do is recorded all the same, so every step can be learned from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.episode import run_episode
from vlingnav_sim.evaluate import expert_for
from vlingnav_sim.experts.baselines import arc
from vlingnav_sim.experts.trajectories import TrajectoryConfig
from vlingnav_sim.facts import FactsRecorder
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import NavigationTask


@dataclass(frozen=True)
class DetourConfig:
    """When the expert does not drive.

    Attributes:
        share: of the stretches of an episode, driven at random for `length_s`.
        length_s: shortest and longest detour [s].
        stretch_s: mean length of a stretch that the expert drives [s].
        speed: of a detour that does not turn on the spot [m/s]. turn_rate: at most, to either side [rad/s].
        steps_at_target: the episode goes on for so many steps after the expert first says stop, for stops are
            rare and decide an episode.
    """

    share: float = 0.25
    length_s: tuple[float, float] = (0.6, 2.0)
    stretch_s: float = 8.0
    speed: float = 0.4
    turn_rate: float = 1.2
    steps_at_target: int = 4


@dataclass(frozen=True)
class Recording:
    """One episode of N steps.

    Attributes:
        goal: what the robot was told. split: of its task.
        target: category of the thing it was after; "person" for one.
        rgb: `(N, H, W, 3)` uint8.
        states: `(N, 6)` float32, odometry pose [m, m, rad] and body velocity [m/s, m/s, rad/s].
        trajectories: `(N, T, 3)` float32, what the expert would drive, body frame [m, m, rad].
        stops: `(N,)` bool, whether it would stop. detours: `(N,)` bool, whether it was not the one to drive.
        facts: what was known at each step, as JSON text.
        success: whether the episode ended well.
    """

    goal: Goal
    split: str
    target: str
    rgb: NDArray[np.uint8]
    states: NDArray[np.float32]
    trajectories: NDArray[np.float32]
    stops: NDArray[np.bool_]
    detours: NDArray[np.bool_]
    facts: list[str]
    success: bool

    def __len__(self) -> int:
        return len(self.stops)


def record(
    simulator: Simulator,
    task: NavigationTask,
    split: str,
    grid: OccupancyGrid,
    detours: DetourConfig,
    rng: np.random.Generator,
) -> Recording:
    """Drive one episode with the task's expert, and detours.

    Args:
        simulator: of the task's house with the task's people in it; it is reset here.
        grid: of the house, for the robot.
        rng: of the detours.
    """
    expert = expert_for(simulator, task)
    scribe = _Scribe(FactsRecorder(simulator, expert), task, detours, rng)
    episode = run_episode(simulator, expert, task, grid, on_decision=scribe.carry_out)
    rgb, states, trajectories, stops, off, facts = zip(*scribe.rows, strict=True)
    target = simulator.house.items[task.targets[0]].category if task.targets else "person"
    return Recording(
        task.goal, split, target, np.stack(rgb), np.stack(states), np.stack(trajectories), np.array(stops),
        np.array(off), list(facts), episode.measures.success,
    )  # fmt: skip


class _Scribe:
    """Writes down what the expert decides, and says what is driven instead."""

    def __init__(
        self, facts: FactsRecorder, task: NavigationTask, config: DetourConfig, rng: np.random.Generator
    ) -> None:
        self.rows: list[tuple[object, ...]] = []
        self._facts, self._task, self._config, self._rng = facts, task, config, rng
        self._shape = TrajectoryConfig()
        self._detour: NDArray[np.float32] | None = None
        self._until, self._arrived = 0.0, 0

    def carry_out(self, observation: Observation, label: Decision) -> Decision:
        """Note one step; returns what to drive."""
        assert observation.odometry is not None
        if not self.rows:
            self._facts.reset(self._task)
        detour = None if label.stop else self._wander(observation.stamp)
        pose, velocity = observation.odometry.pose, observation.odometry.velocity
        self.rows.append(
            (
                observation.rgb,
                np.concatenate([pose, velocity]).astype(np.float32),
                label.trajectory,
                label.stop,
                detour is not None,
                self._facts.step(observation, label).to_json(),
            )
        )
        if detour is not None:
            return Decision(detour, self._shape.dt, observation.stamp)
        self._arrived += label.stop
        return replace(label, stop=self._arrived > self._config.steps_at_target)

    def _wander(self, stamp: float) -> NDArray[np.float32] | None:
        """The detour `(T, 3)` under way at `stamp` [s], None while the expert drives."""
        config, rng = self._config, self._rng
        if stamp >= self._until:
            length, self._detour = rng.exponential(config.stretch_s), None
            if rng.random() < config.share:
                length = rng.uniform(*config.length_s)
                turn = rng.uniform(-config.turn_rate, config.turn_rate)
                self._detour = arc(rng.choice([0.0, config.speed]), turn, self._shape)
            self._until = stamp + length
        return self._detour
