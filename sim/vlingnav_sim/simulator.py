"""A house with robots and people in it, and a clock.

Motion, contacts and rays are MuJoCo's; a robot is a planar base that follows velocity commands within its
limits (`robots.py`). Nothing here knows tasks, policies or ROS. The same house, robots, seed and commands
give the same run. Sensors read the world as it is at `time`; asked twice at one time, they answer the same.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from types import TracebackType

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vlingnav_policy.types import Observation, Odometry
from vlingnav_sim import scene
from vlingnav_sim.contacts import Contacts
from vlingnav_sim.culling import Culling
from vlingnav_sim.house.model import House
from vlingnav_sim.motion import ramp
from vlingnav_sim.people_motion import People
from vlingnav_sim.renderer import Renderer
from vlingnav_sim.robots import DIFF, TIMESTEP, RobotConfig, add_robot, body_name
from vlingnav_sim.sensors import CameraFaults, DriftingOdometry, Lidar, Scan
from vlingnav_sim.sight import Sight

Array = NDArray[np.float64]

_MARGIN = 0.02
"""Added [m] to how far things can move when asked whether they can touch."""


class Simulator:
    """One house, `R` robots, the house's people.

    Use it in one thread at a time; images come from the thread that asked for the first one.

    Args:
        house: what to build.
        robots: what drives in it; configs may repeat.
        seed: of the people's first places and of all noise.
        people: whether the house's people are in it.

    Attributes:
        house, robots: as given.
        model, data: MuJoCo's; for reading.
    """

    def __init__(
        self, house: House, robots: Sequence[RobotConfig] = (DIFF,), *, seed: int = 0, people: bool = True
    ) -> None:
        self.house, self.robots = house, tuple(robots)
        self._seed = seed
        persons = house.people if people else ()
        spec = scene.build_spec(dataclasses.replace(house, people=persons))
        spec.option.timestep = TIMESTEP
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
        for index, robot in enumerate(self.robots):
            add_robot(spec, robot, index)
        self.model = model = spec.compile()
        self.data = mujoco.MjData(model)

        # Views into MuJoCo's memory: only robots have joints, so a row is a robot.
        count = len(self.robots)
        self._qpos, self._qvel = self.data.qpos.reshape(count, 3), self.data.qvel.reshape(count, 3)
        self._ctrl = self.data.ctrl
        self._velocity_limit = np.array([robot.limits.velocity for robot in self.robots])
        self._velocity_change = TIMESTEP * np.array([robot.limits.acceleration for robot in self.robots])

        self._bodies = [model.body(body_name(index)).id for index in range(count)]
        self._cameras = [model.camera(f"{body_name(index)}_camera").id for index in range(count)]
        self._sizes = [(robot.camera.width, robot.camera.height) for robot in self.robots]
        drawn = np.isin(model.geom_group, scene.DRAWN_GROUPS)
        self._drawn = [drawn & (model.geom_bodyid != body) for body in self._bodies]
        self._drawn_inside = drawn
        self._drawn_from_above = drawn & (model.geom_group != scene.CEILING_GROUP)
        items = scene.geom_items(model)
        # One more, so that "no geom", -1, is the sky.
        self._labels = np.append(items, np.int16(scene.SKY))
        self._persons = np.append(scene.geom_people(model), np.int16(-1))
        self._renderer = Renderer(model, (max(w for w, _ in self._sizes), max(h for _, h in self._sizes)))
        self._sight = Sight(model, drawn, scene.DRAWN_GROUPS)
        self._lidars = [
            Lidar(model, robot.lidar, body, scene.SOLID_GROUPS)
            for robot, body in zip(self.robots, self._bodies, strict=True)
        ]
        self._people = People(model, persons)
        mujoco.mj_kinematics(model, self.data)
        self._contacts = Contacts(model, self.data, self._bodies)
        views = [robot.camera for robot in self.robots]
        self._culling = Culling(house, model, self.data, dict(zip(self._cameras, views, strict=True)))
        speeds = [person.speed for person in persons] + [math.hypot(*v[:2]) for v in self._velocity_limit]
        self._fastest = max(speeds)
        self._command: Array = np.zeros((count, 3))
        self._begin(np.zeros((count, 3)))

    def reset(self, poses: ArrayLike) -> None:
        """Start again, with the robots standing at `poses`.

        Args:
            poses: `(R, 3)` x [m], y [m], yaw [rad].

        Raises:
            ValueError: wrong shape, not finite, or a robot would stand in something.
        """
        self._begin(self._checked(poses, "poses", "x [m], y [m], yaw [rad]"))
        for robot, body in self._contacts.touches(self.data):
            x, y, _ = self.pose(robot)
            raise ValueError(
                f"robot {robot} cannot start at ({x:.2f}, {y:.2f}): it would stand in {self._name(body)}; "
                "choose a free place"
            )

    def step(self, commands: ArrayLike, duration: float) -> None:
        """Drive for `duration`.

        Args:
            commands: `(R, 3)` vx [m/s], vy [m/s], wz [rad/s] in each robot's frame; velocities are clipped
                to the robot's limits and approached with its accelerations.
            duration: [s], a multiple of `TIMESTEP`.

        Raises:
            ValueError: wrong shape, not finite, or no such duration.
        """
        target = self._checked(commands, "commands", "vx [m/s], vy [m/s], wz [rad/s]")
        steps = round(duration / TIMESTEP) if math.isfinite(duration) else 0
        if steps < 1 or abs(steps * TIMESTEP - duration) > 1e-6:
            raise ValueError(f"a duration of {duration} s is not a positive multiple of {TIMESTEP} s")
        velocities = ramp(self._command, target, self._velocity_limit, self._velocity_change, steps)
        self._command = velocities[-1]
        # Two that come towards each other close in twice as fast as the fastest.
        self._contacts.look_out(
            self._circles(), self._people.circles(), 2.0 * self._fastest * duration + _MARGIN
        )
        for rows in velocities.tolist():
            self._step(rows)
        # After mj_step the places of geoms and cameras lag one step behind the joints.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        for robot, odometry in enumerate(self._odometry):
            odometry.update(self.pose(robot))

    def observe(self, robot: int = 0) -> Observation:
        """What the camera gives now, with the odometry of its stamp.

        Depth is exact: the faults that `CameraConfig` can ask for are those of the colour image.
        """
        seen = self._observations[robot]
        if seen is None or seen[0] != self._steps:
            rgb, depth = self._renderer.rgbd(
                self.data, self._cameras[robot], self._sizes[robot], self.drawn_geoms(robot)
            )
            image = Observation(rgb=rgb, stamp=self.time, depth=depth, odometry=self.odometry(robot))
            seen = self._observations[robot] = self._steps, self._faults[robot](image)
        return seen[1]

    def labels(self, robot: int = 0) -> NDArray[np.int16]:
        """What each pixel shows, `(H, W)`: an item's index, or `WALL`, `FLOOR`, `PERSON`, `ROBOT`, `SKY`.

        A second render, of the present: ask only when it is needed.
        """
        return self._labels[self._geoms(robot)]

    def person_labels(self, robot: int = 0) -> NDArray[np.int16]:
        """Whom each pixel shows, `(H, W)`: a person's index, -1 where nobody is; one more render."""
        return self._persons[self._geoms(robot)]

    def scan(self, robot: int = 0) -> Scan:
        """The newest scan; the lidar turns at its own rate."""
        return self._lidars[robot].scan(self.data, self.pose(robot), self.time)

    def odometry(self, robot: int = 0) -> Odometry:
        """Where the robot believes it is now, drift included; without drift its true pose."""
        return Odometry(self._odometry[robot].pose.copy(), self.velocity(robot))

    def pose(self, robot: int = 0) -> Array:
        """True x [m], y [m], yaw [rad], `(3,)`; yaw within ±pi."""
        x, y, yaw = self._qpos[robot].tolist()
        return np.array([x, y, math.remainder(yaw, math.tau)])

    def velocity(self, robot: int = 0) -> Array:
        """True vx [m/s], vy [m/s], wz [rad/s] in the robot's frame, `(3,)`."""
        vx, vy, wz = self._qvel[robot].tolist()
        # That of the last step, hence in the frame half-way through it.
        yaw = float(self._qpos[robot, 2]) - 0.5 * TIMESTEP * wz
        c, s = math.cos(yaw), math.sin(yaw)
        return np.array([c * vx + s * vy, c * vy - s * vx, wz])

    def collisions(self, robot: int = 0) -> int:
        """How often the robot has run into something since reset; a lasting touch counts once."""
        return self._contacts.counts[robot]

    def visible(self, item: int, robot: int = 0) -> float:
        """Share in [0, 1] of an item that the camera sees now, by rays to fixed points in its parts."""
        return self._share(f"item_{item}", robot)

    def person_visible(self, person: int, robot: int = 0) -> float:
        """The same of one of the house's people."""
        return self._share(f"person_{person}", robot)

    def people(self) -> Array:
        """`(P, 4)` x, y [m], vx, vy [m/s] of the people."""
        return np.array([(w.x, w.y, w.vx, w.vy) for w in self._people.walkers]).reshape(-1, 4)

    def people_yaw(self) -> Array:
        """`(P,)` where the people face [rad]."""
        return np.array([w.yaw for w in self._people.walkers])

    @property
    def time(self) -> float:
        """Since the last reset [s]."""
        return self._steps * TIMESTEP

    def drawn_geoms(self, robot: int = 0) -> NDArray[np.bool_]:
        """`(ngeom,)` what is drawn for the robot's camera: what can be in sight, without the robot itself."""
        seen = self._culling.in_sight(self.data, self.pose(robot), self._cameras[robot])
        seen &= self._drawn[robot]
        return seen

    def render_top(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole house from above without its ceiling, `(height, width, 3)` uint8: x right, y up.

        The middle of the picture is that of `House.bounds`; all of it is shown, with a margin of 2.5 %.
        """
        x0, y0, x1, y1 = self.house.bounds
        camera = mujoco.MjvCamera()
        camera.lookat[:] = 0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0
        camera.azimuth, camera.elevation, camera.distance = 90.0, -90.0, 20.0
        metres = 1.05 * max(y1 - y0, (x1 - x0) * height / width)
        return self._renderer.picture(self.data, camera, (width, height), self._drawn_from_above, metres)

    def render_view(
        self, eye: Sequence[float], yaw: float, pitch: float, width: int, height: int
    ) -> NDArray[np.uint8]:
        """What one sees from `eye (3,)` [m] along `yaw`, `pitch` down [rad]: `(height, width, 3)` uint8.

        Drawn at twice the size and reduced: there is no smoothing of edges otherwise.
        """
        camera = mujoco.MjvCamera()
        flat = math.cos(pitch)
        camera.lookat[:] = np.add(eye, (flat * math.cos(yaw), flat * math.sin(yaw), -math.sin(pitch)))
        camera.azimuth, camera.elevation, camera.distance = math.degrees(yaw), -math.degrees(pitch), 1.0
        large = self._renderer.picture(self.data, camera, (2 * width, 2 * height), self._drawn_inside)
        blocks = large.reshape(height, 2, width, 2, 3).astype(np.uint16)
        return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)

    def close(self) -> None:
        """Free the renderer; call it from the thread that rendered."""
        self._renderer.close()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _geoms(self, robot: int) -> NDArray[np.int32]:
        """The geom that each pixel shows, `(H, W)`; -1 where there is none."""
        return self._renderer.geoms(
            self.data, self._cameras[robot], self._sizes[robot], self.drawn_geoms(robot)
        )

    def _share(self, body: str, robot: int) -> float:
        camera, mount = self.robots[robot].camera, self._bodies[robot]
        return self._sight.share(self.data, self.model.body(body).id, self._cameras[robot], camera, mount)

    def _begin(self, poses: Array) -> None:
        """Everything back to time 0, robots at `poses`."""
        count = len(self.robots)
        mujoco.mj_resetData(self.model, self.data)
        self._qpos[:] = poses
        self._steps = 0
        self._command = np.zeros((count, 3))
        self._contacts.reset()
        self._observations: list[tuple[int, Observation] | None] = [None] * count
        rngs = [
            np.random.default_rng(seed) for seed in np.random.SeedSequence(self._seed).spawn(1 + 3 * count)
        ]
        self._faults: list[CameraFaults] = []
        self._odometry: list[DriftingOdometry] = []
        for index, robot in enumerate(self.robots):
            camera, lidar, odometry = rngs[1 + 3 * index : 4 + 3 * index]
            self._faults.append(CameraFaults(robot.camera, camera))
            self._odometry.append(DriftingOdometry(robot.odometry, self.pose(index), odometry))
            self._lidars[index].reset(lidar)
        self._people.reset(self.data, self._circles(), rngs[0])
        mujoco.mj_forward(self.model, self.data)

    def _step(self, velocities: list[list[float]]) -> None:
        """One physics step with these body velocities, a row a robot."""
        world: list[float] = []
        for (vx, vy, wz), yaw in zip(velocities, self._qpos[:, 2].tolist(), strict=True):
            # Half-way through the step's turn: along the chord of the arc no base slides sideways.
            middle = yaw + 0.5 * TIMESTEP * wz
            c, s = math.cos(middle), math.sin(middle)
            world += (c * vx - s * vy, s * vx + c * vy, wz)
        self._ctrl[:] = world
        if self._people.walkers:
            self._people.step(self.data, self._circles(), TIMESTEP)
        mujoco.mj_step(self.model, self.data)
        self._steps += 1
        if self.data.ncon:
            self._contacts.update(self.data, self.time)

    def _circles(self) -> list[tuple[float, float, float]]:
        """x, y, radius [m] of the robots."""
        return [
            (x, y, robot.radius) for (x, y, _), robot in zip(self._qpos.tolist(), self.robots, strict=True)
        ]

    def _checked(self, rows: ArrayLike, name: str, columns: str) -> Array:
        rows = np.array(rows, dtype=np.float64, order="C")  # compiled code is compiled for one layout
        count = len(self.robots)
        if rows.shape != (count, 3):
            raise ValueError(f"{name} must be ({count}, 3), for each robot {columns}, not {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} must be finite numbers, not {rows.tolist()}")
        return rows

    def _name(self, body: int) -> str:
        """What a person would call the thing with this body."""
        kind, _, index = self.model.body(body).name.partition("_")
        if kind == "item":
            return f"the {self.house.items[int(index)].colour} {self.house.items[int(index)].category}"
        return {"robot": f"robot {index}", "person": "a person"}.get(kind, "a wall")
