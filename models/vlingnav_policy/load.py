"""Policies by name: one that is shipped, the folder of an exported model, or an address elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vlingnav_policy.engines.batching import BatchConfig
from vlingnav_policy.manifest import ManifestError
from vlingnav_policy.nano import NanoPolicy, ThinkingConfig
from vlingnav_policy.remote import is_address, remote_policy
from vlingnav_policy.types import Policy

# Beside this room in a checkout; VLINGNAV_CHECKPOINTS points elsewhere where only the wheel is installed.
CHECKPOINTS = Path(
    os.environ.get("VLINGNAV_CHECKPOINTS", Path(__file__).resolve().parents[1] / "checkpoints")
)


def available() -> list[str]:
    """Names of the policies shipped here; other things that were learned lie beside them."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/read.onnx"))


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
        ManifestError: there is none, or it is not what its manifest says.
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
) -> NanoPolicy:
    """As `load_policy`, of what runs here.

    Args:
        threads: cores that one decision may take on the CPU.
        thinking: what of thinking and remembering is used.
        engine: one of `engines.ENGINES`, and no other.
        batching: how many robots share the engines, each with an `another()` of the policy, in a thread of
            its own; None for one robot.
        progress: told what is going on; with TensorRT that takes minutes the first time.
    """
    for directory in (CHECKPOINTS / str(name_or_path), Path(name_or_path)):
        if directory.is_dir():
            return NanoPolicy.load(directory, threads, thinking, engine, batching, progress)
    names = ", ".join(available()) or "none"
    raise ManifestError(
        f"no policy {str(name_or_path)!r}: not a folder, and not one of those shipped ({names})"
    )
