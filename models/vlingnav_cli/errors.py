"""How a subcommand ends when it does not end well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class UserError(Exception):
    """What was asked for cannot be done; one sentence says what is wrong and what to do. Exit code 2."""


class CommandFailed(Exception):
    """The command did its work, and the outcome is a failure: a goal that was not reached. Exit code 1.

    Attributes:
        figures: what the command found out all the same; written to `--json FILE`.
    """

    def __init__(self, message: str, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.figures = figures
