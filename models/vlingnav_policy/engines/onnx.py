"""ONNX Runtime on the CPU.

The graph is compared with its manifest entry when it is loaded, so that a mismatch is a sentence at start
and not a shape error on the road.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vlingnav_policy.engines import Arrays
from vlingnav_policy.manifest import ManifestError


def describe(values: Any) -> dict[str, list[Any]]:
    """Names, types and shapes of ONNX Runtime's inputs or outputs, as manifests hold them."""
    return {value.name: [value.type, list(value.shape)] for value in values}


class OnnxEngine:
    """One ONNX graph; `threads` bounds the cores one call takes."""

    def __init__(self, path: Path, expected: Mapping[str, Any], threads: int = 2) -> None:
        """Load `path`.

        Raises:
            ManifestError: not an ONNX graph, or not with the inputs and outputs in `expected`.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Idle threads that spin would take the cores from the control loop.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ManifestError(
                f"{path} cannot be loaded by ONNX Runtime {onnxruntime.__version__}: {error}"
            ) from error
        for side, values in (
            ("inputs", self._session.get_inputs()),
            ("outputs", self._session.get_outputs()),
        ):
            if (actual := describe(values)) != expected[side]:
                raise ManifestError(f"{path} has {side} {actual}, its manifest says {expected[side]}")

    @property
    def provider(self) -> str:
        """The execution provider in use."""
        return str(self._session.get_providers()[0])

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph once."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
