"""What holds for every generated house, whatever the seed."""

from __future__ import annotations

import hashlib
import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from vlingnav_sim.grid import OccupancyGrid, footprint_distance
from vlingnav_sim.house import CATALOGUE, COLOURS, House, HouseConfig, Item, generate
from vlingnav_sim.house.category import extent
from vlingnav_sim.house.people import CLEARANCE
from vlingnav_sim.house.raster import Raster

ROBOT_RADIUS = 0.25
seeds = st.integers(0, 699_999)


@pytest.fixture(scope="module")
def houses() -> list[House]:
    return [generate(seed) for seed in range(120)]


def corners(item: Item) -> np.ndarray:
    """Corners (4, 2) of the turned footprint."""
    x, y, yaw = item.pose
    c, s = math.cos(yaw), math.sin(yaw)
    local = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * item.half_size[:2]
    return local @ np.array([[c, s], [-s, c]]) + (x, y)


def overlap(a: Item, b: Item) -> float:
    """How deep two items are in one another [m]; 0 or less where an axis separates them."""
    pa, pb = corners(a), corners(b)
    depth = min(a.base + a.half_size[2], b.base + b.half_size[2]) - max(a.base, b.base)
    for yaw in (a.pose[2], a.pose[2] + math.pi / 2, b.pose[2], b.pose[2] + math.pi / 2):
        axis = np.array([math.cos(yaw), math.sin(yaw)])
        ea, eb = pa @ axis, pb @ axis
        depth = min(depth, min(ea.max(), eb.max()) - max(ea.min(), eb.min()))
    return float(depth)


def main_component(house: House, radius: float = ROBOT_RADIUS) -> tuple[OccupancyGrid, np.ndarray]:
    """The grid, and its largest connected free region (corners do not connect)."""
    grid = OccupancyGrid.from_house(house, radius)
    regions, _ = label(grid.free)
    return grid, regions == np.bincount(regions[regions > 0]).argmax()


def cell_centres(grid: OccupancyGrid) -> np.ndarray:
    return grid.to_world(np.stack(np.indices(grid.free.shape), axis=-1))


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_rooms_and_doors_have_their_sizes(seed: int) -> None:
    house = generate(seed)
    assert 1 <= len(house.rooms) <= 8
    x0, y0, x1, y1 = house.bounds
    for room in house.rooms:
        a, b, c, d = room.rect
        short, long = sorted((c - a, d - b))
        assert x0 <= a and y0 <= b and c <= x1 and d <= y1
        if room.kind == "corridor":
            assert 1.5 - 1e-9 <= short <= 2.0 + 1e-9
        else:
            assert short >= 2.2 - 1e-9 and long <= 6.0 + 1e-9
    for r, q in itertools.combinations(house.rooms, 2):
        shared_x = min(r.rect[2], q.rect[2]) - max(r.rect[0], q.rect[0])
        shared_y = min(r.rect[3], q.rect[3]) - max(r.rect[1], q.rect[1])
        assert min(shared_x, shared_y) < 1e-6, "rooms overlap"
    for door in house.doors:
        assert 0.8 <= door.width <= 1.2
        along, across = (0, 1) if door.along == "x" else (1, 0)
        for index in door.rooms:
            rect = house.rooms[index].rect
            assert door.position[across] in (pytest.approx(rect[across]), pytest.approx(rect[across + 2]))
            assert rect[along] < door.position[along] - door.width / 2
            assert door.position[along] + door.width / 2 < rect[along + 2]


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_doors_are_open_and_walls_closed_elsewhere(seed: int) -> None:
    house = generate(seed)
    low = [w.rect for w in house.walls if w.bottom == 0.0]
    lintels = [w.rect for w in house.walls if w.bottom > 0.0]
    assert all(w.bottom in (0.0, 2.0) and w.top == 2.5 for w in house.walls)

    def inside(point: np.ndarray, rects: list[tuple[float, float, float, float]]) -> bool:
        return any(
            r[0] - 1e-6 <= point[0] <= r[2] + 1e-6 and r[1] - 1e-6 <= point[1] <= r[3] + 1e-6 for r in rects
        )

    for door in house.doors:
        along = np.array([1.0, 0.0]) if door.along == "x" else np.array([0.0, 1.0])
        for share in (-0.99, 0.0, 0.99):
            point = np.array(door.position) + share * door.width / 2 * along
            assert not inside(point, low) and inside(point, lintels)
    # All round each room there is either wall or a door.
    for room in house.rooms:
        x0, y0, x1, y1 = room.rect
        for t in np.linspace(0.0, 1.0, 41):
            for point in (
                (x0 + t * (x1 - x0), y0),
                (x0 + t * (x1 - x0), y1),
                (x0, y0 + t * (y1 - y0)),
                (x1, y0 + t * (y1 - y0)),
            ):
                assert inside(np.array(point), low) or inside(np.array(point), lintels)


def assert_reachable(house: House) -> None:
    grid, region = main_component(house)
    xy = cell_centres(grid)

    def within(room: int) -> np.ndarray:
        x0, y0, x1, y1 = house.rooms[room].rect
        return region & (xy[..., 0] > x0) & (xy[..., 0] < x1) & (xy[..., 1] > y0) & (xy[..., 1] < y1)

    for room in house.rooms:
        assert within(room.index).any(), f"room {room.index} ({room.kind}) is cut off"
    for item in house.items:
        near = footprint_distance(item, xy) <= 0.7
        assert (within(item.room) & near).any(), f"item {item.index} ({item.category}) cannot be reached"


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_robot_reaches_every_room_and_every_item(seed: int) -> None:
    assert_reachable(generate(seed))


def test_without_the_check_furniture_blocks_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Raster, "reach", lambda raster, start: (1 << raster.stride * raster.rows) - 1)
    blocked = 0
    for seed in range(15):
        try:
            assert_reachable(generate(seed, HouseConfig(people=(0, 0))))
        except AssertionError:
            blocked += 1
    assert blocked >= 3


def test_a_walled_up_door_is_noticed() -> None:
    house = next(h for h in map(generate, range(100)) if len(h.rooms) == 2)
    wall = replace(house.walls[0], rect=_door_rect(house), bottom=0.0)
    grid, region = main_component(replace(house, walls=(*house.walls, wall)))
    xy = cell_centres(grid)[region]
    reached = [bool(((xy > r.rect[:2]) & (xy < r.rect[2:])).all(axis=1).any()) for r in house.rooms]
    assert reached.count(True) == 1


def _door_rect(house: House) -> tuple[float, float, float, float]:
    (x, y), w = house.doors[0].position, house.doors[0].width / 2
    return (
        (x - w, y - 0.05, x + w, y + 0.05)
        if house.doors[0].along == "x"
        else (x - 0.05, y - w, x + 0.05, y + w)
    )


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_nothing_stands_in_anything_else(seed: int) -> None:
    house = generate(seed)
    for a, b in itertools.combinations(house.items, 2):
        assert overlap(a, b) <= 1e-3, f"{a.category} {a.index} and {b.category} {b.index}"
    for item in house.items:
        x0, y0, x1, y1 = house.rooms[item.room].rect
        points = corners(item)
        assert (points >= (x0 + 0.05 - 1e-3, y0 + 0.05 - 1e-3)).all(), item.category
        assert (points <= (x1 - 0.05 + 1e-3, y1 - 0.05 + 1e-3)).all(), item.category
        assert item.base + item.half_size[2] < 2.5
        for door in house.doors:
            gap = footprint_distance(item, np.array(door.position))
            assert gap > 0.3 or item.room not in door.rooms, f"{item.category} stands in a door"


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_what_is_not_on_the_floor_stands_or_hangs_on_something(seed: int) -> None:
    house = generate(seed)
    for item in house.items:
        placement = CATALOGUE[item.category].placement
        assert (item.base > 0.0) == (placement in ("on", "hung"))
        if placement == "on":
            supports = [
                other
                for other in house.items
                if other.category in CATALOGUE[item.category].anchors
                and abs(other.base + other.half_size[2] - item.base) < 1e-6
                and footprint_distance(other, np.array(item.pose[:2])) == 0.0
            ]
            assert supports, f"{item.category} floats"


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_people_keep_clear_of_walls_and_furniture(seed: int) -> None:
    house = generate(seed, HouseConfig(people=(1, 3)))
    walls = np.array([w.rect for w in house.walls if w.bottom == 0.0])
    for person in house.people:
        assert 0.4 <= person.speed <= 0.9 and person.top in COLOURS and person.bottom in COLOURS
        path = np.array(person.path)
        assert len(path) >= 2
        for a, b in zip(path, np.roll(path, -1, axis=0), strict=True):
            t = np.linspace(0.0, 1.0, 2 + int(np.hypot(*(b - a)) / 0.05))[:, None]
            points = a + t * (b - a)
            outside = np.maximum(np.maximum(walls[:, None, :2] - points, points - walls[:, None, 2:]), 0.0)
            assert np.hypot(outside[..., 0], outside[..., 1]).min() >= CLEARANCE - 1e-3
            for item in house.items:
                assert footprint_distance(item, points).min() >= CLEARANCE - 1e-3, item.category


def test_most_houses_get_the_people_asked_for() -> None:
    counts = [len(generate(seed, HouseConfig(min_rooms=2, people=(2, 2))).people) for seed in range(20)]
    assert sum(counts) >= 38


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    wanted = (0, 1, 7, 123_456, 800_003, 2**40)
    code = (
        "import hashlib; from vlingnav_sim.house import generate; "
        f"print(*(hashlib.sha256(generate(s).to_json().encode()).hexdigest() for s in {wanted}))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "12345"},
    )
    here = [hashlib.sha256(generate(s).to_json().encode()).hexdigest() for s in wanted]
    assert there.stdout.split() == here
    assert len(set(here)) == len(wanted)


def test_other_people_leave_the_furniture_alone() -> None:
    some, none = (generate(5, HouseConfig(people=p)) for p in ((3, 3), (0, 0)))
    assert some.items == none.items and some.walls == none.walls
    assert some.people and not none.people


def test_there_is_variety(houses: list[House]) -> None:
    assert {len(h.rooms) for h in houses} == set(range(1, 9))
    assert len({room.kind for h in houses for room in h.rooms}) >= 8
    items = [item for h in houses for item in h.items]
    assert {item.category for item in items} == set(CATALOGUE), "a category never comes up"
    assert len(CATALOGUE) >= 36 and sum(c.searchable for c in CATALOGUE.values()) >= 30
    assert {item.colour for item in items} == set(COLOURS) and len(COLOURS) >= 8
    where = {(i.category, h.rooms[i.room].kind) for h in houses for i in h.items}
    assert all(kind == "bedroom" for category, kind in where if category == "bed")
    assert all(kind == "bathroom" for category, kind in where if category == "toilet")


def test_items_look_and_measure_what_they_say() -> None:
    rng = np.random.default_rng(0)
    for name, category in CATALOGUE.items():
        for _ in range(5):
            parts, (hx, hy, height) = category.make(COLOURS[category.colours[0]], rng)
            assert 2 <= len(parts) <= 12, name
            tops = [part.position[2] + extent(part)[2] for part in parts]
            bottoms = [part.position[2] - extent(part)[2] for part in parts]
            assert min(bottoms) == pytest.approx(0.0, abs=1e-3) and max(tops) == pytest.approx(
                height, abs=1e-3
            )
            for axis, half in enumerate((hx, hy)):
                assert max(abs(p.position[axis]) + extent(p)[axis] for p in parts) == pytest.approx(
                    half, abs=1e-3
                )
            assert 0.1 < max(hx, hy, height) < 2.3, name
        assert set(category.colours) <= set(COLOURS) and set(category.anchors) <= set(CATALOGUE), name


def test_shades_keep_the_name_of_their_colour() -> None:
    from vlingnav_sim.house.colours import shade

    rng = np.random.default_rng(0)
    names, table = list(COLOURS), np.array(list(COLOURS.values()))
    for name in names:
        for _ in range(100):
            distance = np.linalg.norm(table - np.array(shade(COLOURS[name], rng)), axis=1)
            assert names[int(distance.argmin())] == name


def test_a_house_of_four_rooms_is_cheap_to_draw() -> None:
    sizes = []
    for seed in range(30):
        house = generate(seed, HouseConfig(min_rooms=4, max_rooms=4))
        sizes.append(sum(len(item.parts) + 1 for item in house.items) + len(house.walls))
    assert np.mean(sizes) < 320 and max(sizes) < 420


def test_no_room_is_left_empty(houses: list[House]) -> None:
    for house in houses:
        for room in house.rooms:
            count = sum(item.room == room.index for item in house.items)
            assert count >= (1 if room.kind == "corridor" else 2), f"{room.kind} of house {house.seed}"


def test_density_zero_gives_empty_rooms() -> None:
    assert generate(3, HouseConfig(density=0.0)).items == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_rooms": 0}, "min_rooms=0"),
        ({"min_rooms": 3, "max_rooms": 2}, "max_rooms=2"),
        ({"max_rooms": 9}, "max_rooms=9"),
        ({"people": (2, 1)}, "people="),
        ({"people": (-1, 1)}, "people="),
        ({"density": -0.5}, "density=-0.5"),
        ({"density": math.nan}, "density=nan"),
        ({"loops": 1.5}, "loops=1.5"),
    ],
)
def test_bad_values_get_a_sentence(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HouseConfig(**options)


def test_a_negative_seed_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match="seed -1 is negative"):
        generate(-1)
