"""Reads a dataset in the LeRobot v3.0 layout, one episode at a time and nothing before it is asked for.

Opening reads meta/ only. Rows of an episode are read when the episode is, pictures when they are iterated.
A damaged file is an error that names it; `readable` goes round it instead and counts what it left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.episodes import EpisodeMeta, read_metas
from vlingnav_datasets.lerobot_v3.files import DatasetError, open_parquet, read_columns
from vlingnav_datasets.lerobot_v3.layout import DATA_PATH, INFO, VIDEO_PATH, Info, Location
from vlingnav_datasets.lerobot_v3.tasks import TASKS, read_tasks
from vlingnav_datasets.lerobot_v3.video import Picture, count_pictures, decode


@dataclass(frozen=True)
class Episode:
    """One episode of N steps.

    Attributes:
        meta: what is said of the whole episode: instruction, extras, where it lies.
        arrays: numbers of each column, `(N,)` of scalars and `(N, D)` of vectors, and the default columns
            (`timestamp` [s], `frame_index`, `episode_index`, `index`, `task_index`).
        texts: text of each column, N of them.
    """

    meta: EpisodeMeta
    arrays: Mapping[str, NDArray[Any]]
    texts: Mapping[str, list[str]]
    _reader: DatasetReader = field(repr=False)

    def __len__(self) -> int:
        return self.meta.length

    def pictures(self, key: str, first: int = 0, count: int | None = None) -> Iterator[Picture]:
        """Pictures of a camera from step `first` on, `(H, W, 3)` uint8 each, decoded while iterated.

        Raises:
            DatasetError: the video is missing, damaged or too short.
        """
        span, info = self.meta.videos[key], self._reader.info
        count = len(self) - first if count is None else count
        if not 0 <= first <= first + count <= len(self):
            raise IndexError(f"steps {first} to {first + count} of an episode of {len(self)}")
        file = self._reader.root / span.location.path(VIDEO_PATH, key)
        return decode(file, info.frame[key].shape, info.rate, span.first + first, count)

    def picture(self, key: str, step: int) -> Picture:
        """The picture of one step, `(H, W, 3)` uint8."""
        return next(self.pictures(key, step, 1))


class DatasetReader:
    """A dataset.

    Args:
        root: its folder.

    Attributes:
        info: rate, features, totals. metas: what is said of each episode. tasks: the instructions.
        skipped: why `readable` left out which episodes.

    Raises:
        DatasetError: meta/ is damaged, or its files do not agree.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.info = Info.read(self.root)
        self.metas = tuple(read_metas(self.root, self.info))
        self.tasks = tuple(read_tasks(self.root)) if self.metas else ()
        self.skipped: dict[int, str] = {}
        missing = {task for meta in self.metas for task in meta.tasks} - set(self.tasks)
        if missing:
            raise DatasetError(f"{self.root / TASKS} lacks {min(missing)!r}; restore it from a copy")
        # Number of the first row in each data file.
        self._begins: dict[Location, int] = {}
        for meta in self.metas:
            self._begins.setdefault(meta.data, meta.begin)
        self._file: tuple[str, pq.ParquetFile] | None = None  # the last that was opened
        self._pictures: dict[Path, int | DatasetError] = {}  # how many each video holds, or why none

    def __len__(self) -> int:
        """Episodes."""
        return len(self.metas)

    def __iter__(self) -> Iterator[Episode]:
        return (self.episode(index) for index in range(len(self)))

    def episode(self, index: int) -> Episode:
        """Read the rows of an episode.

        Raises:
            DatasetError: they are damaged, missing, or another episode's.
        """
        meta, table = self.metas[index], self.rows(index)
        path = self.root / meta.data.path(DATA_PATH)
        arrays, texts = {}, {}
        for key, feature in self.info.all_features.items():
            if feature.dtype == "string":
                texts[key] = table[key].to_pylist()
            elif feature.dtype != "video":
                arrays[key] = _numbers(table[key])
                found = (str(arrays[key].dtype), arrays[key].shape[1:] or (1,))
                if found != (feature.dtype, feature.shape):
                    said, holds = f"{feature.dtype} {feature.shape}", f"{found[0]} {found[1]}"
                    raise DatasetError(f"{self.root / INFO} says {key} is {said}, and {path} holds {holds}")
        times = np.arange(meta.length) / self.info.fps
        if not np.allclose(arrays["timestamp"], times, rtol=1e-5, atol=1e-4):
            fps = f"{self.info.fps:g} frames a second"
            raise DatasetError(f"{self.root / INFO} says {fps}, and the times in {path} do not fit that")
        return Episode(meta, arrays, texts, self)

    def readable(self) -> Iterator[Episode]:
        """The episodes whose rows and videos are there; why the others are not is then in `skipped`."""
        for index in range(len(self)):
            try:
                self.check_videos(index)
                episode = self.episode(index)
            except DatasetError as error:
                self.skipped[index] = str(error)
                continue
            yield episode

    def check_videos(self, index: int) -> None:
        """See that the videos hold the pictures of an episode, without decoding them.

        Raises:
            DatasetError: one is missing, truncated, or of another size or rate.
        """
        meta = self.metas[index]
        for key, span in meta.videos.items():
            file = self.root / span.location.path(VIDEO_PATH, key)
            if file not in self._pictures:
                try:
                    self._pictures[file] = count_pictures(file, self.info.frame[key].shape, self.info.rate)
                except DatasetError as error:
                    self._pictures[file] = error
            count = self._pictures[file]
            if isinstance(count, DatasetError):
                raise count
            if count < span.first + meta.length:
                raise DatasetError(f"{file} ends after {count} pictures; it is truncated")

    def rows(self, index: int, columns: list[str] | None = None) -> pa.Table:
        """Some columns of an episode's rows (all, if none is named) as they are stored.

        Raises:
            DatasetError: as `episode`.
        """
        meta = self.metas[index]
        path = meta.data.path(DATA_PATH)
        if self._file is None or self._file[0] != path:
            self._file = path, open_parquet(self.root, path)
        file = self._file[1]
        first = meta.begin - self._begins[meta.data]
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        if first + meta.length > sum(sizes):
            raise DatasetError(f"{self.root / path} holds {sum(sizes)} rows, and episode {index} goes beyond")
        # Row groups first to last hold the episode; ours hold one episode each, others' may hold several.
        begin, end = np.searchsorted(ends, [first, first + meta.length - 1], side="right")
        if columns is None:
            columns = [key for key, f in self.info.all_features.items() if f.dtype != "video"]
        wanted = list(dict.fromkeys(["episode_index", "frame_index", *columns]))
        table = read_columns(file, self.root / path, wanted, list(range(begin, end + 1)))
        table = table.slice(first - (ends[begin] - sizes[begin]), meta.length)
        if not (
            np.all(table["episode_index"].to_numpy() == index)
            and np.array_equal(table["frame_index"].to_numpy(), np.arange(meta.length))
        ):
            raise DatasetError(f"{self.root / path} holds other rows in the place of episode {index}")
        return table


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    values = column.combine_chunks()
    if pa.types.is_fixed_size_list(values.type) or pa.types.is_list(values.type):
        numbers: NDArray[Any] = values.flatten().to_numpy(zero_copy_only=False)
        return numbers.reshape(len(values), -1)
    return values.to_numpy(zero_copy_only=False)
