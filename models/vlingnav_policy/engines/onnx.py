"""ONNX Runtime, on the CPU or on a GPU.

The graph is compared with its manifest entry when it is loaded, so that a mismatch is a sentence at start
and not a shape error on the road. ONNX Runtime goes on with the CPU when it cannot have the GPU, and says so
in a log at most; here the provider in use is compared with the one that was asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vlingnav_policy.engines import Arrays, EngineError, Graph, check_inputs, profiles
from vlingnav_policy.engines.plans import cache_folder
from vlingnav_policy.manifest import ManifestError

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "onnx-tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""The first is the one that is asked for; the others take the operators that it does not know."""

LIBRARIES = {"cuda": "CUDA and cuDNN", "onnx-tensorrt": "TensorRT, CUDA and cuDNN"}


def describe(values: Any) -> dict[str, list[Any]]:
    """Names, types and shapes of ONNX Runtime's inputs or outputs, as manifests hold them."""
    return {value.name: [value.type, list(value.shape)] for value in values}


class OnnxEngine:
    """One ONNX graph; may be called from many threads at once.

    Args:
        expected: the graph's manifest entry.
        threads: cores that one call may take on the CPU.
        engine: a key of `PROVIDERS`.
    """

    def __init__(self, path: Path, expected: Graph, threads: int = 2, engine: str = "cpu") -> None:
        """Load `path`.

        Raises:
            ManifestError: not an ONNX graph, or not with the inputs and outputs in `expected`.
            EngineError: ONNX Runtime does not have the GPU that was asked for.
        """
        import onnxruntime

        wanted = PROVIDERS[engine][0]
        if wanted not in onnxruntime.get_available_providers():
            raise EngineError(
                f"engine {engine!r} needs {wanted}, which this ONNX Runtime {onnxruntime.__version__} was "
                "built without; put onnxruntime-gpu in the place of onnxruntime, or choose engine 'cpu'"
            )
        if engine != "cpu":
            onnxruntime.preload_dlls()  # those that come in wheels are not where the system looks for them
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Idle threads that spin would take the cores from the control loop.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[(p, _options(p, expected)) for p in PROVIDERS[engine]]
            )
        except Exception as error:
            raise ManifestError(
                f"{path} cannot be loaded by ONNX Runtime {onnxruntime.__version__}: {error}"
            ) from error
        self._session.disable_fallback()
        if self.provider != wanted:
            raise EngineError(
                f"engine {engine!r} needs {wanted}, but ONNX Runtime fell back to {self.provider}: it found "
                f"no GPU, or not the libraries {LIBRARIES[engine]} that it was built with"
            )
        for side, values in (
            ("inputs", self._session.get_inputs()),
            ("outputs", self._session.get_outputs()),
        ):
            if (actual := describe(values)) != expected[side]:
                raise ManifestError(f"{path} has {side} {actual}, its manifest says {expected[side]}")
        self._graph = expected

    @property
    def provider(self) -> str:
        """The execution provider in use."""
        return str(self._session.get_providers()[0])

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph once.

        Raises:
            ValueError: these are not its inputs.
        """
        check_inputs(self._graph, inputs)
        names = list(self._graph["outputs"])
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


def _options(provider: str, graph: Graph) -> dict[str, str]:
    """Options of an execution provider."""
    if provider != "TensorrtExecutionProvider":
        return {}
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    # Its names of engines hold the graph, the GPU's architecture and the versions.
    cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
    return cache | profiles.options(graph)
