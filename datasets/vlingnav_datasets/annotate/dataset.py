"""Labels a dataset where it lies: reads facts and pictures, asks an annotator, changes the texts.

Interrupted at any moment and started again, it asks for no episode twice and ends with the same labels. What
was collected since is labelled by starting it once more. An episode that cannot be read is left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vlingnav_datasets.annotate.engine import AnnotationConfig, annotate_episode
from vlingnav_datasets.annotate.journal import Entry, Journal, Labels
from vlingnav_datasets.annotate.types import Annotator
from vlingnav_datasets.facts import StepFacts
from vlingnav_datasets.lerobot_v3.files import DatasetError
from vlingnav_datasets.lerobot_v3.layout import INFO, Location
from vlingnav_datasets.lerobot_v3.reader import DatasetReader
from vlingnav_datasets.lerobot_v3.relabel import set_texts
from vlingnav_datasets.lerobot_v3.schema import FRONT
from vlingnav_datasets.navigation import goal_of


@dataclass(frozen=True)
class Who:
    """Who writes labels.

    Attributes:
        name: tells annotators apart, e.g. "oracle".
        annotator: it.
        looks: whether it wants to see pictures.
    """

    name: str
    annotator: Annotator
    looks: bool


@dataclass(frozen=True)
class Annotated:
    """What came of a dataset.

    Attributes:
        episodes, steps: labelled. new: episodes that were labelled just now.
        thoughts: steps with a label. reasons: how often each trigger asked for one.
        rejected: answers that were not taken, by filter. dropped: steps that go without for it.
        unreadable: why, by episode.
    """

    episodes: int
    new: int
    steps: int
    thoughts: int
    reasons: dict[str, int]
    rejected: dict[str, int]
    dropped: int
    unreadable: dict[int, str]


def annotate_dataset(root: Path, who: Who, config: AnnotationConfig, progress: bool = True) -> Annotated:
    """Label every episode of the dataset at `root` that has no labels yet.

    Raises:
        DatasetError: the dataset cannot be opened, has no texts to change, is being written, or holds labels
            of another annotator or seed.
        AnnotatorUnavailable: the annotator does not answer; what it has answered is kept.
        ValueError: the facts of an episode are none.
    """
    reader = DatasetReader(root)
    missing = {"thought", "summary", "facts"} - reader.info.frame.keys()
    if missing:
        raise DatasetError(
            f"{reader.root / INFO} has no column {min(missing)!r}, so there is nothing to label; collect a "
            "dataset with `vlingnav collect`"
        )
    unreadable: dict[int, str] = {}
    with Journal(reader.root, {"annotator": who.name, "seed": config.seed}) as journal:
        before = len(journal.entries)
        bar = tqdm(total=len(reader), initial=before, unit="episode", desc=who.name, disable=not progress)
        with bar:
            for indices in _by_file(reader):
                for index in indices:
                    if index in journal.entries:
                        continue
                    try:
                        journal.add(index, _annotate(reader, index, who, config))
                    except DatasetError as error:
                        unreadable[index] = str(error)
                    bar.update()
                labelled = {k: journal.entries[k].labels for k in indices if k in journal.entries}
                damage = _write(reader, indices, labelled)
                unreadable |= {k: damage for k in indices if damage and k not in unreadable}
        return _summed_up(journal.entries.values(), before, unreadable)


def _by_file(reader: DatasetReader) -> Iterator[list[int]]:
    """The episodes of each data file."""
    files: dict[Location, list[int]] = {}
    for meta in reader.metas:
        files.setdefault(meta.data, []).append(meta.index)
    yield from files.values()


def _annotate(reader: DatasetReader, index: int, who: Who, config: AnnotationConfig) -> Entry:
    episode = reader.episode(index)
    steps = [StepFacts.from_json(text) for text in episode.texts["facts"]]
    frames = list(episode.pictures(FRONT)) if who.looks else None
    goal = goal_of(episode)
    return Entry(*annotate_episode(goal, steps, who.annotator, config, frames=frames, episode=index))


def _write(reader: DatasetReader, indices: list[int], labels: dict[int, Labels]) -> str:
    """Write labels to the data file that holds the episodes `indices`, unless they are there.

    Returns:
        Why that is not possible, if it is not: a file is written anew whole, and some of it cannot be read.
    """
    texts = {}
    for index in indices:
        try:
            stored = reader.rows(index, ["thought", "summary"])
        except DatasetError as error:
            return str(error)
        given = labels.get(index)
        if given is None:
            continue
        thoughts = [label.thought if label else "" for label in given]
        summaries = [label.summary if label else "" for label in given]
        if stored["thought"].to_pylist() != thoughts or stored["summary"].to_pylist() != summaries:
            texts[index] = {"thought": thoughts, "summary": summaries}
    if texts:
        set_texts(reader.root, texts)
    return ""


def _summed_up(entries: Iterable[Entry], before: int, unreadable: dict[int, str]) -> Annotated:
    reports = [entry.report for entry in entries]
    due: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for report in reports:
        due.update(report.reasons.values())
        rejected += report.rejected
    dropped = sum(len(report.dropped) for report in reports)
    return Annotated(
        episodes=len(reports),
        new=len(reports) - before,
        steps=sum(report.steps for report in reports),
        thoughts=due.total() - dropped,
        reasons=dict(due.most_common()),
        rejected=dict(rejected.most_common()),
        dropped=dropped,
        unreadable=unreadable,
    )
