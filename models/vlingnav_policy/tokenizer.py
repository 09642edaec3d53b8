"""Words to numbers: a closed vocabulary, one token a word.

Enough for short instructions; a backbone with a vocabulary of its own brings its own tokenizer. The special
tokens of VLingNav (thinking or not, and the action token) have their places from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN, THINK_OFF, THINK_ON, ACTION = range(5)
SPECIAL_TOKENS = ("<pad>", "<unk>", "<think_off>", "<think_on>", "<action>")


def split_words(text: str) -> list[str]:
    """Lower-case words of `text`, punctuation dropped."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


@dataclass(frozen=True)
class WordTokenizer:
    """Maps words to ids.

    Attributes:
        words: the vocabulary after the special tokens; ids follow its order.
        length: every encoding has this many tokens, padded or cut.
    """

    words: tuple[str, ...]
    length: int = 12

    def __post_init__(self) -> None:
        ids = {word: len(SPECIAL_TOKENS) + i for i, word in enumerate(self.words)}
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def from_texts(cls, texts: Sequence[str], length: int = 12) -> WordTokenizer:
        """A tokenizer that knows every word in `texts`."""
        return cls(tuple(sorted({word for text in texts for word in split_words(text)})), length)

    def __len__(self) -> int:
        return len(SPECIAL_TOKENS) + len(self.words)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Ids `(length,)`; words never seen are `UNKNOWN`."""
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]
        tokens = [ids.get(word, UNKNOWN) for word in split_words(text)][: self.length]
        return np.array(tokens + [PAD] * (self.length - len(tokens)), dtype=np.int64)

    def unknown(self, text: str) -> list[str]:
        """The words of `text` that the vocabulary lacks, in order."""
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]
        return [word for word in split_words(text) if word not in ids]
