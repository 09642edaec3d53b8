"""Policies on the other end of a wire, by address; each is a `Policy`, and no consumer can tell.

| address | who answers |
| --- | --- |
| `vlingnav://HOST:PORT` | `vlingnav serve`, with any policy of this project (`wire`, `server`, `client`) |
| `lightnav://HOST:PORT` | the server of LightNav-0 (`lightnav`) |
| `openpi://HOST:PORT` | a policy server of openpi, with actions for a base (`openpi`) |
| `openai://HOST:PORT?model=NAME` | a vision-language model behind a chat endpoint (`chat`) |

(`ros://NODE`, a policy that another ROS node serves, is for the robot's nodes: `vlingnav.shared_policy`.)

Every one keeps its caller no longer than `?timeout_s=` (1 s unless told otherwise): when no decision came by
then, `act` raises `PolicyUnavailable`, and the robot stands. Later calls find the server again when it is
back, and tell it the goal anew.
"""

from __future__ import annotations

import importlib
from typing import Protocol, runtime_checkable

from vlingnav_policy.manifest import CameraSpec, ManifestError
from vlingnav_policy.types import Policy

SCHEMES = {
    "vlingnav": "vlingnav_policy.remote.client:WirePolicy",
    "lightnav": "vlingnav_policy.remote.lightnav:LightNavPolicy",
    "openpi": "vlingnav_policy.remote.openpi:OpenpiPolicy",
    "openai": "vlingnav_policy.remote.chat:ChatPolicy",
}


@runtime_checkable
class ServedElsewhere(Protocol):
    """A policy whose server compares the robot's camera with the one that its model was made for."""

    camera: CameraSpec | None


def is_address(name: str) -> bool:
    """Whether `name` is the address of a policy, and not the name or the folder of one."""
    return "://" in name


def remote_policy(url: str) -> Policy:
    """The policy at `url`; nobody is called before there is something to decide.

    Raises:
        ManifestError: `url` is no address of a policy, or what its protocol needs is not installed.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ManifestError(f"no policy can be reached by {scheme}://; addresses begin with {known}")
    module, _, name = SCHEMES[scheme].partition(":")
    try:
        return getattr(importlib.import_module(module), name)(url)
    except ModuleNotFoundError as error:
        raise ManifestError(
            f"{scheme}:// needs {error.name}, which is not installed; run: "
            "pip install -c constraints.txt -e '.[sim]' (on a robot: '.[ros]')"
        ) from error
