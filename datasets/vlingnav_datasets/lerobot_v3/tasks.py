"""meta/tasks.parquet: the instructions in the order of their task_index.

LeRobot reads the file with pandas and looks instructions up in the index. The file therefore says in pandas'
own words (its "pandas" metadata) which column the index is; pandas itself is not needed for that.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vlingnav_datasets.lerobot_v3.files import DatasetError, open_parquet, read_columns, replacing

TASKS = "meta/tasks.parquet"


def write_tasks(root: Path, tasks: list[str]) -> None:
    """Write the instructions."""
    types = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
            for name, (kind, numpy) in types.items()
        ],
        "pandas_version": "2.2.0",
    }
    schema = pa.schema([("task_index", pa.int64()), ("task", pa.string())], {"pandas": json.dumps(pandas)})
    table = pa.table([list(range(len(tasks))), tasks], schema=schema)
    with replacing(root, TASKS) as part:
        pq.write_table(table, part)


def read_tasks(root: Path) -> list[str]:
    """The instructions.

    Raises:
        DatasetError: the file is missing, damaged, or its indices are not 0, 1, 2, …
    """
    file = open_parquet(root, TASKS)
    # LeRobot before 0.5 leaves the index without a name.
    text = next((name for name in file.schema_arrow.names if name != "task_index"), "task")
    table = read_columns(file, root / TASKS, ["task_index", text])
    if table["task_index"].to_pylist() != list(range(len(table))):
        raise DatasetError(f"{root / TASKS} does not count its tasks from 0; restore it from a copy")
    return [str(task) for task in table[text].to_pylist()]
