"""How the model answers: think or not, the thought, the summary, and then the action.

The prompt is read once and always at the same length, padded on the left: a step costs the same whether the
episode has just begun or is long. After it tokens are added to the KV cache one by one. Text is greedy; only
plain text may be said, and a thought that grows too long is closed for the model, so that every answer is
well formed: one indicator, both pairs of tags or none, the action token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vlingnav_policy.nano import ThinkingConfig
from vlingnav_train.vlm.batch import prompt_batch
from vlingnav_train.vlm.heads import Action
from vlingnav_train.vlm.model import VLingNavModel
from vlingnav_train.vlm.sequence import Packed


@dataclass(frozen=True)
class Answer:
    """What the model said.

    Attributes:
        thought, summary: ids of their text; None when it did not think.
        action: of one sample.
        calm: how likely it is that no thought has fallen due since the last one.
    """

    thought: tuple[int, ...] | None
    summary: tuple[int, ...] | None
    action: Action
    calm: float


class _Speaker:
    """A sequence that is being continued; what is said is read when somebody next listens."""

    def __init__(self, model: VLingNavModel, prompt: Packed, length: int) -> None:
        batch = prompt_batch(prompt, length).to(model.device)
        self._model, self._cache, self._mask = model, model.backbone.new_cache(), batch.mask
        self._unread: list[int] = []
        self._position = int(prompt.positions.max()) + 1
        streams = model.streams(batch)
        self._hidden = model.backbone.hidden(streams, batch.mask, batch.positions, self._cache)[0, -1]

    def say(self, *ids: int) -> None:
        """Add tokens."""
        self._unread.extend(ids)

    def listen(self) -> Tensor:
        """The hidden state `(width,)` of the last token."""
        if self._unread:
            model, new = self._model, len(self._unread)
            ids = torch.tensor(self._unread, device=model.device)
            positions = (self._position + torch.arange(new, device=model.device)).expand(3, 1, -1)
            self._mask = torch.cat([self._mask, self._mask.new_ones(1, new)], dim=1)
            streams = model.backbone.embed(ids)[None, :, None]
            self._hidden = model.backbone.hidden(streams, self._mask, positions, self._cache)[0, -1]
            self._position += new
            self._unread = []
        return self._hidden

    def write(self, end: int, limit: int) -> tuple[int, ...]:
        """Say plain text up to the tag `end`, of at most `limit` tokens, and then `end`; returns the text."""
        allowed = self._model.sayable.clone()
        allowed[end] = True
        written: list[int] = []
        while len(written) < limit:
            logits = self._model.backbone.logits(self.listen())
            token = int(logits.masked_fill(~allowed, -torch.inf).argmax())
            if token == end:
                break
            self.say(token)
            written.append(token)
        self.say(end)
        return tuple(written)


@torch.no_grad()
def respond(
    model: VLingNavModel,
    prompt: Packed,
    length: int,
    thinking: ThinkingConfig = ThinkingConfig(),
    calm: float = 1.0,
) -> Answer:
    """The model's answer to a prompt padded to `length`; the model must be in evaluation mode.

    Args:
        thinking: when it thinks, see `ThinkingConfig.threshold`; how long a thought may be is the model's.
        calm: of the answer before this one.
    """
    tags, config = model.writer.text.tags, model.config
    speaker = _Speaker(model, prompt, length)
    on, off = model.backbone.logits(speaker.listen())[[tags.think_on, tags.think_off]].tolist()
    calm *= 0.5 - 0.5 * math.tanh(0.5 * (on - off))  # the probability of <think_off> among the two
    due = 1.0 - calm > thinking.threshold
    thought = summary = None
    if thinking.think == "always" or (thinking.think == "adaptive" and due):
        calm = 1.0
        speaker.say(tags.think_on, tags.think)
        thought = speaker.write(tags.end_think, config.thought_tokens)
        speaker.say(tags.summary)
        summary = speaker.write(tags.end_summary, config.summary_tokens)
    else:
        speaker.say(tags.think_off)
    speaker.say(tags.action)
    return Answer(thought, summary, model.head(speaker.listen()[None]), calm)
