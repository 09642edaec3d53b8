"""From torch to the three ONNX graphs and the manifest that `NanoPolicy` loads.

Every graph is run on both sides before the manifest is written; a graph that does not agree with torch is
refused.
"""

from __future__ import annotations

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
from vlingnav_sim.robots import DIFF
from vlingnav_train.checkpoint import Nano
from vlingnav_train.networks import PolicyNetwork
from vlingnav_train.vocabulary import tokenizer

TOLERANCE = 2e-3  # largest |ONNX - torch| on outputs of order one


class ExportError(Exception):
    """The graph does not compute what the network computes."""


class _PolicyGraph(nn.Module):
    """The policy network with its prediction as a tuple."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, words: Tensor, tokens: Tensor, meta: Tensor, used: Tensor, velocity: Tensor) -> Any:
        prediction = self.network(words, tokens, meta, used, velocity)
        return prediction.mean, prediction.log_std, prediction.stop, prediction.found


def export_graph(
    module: nn.Module, path: Path, inputs: Mapping[str, Tensor], outputs: list[str]
) -> Mapping[str, Any]:
    """Write `module` to `path` and compare the two.

    Returns:
        The graph's manifest entry.

    Raises:
        ExportError: the outputs differ by more than `TOLERANCE`.
    """
    import onnxruntime

    module.eval()
    torch.onnx.export(
        module, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs,
        dynamo=False, opset_version=17,
    )  # fmt: skip
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


def export_model(out: Path, nano: Nano, stop_threshold: float = 0.5) -> Manifest:
    """Write the graphs and the manifest to `out`.

    Raises:
        ExportError: see `export_graph`.
    """
    out.mkdir(parents=True, exist_ok=True)
    config, history, words = nano.config, nano.history, tokenizer()
    ids = torch.from_numpy(words.encode("find the red chair"))[None]
    h, w = config.image
    image = torch.randint(0, 256, (1, h, w, 3), dtype=torch.uint8)
    frames = {
        "words": ids,
        "tokens": torch.rand(1, history.capacity, config.token_channels),
        "meta": torch.rand(1, history.capacity, META),
        "used": torch.tensor([100]),
        "velocity": torch.rand(1, 3),
    }
    graphs = {
        "language": export_graph(nano.language, out / "language.onnx", {"words": ids}, ["query"]),
        "tower": export_graph(nano.tower, out / "tower.onnx", {"image": image}, ["cells"]),
        "policy": export_graph(
            _PolicyGraph(nano.policy), out / "policy.onnx", frames, ["mean", "log_std", "stop", "found"]
        ),
    }
    camera = DIFF.camera
    manifest = Manifest(
        name="nano",
        camera=CameraSpec(camera.width, camera.height, camera.hfov, camera.mount_height, camera.pitch),
        waypoints=config.waypoints,
        dt_s=config.dt,
        action_scale=config.scale,
        stop_threshold=stop_threshold,
        vocabulary=words.words,
        instruction_length=words.length,
        history=asdict(history),
        graphs=graphs,
        training=nano.training,
    )
    manifest.write(out)
    return Manifest.read(out)
