"""Episodes as training reads them, with a damaged shard among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlingnav_datasets.lerobot_v3 import FRONT, DatasetError, DatasetWriter, Feature, Limits, Schema
from vlingnav_datasets.navigation import NavigationDataset
from vlingnav_policy.memory import MemoryConfig

APART = Limits(data_mb=1e-3, video_mb=1e-3)


def test_arrays_hold_what_was_recorded(tmp_path: Path, record, frame, number) -> None:
    record(tmp_path, [3, 6])
    dataset = NavigationDataset(tmp_path)
    assert len(dataset) == 2
    episode = list(dataset)[1]
    expected = [frame(3 + step) for step in range(6)]
    assert (episode.index, episode.house, episode.success, episode.dt) == (1, 1, True, 0.2)
    assert episode.goal.instruction == "find chair 1" and episode.goal.task == "image"
    assert episode.goal.image is not None and number(episode.goal.image) == 7
    assert [number(picture) for picture in episode.rgb] == [3, 4, 5, 6, 7, 8]
    assert np.allclose(episode.stamps, np.arange(6) * 0.4)
    state = np.array([each["observation.state"] for each in expected])
    assert np.array_equal(np.hstack([episode.poses, episode.velocities]), state)
    assert np.array_equal(
        episode.trajectories, np.array([each["action"] for each in expected]).reshape(6, 8, 3)
    )
    assert episode.stops.tolist() == [each["stop"] for each in expected]
    assert episode.thinks.tolist() == [False, True, False, False, False, True]
    assert episode.thoughts == [each["thought"] for each in expected]
    assert episode.memories[:2] == ["", ""], "a thought is remembered only after its step"
    assert "2th: STEP 4" in episode.memories[2] and episode.memories[2:] == [episode.memories[2]] * 4
    assert NavigationDataset(tmp_path).episode(0).goal.image is None


def test_the_memory_has_the_bounds_that_are_asked_for(tmp_path: Path, record) -> None:
    record(tmp_path, [9])
    assert not any(NavigationDataset(tmp_path, MemoryConfig(budget=0)).episode(0).memories)
    assert any(NavigationDataset(tmp_path).episode(0).memories)


@pytest.mark.parametrize(
    "shard", ["data/chunk-000/file-001.parquet", f"videos/{FRONT}/chunk-000/file-001.mp4"]
)
@pytest.mark.parametrize("harm", ["cut", "gone", "flipped"])
def test_a_corrupt_shard_is_named_and_the_rest_is_read(tmp_path: Path, record, shard: str, harm: str) -> None:
    record(tmp_path, [40, 40, 40], APART)
    file = tmp_path / shard
    data = bytearray(file.read_bytes())
    if harm == "gone":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        middle = len(data) // 2
        data[middle - 300 : middle + 300] = bytes(600)
        file.write_bytes(data)
    dataset = NavigationDataset(tmp_path)
    assert [episode.index for episode in dataset] == [0, 2]
    assert list(dataset.skipped) == [1] and str(file) in dataset.skipped[1]
    with pytest.raises(DatasetError, match=file.name):
        dataset.episode(1)


def test_a_dataset_of_something_else_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, Schema({"reward": Feature("float32")}), 10.0, "arm") as writer:
        writer.add_frame({"reward": np.float32(1.0)})
        writer.end_episode("grasp")
    with pytest.raises(DatasetError, match="has no 'observation.images.front', so nothing can be learned"):
        NavigationDataset(tmp_path)
