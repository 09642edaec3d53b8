"""One worker thread with a one-slot mailbox: inference beside an executor that never waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class Worker(Generic[Job, Answer]):
    """Runs `work` on the newest job; a job that waits when a newer one comes is dropped.

    Args:
        work: called in the worker thread; what it raises becomes the answer.
        deliver: called in the worker thread with each job and its answer; must only hand them on.
    """

    def __init__(
        self, work: Callable[[Job], Answer], deliver: Callable[[Job, Answer | Exception], None]
    ) -> None:
        self._work = work
        self._deliver = deliver
        self._job: Job | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> Job | None:
        """Leave a job; returns the one that it displaced, if one was still waiting."""
        with self._changed:
            displaced, self._job = self._job, job
            self._changed.notify()
        return displaced

    def end(self, timeout_s: float = 2.0) -> None:
        """Finish the running job, drop a waiting one, and end the thread."""
        with self._changed:
            self._ended, self._job = True, None
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._job is not None)
                if self._ended or self._job is None:
                    return
                job, self._job = self._job, None
            try:
                answer: Answer | Exception = self._work(job)
            except Exception as error:
                answer = error
            self._deliver(job, answer)
