"""A language model without eyes, and a vision tower of ours: the `small` preset.

The language model is any causal one of `transformers` (SmolLM2 is a Llama); the tower is the one that stage 0
teaches in the simulator (`vlingnav_train.tower`), frozen here. A cell is 2 x 2 of the tower's; the two-layer
projector between them is ours and starts at random.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from vlingnav_train.networks import NanoConfig, VisionTower
from vlingnav_train.vlm.backbones.base import Backbone, ImageConfig, Net, side_by_side

MERGE = 2  # tower cells a side of a token
STRIDE = 8  # pixels a side of a tower cell
EYES = "eyes.safetensors"


class WithTower(Backbone):
    """A causal language model with `tower` for eyes.

    Args:
        model: the language model.
        image: mean and std of one half are what the tower was trained with.
        tower: of stage 0.
    """

    tower: nn.Sequential
    projector: nn.Sequential

    def __init__(self, model: PreTrainedModel, image: ImageConfig, tower: VisionTower) -> None:
        width, channels = model.config.hidden_size, MERGE**2 * channels_of(tower.body)
        projector = nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
        # The tower's own forward starts from bytes; pictures are normalised before they come here.
        super().__init__(model, image, {"tower": tower.body, "projector": projector})

    @property
    def vision(self) -> Net:
        return self.tower

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.projector]

    @property
    def decoder(self) -> Net:
        return self.model.model

    @property
    def cell_side(self) -> int:
        return MERGE * STRIDE

    @property
    def channels(self) -> int:
        return MERGE**2 * channels_of(self.tower)

    def cells(self, pixels: Tensor) -> Tensor:
        return side_by_side(self.vision(pixels).permute(0, 2, 3, 1), MERGE)

    def project(self, cells: Tensor) -> Tensor:
        projected: Tensor = self.projector(cells)
        return projected[:, None]

    def save(self, folder: Path) -> None:
        super().save(folder)
        eyes = {name: value for name, value in self.state_dict().items() if not name.startswith("model.")}
        save_file({name: value.contiguous() for name, value in eyes.items()}, folder / EYES)

    @classmethod
    def from_saved(cls, model: PreTrainedModel, image: ImageConfig, file: Path) -> WithTower:
        """The language model with the eyes that `save` wrote to `file`."""
        eyes = load_file(file)
        channels = eyes["projector.0.weight"].shape[1] // MERGE**2
        backbone = cls(model, image, VisionTower(NanoConfig(channels=channels)))
        backbone.load_state_dict(eyes, strict=False)  # the rest is the language model
        return backbone


def channels_of(tower: nn.Sequential) -> int:
    """Channels of a tower's cell."""
    return int(cast(nn.Conv2d, tower[-1]).out_channels)
