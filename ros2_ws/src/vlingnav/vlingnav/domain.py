"""Which ROS domain a run uses: two simulations on one machine must not drive each other's robot.

Discovery stays on this machine unless the user says otherwise. The domain is the user's, or ROS's default
0; a lock file marks a domain in use, and a run that finds the default one taken moves to the next.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlingnav_cli import UserError

LAST = 101
"""Above this a domain's ports may collide with the kernel's ephemeral ones."""


def stay_on_this_machine() -> None:
    """Set `ROS_AUTOMATIC_DISCOVERY_RANGE` to LOCALHOST where the user has not set it; before `rclpy.init`."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


@contextmanager
def claimed() -> Iterator[int]:
    """Claim a domain for as long as this process lives and set `ROS_DOMAIN_ID`.

    Raises:
        UserError: the domain that the user set is in use by another run.
    """
    asked = os.environ.get("ROS_DOMAIN_ID", "")
    candidates = [int(asked)] if asked else range(LAST + 1)
    for domain in candidates:
        path = Path(tempfile.gettempdir()) / f"vlingnav-{os.getuid()}-domain-{domain}.lock"
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            os.environ["ROS_DOMAIN_ID"] = str(domain)
            try:
                yield domain
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)
            return
    if asked:
        raise UserError(
            f"another `vlingnav up` uses ROS domain {asked}; end it, or set ROS_DOMAIN_ID to a free one"
        )
    raise UserError("all ROS domains are in use by other runs of `vlingnav up`; end some")
