"""Every family at a size for tests: random weights, the real configuration classes, no download.

`tiny_model("qwen3_vl")` has a Qwen3-VL of 40 000 parameters for a backbone and reads English in a few hundred
tokens. It has learned nothing, and can.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from vlingnav_policy.history import HistoryConfig
from vlingnav_policy.memory import HEADER, MemoryConfig
from vlingnav_policy.vlm.config import VLingNavConfig
from vlingnav_train.networks import NanoConfig, VisionTower
from vlingnav_train.vlm.backbones import FAMILIES, Backbone, ImageConfig, WithTower
from vlingnav_train.vlm.model import VLingNavModel
from vlingnav_train.vlm.text import PretrainedText

IMAGE_TOKEN = 300  # of the family's own forward; VLingNav has no use for it
SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
LANGUAGE = SIZES | {
    "vocab_size": 310, "num_key_value_heads": 1, "max_position_embeddings": 4096,
    "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
SIGLIP = SIZES | {"image_size": 24, "patch_size": 4}
QWEN_VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2,
    "temporal_patch_size": 2, "out_hidden_size": 32,
}  # fmt: skip
QWEN_LANGUAGE = LANGUAGE | {
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
}
QWEN_TOKENS: dict[str, Any] = {
    "image_token_id": IMAGE_TOKEN, "video_token_id": 301, "vision_start_token_id": 302,
    "vision_end_token_id": 303,
}  # fmt: skip


def qwen2_5_vl() -> transformers.PreTrainedModel:
    """Two layers in the tower, the first of which sees through windows."""
    vision = QWEN_VISION | {"depth": 2, "window_size": 16, "fullatt_block_indexes": [1]}
    config = transformers.Qwen2_5_VLConfig(text_config=QWEN_LANGUAGE, vision_config=vision, **QWEN_TOKENS)
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def qwen3_vl() -> transformers.PreTrainedModel:
    """Two of its three tower layers go to the language model by DeepStack."""
    vision = QWEN_VISION | {
        "depth": 3, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1],
    }  # fmt: skip
    text = QWEN_LANGUAGE | {"head_dim": 16}
    config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **QWEN_TOKENS)
    return transformers.Qwen3VLForConditionalGeneration(config)


def llava_onevision() -> transformers.PreTrainedModel:
    """SigLIP and Qwen2."""
    config = transformers.LlavaOnevisionConfig(
        text_config=transformers.Qwen2Config(**LANGUAGE),
        vision_config=transformers.SiglipVisionConfig(**SIGLIP, vision_use_head=False),
        image_token_index=IMAGE_TOKEN,
        video_token_index=301,
    )
    return transformers.LlavaOnevisionForConditionalGeneration(config)


def smolvlm() -> transformers.PreTrainedModel:
    """Its own vision tower and a Llama."""
    config = transformers.SmolVLMConfig(
        text_config=LANGUAGE | {"model_type": "llama"},
        vision_config=SIGLIP,
        scale_factor=2,
        image_token_id=IMAGE_TOKEN,
    )
    return transformers.SmolVLMForConditionalGeneration(config)


def llama() -> transformers.PreTrainedModel:
    """A language model without eyes, embeddings tied as SmolLM2 has them."""
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**LANGUAGE, tie_word_embeddings=True))


VISION_LANGUAGE: dict[str, Callable[[], transformers.PreTrainedModel]] = {
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "llava_onevision": llava_onevision,
    "smolvlm": smolvlm,
}
TINY = (*VISION_LANGUAGE, "small")


def tiny_backbone(family: str) -> Backbone:
    """A backbone of `TINY`, the same each time."""
    torch.manual_seed(0)
    if family == "small":
        return WithTower(llama(), ImageConfig((32, 48)), VisionTower(NanoConfig(channels=6)))
    return FAMILIES[family](VISION_LANGUAGE[family](), ImageConfig((24, 24)))


@cache
def _tokenizer() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=IMAGE_TOKEN,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([HEADER, "Search for the brown chair, left of the red bed."], trainer)
    return tokenizer.to_str()


def tiny_text() -> PretrainedText:
    """A byte-level tokenizer of 300 tokens, and VLingNav's tags."""
    tokenizer = Tokenizer.from_str(_tokenizer())
    return PretrainedText(
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    )


def tiny_model(family: str) -> VLingNavModel:
    """A VLingNav on a backbone of `TINY`, in evaluation mode."""
    backbone = tiny_backbone(family)
    config = VLingNavConfig(
        name="tiny",
        backbone="",
        image=backbone.image.size,
        history=HistoryConfig(grid=backbone.grid, pooling_time=1.0, max_stride=2, max_frames=6, capacity=100),
        memory=MemoryConfig(budget=160),
        head=16,
        instruction_tokens=60,
        thought_tokens=6,
        summary_tokens=5,
    )
    return VLingNavModel(config, backbone, tiny_text()).eval()
