"""The models keep their limits, batch as they should, and do what their equations say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlingnav_safety.dynamics import (
    DoubleIntegrator,
    DubinsCar,
    Omnidirectional,
    SingleIntegrator,
    Unicycle,
)
from vlingnav_safety.multi.nominal import lqr_gain, nominal

MODELS = [SingleIntegrator(), DoubleIntegrator(), DubinsCar(), Unicycle(), Omnidirectional()]


def name(model: Any) -> str:
    return type(model).__name__


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_batches_are_the_robots_one_by_one(model: Any) -> None:
    rng = np.random.default_rng(0)
    state, control = rng.normal(size=(3, 5, model.size)), 5.0 * rng.normal(size=(3, 5, model.inputs))
    after = model.step(state, control)
    for e, i in np.ndindex(3, 5):
        np.testing.assert_array_equal(after[e, i], model.step(state[e, i], control[e, i]))
    assert after.shape == state.shape


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_absurd_controls_stay_within_the_limits(model: Any) -> None:
    """From rest, whatever is asked for: displacements and velocities are those of the limits at most."""
    state = model.start(np.zeros((100, 2)), np.linspace(-3.0, 3.0, 100))
    control = np.random.default_rng(1).choice([-1e9, 1e9], (100, model.inputs))
    top = float(np.linalg.norm(np.atleast_1d(model.speed)[:2] * np.ones(2)))
    for _ in range(100):
        before, state = state, model.step(state, control)
        moved = np.linalg.norm(state[:, :2] - before[:, :2], axis=1)
        assert moved.max() <= model.dt * top + 1e-12
        assert np.linalg.norm(model.velocity(state), axis=1).max() <= top + 1e-12


@pytest.mark.parametrize("model", [Unicycle(), Omnidirectional()], ids=name)
def test_bases_follow_commands_no_faster_than_they_accelerate(model: Any) -> None:
    state = model.start(np.zeros((1, 2)), np.zeros(1))
    after = model.step(state, np.array(model.speed)[None])
    np.testing.assert_allclose(after[0, 3:], model.dt * np.array(model.acceleration))


def test_a_lag_is_a_lag() -> None:
    """Where `lag` is set, a control moves nothing within its own period; elsewhere it does."""
    for model in MODELS:
        state = model.start(np.zeros((1, 2)), np.zeros(1))
        moved = np.abs(model.step(state, np.ones((1, model.inputs)))[0, :2]).max()
        assert (moved == 0.0) == model.lag


@pytest.mark.parametrize("model", [Unicycle(dt=0.01), Omnidirectional(dt=0.01)], ids=name)
def test_circles_are_circles(model: Any) -> None:
    """At constant speed and turn rate the path is a circle of radius v / w."""
    state = model.start(np.zeros((1, 2)), np.zeros(1))
    command = np.zeros((1, model.inputs))
    command[0, 0], command[0, -1] = 0.5, 1.0
    state[0, 3:] = command
    path = []
    for _ in range(628):
        state = model.step(state, command)
        path.append(state[0, :2])
    np.testing.assert_allclose(np.linalg.norm(np.array(path) - [0.0, 0.5], axis=1), 0.5, atol=1e-4)


def test_gains_are_those_of_gcbfplus() -> None:
    """Their values, from SciPy's solution of the Riccati equation."""
    single = lqr_gain(np.eye(2), 0.03 * np.eye(2), 2.0 * np.eye(2), np.eye(2))
    np.testing.assert_allclose(single, 1.38453172 * np.eye(2), atol=1e-7)
    model = DoubleIntegrator()
    at_rest = nominal(model, np.zeros((1, 4)), np.array([[0.1, 0.0]]))[0]
    moving = nominal(model, np.array([[0.0, 0.0, 0.1, 0.0]]), np.zeros((1, 2)))[0]
    np.testing.assert_allclose([at_rest[0], -moving[0]], [0.15850302, 0.170600375], atol=1e-8)


@pytest.mark.parametrize("model", MODELS[:3], ids=name)
def test_nominal_controllers_arrive(model: Any) -> None:
    rng = np.random.default_rng(2)
    goal = rng.uniform(-1.0, 1.0, (50, 2))
    state = model.start(rng.uniform(-1.0, 1.0, (50, 2)), rng.uniform(-np.pi, np.pi, 50))
    nearest = np.full(50, np.inf)
    for _ in range(300):
        state = model.step(state, nominal(model, state, goal))
        nearest = np.minimum(nearest, np.linalg.norm(state[:, :2] - goal, axis=1))
    assert nearest.max() < 0.1


def test_a_model_without_controller_says_so() -> None:
    with pytest.raises(TypeError, match="Unicycle; give desired controls"):
        nominal(Unicycle(), np.zeros((1, 5)), np.zeros((1, 2)))
