"""Versions of one policy in one folder, of which a link says which is in use.

    runs/policy/0001/  0002/  current -> 0002  previous -> 0001

A version is a model folder, and is whole before it has its name; the link is replaced in one step. So whoever
opens `runs/policy/current` gets one whole version or another, also while a learner writes the next one, and
what turns out to be worse is undone by a link. A policy node that is given `current` follows it anew before
each goal.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vlingnav_policy.manifest import Manifest, ManifestError

CURRENT, PREVIOUS = "current", "previous"


class Versions:
    """The versions in the folder `root`; of one that does not exist there are none."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """All of them, oldest first."""
        return sorted(path.name for path in self.root.glob("[0-9]*") if (path / "manifest.json").is_file())

    def current(self) -> str | None:
        """The one in use."""
        return self._target(CURRENT)

    def add(self, build: Callable[[Path], object]) -> str:
        """Make a version of what `build` writes to the folder that it is given; it is not in use yet.

        Raises:
            ManifestError: what it wrote is no model.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        name = f"{int(max(self.names(), default='0')) + 1:04}"
        shutil.rmtree(new := self.root / f".{name}", ignore_errors=True)  # of one that was killed
        try:
            build(new)
            Manifest.read(new)
            new.rename(self.root / name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return name

    def use(self, name: str) -> None:
        """Have `name` in use; what was in use is the previous one.

        Raises:
            ManifestError: there is no such version, or it is not what its manifest says.
        """
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ManifestError(f"{self.root} has no version {name}; it has {known}")
        Manifest.read(self.root / name)
        before = self.current()
        if before not in (None, name):
            self._link(PREVIOUS, before)
        self._link(CURRENT, name)

    def roll_back(self) -> str:
        """Have the previous version in use again, and return its name; once more undoes that.

        Raises:
            ManifestError: there is none, or it is not what its manifest says.
        """
        previous = self._target(PREVIOUS)
        if previous is None:
            raise ManifestError(f"{self.root} has no previous version to go back to")
        self.use(previous)
        return previous

    def _target(self, link: str) -> str | None:
        path = self.root / link
        return path.resolve().name if path.is_symlink() and path.exists() else None

    def _link(self, link: str, name: str) -> None:
        new = self.root / f".{link}"
        new.unlink(missing_ok=True)
        new.symlink_to(name)
        os.replace(new, self.root / link)
