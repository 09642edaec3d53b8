"""Policies by name: a dictionary is the registry; anything else is a path to an exported model."""

from __future__ import annotations

import os
from pathlib import Path

from vlingnav_policy.manifest import ManifestError
from vlingnav_policy.nano import NanoPolicy, ThinkingConfig

# Beside this room in a checkout; VLINGNAV_CHECKPOINTS points elsewhere where only the wheel is installed.
CHECKPOINTS = Path(
    os.environ.get("VLINGNAV_CHECKPOINTS", Path(__file__).resolve().parents[1] / "checkpoints")
)


def available() -> list[str]:
    """Names of the policies shipped here; other things that were learned lie beside them."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/read.onnx"))


def load_policy(
    name_or_path: str | Path, threads: int = 2, thinking: ThinkingConfig = ThinkingConfig()
) -> NanoPolicy:
    """Load a shipped policy by name ("nano") or an exported one by its directory.

    Raises:
        ManifestError: there is none, or it is not what its manifest says.
    """
    for directory in (CHECKPOINTS / str(name_or_path), Path(name_or_path)):
        if directory.is_dir():
            return NanoPolicy.load(directory, threads, thinking)
    names = ", ".join(available()) or "none"
    raise ManifestError(
        f"no policy {str(name_or_path)!r}: not a folder, and not one of those shipped ({names})"
    )
