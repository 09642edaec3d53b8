"""The occupancy grid against geometry that can be worked out by hand, and against SciPy's Dijkstra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra as scipy_dijkstra

from vlingnav_sim.grid import OccupancyGrid, clear_line, footprint_distance, path_length
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House, Item, Light, Room, Wall

GREY = (0.5, 0.5, 0.5)


def room_with_screen(gap: float) -> House:
    """A 6 x 4 m room with a screen across its middle, open for `gap` m at the top."""
    walls = [
        (-0.05, -0.05, 6.05, 0.05),
        (-0.05, 3.95, 6.05, 4.05),
        (-0.05, -0.05, 0.05, 4.05),
        (5.95, -0.05, 6.05, 4.05),
    ]
    walls.append((2.95, 0.0, 3.05, 4.0 - gap))
    return House(
        0,
        (Room(0, "office", (0.0, 0.0, 6.0, 4.0), GREY, GREY),),
        (),
        tuple(Wall(rect, 0.0, 2.5, GREY) for rect in walls),
        (),
        (),
        Light((0.0, 0.0, -1.0), 0.5, 0.3),
    )


def test_a_path_goes_round_a_screen_and_is_as_long_as_the_taut_string() -> None:
    grid = OccupancyGrid.from_house(room_with_screen(1.0), radius=0.2)
    path = grid.shortest_path((1.0, 1.0), (5.0, 1.0))
    corner = np.array(
        [[1.0, 1.0], [2.8, 3.2], [3.2, 3.2], [5.0, 1.0]]
    )  # round the screen's end, hull radius away
    assert path_length(path) == pytest.approx(path_length(corner), rel=0.04)


def test_a_gap_narrower_than_the_robot_is_no_way() -> None:
    grid = OccupancyGrid.from_house(room_with_screen(0.3), radius=0.2)
    assert len(grid.shortest_path((1.0, 1.0), (5.0, 1.0))) == 0
    assert (
        len(OccupancyGrid.from_house(room_with_screen(0.7), radius=0.2).shortest_path((1.0, 1.0), (5.0, 1.0)))
        > 0
    )


@pytest.mark.parametrize("seed", range(5))
def test_distances_agree_with_scipy_on_eight_neighbours_and_never_exceed_them(seed: int) -> None:
    grid = OccupancyGrid.from_house(generate(seed, HouseConfig(max_rooms=3)), resolution=0.1)
    start = np.argwhere(grid.free)[0]
    ours = grid.distance_field(start[None]) / grid.resolution
    rows, cols = grid.free.shape
    index = np.arange(rows * cols).reshape(rows, cols)
    edges = []
    for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
        for r, c in np.argwhere(grid.free):
            a, b = r + dr, c + dc
            if (
                0 <= a < rows
                and 0 <= b < cols
                and grid.free[a, b]
                and (not (dr and dc) or (grid.free[r, b] and grid.free[a, c]))
            ):
                edges.append((index[r, c], index[a, b], np.hypot(dr, dc)))
    i, j, w = np.array(edges).T
    graph = csr_matrix((w, (i.astype(int), j.astype(int))), shape=(rows * cols, rows * cols))
    theirs = scipy_dijkstra(graph, directed=False, indices=index[tuple(start)]).reshape(rows, cols)
    assert (np.isfinite(ours) == np.isfinite(theirs)).all()
    known = np.isfinite(theirs) & (theirs > 0)
    ratio = ours[known] / theirs[known]
    assert ratio.max() <= 1.0 + 1e-4 and ratio.min() >= 0.92


def test_paths_stay_on_free_cells() -> None:
    for seed in range(5):
        grid = OccupancyGrid.from_house(generate(seed, HouseConfig(max_rooms=4)))
        cells = np.argwhere(grid.free)
        rng = np.random.default_rng(seed)
        a, b = grid.to_world(cells[rng.integers(len(cells), size=2)])
        path = grid.shortest_path(a, b)
        for p, q in zip(path[:-1], path[1:], strict=True):
            p, q = ((x - np.array(grid.origin))[::-1] / grid.resolution for x in (p, q))
            assert clear_line(grid.free, *p, *q)


def test_footprint_distance_of_a_turned_rectangle() -> None:
    item = Item(0, "bed", "red", 0, (1.0, 1.0, np.pi / 2), (1.0, 0.5, 0.5), ())
    there = np.array([[1.0, 1.0], [1.0, 3.0], [2.0, 1.0], [2.5, 3.0]])
    assert footprint_distance(item, there) == pytest.approx([0.0, 1.0, 0.5, np.hypot(1.0, 1.0)])
