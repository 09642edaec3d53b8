"""One episode, every step of which an expert has labelled, whoever drove; saved as a NumPy archive."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Demonstration:
    """One episode of N steps.

    Attributes:
        house: its seed.
        instruction: what was asked.
        tokens: `(N, K, C)` float16 visual tokens of a frozen tower.
        stamps: `(N,)` float64 [s].
        poses, velocities: `(N, 3)` odometry [m, m, rad] and body velocity [m/s, m/s, rad/s].
        trajectories: `(N, T, 3)` float32, what the expert would drive, body frame [m, m, rad].
        stops: `(N,)` bool, whether the expert would stop.
        found: `(N, 4)` float32: 1 if the target has been seen, its x and y in the body frame
            [`nano.FOUND_UNIT_M`], 1 if it is in view.
        success: whether the episode ended well under its driver.
        by_policy: share of the steps that the learning policy drove, 0 to 1.

    Raises:
        ValueError: the arrays do not have one length.
    """

    house: int
    instruction: str
    tokens: NDArray[np.float16]
    stamps: NDArray[np.float64]
    poses: NDArray[np.float64]
    velocities: NDArray[np.float32]
    trajectories: NDArray[np.float32]
    stops: NDArray[np.bool_]
    found: NDArray[np.float32]
    success: bool
    by_policy: float

    def __post_init__(self) -> None:
        names = ("tokens", "stamps", "poses", "velocities", "trajectories", "stops", "found")
        lengths = {name: len(getattr(self, name)) for name in names}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"the steps of a demonstration must be equally many in all arrays, not {lengths}"
            )

    def __len__(self) -> int:
        return len(self.stamps)

    def mirrored(self, tokens: NDArray[np.float16]) -> Demonstration:
        """The same episode in the mirror, left for right.

        Args:
            tokens: `(N, K, C)` of the mirrored images. The instruction must not name sides.
        """
        flip = np.array([1.0, -1.0, -1.0])
        return dataclasses.replace(
            self,
            tokens=tokens,
            poses=self.poses * flip,
            velocities=self.velocities * flip.astype(np.float32),
            trajectories=self.trajectories * flip.astype(np.float32),
            found=self.found * np.array([1.0, 1.0, -1.0, 1.0], np.float32),
        )

    def save(self, file: Path) -> None:
        """Write to `file`, a compressed .npz archive."""
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in dataclasses.fields(self)}
        np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> Demonstration:
        """Read what `save` wrote.

        Raises:
            ValueError: it is no such archive; the message names the file and what is missing.
        """
        with np.load(file, allow_pickle=False) as archive:
            missing = [f.name for f in dataclasses.fields(cls) if f.name not in archive]
            if missing:
                raise ValueError(f"{file} is no demonstration: it lacks {', '.join(missing)}")
            values = {f.name: archive[f.name] for f in dataclasses.fields(cls)}
        scalars = {"house": int, "instruction": str, "success": bool, "by_policy": float}
        return cls(
            **{name: scalars[name](value) if name in scalars else value for name, value in values.items()}
        )
