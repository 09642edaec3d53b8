"""A robot keeps to what it has thought, for as long as it was told to."""

from __future__ import annotations

import numpy as np
import pytest

from vlingnav_policy import Decision
from vlingnav_policy.thinking import Resolve

HERE = np.zeros(3)
AHEAD = np.cumsum(np.tile([0.1, 0.0, 0.0], (8, 1)), axis=0).astype(np.float32)
BACK = -AHEAD


def decision(stamp: float, trajectory: np.ndarray, thought: str | None = None) -> Decision:
    return Decision(trajectory=trajectory, dt=0.2, stamp=stamp, thought=thought)


@pytest.mark.parametrize(
    ("after", "kept"), [(0.4, True), (1.2, True), (3 * 0.4, True), (1.3, False), (-1.0, False)]
)
def test_a_thought_is_kept_to_for_its_time(after: float, kept: bool) -> None:
    resolve = Resolve()
    assert np.array_equal(resolve.trajectory(decision(5.0, AHEAD, "ahead"), HERE, 1.2), AHEAD)
    driven = resolve.trajectory(decision(5.0 + after, BACK), HERE, 1.2)
    assert np.array_equal(driven, BACK) != kept
    if kept:  # from where it would be by now, to its end
        assert driven[0] == pytest.approx(AHEAD[0] + [after / 2.0, 0.0, 0.0], abs=1e-6)
        assert driven[-1] == pytest.approx(AHEAD[-1], abs=1e-6)


def test_the_last_thought_counts_and_none_is_held_where_that_is_off() -> None:
    resolve = Resolve()
    resolve.trajectory(decision(5.0, BACK, "back"), HERE, 1.2)
    resolve.trajectory(decision(5.2, AHEAD, "ahead"), HERE, 1.2)
    assert resolve.trajectory(decision(5.4, BACK), HERE, 1.2)[0, 0] > 0.0
    assert np.array_equal(resolve.trajectory(decision(5.4, BACK), HERE, 0.0), BACK)


def test_it_is_driven_from_where_the_robot_is_now() -> None:
    resolve = Resolve()
    resolve.trajectory(decision(5.0, AHEAD, "ahead"), HERE, 1.2)
    turned = np.array([0.1, 0.0, np.pi / 2])
    driven = resolve.trajectory(decision(5.2, BACK), turned, 1.2)
    assert driven[-1, :2] == pytest.approx([0.0, -0.7], abs=1e-6)
