"""SmolVLM and SmolVLM2.

A cell is the `scale_factor` squared patches that the connector shuffles into one token. The connector is one
linear layer, so that pooling before or after it is the same. Images are not split into tiles: a frame is
one square.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vlingnav_train.vlm.backbones.base import Backbone, Net, side_by_side


class SmolVLM(Backbone):
    """SmolVLM."""

    @property
    def vision(self) -> Net:
        return self.model.model.vision_model

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.model.model.connector]

    @property
    def decoder(self) -> Net:
        return self.model.model.text_model

    @property
    def cell_side(self) -> int:
        return int(self.vision.config.patch_size * self.model.config.scale_factor)

    @property
    def channels(self) -> int:
        return int(self.vision.config.hidden_size * self.model.config.scale_factor**2)

    def cells(self, pixels: Tensor) -> Tensor:
        merge = self.model.config.scale_factor
        seen = self.vision(pixels).last_hidden_state
        rows, columns = self.grid
        return side_by_side(seen.reshape(len(pixels), rows * merge, columns * merge, -1), merge)

    def project(self, cells: Tensor) -> Tensor:
        projected: Tensor = self.model.model.connector.modality_projection(cells)
        return projected[:, None]

    @torch.no_grad()
    def prepare_export(self) -> None:
        # Where a patch lies is found out anew for every image, by steps that are exported with a wrong type
        # (`torch.full` of an integer becomes a float). Our images all have one size, and this is the answer.
        places: list[Tensor] = []
        embedding = self.vision.embeddings.position_embedding
        watch = embedding.register_forward_pre_hook(lambda _, inputs: places.append(inputs[0]))
        self.cells(torch.zeros(1, 3, *self.image.size, dtype=self.vision_dtype))
        watch.remove()
        embedding.register_forward_pre_hook(lambda *_: (places[0],))
