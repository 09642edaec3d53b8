"""Words to numbers and back: a closed vocabulary, one token a word.

Enough for nano, whose thoughts are plain sentences; a backbone with a vocabulary of its own brings its own
tokenizer. Instructions are read without punctuation, for people leave it out; thoughts and summaries keep
theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPECIAL_TOKENS = (
    "<pad>",
    "<unk>",
    "<think_off>",
    "<think_on>",
    "<action>",
    "<answer>",
    "</think>",
    "</summary>",
)
PAD, UNKNOWN, THINK_OFF, THINK_ON, ACTION, ANSWER, END_THINK, END_SUMMARY = range(len(SPECIAL_TOKENS))
MARKS = (".", ",", ":")


def split_words(text: str) -> list[str]:
    """Lower-case words of `text`, punctuation dropped."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def split_text(text: str) -> list[str]:
    """Lower-case words and `MARKS` of `text`."""
    return re.findall(r"[^\W_]+|[.,:]", text.lower())


def join_text(pieces: Iterable[str]) -> str:
    """The sentences that `split_text` took apart, capitals restored as far as they follow a rule."""
    text = re.sub(r" ([.,:])", r"\1", " ".join(pieces))
    text = re.sub(r"\bi\b", "I", text)
    return re.sub(r"(^|\. )([a-z])", lambda start: start[1] + start[2].upper(), text)


@dataclass(frozen=True)
class WordTokenizer:
    """Maps words to ids.

    Attributes:
        words: the vocabulary after the special tokens; ids follow its order.
        length: every encoded instruction has this many tokens, padded or cut.
    """

    words: tuple[str, ...]
    length: int = 64

    def __post_init__(self) -> None:
        ids = {word: len(SPECIAL_TOKENS) + i for i, word in enumerate(self.words)}
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def from_texts(cls, texts: Sequence[str], length: int = 64) -> WordTokenizer:
        """A tokenizer that knows every word in `texts`, and the marks."""
        return cls((*MARKS, *sorted({word for text in texts for word in split_words(text)})), length)

    def __len__(self) -> int:
        return len(SPECIAL_TOKENS) + len(self.words)

    def unknown(self, text: str) -> list[str]:
        """The words of `text` that are not in the vocabulary."""
        return [word for word in split_words(text) if word not in self._ids]  # type: ignore[attr-defined]

    def encode(self, text: str) -> NDArray[np.int64]:
        """Ids `(length,)` of an instruction, padded with `PAD`; what is too long is cut at its end."""
        ids = [self._ids.get(word, UNKNOWN) for word in split_words(text)]  # type: ignore[attr-defined]
        ids = (ids + [PAD] * self.length)[: self.length]
        return np.array(ids, dtype=np.int64)

    def ids(self, text: str) -> list[int]:
        """Ids of a thought or a summary, as many as it has words and marks."""
        return [self._ids.get(piece, UNKNOWN) for piece in split_text(text)]  # type: ignore[attr-defined]

    def text(self, ids: Iterable[int]) -> str:
        """The sentences of `ids`; special tokens are left out."""
        first = len(SPECIAL_TOKENS)
        return join_text(self.words[i - first] for i in ids if i >= first)
