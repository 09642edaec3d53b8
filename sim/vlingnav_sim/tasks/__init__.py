"""Navigation tasks: what a robot is told in a house, where it starts, what counts as done.

Each kind of task has a module; `sample_task` draws any of them. A task is data, and the same house seed,
episode, task and split give the same one. House seeds below 700 000 are for training, 700 000 to 799 999 for
validation, 800 000 to 899 999 for published results.
"""

from __future__ import annotations

import numpy as np

from vlingnav_policy.types import TASKS, Task
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house.model import House
from vlingnav_sim.tasks.following import matching_people, sample_follow
from vlingnav_sim.tasks.images import sample_image
from vlingnav_sim.tasks.objects import (
    goal_region,
    house_holding,
    is_fair,
    matching_items,
    sample_object,
    task_for,
)
from vlingnav_sim.tasks.routes import sample_route
from vlingnav_sim.tasks.task import (
    SUCCESS_DISTANCE_M,
    FollowTask,
    NavigationTask,
    RouteTask,
    crowded_cells,
    time_limit_s,
)
from vlingnav_sim.tasks.words import HELD_OUT_WORDS, PHRASES, UNSEEN_PAIRS, training_texts

SPLITS: dict[Task, tuple[str, ...]] = {
    "object": ("plain", "seen", "paraphrase", "synonym", "unseen"),
    "image": ("plain",),
    "follow": ("alone", "lookalikes"),
    "route": ("plain",),
}
"""What each task can be split into, that of the plain evaluation first."""

TRAINING_SPLITS: dict[Task, tuple[str, ...]] = {
    "object": ("seen", "paraphrase"),
    "image": ("plain",),
    "follow": ("alone", "lookalikes"),
    "route": ("plain",),
}
"""What training may use: no instruction of these names a pair of `UNSEEN_PAIRS` or holds a held-out word."""

FIRST_HELD_OUT_HOUSE = 700_000
"""Houses from this seed on are for validation and published results; nothing may be learned from them."""


def for_training(houses: range) -> range:
    """`houses`, if they may be learned from.

    Raises:
        ValueError: some are kept for validation or published results.
    """
    if houses and not 0 <= houses[0] <= houses[-1] < FIRST_HELD_OUT_HOUSE:
        raise ValueError(
            f"houses {houses[0]} to {houses[-1]} are not for training: seeds from {FIRST_HELD_OUT_HOUSE} on "
            "are for validation and published results, which are worth nothing once they were learned from; "
            f"choose seeds from 0 to {FIRST_HELD_OUT_HOUSE - 1}"
        )
    return houses


def sample_task(
    house: House,
    grid: OccupancyGrid,
    episode: int = 0,
    *,
    task: Task = "object",
    split: str | None = None,
) -> NavigationTask:
    """Draw a task in `house`.

    Args:
        grid: of `house`, for the robot.
        episode: another number gives another task.
        split: one of `SPLITS[task]`; the first of those for training when None.

    Raises:
        ValueError: no such split, or the house has nothing for it.
    """
    split = TRAINING_SPLITS[task][0] if split is None else split
    if split not in SPLITS[task]:
        raise ValueError(f"task {task!r} has no split {split!r}; choose one of {', '.join(SPLITS[task])}")
    if task == "object":
        return sample_object(house, grid, episode, split)
    rng = np.random.default_rng([house.seed, episode, TASKS.index(task), SPLITS[task].index(split)])
    if task == "image":
        return sample_image(house, grid, rng)
    if task == "follow":
        return sample_follow(house, grid, rng, lookalikes=split == "lookalikes")
    return sample_route(house, grid, rng)


__all__ = [
    "FIRST_HELD_OUT_HOUSE",
    "HELD_OUT_WORDS",
    "PHRASES",
    "SPLITS",
    "SUCCESS_DISTANCE_M",
    "TASKS",
    "TRAINING_SPLITS",
    "UNSEEN_PAIRS",
    "FollowTask",
    "NavigationTask",
    "RouteTask",
    "crowded_cells",
    "for_training",
    "goal_region",
    "house_holding",
    "is_fair",
    "matching_items",
    "matching_people",
    "sample_task",
    "task_for",
    "time_limit_s",
    "training_texts",
]
