"""A VLingNav cut into the graphs of `vlingnav_policy.vlm.interface`, still in torch.

Backbones compute here what they compute elsewhere, but for two things of the language model. Its cache is
plain tensors, in and out. And its mask is added to the scores of attention, with a finite number where
nothing is to be seen: padding, which sees nothing at all, would otherwise become NaN and spread. What of a
family cannot be exported is said where it is replaced, in `Backbone.prepare_export`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vlingnav_policy.vlm.interface import Sizes
from vlingnav_train.export import ExportError
from vlingnav_train.graphs import Axes, Graph
from vlingnav_train.vlm.backbones import Backbone
from vlingnav_train.vlm.model import VLingNavModel

LENGTHS = {"cells": 5, "words": 4, "frames": 3, "read": 6, "new": 4}
"""Of the axes that may have any, in the examples."""


def sizes_of(model: VLingNavModel) -> Sizes:
    """What the model's graphs have of its backbone.

    Raises:
        ExportError: its language model does not keep all that it read.
    """
    backbone, config = model.backbone, model.backbone.decoder.config
    if set(getattr(config, "layer_types", None) or ()) - {"full_attention"}:
        raise ExportError("layers of this language model forget what lies far back; graphs keep everything")
    return Sizes(
        channels=backbone.channels,
        streams=backbone.streams,
        width=backbone.width,
        layers=config.num_hidden_layers,
        heads=config.num_key_value_heads,
        head_width=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        vocabulary=len(backbone.model.get_output_embeddings().weight),
        position_rows=3 if backbone.grid_positions else 1,
    )


def graphs(model: VLingNavModel) -> dict[str, Graph]:
    """The graphs by name, with examples of what they take; see `Backbone.prepare_export`.

    Raises:
        ExportError: see `sizes_of`.
    """
    backbone, sizes = model.backbone, sizes_of(model)
    backbone.prepare_export()
    modules = {
        "vision": _Call(
            backbone, lambda pixels: backbone.encode_pixels(pixels.permute(0, 3, 1, 2)).flatten(1, 2)
        ),
        "project": _Call(backbone, backbone.project),
        "words": _Call(backbone, backbone.embed),
        "time": model.time,
        "language": _Language(backbone),
        "vocabulary": _Call(backbone, backbone.logits),
        "head": _Call(model.head, lambda hidden: tuple(vars(model.head(hidden)).values())),
    }
    found = {}
    for name, interface in sizes.graphs(model.config).items():
        arrays = {**interface["inputs"], **interface["outputs"]}
        axes: Axes = {
            array: named
            for array, (_, shape) in arrays.items()
            if (named := {i: axis for i, axis in enumerate(shape) if isinstance(axis, str)})
        }
        examples = {array: _example(array, *entry) for array, entry in interface["inputs"].items()}
        found[name] = Graph(modules[name], examples, tuple(interface["outputs"]), axes)
    return found


def _example(array: str, kind: str, shape: list[int | str]) -> Tensor:
    lengths = [LENGTHS[axis] if isinstance(axis, str) else axis for axis in shape]
    if array == "padding":
        return torch.tensor([2])
    if array == "positions":  # of a cell somewhere in a picture, in each row another
        return LENGTHS["read"] + torch.arange(lengths[-1]) + torch.arange(lengths[0])[:, None, None]
    if kind == "tensor(int64)":
        return torch.arange(lengths[0])
    return torch.rand(lengths) if array in ("pixels", "ages") else torch.randn(lengths)


class _Call(nn.Module):
    """What a part of the model does, as a module: nothing else can be exported."""

    def __init__(self, part: nn.Module, does: Callable[..., Any]) -> None:
        super().__init__()
        self.part, self._does = part, does

    def forward(self, *inputs: Tensor) -> Any:
        return self._does(*inputs)


class _Language(nn.Module):
    """The language model: a prompt, or what is said after it."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(
        self, tokens: Tensor, positions: Tensor, padding: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        past = _Past(keys, values)
        read = keys.shape[3]
        there = torch.arange(read + tokens.shape[1])
        now = there[read:]
        unseen = (there > now[:, None]) | (there < padding)
        mask = unseen * torch.finfo(tokens.dtype).min
        hidden = self.backbone.hidden(tokens, mask[None, None], positions, past)  # type: ignore[arg-type]
        return hidden[:, -1], torch.stack(past.new_keys), torch.stack(past.new_values)


class _Past:
    """As much of a `transformers.Cache` as language models ask for: `(layers, B, heads, length, width)`."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._keys, self._values = keys, values
        self.new_keys: list[Tensor] = []
        self.new_values: list[Tensor] = []

    def get_seq_length(self, layer: int = 0) -> int:
        return self._keys.shape[3]

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take the next layer's; returns them behind those read before."""
        self.new_keys.append(keys)
        self.new_values.append(values)
        return torch.cat([self._keys[layer], keys], 2), torch.cat([self._values[layer], values], 2)
