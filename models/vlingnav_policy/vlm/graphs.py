"""A VLingNav that was exported to ONNX, on engines and numpy: no torch, no transformers.

What the graphs are is in `interface`; between them are here the assembly of the tokens and the KV cache,
which grows by what was read. The cache goes to the engine and back at every word: on a GPU that costs more
than the word where the model is large, and torch is the better choice there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.engines import Engine, EngineError, open_engine
from vlingnav_policy.manifest import Manifest, ManifestError
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.vlm.answer import Action, Floats
from vlingnav_policy.vlm.config import VLingNavConfig
from vlingnav_policy.vlm.interface import Sizes, check
from vlingnav_policy.vlm.pixels import resize
from vlingnav_policy.vlm.policy import VLMPolicy
from vlingnav_policy.vlm.sequence import CELL, TIME, WORD, Packed
from vlingnav_policy.vlm.text import Text
from vlingnav_policy.vlm.writer import Writer

RUNTIME = "vlm-onnx"
"""The runtime that manifests of such models name."""

LARGEST = float(np.finfo(np.float16).max)  # cells are kept in half precision


class GraphNetwork:
    """A `Network` on engines.

    Args:
        engines: by the names of `interface`.
        sizes: of their graphs.
    """

    def __init__(
        self, engines: Mapping[str, Engine], sizes: Sizes, config: VLingNavConfig, text: Text
    ) -> None:
        self.engines, self.sizes = engines, sizes
        self.writer = Writer(config, text, sizes.channels, grid_positions=sizes.position_rows == 3)

    @property
    def provider(self) -> str:
        """What the language model runs on."""
        return self.engines["language"].provider

    def see(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """The cells `(N, rows * columns, channels)` of `(N, H, W, 3)`."""
        size, vision = self.writer.config.image, self.engines["vision"]
        seen = [vision.run({"pixels": resize(image, size)[None]})["cells"] for image in images]
        return np.concatenate(seen).clip(-LARGEST, LARGEST).astype(np.float16)

    def read(self, prompt: Packed, length: int) -> GraphReading:
        """A prompt, padded on the left to `length`."""
        return GraphReading(self, prompt, length)

    def tokens(self, prompt: Packed) -> Floats:
        """`(L, streams, width)`: what the language model reads."""
        tokens = np.zeros((len(prompt), self.sizes.streams, self.sizes.width), np.float32)
        words = {"ids": prompt.ids[prompt.kinds == WORD]}
        tokens[prompt.kinds == WORD, 0] = self.engines["words"].run(words)["embeddings"]
        tokens[prompt.kinds == TIME, 0] = self.engines["time"].run({"ages": prompt.ages})["embeddings"]
        cells = {"cells": prompt.cells.astype(np.float32)}
        tokens[prompt.kinds == CELL] = self.engines["project"].run(cells)["tokens"]
        return tokens


class GraphReading:
    """A sequence that a `GraphNetwork` has read."""

    def __init__(self, network: GraphNetwork, prompt: Packed, length: int) -> None:
        self._network, self._padding = network, length - len(prompt)
        sizes = network.sizes
        empty = np.zeros((sizes.layers, 1, sizes.heads, 0, sizes.head_width), np.float32)
        self._cache = {"keys": empty, "values": empty}
        padded = (self._padding, 0)
        tokens = np.pad(network.tokens(prompt), (padded, (0, 0), (0, 0)))
        self._read(tokens, np.pad(prompt.positions, ((0, 0), padded)))

    def more(self, ids: Sequence[int], position: int) -> None:
        """Read words after it."""
        sizes, count = self._network.sizes, len(ids)
        tokens = np.zeros((count, sizes.streams, sizes.width), np.float32)
        words = self._network.engines["words"].run({"ids": np.array(ids, np.int64)})
        tokens[:, 0] = words["embeddings"]
        self._read(tokens, np.tile(position + np.arange(count), (3, 1)))

    def logits(self) -> Floats:
        """`(V,)`: what may come after its last token."""
        logits: Floats = self._network.engines["vocabulary"].run({"hidden": self._hidden})["logits"][0]
        return logits

    def action(self) -> Action:
        """What the head makes of its last token."""
        out = self._network.engines["head"].run({"hidden": self._hidden})
        return Action(out["mean"][0], out["log_std"][0], float(out["stop"][0]))

    def _read(self, tokens: Floats, positions: NDArray[np.int64]) -> None:
        """`(L, streams, width)` tokens at `(3, L)` positions."""
        rows = self._network.sizes.position_rows
        out = self._network.engines["language"].run(
            {
                "tokens": tokens[None],
                "positions": positions[:rows, None],
                "padding": np.array([self._padding]),
                **self._cache,
            }
        )
        self._hidden = out["hidden"]
        self._cache = {
            name: np.concatenate([read, out[f"new_{name}"]], axis=3) for name, read in self._cache.items()
        }


def load_graphs(
    directory: Path,
    threads: int = 2,
    thinking: ThinkingConfig = ThinkingConfig(),
    engine: str = "cpu",
    progress: Callable[[str], None] = lambda text: None,
) -> VLMPolicy:
    """Load and verify what `vlingnav export` made of a VLingNav; see `load_exported` for the arguments.

    Raises:
        ManifestError: see `Manifest.read` and `load_network`.
    """
    manifest = Manifest.read(directory)
    return VLMPolicy(load_network(directory, manifest, threads, engine, progress), manifest, thinking)


def load_network(
    directory: Path,
    manifest: Manifest,
    threads: int = 2,
    engine: str = "cpu",
    progress: Callable[[str], None] = lambda text: None,
) -> GraphNetwork:
    """The network of a folder whose `manifest` was read.

    Raises:
        EngineError: it does not run on `engine`, or that cannot be had here.
        ManifestError: its parts cannot be read, or do not belong together; or the package that reads words
            is missing.
    """
    if engine not in ("cpu", "cuda"):
        raise EngineError(f"{directory} runs on engine cpu or cuda: its lengths vary too much for {engine!r}")
    try:
        config, text = VLingNavConfig.read(directory), Text.read(directory)
    except ValueError as error:
        raise ManifestError(str(error)) from error
    except ModuleNotFoundError as error:
        raise ManifestError(
            f"{directory} reads words with the package {error.name}, which is not installed; install it "
            "with: pip install -c constraints.txt tokenizers"
        ) from error
    sizes = check(manifest.graphs, config)
    if sizes.vocabulary < len(text):
        raise ManifestError(
            f"{directory} has a tokenizer of {len(text)} ids and graphs of {sizes.vocabulary}; they do not "
            "belong together"
        )
    engines: dict[str, Engine] = {}
    for name, graph in manifest.graphs.items():
        progress(f"loading {name}.onnx with engine {engine!r}")
        engines[name] = open_engine(directory / f"{name}.onnx", graph, engine, threads, manifest.precision)
    return GraphNetwork(engines, sizes, config, text)
