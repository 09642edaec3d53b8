"""Colour, depth and labels of a MuJoCo scene, off-screen.

RGB and depth come from one pass: one `mjr_render`, one `mjr_readPixels` of both buffers. Time on a software
rasteriser goes with the number of primitives, not of pixels: callers say which geoms to draw (`culling.py`).

A renderer belongs to the thread that first renders with it.
"""

from __future__ import annotations

import threading

import mujoco
import numpy as np
from numba import njit
from numpy.typing import NDArray

from vlingnav_sim import gl

_HIDDEN = 5
"""Geom group that is never drawn."""
NEAR, FAR = 0.02, 60.0
"""Clipping planes [m]."""
_SCALE, _OFFSET = np.float32((FAR - NEAR) / (NEAR * FAR)), np.float32(1.0 / FAR)
_BACKGROUND = (236, 239, 242)
"""What pictures for people show where nothing is."""

Mask = NDArray[np.bool_]
Geoms = NDArray[np.int32]


class Renderer:
    """Draws one compiled model; buffers are made once per image size.

    Args:
        model: its `vis.map` is set for `NEAR` and `FAR`.
        size: largest width, height [px] of the images that cameras take.
    """

    def __init__(self, model: mujoco.MjModel, size: tuple[int, int]) -> None:
        model.vis.map.znear = NEAR / model.stat.extent
        model.vis.map.zfar = FAR / model.stat.extent
        model.vis.global_.offwidth, model.vis.global_.offheight = size
        self._model, self._size = model, size
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 1
        self._option.geomgroup[_HIDDEN] = 0
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 64)
        self._camera = mujoco.MjvCamera()
        self._buffers: dict[tuple[int, int], tuple[NDArray[np.uint8], NDArray[np.float32]]] = {}
        self._context: mujoco.MjrContext | None = None
        self._thread: int | None = None
        self._closed = False

    def rgbd(
        self, data: mujoco.MjData, camera: int, size: tuple[int, int], draw: Mask
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Look through a camera of the model.

        Args:
            data: with positions up to date (`mj_kinematics`, `mj_camlight`).
            camera: its index.
            size: width, height [px].
            draw: `(ngeom,)` which geoms to draw.

        Returns:
            rgb: `(H, W, 3)` uint8.
            depth: `(H, W)` float32, distance along the optical axis [m]; 0 where nothing is.
        """
        self._aim(data, camera, draw)
        rgb, depth = self._shoot(size)
        _to_metres(depth)
        # Row 0 of OpenGL is the lowest.
        return rgb[::-1].copy(), depth[::-1].copy()

    def geoms(self, data: mujoco.MjData, camera: int, size: tuple[int, int], draw: Mask) -> Geoms:
        """Index of the geom behind each pixel, `(H, W)` int32; -1 where nothing is."""
        self._aim(data, camera, draw)
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        try:
            rgb, _ = self._shoot(size)
        finally:
            flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        # The colour is 1 + the geom's place in the scene, least significant byte first.
        place = rgb[::-1].astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)
        return np.concatenate([[-1], np.flatnonzero(draw)]).astype(np.int32)[place]

    def picture(
        self,
        data: mujoco.MjData,
        camera: mujoco.MjvCamera,
        size: tuple[int, int],
        draw: Mask,
        metres: float = 0.0,
    ) -> NDArray[np.uint8]:
        """`(H, W, 3)` uint8 from a free camera, at any size; slower, for people to look at.

        With `metres` the view is orthographic and shows that much from bottom to top.
        """
        self._begin()
        view = self._model.vis.global_
        before = view.fovy, view.orthographic
        if metres:
            # MuJoCo 3 asks the model whether a free camera is orthographic, MuJoCo 4 the camera.
            view.fovy, view.orthographic, camera.orthographic = metres, 1, 1
        try:
            self._update(data, camera, draw)
            mujoco.mjr_resizeOffscreen(*size, self._context)
            rgb, depth = self._shoot(size)
            rgb[depth == 0.0] = _BACKGROUND
            return rgb[::-1].copy()
        finally:
            view.fovy, view.orthographic = before
            mujoco.mjr_resizeOffscreen(*self._size, self._context)

    def close(self) -> None:
        """Free what OpenGL holds; the renderer is of no use afterwards."""
        self._closed = True
        if self._context is not None and self._thread == threading.get_ident():
            gl.make_current()
            self._context.free()
        self._context = None

    def _begin(self) -> None:
        """Make this thread's context current, and on first use make the renderer's own part of it."""
        if self._closed:
            raise RuntimeError("this simulator is closed; make a new one")
        me = threading.get_ident()
        if self._thread not in (None, me):
            raise RuntimeError(
                "OpenGL is bound to one thread and this simulator already renders in another; "
                "render from that thread, or make a simulator in this one"
            )
        gl.make_current()
        if self._context is None:
            self._thread = me
            self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
            self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        # Another renderer of this thread may have bound its own frame buffer since.
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def _aim(self, data: mujoco.MjData, camera: int, draw: Mask) -> None:
        """Fill the scene with what `camera` is to draw."""
        self._begin()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = camera
        self._update(data, self._camera, draw)

    def _update(self, data: mujoco.MjData, camera: mujoco.MjvCamera, draw: Mask) -> None:
        # Writing the groups of all geoms at once is what lets MuJoCo skip them: a microsecond.
        group = self._model.geom_group
        before = group.copy()
        group[:] = np.where(draw, 0, _HIDDEN)
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        group[:] = before

    def _shoot(self, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Render the scene and read it back, lowest row first, into buffers that the next call overwrites."""
        width, height = size
        if size not in self._buffers:
            self._buffers[size] = (
                np.empty((height, width, 3), np.uint8),
                np.empty((height, width), np.float32),
            )
        rgb, depth = self._buffers[size]
        rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rect, self._scene, self._context)
        mujoco.mjr_readPixels(rgb, depth, rect, self._context)
        return rgb, depth


@njit(cache=True, error_model="numpy")
def _to_metres(depth: NDArray[np.float32]) -> None:
    """Turn a depth buffer, which is reversed, 1 at the near plane and 0 at the far one, into distances."""
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            z = depth[row, column]
            metres = np.float32(1.0) / (z * _SCALE + _OFFSET)
            depth[row, column] = metres if z > np.float32(0.0) else np.float32(0.0)
