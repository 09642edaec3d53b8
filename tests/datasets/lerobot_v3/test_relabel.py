from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlingnav_datasets.lerobot_v3 import DatasetError, DatasetReader, Limits, check, set_texts

FILES = [f"data/chunk-000/file-{k:03d}.parquet" for k in range(3)]


def test_texts_change_and_nothing_else_does(tmp_path: Path, record, verify) -> None:
    record(tmp_path, [5, 3, 4], Limits(data_mb=1e-3))
    before = [(tmp_path / name).read_bytes() for name in FILES]
    old = list(DatasetReader(tmp_path))
    set_texts(tmp_path, {1: {"thought": ["a", "", "“c”"], "summary": ["", "", "s"]}})
    assert [
        (tmp_path / name).read_bytes() == content for name, content in zip(FILES, before, strict=True)
    ] == [
        True,
        False,
        True,
    ]
    new = DatasetReader(tmp_path).episode(1)
    assert new.texts["thought"] == ["a", "", "“c”"] and new.texts["summary"] == ["", "", "s"]
    assert new.texts["facts"] == old[1].texts["facts"]
    assert all(np.array_equal(new.arrays[key], old[1].arrays[key]) for key in old[1].arrays)
    assert check(tmp_path) == []
    set_texts(tmp_path, {1: old[1].texts})
    verify(tmp_path)
    record(tmp_path, [2])
    verify(tmp_path)


def test_episodes_of_one_file_are_relabelled_together(tmp_path: Path, record) -> None:
    record(tmp_path, [5, 3, 4])
    set_texts(tmp_path, {0: {"thought": ["x"] * 5}, 2: {"thought": ["y"] * 4}})
    thoughts = [episode.texts["thought"] for episode in DatasetReader(tmp_path)]
    assert thoughts[0] == ["x"] * 5 and thoughts[2] == ["y"] * 4
    assert thoughts[1] == ["", "", ""]


def test_wrong_texts_are_refused(tmp_path: Path, record, verify, open_writer) -> None:
    record(tmp_path, [5, 3])
    with pytest.raises(ValueError, match="episode 1 has 3 steps, and 2 texts of 'thought'"):
        set_texts(tmp_path, {0: {"thought": ["x"] * 5}, 1: {"thought": ["x"] * 2}})
    with pytest.raises(
        ValueError, match="'action' is no text column of .*; those are thought, summary, facts"
    ):
        set_texts(tmp_path, {0: {"action": ["x"] * 5}})
    with pytest.raises(IndexError, match="no episode 2"):
        set_texts(tmp_path, {2: {"thought": ["x"]}})
    with open_writer(tmp_path), pytest.raises(DatasetError, match="written by another process"):
        set_texts(tmp_path, {})
    verify(tmp_path)
