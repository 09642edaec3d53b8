"""Sizes of VLingNav, one `VLingNavConfig` for each preset.

From the paper (arXiv 2601.08665): the backbone of `llava-video-7b` and its 27 x 27 visual tokens a frame, and
the share of text in the loss. The paper's text was not found to give the rest, which is our choice: number
and spacing of the waypoints, f_max, s and g of the history, how the goal image is pooled, all bounds in
tokens, and the two weights in the loss that are not its share of text.
"""

from __future__ import annotations

from vlingnav_policy.history import HistoryConfig
from vlingnav_policy.memory import MemoryConfig
from vlingnav_policy.vlm.config import VLingNavConfig

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
