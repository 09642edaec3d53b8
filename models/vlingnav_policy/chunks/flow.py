"""Real-time chunking: a flow's next chunk as the continuation of the one under way.

Black, Galliker and Levine 2025, "Real-Time Execution of Action Chunking Flow Policies" (arXiv:2506.07339):
the next chunk is inpainted. Its first steps are those that the robot takes while it is being made, as good as
done. The steps after them should resemble the rest of the last chunk, the less the farther they are ahead;
what lies beyond that rest is free. All of it is guidance of the denoising, without any training.

Here is the reference, in numpy; a head that runs elsewhere does the same with its own arrays. Flow time `tau`
runs from noise at 0 to actions at 1, as in the paper (openpi and LeRobot count the other way). Rows and the
rest are in the units of the flow: a policy that normalises its actions normalises `Underway.rows` first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Underway

Array = NDArray[np.float64]
Pullback = Callable[[Array], Array]
VelocityField = Callable[[Array, float], tuple[Array, Pullback]]
"""From actions `(H, D)` and flow time: the velocity `(H, D)` there, and what makes of a vector `(H, D)` its
product with the velocity's Jacobian (jax.vjp gives both; torch.autograd.grad is the second)."""


def soft_mask(horizon: int, overlap: int, delay: int) -> Array:
    """How much each step of the next chunk is held to the rest of the last, `(horizon,)` in [0, 1]; eq. 5.

    Args:
        horizon: steps of a chunk.
        overlap: steps that are left of the last one: H - s in the paper.
        delay: steps that are taken before the next chunk is there: 1 for each of these.
    """
    overlap = min(overlap, horizon)
    delay = min(delay, overlap)
    step = np.arange(horizon)
    share = np.clip((overlap - step) / (overlap - delay + 1), 0.0, 1.0)
    return np.where(step < delay, 1.0, share * np.expm1(share) / math.expm1(1.0))


def guided_velocity(
    field: VelocityField, actions: Array, tau: float, rest: Array, weights: Array, strongest: float
) -> Array:
    """The velocity `(H, D)` at flow time `tau`, pulled towards chunks that go on from `rest`; eqs. 2-4.

    Args:
        field: the flow, with its derivative.
        actions: `(H, D)` partly denoised.
        rest: `(H, D)` of the last chunk; what it holds where the weight is 0 makes no difference.
        weights: `(H,)` as of `soft_mask`.
        strongest: bound on the guidance, beta in the paper: where few steps are taken, more overshoots.
    """
    velocity, pullback = field(actions, tau)
    left = 1.0 - tau
    denoised = actions + left * velocity
    error = weights[:, None] * (rest - denoised)
    # The Jacobian of `denoised` is I + left * that of the velocity: through it a step that is held moves
    # those that the model sees with it.
    pull = error + left * pullback(error)
    strength = strongest if tau == 0.0 else min(strongest, (tau * tau + left * left) / (tau * left))
    return velocity + strength * pull


def sample(
    field: VelocityField, noise: Array, underway: Underway | None, steps: int = 5, strongest: float = 5.0
) -> Array:
    """Denoise `noise (H, D)` into a chunk that goes on from what is under way; eq. 1.

    Args:
        field: the flow, with its derivative.
        underway: as the observation has it; None for a chunk that starts anew.
        steps: of the integration.
        strongest: see `guided_velocity`.
    """
    rest, weights = np.zeros_like(noise), np.zeros(len(noise))
    if underway is not None:
        held = underway.rows[: len(noise)]
        rest[: len(held)] = held
        weights = soft_mask(len(noise), len(held), underway.delay)
    actions = noise
    for step in range(steps):
        velocity = guided_velocity(field, actions, step / steps, rest, weights, strongest)
        actions = actions + velocity / steps
    return actions
