"""Tasks: what an instruction means, where one may start, what counts as there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House, Item
from vlingnav_sim.measures import wilson_interval
from vlingnav_sim.tasks import SUCCESS_DISTANCE_M, goal_region, matching_items, sample_task


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


def test_wilson_interval_matches_the_textbook() -> None:
    assert wilson_interval(40, 100) == pytest.approx((0.3094, 0.4980), abs=1e-3)
    assert wilson_interval(0, 100) == pytest.approx((0.0, 0.0370), abs=1e-3)
