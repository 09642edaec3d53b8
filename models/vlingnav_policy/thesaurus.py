"""Words that a policy never learned, said with those it did: "find the couch" becomes "find the sofa".

The table comes with the model (`vlingnav train thesaurus` makes it). A word that the policy learned keeps
what it learned; only expressions with a word in them that it does not know are said otherwise. What is
unusual: expressions are compared without the gaps between their words, so that "book shelf", "book-shelf"
and "bookshelf" are one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlingnav_policy.manifest import ManifestError
from vlingnav_policy.tokenizer import split_words

FILE = "thesaurus.json"
"""Beside the graphs of a model that has one; the manifest has its hash."""
DETACHMENTS = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("men", "man"))
"""Endings of plurals and what they were made of; the rules of morphy(7WN), and "shelves"."""

_WORD = re.compile(r"[^\W_]+")
_GAP = re.compile(r"[\s\-'’]*")  # noqa: RUF001


@dataclass(frozen=True)
class Wording:
    """An instruction in words that a policy knows, as far as there are such.

    Attributes:
        text: the instruction.
        taken: what was said and what it is taken for, in the order of the instruction.
    """

    text: str
    taken: tuple[tuple[str, str], ...] = ()

    @property
    def notes(self) -> list[str]:
        """A sentence for whoever gave the instruction about each of `taken`."""
        return [f'"{said}" is taken for "{name}"' for said, name in self.taken]


class Thesaurus:
    """Says an instruction in known words.

    Args:
        names: expressions, each with the name that a policy knows; a name that stands for itself is found in
            other spellings and in the plural.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {"".join(split_words(said)): name for said, name in names.items()}
        self._longest = 1 + max((len(split_words(said)) for said in names), default=0)

    @classmethod
    def read(cls, file: Path) -> Thesaurus:
        """The table in `file`, whose entry "names" is what `Thesaurus` takes.

        Raises:
            ManifestError: it is no such table.
        """
        try:
            return cls(json.loads(file.read_text(encoding="utf-8"))["names"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ManifestError(f"{file} is no thesaurus: {error}; export the model again") from error

    def reword(self, instruction: str, knows: Callable[[str], bool]) -> Wording:
        """Say `instruction` in known words, the longest expressions first; all else stays as it is.

        Args:
            knows: whether the policy knows a word (lower case).
        """
        words = list(_WORD.finditer(instruction))
        text, taken, at, done = [], [], 0, 0
        while at < len(words):
            count, name = self._match(instruction, words[at:], knows)
            if count:
                begin, end = words[at].start(), words[at + count - 1].end()
                text += [instruction[done:begin], name]
                taken.append((instruction[begin:end], name))
                done = end
            at += max(1, count)
        return Wording("".join((*text, instruction[done:])), tuple(taken))

    def _match(
        self, instruction: str, words: list[re.Match[str]], knows: Callable[[str], bool]
    ) -> tuple[int, str]:
        """How many of the first `words` are an expression of the table, and its name; 0 if none are."""
        for count in range(min(self._longest, len(words)), 0, -1):
            said = [word[0].lower() for word in words[:count]]
            gaps = zip(words[: count - 1], words[1:count], strict=True)
            if all(map(knows, said)) or not all(
                _GAP.fullmatch(instruction, a.end(), b.start()) for a, b in gaps
            ):
                continue
            for form in (said[-1], *_singulars(said[-1])):
                if name := self._names.get("".join((*said[:-1], form))):
                    return count, name
        return 0, ""


def _singulars(word: str) -> list[str]:
    return [word[: -len(end)] + stem for end, stem in DETACHMENTS if word.endswith(end)]
