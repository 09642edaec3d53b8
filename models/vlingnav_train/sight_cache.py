"""Visual tokens of demonstrations on disk, for seeing takes longer than all else between two trainings.

What stage 0 learned stays as it is, so an episode is encoded once: a training that was cut off, and the next
one that is given the same folder, read what was seen. 20 KB a frame, as much as they take of the memory.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets import Demonstration
from vlingnav_train.checkpoint import Nano

Seen = tuple[NDArray[np.float16], NDArray[np.float16]]


class SightCache:
    """`Nano.tokens` of demonstrations, each computed once.

    Args:
        nano: encodes; its stage 0 must not change.
        folder: of the files, one an episode, named by what they were made from.
    """

    def __init__(self, nano: Nano, folder: Path) -> None:
        self._nano, self._folder = nano, folder
        folder.mkdir(parents=True, exist_ok=True)
        encoders = hashlib.blake2b(digest_size=16)
        for network in (nano.tower, nano.language, nano.goal):
            for value in network.state_dict().values():
                encoders.update(value.cpu().numpy().tobytes())
        self._encoders = encoders.digest()

    def __call__(self, demonstration: Demonstration) -> Seen:
        """Visual tokens `(N, K, C)` of the frames, and `(G, C)` of the goal image."""
        goal, frames = demonstration.goal, np.ascontiguousarray(demonstration.frames)
        key = hashlib.blake2b(self._encoders, digest_size=16)
        for part in (
            goal.instruction.encode(),
            goal.task.encode(),
            demonstration.image.tobytes(),
            frames.data,
        ):
            key.update(part)
        file = self._folder / f"{key.hexdigest()}.npz"
        if file.is_file():
            with np.load(file) as kept:
                return kept["tokens"], kept["shown"]
        tokens, shown = self._nano.tokens(goal, frames)
        new = file.with_name(f"{file.stem}-{os.getpid()}.npz")  # processes of one training see the same
        np.savez(new, tokens=tokens, shown=shown)
        new.replace(file)
        return tokens, shown
