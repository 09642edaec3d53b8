"""What an annotator is asked and what it answers; the names it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.annotate.knowledge import Knowledge
from vlingnav_policy.tokenizer import split_words
from vlingnav_policy.types import Goal


@dataclass(frozen=True)
class Lexicon:
    """The names of things, which only the world that made them knows; none may be hard-coded here.

    Attributes:
        things, rooms, colours: every category, kind of room and colour there is.
        held_out_words: kept from training, so that understanding them can be tested; no label has one.
        held_out_pairs: (colour, category) that are never named together, for the same reason.
    """

    things: tuple[str, ...]
    rooms: tuple[str, ...]
    colours: tuple[str, ...]
    held_out_words: frozenset[str] = frozenset()
    held_out_pairs: frozenset[tuple[str, str]] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """The single words of all names."""
        return frozenset(
            word for name in (*self.things, *self.rooms, *self.colours) for word in split_words(name)
        )

    def name(self, colour: str, category: str) -> str:
        """How a thing may be called: its colour is left out where the pair is held out."""
        return category if (colour, category) in self.held_out_pairs else f"{colour} {category}"


@dataclass(frozen=True)
class Label:
    """What the robot thinks at one step, and what of it is worth remembering; plain sentences."""

    thought: str
    summary: str


@dataclass(frozen=True)
class Request:
    """One step to be annotated.

    Attributes:
        goal: what the robot was told.
        knowledge: all it has seen; `knowledge.now` are the facts of this step.
        memory: what it wrote down before, as the policy will read it; empty if nothing.
        since: when it last wrote something down [s]; None if never.
        reason: name of the trigger that asks for a thought.
        frames: `(H, W, 3)` uint8, the latest images, the newest last; none where nobody recorded any.
        seed: whatever is drawn at random is drawn from these numbers.
        complaints: why earlier answers to this very request were rejected.
    """

    goal: Goal
    knowledge: Knowledge
    memory: str
    since: float | None
    reason: str
    frames: tuple[NDArray[np.uint8], ...]
    seed: tuple[int, ...]
    complaints: tuple[str, ...] = ()


class BadAnswer(Exception):
    """The annotator answered, but not with a label; asking again may help."""


class AnnotatorUnavailable(Exception):
    """The annotator does not answer at all; the episode is to be annotated later."""


class Annotator(Protocol):
    """Whatever writes labels: an oracle, a model here, a model elsewhere."""

    def annotate(self, request: Request) -> Label:
        """Write one label.

        Raises:
            BadAnswer: there is no label in the answer.
            AnnotatorUnavailable: there is no answer.
        """
