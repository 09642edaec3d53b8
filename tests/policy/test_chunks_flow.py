"""Real-time chunking on a flow that is known in closed form: chunks that are a Gaussian process over steps.

For actions N(m, S) and noise N(0, I) the flow's velocity is linear in the actions, its Jacobian a matrix, and
what a chunk is, given its first steps, is the process's conditional mean.
"""

from __future__ import annotations

import numpy as np
import pytest

from vlingnav_policy.chunks.flow import VelocityField, guided_velocity, sample, soft_mask
from vlingnav_policy.types import Underway

H, D = 16, 3
STEP = np.arange(H)
COVARIANCE = np.exp(-np.abs(STEP[:, None] - STEP) / 6.0)
MEAN = np.stack([0.1 * STEP, 0.0 * STEP, np.sin(0.3 * STEP)], axis=1)


def jacobian(tau: float) -> np.ndarray:
    spread = (1.0 - tau) ** 2 * np.eye(H) + tau**2 * COVARIANCE
    return np.linalg.solve(spread, tau * COVARIANCE - (1.0 - tau) * np.eye(H)).T


def field(actions: np.ndarray, tau: float) -> tuple[np.ndarray, VelocityField]:
    """E[actions - noise | partly denoised actions] of the process."""
    matrix = jacobian(tau)
    return MEAN + matrix @ (actions - tau * MEAN), lambda vector: matrix.T @ vector


def rest(seed: int, steps: int) -> np.ndarray:
    """The end of a chunk of the same process."""
    draw = np.linalg.cholesky(COVARIANCE) @ np.random.default_rng(seed).normal(size=(H, D))
    return (MEAN + draw)[:steps].astype(np.float32)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(1000 + seed).normal(size=(H, D))


def test_the_flow_is_that_of_the_process() -> None:
    drawn = np.array([sample(field, noise(k), None, steps=50) for k in range(400)])
    np.testing.assert_allclose(drawn.mean(0), MEAN, atol=0.2)
    spread = np.einsum("kid,kjd->ij", drawn - MEAN, drawn - MEAN) / (400 * D)
    np.testing.assert_allclose(spread, COVARIANCE, atol=0.15)


def test_the_mask_is_that_of_the_paper() -> None:
    weights = soft_mask(16, 10, 4)
    np.testing.assert_array_equal(weights[:4], 1.0)
    np.testing.assert_array_equal(weights[10:], 0.0)
    c = (10 - np.arange(4, 10)) / (10 - 4 + 1)
    np.testing.assert_allclose(weights[4:10], c * (np.exp(c) - 1.0) / (np.e - 1.0))
    assert np.all(np.diff(weights) <= 0.0)


@pytest.mark.parametrize(("overlap", "delay"), [(0, 0), (3, 9), (16, 16), (40, 2), (1, 0)])
def test_the_mask_of_odd_lengths(overlap: int, delay: int) -> None:
    weights = soft_mask(16, overlap, delay)
    assert np.all((weights >= 0.0) & (weights <= 1.0)) and np.all(weights[overlap:] == 0.0)
    np.testing.assert_array_equal(weights[: min(overlap, delay)], 1.0)


def test_nothing_under_way_is_no_guidance() -> None:
    actions, weights = noise(0), np.zeros(H)
    np.testing.assert_array_equal(
        guided_velocity(field, actions, 0.4, noise(1), weights, 5.0), field(actions, 0.4)[0]
    )


def errors(guided: bool, steps: int) -> tuple[float, float, float]:
    """Of the frozen steps, of the step at the hand-over, and of what comes after the rest, on average.

    Against what the process would do: the rest itself, and its mean given that rest.
    """
    frozen, handover, after = [], [], []
    delay, overlap = 4, 8
    gain = np.linalg.solve(COVARIANCE[:overlap, :overlap], COVARIANCE[:overlap, overlap:]).T
    for k in range(20):
        old = rest(k, overlap)
        underway = Underway(old, 0.1, delay) if guided else None
        chunks = np.array([sample(field, noise(100 * k + n), underway, steps) for n in range(20)])
        frozen.append(chunks[:, :delay] - old[:delay])
        handover.append(chunks[:, delay] - old[delay])
        likely = MEAN[overlap:] + gain @ (old - MEAN[:overlap])
        after.append(chunks.mean(0)[overlap : overlap + 4] - likely[:4])
    return tuple(float(np.sqrt(np.mean(np.square(part)))) for part in (frozen, handover, after))  # type: ignore


@pytest.mark.parametrize("steps", [5, 20])
def test_a_guided_chunk_goes_on_from_the_one_under_way(steps: int) -> None:
    (frozen, handover, after), anew = errors(True, steps), errors(False, steps)
    assert frozen < 0.1 * anew[0]
    assert handover < 0.35 * anew[1]
    assert after < 0.8 * anew[2], "what is held bears on what is free"


def test_the_guidance_is_the_gradient_through_the_flow() -> None:
    """Of half the weighted squared error of the denoised actions, by finite differences."""
    actions, weights, tau = noise(3), soft_mask(H, 8, 4), 0.5
    target = np.zeros((H, D))
    target[:8] = rest(3, 8)

    def loss(at: np.ndarray) -> float:
        error = target - (at + (1.0 - tau) * field(at, tau)[0])
        return 0.5 * float(np.sum(weights[:, None] * error**2))

    gradient = np.zeros((H, D))
    for index in np.ndindex(H, D):
        step = np.zeros((H, D))
        step[index] = 1e-5
        gradient[index] = (loss(actions + step) - loss(actions - step)) / 2e-5
    pull = guided_velocity(field, actions, tau, target, weights, 100.0) - field(actions, tau)[0]
    # (1 - tau) / (tau r^2) with r^2 = (1 - tau)^2 / (tau^2 + (1 - tau)^2) is 2 at tau = 0.5.
    np.testing.assert_allclose(pull, -2.0 * gradient, atol=1e-6)
    bounded = guided_velocity(field, actions, tau, target, weights, 1.5) - field(actions, tau)[0]
    np.testing.assert_allclose(bounded, -1.5 * gradient, atol=1e-6)


def two_minds(actions: np.ndarray, tau: float) -> tuple[np.ndarray, VelocityField]:
    """A flow whose chunks pass a pillar on its left or on its right, as chance has it."""
    ways = np.array([side * np.stack([np.sin(np.pi * STEP / H)] * D, axis=1) for side in (-1.0, 1.0)])
    narrow = 0.05**2
    spread = (1.0 - tau) ** 2 + tau**2 * narrow

    def velocity(at: np.ndarray) -> np.ndarray:
        far = np.sum((at - tau * ways) ** 2, axis=(1, 2)) / (2.0 * spread)
        share = np.exp(far.min() - far)[:, None, None] / np.sum(np.exp(far.min() - far))
        slope = (tau * narrow - (1.0 - tau)) / spread
        return np.sum(share * (ways + slope * (at - tau * ways)), axis=0)

    def pullback(vector: np.ndarray) -> np.ndarray:
        # The velocity is a gradient: its Jacobian is symmetric, a product with it a directional derivative.
        return (velocity(actions + 1e-5 * vector) - velocity(actions - 1e-5 * vector)) / 2e-5

    return velocity(actions), pullback


def test_who_passes_on_the_left_does_not_change_its_mind() -> None:
    """Each chunk has new noise: who is not told what is under way chooses anew in front of the pillar."""
    rest = np.stack([np.sin(np.pi * STEP[:10] / H)] * D, axis=1).astype(np.float32)
    underway = Underway(rest, 0.1, 3)
    told = [sample(two_minds, noise(k), underway)[8].mean() for k in range(40)]
    untold = [sample(two_minds, noise(k), None)[8].mean() for k in range(40)]
    assert np.mean(np.array(told) > 0.0) > 0.85
    assert 0.3 < np.mean(np.array(untold) > 0.0) < 0.7
