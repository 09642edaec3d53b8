"""A sequence that is read in torch, and gone on with in the KV cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from vlingnav_policy.vlm.answer import Action, Floats
from vlingnav_policy.vlm.sequence import Packed
from vlingnav_train.vlm.batch import prompt_batch

if TYPE_CHECKING:
    from vlingnav_train.vlm.model import VLingNavModel


class TorchReading:
    """A `Reading` of `model`, which is to be in evaluation mode."""

    @torch.no_grad()
    def __init__(self, model: VLingNavModel, prompt: Packed, length: int) -> None:
        batch = prompt_batch(prompt, length).to(model.device)
        self._model, self._cache, self._mask = model, model.backbone.new_cache(), batch.mask
        streams = model.streams(batch)
        self._hidden = model.backbone.hidden(streams, batch.mask, batch.positions, self._cache)[:, -1]

    @torch.no_grad()
    def more(self, ids: Sequence[int], position: int) -> None:
        """Read words after it."""
        model, count = self._model, len(ids)
        positions = (position + torch.arange(count, device=model.device)).expand(3, 1, -1)
        self._mask = torch.cat([self._mask, self._mask.new_ones(1, count)], dim=1)
        streams = model.backbone.embed(torch.tensor(ids, device=model.device))[None, :, None]
        self._hidden = model.backbone.hidden(streams, self._mask, positions, self._cache)[:, -1]

    @torch.no_grad()
    def logits(self) -> Floats:
        """`(V,)`: what may come after its last token."""
        logits: Floats = self._model.backbone.logits(self._hidden)[0].float().cpu().numpy()
        return logits

    @torch.no_grad()
    def action(self) -> Action:
        """What the head makes of its last token."""
        action = self._model.head(self._hidden)
        return Action(action.mean[0].cpu().numpy(), action.log_std[0].cpu().numpy(), float(action.stop))
