"""The graphs of a VLingNav: what each takes and what it gives, as manifests say it.

    vision      pixels in [0, 1] -> cells: once a frame; they are kept, thinned and pooled
    project     pooled cells -> tokens of the language model
    words       ids -> embeddings
    time        ages [s] -> the tokens before frames
    language    tokens after what was read -> hidden state of the last, and what they add to what was read
    vocabulary  hidden state -> logits
    head        hidden state of the action token -> trajectory and stop

A token is `streams` vectors, of which words and times fill the first. What was read is the KV cache, without
the prompt's padding being told apart from it: `padding` says how many of the first tokens are none. All
graphs are for one robot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlingnav_policy.engines import Graph
from vlingnav_policy.manifest import ManifestError
from vlingnav_policy.vlm.config import VLingNavConfig


@dataclass(frozen=True)
class Sizes:
    """What a backbone brings of its own.

    Attributes:
        channels: of a cell. streams: vectors of a token. width: of one.
        layers, heads, head_width: of the KV cache.
        vocabulary: logits.
        position_rows: 3 where positions have rows and columns (`sequence.pack`), else 1.
    """

    channels: int
    streams: int
    width: int
    layers: int
    heads: int
    head_width: int
    vocabulary: int
    position_rows: int

    @classmethod
    def of(cls, graphs: Mapping[str, Graph]) -> Sizes:
        """Those of the graphs of a manifest.

        Raises:
            ManifestError: they are none of a VLingNav.
        """
        try:
            language = graphs["language"]["inputs"]
            _, _, streams, width = language["tokens"][1]
            layers, _, heads, _, head_width = language["keys"][1]
            rows, _, _ = language["positions"][1]
            _, vocabulary = graphs["vocabulary"]["outputs"]["logits"][1]
            _, channels = graphs["project"]["inputs"]["cells"][1]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ManifestError(f"the manifest's graphs are none of a VLingNav: {error!r}") from error
        return cls(channels, streams, width, layers, heads, head_width, vocabulary, rows)

    def graphs(self, config: VLingNavConfig) -> dict[str, Graph]:
        """All graphs of a VLingNav of such sizes; of an axis the length, or a name where it may have any."""

        def real(*shape: int | str) -> list[Any]:
            return ["tensor(float)", list(shape)]

        def whole(*shape: int | str) -> list[Any]:
            return ["tensor(int64)", list(shape)]

        def cache(length: str) -> list[Any]:
            return real(self.layers, 1, self.heads, length, self.head_width)

        cells, hidden = math.prod(config.history.grid), real(1, self.width)
        way = real(1, config.waypoints, 3)
        return {
            "vision": {
                "inputs": {"pixels": real(1, *config.image, 3)},
                "outputs": {"cells": real(1, cells, self.channels)},
            },
            "project": {
                "inputs": {"cells": real("cells", self.channels)},
                "outputs": {"tokens": real("cells", self.streams, self.width)},
            },
            "words": {
                "inputs": {"ids": whole("words")},
                "outputs": {"embeddings": real("words", self.width)},
            },
            "time": {
                "inputs": {"ages": real("frames")},
                "outputs": {"embeddings": real("frames", self.width)},
            },
            "language": {
                "inputs": {
                    "tokens": real(1, "new", self.streams, self.width),
                    "positions": whole(self.position_rows, 1, "new"),
                    "padding": whole(1),
                    "keys": cache("read"),
                    "values": cache("read"),
                },
                "outputs": {"hidden": hidden, "new_keys": cache("new"), "new_values": cache("new")},
            },
            "vocabulary": {"inputs": {"hidden": hidden}, "outputs": {"logits": real(1, self.vocabulary)}},
            "head": {
                "inputs": {"hidden": hidden},
                "outputs": {"mean": way, "log_std": way, "stop": real(1)},
            },
        }


def check(graphs: Mapping[str, Graph], config: VLingNavConfig) -> Sizes:
    """The sizes of a manifest's graphs, which fit each other and `config`.

    Raises:
        ManifestError: they do not.
    """
    sizes = Sizes.of(graphs)
    for name, expected in sizes.graphs(config).items():
        for side in ("inputs", "outputs"):
            if (found := graphs.get(name, {}).get(side)) != expected[side]:
                raise ManifestError(
                    f"graph {name!r} has {side} {found} in the manifest; its other graphs and the sizes of "
                    f"{config.name!r} need {expected[side]}"
                )
    return sizes
