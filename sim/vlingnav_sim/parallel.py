"""Spreads units of work, as a rule houses, over processes, and gives their results in order.

Unlike a pool of `multiprocessing`: workers are at most a few units ahead, for results are large and nobody
may know how many units there will be; a worker that dies is an error instead of a wait for ever; and none
outlives a parent that was killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from tqdm import tqdm

from vlingnav_cli import CommandFailed

Unit = TypeVar("Unit")
Result = TypeVar("Result")

AHEAD = 2
"""So many units a worker may be waiting for their turn, or under way."""


class WorkersLost(CommandFailed):
    """Whoever did the work is gone or cannot be had; one sentence says why and what to do."""


def over_houses(
    function: Callable[[int], Result], seeds: Sequence[int], label: str, processes: int | None = None
) -> Iterator[Result]:
    """Yield `function(seed)` for all `seeds`, in order, with a progress bar; raises as `over_processes`.

    Args:
        processes: as many as there are cores unless told otherwise.
    """
    results = over_processes(function, seeds, processes or os.cpu_count() or 1)
    yield from progress(results, len(seeds), label, "house")


def progress(results: Iterable[Result], total: int, label: str, unit: str) -> Iterator[Result]:
    """`results` with a progress bar; in a log file, which is no place for a live one, it is there rarely."""
    patience = 0.1 if sys.stderr.isatty() else 10.0  # [s]
    yield from tqdm(results, total=total, desc=label, unit=unit, smoothing=0.05, mininterval=patience)


def over_processes(
    function: Callable[[Unit], Result], units: Iterable[Unit], processes: int
) -> Generator[Result, None, None]:
    """Yield `function(unit)` for all `units`, in order.

    Args:
        function: can be imported by another process.
        units: perhaps without end.
        processes: with 1 the work is done in this one.

    Raises:
        WorkersLost: a process died.
        Exception: what `function` raised, with a note of where.
    """
    if processes == 1:
        yield from map(function, units)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes already fill the cores
    context = multiprocessing.get_context("spawn")  # GL contexts do not survive a fork
    workers = []
    idle: list[Connection] = []
    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            workers.append(context.Process(target=_work, args=(function, theirs), daemon=True))
            workers[-1].start()
            theirs.close()  # so that the end of the worker is the end of the pipe
            idle.append(ours)
        yield from _in_order(idle, enumerate(units))
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


def _in_order(idle: list[Connection], units: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """Hand units to whoever is idle, not too far ahead; yield results when their turn has come."""
    most, handed, due = AHEAD * len(idle), 0, 0
    busy: list[Connection] = []
    results: dict[int, Any] = {}
    while True:
        while idle and handed - due < most and (numbered := next(units, None)) is not None:
            busy.append(idle.pop(0))
            busy[-1].send(numbered)
            handed += 1
        if due == handed:
            return
        for connection in wait(busy):
            assert isinstance(connection, Connection)
            try:
                number, result, error = connection.recv()
            except EOFError:
                raise WorkersLost(
                    "a worker process died, as a rule for want of memory; close what else is running, or "
                    "take fewer where there is --processes, and start the same command again"
                ) from None
            if error is not None:
                raise error
            busy.remove(connection)
            idle.append(connection)
            results[number] = result
        while due in results:
            yield results.pop(due)
            due += 1


def _work(function: Callable[[Any], Any], connection: Connection) -> None:
    """What a worker process does, until its parent ends; Ctrl-C reaches both, and the parent tells."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            number, unit = connection.recv()
            answer: tuple[int, Any, Exception | None]
            try:
                answer = number, function(unit), None
            except Exception as error:
                error.add_note(f"in unit {unit}:\n{traceback.format_exc()}")
                answer = number, None, error
            connection.send(answer)
