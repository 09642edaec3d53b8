"""What the policy remembers in words: the summaries it wrote, each with the step at which it wrote it.

VLingMem (VLingNav, arXiv 2601.08665, Algorithm 1 and the pipeline figure): a summary enters only when the
model thought, and the whole memory is read again at every later step, in the words of the figure. Ours is
bounded: when the text outgrows its budget, what was said twice and what was only thought goes first, and
where things were goes last (see `Memory.write`). It is kept as JSON between runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = 1
HEADER = (
    "The latest step for which you generated a Chain-of-Thought is: {latest}. "
    "The memory of the entire thinking process is: "
)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


# A sentence that says where something was, or what has been searched, holds one of these ...
PLACES = frozenset(
    _words(
        "above across against ahead along at behind below beside between beyond corner door doors doorway end"
        " explored facing front in inside leads left near next on opposite outside over past right room"
        " searched seen through to toward towards under visited"
    )
)
# ... and none of these, which make it a plan.
PLANS = frozenset(_words("could going let might must plan shall should want will would"))


def count_words(text: str) -> int:
    """The tokens of `text` for a tokenizer that has one token a word."""
    return len(text.split())


def sentences(text: str) -> list[str]:
    """The sentences of `text`, with their punctuation."""
    return [sentence for sentence in re.split(r"(?<=[.!?])\s+", text) if sentence]


def says_where(sentence: str) -> bool:
    """Whether `sentence` tells where something was, rather than what to do next."""
    words = set(_words(sentence))
    return bool(words & PLACES) and not words & PLANS


def room_of(summary: str) -> str | None:
    """The room that a summary is about, if it begins with it: "room two" of "Room two, a kitchen: ..."."""
    found = re.match(r"(?:the )?(room \w+)", summary.lower())
    return found[1] if found else None


@dataclass(frozen=True)
class Entry:
    """One summary. `step` counts from 1 in the present run; 0 is what an earlier run remembered."""

    step: int
    summary: str


@dataclass(frozen=True)
class MemoryConfig:
    """Bounds of a memory.

    Attributes:
        budget: tokens that its text may have, header included; 0 is no memory at all.
        whole: so many of the newest summaries are never reduced to their places.
    """

    budget: int = 192
    whole: int = 3


class Memory:
    """The summaries of one run, oldest first.

    Args:
        config: the bounds.
        count: tokens of a text; the tokenizer of the model that will read it.
        entries: what to begin with.
    """

    def __init__(
        self,
        config: MemoryConfig = MemoryConfig(),
        count: Callable[[str], int] = count_words,
        entries: Iterable[Entry] = (),
    ) -> None:
        self.config, self._count = config, count
        self.entries = self._bounded(list(entries))

    def write(self, step: int, summary: str) -> None:
        """Add what was thought at `step`, and shorten the rest if the budget asks for it.

        As long as the text does not fit, in this order: of the summaries that begin with the same room only
        the newest stays; of all but the newest `whole` only the sentences that say where something is stay,
        and of equal ones the newest; then the oldest go. One that alone is too long loses its end.

        Raises:
            ValueError: `step` lies before the newest entry.
        """
        if self.entries and step < self.entries[-1].step:
            raise ValueError(
                f"step {step} comes after step {self.entries[-1].step}; memory is written in order"
            )
        summary = " ".join(summary.split())
        if summary:
            self.entries = self._bounded([*self.entries, Entry(step, summary)])

    def text(self) -> str:
        """The memory as the model reads it; empty when there is none."""
        return self._text(self.entries)

    def for_next_run(self) -> Memory:
        """The same memory for a run that starts now: its steps become 0."""
        return Memory(self.config, self._count, [Entry(0, entry.summary) for entry in self.entries])

    def save(self, file: Path) -> None:
        """Write the memory to `file` as JSON."""
        data = {"format": FORMAT, "entries": [asdict(entry) for entry in self.entries]}
        file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(
        cls, file: Path, config: MemoryConfig = MemoryConfig(), count: Callable[[str], int] = count_words
    ) -> Memory:
        """Read what `save` wrote, shortened to `config`.

        Raises:
            ValueError: `file` is missing, or is not a memory of this format.
        """
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, and this program reads format {FORMAT}")
            entries = [Entry(int(entry["step"]), str(entry["summary"])) for entry in data["entries"]]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} holds no memory that can be read: {error}") from error
        return cls(config, count, entries)

    def _text(self, entries: Sequence[Entry]) -> str:
        if not entries:
            return ""
        return HEADER.format(latest=entries[-1].step) + " ".join(f"{e.step}th: {e.summary}" for e in entries)

    def _fits(self, entries: Sequence[Entry]) -> bool:
        return not entries or self._count(self._text(entries)) <= self.config.budget

    def _bounded(self, entries: list[Entry]) -> list[Entry]:
        for shorten in (self._newest_of_each_room, self._only_places):
            if self._fits(entries):
                return entries
            entries = shorten(entries)
        while not self._fits(entries):
            if len(entries) > 1:
                entries = entries[1:]
            else:
                words = entries[0].summary.split()[:-1]
                entries = [Entry(entries[0].step, " ".join(words))] if words else []
        return entries

    def _newest_of_each_room(self, entries: list[Entry]) -> list[Entry]:
        rooms = [room_of(entry.summary) for entry in entries]
        return [
            entry for i, entry in enumerate(entries) if rooms[i] is None or rooms[i] not in rooms[i + 1 :]
        ]

    def _only_places(self, entries: list[Entry]) -> list[Entry]:
        old = max(0, len(entries) - self.config.whole)
        places = [" ".join(s for s in sentences(entry.summary) if says_where(s)) for entry in entries[:old]]
        short = [
            Entry(entry.step, place)
            for i, (entry, place) in enumerate(zip(entries, places, strict=False))
            if place and place not in places[i + 1 :]
        ]
        return short + entries[old:]
