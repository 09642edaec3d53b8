"""How much of a thing or a person a camera sees, without rendering: a handful of rays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlingnav_sim.robots import CameraConfig

Array = NDArray[np.float64]

_PLASTIC = 1.2207440846057596
"""The real root of x^4 = x + 1."""


class Sight:
    """How much of a body a camera sees, by rays to fixed points inside its parts.

    A ray to such a point meets the body at the point or before, unless something else stands in the way.

    Args:
        model: compiled scene.
        drawn: `(ngeom,)` which geoms are drawn at all.
        groups: geom groups that are drawn.
    """

    POINTS = 32
    # Half sizes of a box inside each primitive, relative to the primitive's own.
    _INNER = {
        mujoco.mjtGeom.mjGEOM_BOX: (0.95, 0.95, 0.95),
        mujoco.mjtGeom.mjGEOM_CYLINDER: (0.7, 0.7, 0.95),
        mujoco.mjtGeom.mjGEOM_CAPSULE: (0.7, 0.7, 1.0),
        mujoco.mjtGeom.mjGEOM_ELLIPSOID: (0.57, 0.57, 0.57),
        mujoco.mjtGeom.mjGEOM_SPHERE: (0.57, 0.57, 0.57),
    }

    def __init__(self, model: mujoco.MjModel, drawn: NDArray[np.bool_], groups: Sequence[int]) -> None:
        self._model = model
        self._bodies = np.where(drawn, model.geom_bodyid, -1)
        self._groups = np.isin(np.arange(mujoco.mjNGROUP), groups).astype(np.uint8)
        self._samples: dict[int, tuple[NDArray[np.int64], Array]] = {}

    def share(self, data: mujoco.MjData, body: int, camera: int, config: CameraConfig, mount: int) -> float:
        """Share in [0, 1] of the points of `body` that `camera`, mounted on the body `mount`, sees."""
        if body not in self._samples:
            self._samples[body] = self._sample(body)
        owners, local = self._samples[body]
        turn = data.geom_xmat[owners].reshape(-1, 3, 3)
        points = data.geom_xpos[owners] + np.einsum("nij,nj->ni", turn, local)
        eye, axes = data.cam_xpos[camera], data.cam_xmat[camera].reshape(3, 3)
        rays = points - eye
        right, up, back = (rays @ axes).T
        tan_h, tan_v = math.tan(0.5 * config.hfov), math.tan(0.5 * config.vfov)
        rays = rays[(np.abs(right) <= -back * tan_h) & (np.abs(up) <= -back * tan_v)]
        if not len(rays):
            return 0.0
        lengths = np.linalg.norm(rays, axis=1, keepdims=True)
        geoms, distances = np.empty(len(rays), dtype=np.int32), np.empty(len(rays))
        mujoco.mj_multiRay(
            self._model,
            data,
            eye,
            (rays / lengths).ravel(),
            geomgroup=self._groups,
            flg_static=1,
            bodyexclude=mount,
            geomid=geoms,
            dist=distances,
            normal=None,
            nray=len(rays),
            cutoff=float(lengths.max()) + 0.1,
        )
        seen = (geoms >= 0) & (self._bodies[geoms] == body)
        return float(np.count_nonzero(seen)) / self.POINTS

    def _sample(self, body: int) -> tuple[NDArray[np.int64], Array]:
        """`POINTS` of the body's geoms, by the area of their boxes, and a point in each `(POINTS, 3)`."""
        geoms = np.flatnonzero(self._bodies == body)
        half = self._model.geom_aabb[geoms, 3:]
        area = half[:, 0] * half[:, 1] + half[:, 1] * half[:, 2] + half[:, 2] * half[:, 0]
        middles = (np.arange(self.POINTS) + 0.5) / self.POINTS
        owners = np.searchsorted(np.cumsum(area) / area.sum(), middles)
        # Additive recurrence (Roberts, 2018): any number of points, evenly spread in three dimensions.
        steps = np.arange(1, self.POINTS + 1)[:, None] / _PLASTIC ** np.arange(1, 4)
        inner = np.array([self._INNER[mujoco.mjtGeom(self._model.geom_type[g])] for g in geoms])
        return geoms[owners], (2.0 * (steps % 1.0) - 1.0) * (half * inner)[owners]
