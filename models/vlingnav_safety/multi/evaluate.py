"""Many episodes of many worlds under one filter: who arrived, who collided, how long a step took.

Success, as in gcbfplus, is to have been at the goal once and to have collided never. Robots of one world are
not independent, so intervals are Wilson's with the number of robots divided by the design effect, the factor
by which rates of worlds scatter more than independent robots would (Kish 1965).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.multi.baselines import Orca, fixed_barrier
from vlingnav_safety.multi.batch import BatchConfig, filter_batch
from vlingnav_safety.multi.detour import Detour, DetourConfig
from vlingnav_safety.multi.nominal import nominal
from vlingnav_safety.multi.pace import HASTE, Pace
from vlingnav_safety.multi.tuner import RuleTuner, Tuner, look
from vlingnav_safety.multi.worlds import Scenes, WorldConfig, arrived, collided, nearest_robots, scan

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Sight:
    """What the robots know in one period: see `filter_batch`, `Detour.redirect` and `tuner.look`."""

    state: Array
    velocity: Array
    hits: Array
    index: Indices


Hurry = Literal["never", "late", "always"]
"""When a robot asks for more speed than the controllers of gcbfplus do; see `pace`."""
Controller = Callable[[Sight], Array]
"""Controls `(E, N, inputs)` for what is seen; made anew for every episode."""


@dataclass(frozen=True)
class Online:
    """The filter of `batch` with a tuner, ways out of deadlocks, and hurry after a delay."""

    tuner: Tuner = field(default_factory=RuleTuner)
    detour: bool = True
    hurry: Hurry = "late"

    def begin(self, config: WorldConfig, scenes: Scenes) -> Controller:
        """Make a controller for these worlds."""
        model, goal = config.model, scenes.goal
        settings = BatchConfig(
            config.radius, 0.0, config.sensing, config.neighbours, 2.0 * np.pi / config.rays
        )
        detour = Detour(DetourConfig(config.radius), *goal.shape[:2])
        pace = Pace(model, scenes.state, goal)

        def control(sight: Sight) -> Array:
            position, velocity, hits, index = sight.state[..., :2], sight.velocity, sight.hits, sight.index
            way = detour.redirect(position, velocity, goal, hits, index) if self.detour else goal
            haste: Array | float = HASTE if self.hurry == "always" else 1.0
            if self.hurry == "late":
                haste = pace.haste(sight.state)
            desired = nominal(model, sight.state, way, haste)
            view = look(position, velocity, goal, hits, index, model.dt, config.radius, config.sensing)
            return filter_batch(model, sight.state, desired, hits, settings, self.tuner(view), index)[0]

        return control


@dataclass(frozen=True)
class Fixed:
    """The published barrier filter with a fixed gain [1/s]."""

    gain: float = 1.0

    def begin(self, config: WorldConfig, scenes: Scenes) -> Controller:
        """Make a controller for these worlds."""

        def control(sight: Sight) -> Array:
            desired = nominal(config.model, sight.state, scenes.goal)
            return fixed_barrier(
                config.model, sight.state, desired, sight.hits, sight.index, config.radius, self.gain
            )

        return control


@dataclass(frozen=True)
class Free:
    """No filter: what the nominal controller asks for."""

    def begin(self, config: WorldConfig, scenes: Scenes) -> Controller:
        """Make a controller for these worlds."""
        return lambda sight: nominal(config.model, sight.state, scenes.goal)


@dataclass(frozen=True)
class Reciprocal:
    """ORCA."""

    def begin(self, config: WorldConfig, scenes: Scenes) -> Controller:
        """Make a controller for these worlds."""
        orca = Orca(config, scenes)
        return lambda sight: orca.control(sight.state, sight.velocity, scenes.goal)


Method = Online | Fixed | Free | Reciprocal


@dataclass(frozen=True)
class Outcome:
    """What became of the robots.

    Attributes:
        safe: `(E, N)` never collided.
        arrival: `(E, N)` when it first was at the goal [s], inf if it never was.
        limit: how long it had [s].
        seconds: of processor time that the controller took, all together.
        world_seconds: the same of the world: lidar, neighbours, collisions, motion.
        agent_steps: how many controls the controller gave.
    """

    safe: Bools
    arrival: Array
    limit: float
    seconds: float
    world_seconds: float
    agent_steps: int

    @property
    def finished(self) -> Bools:
        """`(E, N)` was at the goal."""
        return np.isfinite(self.arrival)

    def figures(self) -> dict[str, Any]:
        """Rates with their 95 % intervals, mean time to the goal, and processor time per robot and step.

        In that mean, who never arrived took as long as it had.
        """
        success = self.safe & self.finished
        return {
            "safe_rate": float(self.safe.mean()),
            "success_rate": float(success.mean()),
            "finish_rate": float(self.finished.mean()),
            "ci95": list(interval(success)),
            "safe_ci95": list(interval(self.safe)),
            "mean_time_s": float(np.minimum(self.arrival, self.limit).mean()),
            "us_per_agent_step": 1e6 * self.seconds / self.agent_steps,
            "world_us_per_agent_step": 1e6 * self.world_seconds / self.agent_steps,
            "worlds": int(success.shape[0]),
            "agents": int(success.shape[1]),
        }


def run(
    config: WorldConfig,
    scenes: Scenes,
    method: Method,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Play one episode of all worlds; `progress` is told the part that is done."""
    model, state = config.model, scenes.state
    control = method.begin(config, scenes)
    hit, arrival = np.zeros(scenes.goal.shape[:2], bool), np.full(scenes.goal.shape[:2], np.inf)
    seconds, all_seconds, last = 0.0, 0.0, state[..., :2]
    for step in range(config.steps + 1):
        start = time.process_time()
        position = np.ascontiguousarray(state[..., :2])
        hit |= collided(config, position, scenes.rectangles)
        there = arrived(config, position, scenes.goal)
        arrival = np.where(there, np.minimum(arrival, step * model.dt), arrival)
        if step == config.steps:
            break
        hits = scan(position, scenes.rectangles, config.rays, config.sensing)
        index = nearest_robots(position, config.neighbours, config.sensing)
        sight = Sight(state, (position - last) / model.dt, hits, index)
        begin = time.process_time()
        chosen = control(sight)
        end = time.process_time()
        state, last = model.step(state, chosen), position
        if step:  # the first may compile
            seconds += end - begin
            all_seconds += time.process_time() - start
        if progress is not None:
            progress((step + 1) / config.steps)
    steps = (config.steps - 1) * hit.size
    return Outcome(~hit, arrival, config.steps * model.dt, seconds, all_seconds - seconds, steps)


def interval(success: Bools) -> tuple[float, float]:
    """95 % interval of the rate in `success (E, N)`: Wilson's, with Kish's design effect of worlds."""
    worlds, robots = success.shape
    rate, scatter = success.mean(), 1.0
    if worlds > 1 and 0.0 < rate < 1.0:
        scatter = max(1.0, success.mean(axis=1).var(ddof=1) * robots / (rate * (1.0 - rate)))
    n, z = success.size / scatter, 1.959964
    middle = (rate + z * z / (2.0 * n)) / (1.0 + z * z / n)
    half = z / (1.0 + z * z / n) * np.sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
