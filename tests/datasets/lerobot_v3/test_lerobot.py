"""The real `lerobot` reads what we write, even after a kill, and we read what it writes."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetReader, Limits, check

pytest.importorskip("lerobot", reason="lerobot is not installed")
hf_datasets = pytest.importorskip("datasets.config", reason="lerobot's own dependency is not installed")
lerobot_dataset = pytest.importorskip("lerobot.datasets.lerobot_dataset")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(hf_datasets, "HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def load_(root: Path, **options: Any) -> Any:
        return lerobot_dataset.LeRobotDataset("vlingnav/test", root=root, video_backend="pyav", **options)

    return load_


def shown(number: Callable[[Any], int], image: Any) -> int:
    return number(image.permute(1, 2, 0).numpy() * 255.0)


def test_every_frame_is_what_was_recorded(tmp_path: Path, record, frame, number, load) -> None:
    root = tmp_path / "dataset"
    record(root, [6, 1, 9, 14], Limits(data_mb=0.02, video_mb=0.004))
    dataset = load(root)
    assert (len(dataset), dataset.num_episodes, dataset.fps) == (30, 4, 2.5)
    assert len({meta.videos[FRONT].location for meta in DatasetReader(root).metas}) > 1
    for n in range(30):
        item, expected = dataset[n], frame(n)
        assert item["index"] == n
        assert shown(number, item[FRONT]) == n and shown(number, item[GOAL]) == 7
        for key in ("action", "observation.state", "stop"):
            assert np.array_equal(item[key].numpy(), expected[key])
        for key in ("thought", "summary", "facts"):
            assert item[key] == expected[key]
    assert dataset[29]["task"] == "find chair 0" and dataset[10]["task"] == "find chair 2"
    assert dataset.meta.episodes[1]["success"] and dataset.meta.episodes[3]["kind"] == "image"
    assert dataset.meta.stats["action"]["q99"].shape == (24,)
    assert dataset.meta.stats[FRONT]["mean"].shape == (3, 1, 1)


def test_chosen_episodes_and_windows_in_time(tmp_path: Path, record, frame, number, load) -> None:
    root = tmp_path / "dataset"
    record(root, [6, 5, 9])
    dataset = load(root, episodes=[0, 2], delta_timestamps={FRONT: [-0.4, 0.0], "action": [0.0, 0.4]})
    assert len(dataset) == 15
    item = dataset[6 + 4]
    assert [shown(number, image) for image in item[FRONT]] == [11 + 3, 11 + 4]
    assert np.array_equal(item["action"].numpy(), [frame(15)["action"], frame(16)["action"]])


@pytest.mark.parametrize("fatal", range(12))
def test_it_opens_what_is_left_after_a_kill(
    tmp_path: Path, record, number, load, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    root = tmp_path / "dataset"
    record(root, [6, 9], Limits(data_mb=1e-3))
    replace, done = os.replace, itertools.count()

    def rename(source: Path, target: Path) -> None:
        if next(done) == fatal:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", rename)
        with contextlib.suppress(KeyboardInterrupt):
            record(root, [13], Limits(data_mb=1e-3))
    dataset = load(root)
    assert len(dataset) in (15, 28)
    for n in (0, 14, len(dataset) - 1):
        item = dataset[n]
        assert item["index"] == n and shown(number, item[FRONT]) == n


def test_our_reader_reads_what_lerobot_writes(tmp_path: Path, frame, number, load) -> None:
    features = {
        FRONT: {"dtype": "video", "shape": (64, 64, 3), "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": (24,), "names": None},
        "stop": {"dtype": "bool", "shape": (1,), "names": None},
        "thought": {"dtype": "string", "shape": (1,), "names": None},
    }
    root = tmp_path / "dataset"
    dataset = lerobot_dataset.LeRobotDataset.create("vlingnav/test", 10, features, root=root)
    for begin, length in ((0, 5), (5, 12)):
        for n in range(begin, begin + length):
            values = {key: frame(n)[key] for key in ("action", "thought")}
            picture = frame(n)[FRONT].repeat(2, axis=0).repeat(2, axis=1)
            stop = np.array([frame(n)["stop"]])
            dataset.add_frame({FRONT: picture, "stop": stop, "task": f"task {length}", **values})
        dataset.save_episode()
    dataset.finalize()
    reader = DatasetReader(root)
    assert [meta.task for meta in reader.metas] == ["task 5", "task 12"]
    episode = reader.episode(1)
    for step in range(12):
        assert number(episode.picture(FRONT, step)[::2, ::2]) == 5 + step
        assert np.array_equal(episode.arrays["action"][step], frame(5 + step)["action"])
        assert episode.arrays["stop"][step] == frame(5 + step)["stop"]
        assert episode.texts["thought"][step] == frame(5 + step)["thought"]
    assert check(root, decode=True) == []
