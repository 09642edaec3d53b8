"""A point mass on a line, in which what is best is known."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from vlingnav_train.rlif.tasks import TASKS, Task

STEP = 0.25


class PointMass(gymnasium.Env[NDArray[np.float64], NDArray[np.float32]]):
    """Moves by a quarter of its action; worth more the nearer it is to 0, and beyond 2 it falls."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float64], dict]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1.0, 1.0, 1)
        return self.place.copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float64], float, bool, bool, dict]:
        self.place = self.place + STEP * action
        far = abs(float(self.place[0]))
        return self.place.copy(), 1.0 - far, far > 2.0, False, {}


class Knowing:
    """Goes straight to 0, and knows how near an action leads."""

    def act(self, observation: NDArray[Any]) -> NDArray[np.float32]:
        return np.clip(-observation / STEP, -1.0, 1.0).astype(np.float32)

    def values(self, observation: NDArray[Any], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        return (2.0 - np.abs(observation + STEP * actions)[:, 0]).astype(np.float32)


@pytest.fixture(scope="session")
def point() -> Task:
    gymnasium.register("PointMass-v0", entry_point=PointMass, max_episode_steps=20)
    return TASKS.setdefault("point", Task("PointMass-v0", (8.0, 11.0, 14.0), tolerance=0.95))


@pytest.fixture
def knowing() -> Knowing:
    return Knowing()
