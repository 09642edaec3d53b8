"""Routes in words: what is said of a way is true of its geometry, and clear."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vlingnav_sim.episode import run_episode
from vlingnav_sim.experts import RouteExpert
from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import Door, House, Item, Light, Room
from vlingnav_sim.lexicon import stretches
from vlingnav_sim.measures import RouteMeasures
from vlingnav_sim.measures.route import DoorCounter
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import RouteTask, sample_task
from vlingnav_sim.tasks.route_words import describe
from vlingnav_sim.tasks.routes import door_between
from vlingnav_sim.tasks.walks import dense


def drawn(count: int, first: int) -> list[tuple[House, OccupancyGrid, RouteTask]]:
    tasks: list[tuple[House, OccupancyGrid, RouteTask]] = []
    for seed in range(first, first + 10 * count):
        house = generate(seed, HouseConfig(min_rooms=3, max_rooms=6))
        grid = OccupancyGrid.from_house(house)
        try:
            task = sample_task(house, grid, task="route")
        except ValueError:
            continue
        assert isinstance(task, RouteTask)
        tasks.append((house, grid, task))
        if len(tasks) == count:
            return tasks
    raise AssertionError("hardly any house has a route")


def left_of(xy: np.ndarray, heading: np.ndarray, point: np.ndarray) -> float:
    """How far [m] `point` lies to the left of who is at `xy` and looks along the unit vector `heading`."""
    ahead = point - xy
    return float(heading[0] * ahead[1] - heading[1] * ahead[0])


def side(text: str) -> float:
    """1 where "left" is said, -1 where "right" is, else 0."""
    return float("left" in text.split()) - float("right" in text.split())


def test_every_word_about_a_side_is_true() -> None:
    doors = things = 0
    for house, _, task in drawn(12, 730_000):
        way = dense(np.array(task.path), 0.05)
        heading = np.array([np.cos(task.start[2]), np.sin(task.start[2])])
        stands = np.array(task.start[:2])
        for number, text in enumerate(stretches(task.goal.instruction)):
            *passing, last = text.split(", ")
            for clause in passing:
                found = re.fullmatch(r"(?:pass|go past|walk past) the (.*) on your (left|right)", clause)
                assert found is not None
                name, where = found.groups()
                here = [i for i in house.items if i.room == task.rooms[number]]
                (item,) = (i for i in here if name in (i.category, f"{i.colour} {i.category}"))
                k = int(np.argmin(footprint_distance(item, way[1:-1]))) + 1
                along = (way[k + 1] - way[k - 1]) / np.hypot(*(way[k + 1] - way[k - 1]))
                assert side(where) * left_of(way[k], along, np.array(item.pose[:2])) > 0.0
                things += 1
            if number == len(task.rooms) - 1:
                continue
            door = door_between(house, *task.rooms[number : number + 2])
            if side(last) != 0.0:
                assert side(last) * left_of(stands, heading, np.array(door.position)) > 0.3
                doors += 1
            x0, y0, x1, y1 = house.rooms[task.rooms[number + 1]].rect
            through = np.array([0.0, 1.0] if door.along == "x" else [1.0, 0.0])
            middle = np.array([0.5 * (x0 + x1), 0.5 * (y0 + y1)])
            heading = through * np.sign(through @ (middle - door.position))
            stands = np.array(door.position) + 0.3 * heading
    assert doors >= 4 and things >= 2


def test_a_route_goes_from_room_to_room_by_its_doors() -> None:
    for house, grid, task in drawn(8, 730_100):
        assert len(set(task.rooms)) == len(task.rooms) >= 2
        x0, y0, x1, y1 = house.rooms[task.rooms[0]].rect
        assert x0 < task.start[0] < x1 and y0 < task.start[1] < y1
        assert house.items[task.targets[0]].room == task.rooms[-1]
        counter = DoorCounter([room.rect for room in house.rooms], task.rooms)
        for xy in (*dense(np.array(task.path), 0.1), np.array(task.path[-1])):
            assert not grid.occupied[tuple(grid.to_cell(xy))]
            counter.update(xy)
        assert counter.passed == len(task.rooms) - 1


# A room with a door in the middle of its northern and of its southern wall, and a plant in the north.
DOORS = (Door((2.0, 4.0), 1.0, "x", (0, 1)), Door((2.0, 0.0), 1.0, "x", (0, 2)))


def told(yaw: float, *things: tuple[str, str, int]) -> set[str | None]:
    """What may be said of the way north to thing 0, by who looks along `yaw` at the start."""
    items = tuple(
        Item(i, category, colour, room, (1.0, 5.5, 0.0), (0.2, 0.2, 0.5), ())
        for i, (colour, category, room) in enumerate(things)
    )
    rects = ((0.0, 0.0, 4.0, 4.0), (0.0, 4.0, 4.0, 8.0), (0.0, -4.0, 4.0, 0.0))
    rooms = tuple(
        Room(i, kind, rect, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        for i, (kind, rect) in enumerate(zip(("office", "kitchen", "kitchen"), rects, strict=True))
    )
    house = House(0, rooms, DOORS, (), items, (), Light((0.0, 0.0, -1.0), 0.5, 0.5))
    legs = [np.array([[2.0, 2.0], [2.0, 4.0]]), np.array([[2.0, 4.0], [2.0, 4.5]])]
    rngs = (np.random.default_rng(seed) for seed in range(40))
    return {describe(house, (2.0, 2.0, yaw), (0, 1), legs, items[0], rng) for rng in rngs}


@pytest.mark.parametrize(("yaw", "where"), [(0.0, "left"), (np.pi, "right"), (0.5 * np.pi, "ahead")])
def test_a_door_is_where_it_is_said_to_be(yaw: float, where: str) -> None:
    texts = told(yaw, ("green", "plant", 1))
    assert len(texts) > 5
    for text in texts:
        said = set((text or "").replace(",", "").split()) & {"left", "right", "ahead", "straight"}
        assert said and said <= ({"ahead", "straight"} if where == "ahead" else {where})
        assert "kitchen" not in (text or ""), "two doors lead to a kitchen"


def test_a_door_at_neither_side_is_not_told_of() -> None:
    assert told(np.radians(90 - 33), ("green", "plant", 1)) == {None}
    assert told(-0.5 * np.pi, ("green", "plant", 1)) == {None}, "nobody sees a door at their back"


def test_things_are_named_as_clearly_as_is_needed() -> None:
    assert any("the plant" in text for text in told(0.0, ("green", "plant", 1)) if text)
    by_colour = told(0.0, ("yellow", "armchair", 1), ("white", "armchair", 0))
    assert all(text and "yellow armchair" in text for text in by_colour) or by_colour == {None}
    assert told(0.0, ("green", "plant", 1), ("green", "plant", 0)) == {None}
    assert None not in told(0.0, ("green", "plant", 1), ("green", "plant", 2)), "too far away to be meant"


def test_the_expert_goes_the_route() -> None:
    for house, grid, task in drawn(3, 730_200):
        with Simulator(house, people=False) as simulator:  # whom it would give way to
            figures = run_episode(simulator, RouteExpert(simulator, task), task, grid).measures
        assert isinstance(figures, RouteMeasures)
        assert figures.success and figures.doors_passed == 1.0 and figures.collisions == 0
        assert figures.ndtw > 0.5 and figures.spl > 0.5
