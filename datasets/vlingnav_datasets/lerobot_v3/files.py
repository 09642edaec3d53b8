"""Files that are never half written, and errors that name the file when one is damaged all the same."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

UNFINISHED = ".unfinished"  # what is being written; no reader looks here, and opening for writing empties it


class DatasetError(Exception):
    """A dataset, or one file of it, cannot be used; the message names the file and says why."""


@contextmanager
def replacing(root: Path, path: str) -> Iterator[Path]:
    """Where to write what takes the place of `path` when the block ends.

    Whoever looks, and whenever the program is killed, there is the old file or the new one, whole.
    """
    part = root / UNFINISHED / path.replace("/", "_")
    part.parent.mkdir(exist_ok=True)
    yield part
    with part.open("rb") as written:
        os.fsync(written.fileno())  # before the rename: after a power cut the name must not lead to a hole
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, root / path)


def lock(root: Path) -> int:
    """A file descriptor that holds the only lock on a folder until it is closed or the process ends.

    Raises:
        DatasetError: another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DatasetError(f"{root} is being written by another process; wait for it or end it") from error
    return descriptor


def write_json(root: Path, path: str, data: Mapping[str, Any]) -> None:
    """Write JSON at `path` below `root`, at once."""
    with replacing(root, path) as part:
        part.write_text(json.dumps(data, indent=4, ensure_ascii=False), encoding="utf-8")


def read_json(root: Path, path: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DatasetError: it is missing or none.
    """
    try:
        data = json.loads((root / path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{root / path} cannot be read ({error}); restore it from a copy") from error
    if not isinstance(data, dict):
        raise DatasetError(f"{root / path} holds no JSON object; restore it from a copy")
    return data


def open_parquet(root: Path, path: str) -> pq.ParquetFile:
    """Open a parquet file; its pages are checked against their checksums when they are read.

    Raises:
        DatasetError: it is missing, truncated or no parquet file.
    """
    if not (root / path).is_file():
        raise DatasetError(f"{root / path} is missing; restore it from a copy")
    try:
        return pq.ParquetFile(root / path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{root / path} is truncated or no parquet file ({_first_line(error)})") from error


def write_parquet(root: Path, path: str, tables: Sequence[pa.Table]) -> None:
    """Write a parquet file at `path` below `root` at once, with a row group for each table."""
    with (
        replacing(root, path) as part,
        pq.ParquetWriter(part, tables[0].schema, compression="snappy", write_page_checksum=True) as writer,
    ):
        for table in tables:
            writer.write_table(table)


def read_columns(
    file: pq.ParquetFile, path: Path, columns: list[str], groups: list[int] | None = None
) -> pa.Table:
    """Columns of an open parquet file.

    Args:
        file: opened from `path`.
        columns: their names. groups: which row groups, None for all.

    Raises:
        DatasetError: a column is missing or the bytes are damaged.
    """
    missing = [column for column in columns if column not in file.schema_arrow.names]
    if missing:
        raise DatasetError(f"{path} lacks the column {missing[0]!r}; it was edited or is of another dataset")
    try:
        wanted = range(file.num_row_groups) if groups is None else groups
        return file.read_row_groups(list(wanted), columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is damaged ({_first_line(error)}); restore it from a copy") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
