"""What cameras show agrees with where things are."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
import pytest

from vlingnav_sim import gl, scene
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import generate
from vlingnav_sim.house.model import House
from vlingnav_sim.robots import DIFF, OMNI, CameraConfig
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]


def back_project(depth: np.ndarray, camera: CameraConfig, pose: np.ndarray) -> np.ndarray:
    """World points `(H, W, 3)` [m] of a depth image, by the pinhole model alone."""
    (f, _, cx), (_, _, cy), _ = camera.intrinsics
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    right, down = (u - cx) / f * depth, (v - cy) / f * depth
    s, c = np.sin(camera.pitch), np.cos(camera.pitch)
    forward, up = c * depth - s * down, -s * depth - c * down
    x, y, yaw = pose
    return np.stack(
        [
            x + np.cos(yaw) * forward + np.sin(yaw) * right,
            y + np.sin(yaw) * forward - np.cos(yaw) * right,
            camera.mount_height + up,
        ],
        axis=-1,
    )


@pytest.mark.parametrize("robot", [DIFF, OMNI], ids=["diff", "omni"])
def test_depth_lies_on_the_walls_and_the_floor(make_room: MakeRoom, robot) -> None:
    with Simulator(make_room(), (robot,)) as sim:
        sim.reset([[1.0, 0.0, 0.0]])
        observation, labels = sim.observe(), sim.labels()
        points = back_project(observation.depth, robot.camera, sim.pose())
        front = (labels == scene.WALL) & (np.abs(points[..., 1]) < 1.9)
        assert front.sum() > 1000
        np.testing.assert_allclose(points[front, 0], 3.0, atol=0.01)
        np.testing.assert_allclose(points[labels == scene.FLOOR, 2], 0.0, atol=0.01)


def test_a_wall_two_metres_ahead_reads_two_metres(make_room: MakeRoom) -> None:
    level = dataclasses.replace(DIFF, camera=CameraConfig(pitch=0.0))
    with Simulator(make_room(), (level,)) as sim:
        sim.reset([[1.0, 0.0, 0.0]])
        depth = sim.observe().depth
        # Along the optical axis, hence the same over the whole wall.
        np.testing.assert_allclose(depth[40:56], 2.0, atol=0.01)
        sim.reset([[0.5, 0.0, 0.0]])
        np.testing.assert_allclose(sim.observe().depth[40:56, 30:98], 2.5, atol=0.01)


def test_image_is_upright_and_not_mirrored(make_room: MakeRoom) -> None:
    with Simulator(make_room(boxes=[(1.5, 0.8)])) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        observation, labels = sim.observe(), sim.labels()
        rows, columns = np.nonzero(labels == 0)
        assert columns.max() < 64  # at the robot's left, hence in the left half
        assert (labels[-1] == scene.FLOOR).all()
        red, green, blue = observation.rgb[rows, columns].mean(axis=0)
        assert red > 3 * green and red > 3 * blue
        assert observation.rgb.dtype == np.uint8 and observation.depth.dtype == np.float32


def test_observations_are_the_callers_own(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        first = sim.observe()
        before = first.rgb.copy(), first.depth.copy()
        sim.step([[0.0, 0.0, 1.5]], 0.5)
        assert not np.array_equal(sim.observe().rgb, before[0])
        np.testing.assert_array_equal(first.rgb, before[0])
        np.testing.assert_array_equal(first.depth, before[1])


def test_a_robot_does_not_see_itself_but_sees_others(make_room: MakeRoom) -> None:
    with Simulator(make_room(), (OMNI, DIFF)) as sim:
        sim.reset([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
        assert scene.ROBOT not in sim.labels(0)
        assert (sim.labels(1) == scene.ROBOT).sum() > 100


def places(house: House, rng: np.random.Generator) -> np.ndarray:
    """Poses all over a house, on the thresholds of its doors, and with a door just at the picture's edge."""
    grid = OccupancyGrid.from_house(house, radius=0.25)
    poses = [
        [*at, rng.uniform(-np.pi, np.pi)]
        for at in grid.to_world(rng.permutation(np.argwhere(grid.free))[:12])
    ]
    for door in house.doors:
        poses.append([*np.add(door.position, rng.uniform(-0.3, 0.3, 2)), rng.uniform(-np.pi, np.pi)])
        for aside in (-1.0, 1.0):
            bearing, distance = rng.uniform(-np.pi, np.pi), rng.uniform(0.5, 1.2)
            at = np.subtract(door.position, [distance * np.cos(bearing), distance * np.sin(bearing)])
            poses.append([*at, bearing + aside * rng.uniform(0.8, 1.3)])
    return np.array(poses)


@pytest.mark.parametrize("seed", range(6))
def test_leaving_out_what_is_out_of_sight_changes_no_pixel(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, rng = generate(seed), np.random.default_rng(seed)
    drawn_culled = drawn_whole = compared = 0
    with Simulator(house) as sim:
        for pose in places(house, rng):
            try:
                sim.reset([pose])
            except ValueError:
                continue  # somebody or something stands there
            compared += 1
            culled = sim.observe(), sim.labels()
            drawn_culled += sim._renderer._scene.ngeom
            with monkeypatch.context() as patch:
                patch.setattr(
                    sim._culling, "in_sight", lambda data, *_: np.ones(len(data.geom_xpos), dtype=bool)
                )
                patch.setattr(sim, "_observations", [None])
                whole = sim.observe(), sim.labels()
            drawn_whole += sim._renderer._scene.ngeom
            np.testing.assert_array_equal(culled[0].rgb, whole[0].rgb, err_msg=str(pose))
            np.testing.assert_array_equal(culled[0].depth, whole[0].depth, err_msg=str(pose))
            np.testing.assert_array_equal(culled[1], whole[1], err_msg=str(pose))
    assert compared >= 8 and drawn_culled < 0.26 * drawn_whole


def test_labels_agree_with_mujocos_own_segmentation(make_room: MakeRoom) -> None:
    house = make_room(boxes=[(1.5, 0.8), (2.0, -0.5)])
    with Simulator(house, (DIFF, DIFF)) as sim:
        sim.reset([[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]])
        ours = sim.labels()
        option = mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[list(scene.DRAWN_GROUPS)] = 1
        sim.model.geom_group[sim.model.geom_bodyid == sim.model.body("robot_0").id] = scene.COLLISION_GROUP
        gl.make_current()
        theirs = _segmentation(sim, option)
        np.testing.assert_array_equal(ours, np.append(scene.geom_items(sim.model), scene.SKY)[theirs])


def _segmentation(sim: Simulator, option: mujoco.MjvOption) -> np.ndarray:
    """Geom of each pixel by `segid` and `objid` of every geom in the scene, as the manual has it."""
    shown, context = mujoco.MjvScene(sim.model, 1000), mujoco.MjrContext(sim.model, 100)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
    camera = mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, sim.model.camera("robot_0_camera").id
    mujoco.mjv_updateScene(sim.model, sim.data, option, None, camera, mujoco.mjtCatBit.mjCAT_ALL, shown)
    shown.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = shown.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
    rgb, rect = np.empty((96, 128, 3), np.uint8), mujoco.MjrRect(0, 0, 128, 96)
    mujoco.mjr_render(rect, shown, context)
    mujoco.mjr_readPixels(rgb, None, rect, context)
    context.free()
    geoms = {geom.segid + 1: geom.objid for geom in shown.geoms[: shown.ngeom]}
    codes = rgb[::-1].astype(int) @ [1, 256, 65536]
    return np.vectorize(lambda code: geoms.get(code, -1))(codes)


def test_pictures_of_any_size(make_room: MakeRoom) -> None:
    with Simulator(make_room(boxes=[(2.0, 1.0)])) as sim:
        sim.reset([[-2.0, -1.0, 0.0]])
        before = sim.observe()
        top = sim.render_top(640, 480)
        assert top.shape == (480, 640, 3)
        rows, columns = np.nonzero((top[..., 0] > 120) & (top[..., 1:] < 60).all(axis=-1))
        # The red cube is 2 m right of the middle and 1 m above; 6.2 m of house span 640 / 1.05 pixels.
        scale = 640 / 1.05 / 6.2
        np.testing.assert_allclose([columns.mean(), rows.mean()], [320 + 2 * scale, 240 - scale], atol=2.0)
        assert sim.render_view((0.0, 0.0, 1.5), 0.5, 0.4, 800, 300).shape == (300, 800, 3)
        sim.reset([[-2.0, -1.0, 0.0]])
        np.testing.assert_array_equal(sim.observe().rgb, before.rgb)


def test_two_simulators_render_by_turns(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as empty, Simulator(make_room(boxes=[(1.0, 0.0)])) as full:
        for sim in (empty, full):
            sim.reset([[0.0, 0.0, 0.0]])
        alone = full.observe().rgb, empty.observe().rgb
        for _ in range(3):
            for sim, picture in zip((full, empty), alone, strict=True):
                sim.reset([[0.0, 0.0, 0.0]])
                np.testing.assert_array_equal(sim.observe().rgb, picture)
        assert not np.array_equal(*alone)


def test_renders_in_another_thread_than_it_was_made_in(make_room: MakeRoom) -> None:
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two, Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        image = one.submit(sim.observe).result().rgb
        sim.reset([[0.0, 0.0, 0.0]])
        with pytest.raises(RuntimeError, match="bound to one thread"):
            two.submit(sim.observe).result()
        np.testing.assert_array_equal(one.submit(sim.observe).result().rgb, image)
        one.submit(sim.close).result()


def test_a_closed_simulator_says_so(make_room: MakeRoom) -> None:
    sim = Simulator(make_room())
    sim.reset([[0.0, 0.0, 0.0]])
    sim.observe()
    sim.close()
    sim.close()
    sim.step([[0.0, 0.0, 0.0]], 0.05)
    with pytest.raises(RuntimeError, match="closed"):
        sim.observe()


def test_many_simulators_leave_nothing_behind(make_room: MakeRoom) -> None:
    def resident_mb() -> float:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def use() -> None:
        with Simulator(make_room()) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            sim.observe()

    for _ in range(20):
        use()
    before = resident_mb()
    for _ in range(100):
        use()
    assert resident_mb() - before < 20.0


@pytest.mark.parametrize("platform", ["egl", "osmesa"])
def test_each_platform_gives_the_picture(platform: str) -> None:
    program = (
        "from vlingnav_sim import gl, house, simulator\n"
        "rgb = simulator.Simulator(house.generate(1)).observe().rgb; print(gl.backend(), rgb.std() > 1)"
    )
    environment = {**os.environ, "MUJOCO_GL": platform}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    if "cannot render off-screen" in result.stderr:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.stdout.split() == [platform, "True"], result.stderr


def test_osmesa_stands_in_where_egl_is_missing() -> None:
    program = (
        "import ctypes; from vlingnav_sim import gl; cdll = ctypes.CDLL\n"
        "def CDLL(name, **options):\n"
        "    if 'EGL' in name: raise OSError('no such library')\n"
        "    return cdll(name, **options)\n"
        "ctypes.CDLL = CDLL; gl.make_current(); print(gl.backend())"
    )
    environment = {key: value for key, value in os.environ.items() if key != "MUJOCO_GL"}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    if "libOSMesa" in result.stderr:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.stdout.strip() == "osmesa", result.stderr


def test_without_any_platform_the_error_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_, **__):
        raise OSError("no such library")

    monkeypatch.setattr(gl.ctypes, "CDLL", missing)
    gl._backend.cache_clear()
    try:
        with pytest.raises(gl.GLUnavailableError, match="apt-get install libegl1 .*libosmesa6"):
            gl._backend()
    finally:
        gl._backend.cache_clear()


def test_a_forked_worker_is_told_to_spawn(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        sim.observe()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                sim.labels()
                os.write(writer, b"rendered")
            except RuntimeError as error:
                os.write(writer, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert b"spawn" in os.read(reader, 1000)
