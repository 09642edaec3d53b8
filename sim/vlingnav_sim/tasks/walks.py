"""Long walks through a house, for somebody to be followed.

From one random place to another, mostly in the next room. Nobody who leads turns about and walks into who
comes behind: a leg on which the leader would come near to a follower some way back on the same walk is drawn
again, so that in a room with one door the way goes round in it and then out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.grid import OccupancyGrid, path_length
from vlingnav_sim.house.model import House
from vlingnav_sim.tasks.task import room_cells

Points = NDArray[np.float64]

CLEARANCE_M = 0.30
"""Kept from walls and furniture [m]."""
LEG_M = 1.0
"""No leg is shorter [m]."""
BEHIND_M, APART_M = 1.4, 0.75
"""Who walks so far behind [m] is never nearer than that [m] to the leader."""
TRIES = 60
"""How many legs are tried before the walk ends."""
NEXT_ROOM = 0.7
"""Chance that a leg leads to a room next door, where there is one."""
_STEP_M = 0.1


def draw_walk(house: House, grid: OccupancyGrid, rng: np.random.Generator, length_m: float) -> Points:
    """Corners x, y [m] `(N, 2)` of a walk of about `length_m` [m], less where it gets nowhere; N may be 1."""
    free = grid.clearance > CLEARANCE_M
    rooms = [free & room_cells(house, grid, room.index) for room in house.rooms]
    room = int(rng.choice([i for i, cells in enumerate(rooms) if cells.any()]))
    places = np.argwhere(rooms[room])
    walk = grid.to_world(places[rng.integers(len(places))])[None]
    while path_length(walk) < length_m:
        field = grid.distance_field(grid.to_cell(walk[-1])[None], free)
        for _ in range(TRIES):
            goal_room = _next_room(house, room, rng)
            places = np.argwhere(rooms[goal_room] & np.isfinite(field) & (field >= LEG_M))
            if not len(places):
                continue
            goal = grid.to_world(places[rng.integers(len(places))])
            longer = np.concatenate([walk, grid.descend(field, goal, free)[-2::-1]])
            if keeps_apart(longer):
                walk, room = longer, goal_room
                break
        else:
            break
    return walk


def keeps_apart(walk: Points) -> bool:
    """Whether a follower `BEHIND_M` back on `walk (N, 2)` is always `APART_M` away from the leader."""
    points = dense(walk, _STEP_M)
    lag = round(BEHIND_M / _STEP_M)
    gaps = np.hypot(*(points[lag:] - points[:-lag]).T)
    return bool((gaps > APART_M).all())


def dense(way: Points, step_m: float) -> Points:
    """The same way `(N, 2)` as points `step_m` [m] apart."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])
    at = np.arange(0.0, along[-1] + 1e-9, step_m)
    return np.stack([np.interp(at, along, way[:, k]) for k in (0, 1)], axis=-1)


def _next_room(house: House, room: int, rng: np.random.Generator) -> int:
    doors = [door for door in house.doors if room in door.rooms]
    if not doors or rng.random() > NEXT_ROOM:
        return room
    door = doors[rng.integers(len(doors))]
    return door.rooms[door.rooms[0] == room]
