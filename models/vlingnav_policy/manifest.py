"""What an exported model says about itself, and the refusal of anything else.

`manifest.json` lies beside the weights: names, shapes, dtypes, units, normalisation, action scale, dt,
vocabulary, training commit, what runs it, and the SHA-256 of every file. A loader compares it with the files
and with the robot, and names both sides when they differ, so that a wrong camera or a swapped file is found
before the robot moves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 4
READABLE = (2, 3, FORMAT)
"""Format 2 had no goal images, format 3 one runtime alone; all else is the same."""
NANO = "nano"
"""The runtime of models that do not name one: `vlingnav_policy.nano`."""


class ManifestError(Exception):
    """The model directory is incomplete, altered, or made for something else; the message says which."""


@dataclass(frozen=True)
class CameraSpec:
    """The camera a policy was trained with: pixels, field of view and pitch down [rad], height [m]."""

    width: int
    height: int
    hfov_rad: float
    mount_height_m: float
    pitch_rad: float


@dataclass(frozen=True)
class Manifest:
    """Everything a robot must know of a model.

    Attributes:
        name: of the preset. format: version of this file's layout.
        tasks: kinds of tasks that it was trained for.
        camera: what the images must look like.
        waypoints, dt_s: T and spacing [s] of the trajectory.
        action_scale: what 1 stands for in the graph's output [m, m, rad].
        stop_threshold: probability above which the policy says stop.
        vocabulary: words of the tokenizer in order, none where a model brings a tokenizer of its own;
            instruction_length: tokens of an instruction.
        history, memory: fields of `HistoryConfig` and `MemoryConfig`.
        graphs: graph name to {"inputs": {name: [dtype, shape]}, "outputs": …}, for a runtime of graphs; see
            `engines.Graph`.
        precision: what the graphs compute in: fp32, fp16 or int8.
        training: how it was made: commit, command, data, figures.
        sha256: file name to hash.
        runtime: what runs it; see `load_policy`.
    """

    name: str
    tasks: tuple[str, ...]
    camera: CameraSpec
    waypoints: int
    dt_s: float
    action_scale: tuple[float, float, float]
    stop_threshold: float
    vocabulary: tuple[str, ...]
    instruction_length: int
    history: Mapping[str, Any]
    memory: Mapping[str, Any]
    graphs: Mapping[str, Any]
    precision: str = "fp32"
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT
    runtime: str = NANO

    @property
    def version(self) -> str:
        """Eight hex digits that differ wherever anything in the manifest does, and so with any weight."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, directory: Path, *others: str) -> None:
        """Write `manifest.json` with the hashes of every graph in `directory`, and of the `others` there."""
        hashes = {name: sha256(directory / name) for name in (*(f"{g}.onnx" for g in self.graphs), *others)}
        data = {**asdict(self), "sha256": hashes}
        (directory / "manifest.json").write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read and verify the manifest in `directory`.

        Raises:
            ManifestError: see `parse`, or a file does not have its hash.
        """
        manifest = cls.parse(directory)
        for name, expected in manifest.sha256.items():
            file = directory / name
            if not file.is_file():
                raise ManifestError(f"the weights {file} are missing; the manifest beside them names them")
            actual = sha256(file)
            if actual != expected:
                raise ManifestError(
                    f"{file} is not the file of its manifest: "
                    f"it has sha256 {actual[:12]}…, the manifest says {expected[:12]}…"
                )
        return manifest

    @classmethod
    def parse(cls, directory: Path) -> Manifest:
        """Read the manifest in `directory`, and none of the files that it speaks of.

        Raises:
            ManifestError: missing, malformed, or of another format.
        """
        path = directory / "manifest.json"
        if not path.is_file():
            raise ManifestError(
                f"no model in {directory}: manifest.json is missing; train or fetch one, or give its path"
            )
        try:
            data = json.loads(path.read_text())
            found = data["format"]
            if found not in READABLE:
                raise ManifestError(
                    f"{path} has format {found}, this program reads formats "
                    f"{', '.join(map(str, READABLE))}; export the model again"
                )
            data["camera"] = CameraSpec(**data["camera"])
            data["action_scale"] = tuple(data["action_scale"])
            data["tasks"] = tuple(data["tasks"])
            data["vocabulary"] = tuple(data["vocabulary"])
            return cls(**data)
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path} is not a manifest: {error}") from error

    def check_camera(self, camera: CameraSpec, tolerance: float = 0.05) -> None:
        """Refuse a robot whose camera is not the one the model was trained with.

        Raises:
            ManifestError: names the first property that differs, with both values.
        """
        for name, ours in asdict(self.camera).items():
            theirs = getattr(camera, name)
            if abs(ours - theirs) > (0 if isinstance(ours, int) else tolerance):
                raise ManifestError(
                    f"model {self.name!r} expects camera {name} {ours}, the robot has {theirs}"
                )


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file.

    Raises:
        ManifestError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:  # which may be larger than the memory
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
