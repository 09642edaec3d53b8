"""Every way a dataset gets damaged: a sentence that names the file, and the other episodes stay readable."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from vlingnav_datasets.lerobot_v3 import FRONT, DatasetError, DatasetReader, Limits, check

DATA = "data/chunk-000/file-001.parquet"
VIDEO = f"videos/{FRONT}/chunk-000/file-001.mp4"
EPISODES = "meta/episodes/chunk-000/file-001.parquet"
INFO = "meta/info.json"
ALL = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, record) -> Path:
    """Four episodes, each in files of its own."""
    root = tmp_path_factory.mktemp("sound")
    record(root, [3, 4, 5, 6], Limits(data_mb=1e-3, video_mb=1e-3))
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "dataset"))


def remove(root: Path, name: str) -> None:
    (root / name).unlink()


def truncate(root: Path, name: str) -> None:
    content = (root / name).read_bytes()
    (root / name).write_bytes(content[: len(content) * 2 // 3])


def flip_a_byte(root: Path, name: str) -> None:
    """In the values of the column `action`, where parquet's own structure does not notice."""
    group = pq.ParquetFile(root / name).metadata.row_group(0)
    columns = [group.column(k) for k in range(group.num_columns)]
    column = next(c for c in columns if c.path_in_schema.startswith("action"))
    content = bytearray((root / name).read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 9] ^= 0xFF
    (root / name).write_bytes(content)


def copy_from(other: str) -> Callable[[Path, str], None]:
    return lambda root, name: (root / name).write_bytes((root / other).read_bytes()) and None


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, str], None]:
    def edit_(root: Path, name: str) -> None:
        data = json.loads((root / name).read_text())
        change(data)
        (root / name).write_text(json.dumps(data))

    return edit_


def feature(key: str, **changes: Any) -> Callable[[Path, str], None]:
    return edit(lambda data: data["features"][key].update(changes))


def add_a_column(data: dict[str, Any]) -> None:
    data["features"]["x"] = data["features"]["stop"]


EPISODES_LOST = {
    "missing rows": (remove, DATA, "is missing", (1,)),
    "truncated rows": (truncate, DATA, "is truncated or no parquet file", (1,)),
    "a flipped byte": (flip_a_byte, DATA, "is damaged .*checksum", (1,)),
    "fewer rows": (copy_from("data/chunk-000/file-000.parquet"), DATA, "holds 3 rows, and episode 1", (1,)),
    "other rows": (copy_from("data/chunk-000/file-002.parquet"), DATA, "other rows in the place of", (1,)),
    "missing video": (remove, VIDEO, "is missing", (1,)),
    "truncated video": (truncate, VIDEO, "is truncated or no video", (1,)),
    "shorter video": (copy_from(VIDEO.replace("001", "000")), VIDEO, "ends after 3 pictures", (1,)),
    "another shape": (feature("action", shape=[30], names=None), INFO, "says action is float32 .30,.", ALL),
    "another type": (feature("stop", dtype="int64"), INFO, "says stop is int64", ALL),
    "a new column": (edit(add_a_column), DATA, "lacks the column 'x'", ALL),
    "another picture": (feature(FRONT, shape=[64, 64, 3]), VIDEO, "pictures .32, 32. pixels", ALL),
}  # fmt: skip
DATASET_LOST = {
    "no info": (remove, INFO, "no dataset in .*: meta/info.json is missing"),
    "half of info": (truncate, INFO, "cannot be read"),
    "another version": (edit(lambda d: d.update(codebase_version="v2.1")), INFO, "is of version v2.1"),
    "no rate": (edit(lambda d: d.pop("fps")), INFO, "lacks 'fps'"),
    "a rate of zero": (edit(lambda d: d.update(fps=0)), INFO, "cannot be used .fps is 0"),
    "an unknown type": (feature("action", dtype="float128"), INFO, "dtype 'float128' is none of"),
    "other paths": (edit(lambda d: d.update(data_path="x.parquet")), INFO, "names paths"),
    "more episodes": (
        edit(lambda d: d.update(total_episodes=9)),
        INFO,
        "counts 9 episodes .* meta/episodes 4",
    ),
    "fewer episodes": (
        edit(lambda d: d.update(total_episodes=2)),
        INFO,
        "counts 2 episodes .* meta/episodes 4",
    ),
    "more frames": (edit(lambda d: d.update(total_frames=19)), INFO, "of 19 frames"),
    "no row": (remove, EPISODES, "does not go on at episode 1"),
    "half of a row": (truncate, EPISODES, "is truncated or no parquet file"),
    "no last row": (remove, EPISODES.replace("001", "003"), "counts 4 episodes .* meta/episodes 3"),
    "no tasks": (remove, "meta/tasks.parquet", "is missing"),
}


@pytest.mark.parametrize("damage", EPISODES_LOST)
def test_damage_to_an_episode_costs_that_episode(root: Path, damage: str) -> None:
    apply, name, message, lost = EPISODES_LOST[damage]
    apply(root, INFO if lost == ALL else name)
    problems = check(root)
    assert [episode for problem in problems for episode in problem.episodes or ()] == list(lost)
    for problem in problems:
        assert not problem.episodes or re.search(message, problem.text) and "\n" not in problem.text
    assert any(name in problem.text for problem in problems)
    reader = DatasetReader(root)
    assert [episode.meta.index for episode in reader.readable()] == [k for k in ALL if k not in lost]
    assert tuple(reader.skipped) == lost and re.search(message, reader.skipped[1])
    with pytest.raises(DatasetError):
        list(reader.episode(1).pictures(FRONT))


@pytest.mark.parametrize("damage", DATASET_LOST)
def test_damage_to_the_whole_is_named(root: Path, open_writer, damage: str) -> None:
    apply, name, message = DATASET_LOST[damage]
    apply(root, name)
    (problem,) = check(root)
    assert problem.episodes is None
    assert re.search(message, problem.text) and "\n" not in problem.text and str(root) in problem.text
    with pytest.raises(DatasetError, match=message):
        DatasetReader(root)
    if damage != "no info":  # which is a folder without a dataset
        before = sorted((path, path.stat().st_size) for path in root.rglob("*.*"))
        with pytest.raises(DatasetError):
            open_writer(root)
        assert before == sorted((path, path.stat().st_size) for path in root.rglob("*.*"))


@pytest.mark.parametrize("name", [DATA, VIDEO, EPISODES])
@pytest.mark.parametrize("apply", [remove, truncate])
def test_nothing_is_added_to_a_damaged_file(root: Path, open_writer, apply, name: str) -> None:
    apply(root, name.replace("001", "003"))  # the last, which the next episode would join
    with pytest.raises(DatasetError, match="file-003|meta/episodes 3"):
        open_writer(root)


def test_another_rate_does_not_fit_the_times(root: Path) -> None:
    edit(lambda data: data.update(fps=5))(root, INFO)
    texts = [problem.text for problem in check(root)]
    assert any("says 5 frames a second, and the times in" in text for text in texts)
    assert any("has 2.5 frames a second, not 5" in text for text in texts)


def test_damage_within_a_video_is_found_by_decoding(tmp_path: Path, record) -> None:
    record(tmp_path, [40])
    video = VIDEO.replace("001", "000")
    content = bytearray((tmp_path / video).read_bytes())
    begin = content.index(b"mdat") + 4
    size = int.from_bytes(content[begin - 8 : begin - 4], "big")
    middle = begin + size // 2  # the first third is x264's own words about itself
    content[middle : middle + size // 4] = bytes(size // 4)
    (tmp_path / video).write_bytes(content)
    assert check(tmp_path) == []
    (problem,) = check(tmp_path, decode=True)
    assert problem.episodes == (0,) and video in problem.text


def test_rows_that_the_index_has_forgotten_are_reported(root: Path) -> None:
    for index in (2, 3):
        remove(root, EPISODES.replace("001", f"{index:03d}"))
    edit(lambda data: data.update(total_episodes=2, total_frames=7))(root, INFO)
    (problem,) = check(root)
    assert problem.episodes == () and "holds episode 3, and meta/episodes ends at 1" in problem.text


def test_lost_statistics_cost_nothing_and_come_back(root: Path, record, verify) -> None:
    before = json.loads((root / "meta/stats.json").read_text())
    remove(root, "meta/stats.json")
    (problem,) = check(root)
    assert problem.episodes == () and "stats.json cannot be read" in problem.text
    record(root, [])
    assert check(root) == []
    after = json.loads((root / "meta/stats.json").read_text())
    assert after.keys() == before.keys()
    for key, named in before.items():
        for name, value in named.items():
            assert np.allclose(after[key][name], value)
    verify(root)
