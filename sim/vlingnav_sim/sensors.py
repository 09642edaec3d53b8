"""What the sensors of a robot make of the truth: lidar, odometry, and the faults of a camera."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import compose, relative
from vlingnav_policy.types import Observation
from vlingnav_sim.robots import CameraConfig, LidarConfig, OdometryConfig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scan:
    """One revolution of a lidar, counter-clockwise.

    Attributes:
        ranges: `(N,)` float32 [m]; inf where nothing is within `range_max`.
        angle_min: of the first ray in the robot's frame [rad].
        angle_increment: between rays [rad].
        stamp: time [s].
        range_min, range_max: [m].
    """

    ranges: NDArray[np.float32]
    angle_min: float
    angle_increment: float
    stamp: float
    range_min: float = 0.05
    range_max: float = 8.0

    def points(self) -> Array:
        """Hits `(M, 2)` [m] in the frame the robot had at `stamp`; the sensor is at its origin."""
        hit = np.isfinite(self.ranges)
        angles = self.angle_min + self.angle_increment * np.flatnonzero(hit)
        r = self.ranges[hit].astype(np.float64)
        return np.stack([r * np.cos(angles), r * np.sin(angles)], axis=-1)


class Lidar:
    """The scanner of one robot.

    Args:
        model: compiled scene.
        config: of the scanner.
        body: the robot's own body, which it looks past.
        groups: geom groups it sees.
    """

    def __init__(self, model: mujoco.MjModel, config: LidarConfig, body: int, groups: Sequence[int]) -> None:
        self._model, self._config, self._body = model, config, body
        self._groups = np.isin(np.arange(mujoco.mjNGROUP), groups).astype(np.uint8)
        angles = -math.pi + math.tau / config.rays * np.arange(config.rays)
        self._rays = np.stack([np.cos(angles), np.sin(angles), np.zeros(config.rays)], axis=-1)
        self._geoms = np.empty(config.rays, dtype=np.int32)
        self._distances = np.empty(config.rays)
        self.reset(np.random.default_rng())

    def reset(self, rng: np.random.Generator) -> None:
        """Forget the last scan; draw noise from `rng` from now on."""
        self._rng = rng
        self._last: Scan | None = None

    def scan(self, data: mujoco.MjData, pose: Array, stamp: float) -> Scan:
        """A new scan from `pose (3,)`, or the last one for as long as its revolution takes."""
        config = self._config
        if self._last is not None and stamp < self._last.stamp + 1.0 / config.rate_hz - 1e-9:
            return self._last
        c, s = math.cos(pose[2]), math.sin(pose[2])
        rays = self._rays @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        origin = np.array([pose[0], pose[1], config.mount_height])
        mujoco.mj_multiRay(
            self._model,
            data,
            origin,
            rays.ravel(),
            geomgroup=self._groups,
            flg_static=1,
            bodyexclude=self._body,
            geomid=self._geoms,
            dist=self._distances,
            normal=None,
            nray=config.rays,
            cutoff=config.range_max,
        )
        ranges = np.where(self._geoms >= 0, self._distances, np.inf)
        if config.noise_std > 0.0:
            ranges += self._rng.normal(0.0, config.noise_std, config.rays)
        ranges = np.maximum(ranges, config.range_min)
        ranges[ranges > config.range_max] = np.inf
        self._last = Scan(
            ranges=ranges.astype(np.float32),
            angle_min=-math.pi,
            angle_increment=math.tau / config.rays,
            stamp=stamp,
            range_min=config.range_min,
            range_max=config.range_max,
        )
        return self._last


class DriftingOdometry:
    """Integrates motion with errors that are drawn once and then last.

    Attributes:
        pose: `(3,)` where the robot believes it is; at first, and without errors, where it is.
    """

    def __init__(self, config: OdometryConfig, pose: Array, rng: np.random.Generator) -> None:
        stds = (config.translation_std, config.yaw_std, config.veer_std)
        self._translation, self._yaw, self._veer = rng.normal(0.0, 1.0, 3) * stds
        self._perfect = not any(stds)
        self._true = pose.copy()
        self.pose = pose.copy()

    def update(self, pose: Array) -> None:
        """Take in the true pose `(3,)` a short step later."""
        if self._perfect:
            self.pose = pose.copy()
            return
        x, y, yaw = relative(self._true, pose).tolist()
        scale = 1.0 + self._translation
        yaw += self._yaw * yaw + self._veer * math.hypot(x, y)
        self.pose = np.asarray(compose(self.pose, np.array([scale * x, scale * y, yaw])))
        self._true = pose.copy()


class CameraFaults:
    """Turns perfect images into those of `config`: exposure, noise, latency and lost frames."""

    def __init__(self, config: CameraConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        low, high = np.log(config.exposure_range)
        self._gain = float(np.exp(rng.uniform(low, high)))
        self._under_way: deque[Observation] = deque()
        self._seen: Observation | None = None

    def __call__(self, image: Observation) -> Observation:
        """What the robot gets when the camera takes `image`.

        While nothing newer has arrived, because of latency or because a frame was lost, that is the last
        one again, old stamp and all. The first image is there at once.
        """
        config = self._config
        lost = config.drop_probability > 0.0 and self._rng.random() < config.drop_probability
        if self._seen is None:
            self._seen = self._expose(image)
        elif not lost:
            self._under_way.append(self._expose(image))
        while self._under_way and self._under_way[0].stamp <= image.stamp - config.latency_s + 1e-9:
            self._seen = self._under_way.popleft()
        return self._seen

    def _expose(self, image: Observation) -> Observation:
        config = self._config
        if self._gain == 1.0 and config.noise_std == 0.0:
            return image
        rgb = image.rgb * np.float32(self._gain)
        if config.noise_std > 0.0:
            rgb += self._rng.normal(0.0, config.noise_std, rgb.shape).astype(np.float32)
        return replace(image, rgb=np.clip(rgb, 0.0, 255.0).astype(np.uint8))
