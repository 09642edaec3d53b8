"""The sizes of one VLingNav, and the file that keeps them beside its weights.

Values are those of presets, in `vlingnav_train.vlm.presets`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlingnav_policy.history import HistoryConfig
from vlingnav_policy.memory import MemoryConfig

FILE = "vlingnav.json"


@dataclass(frozen=True)
class VLingNavConfig:
    """One VLingNav.

    Attributes:
        name: of the preset.
        backbone: hub name or folder of the pretrained model.
        image: rows, columns [px] that frames and goal images are resized to.
        history: sampling and pooling; its grid is that of the backbone's cells for `image`.
        memory: bounds of the words remembered, counted in the backbone's tokens.
        goal_stride: pooling of the goal image.
        instruction_tokens, thought_tokens, summary_tokens: the longest instruction, thought and summary.
        waypoints, dt: T, and the time between waypoints [s].
        scale: [m, m, rad] that count as 1 in the loss.
        head: width of the action head's hidden layer.
        text_share: of cross-entropy in the loss, the rest is the trajectory's.
        stop_weight, spread_weight: of the two parts of the loss that are ours, see
            `vlingnav_train.vlm.model`.
        stop_threshold: probability above which the policy says stop.
    """

    name: str
    backbone: str
    image: tuple[int, int]
    history: HistoryConfig
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    goal_stride: int = 2
    instruction_tokens: int = 96
    thought_tokens: int = 128
    summary_tokens: int = 64
    waypoints: int = 8
    dt: float = 0.2
    scale: tuple[float, float, float] = (0.5, 0.25, 1.0)
    head: int = 512
    text_share: float = 0.5
    stop_weight: float = 0.5
    spread_weight: float = 0.02
    stop_threshold: float = 0.5

    def write(self, folder: Path) -> None:
        """Write `FILE` to `folder`."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> VLingNavConfig:
        """Read what `write` wrote.

        Raises:
            ValueError: `folder` holds no such file, or one that cannot be read.
        """
        try:
            data: dict[str, Any] = json.loads((folder / FILE).read_text())
            history = HistoryConfig(**{**data["history"], "grid": tuple(data["history"]["grid"])})
            memory = MemoryConfig(**data["memory"])
            image, scale = tuple(data["image"]), tuple(data["scale"])
            return cls(**{**data, "history": history, "memory": memory, "image": image, "scale": scale})
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} holds no VLingNav that can be read: {error}") from error
