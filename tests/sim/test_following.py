"""Following somebody: one person fits what is said, and the expert stays with that one by seeing alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.episode import Episode, run_episode
from vlingnav_sim.experts import FollowingExpert
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House, Leader, Person
from vlingnav_sim.measures import IN_VIEW, FollowMeasures
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import FollowTask, matching_people, sample_task
from vlingnav_sim.tasks.following import BESIDE_M, SEEN_M, START_M
from vlingnav_sim.tasks.walks import CLEARANCE_M, dense, keeps_apart

MakeRoom = Callable[..., House]

PEOPLE = tuple(
    Person(index, top, bottom, ((0.0, 0.0), (1.0, 0.0)), 0.5)
    for index, (top, bottom) in enumerate([("red", "blue"), ("red", "black"), ("white", "blue")])
)


def drawn(split: str, count: int, first: int = 720_000) -> list[tuple[House, OccupancyGrid, FollowTask]]:
    tasks: list[tuple[House, OccupancyGrid, FollowTask]] = []
    for seed in range(first, first + 10 * count):
        house = generate(seed, HouseConfig(min_rooms=2, max_rooms=3))
        grid = OccupancyGrid.from_house(house)
        try:
            task = sample_task(house, grid, task="follow", split=split)
        except ValueError:
            continue
        assert isinstance(task, FollowTask)
        tasks.append((house, grid, task))
        if len(tasks) == count:
            return tasks
    raise AssertionError("hardly any house leaves room to follow somebody")


@pytest.mark.parametrize(
    ("instruction", "people"),
    [
        ("follow the person in the red jacket", (0, 1)),
        ("Follow the person in the RED shirt and the black pants!", (1,)),
        ("stay with the person in the blue trousers", (0, 2)),
        ("track the person in the white sweater and the blue trousers", (2,)),
        ("follow the person in the green jacket", ()),
        ("follow somebody", ()),
    ],
)
def test_clothes_name_people(instruction: str, people: tuple[int, ...]) -> None:
    assert matching_people(PEOPLE, instruction) == people


def test_who_is_alone_is_alone_and_stands_in_view_at_the_start() -> None:
    for house, grid, task in drawn("alone", 4):
        assert [type(person) for person in task.people] == [Leader] and task.leader == 0
        way = np.array(task.people[0].path)
        assert START_M[0] < np.hypot(*(way[0] - task.start[:2])) < START_M[1]
        with Simulator(task.populated(house), seed=1) as sim:
            sim.reset([task.start])
            assert sim.people()[0, :2] == pytest.approx(way[0], abs=1e-3)
            assert sim.person_visible(0) >= IN_VIEW
        cells = grid.to_cell(dense(way, 0.05))
        assert (grid.clearance[cells[:, 0], cells[:, 1]] > CLEARANCE_M - 2.0 * grid.resolution).all()


def test_a_leader_arrives_about_when_the_time_is_up() -> None:
    house, _, task = drawn("alone", 1)[0]
    with Simulator(task.populated(house)) as sim:
        sim.reset([task.start])
        walked, last = 0.0, sim.people()[0, :2]
        while sim.time < task.time_limit_s:
            sim.step([[0.0, 0.0, 0.0]], 0.1)
            here = sim.people()[0, :2]
            walked, last = walked + float(np.hypot(*(here - last))), here
    assert 0.8 * task.shortest_path_m < walked <= task.shortest_path_m + 0.01


def test_a_way_that_comes_back_too_soon_is_noticed() -> None:
    there = [[0.0, 0.0], [3.0, 0.0]]
    assert keeps_apart(np.array(there))
    assert keeps_apart(np.array([*there, [3.0, 1.5], [0.0, 1.5]]))
    assert not keeps_apart(np.array([*there, [0.5, 0.1]]))


def test_lookalikes_are_really_alike_and_only_the_leader_is_meant() -> None:
    for _, _, task in drawn("lookalikes", 6):
        leader, *others = task.people
        assert 1 <= len(others) <= 3
        assert any((other.top == leader.top) != (other.bottom == leader.bottom) for other in others)
        assert matching_people(task.people, task.goal.instruction) == (task.leader,)
        led = dense(np.array(leader.path), 0.1)
        for other in others:
            lane = dense(np.array(other.path), 0.1)
            gaps = np.hypot(*(lane[:, None] - led).transpose(2, 0, 1)).min(axis=1)
            assert gaps.min() > BESIDE_M - 0.1 and gaps[0] < SEEN_M


def episode_of(
    house: House, grid: OccupancyGrid, task: FollowTask, policy: type
) -> tuple[Episode, FollowMeasures]:
    with Simulator(task.populated(house), seed=house.seed) as simulator:
        episode = run_episode(simulator, policy(simulator), task, grid)
    assert isinstance(episode.measures, FollowMeasures)
    return episode, episode.measures


class StandsStill:
    """Says stop, which ends nothing here."""

    def __init__(self, simulator: Simulator) -> None:
        pass

    def reset(self, goal: Goal) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Decision:
        """Stop."""
        return Decision(np.zeros((8, 3), np.float32), 0.2, observation.stamp, stop=True)


@pytest.mark.parametrize("split", ["alone", "lookalikes"])
def test_the_expert_stays_with_the_person_and_who_stands_still_does_not(split: str) -> None:
    tasks = drawn(split, 3, 720_100)
    followed = [episode_of(*each, FollowingExpert)[1] for each in tasks]
    assert sum(figures.success for figures in followed) >= 2, "one may end with the leader round a corner"
    assert np.mean([figures.tracking_rate for figures in followed]) > 0.8
    assert not any(figures.collisions for figures in followed)
    episode, stood = episode_of(*tasks[-1], StandsStill)
    assert not stood.success and stood.tracking_rate < 0.7
    assert not episode.stopped and stood.elapsed_s >= tasks[-1][2].time_limit_s - 1e-6


def test_the_expert_does_not_know_where_somebody_is_whom_it_has_not_seen(make_room: MakeRoom) -> None:
    ways = []
    for x, y in ((-2.0, 1.0), (-2.0, -1.0), (2.0, -1.0)):
        leader = Leader(0, "red", "blue", ((x, y), (0.0, y)), 0.4)
        with Simulator(make_room(people=[leader])) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            expert = FollowingExpert(sim)
            expert.reset(Goal("follow the person in the red jacket", "follow"))
            assert expert.heading_for is None
            ways.append(expert.act(Observation(np.zeros((1, 1, 3), np.uint8), 0.0)).trajectory)
            assert expert.heading_for is not None
    assert np.array_equal(ways[0], ways[1]), "behind its back"
    assert not np.array_equal(ways[1], ways[2]), "before its eyes"


def test_an_instruction_that_fits_two_is_refused() -> None:
    house, _, task = drawn("alone", 1)[0]
    twin = dataclasses.replace(task.people[0], index=1)
    with Simulator(dataclasses.replace(house, people=(task.people[0], twin))) as sim:
        sim.reset([task.start])
        with pytest.raises(ValueError, match="fits 2 people"):
            FollowingExpert(sim).reset(task.goal)
