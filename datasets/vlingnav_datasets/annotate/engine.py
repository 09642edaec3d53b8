"""Labels for an episode: where a thought is due it is asked for, filtered, and remembered.

The memory an annotator is shown is what the robot would hold: the summaries of earlier thoughts, nothing
between them. An episode is annotated whole or not at all, and the same seed gives the same requests; that is
what a caller needs to go on where it was interrupted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.annotate.filters import FILTERS, Filter
from vlingnav_datasets.annotate.knowledge import Knowledge
from vlingnav_datasets.annotate.triggers import PAUSE_S, TRIGGERS, Trigger, triggered
from vlingnav_datasets.annotate.types import Annotator, BadAnswer, Label, Lexicon, Request
from vlingnav_datasets.facts import StepFacts
from vlingnav_policy.memory import Memory, MemoryConfig
from vlingnav_policy.types import Goal


@dataclass(frozen=True)
class AnnotationConfig:
    """How episodes are annotated.

    Attributes:
        lexicon: the names there are; the filters need them.
        seed: of all choices.
        attempts: how often a label is asked for before its step goes without.
        frames: the latest images an annotator is shown.
        triggers, pause_s: when a thought is due; see `triggers`.
        filters: what a label must pass.
        memory: the bounds of the memory, those of the policy that is to learn from the labels.
    """

    lexicon: Lexicon
    seed: int = 0
    attempts: int = 3
    frames: int = 10
    triggers: tuple[Trigger, ...] = TRIGGERS
    pause_s: float = PAUSE_S
    filters: tuple[Filter, ...] = FILTERS
    memory: MemoryConfig = MemoryConfig()


@dataclass(frozen=True)
class Rejection:
    """An answer that was not taken: at which step and attempt, by which filter, why, and what it said.

    `by` is "answer" where there was no label in it.
    """

    step: int
    attempt: int
    by: str
    why: str
    label: Label | None


@dataclass(frozen=True)
class Report:
    """What came of an episode.

    Attributes:
        steps: how many there are.
        reasons: the trigger that asked for a thought, by step.
        rejections: every answer that was not taken.
        dropped: steps at which a thought was due and none was taken.
    """

    steps: int
    reasons: dict[int, str]
    rejections: tuple[Rejection, ...]
    dropped: tuple[int, ...]

    @property
    def rejected(self) -> Counter[str]:
        """Answers not taken, by filter."""
        return Counter(rejection.by for rejection in self.rejections)

    @property
    def thought_share(self) -> float:
        """Labelled steps among all, 0 to 1."""
        return (len(self.reasons) - len(self.dropped)) / max(self.steps, 1)


def annotate_episode(
    goal: Goal,
    steps: Sequence[StepFacts],
    annotator: Annotator,
    config: AnnotationConfig,
    *,
    frames: Sequence[NDArray[np.uint8]] | None = None,
    episode: int = 0,
) -> tuple[tuple[Label | None, ...], Report]:
    """Label one episode.

    Args:
        goal: what the robot was told.
        steps: its facts, in order.
        frames: an image `(H, W, 3)` uint8 for each step, for annotators that look; only some are read.
        episode: a number of its own, so that equal episodes differ in their wordings.

    Returns:
        A label or None for each step, and the report.

    Raises:
        ValueError: there are not as many frames as steps.
        AnnotatorUnavailable: the annotator does not answer; nothing of the episode is lost by asking again.
    """
    if frames is not None and len(frames) != len(steps):
        raise ValueError(f"{len(frames)} frames do not go with {len(steps)} steps; give one for each step")
    labels: list[Label | None] = [None] * len(steps)
    memory, since = Memory(config.memory), None
    rejections: list[Rejection] = []
    reasons: dict[int, str] = {}
    knowledge = Knowledge()
    for number, trigger in enumerate(triggered(steps, config.triggers, config.pause_s)):
        knowledge.add(steps[number])
        if trigger is None:
            continue
        reasons[number] = trigger.name
        shown = range(max(number + 1 - config.frames, 0), number + 1)
        images = () if frames is None else tuple(frames[k] for k in shown)
        complaints: list[str] = []
        for attempt in range(config.attempts):
            seed = config.seed, episode, number, attempt
            request = Request(
                goal, knowledge, memory.text(), since, trigger.name, images, seed, tuple(complaints)
            )
            label, by, why = _ask(annotator, request, config)
            if not by:
                labels[number] = label
                break
            rejections.append(Rejection(number, attempt, by, why, label))
            complaints.append(why)
        written = labels[number]
        if written is not None:
            memory.write(number + 1, written.summary)
            since = steps[number].stamp
    dropped = tuple(number for number in reasons if labels[number] is None)
    return tuple(labels), Report(len(steps), reasons, tuple(rejections), dropped)


def _ask(annotator: Annotator, request: Request, config: AnnotationConfig) -> tuple[Label | None, str, str]:
    """The answer, which filter rejects it ("" for none), and why."""
    try:
        label = annotator.annotate(request)
    except BadAnswer as error:
        return None, "answer", str(error)
    for test in config.filters:
        fault = test.fault(label, request, config.lexicon)
        if fault is not None:
            return label, test.name, fault
    return label, "", ""
