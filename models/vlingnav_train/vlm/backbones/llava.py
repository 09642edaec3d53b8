"""LLaVA-OneVision, and LLaVA-Video, whose architecture it is.

SigLIP sees, a two-layer projector translates, Qwen2 reads. A cell is one patch: pooling comes before the
projector, as in VLingNav, and the row ends ("newlines") that LLaVA puts between patches are left out, for
VLingNav's order has none.

`transformers` has no LLaVA-Video. What was released (lmms-lab/LLaVA-Video-7B-Qwen2, the paper's backbone) is
a checkpoint of the authors' own code: model type "llava", architecture `LlavaQwenForCausalLM`. It has the
parts of LLaVA-OneVision under other names (vLLM issue 13190), so it is read into that class by a table of
names; llava-hf/LLaVA-NeXT-Video is another, older model (CLIP and Vicuna).
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedModel,
    Qwen2Config,
)

from vlingnav_train.vlm.backbones.base import Backbone, Net

LLAVA_QWEN = "LlavaQwenForCausalLM"
# The authors' names, as patterns, and those of `LlavaOnevisionForConditionalGeneration`.
NAMES = {
    r"^model\.mm_projector\.0\.": "model.multi_modal_projector.linear_1.",
    r"^model\.mm_projector\.2\.": "model.multi_modal_projector.linear_2.",
    r"^model\.vision_tower\.vision_tower\.vision_model\.": "model.vision_tower.",
    r"^model\.(embed_tokens|layers|norm)\.": r"model.language_model.\1.",
}


class LlavaOnevision(Backbone):
    """LLaVA-OneVision and LLaVA-Video."""

    @property
    def vision(self) -> Net:
        return self.model.model.vision_tower

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.model.model.multi_modal_projector]

    @property
    def decoder(self) -> Net:
        return self.model.model.language_model

    @property
    def cell_side(self) -> int:
        return int(self.vision.config.patch_size)

    @property
    def channels(self) -> int:
        return int(self.vision.config.hidden_size)

    def cells(self, pixels: Tensor) -> Tensor:
        layer = self.model.config.vision_feature_layer
        seen = self.vision(pixels, output_hidden_states=True).hidden_states[layer]
        return seen.reshape(len(pixels), *self.grid, self.channels)

    def project(self, cells: Tensor) -> Tensor:
        projected: Tensor = self.model.model.multi_modal_projector(cells)
        return projected[:, None]


def llava_qwen_config(raw: dict[str, Any]) -> LlavaOnevisionConfig:
    """The configuration of a checkpoint of the LLaVA authors' own code, from its `config.json`.

    Raises:
        ValueError: it is put together otherwise than LLaVA-OneVision.
    """
    if raw.get("mm_projector_type") != "mlp2x_gelu" or raw.get("mm_vision_select_layer") != -2:
        raise ValueError("this LLaVA is no LLaVA-Video: its projector, or the layer of its tower, is another")
    names = {field.name for field in fields(Qwen2Config)} | {"rope_theta"}
    text = Qwen2Config(**{name: value for name, value in raw.items() if name in names})
    # The default tower is SigLIP-so400m-patch14-384 without its last layer, which is what "-2" leaves out.
    return LlavaOnevisionConfig(text_config=text)


def open_llava_qwen(source: str | Path, config: LlavaOnevisionConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Such a checkpoint, from a folder or a hub name, as a LLaVA-OneVision."""
    return LlavaOnevisionForConditionalGeneration.from_pretrained(
        str(source), config=config, key_mapping=NAMES, dtype=dtype
    )
