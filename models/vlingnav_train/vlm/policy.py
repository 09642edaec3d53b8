"""VLingNav drives in torch: for rollouts, and for a host with a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vlingnav_policy.engines import EngineError
from vlingnav_policy.manifest import Manifest, ManifestError
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.vlm.policy import VLMPolicy
from vlingnav_train.vlm.model import VLingNavModel


class VLingNavPolicy(VLMPolicy):
    """A `VLMPolicy` on a `VLingNavModel`, which it puts into evaluation mode."""

    def __init__(
        self,
        model: VLingNavModel,
        manifest: Manifest,
        thinking: ThinkingConfig = ThinkingConfig(),
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(model.eval(), manifest, thinking, rng)

    @classmethod
    def load(
        cls,
        directory: Path,
        threads: int = 2,
        thinking: ThinkingConfig = ThinkingConfig(),
        engine: str = "cpu",
    ) -> VLingNavPolicy:
        """Load and verify what `export.save_policy` wrote to `directory`.

        Args:
            threads: cores that one decision may take; torch counts them for the whole process.
            engine: "cpu" or "cuda"; the others run graphs.

        Raises:
            EngineError: it does not run on `engine`, or there is no GPU.
            ManifestError: see `Manifest.read`, or it holds no VLingNav that can be read.
        """
        if engine not in ("cpu", "cuda"):
            raise EngineError(f"{directory} runs in torch, on cpu or cuda, not on {engine}")
        if engine == "cuda" and not torch.cuda.is_available():
            raise EngineError("torch finds no GPU, or was built without CUDA; use the engine cpu")
        manifest = Manifest.read(directory)
        device = torch.device(engine)
        torch.set_num_threads(threads)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        try:
            model = VLingNavModel.load(directory, dtype)
        except (OSError, ValueError) as error:
            raise ManifestError(str(error)) from error
        return cls(model.to(device), manifest, thinking)
