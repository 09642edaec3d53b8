"""Text to ids and back, with the tokens that only VLingNav has.

Wraps a `tokenizers.Tokenizer`, the part of any fast tokenizer that needs neither transformers nor torch. What
a person or a summary says is encoded as plain text: a "<think_on>" or "<|im_end|>" in it is letters, never a
token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlingnav_policy.vlm.sequence import TAGS, Tags

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "tokenizer.json"


class Text:
    """A tokenizer that knows `TAGS`.

    Attributes:
        tags: their ids.
        sayable: `(len(text),)` bool: the ids of plain text, which are all that a thought may hold.

    Raises:
        ValueError: it lacks one of them.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = tokenizer.get_vocab()
        if missing := [tag for tag in TAGS if tag not in ids]:
            raise ValueError(f"the tokenizer has no {', '.join(missing)}; it is none of a VLingNav")
        self.tags = Tags(*(ids[tag] for tag in TAGS))
        self._tokenizer = tokenizer
        # Some have a token for what they have no token for; byte-level ones read everything.
        self._unknown = ids.get(getattr(tokenizer.model, "unk_token", None) or "")
        self.sayable = np.zeros(max(ids.values()) + 1, np.bool_)
        self.sayable[list(ids.values())] = True
        self.sayable[list(tokenizer.get_added_tokens_decoder())] = False
        if self._unknown is not None:
            self.sayable[self._unknown] = False

    @classmethod
    def read(cls, folder: Path) -> Text:
        """Read what `write` wrote.

        Raises:
            ValueError: `folder` holds no such file, or one that cannot be read.
        """
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(folder / FILE))
        except Exception as error:  # which is all that the package says of the kind of its errors
            raise ValueError(f"{folder / FILE} is no tokenizer: {error}") from error
        return cls(tokenizer)

    def write(self, folder: Path) -> None:
        """Write `FILE` to `folder`."""
        self._tokenizer.save(str(folder / FILE))

    def __len__(self) -> int:
        """Rows that a table of embeddings must have."""
        return len(self.sayable)

    def encode(self, text: str) -> list[int]:
        """The ids of plain `text`.

        Most tokenizers fall back to bytes and so read any language; one that cannot leaves out what it has
        no token for.
        """
        return [i for i in self._plain(text) if i != self._unknown]

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that `encode` leaves out."""
        unknown = self._unknown
        return [word for word in text.split() if unknown is not None and unknown in self._plain(word)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of plain ids."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False)).strip()

    def count(self, text: str) -> int:
        """How many ids `text` has."""
        return len(self.encode(text))

    def _plain(self, text: str) -> list[int]:
        backend = self._tokenizer
        if backend.normalizer is not None:
            text = backend.normalizer.normalize_str(text)
        pieces = [text]
        if backend.pre_tokenizer is not None:
            pieces = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
        return [token.id for piece in pieces for token in backend.model.tokenize(piece)]
