"""What can be seen from where, so that the rest need not be drawn.

From inside a room one sees that room and, through the wedge that each open door leaves, parts of the next
ones: the portal culling of Luebke and Georges (1995), in the plane, as walls reach the ceiling. A geom is
left out when its box is outside the camera's pyramid, or outside all wedges that show a room it reaches into.
All of this errs on the side of seeing: pictures are the same with and without, pixel for pixel, and most of a
house never reaches the rasteriser, which may be a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import mujoco
import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_sim.geoms import movers, world_bounds
from vlingnav_sim.house.model import Door, House
from vlingnav_sim.robots import CameraConfig

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Bits = NDArray[np.int64]
Eye = tuple[float, float, float]
"""x, y [m] and bearing [rad]."""
Wedge = tuple[int, float, float]
"""The bit of a room, and the bearings [rad] to the right and left of where it shows, from the eye's own."""

_SLACK = 0.01
"""Rooms meet in the middle of a wall, of which each has its half; this much [m] keeps the halves apart. A box
this close to what is in view counts as in view: rasterisers round."""
_THRESHOLD = 0.3
"""Closer to a door than this [m] one sees all of what is behind it."""
_REACH = 0.5
"""How far [m] a person or a robot reaches from its middle."""
_HOUSE = 1 << 62
"""The bit that every geom has."""


class Culling:
    """Which geoms of a compiled house can be in a picture.

    Args:
        house: whose rooms and doors count.
        model: its compiled scene, of primitives.
        data: of the model, positions up to date.
        cameras: what there is to look through, by index in the model.
    """

    def __init__(
        self, house: House, model: mujoco.MjModel, data: mujoco.MjData, cameras: Mapping[int, CameraConfig]
    ) -> None:
        self._doors = [[door for door in house.doors if room.index in door.rooms] for room in house.rooms]
        self._rects = [room.rect for room in house.rooms]
        self._views = {index: (_pyramid(camera), _spread(camera)) for index, camera in cameras.items()}
        # Half sizes of the geoms' boxes, along their own axes; MuJoCo gives planes none.
        plane = model.geom_type[:, None] == mujoco.mjtGeom.mjGEOM_PLANE
        self._half = np.where(plane, model.geom_size * (1.0, 1.0, 0.0), model.geom_aabb[:, 3:])
        # Bit r of a geom is set when it reaches into room r.
        self._rooms = np.full(model.ngeom, _HOUSE)
        low, high = world_bounds(model, data)
        for room, (x0, y0, x1, y1) in enumerate(self._rects):
            along = (low[:, 0] + _SLACK < x1) & (high[:, 0] - _SLACK > x0)
            across = (low[:, 1] + _SLACK < y1) & (high[:, 1] - _SLACK > y0)
            self._rooms[along & across] |= 1 << room
        first, count = model.body_geomadr.tolist(), model.body_geomnum.tolist()
        self._movers = [(body, first[body], first[body] + count[body]) for body in movers(model)]

    def in_sight(self, data: mujoco.MjData, pose: Array, camera: int) -> Mask:
        """Whether each geom, `(ngeom,)`, may be in the picture of `camera` of a robot at `pose (3,)`."""
        pyramid, spread = self._views[camera]
        x, y, yaw = pose.tolist()
        wedges = self._wedges((x, y, yaw), spread)
        if len(self._rects) > 1:
            self._follow(data)
        return _in_view(
            data.geom_xpos,
            data.geom_xmat,
            self._half,
            self._rooms,
            data.cam_xpos[camera],
            data.cam_xmat[camera],
            pyramid,
            np.array([bit for bit, _, _ in wedges]),
            np.array([(yaw + right, yaw + left) for _, right, left in wedges]),
        )

    def _follow(self, data: mujoco.MjData) -> None:
        """Note which rooms people and robots reach into."""
        for body, first, last in self._movers:
            x, y, _ = data.xpos[body].tolist()
            self._rooms[first:last] = sum((1 << room for room in self._rooms_at(x, y, _REACH)), start=_HOUSE)

    def _wedges(self, eye: Eye, spread: float) -> list[Wedge]:
        """What shows of which room between the bearings ±`spread` [rad]."""
        here = self._rooms_at(eye[0], eye[1], 0.0)
        if len(self._rects) == 1 or not here or spread >= 0.5 * math.pi:
            return [(_HOUSE, -spread, spread)]
        wedges: list[Wedge] = []
        for room in here:
            self._look(eye, -spread, spread, (room,), wedges)
        return wedges

    def _rooms_at(self, x: float, y: float, reach: float) -> list[int]:
        return [
            room
            for room, (x0, y0, x1, y1) in enumerate(self._rects)
            if x0 - reach <= x <= x1 + reach and y0 - reach <= y <= y1 + reach
        ]

    def _look(self, eye: Eye, right: float, left: float, way: tuple[int, ...], wedges: list[Wedge]) -> None:
        """Add to `wedges` what shows between two bearings [rad], from the last room of `way` on."""
        room = way[-1]
        wedges.append((1 << room, right, left))
        for door in self._doors[room]:
            beyond = door.rooms[0] if door.rooms[1] == room else door.rooms[1]
            if beyond not in way:
                low, high = _opening(eye, door, right, left)
                if low < high:
                    self._look(eye, low, high, (*way, beyond), wedges)


def _pyramid(camera: CameraConfig) -> Array:
    """Outward normals `(5, 3)` of what a camera sees, in its own frame: it looks along -z with y up."""
    (ch, sh), (cv, sv) = ((math.cos(0.5 * a), math.sin(0.5 * a)) for a in (camera.hfov, camera.vfov))
    return np.array([[ch, 0.0, sh], [-ch, 0.0, sh], [0.0, cv, sv], [0.0, -cv, sv], [0.0, 0.0, 1.0]])


def _spread(camera: CameraConfig) -> float:
    """How far to the sides a camera sees [rad], 0 to pi: farthest in the corners nearest to its nadir."""
    across, along = math.tan(0.5 * camera.hfov), math.tan(0.5 * camera.vfov)
    return math.atan2(across, math.cos(camera.pitch) - abs(math.sin(camera.pitch)) * along)


def _opening(eye: Eye, door: Door, right: float, left: float) -> tuple[float, float]:
    """What a door leaves open of the wedge between two bearings [rad], the lower one first, or nothing."""
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


@njit(cache=True)
def _in_view(
    middle: Array,
    turn: Array,
    half: Array,
    rooms: Bits,
    eye: Array,
    view: Array,
    pyramid: Array,
    shown: Bits,
    bearings: Array,
) -> Mask:
    """Whether each of `N` boxes reaches into a pyramid and one of `W` wedges, all with their tips at `eye`.

    Args:
        middle, turn, half: `(N, 3)` centres [m], `(N, 9)` rotations, `(N, 3)` half sizes [m].
        rooms: `(N,)` bits of the rooms that the boxes reach into.
        eye, view: `(3,)` position [m] and `(9,)` rotation of the camera.
        pyramid: `(5, 3)` outward normals in the camera's frame.
        shown: `(W,)` bit of the room that shows in each wedge.
        bearings: `(W, 2)` to the right and left of each wedge [rad]; half a turn and more is no limit.
    """
    seen = np.zeros(len(middle), np.bool_)
    sides = np.zeros((7, 3))  # outward normals: the wedge's, then the pyramid's
    for i in range(5):
        for j in range(3):
            for k in range(3):
                sides[2 + i, j] += view[3 * j + k] * pyramid[i, k]
    for w in range(len(shown)):
        right, left = bearings[w]
        sides[:2] = 0.0
        if left - right < np.pi:
            sides[0, 0], sides[0, 1] = np.sin(right), -np.cos(right)
            sides[1, 0], sides[1, 1] = -np.sin(left), np.cos(left)
        for n in range(len(middle)):
            if rooms[n] & shown[w] and not seen[n]:
                seen[n] = _reaches_inside(n, middle, turn, half, eye, sides)
    return seen


@njit(cache=True)
def _reaches_inside(n: int, middle: Array, turn: Array, half: Array, eye: Array, sides: Array) -> bool:
    """Whether box `n` gets to the inner side of all planes through `eye` with the outward normals `sides`."""
    x, y, z = middle[n, 0] - eye[0], middle[n, 1] - eye[1], middle[n, 2] - eye[2]
    for i in range(len(sides)):
        a, b, c = sides[i, 0], sides[i, 1], sides[i, 2]
        out = a * x + b * y + c * z - _SLACK
        for j in range(3):
            if out > 0.0:
                out -= half[n, j] * abs(a * turn[n, j] + b * turn[n, 3 + j] + c * turn[n, 6 + j])
        if out > 0.0:
            return False
    return True
