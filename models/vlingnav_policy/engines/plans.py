"""TensorRT engines on disk, and the refusal of one that was made for something else.

Building an engine takes minutes, and what comes out of it runs only on the GPU and the TensorRT that made it,
if not with an error then with another result. A file here therefore begins with a line that says what it was
made of and for; its name is a hash of the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from vlingnav_policy.engines import EngineError


@dataclass(frozen=True)
class PlanKey:
    """What an engine was made of and for; another in any of these is another engine.

    Attributes:
        graph: name of the ONNX file. sha256: hash of it.
        tensorrt: version.
        gpu: name of the GPU. capability: its compute capability, "9.0".
        precision: of the graph, as its manifest says.
        shapes: of each input the least, the best and the greatest: "tokens 1x160x196 1x160x196 8x160x196".
    """

    graph: str
    sha256: str
    tensorrt: str
    gpu: str
    capability: str
    precision: str
    shapes: tuple[str, ...]

    @property
    def file(self) -> str:
        """Name of its file."""
        told = json.dumps(asdict(self), sort_keys=True)
        return f"{self.graph}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.plan"


def cache_folder() -> Path:
    """Where built engines are kept: `VLINGNAV_CACHE`, or `vlingnav` in the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("VLINGNAV_CACHE") or home / "vlingnav") / "engines"


class PlanCache:
    """Serialised engines in `folder`, by what they were made of and for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder()

    def get(self, key: PlanKey, build: Callable[[], bytes]) -> bytes:
        """The engine of `key`; built and written when there is none.

        Raises:
            EngineError: see `read`; or it cannot be written.
        """
        file = self._folder / key.file
        if file.exists():
            return read(file, key)
        plan = build()
        try:
            _write(file, key, plan)
        except OSError as error:
            raise EngineError(
                f"cannot keep the engine as {file}: {error.strerror}; set VLINGNAV_CACHE to another folder"
            ) from error
        return plan


def read(file: Path, key: PlanKey) -> bytes:
    """The engine in `file`.

    Raises:
        EngineError: it was made of or for something other than `key`, or is damaged.
    """
    told, _, plan = file.read_bytes().partition(b"\n")
    remedy = "delete it, and it is built anew"
    try:
        about = json.loads(told)
        found = {name: about[name] for name in (*asdict(key), "plan")}
    except (ValueError, TypeError, KeyError) as error:
        raise EngineError(f"{file} is no engine of this program; {remedy}") from error
    for name, ours in json.loads(json.dumps(asdict(key))).items():
        if found[name] != ours:
            raise EngineError(f"{file} was made for {name} {found[name]}, this is {ours}; {remedy}")
    if found["plan"] != hashlib.sha256(plan).hexdigest():
        raise EngineError(f"{file} is damaged: its hash is not the one it was written with; {remedy}")
    return plan


def _write(file: Path, key: PlanKey, plan: bytes) -> None:
    """Write all of it or nothing, whoever else builds the same engine at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {**asdict(key), "plan": hashlib.sha256(plan).hexdigest()}
    descriptor, new = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(json.dumps(about).encode() + b"\n" + plan)
        os.replace(new, file)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise
