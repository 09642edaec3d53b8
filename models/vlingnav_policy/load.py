"""Policies by name: one that is shipped, the folder of an exported model, or an address elsewhere.

What runs a model is said by its manifest, by name. "nano" and "vlm-onnx" are of this room and run graphs; the
others are entry points of the group `vlingnav.policies`, each a function `(directory, threads, thinking,
engine) -> LearnedPolicy`, so that this room need not know the one that brings them, nor a folder of weights
say what code is to be run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from vlingnav_policy.engines.batching import BatchConfig
from vlingnav_policy.manifest import NANO, Manifest, ManifestError
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.remote import is_address, remote_policy
from vlingnav_policy.thesaurus import Wording
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.types import Goal, Policy, RemembersInWords
from vlingnav_policy.vlm.graphs import RUNTIME as VLM
from vlingnav_policy.vlm.graphs import load_graphs

# Beside this room in a checkout; VLINGNAV_CHECKPOINTS points elsewhere where only the wheel is installed.
CHECKPOINTS = Path(
    os.environ.get("VLINGNAV_CHECKPOINTS", Path(__file__).resolve().parents[1] / "checkpoints")
)
RUNTIMES = "vlingnav.policies"
"""Group of the entry points that load a model."""


@runtime_checkable
class LearnedPolicy(RemembersInWords, Protocol):
    """A `Policy` that was trained and exported, and runs here.

    Attributes:
        manifest: what it says about itself. thinking: what it uses of thinking and remembering.
    """

    manifest: Manifest
    thinking: ThinkingConfig

    @property
    def provider(self) -> str:
        """What it runs on."""

    def another(self) -> Self:
        """One more of the same weights, with an episode and a memory of its own."""

    def check(self, goal: Goal) -> None:
        """Raise ValueError if it cannot take on `goal`."""

    def wording(self, instruction: str) -> Wording:
        """How it reads an instruction."""

    def unknown_words(self, instruction: str) -> list[str]:
        """Words that it does not know and ignores."""


def available() -> list[str]:
    """Names of the policies shipped here; other things that were learned lie beside them."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/read.onnx"))


def version_of(name: str, policy: Policy) -> str:
    """`name`, and of which weights where they are here: "nano@1f3a9c2e"."""
    return f"{name}@{policy.manifest.version}" if isinstance(policy, LearnedPolicy) else name


def directory_of(name_or_path: str | Path) -> Path:
    """The folder of a policy that is shipped, by its name, or of another one, by its path.

    Links are followed: who reads one file after the other reads all of one model (see `versions`).

    Raises:
        ManifestError: there is none.
    """
    for directory in (CHECKPOINTS / str(name_or_path), Path(name_or_path)):
        if directory.is_dir():
            return directory.resolve()
    names = ", ".join(available()) or "none"
    raise ManifestError(
        f"no policy {str(name_or_path)!r}: not a folder, and not one of those shipped ({names})"
    )


def load_policy(
    name_or_path: str | Path,
    threads: int = 2,
    thinking: ThinkingConfig = ThinkingConfig(),
    engine: str = "cpu",
    progress: Callable[[str], None] = lambda text: None,
) -> Policy:
    """Load a shipped policy by name ("nano"), an exported one by its directory, or one elsewhere by address.

    Args:
        name_or_path: what to load; addresses are those of `vlingnav_policy.remote`.
        threads, thinking, engine, progress: of a policy that runs here; see `load_exported`.

    Raises:
        ManifestError: there is none, it is not what its manifest says, or what runs it is not installed.
    """
    if is_address(str(name_or_path)):
        return remote_policy(str(name_or_path))
    return load_exported(name_or_path, threads, thinking, engine, progress=progress)


def load_exported(
    name_or_path: str | Path,
    threads: int = 2,
    thinking: ThinkingConfig = ThinkingConfig(),
    engine: str = "cpu",
    batching: BatchConfig | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> LearnedPolicy:
    """As `load_policy`, of what runs here.

    Args:
        threads: cores that one decision may take on the CPU.
        thinking: what of thinking and remembering is used.
        engine: one of `engines.ENGINES`, and no other.
        batching: how many robots share the engines of nano, each with an `another()` of the policy, in a
            thread of its own; None for one robot. Other models answer each robot by itself.
        progress: told what is going on; with TensorRT that takes minutes the first time.
    """
    directory = directory_of(name_or_path)
    runtime = Manifest.parse(directory).runtime
    if runtime == NANO:
        return NanoPolicy.load(directory, threads, thinking, engine, batching, progress)
    if runtime == VLM:
        return load_graphs(directory, threads, thinking, engine, progress)
    found = {entry.name: entry for entry in entry_points(group=RUNTIMES)}
    if runtime not in found:
        names = ", ".join((NANO, VLM, *found))
        raise ManifestError(f"{directory} is run by {runtime!r}, and what is installed has {names} only")
    try:
        load = found[runtime].load()
    except ModuleNotFoundError as error:
        raise ManifestError(
            f"{directory} is run by {runtime!r}, which needs the package {error.name}; install the extra "
            "`train`, with: pip install -c constraints.txt -e '.[train]'"
        ) from error
    policy: LearnedPolicy = load(directory, threads, thinking, engine)
    return policy


def load_shared(
    name_or_path: str | Path,
    threads: int = 2,
    engine: str = "cpu",
    batching: BatchConfig = BatchConfig(),
    progress: Callable[[str], None] = lambda text: None,
) -> Callable[[], Policy]:
    """What makes a policy for each of many robots: of one engine here, or each with a connection elsewhere.

    Args, raises: as `load_policy` and `load_exported`.
    """
    if is_address(str(name_or_path)):
        remote_policy(str(name_or_path))  # what is wrong with the address is known now
        return partial(remote_policy, str(name_or_path))
    return load_exported(name_or_path, threads, engine=engine, batching=batching, progress=progress).another
