"""Sizes of VLingNav, one frozen dataclass for each preset.

From the paper (arXiv 2601.08665): the backbone of `llava-video-7b` and its 27 x 27 visual tokens a frame, and
the share of text in the loss. The paper's text was not found to give the rest, which is our choice: number
and spacing of the waypoints, f_max, s and g of the history, how the goal image is pooled, all bounds in
tokens, and the two weights in the loss that are not its share of text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vlingnav_policy.history import HistoryConfig
from vlingnav_policy.memory import MemoryConfig


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
        stop_weight, spread_weight: of the two parts of the loss that are ours, see `model`.
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


SMALL = VLingNavConfig(
    name="small",
    backbone="HuggingFaceTB/SmolLM2-135M-Instruct",
    image=(96, 128),  # what the tower of stage 0 sees
    history=HistoryConfig(grid=(6, 8)),
    memory=MemoryConfig(budget=192),
    thought_tokens=96,
    summary_tokens=48,
)

QWEN3_VL_4B = VLingNavConfig(
    name="qwen3-vl-4b",
    backbone="Qwen/Qwen3-VL-4B-Instruct",
    image=(384, 512),
    # The newest frame in 192 tokens, what is older than a second in 6; a minute's frames at one a second.
    history=HistoryConfig(
        grid=(12, 16),
        max_rate=2.5,
        stability=20.0,
        pooling_time=0.5,
        max_stride=6,
        max_frames=64,
        capacity=640,
    ),
    memory=MemoryConfig(budget=384),
)

LLAVA_VIDEO_7B = VLingNavConfig(
    name="llava-video-7b",
    backbone="lmms-lab/LLaVA-Video-7B-Qwen2",
    image=(384, 384),
    # The newest frame in the paper's 729 tokens, what is older than a second in 9.
    history=HistoryConfig(
        grid=(27, 27),
        max_rate=2.5,
        stability=20.0,
        pooling_time=0.5,
        max_stride=9,
        max_frames=64,
        capacity=1536,
    ),
    memory=MemoryConfig(budget=384),
    goal_stride=3,
)

PRESETS = {preset.name: preset for preset in (SMALL, QWEN3_VL_4B, LLAVA_VIDEO_7B)}
