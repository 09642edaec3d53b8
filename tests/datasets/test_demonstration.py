from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vlingnav_datasets import Demonstration


def demonstration(n: int = 3) -> Demonstration:
    rng = np.random.default_rng(0)
    return Demonstration(
        7,
        instruction="find the red chair",
        frames=rng.integers(0, 256, (n, 12, 16, 3)).astype(np.uint8),
        stamps=np.arange(n) * 0.4,
        poses=rng.normal(size=(n, 3)),
        velocities=rng.normal(size=(n, 3)).astype(np.float32),
        trajectories=rng.normal(size=(n, 8, 3)).astype(np.float32),
        stops=np.arange(n) == n - 1,
        found=rng.normal(size=(n, 4)).astype(np.float32),
        thoughts=np.array(["I turn left.", *[""] * (n - 1)]),
        summaries=np.array(["Room one: a bed on the right.", *[""] * (n - 1)]),
        by_policy=np.arange(n) == 1,
        said=np.array([""] + ["Nothing on the left."] * (n - 1)),
        noted=np.array([""] * n),
        success=True,
        task="image",
        image=rng.integers(0, 256, (6, 8, 3), np.uint8),
    )


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    before = demonstration()
    before.save(tmp_path / "one.npz")
    after = Demonstration.load(tmp_path / "one.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["one.npz"]
    for field in dataclasses.fields(before):
        a, b = getattr(before, field.name), getattr(after, field.name)
        assert type(a) is type(b)
        assert np.array_equal(a, b)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        dataclasses.replace(demonstration(), stamps=np.zeros(2))


def test_the_mirror_swaps_sides_in_words_too() -> None:
    seen = dataclasses.replace(demonstration(), instruction="take the left door")
    mirrored = seen.mirrored()
    assert mirrored.instruction == "take the right door"
    assert mirrored.thoughts[0] == "I turn right." and mirrored.summaries[0].endswith("on the left.")
    assert mirrored.said[1] == "Nothing on the right."
    assert np.array_equal(mirrored.mirrored().trajectories, seen.trajectories)
    assert np.array_equal(mirrored.image[:, 0], seen.image[:, -1])


def test_one_from_before_there_were_tasks_was_about_an_object(tmp_path: Path) -> None:
    demonstration().save(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as archive:
        old = {name: archive[name] for name in archive.files if name not in ("task", "image")}
    np.savez(tmp_path / "one.npz", **old)
    goal = Demonstration.load(tmp_path / "one.npz").goal
    assert goal.task == "object" and goal.image is None


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"PK", bytes.swapcase])
def test_a_damaged_one_is_refused_by_name(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "one.npz"
    demonstration().save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match="one.npz is no demonstration"):
        Demonstration.load(file)
    file.unlink()
    with pytest.raises(ValueError, match="one.npz is no demonstration"):
        Demonstration.load(file)


def test_one_that_lacks_something_is_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", x=np.zeros(1))
    with pytest.raises(ValueError, match="one.npz is no demonstration: it lacks house, instruction"):
        Demonstration.load(tmp_path / "one.npz")
