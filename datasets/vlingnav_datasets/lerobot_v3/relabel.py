"""Changes texts of recorded episodes, where they lie: labels are written long after the pictures.

Only data files are written anew, each at once; pictures, statistics and meta/ know nothing of texts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from vlingnav_datasets.lerobot_v3.files import UNFINISHED, lock, write_parquet
from vlingnav_datasets.lerobot_v3.layout import DATA_PATH, Location
from vlingnav_datasets.lerobot_v3.reader import DatasetReader

Texts = Mapping[str, Sequence[str]]


def set_texts(root: Path, texts: Mapping[int, Texts]) -> None:
    """Replace texts of some episodes.

    Every data file that holds one of them is written anew once, so give many episodes at a time, and those
    of one file together. Killed in between, each file has all of its new texts or none.

    Args:
        root: of the dataset.
        texts: for each episode, the new texts of one or more columns, one a step.

    Raises:
        DatasetError: the dataset or a file of it is damaged, or it is being written.
        IndexError: there is no such episode.
        ValueError: no text column has that name, or the texts are not as many as the steps.
    """
    descriptor = lock(Path(root))
    try:
        reader = DatasetReader(root)
        for index, columns in texts.items():
            _check(reader, index, columns)
        for location in sorted({reader.metas[index].data for index in texts}):
            _rewrite(reader, location, texts)
        shutil.rmtree(reader.root / UNFINISHED, ignore_errors=True)
    finally:
        os.close(descriptor)


def _check(reader: DatasetReader, index: int, columns: Texts) -> None:
    if not 0 <= index < len(reader):
        raise IndexError(f"no episode {index} in {reader.root}, which has {len(reader)}")
    length, features = reader.metas[index].length, reader.info.frame
    for key, values in columns.items():
        if key not in features or features[key].dtype != "string":
            names = ", ".join(name for name, feature in features.items() if feature.dtype == "string")
            raise ValueError(f"{key!r} is no text column of {reader.root}; those are {names}")
        if len(values) != length:
            raise ValueError(
                f"episode {index} has {length} steps, and {len(values)} texts of {key!r} were given"
            )


def _rewrite(reader: DatasetReader, location: Location, texts: Mapping[int, Texts]) -> None:
    stored = [key for key, feature in reader.info.all_features.items() if feature.dtype != "video"]
    tables = []
    for meta in reader.metas:
        if meta.data == location:
            table = reader.rows(meta.index).select(stored)
            for key, values in texts.get(meta.index, {}).items():
                table = table.set_column(stored.index(key), key, pa.array(list(values), pa.string()))
            tables.append(table)
    write_parquet(reader.root, location.path(DATA_PATH), tables)
