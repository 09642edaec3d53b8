"""What can be seen from where, so that the rest need not be drawn.

First by rooms: from inside a room one sees that room and, through the cone that each open door leaves, the
next ones. That is the portal culling of Luebke and Georges (1995), in the plane, as walls reach the ceiling.
Then by the camera's pyramid. Both err on the side of seeing: pictures are the same with and without, pixel
for pixel, and most of a large house never reaches the rasteriser, which may be a CPU.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.geoms import movers, world_bounds
from vlingnav_sim.house.model import Door, House
from vlingnav_sim.robots import CameraConfig

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Eye = tuple[float, float, float]
"""x, y [m] and bearing [rad]."""

_SLACK = 0.01
"""Rooms meet in the middle of a wall, of which each has its half; this much [m] keeps the halves apart."""
_THRESHOLD = 0.3
"""Closer to a door than this [m] one sees all of what is behind it."""
_REACH = 0.5
"""How far [m] a person or a robot reaches from its middle."""


class Culling:
    """Which geoms of a compiled house can be in a picture.

    Args:
        house: whose rooms and doors count.
        model: its compiled scene.
        data: of the model, positions up to date.
    """

    def __init__(self, house: House, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._doors = [[door for door in house.doors if room.index in door.rooms] for room in house.rooms]
        self._rects = [room.rect for room in house.rooms]
        low, high = world_bounds(model, data)
        plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
        self._radius = np.where(plane, 0.5 * np.hypot(*(high - low)[:, :2].T), model.geom_rbound)
        # Bit r of a geom is set when it reaches into room r.
        self._rooms = np.zeros(model.ngeom, dtype=np.int64)
        for room, (x0, y0, x1, y1) in enumerate(self._rects):
            along = (low[:, 0] + _SLACK < x1) & (high[:, 0] - _SLACK > x0)
            across = (low[:, 1] + _SLACK < y1) & (high[:, 1] - _SLACK > y0)
            self._rooms[along & across] |= 1 << room
        self._movers = [(body, model.geom_bodyid == body) for body in movers(model)]

    def in_sight(self, data: mujoco.MjData, pose: Array, camera: int, config: CameraConfig) -> Mask:
        """Whether each geom, `(ngeom,)`, may be in the picture of `camera` of a robot at `pose (3,)`."""
        seen = self._by_rooms(data, pose, config.hfov)
        candidates = np.flatnonzero(seen)
        offset = data.geom_xpos[candidates] - data.cam_xpos[camera]
        right, up, back = (offset @ data.cam_xmat[camera].reshape(3, 3)).T
        radius = self._radius[candidates]
        inside = back < radius
        for across, angle in ((right, config.hfov), (up, config.vfov)):
            c, s = math.cos(0.5 * angle), math.sin(0.5 * angle)
            inside &= c * np.abs(across) + s * back <= radius
        seen[candidates] = inside
        return seen

    def _by_rooms(self, data: mujoco.MjData, pose: Array, hfov: float) -> Mask:
        x, y, yaw = pose.tolist()
        here = self._rooms_at(x, y, 0.0)
        if len(self._rects) == 1 or not here or hfov >= math.pi:
            return np.ones(len(self._rooms), dtype=bool)
        seen: set[int] = set()
        for room in here:
            self._look((x, y, yaw), -0.5 * hfov, 0.5 * hfov, (room,), seen)
        mask = (self._rooms & sum(1 << room for room in seen)) != 0
        for body, geoms in self._movers:
            x, y, _ = data.xpos[body].tolist()
            mask[geoms] = not seen.isdisjoint(self._rooms_at(x, y, _REACH))
        return mask

    def _rooms_at(self, x: float, y: float, reach: float) -> list[int]:
        return [
            room
            for room, (x0, y0, x1, y1) in enumerate(self._rects)
            if x0 - reach <= x <= x1 + reach and y0 - reach <= y <= y1 + reach
        ]

    def _look(self, eye: Eye, right: float, left: float, way: tuple[int, ...], seen: set[int]) -> None:
        """Add to `seen` the rooms that show between two bearings [rad], from the last one of `way` on."""
        room = way[-1]
        seen.add(room)
        for door in self._doors[room]:
            beyond = door.rooms[0] if door.rooms[1] == room else door.rooms[1]
            if beyond not in way:
                low, high = _opening(eye, door, right, left)
                if low < high:
                    self._look(eye, low, high, (*way, beyond), seen)


def _opening(eye: Eye, door: Door, right: float, left: float) -> tuple[float, float]:
    """What a door leaves open of the cone between two bearings [rad], the lower one first, or nothing."""
    x, y, yaw = eye
    dx, dy, half = door.position[0] - x, door.position[1] - y, 0.5 * door.width
    half_x, half_y = (half, 0.0) if door.along == "x" else (0.0, half)
    if abs(dx) < half_x + _THRESHOLD and abs(dy) < half_y + _THRESHOLD:
        return right, left
    one = math.remainder(math.atan2(dy - half_y, dx - half_x) - yaw, math.tau)
    other = math.remainder(math.atan2(dy + half_y, dx + half_x) - yaw, math.tau)
    low, high = min(one, other), max(one, other)
    if high - low > math.pi:  # The door reaches round behind the eye, from `high` on to `low`.
        low, high = (high, math.pi) if high < left else (-math.pi, low)
    return max(low, right), min(high, left)
