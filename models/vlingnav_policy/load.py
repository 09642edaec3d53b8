"""Policies by name: a dictionary is the registry; anything else is a path to an exported model.

What runs a model is said by its manifest, by name. "nano" is of this room; the others are entry points of
the group `vlingnav.policies`, each a function `(directory, threads, thinking) -> LearnedPolicy`, so that this
room need not know the one that brings them, nor a folder of weights say what code is to be run.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from vlingnav_policy.manifest import NANO, Manifest, ManifestError
from vlingnav_policy.nano import NanoPolicy, ThinkingConfig
from vlingnav_policy.types import Goal, RemembersInWords

# Beside this room in a checkout; VLINGNAV_CHECKPOINTS points elsewhere where only the wheel is installed.
CHECKPOINTS = Path(
    os.environ.get("VLINGNAV_CHECKPOINTS", Path(__file__).resolve().parents[1] / "checkpoints")
)
RUNTIMES = "vlingnav.policies"
"""Group of the entry points that load a model."""


@runtime_checkable
class LearnedPolicy(RemembersInWords, Protocol):
    """A `Policy` that was trained and exported.

    Attributes:
        manifest: what it says about itself. thinking: what it uses of thinking and remembering.
    """

    manifest: Manifest
    thinking: ThinkingConfig

    @property
    def provider(self) -> str:
        """What it runs on."""

    def check(self, goal: Goal) -> None:
        """Raise ValueError if it cannot take on `goal`."""

    def unknown_words(self, instruction: str) -> list[str]:
        """Words that it does not know and ignores."""


def available() -> list[str]:
    """Names of the policies shipped here; other things that were learned lie beside them."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/read.onnx"))


def load_policy(
    name_or_path: str | Path, threads: int = 2, thinking: ThinkingConfig = ThinkingConfig()
) -> LearnedPolicy:
    """Load a shipped policy by name ("nano") or an exported one by its directory.

    Raises:
        ManifestError: there is none, it is not what its manifest says, or what runs it is not installed.
    """
    for directory in (CHECKPOINTS / str(name_or_path), Path(name_or_path)):
        if directory.is_dir():
            return _load(directory, threads, thinking)
    names = ", ".join(available()) or "none"
    raise ManifestError(
        f"no policy {str(name_or_path)!r}: not a folder, and not one of those shipped ({names})"
    )


def _load(directory: Path, threads: int, thinking: ThinkingConfig) -> LearnedPolicy:
    runtime = Manifest.parse(directory).runtime
    if runtime == NANO:
        return NanoPolicy.load(directory, threads, thinking)
    found = {entry.name: entry for entry in entry_points(group=RUNTIMES)}
    if runtime not in found:
        names = ", ".join((NANO, *found))
        raise ManifestError(f"{directory} is run by {runtime!r}, and what is installed has {names} only")
    try:
        load = found[runtime].load()
    except ModuleNotFoundError as error:
        raise ManifestError(
            f"{directory} is run by {runtime!r}, which needs the package {error.name}; install the extra "
            "`train`, with: pip install -c constraints.txt -e '.[train]'"
        ) from error
    policy: LearnedPolicy = load(directory, threads, thinking)
    return policy
