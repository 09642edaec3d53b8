"""The object task: find a thing that words name.

Splits: "plain" names any colour and any category by its catalogue name; "seen" is the same without the pairs
that training must not name; "paraphrase" and "synonym" use other words for things of seen pairs, those that
training may use and those held out from it; "unseen" names only the pairs that are held out. One house and
episode give the same task in "plain" and in "seen" where its pair is a seen one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlingnav_policy.tokenizer import split_words
from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid, footprint_distance, path_length
from vlingnav_sim.house import CATALOGUE, COLOURS, HouseConfig, generate
from vlingnav_sim.house.model import House, Item
from vlingnav_sim.tasks.task import (
    SUCCESS_DISTANCE_M,
    BoolGrid,
    NavigationTask,
    random_start,
    startable_cells,
    time_limit_s,
)
from vlingnav_sim.tasks.words import CATEGORY_OF, HELD_OUT, PHRASES, SYNONYMS, UNSEEN_PAIRS

IN_VIEW_BELOW_M = 1.1  # what hangs with its lower edge above this leaves the camera's view within 1.0 m

OTHER_WORDS = {"paraphrase": SYNONYMS, "synonym": HELD_OUT}
"""Split -> the words it uses in place of the catalogue's."""


def matching_items(house: House, instruction: str) -> tuple[int, ...]:
    """Indices of the items an instruction such as "find the red chair" names; the longest name wins.

    Empty when the house has no such thing, or none of the colour asked for.
    """
    text = f" {' '.join(split_words(instruction))} "
    named = [name for name in CATEGORY_OF if f" {name} " in text]
    if not named:
        return ()
    name = max(sorted(named), key=len)
    rest = text.replace(f" {name} ", " ").split()
    colours = [colour for colour in COLOURS if colour in rest]
    return tuple(
        item.index
        for item in house.items
        if item.category == CATEGORY_OF[name] and (not colours or item.colour in colours)
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


def goal_region(house: House, grid: OccupancyGrid, targets: tuple[int, ...], reach: float) -> BoolGrid:
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


def is_fair(item: Item) -> bool:
    """Whether one may be sent for it: large enough to recognise, and not hung above the camera's view."""
    return CATALOGUE[item.category].searchable and item.base < IN_VIEW_BELOW_M


def sample_object(
    house: House,
    grid: OccupancyGrid,
    episode: int,
    split: str,
    *,
    min_path_m: float = 2.0,
    colour_share: float = 0.8,
) -> NavigationTask:
    """Draw a search.

    The start is at least `min_path_m` [m] of way from the target where the house allows it. The colour is
    named in `colour_share` of the instructions, always in split "unseen".

    Raises:
        ValueError: the house has nothing for this split that can be searched for and reached.
    """
    rng = np.random.default_rng([house.seed, episode])
    candidates = [item for item in house.items if is_fair(item)]
    for index in rng.permutation(len(candidates)):
        item = candidates[index]
        coloured = bool(rng.random() < colour_share) or split == "unseen"
        phrase = PHRASES[rng.integers(len(PHRASES))]
        if not _belongs(item, coloured, split):
            continue
        names = OTHER_WORDS[split][item.category] if split in OTHER_WORDS else (item.category,)
        name = names[rng.integers(len(names))] if len(names) > 1 else names[0]
        instruction = phrase.format(f"{item.colour} {name}" if coloured else name)
        task = task_for(house, grid, instruction, rng, min_path_m)
        if task is not None:
            return task
    raise ValueError(f"house {house.seed} has nothing to search for in split {split!r}")


def _belongs(item: Item, coloured: bool, split: str) -> bool:
    """Whether an instruction that names `item`, with its colour or without, is one of `split`."""
    held_out = (item.colour, item.category) in UNSEEN_PAIRS
    if split == "unseen":
        return held_out
    if split in OTHER_WORDS and item.category not in OTHER_WORDS[split]:
        return False
    return split == "plain" or not (coloured and held_out)


def task_for(
    house: House, grid: OccupancyGrid, instruction: str, rng: np.random.Generator, min_path_m: float = 2.0
) -> NavigationTask | None:
    """A search with this instruction and a random start; None when nothing answers it or can be reached."""
    targets = matching_items(house, instruction)
    field = grid.distance_field(goal_region(house, grid, targets, SUCCESS_DISTANCE_M))
    start = random_start(grid, field, rng, min_path_m, startable_cells(house, grid))
    if start is None:
        return None
    return NavigationTask(
        house_seed=house.seed,
        start=start,
        goal=Goal(instruction),
        targets=targets,
        time_limit_s=time_limit_s(house),
        shortest_path_m=path_length(grid.descend(field, start[:2])),
    )
