"""Nodes as processes: started together, watched, and ended together, with no orphans.

A node whose runner has gone ends by itself: the kernel sends it SIGTERM (`PR_SET_PDEATHSIG`, Linux),
even after `kill -9` of the runner, and it ends as it does for any SIGTERM, with a standing robot.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from vlingnav_cli import CommandFailed

SUPERVISOR = "VLINGNAV_SUPERVISOR"
_PR_SET_PDEATHSIG = 1
_GRACE_S = 4.0


def end_with_supervisor() -> None:
    """In a child: ask for SIGTERM at the end of the runner named in `$VLINGNAV_SUPERVISOR`, if any is."""
    parent = os.environ.pop(SUPERVISOR, "")
    if not parent or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it ended before we asked
        raise SystemExit(0)


class ChildEnded(CommandFailed):
    """A node's process ended by itself; the message says which and how."""


class Supervisor:
    """A set of child processes that live and die together."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process that shares our terminal's output but not its Ctrl-C: we say when it ends."""
        env = {**os.environ, **(environment or {}), SUPERVISOR: str(os.getpid())}
        self._children[name] = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def check(self) -> None:
        """Raise `ChildEnded` when a child is no longer there."""
        for name, child in self._children.items():
            if (code := child.poll()) is not None:
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                raise ChildEnded(f"node {name} {how}; its last lines above say why")

    def stop(self) -> None:
        """End all, the last started first; what does not end in time is killed."""
        for child in reversed(self._children.values()):
            if child.poll() is None:
                child.terminate()
                # In turn, so that the motors' last word is said while something still listens.
                _wait(child, 1.0)
        deadline = time.monotonic() + _GRACE_S
        for child in self._children.values():
            if not _wait(child, max(deadline - time.monotonic(), 0.1)):
                child.kill()
                child.wait()
        self._children = {}


def _wait(child: subprocess.Popen[bytes], timeout_s: float) -> bool:
    try:
        child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True
