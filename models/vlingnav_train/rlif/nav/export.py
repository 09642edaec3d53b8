"""A policy with a head that edits it, as a model folder like any other.

`vlingnav eval --policy FOLDER` takes it, and so does the policy node. The graphs of the policy are copied as
they are; the head is one more, `edit`, and the manifest says where it comes from.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.manifest import Manifest
from vlingnav_train.export import export_graph
from vlingnav_train.rlif.nav.head import LIMITS, edit_graph
from vlingnav_train.rlif.networks import Actor


def export_edited(
    base: Path,
    out: Path,
    actor: Actor,
    learned: Mapping[str, Any],
    limits: NDArray[np.float32] = LIMITS,
) -> Manifest:
    """Write the model in `base`, edited by `actor` within `limits (3,)`, to the folder `out`.

    Args:
        learned: how the head was; kept in the manifest as `training["edit"]`.

    Raises:
        ManifestError: `base` is no model, or not what its manifest says.
        ExportError: see `export_graph`.
    """
    policy = Manifest.read(base)
    files = [name for name in policy.sha256 if name != "edit.onnx"]
    out.mkdir(parents=True, exist_ok=True)
    for name in files:
        shutil.copyfile(base / name, out / name)
    graphs = {**policy.graphs, "edit": export_graph(edit_graph(actor, limits), out / "edit.onnx")}
    training = {**policy.training, "edit": dict(learned)}
    others = [name for name in files if name.removesuffix(".onnx") not in policy.graphs]
    replace(policy, graphs=graphs, training=training).write(out, *others)
    return Manifest.read(out)
