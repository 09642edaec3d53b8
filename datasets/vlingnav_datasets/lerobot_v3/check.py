"""Finds what is wrong with a dataset, and which episodes are lost by it.

Reads every row (parquet pages carry checksums) and counts the pictures of every video. What an interrupted
writer left behind of one unfinished episode is no problem: no reader sees it, and the next writer removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlingnav_datasets.lerobot_v3.files import DatasetError, open_parquet, read_columns, read_json
from vlingnav_datasets.lerobot_v3.layout import DATA_PATH, INFO, STATS
from vlingnav_datasets.lerobot_v3.reader import DatasetReader
from vlingnav_datasets.lerobot_v3.tasks import TASKS


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Attributes:
        text: one sentence, which names the file.
        episodes: those that cannot be read for it; () if none is lost, None if the dataset cannot be opened.
    """

    text: str
    episodes: tuple[int, ...] | None


def check(root: Path, decode: bool = False) -> list[Problem]:
    """All problems of the dataset at `root`, none if it is sound.

    Args:
        root: its folder.
        decode: also decode every picture, which finds damage within a video; takes as long as it sounds.
    """
    try:
        reader = DatasetReader(root)
    except DatasetError as error:
        return [Problem(str(error), None)]
    lost: dict[str, list[int]] = {}
    for index in range(len(reader)):
        for text in _of_episode(reader, index, decode):
            lost.setdefault(text, []).append(index)
    problems = [Problem(text, tuple(episodes)) for text, episodes in lost.items()]
    return problems + [Problem(text, ()) for text in (*_of_totals(reader), *_strangers(reader))]


def _of_episode(reader: DatasetReader, index: int, decode: bool) -> Iterator[str]:
    try:
        reader.check_videos(index)
    except DatasetError as error:
        yield str(error)
        decode = False
    try:
        episode = reader.episode(index)
    except DatasetError as error:
        yield str(error)
        return
    meta = episode.meta
    path = reader.root / meta.data.path(DATA_PATH)
    if not np.array_equal(episode.arrays["index"], meta.begin + np.arange(meta.length)):
        yield f"{path} numbers the rows of episode {index} other than from {meta.begin}"
    known = dict(enumerate(reader.tasks))
    if {known.get(task) for task in np.unique(episode.arrays["task_index"])} != set(meta.tasks):
        yield f"{path} gives episode {index} another task than meta/episodes does, {', '.join(meta.tasks)}"
    for key in meta.videos if decode else ():
        try:
            for _ in episode.pictures(key):
                pass
        except DatasetError as error:
            yield str(error)


def _of_totals(reader: DatasetReader) -> Iterator[str]:
    info = reader.info
    if not info.total_tasks <= len(reader.tasks) <= info.total_tasks + 1:
        said, held = info.total_tasks, len(reader.tasks)
        yield f"{reader.root / INFO} counts {said} tasks, and {reader.root / TASKS} holds {held}"
    try:
        stats = read_json(reader.root, STATS)
    except DatasetError as error:
        yield f"{error}, or open the dataset for writing once"
        return
    missing = [key for key, f in info.all_features.items() if f.dtype != "string" and key not in stats]
    if missing and len(reader):
        yield f"{reader.root / STATS} lacks {missing[0]}; open the dataset for writing once to restore it"


def _strangers(reader: DatasetReader) -> Iterator[str]:
    """Rows of episodes that meta/episodes has forgotten; the first after the last is an unfinished one."""
    for file in sorted((reader.root / "data").glob("*/*.parquet")):
        path = file.relative_to(reader.root).as_posix()
        try:
            table = read_columns(open_parquet(reader.root, path), file, ["episode_index"])
        except DatasetError:
            continue  # said already, if an episode is in it
        index = table["episode_index"].to_numpy()
        if len(index) and index.max() > len(reader):
            last = len(reader) - 1
            yield f"{file} holds episode {index.max()}, and meta/episodes ends at {last}; it was cut"
