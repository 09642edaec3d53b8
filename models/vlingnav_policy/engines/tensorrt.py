"""TensorRT by itself: a graph becomes an engine for this GPU once, and is read from disk ever after.

Networks are strongly typed, the only kind there is from TensorRT 11 on: an engine computes in the precision
that the exported graph has, and choosing it is the export's affair. Memory on the GPU is set aside for the
largest shapes when the engine is made, so that a decision allocates nothing.

Not yet run on a GPU by us; what comes before one (keys, files, refusals) is tested without.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.engines import TYPES, Arrays, EngineError, Graph, check_inputs
from vlingnav_policy.engines.plans import PlanCache, PlanKey
from vlingnav_policy.engines.profiles import profile, shapes
from vlingnav_policy.manifest import ManifestError, sha256


class TensorRTEngine:
    """One graph on the first GPU; calls from many threads run one after the other."""

    def __init__(
        self, path: Path, graph: Graph, precision: str = "fp32", cache: PlanCache | None = None
    ) -> None:
        """Load the engine of `path`, or build it.

        Raises:
            EngineError: there is no TensorRT or no GPU, or TensorRT cannot run the graph.
        """
        try:
            import tensorrt
            from cuda.bindings import runtime
        except ImportError as error:
            raise EngineError(
                f"engine 'tensorrt' needs the module {error.name}, which is not installed; on a machine with "
                "an NVIDIA GPU run: pip install -c constraints.txt -e '.[tensorrt]'"
            ) from error
        self._cuda, self._graph, self._turn = _Cuda(runtime), graph, threading.Lock()
        name, capability = self._cuda.gpu()
        key = PlanKey(
            path.stem, sha256(path), tensorrt.__version__, name, capability, precision, shapes(graph)
        )
        logger = tensorrt.Logger(tensorrt.Logger.WARNING)
        plan = (cache or PlanCache()).get(key, lambda: _build(tensorrt, logger, path, graph))
        self._runtime = tensorrt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"TensorRT {tensorrt.__version__} cannot load its engine of {path.name}")
        count = self._engine.num_io_tensors
        if (held := {self._engine.get_tensor_name(i) for i in range(count)}) != _names(graph):
            raise ManifestError(f"{path} has {sorted(held)}, its manifest says {sorted(_names(graph))}")
        self._context = self._engine.create_execution_context()
        self._stream = self._cuda.call("cudaStreamCreate")
        self._memory = {name: self._reserve(name, *entry) for name, entry in _arrays(graph)}

    @property
    def provider(self) -> str:
        """What it runs on."""
        return "TensorRT"

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph once.

        Raises:
            ValueError: these are not its inputs, or more than it was built for.
        """
        check_inputs(self._graph, inputs)
        with self._turn:
            arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
            for name, array in arrays.items():
                if not self._context.set_input_shape(name, array.shape):
                    least, _, greatest = profile(self._graph["inputs"][name][1])
                    raise ValueError(f"{name} has shape {array.shape}; built for {least} to {greatest}")
                self._copy(self._memory[name], array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice")
            if not self._context.execute_async_v3(int(self._stream)):
                raise RuntimeError("TensorRT could not run the graph; its log says why")
            outputs = {}
            for name, (kind, _) in self._graph["outputs"].items():
                shape = tuple(self._context.get_tensor_shape(name))
                outputs[name] = out = np.empty(shape, TYPES[kind])
                self._copy(out.ctypes.data, self._memory[name], out.nbytes, "cudaMemcpyDeviceToHost")
            self._cuda.call("cudaStreamSynchronize", self._stream)
        return outputs

    def _reserve(self, name: str, kind: str, shape: list[int | str]) -> int:
        size = math.prod(profile(shape)[2]) * np.dtype(TYPES[kind]).itemsize
        memory = int(self._cuda.call("cudaMalloc", size))
        self._context.set_tensor_address(name, memory)
        return memory

    def _copy(self, to: int, source: int, size: int, direction: str) -> None:
        self._cuda.call("cudaMemcpyAsync", to, source, size, self._cuda.direction(direction), self._stream)


def _build(tensorrt: Any, logger: Any, path: Path, graph: Graph) -> bytes:
    builder = tensorrt.Builder(logger)
    # What TensorRT 11 always does, TensorRT 10 has to be told.
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(path.read_bytes()):
        raise EngineError(f"TensorRT cannot read {path.name}: {parser.get_error(0).desc()}")
    config, ranges = builder.create_builder_config(), builder.create_optimization_profile()
    for name, (_, shape) in graph["inputs"].items():
        ranges.set_shape(name, *profile(shape))
    config.add_optimization_profile(ranges)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"TensorRT {tensorrt.__version__} cannot build {path.name}; its log says why")
    return bytes(plan)


def _arrays(graph: Graph) -> list[tuple[str, tuple[str, list[int | str]]]]:
    return [*graph["inputs"].items(), *graph["outputs"].items()]


def _names(graph: Graph) -> set[str]:
    return {name for name, _ in _arrays(graph)}


class _Cuda:
    """The few calls of the CUDA runtime that are needed; what fails raises."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of `cuda.bindings.runtime`; its result without the status."""
        status, *result = getattr(self._runtime, function)(*arguments)
        if int(status) != 0:
            raise EngineError(
                f"CUDA refuses {function}: {status.name}; is there an NVIDIA GPU and its driver?"
            )
        return result[0] if result else None

    def gpu(self) -> tuple[str, str]:
        """Name and compute capability of the first GPU."""
        about = self.call("cudaGetDeviceProperties", 0)
        return about.name.decode().strip("\0"), f"{about.major}.{about.minor}"

    def direction(self, name: str) -> Any:
        """Of a copy."""
        return getattr(self._runtime.cudaMemcpyKind, name)
