"""Work on many houses in as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Job = TypeVar("Job")
Result = TypeVar("Result")


def over_processes(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    total: int,
    label: str,
    processes: int | None = None,
) -> Iterator[Result]:
    """Yield `function(job)` for all `jobs`, in order, with a progress bar; `function` must be importable."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes already fill the cores
    context = multiprocessing.get_context("spawn")  # GL contexts do not survive a fork
    with context.Pool(processes or os.cpu_count()) as pool:
        results = pool.imap(function, jobs)
        patience = 0.1 if sys.stderr.isatty() else 10.0  # [s]; a log file is no place for a live bar
        yield from tqdm(results, total=total, desc=label, unit="house", smoothing=0.05, mininterval=patience)
