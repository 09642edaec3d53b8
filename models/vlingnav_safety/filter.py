"""The filter between every policy and the motors: lidar hits in, the nearest certified command out.

Two things must agree before a command leaves. The barrier rows (`barriers`) shape it: the projection (`qp`)
slows and steers no more than needed. The stopping path (`braking`) certifies it: after one period of this
command, counted from when it will come into force, the robot can still brake to a stand without touching.
What is not certified is moved toward braking until it is; braking itself needs no certificate, it is the rest
of the path certified last time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.barriers import Disc, barrier_rows, clearance_and_barrier, cover_from
from vlingnav_safety.braking import first_breach, slew, stopping_path
from vlingnav_safety.history import History, compose, into, relative
from vlingnav_safety.qp import FAILED, SOLVED, project
from vlingnav_safety.types import Limits, Neighbours, Obstacles, Report, State

Array = NDArray[np.float64]

# How far to go from braking to the projected command, moving and turning, tried in this order. The last two
# leave a robot that stands too close its ways out: turn where it is, or go without turning.
_SHARES = ((1.0, 1.0), (0.75, 0.75), (0.5, 0.5), (0.25, 0.25), (0.0, 1.0), (1.0, 0.0))
_SPOT = 0.05  # [m/s] below which a command is meant to turn the robot where it stands


@dataclass(frozen=True)
class FilterConfig:
    """What the filter must know of the robot and of the loop that it runs in.

    Attributes:
        hull: discs x, y, radius [m] in the body frame that cover the robot; see `barriers.cover_rectangle`.
        lookahead: how far ahead of the axle a differential drive is steered from [m]; its disc grows by as
            much.
        margin: clearance kept from every hit [m]: sensor noise, gaps between rays, what the model leaves out.
            The barrier keeps all of it, the certificate half.
        brake_share: share of the base's deceleration that an approach may count on, in (0, 1]: less begins to
            slow down earlier; what is left over is for surprises.
        obstacle_speed: bound of the speed of anything seen [m/s]. The robot then stands before it is touched,
            at the price of going slowly in narrow places.
        turn_weight: how many metres per second of slowing one rad/s of turning is worth [m]; small steers
            more.
        period: time between two calls [s].
        delay: measured time from a command leaving the filter to the base obeying it [s].
        state_timeout: oldest odometry acted on [s].
        obstacles_timeout: oldest scan acted on [s].
    """

    hull: tuple[Disc, ...] = ((0.0, 0.0, 0.18),)
    lookahead: float = 0.03
    margin: float = 0.03
    brake_share: float = 0.6
    obstacle_speed: float = 0.1
    turn_weight: float = 0.1
    period: float = 0.05
    delay: float = 0.05
    state_timeout: float = 0.2
    obstacles_timeout: float = 0.3


class LidarBarrierFilter:
    """Implements `SafetyFilter` for one robot, differential (`limits.velocity[1] == 0`) or omnidirectional.

    Call `filter` once every `config.period`; it remembers its own commands and the odometry to make up for
    delay. A call takes some tenths of a millisecond at most. Compilation, seconds once per installation, is
    done by the constructor.
    """

    def __init__(self, config: FilterConfig, limits: Limits) -> None:
        """Check the configuration and compile.

        Raises:
            ValueError: a limit, time or size makes no sense.
        """
        self.config = config
        self._velocity_limit = np.array(limits.velocity, np.float64)
        self._acceleration = np.array(limits.acceleration, np.float64)
        if self._velocity_limit[0] <= 0.0 or np.any(self._acceleration[self._velocity_limit > 0.0] <= 0.0):
            raise ValueError(
                f"{limits} cannot drive or cannot brake; give every free axis a positive acceleration"
            )
        if not (
            config.hull and config.period > 0.0 and config.delay >= 0.0 and 0.0 < config.brake_share <= 1.0
        ):
            raise ValueError(f"{config} needs a hull, period > 0, delay >= 0 and 0 < brake_share <= 1")
        self._hull = np.array(config.hull, np.float64)
        omni = self._velocity_limit[1] > 0.0
        # The two axes that the projection may change, and the one that it takes as it is.
        self._free, self._fixed = ((0, 1), 2) if omni else ((0, 2), 1)
        self._weight = np.array([1.0, 1.0 if omni else config.turn_weight**2])
        self._discs = self._hull if omni else np.array([cover_from(config.lookahead, config.hull)])
        linear = self._velocity_limit[:2] > 0.0
        self._brake = float(self._acceleration[:2][linear].min())
        top = float(np.hypot(*self._velocity_limit[:2]))
        self._reach = top + self._velocity_limit[2] * float(
            np.hypot(self._discs[:, 0], self._discs[:, 1]).max()
        )
        self.reset()
        # A hit so near and a speed so high that every compiled function is called, projection included.
        warm = State(np.zeros(3), self._velocity_limit, 0.0)
        self.filter(warm, self._velocity_limit, Neighbours(), Obstacles(np.array([[0.3, 0.0]]), 0.0), 0.0)
        self.reset()

    def reset(self) -> None:
        """Forget odometry and commands, as after the clock or the robot was set anew."""
        self._history = History(self._velocity_limit, self._acceleration, self.config.delay)

    def filter(
        self, state: State, desired: Array, neighbours: Neighbours, obstacles: Obstacles | None, now: float
    ) -> tuple[Array, Report]:
        """Return the safe body-frame command `(3,)` nearest to `desired`, and why.

        Neighbours are kept away from like hits that have their radius and may turn wherever they like at
        their present speed. Never raises for what comes in: it brakes, and the report names the fault.
        """
        fault = self._fault(state, desired, neighbours, obstacles, now)
        if fault or obstacles is None:
            return self._give(now, self._braked(now), Report("brake", fault))
        points, radius, speed, age = self._movers(state, neighbours, obstacles, now)
        clearance, barrier = clearance_and_barrier(points, radius, self._hull)

        # From here on in the frame, and with the velocity, that the robot has when this command comes into
        # force.
        ahead, velocity = self._history.predict(now)
        points, age = into(ahead, points), age + self.config.delay
        step = self._acceleration * self.config.period
        velocity = np.clip(velocity, -self._velocity_limit, self._velocity_limit)
        lower = np.maximum(velocity - step, -self._velocity_limit)
        upper = np.minimum(velocity + step, self._velocity_limit)
        braked = slew(velocity, np.zeros(3), step)

        # What the certificate below will ask for, as seen from the present speed.
        stopping = float(np.abs(velocity[:2]).max()) / self._brake
        inflation = self.config.margin + speed * (age + self.config.period + stopping)
        rows, bounds, source = barrier_rows(
            points,
            radius + inflation,
            self._discs,
            self.config.brake_share * self._brake,
            self.config.period,
            self._reach,
        )
        goal = np.clip(desired, -self._velocity_limit, self._velocity_limit)
        solution, slack, status = self._project(goal, rows, bounds, lower, upper)
        if status != SOLVED and self._fixed == 2:  # turning takes room: stop turning before giving up
            solution, slack, status = self._project(np.array([*goal[:2], 0.0]), rows, bounds, lower, upper)
        if status == FAILED:
            reason = "the projection could not be certified"
            return self._give(now, self._braked(now), Report("brake", reason, clearance, barrier))

        breach = -1
        for candidate, covers in self._candidates(solution, goal, braked, lower, upper):
            poses, times = stopping_path(velocity, candidate, self._acceleration, self.config.period)
            # Half of the margin is left to noise: what the rows allow now must not fail here by a millimetre.
            hit = max(
                first_breach(poses, times, discs, points, radius, speed, age, 0.5 * self.config.margin)
                for discs in covers
            )
            if hit < 0:
                break
            breach = hit
        else:
            reason = f"no room to stop short of {self._name(breach, points, ahead, obstacles)}"
            return self._give(now, self._braked(now), Report("brake", reason, clearance, barrier, slack))

        if breach < 0 and np.array_equal(candidate, np.clip(goal, lower, upper)):
            # The base gets no further toward the goal within the period: the candidate certifies the goal.
            if np.array_equal(goal, desired):
                return self._give(now, np.array(desired, np.float64), Report("pass", "", clearance, barrier))
            reason = "velocity limit of the base"
            return self._give(now, goal, Report("filtered", reason, clearance, barrier))
        if breach >= 0:
            reason = f"room to stop short of {self._name(breach, points, ahead, obstacles)}"
        else:
            tight = int(source[np.argmax(rows @ candidate - bounds)])
            reason = f"barrier of {self._name(tight, points, ahead, obstacles)}"
        return self._give(now, candidate, Report("filtered", reason, clearance, barrier, slack))

    def _candidates(
        self, solution: Array, goal: Array, braked: Array, lower: Array, upper: Array
    ) -> Iterator[tuple[Array, tuple[Array, ...]]]:
        """Commands to certify, best first, each with the discs `(D, 3)` its stop path must keep clear."""
        # A look-ahead point swings out where the hull does not, and would forbid a robot beside a wall to
        # turn where it stands. That is certified for the hull itself: first when turning is what is wanted,
        # last when nothing else passes.
        spots: list[tuple[Array, tuple[Array, ...]]] = []
        if self._fixed == 1:
            spot = np.array([*braked[:2], np.clip(goal[2], lower[2], upper[2])])
            spots.append((spot, (self._hull,)))
            free = list(self._free)
            far, near = ((end - goal)[free] for end in (solution, spot))
            if abs(goal[0]) < _SPOT and near @ (self._weight * near) < far @ (self._weight * far):
                yield from spots
        for moving, turning in _SHARES:
            share = np.array([moving, moving, turning])
            exact = moving == turning == 1.0
            # The look-ahead disc holds the hull; but once a turn has swung it into a hit, what keeps the disc
            # clear need not keep the hull clear.
            yield solution if exact else braked + share * (solution - braked), (self._discs, self._hull)
        yield from spots

    def _project(
        self, goal: Array, rows: Array, bounds: Array, lower: Array, upper: Array
    ) -> tuple[Array, float, int]:
        """Nearest reachable velocity to `goal (3,)` that keeps all rows; its slack [m/s] and status."""
        solution = np.clip(goal, lower, upper)
        if np.all(rows @ solution <= bounds):
            return solution, 0.0, SOLVED
        free, fixed = list(self._free), self._fixed
        a, b = np.ascontiguousarray(rows[:, free]), bounds - rows[:, fixed] * solution[fixed]
        # The goal itself, not what can be reached of it now: else a robot that must go round never gets
        # going.
        solution[free], slack, status = project(goal[free], a, b, lower[free], upper[free], self._weight)
        return solution, slack, status

    def _fault(
        self, state: State, desired: Array, neighbours: Neighbours, obstacles: Obstacles | None, now: float
    ) -> str:
        """Name what forbids to act on this input, or return ""; keeps the state when it is good."""
        if not np.isfinite(now) or now < self._history.last_time:
            self.reset()
            return "the clock went back or is not finite"
        if state is None or not (_finite(state.pose, (3,)) and _finite(state.velocity, (3,))):
            return "odometry is missing or not finite"
        fault = _late(now - state.stamp, self.config.state_timeout, "odometry") or self._history.add_state(
            state
        )
        if fault:
            return fault
        if obstacles is None:
            return "there is no scan"
        late = _late(now - obstacles.stamp, self.config.obstacles_timeout, "scan")
        if late:
            return late
        if not _finite(obstacles.points, (*np.shape(obstacles.points)[:1], 2)):
            return "the scan has hits that are not finite"
        count = np.size(neighbours.radius)
        if not (
            _finite(neighbours.position, (count, 2))
            and _finite(neighbours.velocity, (count, 2))
            and _finite(neighbours.radius, (count,))
        ):
            return "a neighbour is not finite"
        if not _finite(desired, (3,)):
            return "the desired command is not finite"
        return ""

    def _movers(
        self, state: State, neighbours: Neighbours, obstacles: Obstacles, now: float
    ) -> tuple[Array, Array, Array, Array]:
        """Hits and neighbours: points `(M, 2)` in the body frame now; radii, speed bounds, ages `(M,)`."""
        moved = relative(self._history.pose_at(obstacles.stamp), state.pose)
        here, there = np.asarray(obstacles.points, np.float64), np.asarray(neighbours.position, np.float64)
        points = np.concatenate([into(moved, here), into(state.pose, there)])
        radius, speed, age = np.zeros(len(points)), np.zeros(len(points)), np.zeros(len(points))
        scanned = len(here)
        radius[scanned:] = neighbours.radius
        speed[:scanned] = self.config.obstacle_speed
        speed[scanned:] = np.hypot(neighbours.velocity[:, 0], neighbours.velocity[:, 1])
        age[:scanned] = max(0.0, now - obstacles.stamp)
        return points, radius, speed, age

    def _braked(self, now: float) -> Array:
        """Next command of a braking ramp, from the lesser of predicted velocity and last command.

        Taking the lesser keeps the ramp going down when the base answers later than `config.delay` says.
        """
        _, velocity = self._history.predict(now)
        last = self._history.last_command
        start = np.where(
            velocity * last > 0.0, np.sign(last) * np.minimum(np.abs(velocity), np.abs(last)), 0.0
        )
        return slew(start, np.zeros(3), self._acceleration * self.config.period)

    def _give(self, now: float, command: Array, report: Report) -> tuple[Array, Report]:
        self._history.add_command(now, command)
        return command.copy(), report

    @staticmethod
    def _name(index: int, points: Array, ahead: Array, obstacles: Obstacles) -> str:
        """Say which hit or neighbour it is, in the body frame of now."""
        if index >= len(obstacles.points):
            return f"neighbour {index - len(obstacles.points)}"
        x, y, _ = compose(ahead, np.array([*points[index], 0.0]))
        return f"the hit at ({x:.2f}, {y:.2f}) m"


def _late(age: float, timeout: float, what: str) -> str:
    if -timeout <= age <= timeout:
        return ""
    return (
        f"{what} is {age:.2f} s old, more than {timeout:.2f} s" if age > 0 else f"{what} has no stamp of now"
    )


def _finite(array: Array, shape: tuple[int, ...]) -> bool:
    return np.shape(array) == shape and bool(np.all(np.isfinite(array)))
