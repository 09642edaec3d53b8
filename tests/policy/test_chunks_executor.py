"""Chunks carried out: what is dropped, how they join, and what happens when the next one does not come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlingnav_policy import Decision
from vlingnav_policy.chunks import Chunk, ChunkExecutor
from vlingnav_policy.chunks.executor import straight
from vlingnav_policy.se2 import compose, exponential, relative

T, DT, H = 8, 0.2, 0.01
JOINTS = 7


def joints(stamp: float, seed: int, steps: int = T) -> Chunk:
    """A chunk for an arm, no step like any other."""
    rows = np.random.default_rng(seed).normal(size=(steps + 1, JOINTS))
    return Chunk(rows[1:], DT, stamp, rows[0])


def driven(stamp: float, pose: np.ndarray, velocity: tuple[float, float, float]) -> Chunk:
    """A chunk that drives at a constant body velocity from `pose`."""
    rows = [exponential(np.array(velocity) * (k + 1) * DT) for k in range(T)]
    return Chunk.placed(Decision(np.array(rows, np.float32), DT, stamp), pose)


def moving(executor: ChunkExecutor, chunk: Chunk, until: float, tick: float = H) -> None:
    """Carry out `chunk` from its stamp on, up to but without `until`."""
    executor.take(chunk, chunk.stamp)
    for k in range(round((until - chunk.stamp) / tick)):
        executor.at(chunk.stamp + k * tick)


@given(delay=st.integers(0, T - 1), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_chunk_goes_on_where_time_has_come_to(delay: int, seed: int) -> None:
    """With d steps done while it was being made, its rows from d on are carried out, each in its turn."""
    executor = ChunkExecutor(blend_s=0.0, along=straight)
    late = joints(0.4, seed)
    moving(executor, joints(0.0, seed + 1, 3 * T), late.stamp + delay * DT, DT)
    executor.take(late, late.stamp + delay * DT)
    told = [executor.at(late.stamp + k * DT, ahead_s=DT) for k in range(delay, T)]
    np.testing.assert_allclose(np.array(told), late.rows[delay:], atol=1e-9)
    assert executor.at(late.end + 1e-6) is None


@given(waited=st.floats(0.0, 5.0), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_who_stood_and_waited_for_a_chunk_begins_it_at_its_beginning(waited: float, seed: int) -> None:
    executor = ChunkExecutor(along=straight)
    late = joints(1.0, seed)
    assert executor.at(0.0) is None
    executor.take(late, late.stamp + waited)
    told = [executor.at(late.stamp + waited + k * DT, ahead_s=DT) for k in range(T)]
    np.testing.assert_allclose(np.array(told), late.rows, atol=1e-9)


def test_what_was_done_before_the_waiting_is_dropped_all_the_same() -> None:
    """0.4 s of the new chunk's time was driven along the old one, then the robot stood for 3 s."""
    executor, forward = ChunkExecutor(), (0.5, 0.0, 0.0)
    moving(executor, driven(0.0, np.zeros(3), forward), T * DT + 3.0)
    executor.take(driven(T * DT - 0.4, np.array([0.6, 0.0, 0.0]), forward), T * DT + 3.0)
    row = executor.at(T * DT + 3.0)
    np.testing.assert_allclose(row, [0.8, 0.0, 0.0], atol=0.5 * H)


velocities = st.tuples(st.floats(-0.6, 0.6), st.just(0.0), st.floats(-1.5, 1.5))


def join(blend_s: float, old: tuple, new: tuple, offset: float, delay: float) -> tuple[float, float]:
    """The largest jump of position [m, rad] and of velocity [m/s, rad/s] around one join.

    The new chunk was decided `offset` beside the way of the old one, `delay` before it comes.
    """
    executor, poses = ChunkExecutor(blend_s), []
    pose = compose(exponential(np.array(old) * 0.4), np.array([0.0, offset, 0.0]))
    executor.take(driven(0.0, np.zeros(3), old), 0.0)
    for k in range(140):
        if k == round((0.4 + delay) / H):
            executor.take(driven(0.4, pose, new), k * H)
        row = executor.at(k * H)
        assert row is not None
        poses.append(row)
    steps = np.array([relative(a, b) for a, b in pairwise(poses)])
    return float(np.abs(steps).max()), float(np.abs(np.diff(steps, axis=0)).max() / H)


@given(old=velocities, new=velocities, offset=st.floats(-0.1, 0.1), delay=st.floats(0.0, 0.5))
@settings(max_examples=60, deadline=None)
def test_a_join_is_continuous_in_position_and_velocity(
    old: tuple, new: tuple, offset: float, delay: float
) -> None:
    """Whatever the two chunks are. They come to be 2.7 rad apart here; a fade of that over 0.4 s is at its
    steepest 1.5 * 2.7 / 0.4 fast and bends by 6 * 2.7 / 0.4 squared: 0.10 and 1.0 in a tick of 10 ms."""
    position, velocity = join(0.4, old, new, offset, delay)
    assert position < 0.15
    assert velocity < 1.5


def test_without_the_blend_it_jumps() -> None:
    across = (0.5, 0.0, 0.0), (0.1, 0.0, 1.2), 0.05, 0.3
    position, velocity = join(0.2, *across)
    assert position < 0.05 and velocity < 1.0
    position, velocity = join(0.0, *across)
    assert position > 0.1 and velocity > 10.0


def test_what_was_told_is_not_taken_back() -> None:
    """The reference that the motors are on is where the new chunk takes over, however far they look ahead."""
    executor = ChunkExecutor()
    old, new = driven(0.0, np.zeros(3), (0.5, 0.0, 0.0)), driven(0.2, np.zeros(3), (0.0, 0.0, 1.0))
    executor.take(old, 0.0)
    last = executor.at(0.5, ahead_s=0.35)
    executor.take(new, 0.5)
    np.testing.assert_array_equal(executor.at(0.5, ahead_s=0.35), last)


def test_chunks_that_come_faster_than_they_fade_stay_continuous() -> None:
    executor, told = ChunkExecutor(blend_s=0.3), []
    for k in range(100):
        now = k * H
        if k % 5 == 0:
            executor.take(driven(now, np.array([0.3 * now, 0.02 * (k % 2), 0.0]), (0.3, 0.0, 0.3)), now)
        told.append(executor.at(now))
    steps = np.diff(np.array(told), axis=0)
    assert np.abs(steps[:, :2]).max() < 0.01


def test_a_chunk_that_is_late_leaves_a_standing_robot_and_is_counted() -> None:
    executor = ChunkExecutor()
    executor.take(driven(0.0, np.zeros(3), (0.5, 0.0, 0.0)), 0.0)
    told = [executor.at(k * H) for k in range(300)]
    ended = round(T * DT / H)
    assert all(row is not None for row in told[:ended])
    assert all(row is None for row in told[ended:]), "nothing is replayed"
    assert executor.waiting
    assert executor.waited_s == pytest.approx(299 * H - T * DT)
    executor.take(driven(2.0, np.array([0.8, 0.0, 0.0]), (0.5, 0.0, 0.0)), 3.0)
    assert executor.waited_s == pytest.approx(3.0 - T * DT)
    assert executor.at(3.0) is not None and not executor.waiting


def test_who_looks_ahead_waits_as_soon_as_there_is_nothing_to_see() -> None:
    executor = ChunkExecutor()
    executor.take(driven(0.0, np.zeros(3), (0.5, 0.0, 0.0)), 0.0)
    last = [executor.at(k * H, ahead_s=0.35) for k in range(160)][-1]
    np.testing.assert_allclose(last, [0.8, 0.0, 0.0], atol=1e-6)
    assert executor.waited_s == pytest.approx(0.34, abs=H)


def test_an_overdue_chunk_is_cut_and_the_rest_of_it_counts_as_waiting() -> None:
    executor = ChunkExecutor()
    moving(executor, driven(0.0, np.zeros(3), (0.5, 0.0, 0.0)), 1.0)
    for k in range(100, 120):
        executor.cut(k * H)
        assert executor.at(k * H) is None
    assert executor.waited_s == pytest.approx(0.19, abs=H)


def test_to_stand_is_not_to_wait() -> None:
    executor = ChunkExecutor()
    moving(executor, driven(0.0, np.zeros(3), (0.5, 0.0, 0.0)), 0.5)
    executor.stand()
    assert executor.at(0.5) is None and executor.at(5.0) is None
    assert executor.waited_s == 0.0 and not executor.waiting


def test_a_clock_that_goes_back_forgets_what_was_to_be_done() -> None:
    executor = ChunkExecutor()
    moving(executor, driven(100.0, np.zeros(3), (0.5, 0.0, 0.0)), 100.5)
    assert executor.at(1.0) is None
    executor.take(driven(1.0, np.zeros(3), (0.5, 0.0, 0.0)), 1.1)
    row = executor.at(1.1)
    assert row is not None and 0.0 <= row[0] <= 0.05 + 1e-6
    assert executor.waited_s == 0.0


def test_a_trajectory_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="rows of x, y and yaw"):
        Chunk.placed(Decision(np.zeros((T, 2), np.float32), DT, 0.0), np.zeros(3))


@pytest.mark.parametrize("bad", ["empty", "shape", "nan", "dt", "stamp"])
def test_a_chunk_that_is_none_is_refused(bad: str) -> None:
    rows, dt, stamp, start = np.zeros((T, 3)), DT, 0.0, np.zeros(3)
    if bad == "empty":
        rows = rows[:0]
    elif bad == "shape":
        start = np.zeros(7)
    elif bad == "nan":
        rows[3, 1] = np.nan
    elif bad == "dt":
        dt = 0.0
    else:
        stamp = np.inf
    with pytest.raises(ValueError, match="a chunk"):
        Chunk(rows, dt, stamp, start)
