"""A robot that searches a house while somebody watches: what its head saw and did, and who drove.

Where the person drives, what they do is written down as the edit of the robot's own decision that comes
nearest to it: all that is learned from is edits. They drive their own trajectory all the same. A stop is
carried out before anybody can object to it: where it is wrong the robot stands for one decision, and is then
taken over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy import load_policy
from vlingnav_policy.edit import difference
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.types import Decision, Observation
from vlingnav_sim.episode import run_episode
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import sample_task
from vlingnav_train.rlif.nav.head import LIMITS, Head
from vlingnav_train.rlif.nav.watcher import Watcher, WatcherConfig
from vlingnav_train.rlif.networks import Actor
from vlingnav_train.rlif.trial import Moment

COMPARED_LEGS = 4
"""Of a trajectory so many legs are driven, or looked ahead to, before the next decision."""


@dataclass(frozen=True)
class Watched:
    """What happened in the house of seed `house`.

    Attributes:
        moments: one a decision, in order; the last one of an episode that time ended is left out.
        takeovers: how many, by their reason.
        own_m: how far the robot drove by itself [m]. held: share of the decisions that the person drove.
        success: whether the robot does it alone; None if that was not asked.
    """

    house: int
    moments: list[Moment] = field(repr=False)
    takeovers: dict[str, int]
    own_m: float
    held: float
    success: bool | None = None


@dataclass(frozen=True)
class Watching:
    """What is watched.

    Attributes:
        policy: what `load_policy` takes, of the runtime "nano". max_rooms: of a house.
        watcher: who watches.
    """

    policy: str = "nano"
    max_rooms: int = 4
    watcher: WatcherConfig = WatcherConfig()


def watch_house(
    seed: int, config: Watching, actor: Actor | None, explore: int | None = None, alone: bool = False
) -> Watched | None:
    """One episode in the house of `seed`; None when it has nothing to search for.

    Args:
        actor: gives the edits; with None the policy drives as it is, with a head of its own if it has one.
        explore: seed of the noise in its edits; None for no noise.
        alone: whether it is also to be told if the robot arrives with nobody beside it.
    """
    house = generate(seed, HouseConfig(max_rooms=config.max_rooms))
    grid = OccupancyGrid.from_house(house)
    try:
        task = sample_task(house, grid)
    except ValueError:
        return None
    policy = _loaded(config.policy)
    head = Head(actor or policy.edit, None if explore is None else [explore, seed])
    policy = policy.another(edit=head)
    with Simulator(task.populated(house), seed=seed) as simulator:
        watch = Watch(simulator, Watcher(simulator, task, grid, config.watcher), head, config.watcher.hold_s)
        episode = run_episode(simulator, policy, task, grid, on_decision=watch.carry_out)
        watched = watch.over(seed)
        if alone:
            # Up to the first takeover, nobody beside the robot makes a difference.
            if watched.takeovers:
                episode = run_episode(simulator, policy, task, grid)
            watched = replace(watched, success=episode.measures.success)
    return watched


@lru_cache(maxsize=1)
def _loaded(policy: str) -> NanoPolicy:
    """Once in each process.

    Raises:
        ValueError: it is none of ours.
    """
    loaded = load_policy(policy, threads=1)
    if not isinstance(loaded, NanoPolicy):
        raise ValueError(f"policy {policy!r} is not run by nano, and only nano can be edited")
    return loaded


class Watch:
    """Says who drives, and writes down what is learned from; `carry_out` is for `run_episode`."""

    def __init__(self, simulator: Simulator, watcher: Watcher, head: Head, hold_s: float) -> None:
        self._simulator, self._watcher, self._head, self._hold_s = simulator, watcher, head, hold_s
        self._moments: list[Moment] = []
        self._waiting: Moment | None = None
        self._place = np.zeros(2)
        self._until, self._refused = 0.0, False
        self._takeovers: Counter[str] = Counter()
        self._own_m, self._decisions, self._held = 0.0, 0, 0

    def carry_out(self, observation: Observation, decision: Decision) -> Decision:
        """What to do: the robot's decision, or the person's."""
        last, place = self._waiting, self._simulator.pose()[:2]
        if last is None:
            self._watcher.reset()
        elif not last.held:
            self._own_m += float(np.hypot(*(place - self._place)))
        self._place = place
        advice = self._watcher.look(observation)
        held = self._drives(observation.stamp, decision, last)
        self._decisions, self._held = self._decisions + 1, self._held + held
        seen, edit = self._head.seen, self._corrected(decision, advice)
        if last is not None:
            takeover = held and not last.held
            self._moments.append(replace(last, next_observation=seen, before_takeover=takeover))
        arrived = advice.stop if held else decision.stop and self._watcher.there()
        action = edit if held else self._head.done
        self._waiting = Moment(seen, action, edit, held, seen, 0.0, fell=False, arrived=arrived)
        if arrived:
            self._moments.append(self._waiting)
        if held:
            return advice
        self._refused = decision.stop and not arrived
        if self._refused:
            return replace(decision, trajectory=np.zeros_like(decision.trajectory), stop=False)
        return decision

    def over(self, house: int) -> Watched:
        """All of it, after the episode."""
        share = self._held / max(self._decisions, 1)
        return Watched(house, self._moments, dict(self._takeovers), self._own_m, share)

    def _drives(self, stamp: float, decision: Decision, last: Moment | None) -> bool:
        """Whether the person drives from now, `stamp` [s], on; the robot drives one decision between two."""
        if last is not None and last.held:
            if stamp < self._until - 1e-6:
                return True
            self._watcher.let_go()
            return False
        reason = "wrong stop" if self._refused else self._watcher.objects(decision)
        if reason is None:
            return False
        self._takeovers[reason] += 1
        self._until = stamp + self._hold_s
        return True

    def _corrected(self, decision: Decision, advice: Decision) -> NDArray[np.float32]:
        """The edit `(3,)` in [-1, 1] that makes of the unedited `decision` what comes nearest to `advice`."""
        change = difference(decision.trajectory, advice.trajectory, decision.dt, COMPARED_LEGS)
        readier = float(advice.stop) - float(decision.stop and not advice.stop)
        driven = self._head.done[:2] + np.array(change) / LIMITS[:2]
        return np.clip([*driven, readier], -1.0, 1.0).astype(np.float32)
