"""Robots as data, and how one is put into a scene.

A base is one planar body: slides along the world's x and y and a hinge about z, each driven by a velocity
servo. What makes a base differential or omnidirectional is its `Limits` alone; the body is for looks and for
contacts. Cameras and lidars look past the body that carries them, so a mount never blinds its own sensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.types import Limits
from vlingnav_sim.house.model import Shape
from vlingnav_sim.scene import COLLISION_GROUP, ROBOT_GROUP, quaternion

if TYPE_CHECKING:
    import mujoco

Triple = tuple[float, float, float]

TIMESTEP = 0.01
"""Physics step [s]."""
PUSH_FORCE, PUSH_TORQUE = 120.0, 40.0
"""What a base can push and turn with [N, N m] before its servos give in."""


@dataclass(frozen=True)
class CameraConfig:
    """A pinhole camera at the hull's centre, looking along +x; every imperfection is off by default.

    Attributes:
        mount_height: optical centre above the floor [m].
        pitch: how far it looks down [rad].
        hfov: horizontal field of view [rad]; pixels are square.
        width, height: image size [px].
        noise_std: standard deviation of additive Gaussian noise, in grey levels of 255.
        exposure_range: darkest and brightest gain; each reset draws one, log-uniformly.
        latency_s: age of the newest image that can be had [s].
        drop_probability: chance that a frame is lost and the previous one is seen again.
    """

    mount_height: float = 0.70
    pitch: float = 0.15
    hfov: float = math.pi / 2
    width: int = 128
    height: int = 96
    noise_std: float = 0.0
    exposure_range: tuple[float, float] = (1.0, 1.0)
    latency_s: float = 0.0
    drop_probability: float = 0.0

    @property
    def focal_px(self) -> float:
        """Focal length [px], the same along both axes."""
        return 0.5 * self.width / math.tan(0.5 * self.hfov)

    @property
    def vfov(self) -> float:
        """Vertical field of view [rad]."""
        return 2.0 * math.atan2(0.5 * self.height, self.focal_px)

    @property
    def intrinsics(self) -> NDArray[np.float64]:
        """`(3, 3)` camera matrix [px]; pixel centres are at half-integers."""
        f = self.focal_px
        return np.array([[f, 0.0, 0.5 * self.width], [0.0, f, 0.5 * self.height], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class LidarConfig:
    """A planar scanner at the hull's centre, counter-clockwise from straight behind.

    Attributes:
        mount_height: plane of the scan above the floor [m].
        rays: evenly spread over the full turn.
        range_min, range_max: [m].
        rate_hz: revolutions per second; between them the last scan is seen again.
        noise_std: of each range [m].
    """

    mount_height: float = 0.25
    rays: int = 180
    range_min: float = 0.05
    range_max: float = 8.0
    rate_hz: float = 10.0
    noise_std: float = 0.0


@dataclass(frozen=True)
class OdometryConfig:
    """Dead reckoning whose errors are drawn at each reset and then last; 0 means a perfect one.

    Attributes:
        translation_std: relative error of distances [m/m].
        yaw_std: relative error of turns [rad/rad].
        veer_std: turn imagined while driving straight [rad/m].
    """

    translation_std: float = 0.0
    yaw_std: float = 0.0
    veer_std: float = 0.0


@dataclass(frozen=True)
class RobotConfig:
    """One kind of robot.

    Attributes:
        name: key in `ROBOTS`.
        body: how it looks, a key of `BODIES`.
        radius: of the circle round the hull [m].
        hull: half length and half width [m].
        height: of the hull's top, mast not counted [m].
        mass: [kg].
        limits: velocities and accelerations of the base.
        camera, lidar, odometry: sensors.
    """

    name: str = "diff"
    body: str = "turtle"
    radius: float = 0.18
    hull: tuple[float, float] = (0.18, 0.18)
    height: float = 0.35
    mass: float = 12.0
    limits: Limits = Limits()
    camera: CameraConfig = CameraConfig()
    lidar: LidarConfig = LidarConfig()
    odometry: OdometryConfig = field(default_factory=OdometryConfig)


DIFF = RobotConfig()
OMNI = RobotConfig(
    name="omni",
    body="quadruped",
    radius=0.36,
    hull=(0.325, 0.155),
    height=0.45,
    mass=30.0,
    limits=Limits(velocity=(1.0, 0.6, 1.5), acceleration=(2.0, 2.0, 6.0)),
    # On a mast, at the height of the other's: a policy sees the same from both.
)
ROBOTS: dict[str, RobotConfig] = {robot.name: robot for robot in (DIFF, OMNI)}

ACCENTS = ((0.95, 0.55, 0.10), (0.10, 0.60, 0.75), (0.55, 0.75, 0.15), (0.75, 0.25, 0.60))
"""Colour of the trim by robot index, to tell a fleet apart."""
_DARK, _GREY, _LIGHT = (0.13, 0.14, 0.16), (0.42, 0.44, 0.47), (0.88, 0.89, 0.90)


def body_name(index: int) -> str:
    """Name of the body of robot `index`; its joints, motors and camera start with it."""
    return f"robot_{index}"


def add_robot(spec: mujoco.MjSpec, config: RobotConfig, index: int) -> None:
    """Add robot `index` to a scene: body, joints `_x _y _yaw`, a motor for each, and `_camera`.

    Motors are dead-beat: with a gain of inertia / time step the velocity of the next step is the one
    commanded, unless that takes more than `PUSH_FORCE`.
    """
    import mujoco

    name = body_name(index)
    inertia = 0.5 * config.mass * config.radius**2
    body = spec.worldbody.add_body(
        name=name, mass=config.mass, inertia=[inertia] * 3, ipos=[0.0, 0.0, 0.2], explicitinertial=True
    )
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    for suffix, kind, axis, load, limit in (
        ("_x", slide, (1, 0, 0), config.mass, PUSH_FORCE),
        ("_y", slide, (0, 1, 0), config.mass, PUSH_FORCE),
        ("_yaw", hinge, (0, 0, 1), inertia, PUSH_TORQUE),
    ):
        body.add_joint(name=name + suffix, type=kind, axis=axis)
        gain = load / TIMESTEP
        spec.add_actuator(
            name=name + suffix,
            target=name + suffix,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            biastype=mujoco.mjtBias.mjBIAS_AFFINE,
            gainprm=[gain] + [0.0] * 9,
            biasprm=[0.0, 0.0, -gain] + [0.0] * 7,
            forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE,
            forcerange=[-limit, limit],
        )
    pitch = config.camera.pitch
    camera = body.add_camera(
        name=f"{name}_camera",
        pos=[0.0, 0.0, config.camera.mount_height],
        fovy=math.degrees(config.camera.vfov),
    )
    # A MuJoCo camera looks along its -z with y up.
    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_XYAXES
    camera.alt.xyaxes = [0.0, -1.0, 0.0, math.sin(pitch), 0.0, math.cos(pitch)]

    draw = _Brush(body)
    BODIES[config.body](draw, config, ACCENTS[index % len(ACCENTS)])
    top = config.camera.mount_height + 0.03
    draw.solid("capsule", (0.03, 0.5 * (top - config.height), 0.0), (-0.04, 0.0, 0.5 * (top + config.height)))


class _Brush:
    """Adds geoms to a body: `shape` and `limb` for the eye, `solid` for contacts and the lidars of others."""

    def __init__(self, body: mujoco.MjsBody) -> None:
        import mujoco

        self._body = body
        self._types = {
            name: getattr(mujoco.mjtGeom, f"mjGEOM_{name.upper()}")
            for name in ("box", "cylinder", "sphere", "ellipsoid", "capsule")
        }

    def shape(
        self, kind: Shape, size: Triple, pos: Triple, rgb: Triple, turn: Triple = (0.0, 0.0, 0.0)
    ) -> None:
        """Add a primitive; `turn` is roll, pitch, yaw [rad]."""
        self._add(kind, size=size, pos=pos, quat=quaternion(turn), rgba=[*rgb, 1.0])

    def limb(self, radius: float, start: Triple, end: Triple, rgb: Triple) -> None:
        """Add a capsule from joint to joint."""
        self._add("capsule", size=[radius, 0.0, 0.0], fromto=[*start, *end], rgba=[*rgb, 1.0])

    def solid(self, kind: Shape, size: Triple, pos: Triple) -> None:
        """Add an unseen collision primitive."""
        self._add(kind, size=size, pos=pos, group=COLLISION_GROUP, contype=1, conaffinity=1)

    def _add(self, kind: Shape, **options: Any) -> None:
        looks = {"group": ROBOT_GROUP, "contype": 0, "conaffinity": 0}
        self._body.add_geom(type=self._types[kind], **(looks | options))


def _turtle(draw: _Brush, config: RobotConfig, accent: Triple) -> None:
    """A low round base on two wheels, with a mast and a stereo head."""
    r, top, eye = config.radius, config.height, config.camera.mount_height
    side = (0.5 * math.pi, 0.0, 0.0)
    draw.shape("cylinder", (r - 0.03, 0.04, 0.0), (0.0, 0.0, 0.08), _DARK)
    for y in (r - 0.018, 0.018 - r):
        draw.shape("cylinder", (0.075, 0.016, 0.0), (0.0, y, 0.075), _DARK, side)
        draw.shape("cylinder", (0.035, 0.018, 0.0), (0.0, y, 0.075), _GREY, side)
    draw.shape("sphere", (0.025, 0.0, 0.0), (r - 0.05, 0.0, 0.025), _GREY)
    draw.shape("cylinder", (r, 0.012, 0.0), (0.0, 0.0, 0.16), accent)
    draw.shape("cylinder", (r - 0.01, 0.03, 0.0), (0.0, 0.0, 0.20), _LIGHT)
    draw.shape("cylinder", (r - 0.02, 0.02, 0.0), (0.0, 0.0, 0.25), _DARK)
    draw.shape("cylinder", (r - 0.01, 0.5 * (top - 0.27), 0.0), (0.0, 0.0, 0.5 * (top + 0.27)), _LIGHT)
    draw.shape("cylinder", (0.016, 0.5 * (eye - top), 0.0), (-0.045, 0.0, 0.5 * (eye + top)), _GREY)
    _head(draw, eye, accent)
    draw.solid("cylinder", (r, 0.5 * (top - 0.03), 0.0), (0.0, 0.0, 0.5 * (top + 0.03)))


def _quadruped(draw: _Brush, config: RobotConfig, accent: Triple) -> None:
    """A torso on four bent legs, with a short mast between the shoulders."""
    (length, width), top, eye = config.hull, config.height, config.camera.mount_height
    spine = top - 0.08
    draw.shape("box", (length - 0.07, width - 0.055, 0.055), (0.0, 0.0, spine), _LIGHT)
    draw.shape("box", (length - 0.13, width - 0.045, 0.025), (0.0, 0.0, spine + 0.02), accent)
    draw.shape("box", (0.045, 0.06, 0.05), (length - 0.05, 0.0, spine + 0.01), _DARK)
    draw.shape("ellipsoid", (0.03, 0.055, 0.05), (0.06 - length, 0.0, spine), _DARK)
    for x in (length - 0.10, 0.08 - length):
        for y in (width - 0.035, 0.035 - width):
            hip, knee, foot = (x, y, spine - 0.01), (x - 0.07, y, 0.21), (x + 0.01, y, 0.03)
            draw.shape("sphere", (0.048, 0.0, 0.0), hip, _DARK)
            draw.limb(0.034, hip, knee, _LIGHT)
            draw.limb(0.022, knee, foot, _GREY)
            draw.shape("sphere", (0.03, 0.0, 0.0), foot, _DARK)
    draw.shape("cylinder", (0.02, 0.5 * (eye - spine), 0.0), (-0.045, 0.0, 0.5 * (eye + spine)), _GREY)
    _head(draw, eye, accent)
    draw.solid("box", (length, width, 0.5 * (top - 0.03)), (0.0, 0.0, 0.5 * (top + 0.03)))


def _head(draw: _Brush, eye: float, accent: Triple) -> None:
    draw.shape("box", (0.028, 0.065, 0.028), (-0.045, 0.0, eye), _DARK)
    draw.shape("box", (0.029, 0.066, 0.005), (-0.045, 0.0, eye + 0.03), accent)
    for y in (0.035, -0.035):
        draw.shape("sphere", (0.016, 0.0, 0.0), (-0.016, y, eye), _GREY)


Draw = Callable[[_Brush, RobotConfig, Triple], None]
BODIES: dict[str, Draw] = {"turtle": _turtle, "quadruped": _quadruped}
