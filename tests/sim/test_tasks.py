"""Tasks: what an instruction means, where one may start, what counts as there, what each split holds."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import pytest

from vlingnav_policy.types import Task
from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House, Item
from vlingnav_sim.tasks import (
    HELD_OUT_WORDS,
    SPLITS,
    SUCCESS_DISTANCE_M,
    TRAINING_SPLITS,
    UNSEEN_PAIRS,
    NavigationTask,
    goal_region,
    matching_items,
    sample_task,
)
from vlingnav_sim.tasks.task import PASSABLE_M
from vlingnav_sim.tasks.words import CATEGORY_OF, HELD_OUT, SYNONYMS


def furnished(*things: tuple[str, str]) -> House:
    house = generate(0, HouseConfig(max_rooms=1))
    items = tuple(
        Item(i, category, colour, 0, (1.0, 1.0, 0.0), (0.2, 0.2, 0.5), ())
        for i, (colour, category) in enumerate(things)
    )
    return dataclasses.replace(house, items=items)


HOUSE = furnished(("red", "chair"), ("blue", "chair"), ("red", "office chair"), ("brown", "coffee table"))


@pytest.mark.parametrize(
    ("instruction", "items"),
    [
        ("find the red chair", (0,)),
        ("Find the RED chair!", (0,)),
        ("go to the chair", (0, 1)),
        ("the red office chair, please", (2,)),
        ("office chair", (2,)),
        ("look for the coffee table", (3,)),
        ("find the green chair", ()),
        ("find the bed", ()),
        ("find the armchair", ()),
        ("find the desk chair", (2,)),
        ("find the swivel chair", (2,)),
        ("go to the brown cocktail table", (3,)),
    ],
)
def test_an_instruction_names_items(instruction: str, items: tuple[int, ...]) -> None:
    assert matching_items(HOUSE, instruction) == items


@pytest.mark.parametrize("seed", range(700_000, 700_025))
def test_tasks_are_fair_and_repeatable(seed: int) -> None:
    house = generate(seed, HouseConfig(max_rooms=4))
    grid = OccupancyGrid.from_house(house)
    task = sample_task(house, grid)
    assert task == sample_task(house, grid)
    assert matching_items(house, task.goal.instruction) == task.targets
    assert grid.is_free(task.start[:2])
    field = grid.distance_field(goal_region(house, grid, task.targets, SUCCESS_DISTANCE_M))
    assert 0.0 < field[tuple(grid.to_cell(task.start[:2]))] < np.inf
    assert 0.0 < task.shortest_path_m < 40.0
    assert sample_task(house, grid, episode=1) != task


def test_the_goal_region_is_near_and_never_behind_a_wall() -> None:
    for seed in range(10):
        house = generate(seed, HouseConfig(min_rooms=3, max_rooms=4))
        grid = OccupancyGrid.from_house(house)
        for item in house.items:
            xy = grid.to_world(np.argwhere(goal_region(house, grid, (item.index,), 1.0)))
            assert (footprint_distance(item, xy) <= 1.0).all()
            x0, y0, x1, y1 = house.rooms[item.room].rect
            assert ((xy > (x0, y0)) & (xy < (x1, y1))).all()


@functools.cache
def built(seed: int) -> tuple[House, OccupancyGrid]:
    house = generate(seed, HouseConfig(max_rooms=4))
    return house, OccupancyGrid.from_house(house)


def drawn(
    task: Task, split: str, episode: int = 0, seeds: range = range(700_000, 700_010)
) -> Iterator[tuple[House, OccupancyGrid, NavigationTask]]:
    """House, grid and task, for each of `seeds` whose house has such a task."""
    for seed in seeds:
        house, grid = built(seed)
        try:
            yield house, grid, sample_task(house, grid, episode, task=task, split=split)
        except ValueError as error:
            assert f"house {seed}" in str(error)


def plain(task: NavigationTask) -> tuple[NavigationTask, bytes]:
    """What two equal tasks have in common; arrays do not compare as a whole."""
    image = task.goal.image
    goal = dataclasses.replace(task.goal, image=None)
    return dataclasses.replace(task, goal=goal), b"" if image is None else image.tobytes()


@pytest.mark.parametrize(("task", "split"), [(task, split) for task in SPLITS for split in SPLITS[task]])
def test_every_task_can_be_done_and_comes_again(task: Task, split: str) -> None:
    first, again = list(drawn(task, split)), list(drawn(task, split))
    assert len(first) >= 4
    assert [plain(t) for _, _, t in first] == [plain(t) for _, _, t in again]
    other = {t.house_seed: plain(t) for _, _, t in drawn(task, split, episode=1)}
    assert any(other.get(t.house_seed) != plain(t) for _, _, t in first)
    for house, grid, t in first:
        assert t.goal.task == task and t.house_seed == house.seed
        assert grid.is_free(t.start[:2])
        assert 0.5 * t.time_limit_s >= t.shortest_path_m - 1e-6, "at the 0.5 m/s of the experts"
        if task == "object":
            assert matching_items(house, t.goal.instruction) == t.targets
        if t.targets:
            free = grid.free if task == "object" else grid.clearance > PASSABLE_M
            region = goal_region(house, grid, t.targets, SUCCESS_DISTANCE_M)
            assert np.isfinite(grid.distance_field(region, free)[tuple(grid.to_cell(t.start[:2]))])


def named(instruction: str) -> tuple[set[str], str]:
    """Colours and the category that an instruction of the object task names."""
    words = instruction.partition("the ")[2]
    name = max((name for name in CATEGORY_OF if f" {words}".endswith(f" {name}")), key=len)
    return set(words.removesuffix(name).split()), name


@pytest.mark.parametrize("split", SPLITS["object"])
def test_a_split_of_the_object_task_holds_what_it_says(split: str) -> None:
    tasks = [t for episode in range(3) for _, _, t in drawn("object", split, episode)]
    unseen = 0
    for task in tasks:
        colours, name = named(task.goal.instruction)
        category = CATEGORY_OF[name]
        unseen += any((colour, category) in UNSEEN_PAIRS for colour in colours)
        words = {"paraphrase": SYNONYMS, "synonym": HELD_OUT}.get(split, {category: (category,)})
        assert name in words[category]
    assert unseen == len(tasks) if split == "unseen" else split == "plain" or unseen == 0


def test_training_never_says_what_is_held_out() -> None:
    for task, splits in TRAINING_SPLITS.items():
        for split in splits:
            for house, _, t in drawn(task, split):
                instruction = t.goal.instruction
                assert not set(instruction.replace(",", "").split()) & HELD_OUT_WORDS
                for item in house.items:
                    pair = (item.colour, item.category)
                    assert pair not in UNSEEN_PAIRS or " ".join(pair) not in instruction


def test_a_split_that_is_not_there_is_named_with_those_that_are() -> None:
    house = generate(0, HouseConfig(max_rooms=1))
    with pytest.raises(ValueError, match="no split 'hard'; choose one of alone, lookalikes"):
        sample_task(house, OccupancyGrid.from_house(house), task="follow", split="hard")
