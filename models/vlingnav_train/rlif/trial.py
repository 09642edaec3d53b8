"""A robot acts while a person watches: moments, each with what the person did right after it.

What comes right after is known one step late, so a moment is handed on one step late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_train.rlif.person import NEVER, Person
from vlingnav_train.rlif.tasks import DEMONSTRATION, Act, Task, episode_seed


@dataclass(frozen=True)
class Moment:
    """One step.

    Attributes:
        observation: `(O,)`, of which `action` `(A,)` in [-1, 1] was done. advice: `(A,)` what the person
            would have done.
        held: the person drove.
        next_observation: `(O,)`; after a fall, that of the next start, where the robot was put.
        reward: of the task.
        fell: the episode ended by failure; not by its time being over.
        before_takeover: the robot drove, and the person takes over for the next step.
        arrived: the task is done, and nothing comes after.
    """

    observation: NDArray[Any]
    action: NDArray[np.float32]
    advice: NDArray[np.float32]
    held: bool
    next_observation: NDArray[Any]
    reward: float
    fell: bool
    before_takeover: bool = False
    arrived: bool = False


class Trial:
    """Episodes of `task` without end; episode number n begins as `stream`, `seed` and n say."""

    def __init__(self, task: Task, person: Person, stream: int, seed: int) -> None:
        self.person = person
        self._environment = task.make()
        self._seed = (stream, seed)
        self._episode, self._time = 0, 0
        self._observation: NDArray[Any]
        self._waiting: Moment | None = None
        self._start()

    @property
    def between_episodes(self) -> bool:
        """Whether an episode is about to begin; that is when the state can be kept."""
        return self._time == 0

    def step(self, act: Act) -> list[Moment]:
        """One step, driven by `act` or by the person; returns the moments that are complete by now."""
        wanted = act(self._observation)
        advice = self.person.advise(self._observation)
        held = self.person.drives(self._observation, wanted)
        done = []
        if self._waiting is not None:
            done.append(replace(self._waiting, before_takeover=held and not self._waiting.held))
        before, action = self._observation, advice if held else wanted
        after, reward, fell, cut, _ = self._environment.step(action)
        moment = Moment(before, action, advice, held, after, float(reward), fell)
        self._observation, self._waiting, self._time = after, moment, self._time + 1
        if fell or cut:
            self._start()
            done.append(replace(moment, next_observation=self._observation) if fell else moment)
        return done

    def _start(self) -> None:
        self._observation, _ = self._environment.reset(seed=episode_seed(*self._seed, self._episode))
        self._episode += 1
        self._time, self._waiting = 0, None
        self.person.start()

    def state_dict(self) -> dict[str, Any]:
        """All that resuming takes between two episodes."""
        return {"episode": self._episode, "person": self.person.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._episode = state["episode"] - 1
        self.person.load_state_dict(state["person"])
        self._start()


def demonstrate(task: Task, expert: Act, steps: int, seed: int) -> list[Moment]:
    """At least `steps` moments of an expert who drives alone, in whole episodes."""
    trial, moments = Trial(task, Person(expert, NEVER, seed), DEMONSTRATION, seed), list[Moment]()
    while len(moments) < steps or not trial.between_episodes:
        moments += trial.step(expert)
    return moments
