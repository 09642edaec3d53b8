"""Where the geoms of a compiled scene are, all at once."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray


def world_bounds(
    model: mujoco.MjModel, data: mujoco.MjData
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corners `(ngeom, 3)` [m] of the geoms' axis-aligned boxes; planes may be endless."""
    turn = data.geom_xmat.reshape(-1, 3, 3)
    middle = data.geom_xpos + np.einsum("nij,nj->ni", turn, model.geom_aabb[:, :3])
    half = np.einsum("nij,nj->ni", np.abs(turn), model.geom_aabb[:, 3:])
    # MuJoCo bounds planes by nothing; a size of 0 is an endless one.
    plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    half[plane, :2] = np.where(model.geom_size[plane, :2] > 0.0, model.geom_size[plane, :2], np.inf)
    return middle - half, middle + half


def movers(model: mujoco.MjModel) -> list[int]:
    """Bodies that move: people and robots."""
    return np.flatnonzero((model.body_mocapid >= 0) | (model.body_dofnum > 0)).tolist()
