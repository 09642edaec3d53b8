"""From a folder of `train vlm` to ONNX graphs that run without torch.

Every graph is compared with torch by itself, and then all of them together, on the runtime that robots have:
what they decide about a few frames, with a thought and without, must be what torch decides. Until then
nothing lies in the folder that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vlingnav_policy.history import Frame
from vlingnav_policy.manifest import Manifest
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.vlm.answer import Answer, Network, respond
from vlingnav_policy.vlm.config import FILE as CONFIG
from vlingnav_policy.vlm.graphs import RUNTIME, load_network
from vlingnav_policy.vlm.text import FILE as TOKENIZER
from vlingnav_train.export import ExportError, export_graph
from vlingnav_train.onnx_files import data_of
from vlingnav_train.precision import TOLERANCE, Precision
from vlingnav_train.vlm.graphs import graphs
from vlingnav_train.vlm.model import VLingNavModel

EXACT = 1e-4
"""Largest |ONNX - torch| in a decision in fp32, relative to the largest |torch| where this exceeds 1."""


def export_graphs(
    model: VLingNavModel, manifest: Manifest, out: Path, precision: Precision = "fp32"
) -> Manifest:
    """Write the graphs, the sizes, the tokenizer and the manifest to `out`.

    Args:
        model: in single precision and evaluation mode; after this it is good for nothing else, see
            `Backbone.prepare_export`.
        manifest: of the folder that it was loaded from.
        precision: in eight bits is the language model, which costs most; the others are then in single
            precision.

    Raises:
        ExportError: see `graphs` and `export_graph`, or all together do not decide as the model does.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    # In other precisions words that are about equally likely may change places, and what follows a thought is
    # then another text: there only decisions without one are compared.
    thinking = [
        ThinkingConfig(think) for think in (("never", "always") if precision == "fp32" else ("never",))
    ]
    decided = [decide(model, how) for how in thinking]  # before anything of the model is replaced
    with TemporaryDirectory(prefix=out.name, dir=out.parent) as scratch:
        new = Path(scratch)
        entries: dict[str, Mapping[str, Any]] = {}
        for name, graph in graphs(model).items():
            eight = precision == "int8" and name != "language"
            entries[name] = export_graph(graph, new / f"{name}.onnx", "fp32" if eight else precision)
        model.config.write(new)
        model.writer.text.write(new)
        exported = replace(manifest, runtime=RUNTIME, graphs=entries, precision=precision)
        large = [file.name for name in entries if (file := data_of(new / f"{name}.onnx")).exists()]
        exported.write(new, CONFIG, TOKENIZER, *large)
        network = load_network(new, Manifest.read(new))
        for theirs, how in zip(decided, thinking, strict=True):
            compare(theirs, decide(network, how), EXACT if precision == "fp32" else TOLERANCE[precision])
        out.mkdir(exist_ok=True)
        for file in sorted(new.iterdir(), key=lambda file: file.name == "manifest.json"):
            os.replace(file, out / file.name)  # the manifest after the graphs that it speaks of
    return Manifest.read(out)


def compare(theirs: Answer, ours: Answer, most: float) -> None:
    """Whether the graphs decided as torch did.

    Raises:
        ExportError: they said something else, or their action differs by more than `most`.
    """
    if (theirs.thought, theirs.summary) != (ours.thought, ours.summary):
        raise ExportError(
            f"the graphs say {ours.thought} {ours.summary} where torch says {theirs.thought} "
            f"{theirs.summary}; not exported"
        )
    for name, expected in vars(theirs.action).items():
        difference = np.abs(np.asarray(expected) - getattr(ours.action, name)).max()
        error = float(difference) / max(1.0, float(np.abs(expected).max()))
        if not error <= most:
            raise ExportError(
                f"together the graphs decide otherwise than torch: {name} differs by {error:.2g}, it may by "
                f"{most}; not exported"
            )


def decide(network: Network, thinking: ThinkingConfig) -> Answer:
    """What `network` answers after three frames, asked for what a goal image shows."""
    writer, rng = network.writer, np.random.default_rng(0)
    rows, columns = writer.config.image
    images = rng.integers(0, 256, (4, rows, columns, 3), dtype=np.uint8)
    *seen, shown = network.see(images)
    frames = [Frame(cells, 1.0 * at, np.zeros(3), maxima=0) for at, cells in enumerate(seen)]
    memory = writer.memory()
    memory.write(1, "A bed is left of the door.")
    told = writer.instruction("Search for the brown chair", shown)
    prompt = writer.pack(writer.prompt(memory.text(), told, frames))
    return respond(network, prompt, writer.prompt_length(sum(map(len, told))), thinking)
