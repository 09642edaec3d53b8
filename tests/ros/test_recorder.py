"""What a goal leaves behind, from messages as the nodes send them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import rclpy

from vlingnav import convert
from vlingnav.recorder import Recorder
from vlingnav_interfaces.msg import ReasoningTrace

RESULT = {"instruction": "find the red chair", "outcome": "arrived", "success": True, "spl": 0.75}
MEMORY = "Step 3: room one, a kitchen: no red chair."


@pytest.fixture
def recorder(ros: Any) -> Any:
    node = rclpy.create_node("listener")
    yield Recorder(node)
    node.destroy_node()


def episode(recorder: Recorder, *, thinking: bool) -> None:
    """Six frames; the robot thinks after the third."""
    recorder.begin()
    for number in range(6):
        rgb = np.full((96, 128, 3), 40 * number, np.uint8)
        recorder._on_image(convert.image(rgb, 0.2 * number, "camera"))
        if number == 2 and thinking:
            thought = "I see a door ahead. I have not been there, so I go through it."
            recorder._on_reasoning(ReasoningTrace(thinking=True, thought=thought, memory=MEMORY))


def film(folder: Path) -> list[np.ndarray]:
    with av.open(str(folder / "episode.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_thoughts_are_in_the_film_from_when_they_were_thought_and_memory_in_its_file(
    recorder: Recorder, tmp_path: Path
) -> None:
    episode(recorder, thinking=True)
    recorder.write(tmp_path / "run", RESULT, None)
    assert (tmp_path / "run/memory.txt").read_text().strip() == MEMORY
    frames = film(tmp_path / "run")
    captions = [frame[480 + 32 :].min() for frame in frames]
    assert len(frames) == 6 + 10
    assert min(captions[:3]) > 200 and max(captions[3:]) < 160
    line = slice(480, 480 + 32)  # at the end the outcome stands beside the instruction
    assert (frames[6][line] < 128).sum() > 1.5 * (frames[5][line] < 128).sum()


def test_without_a_thought_there_is_neither(recorder: Recorder, tmp_path: Path) -> None:
    episode(recorder, thinking=True)
    episode(recorder, thinking=False)  # a new goal forgets what the last one thought
    recorder.write(tmp_path / "run", RESULT, None)
    assert not (tmp_path / "run/memory.txt").exists()
    assert film(tmp_path / "run")[0].shape[0] < 480 + 2 * 32
