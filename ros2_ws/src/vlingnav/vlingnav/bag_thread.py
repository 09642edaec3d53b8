"""Bags written beside an executor that never waits for the disk. No ROS in here.

Between the two is a queue, bounded in bytes: what does not fit is dropped and counted. What the thread has
written is flushed twice a second, and that is what a crash costs at most.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from vlingnav.bag import BagWriter, Message

_FLUSH_S = 0.5
_SMALL = 4096  # [bytes]
_OVERHEAD = 256  # of a message in the queue [bytes]


@dataclass(frozen=True)
class BagThreadConfig:
    """What recording may take.

    Attributes:
        keep_free: stop when the disk has less room than this [bytes].
        queue: memory for messages that wait to be written [bytes]; an eighth more for small ones, so that
            where the disk is too slow pictures are lost, and not who drove.
    """

    keep_free: int = 0
    queue: int = 64 << 20


class BagThread:
    """Writes one bag after the other.

    Args:
        define: see `BagWriter`.
        finished: called in the thread whenever a bag is no longer written.

    Attributes:
        file: the bag that is written now; None while none is.
        dropped: how many messages should be in a bag and are not.
        problem: why nothing is recorded, as a sentence, until the next bag begins.
    """

    def __init__(
        self,
        define: Callable[[str], str],
        finished: Callable[[], None] = lambda: None,
        config: BagThreadConfig = BagThreadConfig(),
    ) -> None:
        self._define, self._finished, self._config = define, finished, config
        self.file: Path | None = None
        self.dropped = 0
        self.problem = ""
        self._bag: BagWriter | None = None
        self._flush_at = 0.0
        self._lock = threading.Lock()
        self._waiting = 0
        self._queue: SimpleQueue[Message | Path | None] = SimpleQueue()  # a file begins a bag, None ends it
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="bag", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """What waits to be written [bytes]."""
        return self._waiting

    def begin(self, file: Path) -> None:
        """Write what is put from now on to a new `file`; the bag before it is complete."""
        self._queue.put(file)

    def put(self, topic: str, kind: str, time: int, data: bytes) -> None:
        """Add a `Message` to the bag that was begun; never waits."""
        message = Message(topic, kind, time, data)
        size = _size(message)
        limit = self._config.queue + (self._config.queue // 8 if size < _SMALL else 0)
        with self._lock:
            if self._waiting + size > limit:
                self.dropped += 1
                return
            self._waiting += size
        self._queue.put(message)

    def end(self) -> None:
        """The bag that was begun is complete."""
        self._queue.put(None)

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the bag, if one was begun, and the thread."""
        self.end()
        self._stopped = True
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not (self._stopped and self._queue.empty()):
            try:
                with contextlib.suppress(Empty):
                    self._take(self._queue.get(timeout=_FLUSH_S))
                if self._bag is not None and time.monotonic() >= self._flush_at:
                    self._bag.flush()
                    self._flush_at = time.monotonic() + _FLUSH_S
                    self._check_room()
            except Exception as error:  # whatever it is, it must not end the thread unheard
                self._give_up(error)

    def _take(self, item: Message | Path | None) -> None:
        if isinstance(item, Message):
            with self._lock:
                self._waiting -= _size(item)
                self.dropped += self._bag is None
            if self._bag is not None:
                self._bag.write(item)
            return
        self._close()
        if item is not None:
            self.file = item
            self._check_room()
            self._bag = BagWriter(item, self._define)
            self.problem, self._flush_at = "", 0.0

    def _close(self) -> None:
        if self.file is None:
            return
        try:
            if self._bag is not None:
                self._bag.close()
        finally:
            self._bag = self.file = None
            self._finished()

    def _check_room(self) -> None:
        assert self.file is not None
        if shutil.disk_usage(self.file.parent).free < self._config.keep_free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _give_up(self, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        where = f" on {self.file.parent}" if self.file is not None else ""
        self.problem = f"recording has stopped{where}: {why}; the next episode is tried again"
        with contextlib.suppress(Exception):  # as no room for the index, which `bag.mend` makes good for
            self._close()


def _size(message: Message) -> int:
    return len(message.data) + _OVERHEAD
