"""meta/episodes: one row an episode. A row there is what makes an episode part of the dataset.

Everything else of an episode is on the disk before its row, and the totals in meta/info.json come after it.
So the program may be killed between any two writes: rows tell what is complete, and totals may be one behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.feature_stats import NAMES, Stats, pooled
from vlingnav_datasets.lerobot_v3.files import DatasetError, open_parquet, read_columns
from vlingnav_datasets.lerobot_v3.layout import INFO, Info, Location
from vlingnav_datasets.lerobot_v3.shards import VideoSpan

_COUNTS = ["episode_index", "length", "dataset_from_index", "dataset_to_index"]
_FIXED = [*_COUNTS, "tasks", "data/chunk_index", "data/file_index"]
_OWN = ["meta/episodes/chunk_index", "meta/episodes/file_index"]
_EXTRA_TYPES = {pa.float64(): "float64", pa.int64(): "int64", pa.bool_(): "bool", pa.string(): "string"}


@dataclass(frozen=True)
class EpisodeMeta:
    """What meta/episodes says of one episode.

    Attributes:
        index: its number. tasks: its instructions; ours have one.
        begin, length: its first row in the dataset, and how many it has.
        data: the parquet file of its rows. videos: where its pictures begin, by column.
        extras: its other columns.
        row: the file that says all this.
    """

    index: int
    tasks: tuple[str, ...]
    begin: int
    length: int
    data: Location
    videos: Mapping[str, VideoSpan]
    extras: Mapping[str, Any]
    row: Location

    @property
    def task(self) -> str:
        """The instruction."""
        return self.tasks[0]

    def table(self, stats: Mapping[str, Stats], extra_types: Mapping[str, str], fps: float) -> pa.Table:
        """This row, with the statistics of each column."""
        values: dict[str, Any] = {
            "episode_index": self.index,
            "tasks": list(self.tasks),
            "length": self.length,
            "data/chunk_index": self.data.chunk,
            "data/file_index": self.data.file,
            "dataset_from_index": self.begin,
            "dataset_to_index": self.begin + self.length,
        }
        for key, span in self.videos.items():
            values[f"videos/{key}/chunk_index"] = span.location.chunk
            values[f"videos/{key}/file_index"] = span.location.file
            values[f"videos/{key}/from_timestamp"] = span.first / fps
            values[f"videos/{key}/to_timestamp"] = (span.first + self.length) / fps
        for key, named in stats.items():
            values |= {f"stats/{key}/{name}": named[name].tolist() for name in NAMES}
        values |= {_OWN[0]: self.row.chunk, _OWN[1]: self.row.file}
        columns = {name: pa.array([value]) for name, value in values.items()}
        for name, kind in extra_types.items():
            columns[name] = pa.array([self.extras[name]], pa.type_for_alias(kind))
        return pa.table(columns)


def read_metas(root: Path, info: Info) -> list[EpisodeMeta]:
    """All rows, compared with each other and with the totals of meta/info.json.

    Raises:
        DatasetError: a file is damaged or missing, or the numbers do not agree.
    """
    metas: list[EpisodeMeta] = []
    frames = 0
    for path in _files(root):
        file = open_parquet(root, path)
        stored = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
        needed = [*_FIXED, *_OWN, *(f"videos/{key}/from_timestamp" for key in _video_keys(info))]
        table = read_columns(file, root / path, list(dict.fromkeys([*needed, *stored])))
        index, length, begin, end = (table[name].to_numpy() for name in _COUNTS)
        borders = frames + np.concatenate([[0], np.cumsum(length)])
        if not (
            np.array_equal(index, len(metas) + np.arange(len(table)))
            and np.array_equal(begin, borders[:-1])
            and np.array_equal(end, borders[1:])
        ):
            raise DatasetError(
                f"{root / path} does not go on at episode {len(metas)}; a file before it is lost"
            )
        metas += [_meta(row, info) for row in table.to_pylist()]
        frames = int(borders[-1])
    said = (info.total_episodes, info.total_frames)
    found = (len(metas), frames)
    if found != said and metas:
        found = (len(metas) - 1, metas[-1].begin)  # the totals of the last one are still to be written
    if found != said:
        raise DatasetError(
            f"{root / INFO} counts {said[0]} episodes of {said[1]} frames, and meta/episodes {len(metas)} of "
            f"{frames}; one of them was edited or lost"
        )
    return metas


def read_stats(root: Path, info: Info) -> dict[str, Stats]:
    """Statistics of all episodes together, from those of each; empty where there is no episode.

    Raises:
        DatasetError: a file is damaged.
    """
    keys = {key: f.dtype for key, f in info.all_features.items() if f.dtype != "string"}
    parts: dict[str, list[Stats]] = {key: [] for key in keys}
    for path in _files(root):
        columns = [f"stats/{key}/{name}" for key in keys for name in NAMES]
        table = read_columns(open_parquet(root, path), root / path, columns)
        for key, dtype in keys.items():
            shape = (3, 1, 1) if dtype == "video" else (-1,)
            named = {name: _numbers(table[f"stats/{key}/{name}"]) for name in NAMES}
            for k in range(len(table)):
                part = {name: values[k].reshape(shape) for name, values in named.items() if name != "count"}
                parts[key].append({**part, "count": named["count"][k]})
    return {key: pooled(sets) for key, sets in parts.items() if sets}


def read_extra_types(root: Path) -> dict[str, str] | None:
    """Types of the columns that are not the layout's; None where there is no episode yet."""
    files = _files(root)
    if not files:
        return None
    schema = open_parquet(root, files[0]).schema_arrow
    return {n: _EXTRA_TYPES.get(schema.field(n).type, "unknown") for n in schema.names if _is_extra(n)}


def _files(root: Path) -> list[str]:
    return sorted(f.relative_to(root).as_posix() for f in (root / "meta/episodes").glob("*/*.parquet"))


def _video_keys(info: Info) -> list[str]:
    return [key for key, feature in info.frame.items() if feature.dtype == "video"]


def _is_extra(name: str) -> bool:
    return "/" not in name and name not in _FIXED


def _meta(row: Mapping[str, Any], info: Info) -> EpisodeMeta:
    spans = {
        key: VideoSpan(
            Location(row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"]),
            round(row[f"videos/{key}/from_timestamp"] * info.fps),
        )
        for key in _video_keys(info)
    }
    return EpisodeMeta(
        index=row["episode_index"],
        tasks=tuple(row["tasks"]),
        begin=row["dataset_from_index"],
        length=row["length"],
        data=Location(row["data/chunk_index"], row["data/file_index"]),
        videos=spans,
        extras={name: value for name, value in row.items() if _is_extra(name)},
        row=Location(row[_OWN[0]], row[_OWN[1]]),
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of (nested) lists of one length as `(rows, numbers in each)`."""
    values = column.combine_chunks()
    rows = len(values)
    while pa.types.is_list(values.type):
        values = values.flatten()
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(rows, -1)
    return numbers
