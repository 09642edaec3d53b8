"""Watched episodes in one NumPy file, so that what was driven once is not driven again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlingnav_train.rlif.nav.episodes import Watched
from vlingnav_train.rlif.trial import Moment

_ARRAYS = ("observation", "action", "advice", "next_observation")


def save(file: Path, episodes: Sequence[Watched]) -> None:
    """Write `episodes` to `file`, an .npz; it is there only when it is whole."""
    moments = [moment for episode in episodes for moment in episode.moments]
    columns: dict[str, Any] = {
        f.name: np.array([getattr(m, f.name) for m in moments]) for f in fields(Moment)
    }
    about = [
        {**asdict(replace(episode, moments=[])), "moments": len(episode.moments)} for episode in episodes
    ]
    new = file.with_suffix(".new.npz")
    np.savez_compressed(new, about=np.array(json.dumps(about)), **columns)
    new.replace(file)


def load(file: Path) -> list[Watched]:
    """Read what `save` wrote."""
    with np.load(file, allow_pickle=False) as archive:
        columns = {f.name: archive[f.name] for f in fields(Moment)}
        about = json.loads(str(archive["about"]))
    values = [column if name in _ARRAYS else column.tolist() for name, column in columns.items()]
    rows = (Moment(*row) for row in zip(*values, strict=True))
    return [
        Watched(**{**episode, "moments": [next(rows) for _ in range(episode["moments"])]})
        for episode in about
    ]
