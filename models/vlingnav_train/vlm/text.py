"""The tokenizer of a pretrained backbone, given the tokens that only VLingNav has."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vlingnav_policy.vlm.sequence import TAGS
from vlingnav_policy.vlm.text import Text


class PretrainedText(Text):
    """A tokenizer of `transformers` that is backed by `tokenizers`; the `TAGS` that it lacks are added.

    Attributes:
        added: the ids of those that were not there before, whose embeddings nobody has trained.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        known = tokenizer.get_vocab()
        new = [tag for tag in TAGS if tag not in known]
        tokenizer.add_tokens(new, special_tokens=True)
        super().__init__(tokenizer.backend_tokenizer)
        ids = tokenizer.get_vocab()
        self.added = [ids[tag] for tag in new]
        self._pretrained = tokenizer

    @classmethod
    def open(cls, source: str | Path) -> PretrainedText:
        """The tokenizer of a local folder or a hub name."""
        return cls(AutoTokenizer.from_pretrained(str(source)))

    def save(self, folder: Path) -> None:
        """Write all that `open` reads."""
        self._pretrained.save_pretrained(folder)
