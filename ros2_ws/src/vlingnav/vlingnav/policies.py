"""Which policy a node runs, by the one string that names it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from vlingnav_policy import LearnedPolicy, ManifestError, Policy, load_policy
from vlingnav_policy.load import directory_of
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.remote import ServedElsewhere, is_address

__all__ = ["ManifestError", "load", "place"]


def place(name: str) -> Path | None:
    """The folder that `name` means now, links followed; None of a policy that has none.

    Of a policy that learns, `name` is a link that leads to another folder once there is a better version; see
    `vlingnav_policy.versions`.
    """
    if ":" in name:
        return None
    try:
        return directory_of(name)
    except ManifestError:
        return None


def load(
    name: str,
    camera: CameraSpec,
    engine: str = "cpu",
    progress: Callable[[str], None] = lambda text: None,
) -> Policy:
    """Load a policy for a robot.

    Args:
        name: a policy in `models/checkpoints` ("nano"), the folder of an exported one, or
            the address of one elsewhere ("lightnav://HOST:PORT"; see `vlingnav_policy.remote`), or
            "module:factory" for anything else that fulfils the contract, called without arguments.
        camera: the robot's; an exported policy was made for one camera and refuses others, also where it
            is served by `vlingnav serve`, which then says so when it is first asked.
        engine, progress: of an exported policy; see `vlingnav_policy.load_policy`.

    Raises:
        ManifestError: it is missing, altered, or made for something else; the message says which.
    """
    module, colon, factory = name.partition(":")
    if not colon or is_address(name):
        policy = load_policy(name, engine=engine, progress=progress)
        if isinstance(policy, LearnedPolicy):
            policy.manifest.check_camera(camera)
        elif isinstance(policy, ServedElsewhere):
            policy.camera = camera
        return policy
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise ManifestError(
            f"policy {name!r} cannot be imported: {error}; name it as module:factory"
        ) from error
    return make()
