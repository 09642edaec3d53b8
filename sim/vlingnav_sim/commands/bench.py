"""`vlingnav bench sim`: how near the simulator comes to doing nothing but rendering.

Ours is all that a training loop pays for a frame: a control period of physics with people and contacts,
scene update, RGB-D in arrays of the caller's own, lidar. Bare is plain MuJoCo with the same model, quality
settings, image size and poses, and only `mjr_render` and `mjr_readPixels` of colour and depth are on its
clock: no physics, no scene update, no copies. It draws the whole house, as MuJoCo does. Ours leaves out what
cannot be in the picture, so bare is also timed on no more than that: the last column shows what all that is
not rendering costs.

A drive is the same each time it is repeated, so each frame's time is the best of its repetitions; the three
take turns, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlingnav_cli.arguments import count

if TYPE_CHECKING:
    from vlingnav_sim.simulator import Simulator

PERIOD_S = 0.05
FRAMES = 80

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Frame:
    """Where everything is, and the geoms that ours draws of it."""

    qpos: Array
    mocap_pos: Array
    mocap_quat: Array
    drawn: NDArray[np.bool_]


def add_bench_sim(parser: argparse.ArgumentParser) -> None:
    """Rendered RGB-D frames per second, sensors and bookkeeping included, against a bare MuJoCo loop."""
    parser.add_argument("--houses", type=count, default=8, help="how many houses to drive in (default: 8)")
    parser.add_argument("--repeats", type=count, default=5, help="how often each drive is made (default: 5)")
    parser.set_defaults(run=run_bench_sim)


def run_bench_sim(args: argparse.Namespace) -> dict[str, float]:
    """Run the benchmark, print a table, return its figures."""
    from vlingnav_sim import gl
    from vlingnav_sim.house import generate
    from vlingnav_sim.simulator import Simulator

    rows = []
    print("house  rooms  geoms     ours     bare  bare, in view  ratio  ratio, in view")
    for seed in range(args.houses):
        house = generate(seed)
        with Simulator(house, seed=seed) as simulator:
            ours, bare, in_view = seconds = _time_house(simulator, args.repeats)
            rows.append(seconds)
            print(
                f"{seed:5}  {len(house.rooms):5}  {simulator.model.ngeom:5}  {FRAMES / ours:5.0f}/s  "
                f"{FRAMES / bare:5.0f}/s  {FRAMES / in_view:11.0f}/s  "
                f"{bare / ours:5.2f}  {in_view / ours:14.2f}"
            )
    ours, bare, in_view = np.sum(rows, axis=0)
    frames = FRAMES * len(rows)
    figures = {
        "fps": frames / ours,
        "bare_fps": frames / bare,
        "ratio": bare / ours,
        "bare_in_view_fps": frames / in_view,
        "ratio_in_view": in_view / ours,
    }
    print(
        f"{'all':>19}  {figures['fps']:5.0f}/s  {figures['bare_fps']:5.0f}/s  "
        f"{figures['bare_in_view_fps']:11.0f}/s  {figures['ratio']:5.2f}  {figures['ratio_in_view']:14.2f}"
        f"\nRGB-D of 128x96 through {gl.backend()}, one control period of {PERIOD_S} s a frame"
    )
    return {name: float(value) for name, value in figures.items()}


def _time_house(simulator: Simulator, repeats: int) -> tuple[float, float, float]:
    """Seconds that one drive takes: ours, bare, bare of what is in view."""
    start, commands = _wander(simulator)
    bare = _Bare(simulator)
    best = np.full((3, FRAMES), np.inf)
    for _ in range(repeats):
        simulator.reset(start)
        frames: list[_Frame] = []
        seconds = np.empty((3, FRAMES))
        for index, command in enumerate(commands):
            begin = time.perf_counter()
            simulator.step(command, PERIOD_S)
            simulator.observe()
            simulator.scan()
            seconds[0, index] = time.perf_counter() - begin
            data, drawn = simulator.data, simulator.drawn_geoms()
            frames.append(_Frame(data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy(), drawn))
        seconds[1] = [bare.seconds(frame, bare.house) for frame in frames]
        seconds[2] = [bare.seconds(frame, frame.drawn) for frame in frames]
        best = np.minimum(best, seconds)
    ours, whole_s, in_view_s = best.sum(axis=1).tolist()
    return ours, whole_s, in_view_s


def _wander(simulator: Simulator) -> tuple[Array, list[Array]]:
    """A start and commands that drive ahead while the way is clear and turn where it is not."""
    from vlingnav_sim.grid import OccupancyGrid

    rng = np.random.default_rng(simulator.house.seed)
    grid = OccupancyGrid.from_house(simulator.house, radius=0.25)
    cells = np.argwhere(grid.free)
    start = np.array([[*grid.to_world(cells[rng.integers(len(cells))]), rng.uniform(-np.pi, np.pi)]])
    simulator.reset(start)
    commands = []
    for _ in range(FRAMES):
        x, y = simulator.scan().points().T
        blocked = ((x > 0.0) & (x < 0.8) & (np.abs(y) < 0.3)).any()
        commands.append(np.array([[0.0, 0.0, 1.0] if blocked else [0.6, 0.0, 0.1]]))
        simulator.step(commands[-1], PERIOD_S)
    return start, commands


class _Bare:
    """MuJoCo alone: draws what a simulator's first robot sees.

    Attributes:
        house: `(ngeom,)` which geoms make up the picture, in sight or not.
    """

    def __init__(self, simulator: Simulator) -> None:
        import mujoco

        from vlingnav_sim import gl, scene

        gl.make_current()
        self._model = copy.copy(simulator.model)
        self._data = mujoco.MjData(self._model)
        # As from the simulator: without unseen geoms and without the robot that carries the camera.
        own = self._model.geom_bodyid == self._model.body("robot_0").id
        self.house = np.isin(self._model.geom_group, scene.DRAWN_GROUPS) & ~own
        self._scene = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom + 64)
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = self._model.camera("robot_0_camera").id
        camera = simulator.robots[0].camera
        self._rect = mujoco.MjrRect(0, 0, camera.width, camera.height)
        self._rgb = np.empty((camera.height, camera.width, 3), np.uint8)
        self._depth = np.empty((camera.height, camera.width), np.float32)

    def seconds(self, frame: _Frame, drawn: NDArray[np.bool_]) -> float:
        """Time to render these geoms of a frame and to read the pixels back."""
        import mujoco

        model, data = self._model, self._data
        data.qpos[:], data.mocap_pos[:], data.mocap_quat[:] = frame.qpos, frame.mocap_pos, frame.mocap_quat
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        model.geom_group[:] = np.where(drawn, 0, mujoco.mjNGROUP - 1)
        category = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(model, data, self._option, None, self._camera, category, self._scene)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        begin = time.perf_counter()
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._rgb, self._depth, self._rect, self._context)
        return time.perf_counter() - begin
