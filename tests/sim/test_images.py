"""The image task: the picture shows the thing that is meant, from nearby, and not from where one starts."""

from __future__ import annotations

import numpy as np

from vlingnav_sim.episode import run_episode
from vlingnav_sim.evaluate import expert_for
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.robots import DIFF
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import sample_task
from vlingnav_sim.tasks.images import FILLED_SHARE, FROM_M, SEEN_SHARE, TO_M, goal_image


def test_a_picture_is_of_the_thing_by_the_camera_of_the_robot() -> None:
    for seed in range(740_000, 740_004):
        house = generate(seed, HouseConfig(min_rooms=2, max_rooms=3))
        task = sample_task(house, OccupancyGrid.from_house(house), task="image")
        image = task.goal.image
        assert image is not None and image.dtype == np.uint8
        assert image.shape == (DIFF.camera.height, DIFF.camera.width, 3)
        (target,) = task.targets
        here = house.rooms[house.items[target].room].rect
        x, y, _ = task.start
        assert not (here[0] < x < here[2] and here[1] < y < here[3]), "the house has other rooms"
        assert house.items[target].category not in task.goal.instruction


def test_pictures_are_taken_from_where_the_thing_is_well_seen(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    house = generate(740_010, HouseConfig(min_rooms=2, max_rooms=3))
    grid = OccupancyGrid.from_house(house)
    taken = []
    observe = Simulator.observe

    def watched(self: Simulator, robot: int = 0):  # type: ignore[no-untyped-def]
        taken.append((self.pose(), {i.index: self.visible(i.index) for i in house.items}, self.labels()))
        return observe(self, robot)

    monkeypatch.setattr(Simulator, "observe", watched)
    for item in house.items:
        if goal_image(house, grid, item, np.random.default_rng(0), DIFF) is None:
            continue
        pose, shares, labels = taken[-1]
        assert shares[item.index] >= SEEN_SHARE and (labels == item.index).mean() >= FILLED_SHARE
        away = np.hypot(*(np.array(item.pose[:2]) - pose[:2]))
        assert FROM_M <= away <= TO_M + np.hypot(*item.half_size[:2])
    assert len(taken) >= 3


def test_the_expert_finds_the_very_thing() -> None:
    for seed in range(740_020, 740_023):
        house = generate(seed, HouseConfig(min_rooms=2, max_rooms=3))
        grid = OccupancyGrid.from_house(house)
        task = sample_task(house, grid, task="image")
        with Simulator(house, seed=seed) as simulator:
            episode = run_episode(simulator, expert_for(simulator, task), task, grid)
        assert episode.measures.success
