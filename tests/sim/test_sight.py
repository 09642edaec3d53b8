"""How much of a thing or a person is in sight, against what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from vlingnav_sim.house import generate
from vlingnav_sim.house.model import House, Person
from vlingnav_sim.simulator import Simulator

MakeRoom = Callable[..., House]


def test_visible_is_what_the_labels_show(make_room: MakeRoom) -> None:
    house = make_room(boxes=[(1.5, 0.0), (2.5, 1.2), (-2.0, 0.0)], screens=[(2.0, 0.6, 2.0)])
    with Simulator(house) as sim:
        sim.reset([[0.0, 0.0, 0.0]])
        labels = sim.labels()
        assert sim.visible(0) == 1.0 and (labels == 0).sum() > 100
        assert sim.visible(1) == 0.0 and (labels == 1).sum() == 0  # behind the screen
        assert sim.visible(2) == 0.0 and (labels == 2).sum() == 0  # behind the robot
        sim.reset([[0.0, 0.0, math.pi]])
        assert sim.visible(2) == 1.0 and sim.visible(0) == 0.0


def test_visible_falls_while_something_gets_in_the_way(make_room: MakeRoom) -> None:
    shares = []
    for edge in (-2.0, -0.1, 0.0, 0.1, 2.0):
        with Simulator(
            make_room(boxes=[(2.0, 0.0)], screens=[(1.0, -2.0, edge)] if edge > -2.0 else [])
        ) as sim:
            sim.reset([[0.0, 0.0, 0.0]])
            shares.append(sim.visible(0))
    assert shares[0] == 1.0 and shares[-1] == 0.0
    assert shares == sorted(shares, reverse=True) and 0.2 < shares[2] < 0.8


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_visible_agrees_with_labels_in_houses(seed: int) -> None:
    house = generate(seed)
    rng = np.random.default_rng(seed)
    with Simulator(house) as sim:
        checked = 0
        while checked < 12:
            x0, y0, x1, y1 = house.rooms[rng.integers(len(house.rooms))].rect
            try:
                sim.reset([[rng.uniform(x0, x1), rng.uniform(y0, y1), rng.uniform(-np.pi, np.pi)]])
            except ValueError:
                continue
            checked += 1
            labels = sim.labels()
            for item in house.items:
                shown, share = labels == item.index, sim.visible(item.index)
                whole = not (shown[0].any() or shown[-1].any() or shown[:, 0].any() or shown[:, -1].any())
                assert shown.any() or share < 0.15, (sim.pose(), item.category, share)
                assert share > 0.0 or not whole or shown.sum() < 40, (sim.pose(), item.category, shown.sum())


def test_a_person_is_seen_where_they_have_walked_to(make_room: MakeRoom) -> None:
    person = Person(0, "red", "blue", ((1.5, -1.6), (1.5, 1.6)), 0.8)
    with Simulator(make_room(screens=[(1.0, 0.2, 2.0)], people=[person])) as sim:
        sim.reset([[-1.0, 0.0, 0.0]])
        seen: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(200):
            sim.step([[0.0, 0.0, 0.0]], 0.1)
            y = sim.people()[0, 1]
            if abs(y - 0.25) > 0.5:  # not just at the edge of the screen
                seen[bool(y > 0.2)].append(sim.person_visible(0))
        sim.reset([[-1.0, 0.0, math.pi]])
        assert sim.person_visible(0) == 0.0
    assert set(seen[True]) == {0.0} and min(seen[False]) > 0.5
