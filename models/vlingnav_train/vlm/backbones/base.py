"""What VLingNav asks of a vision-language model, and all that does not depend on the family.

A backbone sees a frame once and gives *cells*: the output of its frozen vision tower, on a grid with one cell
for each token that the language model would be given (where a family merges 2 x 2 patches into a token, a
cell is the four side by side). Cells are what is kept, thinned and pooled; the projector, which learns, comes
after. Pictures are resized and normalised here, on the model's device, for all frames come from one camera:
no Processor object, no torchvision, no image tokens to expand.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DynamicCache, PreTrainedModel

Net = Any  # a module of `transformers`, of whose parts and configuration type checkers know nothing


@dataclass(frozen=True)
class ImageConfig:
    """What the vision tower is given.

    Attributes:
        size: rows, columns [px]; every frame and goal image is resized to it.
        mean, std: of the normalisation, in units of the full range; those that the tower was trained with.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


def side_by_side(patches: Tensor, merge: int) -> Tensor:
    """`(B, rows, columns, C)` patches to `(B, rows / merge, columns / merge, merge * merge * C)` cells."""
    b, rows, columns, c = patches.shape
    blocks = patches.reshape(b, rows // merge, merge, columns // merge, merge, c)
    return blocks.transpose(2, 3).reshape(b, rows // merge, columns // merge, merge * merge * c)


class Backbone(nn.Module, ABC):
    """A vision-language model as VLingNav uses it.

    A visual token is `streams` vectors: its embedding, and one for each of the first layers of the language
    model, added to the hidden state after that layer (DeepStack of Qwen3-VL; other families have none).

    Args:
        model: of `transformers`, with a language head.
        image: what its tower is given; its sides must be whole cells.
        parts: modules of ours that the family lacks.

    Raises:
        ValueError: the image does not divide into cells.
    """

    model: Net
    grid_positions = False  # whether positions have rows and columns, see `sequence.pack`

    def __init__(
        self, model: PreTrainedModel, image: ImageConfig, parts: Mapping[str, nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.model, self.image = model, image
        for name, part in (parts or {}).items():
            self.add_module(name, part)
        side = self.cell_side
        if image.size[0] % side or image.size[1] % side:
            raise ValueError(f"images of {image.size} px do not divide into cells of {side} x {side} px")
        self.vision.requires_grad_(False)
        for part in self.projectors:
            part.requires_grad_(True)

    @property
    @abstractmethod
    def vision(self) -> Net:
        """The vision tower; frozen, always in evaluation mode."""

    @property
    @abstractmethod
    def projectors(self) -> list[nn.Module]:
        """What turns cells into tokens; learns, even where a family keeps it inside its tower."""

    @property
    @abstractmethod
    def decoder(self) -> Net:
        """The language model without its head."""

    @property
    @abstractmethod
    def cell_side(self) -> int:
        """Pixels a side of a cell."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Channels of a cell."""

    @abstractmethod
    def cells(self, pixels: Tensor) -> Tensor:
        """Normalised `(B, 3, H, W)` to `(B, rows, columns, channels)`."""

    @abstractmethod
    def project(self, cells: Tensor) -> Tensor:
        """`(N, channels)` to `(N, streams, width)`."""

    @property
    def streams(self) -> int:
        """Vectors of a visual token."""
        return 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a picture's cells."""
        return self.image.size[0] // self.cell_side, self.image.size[1] // self.cell_side

    @property
    def width(self) -> int:
        """Width of the language model."""
        return int(self.decoder.config.hidden_size)

    @property
    def context(self) -> int:
        """Tokens that the language model was made for."""
        return int(self.decoder.config.max_position_embeddings)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """`(B, H, W, 3)` uint8 of any size to `(B, rows, columns, channels)`; no gradient passes."""
        pixels = images.permute(0, 3, 1, 2).float() / 255.0
        if pixels.shape[2:] != self.image.size:
            pixels = F.interpolate(pixels, self.image.size, mode="bicubic", antialias=True).clamp(0.0, 1.0)
        return self.encode_pixels(pixels)

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """`(B, 3, H, W)` of the tower's size, in [0, 1], to `(B, rows, columns, channels)`."""
        mean, std = (pixels.new_tensor(x)[:, None, None] for x in (self.image.mean, self.image.std))
        return self.cells(((pixels - mean) / std).to(self.vision_dtype))

    @property
    def vision_dtype(self) -> torch.dtype:
        """What the tower computes in."""
        return next(self.vision.parameters()).dtype

    def embed(self, ids: Tensor) -> Tensor:
        """`(N,)` ids to `(N, width)`."""
        embedding: Tensor = self.model.get_input_embeddings()(ids)
        return embedding

    def new_cache(self) -> DynamicCache:
        """An empty KV cache."""
        return DynamicCache(config=self.decoder.config)

    def hidden(
        self, streams: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache | None = None
    ) -> Tensor:
        """Run the language model.

        Args:
            streams: `(B, L, streams or 1, width)`.
            mask: `(B, cached + L)` bool, false where there is nothing; or all of what is added to the scores
                of attention, `(B, 1, L, cached + L)`, for an export.
            positions: `(3, B, L)`.
            cache: of all tokens before these; these are added to it.

        Returns:
            `(B, L, width)` hidden states after the last norm.
        """
        output = self.decoder(
            inputs_embeds=streams[:, :, 0],
            attention_mask=mask,
            position_ids=positions if self.grid_positions else positions[0],
            past_key_values=cache,
            use_cache=cache is not None,
            **self.later_streams(streams),
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def later_streams(self, streams: Tensor) -> dict[str, Any]:
        """Arguments of the decoder that carry the streams after the first."""
        return {}

    def logits(self, hidden: Tensor) -> Tensor:
        """`(..., width)` to `(..., vocabulary)`."""
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        return logits

    def prepare_export(self) -> None:
        """Replace what cannot be exported to ONNX by what computes the same for a VLingNav.

        The family's own forward may then no longer take all that it took.
        """

    @torch.no_grad()
    def make_room(self, size: int, new: list[int]) -> None:
        """Give the vocabulary at least `size` rows, and those of the ids in `new` values like the others'."""
        embeddings = self.model.get_input_embeddings()
        if size > embeddings.weight.shape[0]:
            self.model.resize_token_embeddings(size, mean_resizing=False)
        heads = (self.model.get_input_embeddings(), self.model.get_output_embeddings())
        # Once where both are one, and always in the same order: what is drawn is the same in every run.
        for weight in dict.fromkeys(head.weight for head in heads) if new else ():
            others = weight[: min(4096, *new)].float()
            noise = torch.randn(len(new), weight.shape[1], device=weight.device)
            weight[new] = (others.mean(0) + others.std(0) * noise).to(weight.dtype)

    def train(self, mode: bool = True) -> Backbone:
        """As for any module, except that the tower stays in evaluation mode: its statistics are frozen."""
        super().train(mode)
        self.vision.eval()
        return self

    def save(self, folder: Path) -> None:
        """Write what `open_backbone` reads: configuration, safetensors, and the normalisation of images."""
        self.model.save_pretrained(folder, save_original_format=False)
        norm = {"image_mean": self.image.mean, "image_std": self.image.std}
        (folder / "preprocessor_config.json").write_text(json.dumps(norm) + "\n")
