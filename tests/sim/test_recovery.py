"""Who is stuck gets out; who is not is left alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_policy.types import Decision
from vlingnav_sim.experts.recovery import PATIENCE_S, ROOM_M, Recovery
from vlingnav_sim.experts.trajectories import PLANNING_RADIUS_M, TrajectoryConfig, roll_out
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house.model import House, Person
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]
AHEAD = np.array([[5.0, 0.0]])


def wishes(sim: Simulator, seconds: float, *, moves: bool = False, path: np.ndarray = AHEAD) -> list[bool]:
    """Which of its wishes, one every 0.4 s, to drive along `path` a robot is let have; it mostly stands."""
    grid = OccupancyGrid.from_house(sim.house, PLANNING_RADIUS_M, 0.1)
    recovery, kept = Recovery(sim, 0, grid, TrajectoryConfig()), []
    for k in range(round(seconds / 0.4)):
        wish = Decision(roll_out(sim.pose(), path), 0.2, 0.4 * k)
        answer = recovery.free(wish)
        kept.append(answer is wish)
        if not kept[-1]:
            assert answer.stamp == wish.stamp and not np.allclose(answer.trajectory, wish.trajectory)
        if moves:
            sim.step([[-0.2, 0.0, 0.0]], 0.4)
    return kept


def test_who_is_held_at_a_wall_turns_away_from_it_after_a_while(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[3.0 - 0.6 * ROOM_M, 0.0, 0.0]])
        kept = wishes(sim, PATIENCE_S + 1.2)
    patience = round(PATIENCE_S / 0.4)
    assert kept[:patience] == [True] * patience and not any(kept[patience:])


def test_who_moves_or_has_room_or_wants_nothing_is_left_alone(make_room: MakeRoom) -> None:
    with Simulator(make_room()) as sim:
        sim.reset([[2.7, 0.0, 0.0]])
        assert all(wishes(sim, 2.0 * PATIENCE_S, moves=True)), "it moves"
        sim.reset([[0.0, 0.0, 0.0]])
        assert all(wishes(sim, 2.0 * PATIENCE_S)), "it has room"
        sim.reset([[2.7, 0.0, 0.0]])
        assert all(wishes(sim, 2.0 * PATIENCE_S, path=sim.pose()[None, :2])), "it wants to stay"


@pytest.mark.parametrize("aside", [0.0, 1.0])
def test_who_stands_in_somebodys_way_gives_way(make_room: MakeRoom, aside: float) -> None:
    """The robot wants west, the person who comes there wants east, along the same line or not."""
    person = Person(0, "red", "blue", ((-2.5, 0.0), (2.5, 0.0)), 0.5)
    with Simulator(make_room(people=[person])) as sim:
        sim.reset([[1.0, aside, np.pi]])
        while not (-0.1 < sim.people()[0, 0] < 0.3 and sim.people_yaw()[0] == 0.0):
            sim.step([[0.0, 0.0, 0.0]], 0.05)
        kept = wishes(sim, PATIENCE_S + 0.8, path=np.array([[-5.0, aside]]))
    assert all(kept) == bool(aside)
