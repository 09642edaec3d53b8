"""A training beside the robot: a process of its own, that can be asked how far it is, and ended at any time.

What is unusual: there is a pipe each way and nothing else. What the process prints is how far it is; that its
standard input is open says that it is wanted. So none outlives a node that was killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from os import set_blocking
from pathlib import Path
from typing import Any

PROGRAM = "vlingnav_train.rlif.nav.process"  # run and not imported: torch does not get into a node
LOG = "learner.log"


@dataclass(frozen=True)
class Lesson:
    """What is to be learned: the arguments of `vlingnav train rlif`.

    Attributes:
        dataset: folder of the recorder's. versions: folder that the new version is for.
        policy: while there is none. method: "rlif" or "bc". time_limit_s: of the training itself [s].
    """

    dataset: Path
    versions: Path
    policy: str
    method: str
    time_limit_s: float

    @property
    def arguments(self) -> list[str]:
        """As they are typed."""
        return [
            str(self.dataset),
            f"--versions={self.versions}",
            f"--policy={self.policy}",
            f"--method={self.method}",
            f"--minutes={self.time_limit_s / 60.0}",
        ]


class Training:
    """A training that has begun; the folder of the versions must be there.

    Attributes:
        said: the newest of all that it has said, by name; see `vlingnav_train.rlif.nav.process`.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._log = lesson.versions / LOG
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, *lesson.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,  # Ctrl-C in the terminal is for the node, which ends it in order
            )
        assert self._process.stdout is not None
        set_blocking(self._process.stdout.fileno(), False)
        self._rest = b""
        self.said: dict[str, Any] = {}

    def running(self) -> bool:
        """Whether it goes on; hears what it has said until now."""
        code = self._process.poll()
        self._hear()
        if code is None:
            return True
        if not self.said.keys() & {"why", "problem"}:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self.said["problem"] = f"the training {how}; the last lines of {self._log} say why"
        return False

    def stop(self, timeout_s: float) -> None:
        """End it, by force where it takes longer than `timeout_s` [s]."""
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        *lines, self._rest = (self._rest + (self._process.stdout.read() or b"")).split(b"\n")
        for line in lines:
            self.said.update(json.loads(line))
