"""Measures against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House, Leader
from vlingnav_sim.measures import (
    FollowMeasures,
    FollowScorer,
    RouteScorer,
    Scorer,
    mean_interval,
    ndtw,
    spl,
    wilson_interval,
)
from vlingnav_sim.measures.route import DoorCounter
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import FollowTask, RouteTask, sample_task

MakeRoom = Callable[..., House]


def test_wilson_interval_matches_the_textbook() -> None:
    assert wilson_interval(40, 100) == pytest.approx((0.3094, 0.4980), abs=1e-3)
    assert wilson_interval(0, 100) == pytest.approx((0.0, 0.0370), abs=1e-3)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_interval_of_a_mean() -> None:
    half = 1.96 * np.sqrt(1.0 / 3.0) / 2.0
    assert mean_interval(np.array([0.0, 1.0, 0.0, 1.0])) == pytest.approx((0.5 - half, 0.5 + half))
    assert mean_interval(np.array([0.5])) == (-np.inf, np.inf)


def test_spl_is_shortest_over_travelled() -> None:
    assert spl(1.0, 5.0, 10.0) == 0.5
    assert spl(1.0, 5.0, 4.0) == 1.0
    assert spl(0.0, 5.0, 5.0) == 0.0


def test_ndtw_of_ways_side_by_side() -> None:
    way = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    assert ndtw(way, way) == pytest.approx(1.0)
    # Every point is 0.5 m from its partner, as many of them as the reference has: exp(-0.5 m / 1 m).
    assert ndtw(way + (0.0, 0.5), way) == pytest.approx(np.exp(-0.5))
    assert ndtw(way[::-1], way) < 0.3
    # How densely a way was written down does not matter.
    dense = np.stack([np.linspace(0.0, 3.0, 100), np.zeros(100)], axis=-1)
    assert ndtw(dense, way) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("visits", "passed"),
    [
        ((0, 1, 2), 2),
        ((0, 1), 1),
        ((0,), 0),
        ((0, 2), 0),  # never came through the first door
        ((0, 1, 0, 1, 2), 2),  # back and forth is no failure
        ((0, 3, 0, 1, 2), 2),  # nor is a wrong turn that is made good
        ((0, 3, 1, 2), 0),  # into room 1, but by another door
        ((0, 1, 2, 1), 2),  # taken is taken
    ],
)
def test_doors_count_in_their_order(visits: tuple[int, ...], passed: int) -> None:
    rooms = [(0.0, 0.0, 2.0, 2.0), (2.0, 0.0, 4.0, 2.0), (2.0, 2.0, 4.0, 4.0), (0.0, 2.0, 2.0, 4.0)]
    counter = DoorCounter(rooms, (0, 1, 2))
    for room in visits:
        x0, y0, _, _ = rooms[room]
        counter.update(np.array([x0 + 1.0, y0 + 1.0]))
    assert counter.passed == passed


def follow(house: House, starts: list[tuple[float, float, float]]) -> FollowMeasures:
    """The figures of a robot that is at each of `starts` for one step, while the leader stands at 0, 0."""
    leader = Leader(0, "red", "blue", ((0.0, 0.0), (0.001, 0.0)), 0.0001)
    task = FollowTask(0, starts[0], Goal("follow the person in red", "follow"), (), 10.0, 1.0, (leader,), 0)
    with Simulator(task.populated(house)) as sim:
        sim.reset([starts[0]])
        scorer = FollowScorer(sim, task)
        for start in starts:
            sim.data.qpos[:3] = start
            sim.step([[0.0, 0.0, 0.0]], 0.01)
            scorer.update()
        return scorer.score(stopped=False)


def test_who_keeps_near_and_looks_tracks(make_room: MakeRoom) -> None:
    figures = follow(make_room(), [(-2.0, 0.0, 0.0)] * 4)
    assert figures.success and figures.in_view and figures.tracking_rate == 1.0
    assert figures.distance_to_person_m == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("end", "tracking_rate"),
    [
        ((-2.0, 0.0, np.pi), 0.5),  # looks away
        ((-0.8, 0.0, 0.0), 1.0),  # tracks, but from nearer than 1 m
    ],
)
def test_the_end_decides_and_every_step_counts(
    make_room: MakeRoom, end: tuple[float, float, float], tracking_rate: float
) -> None:
    figures = follow(make_room(), [(-2.0, 0.0, 0.0)] * 2 + [end] * 2)
    assert not figures.success and figures.tracking_rate == tracking_rate


def test_a_person_behind_a_wall_is_not_tracked(make_room: MakeRoom) -> None:
    figures = follow(make_room(screens=[(-1.0, -1.0, 1.0)]), [(-2.0, 0.0, 0.0)])
    assert not figures.success and figures.tracking_rate == 0.0 and not figures.in_view


def test_who_stands_at_the_end_of_a_route_without_having_gone_it_has_not_done_it() -> None:
    for seed in range(700_000, 700_020):
        house = generate(seed, HouseConfig(min_rooms=4, max_rooms=4))
        grid = OccupancyGrid.from_house(house)
        try:
            task = sample_task(house, grid, task="route")
        except ValueError:
            continue
        if isinstance(task, RouteTask) and len(task.rooms) > 2:
            break
    else:
        pytest.fail("no house has a route of three rooms")
    item = house.items[task.targets[0]]
    end = np.array(task.path[-1])
    with Simulator(house, people=False) as sim:
        sim.reset([task.start])
        route, search = RouteScorer(sim, task, grid), Scorer(sim, task, grid)
        x, y = end
        sim.data.qpos[:3] = x, y, np.arctan2(item.pose[1] - y, item.pose[0] - x)
        sim.step([[0.0, 0.0, 0.0]], 0.01)
        for scorer in (route, search):
            scorer.update()
        assert search.score(stopped=True).success
        figures = route.score(stopped=True)
    assert not figures.success and figures.spl == 0.0 and figures.doors_passed == 0.0
