"""Qwen2.5-VL and Qwen3-VL.

A cell is the 2 x 2 patches of one token; pooling averages them patch by patch, and the family's own merger
(two layers) projects what is left. Positions are those of still images (`sequence.pack`). Qwen3-VL looks at
earlier layers of its tower too (DeepStack): their patches lie in the same cell and have their own mergers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.vision_utils import get_vision_window_index

from vlingnav_train.vlm.backbones.base import Backbone, Net


class Qwen25VL(Backbone):
    """Qwen2.5-VL."""

    grid_positions = True

    @property
    def vision(self) -> Net:
        return self.model.model.visual

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.vision.merger]

    @property
    def decoder(self) -> Net:
        return self.model.model.language_model

    @property
    def cell_side(self) -> int:
        vision = self.vision.config
        return int(vision.patch_size * vision.spatial_merge_size)

    @property
    def channels(self) -> int:
        vision = self.vision.config
        return int(self.streams * vision.hidden_size * vision.spatial_merge_size**2)

    def cells(self, pixels: Tensor) -> Tensor:
        patches, grid = self.patchify(pixels)
        seen = self.vision(patches, grid_thw=grid).last_hidden_state
        config = self.vision.config
        # The tower works window by window and leaves its patches in that order, four of a cell together.
        order, _ = get_vision_window_index(
            grid, config.spatial_merge_size, config.window_size, config.patch_size
        )
        seen = seen.reshape(len(order), -1)[order.argsort().to(seen.device)]
        return seen.reshape(len(pixels), *self.grid, self.channels)

    def project(self, cells: Tensor) -> Tensor:
        merged: Tensor = self.vision.merger(cells.reshape(-1, self.vision.config.hidden_size))
        return merged[:, None]

    def patchify(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, 3, H, W)` to the tower's `(patches, values)`, cell by cell, and `(B, 3)` its grid of each."""
        config = self.vision.config
        side, merge = config.patch_size, config.spatial_merge_size
        rows, columns = self.grid
        blocks = pixels.reshape(len(pixels), 3, rows, merge, side, columns, merge, side)
        blocks = blocks.permute(0, 2, 5, 3, 6, 1, 4, 7)[..., None, :, :]  # a still image is shown
        blocks = blocks.expand(*blocks.shape[:6], config.temporal_patch_size, side, side)  # for 2 frames
        grid = torch.tensor([[1, rows * merge, columns * merge]] * len(pixels), device=pixels.device)
        return blocks.reshape(len(pixels) * rows * columns * merge**2, -1), grid


class Qwen3VL(Qwen25VL):
    """Qwen3-VL, with DeepStack."""

    @property
    def streams(self) -> int:
        """The embedding, and one for each of the first layers of the language model."""
        return 1 + len(self.vision.config.deepstack_visual_indexes)

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.vision.merger, *self.vision.deepstack_merger_list]

    def cells(self, pixels: Tensor) -> Tensor:
        patches, grid = self.patchify(pixels)
        config = self.vision.config
        # hidden_states[0] is what goes into the first layer.
        layers = [layer + 1 for layer in config.deepstack_visual_indexes]
        seen = self.vision(patches, grid_thw=grid, output_hidden_states=True)
        streams = [seen.last_hidden_state, *(seen.hidden_states[layer] for layer in layers)]
        cells = [stream.reshape(len(pixels), *self.grid, -1) for stream in streams]
        return torch.cat(cells, dim=-1)

    def project(self, cells: Tensor) -> Tensor:
        parts = cells.unflatten(-1, (self.streams, -1)).unbind(1)
        size = self.vision.config.hidden_size
        return torch.stack(
            [merger(part.reshape(-1, size)) for merger, part in zip(self.projectors, parts, strict=True)],
            dim=1,
        )

    def later_streams(self, streams: Tensor) -> dict[str, Any]:
        later = streams[:, :, 1:].unbind(2)
        if not later:
            return {}
        everywhere = torch.ones(streams.shape[:2], dtype=torch.bool, device=streams.device)
        embeds = [stream.flatten(0, 1) for stream in later]  # zero where there is no picture
        return {"visual_pos_masks": everywhere, "deepstack_visual_embeds": embeds}

    def prepare_export(self) -> None:
        # Exporters do not know how to assign to where a mask of two axes is true; ours is true everywhere.
        self.decoder._deepstack_process = lambda hidden, _, embeds: hidden + embeds.view_as(hidden)
