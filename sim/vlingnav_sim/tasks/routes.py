"""The route task: "go through the left door, pass the bed on your right, stop at the plant".

A route is a way through the graph of rooms and doors to a thing in the last room. What is said of it is in
`route_words`. Doors are taken in the order of the words; a wrong turn that is made good does not fail it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid, path_length
from vlingnav_sim.house.model import Door, House
from vlingnav_sim.tasks.objects import goal_region, is_fair
from vlingnav_sim.tasks.route_words import describe
from vlingnav_sim.tasks.task import (
    PASSABLE_M,
    SUCCESS_DISTANCE_M,
    BoolGrid,
    RouteTask,
    room_cells,
    startable_cells,
    time_limit_s,
)

Points = NDArray[np.float64]

MOST_DOORS = 4
START_M = 1.0
"""The robot starts at least this far [m] from the first door."""
SILL_M = 0.15
"""A door's own cells reach this far [m] to each side of its wall's middle."""
TRIES = 60


def sample_route(house: House, grid: OccupancyGrid, rng: np.random.Generator) -> RouteTask:
    """Draw a route that words can tell.

    Raises:
        ValueError: the house has one room, or nothing true and clear can be said of any route that was tried.
    """
    for _ in range(TRIES if house.doors else 0):
        rooms = _rooms(house, rng)
        things = [item for item in house.items if item.room == rooms[-1] and is_fair(item)]
        door = door_between(house, *rooms[:2])
        cells = np.argwhere(startable_cells(house, grid) & room_cells(house, grid, rooms[0]))
        cells = cells[np.hypot(*(grid.to_world(cells) - door.position).T) > START_M]
        if not things or not len(cells):
            continue
        target = things[rng.integers(len(things))]
        x, y = grid.to_world(cells[rng.integers(len(cells))]).tolist()
        start = (x, y, float(rng.uniform(-np.pi, np.pi)))
        region = goal_region(house, grid, (target.index,), SUCCESS_DISTANCE_M)
        legs = route_legs(house, grid, np.array([x, y]), rooms, region)
        instruction = describe(house, start, rooms, legs, target, rng) if legs else None
        if instruction is not None:
            path = np.concatenate([legs[0], *(leg[1:] for leg in legs[1:])])
            return RouteTask(
                house_seed=house.seed,
                start=start,
                goal=Goal(instruction, "route"),
                targets=(target.index,),
                time_limit_s=time_limit_s(house),
                shortest_path_m=path_length(path),
                rooms=rooms,
                path=tuple((float(px), float(py)) for px, py in path.round(3)),
            )
    raise ValueError(f"house {house.seed} has no route that words can tell")


def door_between(house: House, one: int, other: int) -> Door:
    """The only door that joins two neighbouring rooms."""
    return next(door for door in house.doors if set(door.rooms) == {one, other})


def route_legs(
    house: House, grid: OccupancyGrid, xy: Points, rooms: tuple[int, ...], region: BoolGrid
) -> list[Points]:
    """The way from `xy` through the doors between `rooms` to `region`, a leg `(N, 2)` each; or no leg."""
    free = grid.clearance > PASSABLE_M
    legs: list[Points] = []
    for here, there in zip(rooms[:-1], rooms[1:], strict=True):
        legs.append(leg_to_door(house, grid, legs[-1][-1] if legs else xy, here, there, free))
    legs.append(grid.descend(grid.distance_field(region, free), legs[-1][-1], free))
    begins = [xy, *(leg[-1] for leg in legs[:-1])]  # where there is no way, a leg begins elsewhere
    joined = all(np.hypot(*(leg[0] - begin)) < 0.1 for leg, begin in zip(legs, begins, strict=True))
    return legs if joined and all(len(leg) > 1 for leg in legs) else []


def leg_to_door(
    house: House,
    grid: OccupancyGrid,
    xy: Points,
    here: int,
    there: int,
    free: BoolGrid,
    weight: NDArray[np.float32] | None = None,
) -> Points:
    """The way `(N, 2)` over `free` cells from `xy` to the door that leads from room `here` to `there`.

    It comes to the door by no other side; `xy` alone where there is no way. For `weight` see
    `OccupancyGrid.distance_field`.
    """
    door = door_between(house, here, there)
    sill = _sill(grid, door)
    cells = free & (sill | ~room_cells(house, grid, there))
    middle = grid.nearest_free(door.position, grid.free & sill)
    return grid.descend(grid.distance_field(middle[None], cells, weight), xy, cells, weight)


def _sill(grid: OccupancyGrid, door: Door) -> BoolGrid:
    """The door's own cells `(Ny, Nx)`."""
    rows, cols = np.indices(grid.free.shape)
    offset = np.abs(grid.to_world(np.stack([rows, cols], axis=-1)) - door.position)
    half = (0.5 * door.width, SILL_M) if door.along == "x" else (SILL_M, 0.5 * door.width)
    inside: BoolGrid = (offset[..., 0] < half[0]) & (offset[..., 1] < half[1])
    return inside


def _rooms(house: House, rng: np.random.Generator) -> tuple[int, ...]:
    """Rooms of a random way through the doors that comes to no room twice."""
    way = [int(rng.choice(sorted({room for door in house.doors for room in door.rooms})))]
    for _ in range(rng.integers(1, MOST_DOORS + 1)):
        ways = [door.rooms[door.rooms[0] == way[-1]] for door in house.doors if way[-1] in door.rooms]
        ways = [room for room in ways if room not in way]
        if not ways:
            break
        way.append(int(rng.choice(ways)))
    return tuple(way)
