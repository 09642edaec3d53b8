"""One adapter for each family of vision-language models.

`open_backbone` finds the adapter by the checkpoint's own configuration; to add a family, write an adapter and
name it in `FAMILIES`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    ImageProcessingMixin,
    PretrainedConfig,
)

from vlingnav_train.networks import VisionTower
from vlingnav_train.vlm.backbones.base import Backbone, ImageConfig
from vlingnav_train.vlm.backbones.llava import LLAVA_QWEN, LlavaOnevision, llava_qwen_config, open_llava_qwen
from vlingnav_train.vlm.backbones.qwen import Qwen3VL, Qwen25VL
from vlingnav_train.vlm.backbones.smolvlm import SmolVLM
from vlingnav_train.vlm.backbones.tower import EYES, WithTower

__all__ = ["FAMILIES", "Backbone", "ImageConfig", "WithTower", "open_backbone"]

FAMILIES: dict[str, type[Backbone]] = {
    "qwen2_5_vl": Qwen25VL,
    "qwen3_vl": Qwen3VL,
    "llava_onevision": LlavaOnevision,
    "smolvlm": SmolVLM,
}


def open_backbone(
    source: str | Path,
    size: tuple[int, int],
    tower: VisionTower | None = None,
    dtype: torch.dtype = torch.float32,
) -> Backbone:
    """The backbone of a local folder or a hub name.

    Args:
        source: a vision-language model of `FAMILIES`, LLaVA-Video as its authors released it, or any causal
            language model, which then needs eyes.
        size: rows and columns [px] of its images.
        tower: the eyes of a language model; not needed for one that `Backbone.save` wrote with its eyes.
        dtype: of the weights.

    Raises:
        ValueError: no adapter fits, or there are no eyes.
        OSError: of `transformers`, when it finds no such model.
    """
    raw, _ = PretrainedConfig.get_config_dict(str(source))
    family = FAMILIES.get(raw.get("model_type", ""))
    if family is not None:
        model = AutoModelForImageTextToText.from_pretrained(str(source), dtype=dtype)
        return family(model, _image(source, size))
    if LLAVA_QWEN in (raw.get("architectures") or ()):
        return LlavaOnevision(open_llava_qwen(source, llava_qwen_config(raw), dtype), _image(source, size))
    if "vision_config" in raw:
        raise ValueError(
            f"no adapter for {raw.get('model_type')!r} ({source}); there are {', '.join(FAMILIES)}"
        )
    model = AutoModelForCausalLM.from_pretrained(str(source), dtype=dtype)
    eyes = Path(source) / EYES
    if eyes.is_file():
        return WithTower.from_saved(model, ImageConfig(size), eyes)
    if tower is None:
        raise ValueError(f"{source} is a language model without eyes; give it the tower of stage 0")
    return WithTower(model, ImageConfig(size), tower)


def _image(source: str | Path, size: tuple[int, int]) -> ImageConfig:
    """What the checkpoint says of its images."""
    said, _ = ImageProcessingMixin.get_image_processor_dict(str(source))
    return ImageConfig(size, tuple(said["image_mean"]), tuple(said["image_std"]))
