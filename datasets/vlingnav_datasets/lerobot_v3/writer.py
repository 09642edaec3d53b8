"""Records episodes in the LeRobot v3.0 layout, one complete episode at a time.

Guarantee: when `end_episode` has returned, the episode is in the dataset and every file is whole. Whatever
happens later (an exception, kill -9) loses the episode in progress and nothing else, and what is left opens
in this package and in LeRobot. Opening the same folder again goes on after the last episode.

    with DatasetWriter(root, navigation_schema(96, 128), fps=2.5, robot_type="diff_drive") as writer:
        for ...:
            writer.add_frame({"observation.images.front": rgb, "action": trajectory.ravel(), ...})
        writer.end_episode("find the red chair", {"house": 7, "kind": "object", "success": True})
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from vlingnav_datasets.lerobot_v3.episodes import EpisodeMeta, read_extra_types, read_metas, read_stats
from vlingnav_datasets.lerobot_v3.feature_stats import PictureStats, pooled, vector_stats
from vlingnav_datasets.lerobot_v3.files import UNFINISHED, DatasetError, lock, write_json
from vlingnav_datasets.lerobot_v3.layout import (
    DATA_PATH,
    EPISODES_PATH,
    INFO,
    STATS,
    VIDEO_PATH,
    Info,
    Limits,
    Location,
)
from vlingnav_datasets.lerobot_v3.schema import EPISODE_TYPES, Feature, Schema
from vlingnav_datasets.lerobot_v3.shards import ParquetShard, VideoShard, remove_later_files
from vlingnav_datasets.lerobot_v3.tasks import read_tasks, write_tasks
from vlingnav_datasets.lerobot_v3.video import Codec, VideoEncoder


class DatasetWriter:
    """Writes one dataset; no other process may write it at the same time.

    Args:
        root: folder of the dataset, new or recorded by an earlier writer.
        schema: columns of a frame and of an episode.
        fps: frames a second.
        robot_type: of which robot.
        limits: when files are full.
        codec: how pictures are encoded.

    Raises:
        DatasetError: what is there is damaged, was recorded with another schema, rate or robot, or is being
            written by another process.
    """

    def __init__(
        self,
        root: Path,
        schema: Schema,
        fps: float,
        robot_type: str,
        limits: Limits = Limits(),
        codec: Codec = Codec(),
    ) -> None:
        self.root = Path(root)
        self._schema, self._codec = schema, codec
        self._lock: int | None = lock(self.root)
        try:
            frame = {
                key: Feature(f.dtype, f.shape, f.names, codec.info(f, fps)) if f.dtype == "video" else f
                for key, f in schema.frame.items()
            }
            self._open(Info(fps, robot_type, frame, limits))
        except BaseException:
            self._tidy()
            raise
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard_episode()
        self.close()

    @property
    def episodes(self) -> int:
        """Complete episodes, those of earlier writers too."""
        return self._info.total_episodes

    @property
    def frames(self) -> int:
        """Frames of the complete episodes."""
        return self._info.total_frames

    def add_frame(self, frame: Mapping[str, Any]) -> None:
        """Add a step to the episode in progress.

        Args:
            frame: a value for every column of `schema.frame`; "" for text where there is none.

        Raises:
            ValueError: a column is missing, unknown, of another type or shape, or not finite. Nothing was
                added then.
        """
        self._check_open()
        odd = sorted(set(frame) ^ set(self._schema.frame))
        if odd:
            kind = "lacks" if odd[0] in self._schema.frame else "has the unknown column"
            raise ValueError(f"a frame {kind} {odd[0]!r}; its columns are {', '.join(self._schema.frame)}")
        values = {key: feature.checked(key, frame[key]) for key, feature in self._schema.frame.items()}
        for key, feature in self._schema.videos.items():
            if key not in self._encoders:
                file, rate = self._recording(key), self._info.rate
                self._encoders[key] = VideoEncoder(file, feature.shape, rate, self._codec)
            picture = values.pop(key)
            self._encoders[key].add(picture)
            self._pictures[key].add(picture)
        for key, value in values.items():
            self._rows[key].append(value)
        self._length += 1

    def end_episode(self, task: str, extras: Mapping[str, Any] | None = None) -> int:
        """Make the episode part of the dataset; returns its index.

        Args:
            task: the instruction.
            extras: a value for every column of `schema.episode`.

        Raises:
            ValueError: there is no frame, no instruction, or the extras are not those of the schema. The
                episode is still in progress then.
        """
        self._check_open()
        extras = dict(extras or {})
        if not self._length:
            raise ValueError("an episode needs at least one frame; call add_frame first")
        if not task.strip():
            raise ValueError("an episode needs an instruction; its task is blank")
        wanted = {name: EPISODE_TYPES[kind] for name, kind in self._schema.episode.items()}
        if {name: type(value) for name, value in extras.items()} != wanted:
            kinds = ", ".join(f"{name}: {kind.__name__}" for name, kind in wanted.items())
            raise ValueError(f"an episode's extras must be {{{kinds}}}, not {extras}")
        try:
            index = self._commit(task, extras)
        except BaseException:
            self._release()  # half of it is written: only opening the dataset anew knows how to go on
            raise
        self._begin()
        return index

    def discard_episode(self) -> None:
        """Forget the frames since the last episode."""
        for encoder in self._encoders.values():
            encoder.close()
        self._begin()

    def close(self) -> None:
        """Let another writer have the dataset.

        Raises:
            ValueError: an episode is in progress; end or discard it first.
        """
        if self._lock is None:
            return
        if self._length:
            raise ValueError(f"an episode of {self._length} frames is in progress; end or discard it first")
        self._tidy()

    def _open(self, info: Info) -> None:
        """Take up what an earlier writer left, or begin."""
        shutil.rmtree(self.root / UNFINISHED, ignore_errors=True)
        (self.root / UNFINISHED).mkdir()
        metas: list[EpisodeMeta] = []
        if (self.root / INFO).is_file():
            before = Info.read(self.root)
            difference = before.difference(info)
            extras = read_extra_types(self.root)
            if difference is None and extras not in (None, self._schema.episode):
                difference = f"the episode columns {extras}, not {dict(self._schema.episode)}"
            if difference is not None:
                raise DatasetError(f"{self.root} was recorded with {difference}; record into another folder")
            metas = read_metas(self.root, before)
        self._tasks = read_tasks(self.root) if metas else []
        self._stats = read_stats(self.root, info)
        self._open_shards(info, metas)
        self._info = info.counting(len(metas), sum(meta.length for meta in metas), len(self._tasks))
        self._write_totals()

    def _open_shards(self, info: Info, metas: list[EpisodeMeta]) -> None:
        """Open the last file of each kind, less what is of no finished episode."""
        root, limits, last = self.root, info.limits, metas[-1] if metas else None
        rows = last.row if last else Location()
        data = last.data if last else Location()
        held = sum(meta.row == rows for meta in metas)
        frames = sum(meta.length for meta in metas if meta.data == data)
        self._episode_rows = ParquetShard(root, EPISODES_PATH, limits, rows, held, by_episode=False)
        self._data = ParquetShard(root, DATA_PATH, limits, data, frames, by_episode=True)
        remove_later_files(root, "data", data.path(DATA_PATH) if last else "")
        self._videos = {}
        for key, feature in self._schema.videos.items():
            span = last.videos[key] if last else None
            location = span.location if span else Location()
            before = span.first + last.length if last and span else 0
            self._videos[key] = VideoShard(root, key, feature.shape, info.rate, limits, location, before)
            remove_later_files(root, f"videos/{key}", location.path(VIDEO_PATH, key) if last else "")

    def _begin(self) -> None:
        """Make ready for the first frame of an episode."""
        self._length = 0
        self._encoders: dict[str, VideoEncoder] = {}
        self._pictures = {key: PictureStats() for key in self._schema.videos}
        self._rows: dict[str, list[Any]] = {
            key: [] for key in self._schema.frame if key not in self._pictures
        }

    def _commit(self, task: str, extras: Mapping[str, Any]) -> int:
        """Write the episode: its pictures, its rows, then its row in meta/episodes, which makes it count."""
        info, index, length = self._info, self._info.total_episodes, self._length
        spans = {}
        for key, encoder in self._encoders.items():
            encoder.close()
            spans[key] = self._videos[key].add(self._recording(key), length)
        if task not in self._tasks:
            self._tasks.append(task)
            write_tasks(self.root, self._tasks)
        columns = self._columns(index, self._tasks.index(task))
        data = _table(columns, info.all_features)
        location = self._data.make_room(data)
        self._data.add(data)
        stats = {key: pictures.result() for key, pictures in self._pictures.items()}
        for key, values in columns.items():
            if info.all_features[key].dtype != "string":
                stats[key] = vector_stats(np.asarray(values).reshape(length, -1))

        def row(file: Location) -> pa.Table:
            meta = EpisodeMeta(index, (task,), info.total_frames, length, location, spans, extras, file)
            return meta.table(stats, self._schema.episode, info.fps)

        self._episode_rows.add(row(self._episode_rows.make_room(row(Location()))))
        self._stats = {key: pooled([self._stats[key], new] if index else [new]) for key, new in stats.items()}
        self._info = info.counting(index + 1, info.total_frames + length, len(self._tasks))
        self._write_totals()
        return index

    def _columns(self, index: int, task_index: int) -> dict[str, Any]:
        """The columns of the episode in progress, the default ones too."""
        steps = np.arange(self._length)
        return {
            **self._rows,
            "timestamp": (steps / self._info.fps).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full(self._length, index),
            "index": self._info.total_frames + steps,
            "task_index": np.full(self._length, task_index),
        }

    def _write_totals(self) -> None:
        stats = {
            key: {name: value.tolist() for name, value in named.items()} for key, named in self._stats.items()
        }
        write_json(self.root, STATS, stats)
        self._info.write(self.root)

    def _recording(self, key: str) -> Path:
        return self.root / UNFINISHED / f"{key}.mp4"

    def _check_open(self) -> None:
        if self._lock is None:
            raise ValueError(f"this writer of {self.root} is closed; open the dataset again to go on")

    def _tidy(self) -> None:
        shutil.rmtree(self.root / UNFINISHED, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _table(columns: Mapping[str, Any], features: Mapping[str, Feature]) -> pa.Table:
    """Rows as Arrow stores them: scalars, text, and vectors of fixed length."""
    arrays = {}
    for key, values in columns.items():
        feature = features[key]
        if feature.dtype == "string":
            arrays[key] = pa.array(values, pa.string())
            continue
        flat = pa.array(np.asarray(values).ravel(), pa.type_for_alias(feature.dtype))
        size = feature.shape[0]
        arrays[key] = flat if size == 1 else pa.FixedSizeListArray.from_arrays(flat, size)
    return pa.table(arrays)
