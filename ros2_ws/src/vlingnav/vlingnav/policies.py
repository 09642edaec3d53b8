"""Which policy a node runs, by the one string that names it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vlingnav.shared_policy import SCHEME, SharedPolicy
from vlingnav_policy import LearnedPolicy, ManifestError, Policy, load_policy
from vlingnav_policy.load import directory_of
from vlingnav_policy.load import load_shared as load_shared_exported
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.remote import ServedElsewhere, is_address

if TYPE_CHECKING:
    from rclpy.node import Node

__all__ = ["ManifestError", "load", "load_shared", "place"]


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
    node: Node,
    engine: str = "cpu",
    progress: Callable[[str], None] = lambda text: None,
) -> Policy:
    """Load a policy for a robot.

    Args:
        name: a policy in `models/checkpoints` ("nano"), the folder of an exported one, or
            the address of one elsewhere ("ros://NODE", see `shared_policy`; "lightnav://HOST:PORT", see
            `vlingnav_policy.remote`), or "module:factory" for anything else that fulfils the contract,
            called without arguments.
        camera: the robot's; an exported policy was made for one camera and refuses others, also where it
            is served elsewhere, and then says so when it is first asked.
        node: the robot's, which asks an inference node.
        engine, progress: of an exported policy; see `vlingnav_policy.load_policy`.

    Raises:
        ManifestError: it is missing, altered, or made for something else; the message says which.
    """
    if name.startswith(SCHEME):
        return SharedPolicy(name, node, camera)
    if not _is_factory(name):
        policy = load_policy(name, engine=engine, progress=progress)
        if isinstance(policy, LearnedPolicy):
            policy.manifest.check_camera(camera)
        elif isinstance(policy, ServedElsewhere):
            policy.camera = camera
        return policy
    return _factory(name)()


def load_shared(
    name: str, threads: int = 2, engine: str = "cpu", progress: Callable[[str], None] = lambda text: None
) -> Callable[[], Policy]:
    """What makes a policy for each of many robots; see `vlingnav_policy.load.load_shared`.

    Args:
        name: as of `load`, without "ros://": who serves a policy has it.

    Raises:
        ManifestError: as `load`.
    """
    if name.startswith(SCHEME):
        raise ManifestError(f"{name!r} is served by another node already; name that one's policy")
    if _is_factory(name):
        return _factory(name)
    return load_shared_exported(name, threads, engine, progress=progress)


def _is_factory(name: str) -> bool:
    return ":" in name and not is_address(name)


def _factory(name: str) -> Callable[[], Policy]:
    module, _, factory = name.partition(":")
    try:
        make: Callable[[], Policy] = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise ManifestError(
            f"policy {name!r} cannot be imported: {error}; name it as module:factory"
        ) from error
    return make
