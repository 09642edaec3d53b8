"""Who watches a robot search a house: when they take over, for how long, and what they do then.

The person knows the house and where the thing is, drives as the searching expert does, and is fair: they do
not take over because they would have gone another way, but because of something that the robot could have
known itself. It would run into something; it has said that it is there, and is not; it has seen the thing
and comes no nearer; or it has long been looking where all has been seen, which is what "in the wrong room"
comes to for somebody who was not told where to look. The safety filter would have kept it from any touch;
the person takes over all the same, since what is held by the filter does not get on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vlingnav_policy.se2 import compose
from vlingnav_policy.types import Decision, Observation
from vlingnav_sim.experts import SearchingExpert
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.measures.common import at_target
from vlingnav_sim.measures.search import Scorer
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import NavigationTask

Reason = Literal["collision", "wrong stop", "stuck", "passed by", "searched"]


@dataclass(frozen=True)
class WatcherConfig:
    """When they take over, and for how long.

    Attributes:
        foresight_s: how far ahead [s] they look whether the robot's plan touches something.
        patience_s: so long [s] the robot may be without progress, counted from when they let go.
        floor_m2: so much new floor [m^2] is progress of a search.
        nearer_m: coming so much nearer [m] is progress towards a thing that was seen.
        people_m: so near [m] to people there need be no progress: those who stand face to face have to wait.
        still_m: without progress and without having moved so far [m], the robot is stuck.
        hold_s: they drive for so long [s].
    """

    foresight_s: float = 1.0
    patience_s: float = 10.0
    floor_m2: float = 0.5
    nearer_m: float = 0.3
    people_m: float = 1.2
    still_m: float = 0.3
    hold_s: float = 4.0


@dataclass(frozen=True)
class _Progress:
    """What counts as progress, and where the robot was: `(2,)` [m], at `stamp` [s]."""

    stamp: float
    place: np.ndarray
    seen_m2: float
    distance_m: float


class Watcher:
    """Watches robot 0 of `simulator` through one episode; `look` at every step, then ask the rest."""

    def __init__(
        self, simulator: Simulator, task: NavigationTask, grid: OccupancyGrid, config: WatcherConfig
    ) -> None:
        self._simulator, self._task, self._grid, self._config = simulator, task, grid, config
        self._expert = SearchingExpert(simulator, targets=task.targets)
        self._past: deque[_Progress] = deque()

    def reset(self) -> None:
        """The episode begins; the robot stands at its start."""
        self._expert.reset(self._task.goal)
        self._way = Scorer(self._simulator, self._task, self._grid)
        self.let_go()

    def let_go(self) -> None:
        """The robot drives from now on, and what was is forgotten."""
        self._past.clear()

    def look(self, observation: Observation) -> Decision:
        """What they would do now."""
        found = self._expert.found
        advice = self._expert.act(observation)
        if self._expert.found != found:
            self.let_go()  # from now on it is to be approached
        self._way.update()
        place, distance = self._simulator.pose()[:2], self._way.distance_to_goal_m()
        if (np.hypot(*(self._simulator.people()[:, :2] - place).T) < self._config.people_m).any():
            self.let_go()
        self._past.append(_Progress(observation.stamp, place, self._expert.seen_m2, distance))
        since = observation.stamp - self._config.patience_s + 1e-6
        while len(self._past) > 1 and self._past[1].stamp <= since:
            self._past.popleft()
        return advice

    def there(self) -> bool:
        """Whether the robot may stop here."""
        return at_target(self._simulator, self._task.targets)

    def objects(self, decision: Decision) -> Reason | None:
        """Why they take over rather than let the robot do what it has decided; None if they do not."""
        if not decision.stop and self._touches(decision):
            return "collision"
        now, then = self._past[-1], self._past[0]
        if now.stamp - then.stamp < self._config.patience_s - 1e-6:
            return None
        if self._expert.found is None:
            progress = now.seen_m2 - then.seen_m2 >= self._config.floor_m2
        else:
            progress = then.distance_m - now.distance_m >= self._config.nearer_m
        if progress:
            return None
        if float(np.hypot(*(now.place - then.place))) < self._config.still_m:
            return "stuck"
        return "searched" if self._expert.found is None else "passed by"

    def _touches(self, decision: Decision) -> bool:
        """Whether the plan leads into something; people look out for themselves."""
        sim, grid = self._simulator, self._grid
        steps = max(1, round(self._config.foresight_s / decision.dt))
        places = compose(sim.pose(), decision.trajectory[:steps].astype(np.float64))[:, :2]
        rows, cols = np.clip(grid.to_cell(places), 0, np.array(grid.free.shape) - 1).T
        return bool((grid.clearance[rows, cols] < sim.robots[0].radius).any())
