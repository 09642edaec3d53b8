"""Nano's networks as engines, without any export: what exported ones are measured against."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from vlingnav_policy.engines import Arrays
from vlingnav_train.checkpoint import Nano
from vlingnav_train.graphs import Graph, graphs


class TorchEngine:
    """An `Engine` on torch, on the CPU.

    Args:
        compiled: whether `torch.compile` shall make something faster of it, at the first run.
    """

    def __init__(self, graph: Graph, compiled: bool = False) -> None:
        self._graph, self.provider = graph, "torch.compile" if compiled else "torch eager"
        module: nn.Module = graph.module.eval()
        self._module: Any = torch.compile(module) if compiled else module

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the network once."""
        with torch.inference_mode():
            out = self._module(*(torch.from_numpy(inputs[name]) for name in self._graph.inputs))
        values = out if isinstance(out, tuple) else (out,)
        return {name: value.numpy() for name, value in zip(self._graph.outputs, values, strict=True)}


def torch_engines(nano: Nano, compiled: bool = False) -> dict[str, TorchEngine]:
    """Engines for a `NanoPolicy`, by the names of its graphs."""
    return {name: TorchEngine(graph, compiled) for name, graph in graphs(nano).items()}
