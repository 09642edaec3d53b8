"""The multi-robot filter: nothing that a tuner or a controller says makes robots touch, and off, they do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from vlingnav_safety.dynamics import DubinsCar, Omnidirectional, SingleIntegrator, Unicycle
from vlingnav_safety.multi import BatchConfig, Tuning, filter_batch, nominal
from vlingnav_safety.multi.batch import BRAKE, FILTERED, PASS
from vlingnav_safety.multi.hulls import separate
from vlingnav_safety.multi.worlds import WORLDS, WorldConfig, clearance, generate, nearest_robots, scan

ALL = WORLDS | {
    "unicycle": WorldConfig(Unicycle()),
    "omni": WorldConfig(Omnidirectional(), sensing=0.9),  # a longer stop must be seen farther
}
NAMES = ("single", "double", "dubins")
MODELS = [ALL[name].model for name in ALL]
NAN = float("nan")


def drive(model: Any, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Desired controls that go straight for the goal, in a hurry."""
    if not isinstance(model, Unicycle | Omnidirectional):
        return nominal(model, state, goal, 3.0)
    way, c, s = goal - state[..., :2], np.cos(state[..., 2]), np.sin(state[..., 2])
    ahead, beside = c * way[..., 0] + s * way[..., 1], c * way[..., 1] - s * way[..., 0]
    turn = 4.0 * np.arctan2(beside, ahead)
    axes = (ahead, turn) if isinstance(model, Unicycle) else (ahead, beside, turn)
    return model.clip(5.0 * np.stack(axes, axis=-1))


def smallest_distance(position: np.ndarray) -> float:
    """Between any two robots of one world at `position (E, N, 2)` [m]."""
    apart = np.linalg.norm(position[:, :, None] - position[:, None], axis=-1)
    return float((apart + 10.0 * np.eye(position.shape[1])).min())


def any_numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """What a tuner must not say: NaN, infinities, numbers of any size and sign among sensible ones."""
    values = rng.normal(size=shape) * 10.0 ** rng.uniform(-3.0, 4.0, shape)
    wild = rng.random(shape) < 0.1
    values[wild] = rng.choice([NAN, np.inf, -np.inf, 0.0, 1.0], wild.sum())
    return values


def press(name: str, seed: int, *, filtered: bool) -> tuple[float, float]:
    """Robots in a small crowded world press toward points that change; least distance and clearance [m].

    Every period a tuner says any numbers at all about every constraint.
    """
    config = replace(ALL[name], robots=12, obstacles=3, area=1.3)
    scenes, rng = generate(config, [seed]), np.random.default_rng(seed)
    settings_ = BatchConfig(sensing=config.sensing, spacing=2.0 * np.pi / config.rays)
    state, goal = scenes.state, scenes.goal
    distance, clear = np.inf, np.inf
    for step in range(90):
        position = np.ascontiguousarray(state[..., :2])
        distance = min(distance, smallest_distance(position))
        clear = min(clear, float(clearance(position, scenes.rectangles).min()))
        if step % 15 == 0:
            goal = rng.uniform(0.3, 1.0, (1, 1 if step % 2 else 12, 2)) + np.zeros((1, 12, 2))
        desired = drive(config.model, state, goal)
        if filtered:
            hits = scan(position, scenes.rectangles, config.rays, config.sensing)
            index = nearest_robots(position, config.neighbours, config.sensing)
            pairs, seen = index.shape, hits.shape[:3]
            tuning = Tuning(
                gain=any_numbers(rng, pairs),
                hit_gain=any_numbers(rng, seen),
                share=any_numbers(rng, pairs),
                cost=any_numbers(rng, pairs),
                hit_cost=any_numbers(rng, seen),
            )
            desired, _ = filter_batch(config.model, state, desired, hits, settings_, tuning, index)
        state = config.model.step(state, desired)
    return distance, clear


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_nothing_touches_whatever_the_tuner_says(name: str, seed: int) -> None:
    try:
        distance, clear = press(name, seed, filtered=True)
    except RuntimeError:  # rectangles that leave too little room for so many
        reject()
    assert distance >= 0.1
    assert clear >= 0.05


@pytest.mark.parametrize("name", ALL)
def test_without_the_filter_they_touch(name: str) -> None:
    for seed in range(5):
        distance, clear = press(name, seed, filtered=False)
        assert distance < 0.1
        assert clear < 0.05


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("gain", [0.5, 5.0, np.inf])
def test_the_barrier_condition_of_discrete_time(name: str, gain: float) -> None:
    """With gain g the gap between two stops shrinks by g dt of itself at most, and to nothing by no gain."""
    model = ALL[name].model
    state = model.start(np.array([[[0.0, 0.0], [0.45, 0.02]]]), np.array([[0.0, np.pi]]))
    goal, hits = state[:, ::-1, :2].copy(), np.full((1, 2, 4, 2), np.inf)
    gaps = []
    for _ in range(150):
        desired = drive(model, state, goal)
        control, report = filter_batch(model, state, desired, hits, BatchConfig(), Tuning(gain=gain))
        gaps.append(report.gap[0])
        state = model.step(state, control)
    gap = np.array(gaps)
    np.testing.assert_allclose(gap[:, 0], gap[:, 1], atol=1e-12)
    left = 1.0 - min(1.0, gain * model.dt)
    assert np.all(gap[1:] >= left * gap[:-1] - 1e-12)
    assert gap.min() >= -1e-12
    assert gap.min() < 0.2  # they did come nearer


def test_what_needs_no_change_comes_back_bit_by_bit() -> None:
    for config in ALL.values():
        scenes = generate(config, [3])
        desired = drive(config.model, scenes.state, scenes.goal)
        hits = np.full((1, 32, config.rays, 2), np.inf)
        control, report = filter_batch(config.model, scenes.state, desired, hits, BatchConfig())
        passed = report.status == PASS
        assert passed.mean() > 0.5
        assert np.array_equal(control[passed], desired[passed])
        assert np.all(report.active[passed] == -1) and np.all(report.slack[passed] == 0.0)


def two_robots(model: Any, distance: float = 0.12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States facing each other, desired controls that press on, no hits."""
    state = model.start(np.array([[[0.0, 0.0], [distance, 0.0]]]), np.array([[0.0, np.pi]]))
    desired = drive(model, state, state[:, ::-1, :2] + [[[1.0, 0.0], [-1.0, 0.0]]])
    return state, desired, np.full((1, 2, 4, 2), np.inf)


def test_the_report_names_the_constraint() -> None:
    model = SingleIntegrator()
    state, desired, hits = two_robots(model)
    _, report = filter_batch(model, state, desired, hits, BatchConfig())
    assert report.status.tolist() == [[FILTERED, FILTERED]]
    assert report.active.tolist() == [[1, 0]]
    np.testing.assert_allclose(report.gap, 0.02 - 1e-6)
    hits[0, 0, 2] = [0.0, 0.07]
    _, report = filter_batch(model, state, np.array([[[0.0, 1.0], [0.0, 0.0]]]), hits, BatchConfig())
    assert report.active[0, 0] == 2 + 2 and report.status[0, 1] == PASS


@pytest.mark.parametrize(
    "claims,parts", [((0.5, 0.5), (0.5, 0.5)), ((1.0, 0.2), (0.8, 0.0)), ((2.0, NAN), (1.0, 0.0))]
)
def test_shares_never_add_to_more_than_one(claims: Any, parts: Any) -> None:
    """Each takes what it claims, but no more than the other leaves."""
    model = SingleIntegrator()
    state, desired, hits = two_robots(model)
    share = np.full((1, 2, 20), 0.5)
    share[0, :, 0] = claims
    control, _ = filter_batch(model, state, desired, hits, BatchConfig(), Tuning(share=share))
    used = model.dt * control[0, :, 0] * [1.0, -1.0]
    np.testing.assert_allclose(used, np.array(parts) * (0.02 - 1e-6), atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_too_near_already_they_part(model: Any) -> None:
    """Started 2 cm inside each other, pressing on, they part; but cars, which want no turn here, stand."""
    state, desired, hits = two_robots(model, 0.08)
    for _ in range(100):
        state = model.step(state, filter_batch(model, state, desired, hits, BatchConfig())[0])
        assert smallest_distance(state[..., :2]) >= 0.08 - 1e-12
    if not isinstance(model, DubinsCar):
        assert smallest_distance(state[..., :2]) == pytest.approx(0.1, abs=5e-3)


def test_shut_in_it_stands() -> None:
    """Between two hits nearer than the radius no way leads out: none is made worse to better the other."""
    model = SingleIntegrator()
    hits = np.array([[[[0.0, 0.045], [0.0, -0.035]]]])
    control, report = filter_batch(model, np.zeros((1, 1, 2)), np.array([[[1.0, 0.0]]]), hits, BatchConfig())
    np.testing.assert_array_equal(control, 0.0)
    assert report.status[0, 0] == BRAKE and report.slack[0, 0] > 0.0


def test_a_car_too_near_to_a_wall_turns_where_it_stands_and_leaves() -> None:
    """No velocity along its heading is allowed; the way out is behind it."""
    model = DubinsCar()
    state = model.start(np.zeros((1, 1, 2)), np.zeros((1, 1)))
    hits, goal = np.array([[[[0.045, 0.0]]]]), np.array([[[-1.0, 0.1]]])
    for _ in range(60):
        control, _ = filter_batch(model, state, nominal(model, state, goal), hits, BatchConfig())
        state = model.step(state, control)
        assert np.linalg.norm(state[0, 0, :2] - hits[0, 0, 0]) >= 0.045 - 1e-12
    assert state[0, 0, 0] < -0.3


def test_what_is_dear_is_missed_less() -> None:
    """Wedged between two hits it leaves as fast as it can, not fast enough, and rather from the dear one."""
    model = SingleIntegrator()
    hits = 0.04 * np.array([[[[-0.0872, 0.9962], [-0.0872, -0.9962]]]])
    sideways = []
    for cost in (1 / 3, 1.0, 3.0):
        tuning = Tuning(hit_cost=np.array([[[cost, 1.0]]]))
        control, report = filter_batch(
            model, np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), hits, BatchConfig(), tuning
        )
        assert report.status[0, 0] == FILTERED and report.slack[0, 0] > 0.01
        assert control[0, 0, 0] == pytest.approx(1.0)
        sideways.append(control[0, 0, 1])
    assert sideways[0] > 0.01 and abs(sideways[1]) < 1e-9 and sideways[2] < -0.01


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("what", ["desired", "own state", "neighbour", "hit"])
def test_what_is_not_finite_brakes(model: Any, what: str) -> None:
    """Never a NaN out, never the desired control; and moving robots slow down as fast as they can."""
    state, desired, hits = two_robots(model, 0.4)
    for _ in range(6):
        state = model.step(state, desired)
    before = np.linalg.norm(model.velocity(state)[0, 0])
    spoilt, wish, seen = state.copy(), desired.copy(), hits.copy()
    if what == "desired":
        wish[0, 0, 0] = NAN
    elif what == "hit":
        seen[0, 0, 1] = [NAN, 0.3]
    else:
        spoilt[0, 0 if what == "own state" else 1, 0] = NAN
    control, report = filter_batch(model, spoilt, wish, seen, BatchConfig())
    assert np.all(np.isfinite(control))
    assert report.status[0, 0] == BRAKE
    after = np.linalg.norm(model.velocity(model.step(state, control))[0, 0])
    assert after < before or before == 0.0
    if isinstance(model, SingleIntegrator):
        np.testing.assert_array_equal(control[0, 0], 0.0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("other", [1, 2])
def test_a_number_that_is_none_is_not_lost_among_others(model: Any, other: int) -> None:
    """Of two neighbours one is NaN, the first or the second; a sound constraint must not hide it."""
    state = model.start(np.array([[[0.0, 0.0], [0.2, 0.1], [0.2, -0.1]]]), np.zeros((1, 3)))
    desired, hits = drive(model, state, state[..., :2] + [1.0, 0.0]), np.full((1, 3, 4, 2), np.inf)
    state[0, other, 0] = NAN
    index = np.array([[[1, 2], [0, -1], [0, -1]]])
    _, report = filter_batch(model, state, desired, hits, BatchConfig(neighbours=2), index=index)
    assert report.status[0, 0] == BRAKE


def test_hulls_against_all_differences() -> None:
    """The strip is as wide as the hull of all differences is far from the origin, seen from either side."""
    rng = np.random.default_rng(0)
    turn = np.linspace(-np.pi, np.pi, 3600, endpoint=False)
    across = np.stack([np.cos(turn), np.sin(turn)])
    for _ in range(300):
        a = rng.uniform(0.0, 0.6, 2) + 0.05 * rng.normal(size=(rng.integers(1, 10), 2))
        b = rng.uniform(0.0, 0.6, 2) + 0.05 * rng.normal(size=(rng.integers(1, 10), 2))
        width, nx, ny, reach = separate(a, b)
        best = max(0.0, ((b @ across).min(axis=0) - (a @ across).max(axis=0)).max())
        assert best - 1e-9 <= width <= best + 1e-4
        assert reach == pytest.approx(((a - a[0]) @ [nx, ny]).max(), abs=1e-12)
        back = separate(b, a)
        assert back[0] == pytest.approx(width, abs=1e-12)
        if width > 1e-6:
            np.testing.assert_allclose([-nx, -ny], back[1:3], atol=1e-9)
    assert np.isnan(separate(np.array([[0.0, NAN]]), np.zeros((3, 2)))[0])


class Stranger:
    """A model that is none of ours."""

    dt, lag = 0.03, False

    def velocity(self, state: np.ndarray) -> np.ndarray:
        return np.zeros_like(state)


def test_models_it_does_not_know_are_refused() -> None:
    with pytest.raises(TypeError, match="does not know Stranger"):
        filter_batch(
            Stranger(), np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), np.zeros((1, 1, 0, 2)), BatchConfig()
        )
