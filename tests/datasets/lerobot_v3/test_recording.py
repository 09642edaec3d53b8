from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from vlingnav_datasets.lerobot_v3 import (
    FRONT,
    DatasetError,
    DatasetReader,
    DatasetWriter,
    Feature,
    Limits,
    Schema,
    check,
    navigation_schema,
)
from vlingnav_datasets.lerobot_v3.video import count_pictures


def files(root: Path, pattern: str) -> list[str]:
    return sorted(f.relative_to(root).as_posix() for f in root.glob(pattern) if f.is_file())


def stored(root: Path) -> tuple[int, int]:
    """Rows and pictures in the files, whoever knows of them."""
    rows = sum(pq.read_metadata(root / name).num_rows for name in files(root, "data/*/*"))
    videos = [root / name for name in files(root, f"videos/{FRONT}/*/*")]
    return rows, sum(count_pictures(file, (32, 32, 3), Fraction(5, 2)) for file in videos)


def test_what_is_recorded_is_what_is_read(tmp_path: Path, record, verify, frame) -> None:
    record(tmp_path, [7, 1, 12])
    reader = verify(tmp_path)
    assert [meta.length for meta in reader.metas] == [7, 1, 12]
    assert reader.metas[1].extras == {"house": 1, "kind": "image", "success": True}
    episode = reader.episode(2)
    assert episode.arrays["timestamp"].dtype == np.float32
    assert np.allclose(episode.arrays["timestamp"], np.arange(12) / 2.5)
    assert episode.arrays["stop"].dtype == bool
    assert episode.arrays["action"].shape == (12, 24) and episode.arrays["action"].dtype == np.float32
    error = episode.picture(FRONT, 5).astype(float) - frame(8 + 5)[FRONT]
    assert np.abs(error).mean() < 3.0
    assert check(tmp_path, decode=True) == []


def test_every_picture_is_found_by_its_number(tmp_path: Path, record, number) -> None:
    record(tmp_path, [23, 31])  # beyond several key frames, in one file
    assert len(files(tmp_path, f"videos/{FRONT}/*/*")) == 1
    reader = DatasetReader(tmp_path)
    for index, begin in ((1, 23), (0, 0)):
        episode = reader.episode(index)
        for step in reversed(range(len(episode))):
            assert number(episode.picture(FRONT, step)) == begin + step
        assert [number(p) for p in episode.pictures(FRONT, 9, 4)] == [begin + 9 + k for k in range(4)]
    with pytest.raises(IndexError):
        reader.episode(0).picture(FRONT, 23)


def test_files_end_at_their_limits(tmp_path: Path, record, verify) -> None:
    record(tmp_path, [8] * 9, Limits(data_mb=0.02, video_mb=0.004, files_per_chunk=2))
    verify(tmp_path)
    data, videos = files(tmp_path, "data/*/*"), files(tmp_path, f"videos/{FRONT}/*/*")
    assert len(data) > 2 and len(videos) > 2
    assert data[:3] == [f"data/chunk-{c:03d}/file-{f:03d}.parquet" for c, f in ((0, 0), (0, 1), (1, 0))]
    assert max((tmp_path / name).stat().st_size for name in data) <= 0.02 * 1024**2
    assert max((tmp_path / name).stat().st_size for name in videos) <= 0.004 * 1024**2
    # More than one episode fits into each, and each has a row group of its own.
    shared = pq.ParquetFile(tmp_path / data[0])
    assert shared.num_row_groups > 1 and shared.metadata.row_group(0).num_rows == 8


def test_a_video_ends_before_float32_seconds_grow_coarse(tmp_path: Path, record, verify) -> None:
    record(tmp_path, [8] * 4, Limits(video_s=10.0))  # 3.2 s an episode
    reader = verify(tmp_path)
    assert [meta.videos[FRONT].location.file for meta in reader.metas] == [0, 0, 0, 1]


def test_recording_goes_on_where_it_ended(tmp_path: Path, record, verify) -> None:
    for lengths in ([5, 6], [], [7], [4, 3]):
        record(tmp_path, lengths)
    reader = verify(tmp_path)
    assert [meta.length for meta in reader.metas] == [5, 6, 7, 4, 3]
    assert len(files(tmp_path, "data/*/*")) == 1
    assert check(tmp_path) == []


def test_the_same_frames_make_the_same_bytes(tmp_path: Path, record) -> None:
    for name in "ab":
        record(tmp_path / name, [9, 5])
    for name in files(tmp_path / "a", "**/*"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_statistics_are_those_of_all_frames(tmp_path: Path, record, frame) -> None:
    record(tmp_path, [5])
    record(tmp_path, [20, 11])  # the second writer takes up the statistics of the first
    stats = json.loads((tmp_path / "meta/stats.json").read_text())
    actions = np.array([frame(n)["action"] for n in range(36)], dtype=np.float64)
    assert stats["action"]["count"] == [36]
    assert np.allclose(stats["action"]["mean"], actions.mean(axis=0))
    assert np.allclose(stats["action"]["std"], actions.std(axis=0))
    assert np.allclose(stats["action"]["max"], actions.max(axis=0))
    pictures = np.array([frame(n)[FRONT] for n in range(36)]) / 255.0
    assert np.shape(stats[FRONT]["mean"]) == (3, 1, 1)
    assert np.allclose(np.ravel(stats[FRONT]["mean"]), pictures.mean(axis=(0, 1, 2)))
    assert np.allclose(np.ravel(stats[FRONT]["std"]), pictures.std(axis=(0, 1, 2)))
    assert "thought" not in stats and stats["stop"]["min"] == [0.0]
    row = pq.read_table(tmp_path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    assert np.allclose(row["stats/action/q90"], np.quantile(actions[5:25], 0.9, axis=0))


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("limits", [Limits(), Limits(data_mb=1e-3, video_mb=1e-3)], ids=["joined", "apart"])
def test_no_moment_is_a_bad_one_to_be_killed(
    tmp_path: Path, record, verify, monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> None:
    """Ends before the first rename, the second, … until all were carried out: every state of the disk."""
    replace, found = os.replace, []
    record(tmp_path / "before", [6, 9], limits)
    for fatal in range(20):
        root = Path(shutil.copytree(tmp_path / "before", tmp_path / str(fatal)))
        left = iter(range(fatal))

        def rename(source: Path, target: Path, left=left) -> None:
            if next(left, None) is None:
                raise Killed
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", rename)
            try:
                record(root, [13], limits)
                killed = False
            except Killed:
                killed = True
        assert check(root) == []
        found.append(len(verify(root)))
        record(root, [4], limits)
        assert [meta.length for meta in verify(root).metas] == [6, 9, *[13] * (found[-1] - 2), 4]
        assert check(root) == [] and not (root / ".unfinished").exists()
        assert stored(root) == (19 + 13 * (found[-1] - 2),) * 2, "of the unfinished episode nothing stays"
        if not killed:
            break
    assert not killed and found == sorted(found) and set(found) == {2, 3}


RECORD_FOR_EVER = """
import itertools, runpy, sys
from pathlib import Path
from vlingnav_datasets.lerobot_v3 import DatasetWriter, navigation_schema
frame = runpy.run_path(sys.argv[2])["numbered_frame"]
with DatasetWriter(Path(sys.argv[1]), navigation_schema(32, 32), 2.5, "diff") as writer:
    for index in itertools.count(writer.episodes):
        for number in range(writer.frames, writer.frames + 15):
            writer.add_frame(frame(number))
        writer.end_episode(f"find chair {index % 3}", {"house": index, "kind": "object", "success": True})
        print(index, flush=True)
"""


def test_kill_9_costs_the_episode_in_progress_and_no_other(tmp_path: Path, verify) -> None:
    command = [
        sys.executable,
        "-c",
        RECORD_FOR_EVER,
        str(tmp_path),
        str(Path(__file__).with_name("conftest.py")),
    ]
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(3)]
            process.kill()
            said += process.stdout.readlines()
        finished = int(said[-1]) + 1
        # One more is there if it was killed after the last write and before it could say so.
        assert finished <= len(verify(tmp_path)) <= finished + 1
        assert check(tmp_path, decode=True) == []


def test_files_that_an_unfinished_episode_began_are_removed(tmp_path: Path, record, verify) -> None:
    record(tmp_path, [6])
    first = files(tmp_path, "data/*/*") + files(tmp_path, "videos/*/*/*")
    begun = [tmp_path / name.replace("file-000", "file-001") for name in first]
    for before, after in zip(first, begun, strict=True):
        shutil.copy(tmp_path / before, after)
    record(tmp_path, [4])
    assert begun and not any(file.exists() for file in begun)
    assert len(verify(tmp_path)) == 2


def test_only_one_process_may_write(tmp_path: Path, record, open_writer) -> None:
    with open_writer(tmp_path), pytest.raises(DatasetError, match="written by another process"):
        open_writer(tmp_path)
    record(tmp_path, [3])


def test_an_episode_may_be_given_up(tmp_path: Path, record, verify, open_writer, frame) -> None:
    record(tmp_path, [4])
    with open_writer(tmp_path) as writer:
        writer.add_frame(frame(99))
        with pytest.raises(ValueError, match="in progress; end or discard it first"):
            writer.close()
        writer.discard_episode()
        assert writer.episodes == 1 and writer.frames == 4
    record(tmp_path, [5])
    with pytest.raises(ZeroDivisionError), open_writer(tmp_path) as writer:
        writer.add_frame(frame(99))
        raise ZeroDivisionError
    assert [meta.length for meta in verify(tmp_path).metas] == [4, 5]
    with pytest.raises(ValueError, match="is closed"):
        writer.add_frame(frame(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stop": None}, "a frame lacks 'stop'"),
        ({"reward": 1.0}, "unknown column 'reward'"),
        ({"action": np.zeros(3)}, r"action must have shape \(24,\), not \(3,\)"),
        ({"action": np.full(24, np.nan)}, "action must be finite"),
        ({"stop": 1.0}, "stop must be bool, not float64"),
        ({"thought": 3}, "thought must be text, not int"),
        ({FRONT: np.zeros((32, 32, 3))}, "must be .* uint8, not .* float64"),
    ],
)
def test_a_wrong_frame_is_refused_and_changes_nothing(
    tmp_path: Path, open_writer, verify, frame, change: dict, message: str
) -> None:
    with open_writer(tmp_path) as writer:
        writer.add_frame(frame(0))
        wrong = {**frame(1), **change}
        with pytest.raises(ValueError, match=message):
            writer.add_frame({key: value for key, value in wrong.items() if value is not None})
        writer.add_frame(frame(1))
        writer.end_episode("find chair 0", {"house": 0, "kind": "object", "success": True})
    assert len(verify(tmp_path).episode(0)) == 2


def test_a_wrong_end_is_refused_and_the_episode_goes_on(tmp_path: Path, open_writer, frame) -> None:
    extras = {"house": 0, "kind": "object", "success": True}
    with open_writer(tmp_path) as writer:
        with pytest.raises(ValueError, match="at least one frame"):
            writer.end_episode("find it", extras)
        writer.add_frame(frame(0))
        with pytest.raises(ValueError, match="blank"):
            writer.end_episode(" ", extras)
        with pytest.raises(ValueError, match="extras must be {house: int, kind: str, success: bool}"):
            writer.end_episode("find it", {**extras, "success": 1})
        assert writer.end_episode("find it", extras) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schema": navigation_schema(32, 32, waypoints=5)}, "recorded with action .*24.*, not .*15"),
        ({"schema": navigation_schema(32, 32, waypoint_dt_s=0.1)}, "recorded with action"),
        ({"schema": navigation_schema(32, 32, goal_image=False)}, "recorded with observation.images.goal"),
        ({"schema": navigation_schema(32, 32).extended(episode={"robot": "string"})}, "episode columns"),
        ({"fps": 5.0}, "recorded with fps 2.5, not 5"),
        ({"robot_type": "omni"}, "recorded with robot_type diff, not omni"),
    ],
)
def test_other_episodes_do_not_go_into_the_same_dataset(
    tmp_path: Path, record, verify, options: dict, message: str
) -> None:
    record(tmp_path, [3])
    same = {"schema": navigation_schema(32, 32), "fps": 2.5, "robot_type": "diff"}
    with pytest.raises(DatasetError, match=message):
        DatasetWriter(tmp_path, **{**same, **options})
    verify(tmp_path)


def test_a_recorder_may_add_columns(tmp_path: Path, frame) -> None:
    schema = navigation_schema(32, 32, goal_image=False).extended(
        frame={"intervention": Feature("bool"), "next.reward": Feature("float32")},
        episode={"person": "string"},
    )
    base = {key: value for key, value in frame(0).items() if key in schema.frame}
    with DatasetWriter(tmp_path, schema, fps=10, robot_type="omni") as writer:
        for k in range(3):
            writer.add_frame({**base, "intervention": k == 1, "next.reward": -0.5 * k})
        writer.end_episode("go", {"house": 1, "kind": "route", "success": False, "person": "A. B."})
    episode = DatasetReader(tmp_path).episode(0)
    assert episode.arrays["intervention"].tolist() == [False, True, False]
    assert episode.arrays["next.reward"].tolist() == [0.0, -0.5, -1.0]
    assert episode.meta.extras["person"] == "A. B."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Feature("video", (33, 32, 3)), "even height"),
        (lambda: Feature("image", (32, 32, 3)), "dtype 'image' is none of"),
        (lambda: Feature("float32", (8, 3)), "flatten it"),
        (lambda: Feature("float32", (2,), ("x",)), "cannot have the 1 names"),
        (lambda: Feature("string", (2,)), "a text column"),
        (lambda: Schema({"index": Feature("int64")}), "may be called 'index'"),
        (lambda: Schema({"a/b": Feature("int64")}), "may be called 'a/b'"),
        (lambda: Schema({}, {"length": "int64"}), "may be called 'length'"),
        (lambda: Schema({}, {"size": "float16"}), "size has type 'float16'"),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
