"""All episodes of one house: the unit of work, which needs nothing but the house's seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlingnav_policy.types import TASKS, Task
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import House, HouseConfig, generate
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import (
    FIRST_HELD_OUT_HOUSE,
    TRAINING_SPLITS,
    NavigationTask,
    for_training,
    sample_task,
)
from vlingnav_train.collecting.recording import DetourConfig, Recording, record


@dataclass(frozen=True)
class CollectionConfig:
    """What is collected; equal configurations give equal datasets.

    Attributes:
        tasks: of each house one episode, where it has something for it.
        first_seed: of the first house; the others follow it, none twice.
        max_rooms: of a house.
        detours: recovery data.

    Raises:
        ValueError: no such task, no such house, or a house that is not for training.
    """

    tasks: tuple[Task, ...] = TASKS
    first_seed: int = 0
    max_rooms: int = 6
    detours: DetourConfig = DetourConfig()

    def __post_init__(self) -> None:
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown or not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(
                f"tasks are {', '.join(self.tasks) or 'none'}; name each of {', '.join(TASKS)} at most once"
            )
        for_training(range(self.first_seed, self.first_seed + 1))
        if not 1 <= self.max_rooms <= 8:
            raise ValueError(f"houses have 1 to 8 rooms, so at most {self.max_rooms} is not possible")

    @property
    def seeds(self) -> range:
        """All houses there may be."""
        return range(self.first_seed, FIRST_HELD_OUT_HOUSE)


def collect_house(seed: int, config: CollectionConfig) -> list[Recording]:
    """The episodes of the house of `seed`, in the order of `config.tasks`; fewer where it lacks something."""
    house = generate(seed, HouseConfig(max_rooms=config.max_rooms))
    grid = OccupancyGrid.from_house(house)
    episodes = []
    for kind in config.tasks:
        # Numbers of its own for each kind: which others are collected changes nothing.
        rng = np.random.default_rng([seed, TASKS.index(kind), 1])
        drawn = _draw(house, grid, kind, rng)
        if drawn is not None:
            task, split = drawn
            with Simulator(task.populated(house), seed=seed) as simulator:
                episodes.append(record(simulator, task, split, grid, config.detours, rng))
    return episodes


def _draw(
    house: House, grid: OccupancyGrid, kind: Task, rng: np.random.Generator
) -> tuple[NavigationTask, str] | None:
    """A task and its split, any that training may use; None where the house has none."""
    splits = TRAINING_SPLITS[kind]
    for k in rng.permutation(len(splits)):
        try:
            return sample_task(house, grid, task=kind, split=splits[k]), splits[k]
        except ValueError:
            continue
    return None
