"""The nano policy: three small graphs and a memory of frames, on numpy and an engine.

`language` runs once per goal, `tower` and `policy` once per decision. The tower's cells are compared with
the goal's query, kept, thinned and pooled by `FrameHistory`; an episode of any length costs the same per
step.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.engines import Engine
from vlingnav_policy.history import Frame, FrameHistory, HistoryConfig
from vlingnav_policy.manifest import Manifest
from vlingnav_policy.tokenizer import WordTokenizer
from vlingnav_policy.types import Decision, Goal, Observation

Floats = NDArray[np.float32]
GRAPHS = ("language", "tower", "policy")
SIMILARITIES = 4  # the last channels of a visual token: one similarity for each of its 2 x 2 cells
FOUND_UNIT_M = 3.0  # what 1 stands for where the policy graph says where the target is


def patchify(cells: Floats, query: Floats) -> Floats:
    """Visual tokens of one frame: 2 x 2 cells and their similarity to the query.

    Args:
        cells: `(C, h, w)` of the tower. query: `(C + 1,)` of the language encoder.

    Returns:
        `(h / 2 * w / 2, 4 C + 4)`.
    """
    channels, h, w = cells.shape
    alike = np.tensordot(query[:-1], cells, axes=1) + query[-1]
    alike = 1.0 / (1.0 + np.exp(-np.clip(alike, -30.0, 30.0)))

    def blocks(x: Floats) -> Floats:
        return x.reshape(-1, h // 2, 2, w // 2, 2).transpose(1, 3, 0, 2, 4).reshape((h // 2) * (w // 2), -1)

    return np.concatenate([blocks(cells), blocks(alike[None])], axis=1).astype(np.float32)


class NanoPolicy:
    """Runs an exported nano model; a `Policy`."""

    def __init__(self, manifest: Manifest, engines: Mapping[str, Engine]) -> None:
        self.manifest = manifest
        self._engines = engines
        self._tokenizer = WordTokenizer(manifest.vocabulary, manifest.instruction_length)
        config = {**manifest.history, "grid": tuple(manifest.history["grid"])}
        self._config = HistoryConfig(**config)
        self._scale = np.array(manifest.action_scale, dtype=np.float32)
        self._words: NDArray[np.int64] | None = None

    @classmethod
    def load(cls, directory: Path, threads: int = 2) -> NanoPolicy:
        """Load and verify the model in `directory` on ONNX Runtime.

        Raises:
            ManifestError: see `Manifest.read` and `OnnxEngine`.
        """
        from vlingnav_policy.engines.onnx import OnnxEngine

        manifest = Manifest.read(directory)
        engines = {g: OnnxEngine(directory / f"{g}.onnx", manifest.graphs[g], threads) for g in GRAPHS}
        return cls(manifest, engines)

    @property
    def provider(self) -> str:
        """What the policy graph runs on."""
        return self._engines["policy"].provider

    def unknown_words(self, instruction: str) -> list[str]:
        """Words the policy never learned; it ignores them."""
        return self._tokenizer.unknown(instruction)

    def reset(self, goal: Goal) -> None:
        """Encode the instruction and forget all frames."""
        self._words = self._tokenizer.encode(goal.instruction)[None]
        self._query: Floats = self._engines["language"].run({"words": self._words})["query"][0]
        self._history = FrameHistory(self._config)

    def act(self, observation: Observation) -> Decision:
        """Decide on one more frame.

        Raises:
            RuntimeError: no goal was set.
            ValueError: the image does not have the model's size, or there is no odometry.
        """
        begin = time.perf_counter()
        self.see(observation)
        seen = time.perf_counter()
        decision = self.decide(observation)
        timings = {"see": seen - begin, "decide": time.perf_counter() - seen}
        return dataclasses.replace(decision, timings=timings)

    def see(self, observation: Observation) -> Frame:
        """Encode a frame and add it to the memory; raises as `act`."""
        if observation.odometry is None:
            raise ValueError("the policy places its memories by odometry; the observation has none")
        tokens = self.encode(observation)
        frame = Frame(tokens, observation.stamp, observation.odometry.pose, SIMILARITIES)
        self._history.add(frame)
        return frame

    def encode(self, observation: Observation) -> Floats:
        """Visual tokens of a frame for the present goal; raises as `act`."""
        if self._words is None:
            raise RuntimeError("call reset(goal) before act(observation)")
        camera = self.manifest.camera
        if observation.rgb.shape != (camera.height, camera.width, 3) or observation.rgb.dtype != np.uint8:
            raise ValueError(
                f"the policy takes uint8 images of {camera.height}x{camera.width}x3, "
                f"got {observation.rgb.dtype} {'x'.join(map(str, observation.rgb.shape))}"
            )
        cells = self._engines["tower"].run({"image": observation.rgb[None]})["cells"][0]
        return patchify(cells, self._query)

    def decide(self, observation: Observation) -> Decision:
        """Decide on what has been seen; `observation` is the newest frame."""
        assert self._words is not None and observation.odometry is not None
        tokens, meta, used = self._history.view()
        out = self._engines["policy"].run(
            {
                "words": self._words,
                "tokens": tokens[None],
                "meta": meta[None],
                "used": np.array([used], dtype=np.int64),
                "velocity": observation.odometry.velocity[None].astype(np.float32),
            }
        )
        seen, x, y, _ = out["found"][0]
        return Decision(
            trajectory=out["mean"][0] * self._scale,
            dt=self.manifest.dt_s,
            stamp=observation.stamp,
            stop=bool(1.0 / (1.0 + np.exp(-out["stop"][0])) > self.manifest.stop_threshold),
            distance=FOUND_UNIT_M * float(np.hypot(x, y)) if seen > 0.0 else None,
        )
