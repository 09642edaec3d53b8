"""Episodes whose every value follows from the number of the frame, which its picture shows in big blocks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("av")
pytest.importorskip("pyarrow")

from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetReader, DatasetWriter, Limits, navigation_schema

Picture = NDArray[np.uint8]
FPS = 2.5
BLOCK = 8  # [px], and 16 blocks to a picture: one a bit


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody switches the machine off within a test, and waiting for its disk takes minutes."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def numbered_picture(number: int) -> Picture:
    bits = (number >> np.arange(16)) & 1
    tones = np.where(bits, 210, 40).astype(np.uint8).reshape(4, 4)
    return np.kron(tones, np.ones((BLOCK, BLOCK), np.uint8))[..., None].repeat(3, axis=2)


def number_of(picture: NDArray[Any]) -> int:
    """The number in a picture `(H, W, 3)` from 0 to 255."""
    tones = picture.reshape(4, BLOCK, 4, BLOCK, 3).mean(axis=(1, 3, 4))
    return int(((tones.ravel() > 125) << np.arange(16)).sum())


def numbered_frame(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    thought = f"Step {number}: I see a “chair”, 3 m." if number % 4 == 0 else ""
    return {
        FRONT: numbered_picture(number),
        GOAL: numbered_picture(7),
        "observation.state": rng.normal(size=6).astype(np.float32),
        "action": rng.normal(size=24).astype(np.float32),
        "stop": number % 5 == 4,
        "thought": thought,
        "summary": thought.upper(),
        "facts": json.dumps({"step": number}),
    }


@pytest.fixture(scope="session")
def frame() -> Callable[[int], dict[str, Any]]:
    return numbered_frame


@pytest.fixture(scope="session")
def number() -> Callable[[NDArray[Any]], int]:
    return number_of


@pytest.fixture(scope="session")
def open_writer() -> Callable[..., DatasetWriter]:
    def open_(root: Path, limits: Limits = Limits()) -> DatasetWriter:
        return DatasetWriter(root, navigation_schema(32, 32), fps=FPS, robot_type="diff", limits=limits)

    return open_


@pytest.fixture(scope="session")
def record(open_writer: Callable[..., DatasetWriter]) -> Callable[..., None]:
    """Records episodes of the given lengths; frames go on counting where the dataset ends."""

    def record_(root: Path, lengths: Sequence[int], limits: Limits = Limits()) -> None:
        with open_writer(root, limits) as writer:
            for length in lengths:
                index, begin = writer.episodes, writer.frames
                for step in range(length):
                    writer.add_frame(numbered_frame(begin + step))
                kind = ("object", "image")[index % 2]
                writer.end_episode(
                    f"find chair {index % 3}", {"house": index, "kind": kind, "success": index > 0}
                )

    return record_


@pytest.fixture(scope="session")
def verify() -> Callable[[Path], DatasetReader]:
    """Compares all that a dataset holds with what `record` puts in; returns its reader."""

    def verify_(root: Path) -> DatasetReader:
        reader = DatasetReader(root)
        count, before = 0, 0
        for index, episode in enumerate(reader):
            expected = [numbered_frame(count + step) for step in range(len(episode))]
            assert episode.meta.task == f"find chair {index % 3}"
            assert episode.meta.extras["house"] == index
            for key in ("observation.state", "action", "stop"):
                assert np.array_equal(episode.arrays[key], [each[key] for each in expected])
            for key in ("thought", "summary", "facts"):
                assert episode.texts[key] == [each[key] for each in expected]
            pictures = list(episode.pictures(FRONT))
            assert [number_of(picture) for picture in pictures] == list(range(count, count + len(episode)))
            assert {number_of(picture) for picture in episode.pictures(GOAL)} == {7}
            assert episode.arrays["index"].tolist() == list(range(count, count + len(episode)))
            before, count = count, count + len(episode)
        assert reader.info.total_frames in (before, count)  # the last may still have to be counted
        return reader

    return verify_
