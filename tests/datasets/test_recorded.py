"""What was heard, brought to the times of the pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("pyarrow")

from vlingnav_datasets.lerobot_v3 import FRONT, GOAL
from vlingnav_datasets.recorded import Heard, Series, Thought, lay_out, recorded_schema

FPS = 5.0
NOTHING = Series(np.zeros(0), np.zeros((0, 0)))


def series(*rows: Sequence[float]) -> Series:
    """Rows of a time and values."""
    table = np.array(rows, np.float64)
    return Series(table[:, 0], table[:, 1:])


def heard(pictures: Any, **changes: Any) -> Heard:
    """A robot that drives straight on at 0.5 m/s from 1, 2, and is told so, unless told otherwise."""
    times = np.arange(0.0, 20.0, 0.05)
    driving = np.column_stack(
        [1.0 + 0.5 * times, 2.0 + 0 * times, 0 * times, 0.5 + 0 * times, 0 * times, 0 * times]
    )
    commands = Series(times, np.tile([0.5, 0.0, 0.0], (len(times), 1)))
    plain = Heard(np.asarray(pictures, np.float64), Series(times, driving), commands, commands, NOTHING)
    return dataclasses.replace(plain, **changes)


def columns(episode: Heard, fps: float = FPS) -> dict[str, Any]:
    """Frames as columns, and the picture of each."""
    shown, values = zip(*lay_out(episode, fps), strict=True)
    return {"shown": list(shown), **{key: [row[key] for row in values] for key in values[0]}}


def test_all_columns_of_the_schema_are_there_but_the_pictures() -> None:
    schema = recorded_schema(96, 128)
    (_, values), *_ = lay_out(heard([0.0, 0.2]), FPS)
    assert set(values) == set(schema.frame) - {FRONT, GOAL}
    for key, value in values.items():
        schema.frame[key].checked(key, value)


def test_pictures_are_shown_at_their_times_and_the_last_one_where_none_came() -> None:
    found = columns(heard([0.0, 0.19, 0.41, 1.0, 1.2]))
    assert found["shown"] == [0, 1, 2, 2, 2, 3, 4]
    assert np.allclose(found["stamp"], [0.0, 0.19, 0.41, 0.41, 0.41, 1.0, 1.2])


def test_of_many_pictures_the_nearest_is_shown_unless_the_policy_decided_on_another() -> None:
    pictures = np.arange(13) * 0.1  # at 10 Hz, and 5 frames a second
    assert columns(heard(pictures))["shown"] == [0, 2, 4, 6, 8, 10, 12]
    decisions = tuple(Thought(stamp, "nano@1", f"at {stamp:.1f}", "") for stamp in (0.0, 0.5, 0.9))
    found = columns(heard(pictures, decisions=decisions, stopped=True))
    assert {0, 5, 9} <= set(found["shown"])
    assert [k for k, decided in zip(found["shown"], found["decided"], strict=True) if decided] == [0, 5, 9]
    assert [thought for thought in found["thought"] if thought] == ["at 0.0", "at 0.5", "at 0.9"]
    assert set(found["policy"]) == {"nano@1"}
    assert [k for k, stop in zip(found["shown"], found["stop"], strict=True) if stop] == [9]


def test_every_decision_is_a_frame_when_frames_are_as_many(fps: float = 5.0) -> None:
    rng = np.random.default_rng(0)
    stamps = np.cumsum(rng.uniform(0.03, 0.05, 400))  # 25 Hz, uneven
    on, last = [], -1.0
    for stamp in stamps:
        if stamp - last > 0.36:  # as the policy node chooses
            on.append(float(stamp))
            last = stamp
    decisions = tuple(Thought(stamp, "nano", "", "") for stamp in on)
    found = columns(heard(stamps, decisions=decisions), fps)
    assert [s for s, decided in zip(found["stamp"], found["decided"], strict=True) if decided] == on
    assert np.abs(np.array(found["stamp"]) - stamps[0] - np.arange(len(found["stamp"])) / fps).max() < 0.13


def test_a_decision_on_a_picture_that_was_lost_changes_nothing() -> None:
    found = columns(heard([0.0, 0.2], decisions=(Thought(0.1, "nano", "lost", ""),), stopped=True))
    assert not any(found["decided"]) and not any(found["stop"]) and set(found["thought"]) == {""}


def test_time_without_pictures_is_left_out() -> None:
    found = columns(heard([0.0, 0.2, 10.0, 10.2]))
    assert found["shown"] == [0, 1, 2, 3]
    assert np.allclose(found["stamp"], [0.0, 0.2, 10.0, 10.2])


def test_odometry_is_that_of_the_picture_also_where_the_heading_wraps() -> None:
    odometry = series((0.0, 0.0, 0.0, 3.1, 1.0, 0.0, 0.4), (1.0, 2.0, 0.0, -3.1, 3.0, 0.0, 0.4))
    found = columns(heard([0.5], odometry=odometry))
    assert np.allclose(found["observation.state"][0], [1.0, 0.0, -np.pi, 2.0, 0.0, 0.4], atol=1e-6)


def test_the_action_is_where_the_commands_lead() -> None:
    straight = np.reshape(columns(heard([0.0]))["action"][0], (8, 3))
    assert np.allclose(straight, [[0.1 * k, 0.0, 0.0] for k in range(1, 9)], atol=1e-6)
    # A quarter of a circle to the left in 1 s, and then nothing: what was driven before does not count.
    turn = np.pi / 2
    quarter = [(t, turn, 0.0, turn) for t in np.arange(2.0, 3.0, 0.1)]
    desired = series((0.0, 9.0, 0.0, 0.0), *quarter, (3.0, 0.0, 0.0, 0.0))
    action = np.reshape(columns(heard([2.0], desired=desired))["action"][0], (8, 3))
    assert np.allclose(action[4], [1.0, 1.0, turn], atol=1e-6)
    assert np.allclose(action[4:], action[4])


def test_a_command_that_is_not_repeated_is_carried_out_for_half_a_second() -> None:
    action = np.reshape(columns(heard([1.0], desired=series((1.0, 1.0, 0.0, 0.0))))["action"][0], (8, 3))
    assert np.allclose(action[:, 0], [0.2, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])


def test_nothing_commanded_is_no_motion() -> None:
    found = columns(heard([0.0], desired=NOTHING, applied=NOTHING))
    assert not np.any(found["action"][0]) and not np.any(found["command"][0])


def test_the_command_is_what_went_to_the_motors() -> None:
    applied = series((0.0, 0.1, 0.0, 0.0), (0.3, 0.2, 0.0, 0.5))
    found = columns(heard([0.0, 0.2, 0.4], applied=applied))
    assert np.allclose(found["command"], [[0.1, 0, 0], [0.1, 0, 0], [0.2, 0, 0.5]])


AUTONOMOUS, TAKING_OVER, HUMAN, HANDING_BACK, PAUSED = range(5)


def test_the_step_before_a_takeover_is_punished_and_no_other() -> None:
    phases = series(
        (-9.0, AUTONOMOUS, 3),  # of an earlier episode
        (0.5, TAKING_OVER, 4),
        (0.7, HUMAN, 4),
        (0.9, HANDING_BACK, 4),
        (0.95, TAKING_OVER, 4),  # taken again before the policy had it: the same takeover
        (1.1, HANDING_BACK, 4),
        (1.3, AUTONOMOUS, 4),
        (1.5, TAKING_OVER, 5),
        (1.55, PAUSED, 5),  # between two frames
    )
    found = columns(heard(np.arange(10) * 0.2, phases=phases))
    assert found["phase"] == [0, 0, 0, 1, 2, 1, 3, 0, 4, 4]
    assert found["intervention"] == [False, False, False, True, True, True, False, False, False, False]
    assert found["next.reward"] == [0, 0, -1, 0, 0, 0, 0, -1, 0, 0]


def test_an_arbiter_that_starts_anew_is_no_takeover() -> None:
    found = columns(heard([0.0, 0.2, 0.4], phases=series((0.0, HUMAN, 7), (0.3, AUTONOMOUS, 0))))
    assert found["next.reward"] == [0, 0, 0]


def test_without_an_arbiter_the_policy_drives() -> None:
    found = columns(heard([0.0, 0.2]))
    assert found["phase"] == [0, 0] and not any(found["intervention"])
