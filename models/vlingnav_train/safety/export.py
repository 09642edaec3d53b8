"""From torch to `tuner.onnx`, for any runtime, and `tuner.npz`, which `LearnedTuner` reads.

All three must agree on a real neighbourhood, or nothing is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlingnav_safety.multi.learned import EDGE, HIT, NODE, WEIGHTS, Graph, LearnedTuner
from vlingnav_train.export import ExportError
from vlingnav_train.safety.network import TunerNetwork, to_batch

TOLERANCE = 1e-5  # largest difference between any two
INPUTS = {
    "nodes": f"float32 (N, {NODE})",
    "edges": f"float32 (M, {EDGE})",
    "owner": "int64 (M,)",
    "hits": f"float32 (H, {HIT})",
    "hit_owner": "int64 (H,)",
}
OUTPUTS = {"pairs": "float32 (M, 3)", "hit_heads": "float32 (H, 2)"}
UNITS = "as vlingnav_safety.multi.learned.graph makes them of a View: lengths over 0.5 m, speeds in m/s"


class _Actor(nn.Module):
    """The network without what the critic needs."""

    def __init__(self, network: TunerNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, nodes: Tensor, edges: Tensor, owner: Tensor, hits: Tensor, hit_owner: Tensor
    ) -> tuple[Tensor, Tensor]:
        pairs, heads, _ = self.network(nodes, edges, owner, hits, hit_owner)
        return pairs, heads


def example(robots: int = 6, edges: int = 11, hits: int = 9, seed: int = 0) -> Graph:
    """A graph of any numbers; some robots have no edges."""
    rng = np.random.default_rng(seed)
    return Graph(
        rng.normal(size=(robots, NODE)),
        rng.normal(size=(edges, EDGE)),
        np.sort(rng.integers(0, robots, edges)),
        rng.normal(size=(hits, HIT)),
        np.sort(rng.integers(0, robots, hits)),
    )


def export_tuner(network: TunerNetwork, out: Path, training: Mapping[str, Any]) -> None:
    """Write the graph, the weights and `manifest.json` to `out`.

    Raises:
        ExportError: the three do not agree.
    """
    import onnxruntime

    out.mkdir(parents=True, exist_ok=True)
    onnx, weights = out / "tuner.onnx", out / WEIGHTS
    sizes = {"nodes": "N", "edges": "M", "owner": "M", "hits": "H", "hit_owner": "H", "pairs": "M"}
    torch.onnx.export(
        _Actor(network).eval(),
        tuple(to_batch([example()])),
        str(onnx),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: size} for name, size in (sizes | {"hit_heads": "H"}).items()},
        dynamo=False,
        opset_version=17,
    )
    arrays: dict[str, Any] = dict(network.weights())
    np.savez(weights, **arrays)
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    tuner = LearnedTuner(out)
    for size in (1, 30):
        seen = example(size, 4 * size, 3 * size, size)
        batch = to_batch([seen])
        with torch.no_grad():
            expected = _Actor(network)(*batch)
        inputs = {name: value.numpy() for name, value in zip(INPUTS, batch, strict=True)}
        for name, theirs in (("tuner.onnx", session.run(None, inputs)), (WEIGHTS, tuner.heads(seen))):
            error = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(theirs, expected, strict=True))
            if not error <= TOLERANCE:
                onnx.unlink()
                weights.unlink()
                raise ExportError(f"{name} differs from torch by {error:.2g}; nothing was exported")
    manifest = {
        "name": "tuner",
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "units": UNITS,
        "training": dict(training),
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (onnx, weights)},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
