"""What Ctrl-C, SIGTERM and a closed terminal do to a program that uses nodes; for nodes see `node.run`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def signals_as_interrupt() -> AbstractContextManager[None]:
    """SIGTERM and SIGHUP end things the way Ctrl-C does, which works in a background job too."""
    return _handling(signal.default_int_handler)


def signals_ignored() -> AbstractContextManager[None]:
    """Nothing interrupts the end, which takes a bounded time."""
    return _handling(signal.SIG_IGN)


@contextmanager
def signals_put_off() -> Iterator[None]:
    """A signal takes effect when the block ends: raised within rclpy's C++ it becomes another error."""
    received: list[int] = []
    with _handling(lambda number, _frame: received.append(number)):
        yield
    for number in received[:1]:
        signal.raise_signal(number)


@contextmanager
def _handling(handler: Any) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
