"""A trained VLingNav as a folder that `load_policy`, `vlingnav eval` and the policy node run.

What `VLingNavModel.save` writes, and beside it the `manifest.json` that every exported model has: here
without graphs, for torch runs it (runtime "vlm"), and without a vocabulary, for the tokenizer is a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlingnav_policy.manifest import CameraSpec, Manifest
from vlingnav_policy.types import Task
from vlingnav_policy.vlm.config import FILE as CONFIG
from vlingnav_train.vlm.model import BACKBONE, OURS, VLingNavModel

RUNTIME = "vlm"
"""Name of the entry point of `vlingnav.policies` that loads such a folder."""


def manifest_of(
    model: VLingNavModel, tasks: tuple[Task, ...], camera: CameraSpec, training: Mapping[str, Any]
) -> Manifest:
    """What a model says about itself.

    Args:
        tasks: kinds of tasks it was trained for. camera: that of its images.
        training: how it was made: commit, config, data, figures.
    """
    config = model.config
    return Manifest(
        name=config.name,
        tasks=tasks,
        camera=camera,
        waypoints=config.waypoints,
        dt_s=config.dt,
        action_scale=config.scale,
        stop_threshold=config.stop_threshold,
        vocabulary=(),
        instruction_length=config.instruction_tokens,
        history=asdict(config.history),
        memory=asdict(config.memory),
        graphs={},
        training=training,
        runtime=RUNTIME,
    )


def save_policy(model: VLingNavModel, manifest: Manifest, out: Path) -> None:
    """Write the model to `out`, and the manifest with the hash of every file of it."""
    model.save(out)
    parts = sorted(str(path.relative_to(out)) for path in (out / BACKBONE).rglob("*") if path.is_file())
    manifest.write(out, CONFIG, OURS, *parts)
