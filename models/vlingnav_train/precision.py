"""Exported graphs in half precision and in eight bits.

fp16 computes in half precision, but for two things: sines of metres, and of places in a long text, need more
digits than it has, and the squares in a language model's norms are larger than it can hold. Engines on GPUs
gain by it; ONNX Runtime on a CPU widens it again.

int8 multiplies in eight bits where weights meet many tokens: in the linear layers of the transformer. Heads,
attention, norms, places and convolutions stay as they are. Weights have a scale for each channel; activations
are scaled as they come, which needs no calibration and was ten times more exact than calibrated scales (the
trajectory was off by 1 % and 11 % of its size). But the scale is one for all that is multiplied at once: such
graphs take one robot at a time, so that no robot's answer depends on who else asked. They are for CPUs. Large
language models pass on a few numbers that are a thousand times larger than the others, and one scale for all
leaves those few digits; none has been tried here.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto

from vlingnav_train import onnx_files

Precision = Literal["fp32", "fp16", "int8"]
TOLERANCE: Mapping[Precision, float] = {"fp32": 2e-3, "fp16": 2e-2, "int8": 0.1}
"""Largest |ONNX - torch| in an output, relative to the largest |torch| where this exceeds 1."""


def to_half(path: Path) -> None:
    """Rewrite the graph at `path` in half precision; its inputs and outputs stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    graph = onnx.load(str(path), load_external_data=False).graph
    exact = [*_places(graph), *_squares(graph)]
    constants = {node.name: node for node in graph.node if node.op_type == "Constant"}
    model = convert_float_to_float16(str(path), keep_io_types=True, node_block_list=exact)
    _keep_digits(model.graph, constants)
    onnx_files.save(model, path)


def _keep_digits(graph: onnx.GraphProto, constants: Mapping[str, onnx.NodeProto]) -> None:
    """Do not round what goes from one exact node to the next, which the conversion does.

    Args:
        graph: after the conversion; the casts that nobody reads any more are left to the engine.
        constants: as they were before, by name.
    """
    makers = {output: node for node in graph.node for output in node.output}

    def casts(node: onnx.NodeProto, kind: int) -> bool:
        return node.op_type == "Cast" and node.attribute[0].i == kind

    for node in graph.node:
        maker = makers.get(node.input[0]) if casts(node, TensorProto.FLOAT) else None
        if maker is None:
            continue
        if casts(maker, TensorProto.FLOAT16):
            node.input[0] = maker.input[0]
        elif maker.name in constants and constants[maker.name].attribute[0].t.data_type == TensorProto.FLOAT:
            original = copy.deepcopy(constants[maker.name])
            original.name, original.output[0] = node.name, node.output[0]
            node.CopyFrom(original)


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


def _squares(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes of root mean squares, from the square to the division by the root."""
    makers = {output: node for node in graph.node for output in node.output}
    readers = {name: node for node in graph.node for name in node.input}
    found: list[str] = []
    for node in graph.node:
        square = makers.get(node.input[0]) if node.op_type == "ReduceMean" else None
        if square is not None and square.op_type == "Pow":
            chain = [square, node]
            while chain[-1].op_type != "Div":
                chain.append(readers[chain[-1].output[0]])
            found += [step.name for step in chain]
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
            large = onnx_files.data_of(path).exists()
            quant_pre_process(
                str(path),
                str(prepared),
                skip_symbolic_shape=True,
                save_as_external_data=large,
                all_tensors_to_one_file=large,
                external_data_location=onnx_files.data_of(prepared).name if large else None,
            )
            names = [node.name for node in onnx.load(str(prepared), load_external_data=False).graph.node]
            quantize_dynamic(
                str(prepared),
                str(path),
                op_types_to_quantize=["MatMul"],  # heads, of one token, are Gemm
                nodes_to_exclude=[name for name in names if "place/" in name],
                per_channel=True,
                use_external_data_format=large,
                extra_options={"MatMulConstBOnly": True},  # attention has no weights
            )
    finally:
        logger.setLevel(level)
