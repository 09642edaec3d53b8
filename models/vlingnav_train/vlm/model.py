"""VLingNav: a backbone, a token for time, and a head for action (arXiv 2601.08665).

Trained by teacher forcing with `(1 - a) MSE(trajectory) + a CE(text)`, a = 0.5, the paper's stage 2; the text
is what the model says: the indicator, the thought and the summary. Two parts are ours, for the paper does not
say how they were learned: binary cross-entropy for the stop, and for the log-std the likelihood of what was
missed, whose gradient the mean does not see. Where the task is done no trajectory is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from vlingnav_policy.vlm.config import VLingNavConfig
from vlingnav_policy.vlm.sequence import CELL, TIME, WORD, Packed
from vlingnav_policy.vlm.writer import Writer
from vlingnav_train.networks import VisionTower
from vlingnav_train.vlm.backbones import Backbone, open_backbone
from vlingnav_train.vlm.batch import Batch
from vlingnav_train.vlm.heads import Action, ActionHead
from vlingnav_train.vlm.reading import TorchReading
from vlingnav_train.vlm.text import PretrainedText
from vlingnav_train.vlm.time_token import TimeToken

OURS, BACKBONE = "vlingnav.safetensors", "backbone"
IMAGES_AT_ONCE = 16
"""Bounds what the vision tower takes of a GPU's memory."""


class VLingNavModel(nn.Module):
    """The network, and a `Network` that drives, in evaluation mode.

    `VLingNavModel.open` makes one from a pretrained backbone, `load` reads a trained one.

    Raises:
        ValueError: the history's grid is not the backbone's, or a prompt and a thought can outgrow the
            context of the language model.
    """

    def __init__(self, config: VLingNavConfig, backbone: Backbone, text: PretrainedText) -> None:
        super().__init__()
        self.config, self.backbone, self._text = config, backbone, text
        if config.history.grid != backbone.grid:
            raise ValueError(
                f"the history has a grid of {config.history.grid}, the backbone of {backbone.grid}"
            )
        backbone.make_room(len(text), text.added)
        embeddings: Tensor = backbone.model.get_input_embeddings().weight
        loudness = float(embeddings[:4096].detach().float().square().mean().sqrt())
        self.time = TimeToken(backbone.width, loudness)
        self.head = ActionHead(backbone.width, config.head, config.waypoints)
        self.writer = Writer(config, text, backbone.channels, backbone.grid_positions)
        longest = self.writer.longest()
        if longest > backbone.context:
            raise ValueError(
                f"prompt and answer can have {longest} tokens, the backbone reads {backbone.context}"
            )

    @classmethod
    def open(
        cls, config: VLingNavConfig, tower: VisionTower | None = None, dtype: torch.dtype = torch.float32
    ) -> VLingNavModel:
        """An untrained VLingNav on the pretrained backbone that `config` names; raises as `open_backbone`."""
        backbone = open_backbone(config.backbone, config.image, tower, dtype)
        return cls(config, backbone, PretrainedText.open(config.backbone))

    @torch.no_grad()
    def see(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """The cells `(N, rows * columns, channels)` of `(N, H, W, 3)`: all of them that is ever kept."""
        largest = torch.finfo(torch.float16).max
        seen = []
        for part in torch.from_numpy(np.ascontiguousarray(images)).split(IMAGES_AT_ONCE):
            with self.mixed_precision():
                cells = self.backbone.encode_images(part.to(self.device)).flatten(1, 2).float()
            seen.append(cells.clamp(-largest, largest).to(torch.float16).cpu())
        return torch.cat(seen).numpy()

    def mixed_precision(self) -> torch.autocast:
        """On a GPU bfloat16, whatever the weights are kept in; elsewhere what they are kept in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.time.base.device

    @property
    def provider(self) -> str:
        """The same, as policies say it."""
        return f"torch on {self.device}"

    def read(self, prompt: Packed, length: int) -> TorchReading:
        """A prompt, padded on the left to `length`, to be gone on with."""
        return TorchReading(self, prompt, length)

    def streams(self, batch: Batch) -> Tensor:
        """`(B, L, streams, width)`: the inputs of the language model."""
        words = self.backbone.embed(batch.ids[batch.kinds == WORD])
        streams = words.new_zeros(*batch.kinds.shape, self.backbone.streams, self.backbone.width)
        streams[batch.kinds == WORD] = F.pad(words[:, None], (0, 0, 0, self.backbone.streams - 1))
        if len(batch.ages):
            times = self.time(batch.ages).to(words.dtype)
            streams[batch.kinds == TIME] = F.pad(times[:, None], (0, 0, 0, self.backbone.streams - 1))
        if len(batch.cells):
            cells = batch.cells.to(self.backbone.vision_dtype)
            streams[batch.kinds == CELL] = self.backbone.project(cells).to(words.dtype)
        return streams

    def hidden(self, batch: Batch) -> Tensor:
        """`(B, L, width)`: hidden states of whole sequences."""
        return self.backbone.hidden(self.streams(batch), batch.mask, batch.positions)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The parts of the loss, weighted; their sum is the loss.

        Text counts token by token over the batch, so that an indicator weighs the same whether a thought
        follows it or not; the others count sample by sample.
        """
        hidden = self.hidden(batch)
        learn = batch.learn[:, 1:]
        logits = self.backbone.logits(hidden[:, :-1][learn]).float()
        return {
            "text": self.config.text_share * F.cross_entropy(logits, batch.ids[:, 1:][learn]),
            **self._action_losses(self.head(hidden[:, -1]), batch),
        }

    def _action_losses(self, action: Action, batch: Batch) -> dict[str, Tensor]:
        config = self.config
        target = batch.trajectory / batch.trajectory.new_tensor(config.scale)
        moving = 1.0 - batch.stop
        error = ((action.mean - target) ** 2).mean(dim=(1, 2))
        missed = replace(action, mean=action.mean.detach())
        surprise = -missed.log_prob(target) / (3 * config.waypoints)
        stop = F.binary_cross_entropy_with_logits(action.stop, batch.stop)
        return {
            "trajectory": (1.0 - config.text_share) * (error * moving).mean(),
            "stop": config.stop_weight * stop,
            "spread": config.spread_weight * (surprise * moving).mean(),
        }

    def save(self, folder: Path) -> None:
        """Write everything to `folder`: JSON, safetensors, the tokenizer. No pickles.

        `folder/backbone` is a checkpoint of its own that `transformers` can read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.backbone.save(folder / BACKBONE)
        self._text.save(folder / BACKBONE)
        ours = {
            name: t.contiguous() for name, t in self.state_dict().items() if not name.startswith("backbone.")
        }
        save_file(ours, folder / OURS)
        self.config.write(folder)

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype = torch.float32) -> VLingNavModel:
        """Read what `save` wrote.

        Raises:
            ValueError: `folder` holds no VLingNav, or its parts do not belong together.
            OSError: the backbone or the weights are missing.
        """
        config = VLingNavConfig.read(folder)
        backbone = open_backbone(folder / BACKBONE, config.image, dtype=dtype)
        model = cls(config, backbone, PretrainedText.open(folder / BACKBONE))
        left = model.load_state_dict(load_file(folder / OURS), strict=False)
        lost = [name for name in left.missing_keys if not name.startswith("backbone.")]
        if lost or left.unexpected_keys:
            raise ValueError(
                f"{folder / OURS} is of another network: {', '.join(lost + left.unexpected_keys)}"
            )
        return model
