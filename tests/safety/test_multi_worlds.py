"""The worlds: what is seen, what counts as touching and arriving, and that a seed means one world."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from vlingnav_safety.multi.evaluate import interval
from vlingnav_safety.multi.nominal import nominal
from vlingnav_safety.multi.worlds import (
    WORLDS,
    Scenes,
    arrived,
    clearance,
    collided,
    generate,
    nearest_robots,
    rectangle,
    scan,
)


def inside(points: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Whether `points (P, 2)` lie in the rectangle, by its four edges."""
    x, y, hx, hy, c, s = row
    local = (points - [x, y]) @ np.array([[c, -s], [s, c]])
    return np.all(np.abs(local) <= [hx, hy], axis=1)


def test_clearance_and_scan_against_brute_force() -> None:
    """Rays walked in millimetres, and distances to many points, find what the formulas find."""
    rng = np.random.default_rng(0)
    scenes = generate(replace(WORLDS["single"], robots=6, obstacles=6, area=1.5), [1])
    points, rows = scenes.state, scenes.rectangles[0]
    grid = rng.uniform(-0.5, 2.0, (200_000, 2))
    solid = grid[np.any([inside(grid, row) for row in rows], axis=0)]
    distance = clearance(points, scenes.rectangles)[0]
    hits = scan(points, scenes.rectangles, 32, 0.5)[0]
    along = np.arange(0.0, 0.5, 1e-3)
    for i, point in enumerate(points[0]):
        assert distance[i] == pytest.approx(np.linalg.norm(solid - point, axis=1).min(), abs=0.01)
        for k, angle in enumerate(-np.pi + 2.0 * np.pi / 32 * np.arange(32)):
            ray = point + along[:, None] * [np.cos(angle), np.sin(angle)]
            met = np.flatnonzero(np.any([inside(ray, row) for row in rows], axis=0))
            if len(met):
                np.testing.assert_allclose(hits[i, k], ray[met[0]], atol=2e-3)
            else:
                # A graze shorter than a step may be missed by the walk.
                assert np.all(np.isinf(hits[i, k])) or np.linalg.norm(hits[i, k] - point) < 0.5


def test_nearest_robots_against_sorting() -> None:
    points = np.random.default_rng(1).uniform(0.0, 1.5, (3, 40, 2))
    index = nearest_robots(points, 6, 0.4)
    for e in range(3):
        apart = np.linalg.norm(points[e, :, None] - points[e], axis=-1) + 9.0 * np.eye(40)
        for i in range(40):
            order = [j for j in np.argsort(apart[i]) if apart[i, j] < 0.4][:6]
            assert index[e, i].tolist() == order + [-1] * (6 - len(order))


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_keep_what_they_promise(name: str) -> None:
    """Starts 4 r apart and clear, goals too; alone in a batch or not, a seed is the same world."""
    config = replace(WORLDS[name], robots=20, obstacles=8)
    scenes, alone = generate(config, [5, 6, 7]), generate(config, [6])
    np.testing.assert_array_equal(scenes.rectangles[1], alone.rectangles[0])
    np.testing.assert_array_equal(scenes.state[1], alone.state[0])
    for points in (scenes.state[..., :2], scenes.goal):
        assert np.all(nearest_robots(np.ascontiguousarray(points), 1, 0.2) < 0)
        assert clearance(np.ascontiguousarray(points), scenes.rectangles).min() >= 0.2
    sides = 2.0 * scenes.rectangles[..., 2:4]
    assert sides.min() >= config.sides[0] and sides.max() <= config.sides[1]


def test_goals_within_reach() -> None:
    config = replace(WORLDS["single"], area=12.0, travel=2.0)
    scenes = generate(config, [0])
    assert np.linalg.norm(scenes.goal - scenes.state, axis=-1).max() <= 2.0


def test_too_many_robots_are_refused() -> None:
    config = replace(WORLDS["single"], robots=40, area=0.5)
    with pytest.raises(RuntimeError, match="give them more room"):
        generate(config, [0])


def test_touching_and_arriving() -> None:
    config = replace(WORLDS["single"], robots=4)
    points = np.array([[[0.0, 0.0], [0.0999, 0.0], [1.0, 1.0], [1.0, 1.301]]])
    walls = np.array([[rectangle(1.0, 1.15, 0.2, 0.2)]])  # 5 cm above robot 2 and 5.1 cm below robot 3
    assert collided(config, points, walls - [[[0.0, 1e-9, 0, 0, 0, 0]]]).tolist() == [
        [True, True, True, False]
    ]
    goal = points + np.array([[[0.0999, 0.0], [0.1001, 0.0], [0.0, 0.0], [1.0, 0.0]]])
    assert arrived(config, points, goal).tolist() == [[True, False, True, False]]


def test_the_same_density_at_any_number() -> None:
    config = replace(WORLDS["single"], obstacles=8).at_density(1024)
    assert (config.area, config.obstacles) == (pytest.approx(4.0 * 32**0.5), 256)


def test_without_a_filter_as_many_collide_as_in_gcbfplus() -> None:
    """Its own evaluator gave, of 160 single integrators, 22 % safe; and all of them finished."""
    config = WORLDS["single"]
    scenes = generate(config, list(range(10)))
    state, hit, done = scenes.state, np.zeros((10, 32), bool), np.zeros((10, 32), bool)
    for _ in range(config.steps):
        state = config.model.step(state, nominal(config.model, state, scenes.goal))
        hit |= collided(config, state, scenes.rectangles)
        done |= arrived(config, state, scenes.goal)
    assert 0.15 < 1.0 - hit.mean() < 0.4
    assert done.all()


def test_a_thousand_robots_are_simulated_faster_than_they_live() -> None:
    """The world alone: lidar, neighbours, controller, model, collisions."""
    config = replace(WORLDS["single"], obstacles=8)
    scenes = generate(config, list(range(32)))
    state, best = scenes.state, np.inf
    for _ in range(30):
        begin = time.thread_time()
        position = np.ascontiguousarray(state)
        scan(position, scenes.rectangles, config.rays, config.sensing)
        nearest_robots(position, config.neighbours, config.sensing)
        collided(config, position, scenes.rectangles)
        state = config.model.step(state, nominal(config.model, state, scenes.goal))
        best = min(best, time.thread_time() - begin)
    assert best < 0.2 * config.model.dt  # a machine may be slow and busy


def test_intervals() -> None:
    """Wilson's where worlds are like coins; wider where robots of a world share their fate."""
    rng = np.random.default_rng(0)
    independent = rng.random((20, 32)) < 0.9
    low, high = interval(independent)
    assert low < independent.mean() < high and 0.04 < high - low < 0.07
    assert interval(np.ones((20, 32), bool)) == (pytest.approx(0.994, abs=1e-3), 1.0)
    together = np.repeat(rng.random((20, 1)) < 0.6, 32, axis=1)
    assert np.diff(interval(together))[0] > 0.15


def test_scenes_are_a_plain_record() -> None:
    """What another simulator has to give."""
    model = WORLDS["single"].model
    scenes = Scenes(
        np.zeros((1, 0, 6)), model.start(np.zeros((1, 1, 2)), np.zeros((1, 1))), np.ones((1, 1, 2))
    )
    assert np.all(np.isinf(scan(scenes.state, scenes.rectangles, 8, 0.5)))
    assert np.all(np.isinf(clearance(scenes.state, scenes.rectangles)))
