"""Files that many episodes share, and that are whole after every one of them.

A parquet file is readable only with its footer and an mp4 only with its index, which both come last. So a
file is never appended to in place: the longer one is written beside it and takes its name (`replacing`).
At any moment each file holds all finished episodes and perhaps one that meta/episodes does not know yet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vlingnav_datasets.lerobot_v3.files import (
    DatasetError,
    open_parquet,
    read_columns,
    replacing,
    write_parquet,
)
from vlingnav_datasets.lerobot_v3.layout import VIDEO_PATH, Limits, Location
from vlingnav_datasets.lerobot_v3.video import count_pictures, join_videos, joinable

MB = 1024**2


class ParquetShard:
    """The parquet file that rows are being added to; keeps what it holds in memory.

    Args:
        root: of the dataset. pattern: path of the files of this kind.
        location, rows: the file to go on with and how many of its rows to keep.
        by_episode: one row group for each table added, which random access and streaming ask for.

    Raises:
        DatasetError: the file is damaged or has fewer rows.
    """

    def __init__(
        self, root: Path, pattern: str, limits: Limits, location: Location, rows: int, by_episode: bool
    ) -> None:
        self._root, self._pattern, self._limits, self._by_episode = root, pattern, limits, by_episode
        self.location = location
        self._tables: list[pa.Table] = []
        if rows:
            self._tables = self._read(rows)

    def make_room(self, table: pa.Table) -> Location:
        """Where `add` will put rows as large as `table`: in this file, or in the next if this one is full."""
        if self._tables:
            size = (self._root / self.location.path(self._pattern)).stat().st_size
            if size + _encoded_size(table) > self._limits.data_mb * MB:
                self.location = self.location.next(self._limits.files_per_chunk)
                self._tables = []
        return self.location

    def add(self, table: pa.Table) -> None:
        """Add rows to the file that `make_room` named."""
        self._tables.append(table)
        if not self._by_episode:
            self._tables = [pa.concat_tables(self._tables).combine_chunks()]
        write_parquet(self._root, self.location.path(self._pattern), self._tables)

    def _read(self, rows: int) -> list[pa.Table]:
        path = self.location.path(self._pattern)
        file = open_parquet(self._root, path)
        tables, missing = [], rows
        for group in range(file.num_row_groups):
            table = read_columns(file, self._root / path, file.schema_arrow.names, [group])[:missing]
            missing -= len(table)
            if len(table):
                tables.append(table)
        if missing:
            raise DatasetError(
                f"{self._root / path} holds {rows - missing} rows, not {rows}; it is truncated"
            )
        return tables


@dataclass(frozen=True)
class VideoSpan:
    """Where the pictures of an episode begin: the file, and how many pictures lie before them in it."""

    location: Location
    first: int


class VideoShard:
    """The video file of one camera that episodes are being added to.

    Args:
        root: of the dataset. key: of the column. shape: `(H, W, 3)` of a picture. rate: of the pictures.
        location, frames: the file to go on with and how many of its pictures to keep.

    Raises:
        DatasetError: the file is damaged or has fewer pictures.
    """

    def __init__(
        self,
        root: Path,
        key: str,
        shape: tuple[int, ...],
        rate: Fraction,
        limits: Limits,
        location: Location,
        frames: int,
    ) -> None:
        self._root, self._key, self._limits, self._rate = root, key, limits, rate
        self.location, self._frames = location, frames
        file = root / location.path(VIDEO_PATH, key)
        if frames and (found := count_pictures(file, shape, rate)) < frames:
            raise DatasetError(f"{file} ends after {found} pictures, not {frames}; it is truncated")

    def add(self, episode: Path, frames: int) -> VideoSpan:
        """Add an episode's own video file, which is gone afterwards.

        Raises:
            DatasetError: the file to add it to is damaged.
        """
        target = self._root / self.location.path(VIDEO_PATH, self._key)
        if self._frames and not self._has_room(target, episode, frames):
            self.location, self._frames = self.location.next(self._limits.files_per_chunk), 0
        with replacing(self._root, self.location.path(VIDEO_PATH, self._key)) as part:
            if self._frames:
                join_videos(target, self._frames, episode, part)
                episode.unlink()
            else:
                os.replace(episode, part)
        span = VideoSpan(self.location, self._frames)
        self._frames += frames
        return span

    def _has_room(self, target: Path, episode: Path, frames: int) -> bool:
        if (self._frames + frames) / self._rate > self._limits.video_s or not joinable(target, episode):
            return False
        return target.stat().st_size + episode.stat().st_size <= self._limits.video_mb * MB


def remove_later_files(root: Path, folder: str, last: str) -> None:
    """Remove files of a kind that come after `last` (all, if it is ""): an unfinished episode began them."""
    for file in (root / folder).glob("chunk-*/file-*"):
        if file.relative_to(root).as_posix() > last:
            file.unlink()


def _encoded_size(table: pa.Table) -> int:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return int(sink.tell())
