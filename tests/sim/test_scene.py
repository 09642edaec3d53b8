"""A house as a MuJoCo scene: it compiles, and every geom is known for what it is.

These need only mujoco, numpy, pytest and hypothesis, so another MuJoCo is tried in a venv of its own:
`pip install mujoco==4.0.0 numpy pytest hypothesis`, then `PYTHONPATH=sim pytest tests/sim/test_scene.py`.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlingnav_sim.house import House, HouseConfig, generate
from vlingnav_sim.house.category import extent

mujoco = pytest.importorskip("mujoco")

from vlingnav_sim import scene  # noqa: E402  (it needs mujoco)


def compiled(house: House) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = scene.build_spec(house).compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def ray(
    model: mujoco.MjModel, data: mujoco.MjData, start: object, direction: object, groups: tuple[int, ...]
) -> int:
    """Index of the geom that is hit, or -1."""
    mask = np.zeros(6, dtype=np.uint8)
    mask[list(groups)] = 1
    hit = np.full(1, -1, dtype=np.int32)
    mujoco.mj_multiRay(
        model,
        data,
        np.asarray(start, float),
        np.asarray(direction, float),
        mask,
        1,
        -1,
        hit,
        np.zeros(1),
        None,
        1,
        50.0,
    )
    return int(hit[0])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 699_999))
def test_every_geom_is_labelled(seed: int) -> None:
    house = generate(seed)
    model, _ = compiled(house)
    labels = scene.geom_items(model)
    assert labels.shape == (model.ngeom,) and labels.dtype == np.int16
    drawn = model.geom_group != scene.COLLISION_GROUP
    for item in house.items:
        mine = labels == item.index
        assert np.count_nonzero(mine & drawn) == len(item.parts)
        assert np.count_nonzero(mine & ~drawn) == (item.base == 0.0)
    assert np.count_nonzero(labels == scene.WALL) == len(house.walls)
    assert np.count_nonzero(labels == scene.FLOOR) == len(house.rooms)
    assert np.count_nonzero(labels == scene.SKY) == 1
    assert np.any(labels == scene.PERSON) == bool(house.people)
    assert model.nmocap == len(house.people)
    assert set(np.unique(model.geom_group)) <= {*scene.DRAWN_GROUPS, *scene.SOLID_GROUPS}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 699_999))
def test_parts_are_where_the_house_says(seed: int) -> None:
    """MuJoCo's own boxes round the geoms agree with the extents that the generator reckons with."""
    house = generate(seed)
    model, data = compiled(house)
    labels = scene.geom_items(model)
    for item in house.items:
        body = model.body(f"item_{item.index}").id
        turn = data.xmat[body].reshape(3, 3)
        geoms = np.flatnonzero((labels == item.index) & (model.geom_group == scene.FURNISHING_GROUP))
        for geom, part in zip(geoms, item.parts, strict=True):
            centre = turn.T @ (data.geom_xpos[geom] - data.xpos[body])
            np.testing.assert_allclose(centre, part.position, atol=1e-6)
            if part.shape == "box":
                local = turn.T @ data.geom_xmat[geom].reshape(3, 3)
                np.testing.assert_allclose(np.abs(local) @ model.geom_size[geom], extent(part), atol=1e-6)


def test_nothing_collides_but_what_is_put_in() -> None:
    house = generate(11, HouseConfig(min_rooms=4, people=(3, 3)))
    model, data = compiled(house)
    assert data.ncon == 0
    item = next(i for i in house.items if i.base == 0.0)
    spec = scene.build_spec(house)
    probe = spec.worldbody.add_body(name="probe", pos=[item.pose[0], item.pose[1], 0.2])
    probe.add_freejoint()
    probe.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.1, 0, 0])
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    labels = scene.geom_items(model)
    assert {int(labels[g]) for pair in data.contact.geom for g in pair} == {item.index, scene.ROBOT}


def test_a_lidar_sees_boxes_and_a_camera_sees_between_the_legs() -> None:
    # A ray under the table top, past the legs: solid for the lidar, open for the eye.
    seed = next(
        s
        for s in range(200)
        if any(i.category == "dining table" and len(i.parts) == 6 for i in generate(s).items)
    )
    house = generate(seed, HouseConfig(people=(0, 0)))
    model, data = compiled(house)
    labels = scene.geom_items(model)
    table = next(i for i in house.items if i.category == "dining table" and len(i.parts) == 6)
    start = np.array([table.pose[0], table.pose[1], 0.25])
    c, s = np.cos(table.pose[2]), np.sin(table.pose[2])
    outside = start + (table.half_size[0] + 0.02) * np.array([c, s, 0.0])
    inward = np.array([-c, -s, 0.0])
    assert labels[ray(model, data, outside, inward, scene.SOLID_GROUPS)] == table.index
    assert labels[ray(model, data, outside, inward, scene.DRAWN_GROUPS)] != table.index


def test_walls_stop_every_ray_and_doors_let_them_through() -> None:
    house = generate(8, HouseConfig(min_rooms=3, density=0.0, people=(0, 0)))
    model, data = compiled(house)
    labels = scene.geom_items(model)
    for room in house.rooms:
        x0, y0, x1, y1 = room.rect
        for angle in np.linspace(0.0, 2 * np.pi, 36):
            hit = ray(
                model,
                data,
                [(x0 + x1) / 2, (y0 + y1) / 2, 0.25],
                [np.cos(angle), np.sin(angle), 0],
                scene.SOLID_GROUPS,
            )
            assert hit >= 0 and labels[hit] == scene.WALL
    door = house.doors[0]
    step = np.array([0.0, 1.0, 0.0]) if door.along == "x" else np.array([1.0, 0.0, 0.0])
    before = np.array([*door.position, 0.25]) - 0.3 * step
    distance = np.zeros(1)
    mask = np.zeros(6, dtype=np.uint8)
    mask[list(scene.SOLID_GROUPS)] = 1
    mujoco.mj_multiRay(model, data, before, step, mask, 1, -1, np.zeros(1, np.int32), distance, None, 1, 50.0)
    assert distance[0] > 0.6
    lintel = before + [0.0, 0.0, 2.0]
    assert labels[ray(model, data, lintel, step, scene.DRAWN_GROUPS)] == scene.WALL
    assert labels[ray(model, data, before, [0, 0, 1], scene.DRAWN_GROUPS)] == scene.SKY
    assert labels[ray(model, data, before, [0, 0, -1], scene.DRAWN_GROUPS)] == scene.FLOOR


def test_quality_is_tuned_for_software_rendering() -> None:
    model, _ = compiled(generate(1))
    quality = model.vis.quality
    assert (quality.shadowsize, quality.offsamples, quality.numquads) == (0, 0, 1)
    assert (quality.numslices, quality.numstacks) == (8, 4)
    assert model.nlight == 1 and not model.light_castshadow.any()
