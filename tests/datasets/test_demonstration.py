from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vlingnav_datasets import Demonstration


def demonstration(n: int = 3) -> Demonstration:
    rng = np.random.default_rng(0)
    return Demonstration(
        7,
        instruction="find the red chair",
        tokens=rng.normal(size=(n, 48, 8)).astype(np.float16),
        stamps=np.arange(n) * 0.4,
        poses=rng.normal(size=(n, 3)),
        velocities=rng.normal(size=(n, 3)).astype(np.float32),
        trajectories=rng.normal(size=(n, 8, 3)).astype(np.float32),
        stops=np.arange(n) == n - 1,
        found=rng.normal(size=(n, 4)).astype(np.float32),
        success=True,
        by_policy=0.25,
    )


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    before = demonstration()
    before.save(tmp_path / "one.npz")
    after = Demonstration.load(tmp_path / "one.npz")
    for field in dataclasses.fields(before):
        a, b = getattr(before, field.name), getattr(after, field.name)
        assert type(a) is type(b)
        assert np.array_equal(a, b)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        dataclasses.replace(demonstration(), stamps=np.zeros(2))


def test_another_archive_is_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(1))
    with pytest.raises(ValueError, match="other.npz is no demonstration: it lacks house, instruction"):
        Demonstration.load(tmp_path / "other.npz")
