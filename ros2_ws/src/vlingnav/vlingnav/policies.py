"""Which policy a node runs, by the one string that names it."""

from __future__ import annotations

import importlib

from vlingnav_policy import ManifestError, Policy, load_policy
from vlingnav_policy.manifest import CameraSpec

__all__ = ["ManifestError", "load"]


def load(name: str, camera: CameraSpec) -> Policy:
    """Load a policy for a robot.

    Args:
        name: a policy in `models/checkpoints` ("nano"), the folder of an exported one, or
            "module:factory" for anything else that fulfils the contract, called without arguments.
        camera: the robot's; an exported policy was made for one camera and refuses others.

    Raises:
        ManifestError: it is missing, altered, or made for something else; the message says which.
    """
    module, colon, factory = name.partition(":")
    if not colon:
        policy = load_policy(name)
        policy.manifest.check_camera(camera)
        return policy
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise ManifestError(
            f"policy {name!r} cannot be imported: {error}; name it as module:factory"
        ) from error
    return make()
