"""What came of learning a version: kept beside the versions, for whoever watches, and whoever goes on later.

`learned.json` is of the newest attempt, also where that gave no version. A learner that is started again
reads there how much it has learned from already.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "learned.json"


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes:
        version: the new one; None if there is none. in_use: the one in use after it; None for none yet.
        why: in a sentence.
        error, error_in_use: on episodes left out of learning, of the new version and of the one that was in
            use; None where there was too little to learn from.
        takeovers, held_out: how many were learned from, and checked with.
        episodes: of the dataset, as many as there were. usable: those in which the policy decided, and which
            are not damaged.
    """

    version: str | None
    in_use: str | None
    why: str
    error: float | None
    error_in_use: float | None
    takeovers: int
    held_out: int
    episodes: int
    usable: int

    @property
    def loss(self) -> float | None:
        """The error of what was in use after it."""
        return self.error_in_use if self.version is None else self.error

    def write(self, root: Path) -> None:
        """Keep it in the folder of the versions, at once."""
        new = root / f".{FILE}"
        new.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        os.replace(new, root / FILE)

    @classmethod
    def read(cls, root: Path) -> Learned | None:
        """The newest one; None if nothing was learned there yet, or by a program that kept it otherwise."""
        try:
            return cls(**json.loads((root / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
