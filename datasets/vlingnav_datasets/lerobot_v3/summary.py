"""What a dataset amounts to, in numbers: how much, of what, how often thought about, how well it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlingnav_datasets.lerobot_v3.episodes import EpisodeMeta
from vlingnav_datasets.lerobot_v3.reader import DatasetReader

_BINS = 20


def statistics(root: Path) -> dict[str, Any]:
    """Figures of the dataset at `root`, without the episodes that cannot be read.

    Returns:
        JSON data: `episodes`, `steps`, `hours`, `houses`, `thought_share` (of steps, None without the column
        `thought`), `success_share` (of episodes, None without the column `success`), `kinds` (each with
        `episodes`, `steps`, `success_share`), `lengths` (`min`, `median`, `max` [steps], `edges`, `counts`),
        `tasks` (number of episodes of each instruction, the commonest first), `unreadable` (why, by episode).

    Raises:
        DatasetError: the dataset cannot be opened.
    """
    reader = DatasetReader(root)
    metas, thoughts = [], 0
    for episode in reader.readable():
        metas.append(episode.meta)
        thoughts += sum(bool(text) for text in episode.texts.get("thought", []))
    steps = sum(meta.length for meta in metas)
    kinds: dict[str, list[EpisodeMeta]] = {}
    for meta in metas:
        kinds.setdefault(str(meta.extras.get("kind", "unknown")), []).append(meta)
    return {
        "episodes": len(metas),
        "steps": steps,
        "hours": steps / reader.info.fps / 3600.0,
        "houses": len({meta.extras["house"] for meta in metas if "house" in meta.extras}),
        "thought_share": thoughts / steps if steps and "thought" in reader.info.frame else None,
        "success_share": _success_share(metas),
        "kinds": {
            kind: {
                "episodes": len(of_kind),
                "steps": sum(meta.length for meta in of_kind),
                "success_share": _success_share(of_kind),
            }
            for kind, of_kind in sorted(kinds.items())
        },
        "lengths": _lengths([meta.length for meta in metas]),
        "tasks": dict(Counter(meta.task for meta in metas).most_common()),
        "unreadable": dict(reader.skipped),
    }


def _success_share(metas: Sequence[EpisodeMeta]) -> float | None:
    known = [bool(meta.extras["success"]) for meta in metas if "success" in meta.extras]
    return sum(known) / len(known) if known else None


def _lengths(lengths: Sequence[int]) -> dict[str, Any]:
    if not lengths:
        return {"min": 0, "median": 0.0, "max": 0, "edges": [], "counts": []}
    # Whole numbers of steps to a bin, so that none is favoured.
    width = max(1, -(-(max(lengths) + 1 - min(lengths)) // _BINS))
    edges = np.arange(min(lengths), max(lengths) + 1 + width, width)
    counts, _ = np.histogram(lengths, edges)
    return {
        "min": min(lengths),
        "median": float(np.median(lengths)),
        "max": max(lengths),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }
