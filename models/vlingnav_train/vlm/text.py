"""Text to ids and back, with the tokens that only VLingNav has.

Wraps any tokenizer of `transformers` that is backed by `tokenizers`. What a person or a summary says is
encoded as plain text: a "<think_on>" or "<|im_end|>" in it is letters, never a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vlingnav_train.vlm.sequence import TAGS, Tags


class Text:
    """A tokenizer that knows `TAGS`; those it lacks are added.

    Attributes:
        tags: their ids.
        added: the ids of those that were not there before, whose embeddings nobody has trained.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        known = tokenizer.get_vocab()
        new = [tag for tag in TAGS if tag not in known]
        tokenizer.add_tokens(new, special_tokens=True)
        ids = tokenizer.get_vocab()
        self.tags = Tags(*(ids[tag] for tag in TAGS))
        self.added = [ids[tag] for tag in new]
        self._tokenizer = tokenizer

    @classmethod
    def open(cls, source: str | Path) -> Text:
        """The tokenizer of a local folder or a hub name."""
        return cls(AutoTokenizer.from_pretrained(str(source)))

    def save(self, folder: Path) -> None:
        """Write the tokenizer beside the backbone's weights."""
        self._tokenizer.save_pretrained(folder)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        """The ids of plain `text`.

        Most tokenizers fall back to bytes and so read any language; one that cannot leaves out what it has
        no token for.
        """
        unknown = self._tokenizer.unk_token_id
        return [i for i in self._plain(text) if i != unknown]

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that `encode` leaves out."""
        unknown = self._tokenizer.unk_token_id
        return [word for word in text.split() if unknown is not None and unknown in self._plain(word)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of plain ids."""
        return str(self._tokenizer.decode(list(ids))).strip()

    def count(self, text: str) -> int:
        """How many ids `text` has."""
        return len(self.encode(text))

    def sayable(self, rows: int) -> Tensor:
        """`(rows,)` bool: the ids of plain text, which are all that a thought may hold."""
        mask = torch.arange(rows) < len(self._tokenizer)
        mask[list(self._tokenizer.added_tokens_decoder)] = False
        mask[self._tokenizer.all_special_ids] = False
        return mask

    def _plain(self, text: str) -> list[int]:
        backend = self._tokenizer.backend_tokenizer
        if backend.normalizer is not None:
            text = backend.normalizer.normalize_str(text)
        pieces = [text]
        if backend.pre_tokenizer is not None:
            pieces = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
        return [token.id for piece in pieces for token in backend.model.tokenize(piece)]
