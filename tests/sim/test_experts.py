"""The searching expert finds things by looking; baselines do not; the measures tell them apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.episode import run_episode
from vlingnav_sim.experts import RandomWalker, SearchingExpert, ShortestPathExpert
from vlingnav_sim.experts.exploration import Exploration
from vlingnav_sim.experts.trajectories import (
    PLANNING_RADIUS_M,
    TrajectoryConfig,
    cautious_path,
    leads_away,
    roll_out,
)
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import sample_task

SEEDS = range(710_000, 710_012)


def episodes(make, seeds=SEEDS):  # type: ignore[no-untyped-def]
    results = []
    for seed in seeds:
        house = generate(seed, HouseConfig(max_rooms=4))
        grid = OccupancyGrid.from_house(house)
        task = sample_task(house, grid)
        with Simulator(house, seed=seed) as simulator:
            results.append((task, run_episode(simulator, make(simulator), task, grid)))
    return results


def test_experts_succeed_and_the_one_that_knows_the_house_goes_straighter() -> None:
    searching = [e.measures for _, e in episodes(SearchingExpert)]
    shortest = [e.measures for _, e in episodes(ShortestPathExpert)]
    assert sum(m.success for m in searching) >= 0.75 * len(SEEDS)
    assert sum(m.success for m in shortest) >= 0.75 * len(SEEDS)
    assert np.mean([m.spl for m in shortest]) >= np.mean([m.spl for m in searching])


def test_a_random_walker_does_worse() -> None:
    walker = [e.measures for _, e in episodes(RandomWalker, range(710_000, 710_005))]
    assert np.mean([m.spl for m in walker]) < 0.4


def test_measures_of_an_episode_are_consistent() -> None:
    for task, episode in episodes(ShortestPathExpert, range(710_000, 710_003)):
        m = episode.measures
        assert m.path_length_m == pytest.approx(np.hypot(*np.diff(episode.poses[:, :2], axis=0).T).sum())
        assert m.spl == pytest.approx(
            m.success * task.shortest_path_m / max(task.shortest_path_m, m.path_length_m)
        )
        assert m.distance_to_goal_m == 0.0 or not m.success


class StopsAtOnce:
    """Says stop where it stands."""

    def reset(self, goal: Goal) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Decision:
        """Stop."""
        return Decision(np.zeros((8, 3), np.float32), 0.2, observation.stamp, stop=True)


def test_stopping_far_away_is_no_success() -> None:
    for task, episode in episodes(lambda simulator: StopsAtOnce(), range(710_000, 710_003)):
        assert episode.stopped and not episode.measures.success and episode.measures.spl == 0.0
        assert episode.measures.distance_to_goal_m == pytest.approx(task.shortest_path_m, rel=0.1, abs=0.1)


def test_the_searching_expert_does_not_know_what_it_has_not_seen() -> None:
    """Two things of one kind, both out of sight: whichever it is sent for, it sets out the same way."""
    compared = 0
    for seed in range(710_020, 710_050):
        house = generate(seed, HouseConfig(min_rooms=3, max_rooms=4))
        start = sample_task(house, OccupancyGrid.from_house(house)).start
        with Simulator(house, people=False) as simulator:
            simulator.reset(np.array([start]))
            hidden: dict[str, set[str]] = {}
            for item in house.items:
                if simulator.visible(item.index) == 0.0:
                    hidden.setdefault(item.category, set()).add(item.colour)
            shown = {(i.colour, i.category) for i in house.items if simulator.visible(i.index) > 0.0}
            for category, colours in hidden.items():
                names = [
                    f"{colour} {category}" for colour in sorted(colours) if (colour, category) not in shown
                ]
                expert, ways = SearchingExpert(simulator), []
                for name in names[:2]:
                    expert.reset(Goal(f"find the {name}"))
                    ways.append(expert.act(simulator.observe()).trajectory)
                if len(ways) == 2:
                    compared += 1
                    assert np.array_equal(ways[0], ways[1])
    assert compared > 10


def test_the_searching_expert_says_where_it_is_going() -> None:
    house = generate(710_000, HouseConfig(min_rooms=3, max_rooms=4))
    grid = OccupancyGrid.from_house(house)
    task = sample_task(house, grid)
    with Simulator(house, people=False) as simulator:
        expert = SearchingExpert(simulator)
        expert.reset(task.goal)
        assert expert.heading_for is None

        def check(observation: Observation, decision: Decision) -> Decision:
            assert expert.heading_for is not None
            if expert.found is not None:
                np.testing.assert_array_equal(expert.heading_for, house.items[expert.found].pose[:2])
            else:
                searched.append(expert._exploration.seen[tuple(expert._grid.to_cell(expert.heading_for))])
            return decision

        searched: list[bool] = []
        assert run_episode(simulator, expert, task, grid, on_decision=check).measures.success
    assert len(searched) > 3 and all(searched), "a place it has seen"


def test_looking_marks_what_is_in_front_and_not_what_is_behind() -> None:
    house = generate(3, HouseConfig(min_rooms=1, max_rooms=1))
    grid = OccupancyGrid.from_house(house, resolution=0.1)
    exploration = Exploration(house, grid, np.ones(1), np.pi / 2)
    x0, y0, x1, y1 = house.rooms[0].rect
    pose = np.array([0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0])
    exploration.look(pose)
    ahead, behind = grid.to_cell(pose[:2] + (0.6, 0.0)), grid.to_cell(pose[:2] - (0.6, 0.0))
    assert exploration.seen[tuple(ahead)] and not exploration.seen[tuple(behind)]


@pytest.mark.parametrize("yaw", [0.0, 2.0, np.pi])
def test_trajectories_can_be_driven_and_end_where_the_path_ends(yaw: float) -> None:
    config = TrajectoryConfig(waypoints=60)
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    rows = roll_out(np.array([0.0, 0.0, yaw]), path, np.pi / 2, config)
    steps = np.diff(np.vstack([np.zeros(3), rows]), axis=0)
    assert np.hypot(steps[:, 0], steps[:, 1]).max() <= config.speed * config.dt + 1e-6
    assert np.abs((steps[:, 2] + np.pi) % (2 * np.pi) - np.pi).max() <= config.turn_rate * config.dt + 1e-6
    c, s = np.cos(yaw), np.sin(yaw)
    end = np.array([[c, -s], [s, c]]) @ rows[-1, :2]
    assert end == pytest.approx([1.0, 1.0], abs=0.12)


def test_a_way_through_a_tight_place_begins_where_the_robot_is(make_room: Callable[..., House]) -> None:
    """Two walls leave 0.6 m: no free cell of the planner's, whose nearest free one lies beyond a wall."""
    house = make_room(screens=[(-0.35, -2.0, 1.0), (0.35, -2.0, 1.0)])
    grid = OccupancyGrid.from_house(house, PLANNING_RADIUS_M, 0.1)
    pose, region = np.array([0.0, -0.8, 0.0]), np.zeros_like(grid.free)
    region[tuple(grid.nearest_free((-2.0, -0.8)))] = True
    assert not grid.is_free(pose[:2])
    beyond = grid.descend(grid.distance_field(region), pose[:2])
    assert len(beyond) > 1 and not leads_away(beyond, pose)
    path = cautious_path(grid, region, pose, grid.free)
    assert leads_away(path, pose) and path[:, 1].max() > 1.0
