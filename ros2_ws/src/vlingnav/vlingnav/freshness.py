"""Inputs that can be too old.

What is unusual: ages are measured on the steady clock from the moment of arrival, never from message
stamps, so that a stopped `/clock`, a jump of the wall clock or a driver with a wrong clock looks like
what it is to a robot: an input that no longer comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class Input:
    """The newest good value of one topic, and what is wrong with it when something is.

    Args:
        topic: its full name, for sentences.
        deadline_s: how old the value may be [s]; inf for an input that may be silent.
        convert: message to value; raises ValueError for a message that must not be used.
    """

    def __init__(self, topic: str, deadline_s: float, convert: Callable[[Any], Any]) -> None:
        self.topic = topic
        self.deadline_s = deadline_s
        self.value: Any = None
        self._convert = convert
        self._fault = ""
        self._arrival = -math.inf

    def receive(self, message: Any, now: float) -> bool:
        """Take a message that arrived at `now` [s, steady]; False when it was refused."""
        try:
            self.value = self._convert(message)
        except ValueError as error:
            self._fault = f"{self.topic}: {error}"
            return False
        self._fault = ""
        self._arrival = now
        return True

    def age(self, now: float) -> float:
        """Seconds since the last good message; inf before the first."""
        return now - self._arrival

    def problem(self, now: float) -> str:
        """Why the value must not be used now, as a sentence; empty when it may be."""
        if self._fault:
            return self._fault
        age = self.age(now)
        if age <= self.deadline_s:
            return ""
        if math.isinf(age):
            return f"nothing has come on {self.topic} yet; check that its publisher runs and the names match"
        return f"the last message on {self.topic} is {age:.1f} s old, its deadline is {self.deadline_s:.1f} s"
