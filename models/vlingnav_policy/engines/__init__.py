"""What runs a graph: named arrays in, named arrays out; nothing else may know which engine it is.

An engine is chosen by name and is what it is called, or there is none: one that was asked for and cannot be
had is an `EngineError`, never another one that is slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.manifest import ManifestError

Arrays = Mapping[str, NDArray[Any]]
Graph = Mapping[str, Mapping[str, Any]]
"""A graph as manifests hold it: {"inputs": {name: [type, shape]}, "outputs": …}; of an axis the length, or a
name where it may have any."""

BATCH = "batch"
"""Name of the axis along which requests can be put side by side."""

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}
"""What manifests call the types of arrays."""

ENGINES = ("cpu", "cuda", "onnx-tensorrt", "tensorrt")
"""ONNX Runtime on the CPU, with CUDA, with TensorRT below it; and TensorRT by itself."""


class EngineError(ManifestError):
    """A model cannot be run by the engine that was asked for; the message says what is missing."""


class Engine(Protocol):
    """One loaded graph."""

    @property
    def provider(self) -> str:
        """What it runs on, e.g. "CPUExecutionProvider"."""

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs by name."""


def open_engine(
    path: Path, graph: Graph, engine: str = "cpu", threads: int = 2, precision: str = "fp32"
) -> Engine:
    """Load the ONNX graph `path`; TensorRT builds what it needs at its first time, which takes minutes.

    Args:
        graph: its manifest entry.
        engine: one of `ENGINES`.
        threads: cores that one call may take on the CPU.
        precision: of the graph, as its manifest says.

    Raises:
        EngineError: that engine cannot be had here.
        ManifestError: the file is not the graph of the manifest.
    """
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine!r}; choose one of {', '.join(ENGINES)}")
    if precision == "int8" and engine != "cpu":
        raise EngineError(f"{path.name} is in int8, which is for CPUs; for engine {engine!r} export fp16")
    if engine == "tensorrt":
        from vlingnav_policy.engines.tensorrt import TensorRTEngine

        return TensorRTEngine(path, graph, precision)
    from vlingnav_policy.engines.onnx import OnnxEngine

    return OnnxEngine(path, graph, threads, engine)


def check_inputs(graph: Graph, inputs: Arrays) -> None:
    """Refuse arrays that are not the inputs of `graph`, before any of them reaches an engine.

    Raises:
        ValueError: one is missing, unknown, or of another type or shape.
    """
    expected = graph["inputs"]
    if inputs.keys() != expected.keys():
        raise ValueError(f"the graph takes {', '.join(sorted(expected))}; got {', '.join(sorted(inputs))}")
    lengths: dict[str, int] = {}
    for name, (kind, shape) in expected.items():
        array = inputs[name]
        fits = len(shape) == array.ndim and all(
            length == (lengths.setdefault(axis, length) if isinstance(axis, str) else axis)
            for axis, length in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype != TYPES[kind]:
            wanted, got = "x".join(map(str, shape)), "x".join(map(str, array.shape))
            raise ValueError(
                f"the graph takes {name} as {np.dtype(TYPES[kind])} {wanted}, got {array.dtype} {got}"
            )
