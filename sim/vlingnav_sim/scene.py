"""A `House` as a MuJoCo scene.

What is seen and what is solid are two sets of geoms. A chair is drawn with legs, seat and back, but it
stops a robot, and shows up in its lidar, as the one unseen box of its bounds: what a planar scanner
reports is then exactly what can be run into and what the occupancy grid calls occupied (a real scanner
looks between the legs), and physics and rays cost a tenth. Things on a table and pictures on a wall have
no box. Quality settings are those for software OpenGL, where vertices times lights is what takes time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.house.colours import COLOURS
from vlingnav_sim.house.model import House, Item, Person, Rgb

if TYPE_CHECKING:
    import mujoco

WALL, FLOOR, PERSON, ROBOT, SKY = -1, -2, -3, -4, -5
"""Labels of what is no item. `SKY` is whatever is overhead: the ceiling, or nothing at all."""

SHELL_GROUP = 0
"""Walls and floors: drawn, and the walls are solid."""
FURNISHING_GROUP = 1
"""Items and people as they look: drawn, not solid."""
ROBOT_GROUP = 2
"""Robots as they look: drawn, not solid."""
CEILING_GROUP = 3
"""The ceiling: drawn, but in nobody's way who looks in from above."""
COLLISION_GROUP = 4
"""Unseen boxes and cylinders of items, people and robots: solid, not drawn."""

DRAWN_GROUPS = (SHELL_GROUP, FURNISHING_GROUP, ROBOT_GROUP, CEILING_GROUP)
"""What a camera sees, and hence what can hide one thing from it behind another."""
SOLID_GROUPS = (SHELL_GROUP, COLLISION_GROUP)
"""What a robot runs into and a lidar sees."""

_FLOORING = {"kitchen": "tiles", "bathroom": "tiles", "bedroom": "carpet", "playroom": "carpet"}
"""By kind of room; all others have boards. Carpet is plain."""
_TEXTURES = {"tiles": ((64, 64), (5.0, 5.0)), "boards": ((256, 32), (1.0, 12.0))}
"""Pixels of the texture, which has a darker edge, and its `texrepeat` along x and y."""
PERSON_RADIUS, PERSON_HEIGHT = 0.22, 1.72
CEILING_RGB: Rgb = (0.93, 0.93, 0.91)
_SKIN: tuple[Rgb, ...] = ((0.93, 0.76, 0.65), (0.55, 0.38, 0.28), (0.80, 0.60, 0.45))
_HAIR: tuple[Rgb, ...] = ((0.20, 0.13, 0.08), (0.07, 0.07, 0.07), (0.62, 0.45, 0.22))


def build_spec(house: House) -> mujoco.MjSpec:
    """The house without robots: add them, then compile.

    Bodies are named `item_<index>`, and `person_<index>` for people, who are mocap bodies with their
    origin on the floor between the feet, facing +x. Everything solid has contype 1 and conaffinity 0: it
    collides with whatever has conaffinity 1, and not with itself.
    """
    import mujoco

    spec = mujoco.MjSpec()
    quality = spec.visual.quality
    quality.numslices, quality.numstacks, quality.numquads = 8, 4, 1
    quality.shadowsize, quality.offsamples = 0, 0
    _light(spec, house)
    _shell(spec, house)
    for item in house.items:
        _item(spec, item)
    for person in house.people:
        _person(spec, person)
    return spec


def quaternion(euler: tuple[float, float, float]) -> list[float]:
    """Roll, pitch, yaw [rad], extrinsic x-y-z as in `Part`, as w, x, y, z."""
    (cr, cp, cy), (sr, sp, sy) = ([f(0.5 * a) for a in euler] for f in (math.cos, math.sin))
    return [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]


def geom_items(model: mujoco.MjModel) -> NDArray[np.int16]:
    """What each geom belongs to, `(ngeom,)`: an item's index, or `WALL`, `FLOOR`, `PERSON`, `ROBOT` or `SKY`.

    An item's unseen box counts as the item. Bodies that the house does not know are robots.
    """
    import mujoco

    labels = np.full(model.ngeom, WALL, dtype=np.int16)
    flat = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    labels[flat] = np.where(model.geom_group[flat] == CEILING_GROUP, SKY, FLOOR)
    for body in range(1, model.nbody):
        kind, _, index = model.body(body).name.partition("_")
        label = int(index) if kind == "item" else PERSON if kind == "person" else ROBOT
        first = model.body_geomadr[body]
        labels[first : first + model.body_geomnum[body]] = label
    return labels


def geom_people(model: mujoco.MjModel) -> NDArray[np.int16]:
    """Whom each geom belongs to, `(ngeom,)`: a person's index, -1 if nobody."""
    people = np.full(model.ngeom, -1, dtype=np.int16)
    for body in range(1, model.nbody):
        kind, _, index = model.body(body).name.partition("_")
        if kind == "person":
            first = model.body_geomadr[body]
            people[first : first + model.body_geomnum[body]] = int(index)
    return people


def _light(spec: mujoco.MjSpec, house: House) -> None:
    import mujoco

    light = house.light
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        dir=light.direction,
        diffuse=[light.diffuse] * 3,
        ambient=[light.ambient] * 3,
        specular=[0.05] * 3,
        castshadow=False,
    )
    head = spec.visual.headlight
    head.ambient, head.diffuse, head.specular = [0.34] * 3, [0.36] * 3, [0.05] * 3


def _shell(spec: mujoco.MjSpec, house: House) -> None:
    import mujoco

    for name, ((width, height), repeat) in _TEXTURES.items():
        # White, so that it serves floors of all colours.
        spec.add_texture(
            name=name,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            mark=mujoco.mjtMark.mjMARK_EDGE,
            rgb1=[1.0] * 3,
            markrgb=[0.65] * 3,
            width=width,
            height=height,
        )
        material = spec.add_material(name=name, texuniform=True, texrepeat=repeat)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    for room in house.rooms:
        flooring = _FLOORING.get(room.kind, "boards")
        floor = _plane(spec, room.rect, 0.0, room.floor_rgb, SHELL_GROUP)
        floor.material = flooring if flooring in _TEXTURES else ""
    top = max(wall.top for wall in house.walls)
    # Rays meet a plane only from the side of its normal, which points down here.
    ceiling = _plane(spec, house.bounds, top, CEILING_RGB, CEILING_GROUP)
    ceiling.quat = [0.0, 1.0, 0.0, 0.0]
    for wall in house.walls:
        x0, y0, x1, y1 = wall.rect
        spec.worldbody.add_geom(
            type=_type("box"),
            size=[(x1 - x0) / 2, (y1 - y0) / 2, (wall.top - wall.bottom) / 2],
            pos=[(x0 + x1) / 2, (y0 + y1) / 2, (wall.top + wall.bottom) / 2],
            rgba=[*wall.rgb, 1.0],
            group=SHELL_GROUP,
            contype=1,
            conaffinity=0,
        )


def _plane(
    spec: mujoco.MjSpec, rect: tuple[float, float, float, float], z: float, rgb: Rgb, group: int
) -> mujoco.MjsGeom:
    x0, y0, x1, y1 = rect
    return spec.worldbody.add_geom(
        type=_type("plane"),
        size=[(x1 - x0) / 2, (y1 - y0) / 2, 1.0],
        pos=[(x0 + x1) / 2, (y0 + y1) / 2, z],
        rgba=[*rgb, 1.0],
        group=group,
        contype=0,
        conaffinity=0,
    )


def _item(spec: mujoco.MjSpec, item: Item) -> None:
    x, y, yaw = item.pose
    body = spec.worldbody.add_body(
        name=f"item_{item.index}", pos=[x, y, item.base], quat=quaternion((0.0, 0.0, yaw))
    )
    for part in item.parts:
        _drawn(body, part.shape, part.rgb, size=part.size, pos=part.position, quat=quaternion(part.euler))
    if item.base == 0.0:
        hx, hy, height = item.half_size
        _solid(body, "box", [hx, hy, height / 2], height / 2)


def _person(spec: mujoco.MjSpec, person: Person) -> None:
    x, y = person.path[0]
    body = spec.worldbody.add_body(name=f"person_{person.index}", mocap=True, pos=[x, y, 0.0])
    top, bottom = COLOURS[person.top], COLOURS[person.bottom]
    skin, hair = _SKIN[person.index % len(_SKIN)], _HAIR[person.index % len(_HAIR)]
    for side, ahead in ((-1.0, 0.10), (1.0, -0.10)):
        # In mid-stride: the body has no joints to swing.
        foot, hip = (ahead * 1.6, side * 0.09, 0.09), (0.0, side * 0.09, 0.86)
        _drawn(body, "capsule", bottom, size=[0.085, 0, 0], fromto=[*foot, *hip])
        _drawn(body, "box", _HAIR[1], size=[0.12, 0.05, 0.04], pos=[foot[0] + 0.04, foot[1], 0.04])
        shoulder, hand = (0.0, side * 0.215, 1.36), (-ahead * 1.8, side * 0.25, 0.88)
        _drawn(body, "capsule", top, size=[0.055, 0, 0], fromto=[*shoulder, *hand])
        _drawn(body, "sphere", skin, size=[0.055, 0, 0], pos=[hand[0] * 1.15, hand[1], hand[2] - 0.06])
    _drawn(body, "ellipsoid", top, size=[0.135, 0.21, 0.34], pos=[0.0, 0.0, 1.12])
    _drawn(body, "ellipsoid", skin, size=[0.10, 0.085, 0.13], pos=[0.02, 0.0, 1.58])
    _drawn(body, "ellipsoid", hair, size=[0.10, 0.095, 0.11], pos=[-0.015, 0.0, 1.62])
    _solid(body, "cylinder", [PERSON_RADIUS, PERSON_HEIGHT / 2, 0], PERSON_HEIGHT / 2)


def _drawn(body: mujoco.MjsBody, shape: str, rgb: Rgb, **place: Any) -> mujoco.MjsGeom:
    return body.add_geom(
        type=_type(shape), rgba=[*rgb, 1.0], group=FURNISHING_GROUP, contype=0, conaffinity=0, **place
    )


def _solid(body: mujoco.MjsBody, shape: str, size: list[float], middle: float) -> None:
    body.add_geom(
        type=_type(shape), size=size, pos=[0.0, 0.0, middle], group=COLLISION_GROUP, contype=1, conaffinity=0
    )


def _type(shape: str) -> Any:
    import mujoco

    return getattr(mujoco.mjtGeom, f"mjGEOM_{shape.upper()}")
