"""What a node says about itself once a second: rates, latencies, and what is wrong.

`diagnostic_updater` is not on PyPI; this is the part of it that is used here.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue


class Diagnostics:
    """Collects figures between two reports.

    Args:
        name: who reports, e.g. "/robot/policy".
        window: how many of the newest samples a percentile is taken over.
    """

    def __init__(self, name: str, window: int = 200) -> None:
        self._name = name
        self._window = window
        self._latencies: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}
        self._spent: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        self._since: float | None = None

    def latency(self, name: str, seconds: float) -> None:
        """Add one sample [s]."""
        self._latencies.setdefault(name, deque(maxlen=self._window)).append(seconds)

    def count(self, name: str) -> None:
        """Count one event of a rate."""
        self._counts[name] = self._counts.get(name, 0) + 1

    def spent(self, name: str, seconds: float) -> None:
        """Add to the time that went into something [s]; reported as a share of all time."""
        self._spent[name] = self._spent.get(name, 0.0) + seconds

    def note(self, name: str, value: str) -> None:
        """Set a line that stays until it is set again."""
        self._notes[name] = value

    def report(self, now: float, state: str, problem: str, ages: dict[str, float]) -> DiagnosticStatus:
        """Everything since the last report as one status, and start counting anew.

        Args:
            now: steady time [s].
            state: lifecycle state; the status is OK outside "active" whatever the inputs do.
            problem: what stops the robot, as a sentence; empty when nothing does.
            ages: age of each input [s].
        """
        figures = dict(self._notes)
        if self._since is not None:
            for name, count in self._counts.items():
                figures[f"{name} rate [Hz]"] = f"{count / (now - self._since):.1f}"
            for name, seconds in self._spent.items():
                figures[f"{name} [%]"] = f"{100.0 * seconds / (now - self._since):.0f}"
        self._counts = dict.fromkeys(self._counts, 0)
        self._spent = dict.fromkeys(self._spent, 0.0)
        self._since = now
        for name, samples in self._latencies.items():
            p50, p95 = np.percentile(samples, [50, 95]) * 1e3
            figures[f"{name} p50 [ms]"], figures[f"{name} p95 [ms]"] = f"{p50:.1f}", f"{p95:.1f}"
        for topic, age in ages.items():
            figures[f"age of {topic} [s]"] = f"{age:.2f}"
        bad = bool(problem) and state == "active"
        return DiagnosticStatus(
            level=DiagnosticStatus.ERROR if bad else DiagnosticStatus.OK,
            name=self._name,
            message=problem if bad else state,
            values=[KeyValue(key=key, value=value) for key, value in figures.items()],
        )
