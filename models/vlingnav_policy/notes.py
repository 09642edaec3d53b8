"""What nano reads of what it wrote: its memory and its last thought, in patches of a few words.

VLingNav's prompt begins with the memory in words (arXiv 2601.08665, Algorithm 1). Nano reads the same words,
several to a token as a vision transformer reads pixels, and each with the time and, by odometry, the place at
which they were written: "the door on the left" means nothing without where one stood. Its last thought stays
before its eyes until the next one, so that what was decided at a door is carried through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import relative
from vlingnav_policy.tokenizer import PAD

PATCH = 4
"""Words to a token."""
NOTE_META = 8
"""Of a token: dT, motion x and y, sin and cos of its yaw, whether that is known, thought or memory, place in
the note."""
PATCHES = 64
"""Tokens read at most; of a longer memory the oldest words are left out."""


@dataclass(frozen=True)
class Note:
    """A summary or a thought.

    Attributes:
        ids: of its words. stamp: when it was written [s]. pose: `(3,)` odometry then; None if it is from an
            earlier run, whose odometry means nothing now.
        thought: it is a thought.
    """

    ids: tuple[int, ...]
    stamp: float
    pose: NDArray[np.float64] | None
    thought: bool = False


def read_notes(
    notes: Sequence[Note], stamp: float, pose: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The network's view of `notes`, oldest first, at `stamp` [s] from `pose` `(3,)`.

    Returns:
        `(PATCHES, PATCH)` ids, padded at the end of each note and of all, and `(PATCHES, NOTE_META)`.
    """
    patches: list[NDArray[np.int64]] = []
    meta: list[tuple[float, ...]] = []
    for note in notes:
        count = -(-len(note.ids) // PATCH)
        padded = np.full(count * PATCH, PAD, np.int64)
        padded[: len(note.ids)] = note.ids
        patches += list(padded.reshape(count, PATCH))
        x, y, sin, cos, known = 0.0, 0.0, 0.0, 0.0, 0.0
        if note.pose is not None:
            x, y, yaw = relative(pose, note.pose)
            sin, cos, known = float(np.sin(yaw)), float(np.cos(yaw)), 1.0
        age = (stamp - note.stamp) / 30.0
        meta += [(age, x / 3.0, y / 3.0, sin, cos, known, float(note.thought), i / 8.0) for i in range(count)]
    used = min(len(patches), PATCHES)
    ids, where = np.full((PATCHES, PATCH), PAD, np.int64), np.zeros((PATCHES, NOTE_META), np.float32)
    if used:
        ids[:used], where[:used] = patches[-used:], meta[-used:]
    return ids, where
