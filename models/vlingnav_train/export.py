"""From torch to the ONNX graphs and the manifest that `NanoPolicy` loads.

Every graph is run on both sides before the manifest is written; a graph that does not agree with torch is
refused.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlingnav_policy.engines.onnx import describe
from vlingnav_policy.history import META
from vlingnav_policy.manifest import CameraSpec, Manifest
from vlingnav_policy.notes import NOTE_META, PATCH, PATCHES
from vlingnav_policy.thesaurus import FILE as THESAURUS_FILE
from vlingnav_policy.tokenizer import ACTION, ANSWER, THINK_OFF, THINK_ON
from vlingnav_sim.robots import DIFF
from vlingnav_train.checkpoint import Nano
from vlingnav_train.policy_network import GOAL_TOKENS, PolicyNetwork, Prompt
from vlingnav_train.thesaurus import TABLE
from vlingnav_train.vocabulary import tokenizer

TOLERANCE = 2e-3  # largest |ONNX - torch| on outputs of order one


class ExportError(Exception):
    """The graph does not compute what the network computes."""


class _Reader(nn.Module):
    """Reads the prompt and answers without a thought: whether to think, an action, and what was read.

    Its inputs have one size, padded: a decision costs the same at every step, and engines like fixed shapes.
    """

    unthought: Tensor

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("unthought", torch.tensor([[ANSWER, THINK_OFF, ACTION]]))

    def forward(self, *prompt: Tensor) -> Any:
        network, inputs = self.network, Prompt(*prompt)
        read, padded = network.prefix(inputs)
        x = torch.cat([read, network.answer(self.unthought, torch.arange(3), inputs.velocity)], dim=1)
        bias = network.bias(padded, self.unthought)
        kept = read.shape[1] + 1  # the prompt and <answer> stay, whatever is answered
        keys, values = [], []
        for i, block in enumerate(network.layers, start=1):
            q, k, v = block.project(x)
            if i == len(network.layers):
                q, x, bias = q[:, :, -3:], x[:, -3:], bias[:, :, -3:]
            keys.append(k[:, :, :kept])
            values.append(v[:, :, :kept])
            x = block.attend(x, q, k, v, bias)
        hidden = network.norm(x)
        logits = network.vocabulary(hidden[:, 0])
        think = logits[:, THINK_ON] - logits[:, THINK_OFF]
        return think, *_action(network, hidden[:, -1]), torch.stack(keys), torch.stack(values)


class _Writer(nn.Module):
    """One more token of the answer: what may follow it, an action, and what it adds to what was read."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, token: Tensor, position: Tensor, velocity: Tensor, keys: Tensor, values: Tensor) -> Any:
        network = self.network
        x = network.answer(token[:, None], position, velocity)
        new_keys, new_values = [], []
        for block, past_k, past_v in zip(network.layers, keys, values, strict=True):
            q, k, v = block.project(x)
            new_keys.append(k)
            new_values.append(v)
            x = block.attend(x, q, torch.cat([past_k, k], dim=2), torch.cat([past_v, v], dim=2), None)
        hidden = network.norm(x)[:, 0]
        added = torch.stack(new_keys), torch.stack(new_values)
        return network.vocabulary(hidden), *_action(network, hidden), *added


def _action(network: PolicyNetwork, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    prediction = network.predict(hidden)
    return prediction.mean, prediction.log_std, prediction.stop, prediction.found


def export_graph(
    module: nn.Module,
    path: Path,
    inputs: Mapping[str, Tensor],
    outputs: list[str],
    axes: Mapping[str, Mapping[int, str]] | None = None,
) -> Mapping[str, Any]:
    """Write `module` to `path` and compare the two; `axes` names those that may have any length.

    Weights that lose nothing by it are kept in half precision, as `Nano.save` does.

    Returns:
        The graph's manifest entry.

    Raises:
        ExportError: the outputs differ by more than `TOLERANCE`.
    """
    import onnxruntime

    module.eval()
    with warnings.catch_warnings():  # loops over layers are meant to be unrolled
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            module, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs,
            dynamic_axes=axes, dynamo=False, opset_version=17,
            # Engines fold normalisation into weights; the file keeps both, each exact in half precision.
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        )  # fmt: skip
    _compact(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = module(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    actual = session.run(outputs, {name: value.numpy() for name, value in inputs.items()})
    for name, ours, theirs in zip(outputs, actual, expected, strict=True):
        error = float(np.abs(ours - theirs.numpy()).max())
        if not error <= TOLERANCE:
            path.unlink()
            raise ExportError(f"{path.name}: output {name} differs from torch by {error:.2g}; not exported")
    return {"inputs": describe(session.get_inputs()), "outputs": describe(session.get_outputs())}


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
    onnx.save(model, str(path))


def export_model(out: Path, nano: Nano, stop_threshold: float = 0.5) -> Manifest:
    """Write the graphs, the thesaurus and the manifest to `out`.

    Raises:
        ExportError: see `export_graph`.
    """
    out.mkdir(parents=True, exist_ok=True)
    config, history, words = nano.config, nano.history, tokenizer()
    ids = torch.from_numpy(words.encode("find the red chair"))[None]
    h, w = config.image
    image = torch.randint(0, 256, (1, h, w, 3), dtype=torch.uint8)
    shown = "image" in nano.tasks
    said = np.zeros((1, PATCHES, PATCH), np.int64)
    said[:, :6] = np.resize(words.ids("room one has nothing so far."), (6, PATCH))
    prompt = {
        "words": ids,
        "notes": torch.from_numpy(said),
        "notes_meta": torch.rand(1, PATCHES, NOTE_META),
        "tokens": torch.rand(1, history.capacity, config.token_channels),
        "meta": torch.rand(1, history.capacity, META),
        "used": torch.tensor([100]),
        "velocity": torch.rand(1, 3),
    }
    if shown:  # who never learned to read goal images need not carry their tokens along
        prompt["goal"] = torch.rand(1, GOAL_TOKENS, config.token_channels)
    past = config.layers, 1, config.heads, 111, config.dim // config.heads
    token = {
        "token": torch.tensor([THINK_ON]),
        "position": torch.tensor([1]),
        "velocity": torch.rand(1, 3),
        "keys": torch.randn(past),
        "values": torch.randn(past),
    }
    action = ["mean", "log_std", "stop", "found"]
    graphs = {
        "language": export_graph(nano.language, out / "language.onnx", {"words": ids}, ["query"]),
        "tower": export_graph(nano.tower, out / "tower.onnx", {"image": image}, ["cells"]),
        "read": export_graph(
            _Reader(nano.policy),
            out / "read.onnx",
            prompt,
            ["think", *action, "keys", "values"],
        ),
        "write": export_graph(
            _Writer(nano.policy),
            out / "write.onnx",
            token,
            ["logits", *action, "new_keys", "new_values"],
            dict.fromkeys(("keys", "values"), {3: "read"}),
        ),
    }
    if shown:
        cells = torch.randn(1, config.channels, h // 8, w // 8)
        graphs["goal"] = export_graph(nano.goal, out / "goal.onnx", {"cells": cells}, ["query"])
    camera = DIFF.camera
    manifest = Manifest(
        name="nano",
        tasks=nano.tasks,
        camera=CameraSpec(camera.width, camera.height, camera.hfov, camera.mount_height, camera.pitch),
        waypoints=config.waypoints,
        dt_s=config.dt,
        action_scale=config.scale,
        stop_threshold=stop_threshold,
        vocabulary=words.words,
        instruction_length=words.length,
        history=asdict(history),
        memory=asdict(nano.memory),
        graphs=graphs,
        training=nano.training,
    )
    shutil.copyfile(TABLE, out / THESAURUS_FILE)
    manifest.write(out, THESAURUS_FILE)
    return Manifest.read(out)
