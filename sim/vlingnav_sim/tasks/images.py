"""The image task: go to the very thing that a picture shows, as in instance image navigation on HM3D.

As there (Krantz et al., 2022), the goal image is taken by a camera that is not where the robot will start:
from a random free place 1 to 2 m before the thing, looking at it; here with the robot's own camera, and with
nobody in the picture. The robot starts in another room where the house has one. Two equal things are told
apart by what is around them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid, footprint_distance, path_length
from vlingnav_sim.house.model import House, Item
from vlingnav_sim.robots import DIFF, RobotConfig
from vlingnav_sim.tasks.objects import goal_region, is_fair
from vlingnav_sim.tasks.task import (
    PASSABLE_M,
    SUCCESS_DISTANCE_M,
    NavigationTask,
    random_start,
    room_cells,
    startable_cells,
    time_limit_s,
)
from vlingnav_sim.tasks.words import IMAGE_PHRASES

FROM_M, TO_M = 1.0, 2.0
"""From so near to so far [m] before the thing the goal image is taken."""
ASIDE_RAD = 0.25
"""At most so far from the middle of the image is the thing's own middle."""
SEEN_SHARE, FILLED_SHARE = 0.7, 0.03
"""At least this share of the thing is in sight, and it fills this share of the image."""
TRIES = 20


def sample_image(
    house: House,
    grid: OccupancyGrid,
    rng: np.random.Generator,
    *,
    robot: RobotConfig = DIFF,
    min_path_m: float = 2.0,
) -> NavigationTask:
    """Draw a goal image and a start.

    Raises:
        ValueError: the house has nothing of which a good picture can be taken and that can be reached.
    """
    candidates = [item for item in house.items if is_fair(item)]
    for index in rng.permutation(len(candidates)):
        item = candidates[index]
        region = goal_region(house, grid, (item.index,), SUCCESS_DISTANCE_M)
        field = grid.distance_field(region, grid.clearance > PASSABLE_M)
        places = startable_cells(house, grid)
        elsewhere = places & ~room_cells(house, grid, item.room)
        start = random_start(grid, field, rng, min_path_m, elsewhere, places)
        image = goal_image(house, grid, item, rng, robot) if start is not None else None
        if start is not None and image is not None:
            return NavigationTask(
                house_seed=house.seed,
                start=start,
                goal=Goal(IMAGE_PHRASES[rng.integers(len(IMAGE_PHRASES))], "image", image),
                targets=(item.index,),
                time_limit_s=time_limit_s(house),
                shortest_path_m=path_length(grid.descend(field, start[:2], grid.clearance > PASSABLE_M)),
            )
    raise ValueError(f"house {house.seed} has nothing to take a picture of")


def goal_image(
    house: House, grid: OccupancyGrid, item: Item, rng: np.random.Generator, robot: RobotConfig
) -> NDArray[np.uint8] | None:
    """A picture `(H, W, 3)` of `item` by the camera of `robot`; None where none shows it well."""
    from vlingnav_sim.simulator import Simulator  # MuJoCo, which other tasks do without

    places = grid.to_world(
        np.argwhere(room_cells(house, grid, item.room) & (grid.clearance > grid.radius + 0.1))
    )
    away = footprint_distance(item, places)
    places = places[(away >= FROM_M) & (away <= TO_M)]
    with Simulator(dataclasses.replace(house, people=()), (robot,)) as simulator:
        for x, y in places[rng.permutation(len(places))[:TRIES]]:
            towards = np.arctan2(item.pose[1] - y, item.pose[0] - x)
            simulator.reset([[x, y, towards + rng.uniform(-ASIDE_RAD, ASIDE_RAD)]])
            filled = np.mean(simulator.labels() == item.index)
            if simulator.visible(item.index) >= SEEN_SHARE and filled >= FILLED_SHARE:
                return simulator.observe().rgb
    return None
