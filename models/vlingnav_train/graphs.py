"""The networks of nano cut into the graphs that a robot runs: what goes in, what comes out, at which sizes.

`read` and `write` are one network: what was read does not look at the answer, so it is read once, and
answered word by word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlingnav_policy.engines import BATCH
from vlingnav_policy.history import META
from vlingnav_policy.notes import NOTE_META, PATCH, PATCHES
from vlingnav_policy.tokenizer import ACTION, ANSWER, THINK_OFF, THINK_ON
from vlingnav_train.checkpoint import Nano
from vlingnav_train.policy_network import GOAL_TOKENS, PolicyNetwork, Prompt
from vlingnav_train.vocabulary import tokenizer

Axes = dict[str, dict[int, str]]
ROBOTS = 2  # of the examples; what was traced with two holds for any number


@dataclass(frozen=True)
class Graph:
    """One graph, still in torch.

    Attributes:
        module: takes the inputs in order; gives the outputs in order.
        inputs: examples of them, by name; of two robots where it takes any number.
        outputs: their names.
        axes: names of the axes of inputs and outputs that may have any length.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    axes: Axes

    def for_one_robot(self) -> Graph:
        """The same, for one robot a run."""
        inputs = {
            name: value.narrow(axis, 0, 1) if (axis := self._robots(name)) is not None else value
            for name, value in self.inputs.items()
        }
        axes = {
            name: {i: axis for i, axis in named.items() if axis != BATCH} for name, named in self.axes.items()
        }
        return Graph(self.module, inputs, self.outputs, axes)

    def _robots(self, name: str) -> int | None:
        return next((i for i, axis in self.axes.get(name, {}).items() if axis == BATCH), None)


def graphs(nano: Nano) -> dict[str, Graph]:
    """The graphs of a model by name; those of goals are asked once an episode, for one robot."""
    config, history, words = nano.config, nano.history, tokenizer()
    h, w = config.image
    told = torch.from_numpy(words.encode("find the red chair"))[None]
    said = np.zeros((ROBOTS, PATCHES, PATCH), np.int64)
    said[:, :6] = np.resize(words.ids("room one has nothing so far."), (6, PATCH))
    image = {"image": torch.randint(0, 256, (ROBOTS, h, w, 3), dtype=torch.uint8)}
    prompt = {
        "words": told.repeat(ROBOTS, 1),
        "notes": torch.from_numpy(said),
        "notes_meta": torch.rand(ROBOTS, PATCHES, NOTE_META),
        "tokens": torch.rand(ROBOTS, history.capacity, config.token_channels),
        "meta": torch.rand(ROBOTS, history.capacity, META),
        "used": torch.tensor([100, 40]),
        "velocity": torch.rand(ROBOTS, 3),
    }
    if shown := "image" in nano.tasks:  # who never learned goal images need not carry their tokens along
        prompt["goal"] = torch.rand(ROBOTS, GOAL_TOKENS, config.token_channels)
    past = config.layers, ROBOTS, config.heads, 111, config.dim // config.heads
    token = {
        "token": torch.tensor([THINK_ON, THINK_OFF]),
        "position": torch.tensor([1, 2]),
        "velocity": torch.rand(ROBOTS, 3),
        "keys": torch.randn(past),
        "values": torch.randn(past),
    }
    action = ("mean", "log_std", "stop", "found")
    reads = ("think", *action, "keys", "values")
    writes = ("logits", *action, "new_keys", "new_values")
    length: Axes = {name: {1: BATCH, 3: "read"} for name in ("keys", "values")}
    found = {
        "language": Graph(nano.language, {"words": told}, ("query",), {}),
        "tower": Graph(nano.tower, image, ("cells",), _robots("image", "cells")),
        "read": Graph(Reader(nano.policy), prompt, reads, _robots(*prompt, *reads)),
        "write": Graph(Writer(nano.policy), token, writes, _robots(*token, *writes) | length),
    }
    if shown:
        cells = {"cells": torch.randn(1, config.channels, h // 8, w // 8)}
        found["goal"] = Graph(nano.goal, cells, ("query",), {})
    return found


def _robots(*arrays: str) -> Axes:
    """The axis of robots in `arrays`; in keys and values it comes after that of layers."""
    return {name: {int(name.endswith(("keys", "values"))): BATCH} for name in arrays}


class Reader(nn.Module):
    """Reads the prompt and answers without a thought: whether to think, an action, and what was read.

    Its inputs have one size, padded: a decision costs the same at every step, and engines like fixed shapes.
    """

    unthought: Tensor

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("unthought", torch.tensor([[ANSWER, THINK_OFF, ACTION]]))

    def forward(self, *prompt: Tensor) -> Any:
        network, inputs = self.network, Prompt(*prompt)
        read, padded = network.prefix(inputs)
        answer = self.unthought.expand(inputs.velocity.shape[0], -1)
        x = torch.cat([read, network.answer(answer, torch.arange(3), inputs.velocity)], dim=1)
        bias = network.bias(padded, answer)
        kept = read.shape[1] + 1  # the prompt and <answer> stay, whatever is answered
        keys, values = [], []
        for i, block in enumerate(network.layers, start=1):
            q, k, v = block.project(x)
            if i == len(network.layers):
                q, x, bias = q[:, :, -3:], x[:, -3:], bias[:, :, -3:]
            keys.append(k[:, :, :kept])
            values.append(v[:, :, :kept])
            x = block.attend(x, q, k, v, bias)
        hidden = network.norm(x)
        logits = network.vocabulary(hidden[:, 0])
        think = logits[:, THINK_ON] - logits[:, THINK_OFF]
        return think, *_action(network, hidden[:, -1]), torch.stack(keys), torch.stack(values)


class Writer(nn.Module):
    """One more token of the answer: what may follow it, an action, and what it adds to what was read."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, token: Tensor, position: Tensor, velocity: Tensor, keys: Tensor, values: Tensor) -> Any:
        network = self.network
        x = network.answer(token[:, None], position[:, None], velocity)
        new_keys, new_values = [], []
        for block, past_k, past_v in zip(network.layers, keys, values, strict=True):
            q, k, v = block.project(x)
            new_keys.append(k)
            new_values.append(v)
            x = block.attend(x, q, torch.cat([past_k, k], dim=2), torch.cat([past_v, v], dim=2), None)
        hidden = network.norm(x)[:, 0]
        added = torch.stack(new_keys), torch.stack(new_values)
        return network.vocabulary(hidden), *_action(network, hidden), *added


def _action(network: PolicyNetwork, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    prediction = network.predict(hidden)
    return prediction.mean, prediction.log_std, prediction.stop, prediction.found
