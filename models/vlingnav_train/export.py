"""From torch to the ONNX graphs and the manifest that `NanoPolicy` loads.

Every graph is run on both sides before the manifest is written; a graph that does not agree with torch is
refused. `tower`, `read` and `write` take any number of robots at once, but for those in eight bits.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlingnav_policy.engines.onnx import describe
from vlingnav_policy.manifest import CameraSpec, Manifest
from vlingnav_policy.thesaurus import FILE as THESAURUS_FILE
from vlingnav_sim.robots import DIFF
from vlingnav_train import onnx_files
from vlingnav_train.checkpoint import Nano
from vlingnav_train.graphs import Axes, Graph, graphs
from vlingnav_train.precision import TOLERANCE, Precision, to_half, to_int8
from vlingnav_train.thesaurus import TABLE
from vlingnav_train.vocabulary import tokenizer


class ExportError(Exception):
    """The graph does not compute what the network computes."""


def export_graph(graph: Graph, path: Path, precision: Precision = "fp32") -> Mapping[str, Any]:
    """Write `graph` to `path` after comparing the two.

    Weights that lose nothing by it are kept in half precision, as `Nano.save` does; those of a large graph
    are in a file of their own, see `onnx_files`.

    Returns:
        The graph's manifest entry.

    Raises:
        ExportError: an output differs by more than `TOLERANCE` allows.
    """
    import onnxruntime

    inputs, outputs = dict(graph.inputs), list(graph.outputs)
    module = graph.module.eval()
    with torch.no_grad():
        expected = module(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    with TemporaryDirectory(dir=path.parent) as scratch:  # torch leaves many files there of a large graph
        new = Path(scratch) / path.name
        with warnings.catch_warnings():  # loops over layers are meant to be unrolled
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.filterwarnings("ignore", "Exporting aten::index")  # none of our indices is negative
            torch.onnx.export(
                module, tuple(inputs.values()), str(new), input_names=list(inputs), output_names=outputs,
                dynamic_axes=graph.axes, dynamo=False, opset_version=17,
                # Engines fold normalisation into weights; the file keeps both, each exact in half precision.
                training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            )  # fmt: skip
        _name_axes(new, dict(zip(outputs, expected, strict=True)), graph.axes)
        if precision == "fp16":
            to_half(new)
        elif precision == "int8":
            to_int8(new)
        _compact(new)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of what CPUs do not do in half precision
        session = onnxruntime.InferenceSession(str(new), options, providers=["CPUExecutionProvider"])
        actual = session.run(outputs, {name: value.numpy() for name, value in inputs.items()})
        for name, ours, theirs in zip(outputs, actual, expected, strict=True):
            error = float(np.abs(ours - theirs.numpy()).max()) / max(1.0, float(theirs.abs().max()))
            if not error <= TOLERANCE[precision]:
                raise ExportError(
                    f"{path.name}: output {name} differs from torch by {error:.2g}, "
                    f"in {precision} it may by {TOLERANCE[precision]}; not exported"
                )
        onnx_files.move(new, path)
    return {"inputs": describe(session.get_inputs()), "outputs": describe(session.get_outputs())}


def _name_axes(path: Path, outputs: Mapping[str, Tensor], axes: Axes) -> None:
    """Say of the outputs what is known of them: the tracer forgets lengths when others may vary."""
    import onnx

    model = onnx.load(str(path))
    for output in model.graph.output:
        shape = outputs[output.name].shape
        for i, axis in enumerate(output.type.tensor_type.shape.dim):
            axis.Clear()
            if (name := axes.get(output.name, {}).get(i)) is not None:
                axis.dim_param = name
            else:
                axis.dim_value = shape[i]
    onnx_files.save(model, path)


def _compact(path: Path) -> None:
    """Keep the weights of a graph in half precision where that is exact; engines widen them when loading."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    for weight in model.graph.initializer:
        value = numpy_helper.to_array(weight)
        if value.dtype == np.float32 and value.size > 64:
            with np.errstate(over="ignore"):
                half = value.astype(np.float16)
            if np.array_equal(half.astype(np.float32), value):
                name = weight.name
                weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
                cast = helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
                model.graph.node.insert(0, cast)
    onnx_files.save(model, path)


def export_model(
    out: Path, nano: Nano, stop_threshold: float = 0.5, precision: Precision = "fp32"
) -> Manifest:
    """Write graphs, thesaurus and manifest to `out`; a model that is there stays until all of them are sound.

    In eight bits are `read` and `write`, which cost most; the others are then in single precision.

    Raises:
        ExportError: see `export_graph`.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix="export-") as folder:
        new = Path(folder)
        _write(new, nano, stop_threshold, precision)
        for file in sorted(new.iterdir(), key=lambda file: file.name == "manifest.json"):  # that comes last
            file.replace(out / file.name)
    return Manifest.read(out)


def _write(out: Path, nano: Nano, stop_threshold: float, precision: Precision) -> None:
    entries: dict[str, Mapping[str, Any]] = {}
    for name, graph in graphs(nano).items():
        file = out / f"{name}.onnx"
        if precision != "int8":
            entries[name] = export_graph(graph, file, precision)
        elif name in ("read", "write"):
            entries[name] = export_graph(graph.for_one_robot(), file, precision)
        else:
            entries[name] = export_graph(graph, file)
    camera = DIFF.camera
    manifest = Manifest(
        name="nano",
        tasks=nano.tasks,
        camera=CameraSpec(camera.width, camera.height, camera.hfov, camera.mount_height, camera.pitch),
        waypoints=nano.config.waypoints,
        dt_s=nano.config.dt,
        action_scale=nano.config.scale,
        stop_threshold=stop_threshold,
        vocabulary=tokenizer().words,
        instruction_length=tokenizer().length,
        history=asdict(nano.history),
        memory=asdict(nano.memory),
        graphs=entries,
        precision=precision,
        training=nano.training,
    )
    shutil.copyfile(TABLE, out / THESAURUS_FILE)
    manifest.write(out, THESAURUS_FILE)
