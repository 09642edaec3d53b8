"""What runs a graph: named arrays in, named arrays out; nothing else may know which engine it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """One loaded graph."""

    @property
    def provider(self) -> str:
        """What it runs on, e.g. "CPUExecutionProvider"."""

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
