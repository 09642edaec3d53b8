"""What is kept of the frames seen so far: dense and sharp for the present, sparse and coarse for the past.

VLingNav's dynamic FPS sampling and grid pooling (arXiv 2601.08665): a frame of age dT is kept at the rate
f_max * exp(-dT / s), after Ebbinghaus, and its token grid is pooled with stride max(1, floor(exp(dT / g))).
Frames are thinned as they age and never looked at again once dropped, so an episode of any length costs the
same: at most `max_frames` frames in memory and `capacity` tokens in the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import relative

Floats = NDArray[np.float32]
Tokens = NDArray[np.floating[Any]]
META = 9  # dT, motion x and y, sin and cos of its yaw, cell centre u and v, stride, one for the newest frame


@dataclass(frozen=True)
class HistoryConfig:
    """Sampling and pooling.

    Attributes:
        grid: rows and columns of a frame's token grid.
        max_rate: f_max [Hz].
        stability: s [s]: after so long the rate has fallen to a third.
        pooling_time: g [s]: after so long the stride has grown to e.
        max_stride: pooling goes no further.
        max_frames: frames kept at most, the newest included.
        capacity: tokens given to the network at most.
    """

    grid: tuple[int, int] = (6, 8)
    max_rate: float = 0.5
    stability: float = 120.0  # with 30 s, searches went back to where they had just been
    pooling_time: float = 0.28
    max_stride: int = 6
    max_frames: int = 57
    capacity: int = 160

    def interval(self, age: float) -> float:
        """Time between kept frames [s] at `age` [s]."""
        return float(np.exp(min(age / self.stability, 50.0)) / self.max_rate)

    def stride(self, age: float) -> int:
        """Pooling stride at `age` [s]."""
        return max(1, min(self.max_stride, int(np.exp(min(age / self.pooling_time, 50.0)))))


def thin(stamps: Sequence[float], config: HistoryConfig) -> list[int]:
    """Which frames of rising `stamps` [s] to keep: first, newest, and others at the rate of their age.

    A frame goes when its neighbours are less than one and a half intervals of its age apart; what stays is
    then one interval apart on average.
    """
    keep = [len(stamps) - 1]
    now = stamps[-1]
    for i in range(len(stamps) - 2, 0, -1):
        if stamps[keep[-1]] - stamps[i - 1] >= 1.5 * config.interval(now - stamps[i]):
            keep.append(i)
    if len(stamps) > 1:
        keep.append(0)
    return keep[: config.max_frames][::-1]


@lru_cache
def window_centres(grid: tuple[int, int], stride: int) -> Floats:
    """Centres `(n, 2)` u (right), v (down), in [-1, 1], of the pooling windows of a token grid."""
    rows, cols = grid
    r, c = np.arange(0, rows, stride), np.arange(0, cols, stride)
    u = (c + np.minimum(c + stride, cols)) / cols - 1.0
    v = (r + np.minimum(r + stride, rows)) / rows - 1.0
    vv, uu = np.meshgrid(v, u, indexing="ij")
    return np.stack([uu.ravel(), vv.ravel()], axis=-1).astype(np.float32)


def pool(tokens: Tokens, grid: tuple[int, int], stride: int, maxima: int) -> Tokens:
    """Pool a frame's tokens over `stride` x `stride` windows (smaller at the rim).

    Args:
        tokens: `(rows * columns, C)`.
        maxima: of the last so many channels the maximum is taken (a similarity must not be averaged away),
            of the others the mean.

    Returns:
        `(n, C)` pooled tokens, in the order of `window_centres`.
    """
    if stride == 1:
        return tokens
    rows, cols = grid
    image = tokens.reshape(rows, cols, -1).astype(np.float32)
    r, c = np.arange(0, rows, stride), np.arange(0, cols, stride)
    count = np.diff(np.append(r, rows))[:, None, None] * np.diff(np.append(c, cols))[None, :, None]
    pooled = np.add.reduceat(np.add.reduceat(image, r, axis=0), c, axis=1) / count
    if maxima:
        top = np.maximum.reduceat(np.maximum.reduceat(image[..., -maxima:], r, axis=0), c, axis=1)
        pooled[..., -maxima:] = top
    return pooled.reshape(-1, image.shape[-1]).astype(tokens.dtype)


class Frame:
    """One frame's visual tokens, with when and where it was seen; each pooling is computed once.

    Attributes:
        tokens: `(rows * columns, C)`. stamp: [s]. pose: `(3,)` odometry at `stamp`.
    """

    __slots__ = ("_maxima", "_pooled", "pose", "stamp", "tokens")

    def __init__(self, tokens: Tokens, stamp: float, pose: NDArray[np.float64], maxima: int) -> None:
        self.tokens, self.stamp, self.pose, self._maxima = tokens, stamp, np.asarray(pose, np.float64), maxima
        self._pooled: dict[int, Tokens] = {}

    def pooled(self, grid: tuple[int, int], stride: int) -> Tokens:
        """The tokens at `stride`."""
        if stride not in self._pooled:
            self._pooled[stride] = pool(self.tokens, grid, stride, self._maxima)
        return self._pooled[stride]


def assemble(frames: Sequence[Frame], config: HistoryConfig) -> tuple[Floats, Floats, int]:
    """The network's view of the kept `frames` (oldest first), newest first.

    Returns:
        `(capacity, C)` tokens, `(capacity, META)` when and where each was seen, in the body frame of the
        newest, and how many of them are real.
    """
    newest = frames[-1]
    out = np.zeros((config.capacity, newest.tokens.shape[1]), np.float32)
    meta = np.zeros((config.capacity, META), np.float32)
    motion = relative(newest.pose, np.stack([frame.pose for frame in frames]))
    used = 0
    for frame, (x, y, yaw) in zip(reversed(frames), reversed(motion), strict=True):
        age = newest.stamp - frame.stamp
        stride = config.stride(age)
        tokens = frame.pooled(config.grid, stride)
        end = used + len(tokens)
        if end > config.capacity:
            break
        out[used:end] = tokens
        meta[used:end, :5] = age / 30.0, x / 3.0, y / 3.0, np.sin(yaw), np.cos(yaw)
        meta[used:end, 5:7] = window_centres(config.grid, stride)
        meta[used:end, 7:] = stride / 4.0, float(frame is newest)
        used = end
    return out, meta, used


class FrameHistory:
    """The frames of one episode, thinned as they age."""

    def __init__(self, config: HistoryConfig) -> None:
        self.config = config
        self.frames: list[Frame] = []

    def add(self, frame: Frame) -> None:
        """Add a frame; one not newer than the last takes its place (a camera may repeat itself)."""
        if self.frames and frame.stamp <= self.frames[-1].stamp:
            self.frames.pop()
        self.frames.append(frame)
        keep = thin([kept.stamp for kept in self.frames], self.config)
        self.frames = [self.frames[i] for i in keep]

    def view(self, newest_only: bool = False) -> tuple[Floats, Floats, int]:
        """`assemble` over what is kept, or over the newest frame alone."""
        return assemble(self.frames[-1:] if newest_only else self.frames, self.config)
