"""The filter for many robots at once, to be called from any simulator.

    control, report = filter_batch(model, state, desired, hits, BatchConfig(radius=0.05), tuning)

Guaranteed, for every gain, share and cost that the tuning may hold, NaN included: robots whose stops (see
`stops`) are apart at one time are apart at all times; a robot whose stop is clear of what its lidar sees
stays clear of it. The proof is in `stops`. It assumes:

  * Every robot runs this filter on the same positions and velocities, with the same period, and moves as the
    model says. Errors of position of up to p, and of the model over a stop of up to m, are made up for by
    `margin >= 2 p + m`; a control that acts d later than assumed by m = d times the top speed.
  * `sensing` is at least 2 radius + twice the longest stop and what is driven in a period; of robots, no more
    than `neighbours` are that near.
  * Shares of a pair add to at most 1. Here each robot knows what the other claims (`told`) and takes no more
    than that leaves: min(w_ij, 1 - w_ji), which adds to at most 1 for any two claims. Where claims are not
    exchanged, or one is lost, a robot must take min(w_ij, 1/2) itself: then the two still add to at most 1,
    whoever heard whom, since one that heard leaves the other its whole claim. (What is *not* safe is to act
    on a claim of an earlier period.)
  * What the lidar sees stands still and is all there is. Between two rays at angle s a right-angled corner
    can hide, at most tan(s/2) of the distance nearer than the hits beside it and up to s to the side of them:
    hits are taken larger by the one, and by sin(s) of what can be driven before standing for the other.

Where the stops are not apart to begin with (a neighbour that lies, a start too close), the constraints ask
robots to part and may exclude each other. Then the velocity is taken that violates them least, by their
costs, if it comes no nearer to anything than braking would; otherwise the robot brakes, and so it does for
any input that is not finite, its own or a neighbour's. The report says which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.dynamics import Model, Omnidirectional, Unicycle
from vlingnav_safety.multi.bases import axes, filter_bases, own_axes, periods_to_stand, three_axes
from vlingnav_safety.multi.kernel import BRAKE, FILTERED, PASS, filter_all
from vlingnav_safety.multi.reach import control_for, next_velocity, reach
from vlingnav_safety.multi.worlds import nearest_robots

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

__all__ = ["BRAKE", "FILTERED", "PASS", "BatchConfig", "BatchReport", "Tuning", "filter_batch"]


@dataclass(frozen=True)
class BatchConfig:
    """What the filter must know of the robots.

    Attributes:
        radius: of a robot [m].
        margin: clearance kept beyond it, from hits once and from robots once [m].
        sensing: how far robots are seen [m].
        neighbours: how many of the nearest robots constrain one, K.
        spacing: angle between two rays of the lidar [rad].
    """

    radius: float = 0.05
    margin: float = 0.0
    sensing: float = 0.5
    neighbours: int = 20
    spacing: float = 0.0


@dataclass(frozen=True)
class Tuning:
    """What a tuner may say about each constraint; scalars or arrays that broadcast to the shapes given.

    Attributes:
        gain: class-K gain toward robots `(E, N, K)` [1/s]: the part of the gap that may be used up per
            second; taken as 0 below 0 and as 1/dt above it.
        hit_gain: the same toward hits `(E, N, R)` [1/s].
        share: part of each gap to a robot that this one may use `(E, N, K)`, in [0, 1].
        cost: of missing a constraint toward a robot where not all can be met `(E, N, K)`, relative.
        hit_cost: the same toward hits `(E, N, R)`.
    """

    gain: Array | float = np.inf
    hit_gain: Array | float = np.inf
    share: Array | float = 0.5
    cost: Array | float = 1.0
    hit_cost: Array | float = 1.0


@dataclass(frozen=True)
class BatchReport:
    """Why the controls are what they are.

    Attributes:
        status: `(E, N)` `PASS`, `FILTERED` or `BRAKE`.
        gap: `(E, N)` smallest distance between this robot's stop and another's or a hit, less the radii [m]:
            the barrier; inf when nothing is seen.
        slack: `(E, N)` by how much the least violating velocity misses [m/s], over its cost; 0 when all hold.
        active: `(E, N)` the constraint that is tightest: the index of a robot, N + the index of a ray, or -1.
    """

    status: NDArray[np.int8]
    gap: Array
    slack: Array
    active: Indices


def filter_batch(
    model: Model,
    state: Array,
    desired: Array,
    hits: Array,
    config: BatchConfig,
    tuning: Tuning | None = None,
    index: Indices | None = None,
) -> tuple[Array, BatchReport]:
    """Return the safe control nearest to the desired one for every robot, and why.

    Args:
        model: how the robots move; its `dt` is the period in which this is called.
        state: `(E, N, size)` of N robots in E separate worlds.
        desired: `(E, N, inputs)`; see `nominal.nominal` for a controller that drives to goals.
        hits: `(E, N, R, 2)` what each robot's lidar sees [m], in the world frame, inf where it sees nothing.
        config: radius and what else the filter must know.
        tuning: gains, shares and costs; by default gains are as large as they may be and shares 1/2.
        index: `(E, N, K)` the nearest robots if they are known already; see `worlds.nearest_robots`.

    Returns:
        Controls `(E, N, inputs)` and a report.
    """
    said = tuning or Tuning()
    worlds, robots, rays = hits.shape[:3]
    if index is None:
        index = nearest_robots(np.ascontiguousarray(state[..., :2]), config.neighbours, config.sensing)
    pairs, seen = index.shape, (worlds, robots, rays)
    around = (
        index,
        np.ascontiguousarray(hits),
        (2.0 * config.radius + config.margin, config.radius + config.margin),
        (np.tan(0.5 * config.spacing), np.sin(config.spacing)),
        _full(said.gain, pairs),
        _full(said.share, pairs),
        _full(said.cost, pairs),
        _full(said.hit_gain, seen),
        _full(said.hit_cost, seen),
    )
    if isinstance(model, Unicycle | Omnidirectional):
        top, change = axes(model)
        state, desired = three_axes(model, state, model.clip(desired))
        periods = periods_to_stand(state, change)
        command, status, gap, slack, active = filter_bases(
            model.dt, state, desired, top, change, periods, *around
        )
        return own_axes(model, command), BatchReport(status, gap, slack, active)
    can = reach(model, state)
    velocity, heading, speed, status, gap, slack, active = filter_all(
        model.dt,
        can.ahead,
        can.velocity,
        next_velocity(model, state, desired),
        can.lower,
        can.upper,
        can.speed,
        can.heading,
        (can.brake, can.top, can.turn),
        (can.square, can.steered),
        np.ascontiguousarray(state[..., :2]),
        *around,
    )
    control = control_for(model, state, velocity, heading, speed)
    passed = (status == PASS)[..., None]
    control = np.where(passed, model.clip(desired), control)
    return np.where(np.isfinite(control), control, 0.0), BatchReport(status, gap, slack, active)


def _full(value: Array | float, shape: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float64), shape))
