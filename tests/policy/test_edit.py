"""Edits of a trajectory, and what a head sees."""

from __future__ import annotations

import numpy as np
import pytest

from vlingnav_policy.edit import difference, edit_trajectory, features
from vlingnav_policy.se2 import logarithm, relative

DT = 0.2
ARC = edit_trajectory(np.zeros((8, 3), np.float32), DT, 0.4, 0.5)


def velocities(trajectory: np.ndarray) -> np.ndarray:
    poses = np.vstack([np.zeros(3), trajectory.astype(np.float64)])
    return np.array([logarithm(leg) / DT for leg in relative(poses[:-1], poses[1:])])


def test_no_edit_changes_nothing() -> None:
    assert edit_trajectory(ARC, DT, 0.0, 0.0) == pytest.approx(ARC, abs=1e-6)


@pytest.mark.parametrize("edit", [(0.1, 0.0), (0.0, -1.2), (-0.6, 0.8)])
def test_an_edit_is_added_to_the_velocity_of_every_leg_and_can_be_told_again(
    edit: tuple[float, float],
) -> None:
    edited = edit_trajectory(ARC, DT, *edit)
    assert velocities(edited) == pytest.approx(velocities(ARC) + np.array([edit[0], 0.0, edit[1]]), abs=1e-4)
    assert difference(ARC, edited, DT, 4) == pytest.approx(edit, abs=1e-4)


def test_who_was_to_stand_can_turn_on_the_spot_and_back_away() -> None:
    standing = np.zeros((8, 3), np.float32)
    assert edit_trajectory(standing, DT, 0.0, 1.0)[-1] == pytest.approx([0.0, 0.0, 1.6])
    assert edit_trajectory(standing, DT, -0.3, 0.0)[-1] == pytest.approx([-0.48, 0.0, 0.0], abs=1e-6)


def seen(**changes: np.ndarray) -> np.ndarray:
    out = {
        "mean": np.zeros((1, 8, 3), np.float32),
        "log_std": np.zeros((1, 8, 3), np.float32),
        "stop": np.array([1e6], np.float32),
        "found": np.array([[5.0, 100.0, -100.0, -5.0]], np.float32),
    }
    read = {"think": np.array([-1e6], np.float32), "values": np.zeros((4, 1, 5, 289, 32), np.float32)}
    merged = {**read, **out, **changes}
    return features(merged, merged, np.zeros(3, np.float32))


def test_a_head_sees_numbers_of_moderate_size() -> None:
    assert seen().dtype == np.float32 and np.isfinite(seen()).all() and np.abs(seen()).max() <= 3.0


def test_a_head_sees_what_was_read_at_the_last_layer_and_token_and_nowhere_else() -> None:
    values = np.zeros((4, 1, 5, 289, 32), np.float32)
    values[:-1], values[-1, :, :, :-1] = 1.0, 1.0
    assert np.array_equal(seen(values=values), seen())
    values[-1, 0, :, -1] = 0.5
    assert (seen(values=values) != seen()).sum() == 5 * 32
