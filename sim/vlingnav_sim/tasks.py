"""Navigation tasks as data: where a robot starts, what it is told, what counts as there.

A task holds no simulator; the same house seed and episode number give the same task. Seeds below 700 000 are
for training, 700 000–799 999 for validation, 800 000–899 999 for published results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid, footprint_distance, path_length
from vlingnav_sim.house import CATALOGUE, COLOURS, HouseConfig, generate
from vlingnav_sim.house.model import House, Item

SUCCESS_DISTANCE_M = 1.0
IN_VIEW_BELOW_M = 1.1  # what hangs with its lower edge above this leaves the camera's view within 1.0 m
PHRASES = ("find the {}", "go to the {}", "look for the {}", "search for the {}", "navigate to the {}")


@dataclass(frozen=True)
class NavigationTask:
    """One episode to be.

    Attributes:
        house_seed: seed of the house it happens in.
        start: `(3,)` x [m], y [m], yaw [rad].
        goal: what the robot is told.
        targets: indices of the items that answer the instruction; any of them will do.
        time_limit_s: the episode ends then [s].
        shortest_path_m: geodesic distance from the start to the nearest place that counts [m].
    """

    house_seed: int
    start: tuple[float, float, float]
    goal: Goal
    targets: tuple[int, ...]
    time_limit_s: float
    shortest_path_m: float


def matching_items(house: House, instruction: str) -> tuple[int, ...]:
    """Indices of the items an instruction such as "find the red chair" names; the longest category name wins.

    Empty when the house has no such thing, or none of the colour asked for.
    """
    words = "".join(c if c.isalnum() else " " for c in instruction.lower()).split()
    text = f" {' '.join(words)} "
    named = {item.category for item in house.items if f" {item.category} " in text}
    if not named:
        return ()
    category = max(sorted(named), key=len)
    rest = text.replace(f" {category} ", " ").split()
    colours = [colour for colour in COLOURS if colour in rest]
    return tuple(
        item.index
        for item in house.items
        if item.category == category and (not colours or item.colour in colours)
    )


def house_holding(
    seed: int, instruction: str, config: HouseConfig = HouseConfig(), tries: int = 300
) -> House:
    """For demonstrations: the first variant of the house of `seed` that has what `instruction` names.

    The plain house when the instruction is blank or no variant has it.
    """
    house = generate(seed, config)
    if not instruction.strip():
        return house
    for variant in range(1, tries):
        if matching_items(house, instruction):
            return house
        house = generate(seed, replace(config, variant=variant))
    return generate(seed, config)


def goal_region(
    house: House, grid: OccupancyGrid, targets: tuple[int, ...], reach: float
) -> NDArray[np.bool_]:
    """Free cells `(Ny, Nx)` within `reach` [m] of a target's footprint and in its room, not beyond a wall."""
    region = np.zeros_like(grid.free)
    rows, cols = np.nonzero(grid.free)
    xy = grid.to_world(np.stack([rows, cols], axis=-1))
    for index in targets:
        item = house.items[index]
        x0, y0, x1, y1 = house.rooms[item.room].rect
        inside = (xy[:, 0] > x0) & (xy[:, 0] < x1) & (xy[:, 1] > y0) & (xy[:, 1] < y1)
        near = inside & (footprint_distance(item, xy) <= reach)
        region[rows[near], cols[near]] = True
    return region


def time_limit_s(house: House) -> float:
    """How long [s] a search may take: 40 s and 25 s a room."""
    return 40.0 + 25.0 * len(house.rooms)


def sample_task(
    house: House, grid: OccupancyGrid, episode: int = 0, min_path_m: float = 2.0, colour_share: float = 0.8
) -> NavigationTask:
    """Draw a search task in `house`.

    The start is at least `min_path_m` [m] of way from the target where the house allows it. The colour is
    named in `colour_share` of the instructions.

    Raises:
        ValueError: nothing in the house can be searched for and reached.
    """
    rng = np.random.default_rng([house.seed, episode])
    candidates = [item for item in house.items if is_fair(item)]
    for index in rng.permutation(len(candidates)):
        item = candidates[index]
        name = f"{item.colour} {item.category}" if rng.random() < colour_share else item.category
        instruction = PHRASES[rng.integers(len(PHRASES))].format(name)
        task = task_for(house, grid, instruction, rng, min_path_m)
        if task is not None:
            return task
    raise ValueError(f"house {house.seed} has nothing to search for")


def is_fair(item: Item) -> bool:
    """Whether one may be sent for it: large enough to recognise, and not hung above the camera's view."""
    return CATALOGUE[item.category].searchable and item.base < IN_VIEW_BELOW_M


def task_for(
    house: House, grid: OccupancyGrid, instruction: str, rng: np.random.Generator, min_path_m: float = 2.0
) -> NavigationTask | None:
    """A task with this instruction and a random start; None when nothing answers it or can be reached."""
    targets = matching_items(house, instruction)
    field = grid.distance_field(goal_region(house, grid, targets, SUCCESS_DISTANCE_M))
    startable = np.isfinite(field) & (grid.clearance > grid.radius + 0.1) & ~crowded_cells(house, grid)
    far = startable & (field >= min_path_m)
    cells = np.argwhere(far if far.any() else startable & (field > 0.0))
    if not len(cells):
        return None
    x, y = grid.to_world(cells[rng.integers(len(cells))])
    return NavigationTask(
        house_seed=house.seed,
        start=(float(x), float(y), float(rng.uniform(-np.pi, np.pi))),
        goal=Goal(instruction),
        targets=targets,
        time_limit_s=time_limit_s(house),
        shortest_path_m=path_length(grid.descend(field, (x, y))),
    )


def crowded_cells(house: House, grid: OccupancyGrid, room_m: float = 0.9) -> NDArray[np.bool_]:
    """Cells `(Ny, Nx)` a person never gets `room_m` [m] away from: no robot can start there."""
    rows, cols = np.indices(grid.free.shape)
    xy = grid.to_world(np.stack([rows, cols], axis=-1))
    crowded = np.zeros_like(grid.free)
    for person in house.people:
        farthest = np.max(
            [np.hypot(*(xy - point).transpose(2, 0, 1)) for point in np.array(person.path)], axis=0
        )
        crowded |= farthest < room_m
    return crowded
