"""One episode, every step of which an expert has labelled, whoever drove; kept in one NumPy file.

It holds what the camera saw, not what a network made of it: networks change, and so may be trained again on
what was collected; and mirror images cost nothing.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Goal, Task

_SCALARS: dict[str, type] = {"house": int, "instruction": str, "success": bool, "task": str}
_TEXTS = ("thoughts", "summaries", "said", "noted")
_SIDES = {"left": "right", "right": "left"}


def mirror_words(text: str) -> str:
    """`text` with left for right."""
    return re.sub(r"\b(left|right)\b", lambda side: _SIDES[side[0]], text)


@dataclass
class Demonstration:
    """One episode of N steps.

    Attributes:
        house: its seed.
        instruction: what was asked.
        frames: `(N, H, W, 3)` uint8 images of the camera.
        stamps: `(N,)` float64 [s].
        poses, velocities: `(N, 3)` odometry [m, m, rad] and body velocity [m/s, m/s, rad/s].
        trajectories: `(N, T, 3)` float32, what the expert would drive, body frame [m, m, rad].
        stops: `(N,)` bool, whether the expert would stop.
        found: `(N, 4)` float32: 1 if the target has been seen, its x and y in the body frame
            [`nano.FOUND_UNIT_M`], 1 if it is in view.
        thoughts, summaries: `(N,)` str, what the robot should think and remember; empty where nothing.
        by_policy: `(N,)` bool, whether the learning policy drove.
        said, noted: `(N,)` str, what it thought and remembered there; empty where nothing.
        success: whether the episode ended well under its driver.
        task: what kind of instruction it was.
        image: `(H, W, 3)` uint8, the goal image; empty without one.

    Raises:
        ValueError: the arrays do not have one length.
    """

    house: int
    instruction: str
    frames: NDArray[np.uint8]
    stamps: NDArray[np.float64]
    poses: NDArray[np.float64]
    velocities: NDArray[np.float32]
    trajectories: NDArray[np.float32]
    stops: NDArray[np.bool_]
    found: NDArray[np.float32]
    thoughts: NDArray[np.str_]
    summaries: NDArray[np.str_]
    by_policy: NDArray[np.bool_]
    said: NDArray[np.str_]
    noted: NDArray[np.str_]
    success: bool
    # Older files lack these: all there was then was objects.
    task: Task = "object"
    image: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))

    def __post_init__(self) -> None:
        names = [f.name for f in dataclasses.fields(self) if f.name not in (*_SCALARS, "image")]
        lengths = {name: len(getattr(self, name)) for name in names}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"the steps of a demonstration must be equally many in all arrays, not {lengths}"
            )

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def goal(self) -> Goal:
        """What the robot was told."""
        return Goal(self.instruction, self.task, self.image if self.image.size else None)

    def mirrored(self) -> Demonstration:
        """The same episode in the mirror, left for right."""
        flip = np.array([1.0, -1.0, -1.0])
        texts: dict[str, Any] = {
            name: np.array([mirror_words(text) for text in getattr(self, name)]) for name in _TEXTS
        }
        return dataclasses.replace(
            self,
            instruction=mirror_words(self.instruction),
            frames=self.frames[:, :, ::-1],
            image=self.image[:, ::-1],
            poses=self.poses * flip,
            velocities=self.velocities * flip.astype(np.float32),
            trajectories=self.trajectories * flip.astype(np.float32),
            found=self.found * np.array([1.0, 1.0, -1.0, 1.0], np.float32),
            **texts,
        )

    def save(self, file: Path) -> None:
        """Write to `file`, an .npz; it is there only when it is whole."""
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in dataclasses.fields(self)}
        new = file.with_suffix(".new.npz")
        np.savez_compressed(new, **arrays)
        new.replace(file)

    @classmethod
    def load(cls, file: Path) -> Demonstration:
        """Read what `save` wrote.

        Raises:
            ValueError: it is no such file; the message names it and what is missing.
        """
        try:
            with np.load(file, allow_pickle=False) as archive:
                values = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{file} is no demonstration: {error}") from error
        later = "task", "image"
        missing = [f.name for f in dataclasses.fields(cls) if f.name not in (*values, *later)]
        if missing:
            raise ValueError(f"{file} is no demonstration: it lacks {', '.join(missing)}")
        return cls(
            **{name: _SCALARS[name](value) if name in _SCALARS else value for name, value in values.items()}
        )
