"""A walk through a house: the eye goes from room to room through the doors and looks round in each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import wrap
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house.model import House

Array = NDArray[np.float64]

SPEED_MPS = 1.0
TURN_RADPS = 1.2
CLEARANCE_M = 0.3


def tour(house: House, rate_hz: float) -> Iterator[Array]:
    """Poses `(3,)` x [m], y [m], yaw [rad] of the eye, `rate_hz` of them a second."""
    grid = OccupancyGrid.from_house(house, radius=CLEARANCE_M)
    pose = np.array([*_middle(grid, house, 0), 0.0])
    for room in _order(house):
        for corner in grid.shortest_path(pose[:2], _middle(grid, house, room))[1:]:
            ahead = float(np.arctan2(*(corner - pose[:2])[::-1]))
            turn = float(wrap(ahead - pose[2]))
            yield from _turn(pose, turn, rate_hz)
            pose = np.array([pose[0], pose[1], ahead])
            steps = int(np.ceil(np.hypot(*(corner - pose[:2])) / SPEED_MPS * rate_hz))
            for share in np.linspace(0.0, 1.0, steps + 1)[1:]:
                yield np.array([*(pose[:2] + share * (corner - pose[:2])), pose[2]])
            pose = np.array([*corner, pose[2]])
        yield from _turn(pose, 2.0 * np.pi, rate_hz)


def _turn(pose: Array, angle: float, rate_hz: float) -> Iterator[Array]:
    steps = int(np.ceil(abs(angle) / TURN_RADPS * rate_hz))
    for share in np.linspace(0.0, 1.0, steps + 1)[1:]:
        yield np.array([pose[0], pose[1], pose[2] + share * angle])


def _middle(grid: OccupancyGrid, house: House, room: int) -> Array:
    """The free place nearest to the middle of a room."""
    x0, y0, x1, y1 = house.rooms[room].rect
    return grid.to_world(grid.nearest_free(((x0 + x1) / 2, (y0 + y1) / 2)))


def _order(house: House) -> list[int]:
    """All rooms, each next to one that came before it (depth first)."""
    order: list[int] = []
    stack = [0]
    while stack:
        room = stack.pop()
        if room not in order:
            order.append(room)
            stack += [
                other for door in house.doors if room in door.rooms for other in door.rooms if other != room
            ]
    return order
