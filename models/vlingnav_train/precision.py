"""Exported graphs in half precision and in eight bits.

fp16 computes in half precision, but for the places: sines of metres need more digits than it has. Engines on
GPUs gain by it; ONNX Runtime on a CPU widens it again.

int8 multiplies in eight bits where weights meet many tokens: in the linear layers of the transformer. Heads,
attention, norms, places and convolutions stay as they are. Weights have a scale for each channel; activations
are scaled as they come, which needs no calibration and was ten times more exact than calibrated scales (the
trajectory was off by 1 % and 11 % of its size). But the scale is one for all that is multiplied at once: such
graphs take one robot at a time, so that no robot's answer depends on who else asked. They are for CPUs.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import onnx

Precision = Literal["fp32", "fp16", "int8"]
TOLERANCE: Mapping[Precision, float] = {"fp32": 2e-3, "fp16": 2e-2, "int8": 0.1}
"""Largest |ONNX - torch| in an output, relative to the largest |torch| where this exceeds 1."""


def to_half(path: Path) -> None:
    """Rewrite the graph at `path` in half precision; its inputs and outputs stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(str(path))
    model = convert_float_to_float16(model, keep_io_types=True, node_block_list=_places(model.graph))
    onnx.save(model, str(path))


def _places(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that sines and cosines are computed by and from."""
    makers = {output: node for node in graph.node for output in node.output}
    found: list[str] = []
    ahead = [node for node in graph.node if node.op_type in ("Sin", "Cos")]
    while ahead:
        node = ahead.pop()
        if node.name not in found:
            found.append(node.name)
            ahead += [makers[name] for name in node.input if name in makers]
    return found


def to_int8(path: Path) -> None:
    """Rewrite the graph at `path` with linear layers in eight bits."""
    from onnxruntime.quantization import quant_pre_process, quantize_dynamic

    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of what it is made to do here
    try:
        with tempfile.TemporaryDirectory() as scratch:
            prepared = Path(scratch) / path.name
            quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
            names = [node.name for node in onnx.load(str(prepared)).graph.node]
            quantize_dynamic(
                str(prepared),
                str(path),
                op_types_to_quantize=["MatMul"],  # heads, of one token, are Gemm
                nodes_to_exclude=[name for name in names if "place/" in name],
                per_channel=True,
                extra_options={"MatMulConstBOnly": True},  # attention has no weights
            )
    finally:
        logger.setLevel(level)
