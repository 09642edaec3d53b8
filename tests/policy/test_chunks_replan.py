"""When the policy is asked again, and what it is told of what the robot goes on with."""

from __future__ import annotations

import numpy as np
import pytest

from vlingnav_policy import Decision
from vlingnav_policy.chunks import Chunk, ChunkExecutor, Replanner
from vlingnav_policy.se2 import compose, exponential
from vlingnav_policy.tracker import LOOKAHEAD_S

CAMERA, LOOKAHEAD = 0.1, LOOKAHEAD_S
FORWARD = np.array([0.5, 0.0, 0.4])


def decision(stamp: float, steps: int, dt: float) -> Decision:
    rows = [exponential(FORWARD * (k + 1) * dt) for k in range(steps)]
    return Decision(np.array(rows, np.float32), dt, stamp)


def drive(
    replanner: Replanner, steps: int, dt: float, delay: float, seconds: float = 20.0
) -> tuple[int, float]:
    """A robot with a camera of 10 Hz and a policy that takes `delay`: how often it was asked, and for how
    long the robot waited in the last three quarters of the time."""
    executor = ChunkExecutor()
    pending: list[tuple[float, Decision, np.ndarray]] = []
    asked, waited = 0, 0.0
    for tick in range(round(seconds / 0.05)):
        now = tick * 0.05
        pose = exponential(FORWARD * now)
        if tick % 2 == 0 and replanner.due(now) and not pending:
            replanner.asked(now)
            asked += 1
            pending.append((now + delay, decision(now, steps, dt), pose))
        if pending and now >= pending[0][0] - 1e-9:
            _, answer, where = pending.pop()
            replanner.answered(answer, where, delay)
            executor.take(Chunk.placed(answer, where), now)
        executor.at(now, LOOKAHEAD)
        if now <= seconds / 4:
            waited = executor.waited_s
    return asked, executor.waited_s - waited


def test_long_chunks_are_asked_for_at_the_pace() -> None:
    asked, waited = drive(Replanner(0.4), steps=8, dt=0.2, delay=0.1)
    assert asked == pytest.approx(50, abs=1)
    assert waited == 0.0


@pytest.mark.parametrize(("steps", "dt", "delay"), [(10, 0.1, 0.2), (9, 0.1, 0.1), (20, 0.05, 0.25)])
def test_short_chunks_are_asked_for_sooner_so_that_nobody_waits(steps: int, dt: float, delay: float) -> None:
    asked, waited = drive(Replanner(0.8), steps, dt, delay)
    assert waited == 0.0
    assert asked > 20.0 / 0.8 + 1
    _, at_the_pace_alone = drive(_Unhurried(0.8), steps, dt, delay)
    assert at_the_pace_alone > 1.0


class _Unhurried(Replanner):
    """Looks at the pace, and not at what is left."""

    def answered(self, decision: Decision, pose: np.ndarray, delay_s: float) -> None:
        pass


def test_a_policy_slower_than_its_chunks_makes_a_robot_that_waits_and_it_shows() -> None:
    asked, waited = drive(Replanner(0.4), steps=8, dt=0.1, delay=1.5)
    assert 8 <= asked <= 14
    assert waited > 6.0


def test_nobody_is_asked_twice_at_once() -> None:
    replanner = Replanner(10.0)
    replanner.asked(0.0)
    replanner.answered(decision(0.0, 4, 0.1), np.zeros(3), 0.1)
    assert replanner.due(0.1)
    replanner.asked(0.1)
    assert not any(replanner.due(0.1 * k) for k in range(2, 50))


def test_a_clock_that_goes_back_does_not_leave_it_waiting() -> None:
    replanner = Replanner(0.4)
    replanner.asked(100.0)
    assert replanner.due(1.0)


def test_the_first_answer_warms_up_and_the_longest_of_the_latest_counts() -> None:
    replanner = Replanner(0.4)
    for k, delay in enumerate([9.0, 0.1, 0.3, *[0.2] * 9]):
        replanner.answered(decision(0.4 * k, 8, 0.2), np.zeros(3), delay)
        assert replanner.delay_s == (0.0, 0.1, 0.3)[min(k, 2)]
    replanner.answered(decision(5.0, 8, 0.2), np.zeros(3), 0.2)
    assert replanner.delay_s == 0.2


def test_what_is_under_way_is_in_the_frame_of_now_from_now_on() -> None:
    """The same way, seen from further along it, is the same way."""
    replanner = Replanner(0.4)
    start = np.array([3.0, -1.0, 2.0])
    assert replanner.underway(0.0, start) is None
    for stamp, delay in ((0.0, 0.0), (1.0, 0.25)):
        replanner.answered(decision(stamp, 8, 0.2), start, delay)
    underway = replanner.underway(1.4, compose(start, exponential(0.4 * FORWARD)))
    assert underway is not None
    assert underway.dt == 0.2 and underway.delay == 2 and underway.rows.dtype == np.float32
    np.testing.assert_allclose(underway.rows, decision(0.0, 6, 0.2).trajectory, atol=1e-5)
    assert replanner.underway(2.5, start) is None


def test_a_trajectory_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Replanner(0.4).answered(Decision(np.full((8, 3), np.nan, np.float32), 0.2, 0.0), np.zeros(3), 0.1)
