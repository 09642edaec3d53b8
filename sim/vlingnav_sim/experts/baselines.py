"""What a learned policy must beat: a random walker and a wall follower, both stopping like an oracle.

Neither can recognise anything, so both are told by the simulator when they stand at the target; their
success is then that of their way of moving alone, an upper bound for policies without eyes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.experts.trajectories import TrajectoryConfig
from vlingnav_sim.measures import at_target
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import matching_items


def arc(speed: float, turn_rate: float, config: TrajectoryConfig) -> NDArray[np.float32]:
    """Trajectory `(T, 3)` of constant `speed` [m/s] and `turn_rate` [rad/s]."""
    t = (np.arange(config.waypoints) + 1) * config.dt
    yaw = turn_rate * t
    if abs(turn_rate) < 1e-6:
        return np.stack([speed * t, 0.0 * t, yaw], axis=-1).astype(np.float32)
    radius = speed / turn_rate
    return np.stack([radius * np.sin(yaw), radius * (1.0 - np.cos(yaw)), yaw], axis=-1).astype(np.float32)


class _Blind:
    """Shared by both: lidar ranges ahead and aside, and the oracle's stop."""

    def __init__(
        self, simulator: Simulator, robot: int = 0, seed: int = 0, targets: tuple[int, ...] | None = None
    ) -> None:
        """Take `targets`, indices of items, for those to stop at; those that the goal names when None."""
        self._simulator, self._robot, self._given = simulator, robot, targets
        self._rng = np.random.default_rng(seed)
        self._config = TrajectoryConfig()

    def reset(self, goal: Goal) -> None:
        """Remember what the oracle is to watch for."""
        named = matching_items(self._simulator.house, goal.instruction)
        self._targets = named if self._given is None else self._given

    def _nearest(self, bearing: float, width: float) -> float:
        """Shortest range [m] within `width` [rad] of `bearing` [rad], 0 ahead, positive to the left."""
        scan = self._simulator.scan(self._robot)
        angles = scan.angle_min + scan.angle_increment * np.arange(len(scan.ranges))
        off = np.abs((angles - bearing + np.pi) % (2 * np.pi) - np.pi)
        return float(np.min(scan.ranges[off <= width], initial=np.inf))

    def _decision(self, observation: Observation, speed: float, turn_rate: float) -> Decision:
        stop = at_target(self._simulator, self._targets, self._robot)
        trajectory = arc(speed, turn_rate, self._config)
        return Decision(trajectory=trajectory, dt=self._config.dt, stamp=observation.stamp, stop=stop)


class RandomWalker(_Blind):
    """Drives straight until something is near, then turns by a random angle; a `Policy`."""

    def reset(self, goal: Goal) -> None:
        """Forget the turn under way."""
        super().reset(goal)
        self._turn_until, self._turn_rate = 0.0, 1.2

    def act(self, observation: Observation) -> Decision:
        """Go on, or turn."""
        turning = observation.stamp < self._turn_until
        if not turning and (self._nearest(0.0, 0.5) < 0.55 or self._rng.random() < 0.02):
            angle = self._rng.uniform(-np.pi, np.pi)
            self._turn_rate = float(np.copysign(1.2, angle))
            self._turn_until = observation.stamp + abs(angle) / 1.2
            turning = True
        return self._decision(observation, 0.0 if turning else 0.5, self._turn_rate if turning else 0.0)


class WallFollower(_Blind):
    """Keeps the wall at its right hand; a `Policy`."""

    def act(self, observation: Observation) -> Decision:
        """Steer by the distance to what is ahead and to the right."""
        if self._nearest(0.0, 0.4) < 0.55:
            return self._decision(observation, 0.0, 1.0)
        right = self._nearest(-1.2, 0.5)
        if not np.isfinite(right) or right > 0.9:
            return self._decision(observation, 0.3, -0.7)
        return self._decision(observation, 0.45, float(np.clip(2.0 * (0.45 - right), -0.8, 0.8)))
