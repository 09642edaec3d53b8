"""What the filter is measured against: a barrier filter with a fixed gain, as published, and ORCA.

`fixed_barrier` restates the decentralised hand-written CBF-QP of gcbfplus (MIT-REALM, `dec_share_cbf`): the
three nearest robots or hits, h = d^2 - 4 (1.01 r)^2 for single integrators, h = 2 dx.dv + g (d^2 - 4 r^2) for
double integrators (g = 10) and cars (g = 5), conditions of continuous time, half of each between robots.
Its slacks cost so much there that they matter only where no control keeps all three; here the projection
takes the least violating control then.

`Orca` is van den Berg et al. 2011 by way of the package pyrvo, which binds RVO2. It is not a filter: it takes
a wish for a velocity and has the obstacles as polygons rather than hits. Models with inertia are steered to
its velocity as fast as they can, which voids its guarantee.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.dynamics import DoubleIntegrator, DubinsCar, Model, SingleIntegrator
from vlingnav_safety.multi.nominal import cruise
from vlingnav_safety.multi.reach import control_for
from vlingnav_safety.multi.worlds import Scenes, WorldConfig
from vlingnav_safety.qp import project_batch

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

FIXED_GAINS = (0.5, 1.0, 5.0)
"""Class-K gains of `fixed_barrier` that are tried [1/s]; gcbfplus has 1."""

_NEAREST = 3
_POLE = {DoubleIntegrator: 10.0, DubinsCar: 5.0}
_TURN = 10.0  # what a car's barrier takes for its turn rate per unit of control; its dynamics have 20


def fixed_barrier(
    model: Model, state: Array, desired: Array, hits: Array, index: Indices, radius: float, gain: float
) -> Array:
    """Control `(E, N, inputs)` of the published filter.

    Args:
        model: how the robots move.
        state: `(E, N, size)`.
        desired: `(E, N, inputs)`.
        hits: `(E, N, R, 2)` [m], inf where nothing is seen.
        index: `(E, N, K)` the nearest robots, -1 where there are fewer.
        radius: of a robot [m].
        gain: class-K gain [1/s].
    """
    position, velocity = state[..., :2], model.velocity(state)
    world, other = np.arange(len(state))[:, None, None], np.maximum(index, 0)
    there = np.where(index[..., None] < 0, np.inf, position[world, other])
    others = np.where(index[..., None] < 0, 0.0, velocity[world, other])
    there = np.concatenate([there, hits], axis=2)
    others = np.concatenate([others, np.zeros_like(hits)], axis=2)
    distance = np.linalg.norm(position[:, :, None] - there, axis=-1)
    nearest = np.argsort(distance, axis=-1)[..., :_NEAREST]
    dx = position[:, :, None] - np.take_along_axis(there, nearest[..., None], axis=2)
    seen = np.isfinite(dx).all(axis=-1)
    dx = np.where(seen[..., None], dx, 0.0)
    dv = velocity[:, :, None] - np.take_along_axis(others, nearest[..., None], axis=2)
    apart = (dx**2).sum(-1)
    if isinstance(model, SingleIntegrator):
        slope, drift, barrier = 2.0 * dx, np.zeros(apart.shape), apart - 4.0 * (1.01 * radius) ** 2
    else:
        pole = _POLE[type(model)]
        barrier = 2.0 * (dx * dv).sum(-1) + pole * (apart - 4.0 * radius**2)
        drift = ((2.0 * dv + 2.0 * pole * dx) * dv).sum(-1)
        if isinstance(model, DoubleIntegrator):
            slope = 2.0 * dx / model.mass
        else:
            c, s, v = np.cos(state[..., 2]), np.sin(state[..., 2]), state[..., 3]
            ahead = c[..., None] * dx[..., 0] + s[..., None] * dx[..., 1]
            beside = c[..., None] * dx[..., 1] - s[..., None] * dx[..., 0]
            slope = np.stack([_TURN * 2.0 * v[..., None] * beside, 2.0 * ahead], axis=-1)
    share = np.where(nearest < index.shape[2], 0.5, 1.0)
    bound = np.where(seen, share * (drift + gain * barrier), 0.0)
    slope = np.where(seen[..., None], slope, 0.0)
    top = model.clip(np.full_like(desired, np.inf)).reshape(-1, 2)
    # A slack is missed in units of the barrier, whatever the length of its row.
    give = 1.0 / np.maximum(np.linalg.norm(slope, axis=-1), 1e-9).reshape(-1, _NEAREST)
    rows, bounds = -slope.reshape(-1, _NEAREST, 2), bound.reshape(-1, _NEAREST)
    answer, _, _ = project_batch(desired.reshape(-1, 2), rows, bounds, -top, top, np.ones(2), give)
    return np.where(np.isfinite(answer), answer, 0.0).reshape(desired.shape)


class Orca:
    """One RVO2 simulation per world. Call `control` once per period."""

    def __init__(self, config: WorldConfig, scenes: Scenes, horizon: float = 1.0) -> None:
        """Build the worlds; robots and walls are avoided `horizon` [s] ahead.

        Raises:
            ImportError: pyrvo is not installed.
        """
        self._model, speed = config.model, getattr(config.model, "speed", 1.0)
        simulator = import_module("pyrvo").RVOSimulator
        self._worlds: list[Any] = []
        for rectangles, start in zip(scenes.rectangles, scenes.state[..., :2], strict=True):
            world = simulator(
                config.model.dt, config.sensing, 10, horizon, 0.5 * horizon, config.radius * 1.02, speed
            )
            for x, y, hx, hy, c, s in rectangles:
                corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))  # counterclockwise
                world.add_obstacle(
                    [(x + c * a * hx - s * b * hy, y + s * a * hx + c * b * hy) for a, b in corners]
                )
            world.process_obstacles()
            for point in start:
                world.add_agent(tuple(point))
            self._worlds.append(world)

    def control(self, state: Array, velocity: Array, goal: Array) -> Array:
        """Control `(E, N, inputs)` for states `(E, N, size)`, velocities and goals `(E, N, 2)`."""
        way = goal - state[..., :2]
        away = np.linalg.norm(way, axis=-1)
        wish = way * (cruise(self._model, away) / np.maximum(away, 1e-9))[..., None]
        # A little to one side, so that what is symmetric does not stay so (as in RVO2's examples).
        wish = wish + 1e-3 * np.stack([wish[..., 1], -wish[..., 0]], axis=-1)
        chosen = np.empty_like(wish)
        for e, world in enumerate(self._worlds):
            for i in range(state.shape[1]):
                world.set_agent_position(i, tuple(state[e, i, :2]))
                world.set_agent_velocity(i, tuple(velocity[e, i]))
                world.set_agent_pref_velocity(i, tuple(wish[e, i]))
            world.do_step()
            for i in range(state.shape[1]):
                taken = world.get_agent_velocity(i)
                chosen[e, i] = taken.x, taken.y
        heading = np.arctan2(chosen[..., 1], chosen[..., 0])
        return control_for(self._model, state, chosen, heading, np.linalg.norm(chosen, axis=-1))
