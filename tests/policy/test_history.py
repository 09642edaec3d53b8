"""Memory: bounded, dense for the present, and the same whether replayed or lived."""

from __future__ import annotations

import numpy as np
import pytest

from vlingnav_policy.history import META, Frame, FrameHistory, HistoryConfig, pool, thin, window_centres

CONFIG = HistoryConfig()


def frame(stamp: float, x: float = 0.0, channels: int = 8) -> Frame:
    tokens = np.full((48, channels), stamp, np.float32)
    return Frame(tokens, stamp, np.array([x, 0.0, 0.0]), maxima=2)


def filled(seconds: float, period: float = 0.4) -> FrameHistory:
    history = FrameHistory(CONFIG)
    for stamp in np.arange(0.0, seconds, period):
        history.add(frame(float(stamp), x=float(stamp)))
    return history


def test_memory_is_bounded_however_long_the_episode() -> None:
    counts = [len(filled(seconds).frames) for seconds in (30, 120, 600, 1800)]
    assert max(counts) <= CONFIG.max_frames
    tokens, meta, used = filled(1800).view()
    assert tokens.shape == (CONFIG.capacity, 8) and meta.shape == (CONFIG.capacity, META)
    assert used <= CONFIG.capacity


def test_the_past_is_sparser_than_the_present_and_the_beginning_is_kept() -> None:
    stamps = np.array([f.stamp for f in filled(120).frames])
    gaps = np.diff(stamps)
    assert gaps[-5:].mean() < 3.2 < gaps[1:4].mean()
    assert stamps[0] == 0.0
    ages = stamps[-1] - stamps
    for age, wide in zip(ages[1:-1], stamps[2:] - stamps[:-2], strict=True):
        assert wide >= 1.5 * CONFIG.interval(float(age))


def test_the_rate_falls_as_the_paper_has_it() -> None:
    assert CONFIG.interval(0.0) == pytest.approx(1.0 / CONFIG.max_rate)
    assert CONFIG.interval(CONFIG.stability) == pytest.approx(np.e / CONFIG.max_rate)
    assert [CONFIG.stride(age) for age in (0.0, 0.1, 0.2, 0.35, 0.4, 0.5, 100.0)] == [1, 1, 2, 3, 4, 5, 6]


def test_thinning_again_changes_nothing() -> None:
    stamps = np.arange(0.0, 60.0, 0.4).tolist()
    kept = [stamps[i] for i in thin(stamps, CONFIG)]
    assert thin(kept, CONFIG) == list(range(len(kept)))


def test_pooling_takes_means_and_maxima_of_whole_windows() -> None:
    tokens = np.random.default_rng(0).normal(size=(48, 3)).astype(np.float32)
    pooled = pool(tokens, (6, 8), 4, maxima=1)
    image = tokens.reshape(6, 8, 3)
    assert pooled.shape == (4, 3) and window_centres((6, 8), 4).shape == (4, 2)
    assert pooled[3, 0] == pytest.approx(image[4:, 4:, 0].mean(), abs=1e-6)
    assert pooled[3, 2] == image[4:, 4:, 2].max()
    assert window_centres((6, 8), 4)[0] == pytest.approx([-0.5, -1 / 3])


def test_memories_are_placed_in_the_newest_body_frame() -> None:
    history = FrameHistory(CONFIG)
    history.add(Frame(np.zeros((48, 4), np.float32), 0.0, np.array([0.0, 0.0, 0.0]), 1))
    history.add(Frame(np.zeros((48, 4), np.float32), 10.0, np.array([3.0, 0.0, np.pi / 2]), 1))
    _, meta, used = history.view()
    oldest = meta[used - 1]
    assert oldest[1:3] * 3.0 == pytest.approx(
        [0.0, 3.0], abs=1e-6
    )  # 3 m to the left of a robot that looks left
    assert oldest[0] * 30.0 == pytest.approx(10.0)


def test_a_repeated_frame_replaces_itself() -> None:
    history = FrameHistory(CONFIG)
    for _ in range(5):
        history.add(frame(1.0))
    assert len(history.frames) == 1
