"""Two of Gymnasium's MuJoCo robots that walk, and how well an expert of each quality does it.

The reward of these environments is seen by the experts, by evaluation and by the human-reward variant only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

QUALITIES = ("poor", "middling", "good")
EVALUATION = 1
"""Stream of seeds of the episodes that policies are measured in; others are below."""
TRIAL, DEMONSTRATION, EXPERT = 2, 3, 4

Act = Callable[[NDArray[Any]], NDArray[np.float32]]
"""A policy: what it would do `(A,)` at an observation `(O,)`."""


@dataclass(frozen=True)
class Task:
    """An environment and its experts.

    Attributes:
        environment: Gymnasium's name.
        returns: what the poor, the middling and the good expert shall be worth at least.
        tolerance: RLIF's alpha: the share of the best action's value that a person is still content with.
    """

    environment: str
    returns: tuple[float, float, float]
    tolerance: float

    def make(self) -> gymnasium.Env[NDArray[Any], NDArray[np.float32]]:
        """A new environment."""
        return gymnasium.make(self.environment)

    def sizes(self) -> tuple[int, int]:
        """How many numbers an observation has, and how many an action."""
        environment = self.make()
        observation, action = environment.observation_space.shape, environment.action_space.shape
        environment.close()
        assert observation is not None and action is not None
        return observation[0], action[0]


# Near the 15, 40 and 110 % of D4RL's scale that RLIF has for Hopper and the 20, 70 and 110 % for Walker2d,
# the good ones somewhat lower: half a million steps must do.
TASKS = {
    "hopper": Task("Hopper-v5", (500.0, 1300.0, 3000.0), tolerance=0.975),
    "walker2d": Task("Walker2d-v5", (900.0, 2500.0, 4000.0), tolerance=0.99),
}


def episode_seed(*numbers: int) -> int:
    """A seed for `env.reset`; other numbers give another one."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def returns(act: Act, task: Task, episodes: int, seed: int) -> list[float]:
    """The sum of rewards of each of some episodes; the same `seed`, the same starts."""
    environment, sums = task.make(), []
    for number in range(episodes):
        observation, _ = environment.reset(seed=episode_seed(EVALUATION, seed, number))
        total, over = 0.0, False
        while not over:
            observation, reward, fell, cut, _ = environment.step(act(observation))
            total, over = total + float(reward), fell or cut
        sums.append(total)
    environment.close()
    return sums
