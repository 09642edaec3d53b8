"""Labels as they were written, one line an episode: what an interrupted annotation goes on from.

A model's labels cost minutes an episode, and texts of a dataset are changed a file at a time; so labels are
kept here first. The lines stay as the report: why each thought was due, and which answers were not taken.

    meta/annotation.jsonl      who annotates, then one JSON object an episode
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vlingnav_datasets.annotate.engine import Rejection, Report
from vlingnav_datasets.annotate.types import Label
from vlingnav_datasets.lerobot_v3.files import DatasetError

JOURNAL = "meta/annotation.jsonl"

Labels = tuple[Label | None, ...]


@dataclass(frozen=True)
class Entry:
    """One episode: a label or None for each step, and how it came to them."""

    labels: Labels
    report: Report


class Journal:
    """The journal of the dataset at `root`, for one program at a time.

    Args:
        root: of the dataset.
        who: what decides the labels, as JSON: the annotator, the seed.

    Attributes:
        entries: by episode.

    Raises:
        DatasetError: it is damaged, or holds labels of somebody else.
    """

    def __init__(self, root: Path, who: Mapping[str, Any]) -> None:
        self._file = root / JOURNAL
        self.entries: dict[int, Entry] = {}
        text = self._file.read_bytes() if self._file.is_file() else b""
        whole = text[: text.rfind(b"\n") + 1]  # what follows was being written when the program was killed
        first, *rest = whole.decode().splitlines() or [""]
        try:
            if whole and json.loads(first) != dict(who):
                raise DatasetError(
                    f"{self._file} holds labels by {_said(json.loads(first))}, not by {_said(who)}; remove "
                    "the file to label the dataset anew"
                )
            for line in rest:
                row = json.loads(line)
                self.entries[row["episode"]] = _read(row)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{self._file} is damaged ({error}); restore it from a copy") from error
        self._stream = self._file.open("ab")
        self._stream.truncate(len(whole))
        if not whole:
            self._append(dict(who))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def add(self, episode: int, entry: Entry) -> None:
        """Keep the labels of an episode; they are on the disk when this returns."""
        report = entry.report
        row = {
            "episode": episode,
            "steps": report.steps,
            "labels": {k: asdict(label) for k, label in enumerate(entry.labels) if label is not None},
            "reasons": report.reasons,
            "rejections": [asdict(rejection) for rejection in report.rejections],
        }
        self._append(row)
        self.entries[episode] = entry

    def _append(self, row: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _read(row: Mapping[str, Any]) -> Entry:
    given = {int(step): Label(**label) for step, label in row["labels"].items()}
    reasons = {int(step): reason for step, reason in row["reasons"].items()}
    rejections = tuple(
        Rejection(**rejected | {"label": rejected["label"] and Label(**rejected["label"])})
        for rejected in row["rejections"]
    )
    dropped = tuple(step for step in reasons if step not in given)
    labels = tuple(given.get(step) for step in range(row["steps"]))
    return Entry(labels, Report(row["steps"], reasons, rejections, dropped))


def _said(who: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in who.items())
