"""The filter between every policy and the motors: lidar hits in, the nearest certified command out.

Two things must agree before a command leaves. The barrier rows (`barriers`) shape it: the projection (`qp`)
slows and steers no more than needed, and less where it would stand but the driver's own way is free
(`ways`). The stopping path (`braking`) certifies it: after one period of this command, counted from when it
will come into force, the robot can still brake to a stand without touching. What is not certified is moved
toward braking until it is; braking itself needs no certificate, it is the rest of the path certified last
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.barriers import barrier_rows, clearance_and_barrier, cover_from
from vlingnav_safety.braking import first_breach, slew, stopping_path
from vlingnav_safety.config import FilterConfig
from vlingnav_safety.history import History, compose, into, relative
from vlingnav_safety.inputs import bad_command, bad_state, bad_surroundings, shape
from vlingnav_safety.movers import KeepOut, Movers, gather
from vlingnav_safety.qp import FAILED, SOLVED, project
from vlingnav_safety.right_of_way import RightOfWay
from vlingnav_safety.types import Limits, Neighbours, Obstacles, Report, State
from vlingnav_safety.ways import passes

Array = NDArray[np.float64]

# How far to go from braking to the projected command, moving and turning, tried in this order. The last two
# leave a robot that stands too close its ways out: turn where it is, or go without turning.
_SHARES = ((1.0, 1.0), (0.75, 0.75), (0.5, 0.5), (0.25, 0.25), (0.0, 1.0), (1.0, 0.0))
_LIMITS = ("velocity limit of the base", "limits")
_DEADLINE = 4.0  # periods between two calls, after which what the base did meanwhile was not certified
_SIGHT = 3.0  # [m] at least, in which the right of way looks for ways round a keep-out zone
_SPOT = 0.05  # [m/s] below which a command is meant to turn the robot where it stands


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
        # Where the driver aims by himself, the point ahead tells which way to steer and need not hold all.
        self._aimed = self._hull + (0.0 if omni else np.array([config.lookahead, 0.0, 0.0]))
        linear = self._velocity_limit[:2] > 0.0
        self._brake = float(self._acceleration[:2][linear].min())
        top = float(np.hypot(*self._velocity_limit[:2]))
        self._reach = top + self._velocity_limit[2] * float(
            np.hypot(self._discs[:, 0], self._discs[:, 1]).max()
        )
        self._keep_out = KeepOut(config.keep_out, self._sight())
        self.reset()
        # A hit so near and a speed so high that every compiled function is called, projection included.
        warm = State(np.zeros(3), self._velocity_limit, 0.0)
        self.filter(warm, self._velocity_limit, Neighbours(), Obstacles(np.array([[0.3, 0.0]]), 0.0), 0.0)
        self.reset()

    def reset(self) -> None:
        """Forget odometry and commands, as after the clock or the robot was set anew."""
        self._history = History(self._velocity_limit, self._acceleration, self.config.delay)
        self._way = RightOfWay(self._hull, float(self._velocity_limit[2]))

    def filter(
        self, state: State, desired: Array, neighbours: Neighbours, obstacles: Obstacles | None, now: float
    ) -> tuple[Array, Report]:
        """Return the safe body-frame command `(3,)` nearest to `desired`, and why.

        Never raises for what comes in, be it None, of another shape or no number at all: it brakes, and the
        report names the fault.
        """
        now = now if shape(now) == () else np.nan
        fault = self._fault(state, desired, neighbours, obstacles, now)
        if fault or obstacles is None:
            return self._give(
                now, self._history.braked(now, self.config.period), Report("brake", fault, constraint="input")
            )
        movers = self._movers(state, neighbours, obstacles, now)
        if not self.config.right_of_way:
            return self._certified(desired, movers, now)
        asked, why, whom = self._way.redirect(state, desired, movers, neighbours, now)
        command, report = self._certified(asked, movers, now)
        if whom and report.status == "pass":
            report = replace(report, status="filtered", reason=f"{why} {whom}", constraint=whom)
        return command, report

    def _certified(self, desired: Array, movers: Movers, now: float) -> tuple[Array, Report]:
        """The safe command nearest to `desired`, and why."""
        clearance, barrier = clearance_and_barrier(movers.points, movers.radius, self._hull)

        # From here on in the frame, and with the velocity, that the robot has when this command comes into
        # force.
        ahead, velocity = self._history.predict(now)
        points, age = into(ahead, movers.points), movers.age + self.config.delay
        step = self._acceleration * self.config.period
        velocity = np.clip(velocity, -self._velocity_limit, self._velocity_limit)
        lower = np.maximum(velocity - step, -self._velocity_limit)
        upper = np.minimum(velocity + step, self._velocity_limit)
        braked = slew(velocity, np.zeros(3), step)

        # What the certificate below will ask for, as seen from the present speed.
        stopping = float(np.abs(velocity[:2]).max()) / self._brake
        half = 0.5 * self.config.margin  # left to noise: what rows allow now must not fail by a millimetre
        grown = movers.radius + np.minimum(movers.speed * (age + self.config.period + stopping), movers.reach)
        rows, bounds, source = self._rows(points, grown + self.config.margin, self._discs)
        gain = self._gain(bounds)
        goal = self._beside_people(np.clip(desired, -self._velocity_limit, self._velocity_limit), movers)
        solution, slack, status = self._project(goal, rows, bounds, lower, upper)
        if status != SOLVED and self._fixed == 2:  # turning takes room: stop turning before giving up
            solution, slack, status = self._project(np.array([*goal[:2], 0.0]), rows, bounds, lower, upper)
        if status == FAILED:
            reason = "the projection could not be certified"
            report = Report("brake", reason, clearance, barrier, constraint="projection", gain=gain)
            return self._give(now, self._history.braked(now, self.config.period), report)

        breach = -1
        along, across = False, False
        if np.hypot(solution[0], solution[1]) < _SPOT <= np.hypot(goal[0], goal[1]):
            along, across = passes(goal, self._hull, points, movers.radius, half)
        aimed = None
        if along:
            # The driver aims well: rows no stricter than the certificate lead him past and hold him not back.
            tight = self._rows(points, grown + half, self._aimed)
            aimed = self._project(goal, tight[0], tight[1], lower, upper)[0]
        for candidate, covers in self._candidates(aimed, solution, goal, braked, lower, upper, across):
            poses, times = stopping_path(velocity, candidate, self._acceleration, self.config.period)
            hit = max(
                first_breach(
                    poses, times, discs, points, movers.radius, movers.speed, age, movers.reach, half
                )
                for discs in covers
            )
            if hit < 0:
                break
            breach = hit
        else:
            reason = f"no room to stop short of {self._name(breach, points, ahead, movers)}"
            report = Report("brake", reason, clearance, barrier, slack, movers.name(breach), gain)
            return self._give(now, self._history.braked(now, self.config.period), report)

        if np.array_equal(candidate, np.clip(goal, lower, upper)):
            # The base gets no further toward the goal within the period: the candidate certifies the goal.
            if np.array_equal(goal, desired):
                command = np.array(desired, np.float64)
                return self._give(now, command, Report("pass", "", clearance, barrier, gain=gain))
            slowed = not np.array_equal(goal, np.clip(desired, -self._velocity_limit, self._velocity_limit))
            reason, constraint = ("speed near people", "people") if slowed else _LIMITS
            return self._give(
                now, goal, Report("filtered", reason, clearance, barrier, 0.0, constraint, gain)
            )
        if breach >= 0:
            which, reason = breach, "room to stop short of"
        else:
            which, reason = int(source[np.argmax(rows @ candidate - bounds)]), "barrier of"
        reason = f"{reason} {self._name(which, points, ahead, movers)}"
        report = Report("filtered", reason, clearance, barrier, slack, movers.name(which), gain)
        return self._give(now, candidate, report)

    def _candidates(
        self,
        aimed: Array | None,
        solution: Array,
        goal: Array,
        braked: Array,
        lower: Array,
        upper: Array,
        turn_first: bool,
    ) -> Iterator[tuple[Array, tuple[Array, ...]]]:
        """Commands to certify, best first, each with the discs `(D, 3)` its stop path must keep clear."""
        if aimed is not None:
            for moving, turning in _SHARES:
                share = np.array([moving, moving, turning])
                yield aimed if moving == turning == 1.0 else braked + share * (aimed - braked), (self._hull,)
        # A look-ahead point swings out where the hull does not, and would forbid a robot beside a wall to
        # turn where it stands. That is certified for the hull itself: first when turning is what is wanted,
        # last when nothing else passes.
        spots: list[tuple[Array, tuple[Array, ...]]] = []
        if self._fixed == 1:
            spot = np.array([*braked[:2], np.clip(goal[2], lower[2], upper[2])])
            spots.append((spot, (self._hull,)))
            free = list(self._free)
            far, near = ((end - goal)[free] for end in (solution, spot))
            spinning = abs(goal[0]) < _SPOT and near @ (self._weight * near) < far @ (self._weight * far)
            if spinning or (turn_first and aimed is None):
                yield from spots
        for moving, turning in _SHARES:
            share = np.array([moving, moving, turning])
            exact = moving == turning == 1.0
            # The look-ahead disc holds the hull; but once a turn has swung it into a hit, what keeps the disc
            # clear need not keep the hull clear.
            yield solution if exact else braked + share * (solution - braked), (self._discs, self._hull)
        yield from spots

    def _rows(self, points: Array, radius: Array, discs: Array) -> tuple[Array, Array, NDArray[np.int64]]:
        """See `barriers.barrier_rows`."""
        brake = self.config.brake_share * self._brake
        return barrier_rows(points, radius, discs, brake, self.config.period, self._reach)

    def _sight(self) -> float:
        """How far off [m] what stands can have a row: where F(e) = reach, and all that is not in e."""
        brake = self.config.brake_share * self._brake
        room = self._reach * (0.5 * self._reach / brake + self.config.period)
        late = self._reach * (self.config.state_timeout + self.config.delay)  # driven since the odometry
        size = float((np.hypot(self._discs[:, 0], self._discs[:, 1]) + self._discs[:, 2]).max())
        return max(_SIGHT, room + late + size + self.config.margin)

    def _gain(self, bounds: Array) -> float:
        """Class-K gain F(e) / e [1/s] of the row with least room, e = (F^2 + 2 F a dt) / 2a; 0 without."""
        brake = self.config.brake_share * self._brake
        return 2.0 * brake / (float(bounds.min()) + 2.0 * brake * self.config.period) if len(bounds) else 0.0

    def _beside_people(self, goal: Array, movers: Movers) -> Array:
        """`goal (3,)`, slower on the same curve where people are near."""
        speed = float(np.hypot(goal[0], goal[1]))
        if not movers.person.any() or speed <= self.config.people_speed:
            return goal
        people = movers.points[movers.person], movers.radius[movers.person]
        distance, _ = clearance_and_barrier(*people, self._hull)
        room = max(0.0, distance - self.config.people_distance)
        limit = np.sqrt(self.config.people_speed**2 + 2.0 * self.config.brake_share * self._brake * room)
        return goal * min(1.0, float(limit) / speed)

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
        if np.isfinite(self._history.last_time) and (
            now - self._history.last_time > _DEADLINE * self.config.period
        ):
            return (
                f"the filter was last called {now - self._history.last_time:.2f} s ago, its deadline missed"
            )
        fault = bad_state(self.config, state, now) or self._history.add_state(state)
        fault = fault or bad_surroundings(self.config, neighbours, obstacles, now)
        fault = fault or bad_command(desired, float(self._velocity_limit.max()))
        zone = "" if fault else self._keep_out.holding(state.pose)
        return fault or (f"the robot is inside {zone}; take it out by hand" if zone else "")

    def _movers(self, state: State, neighbours: Neighbours, obstacles: Obstacles, now: float) -> Movers:
        """Everything to keep clear of, in the body frame of now."""
        moved = relative(self._history.pose_at(obstacles.stamp), state.pose)
        return gather(
            state.pose,
            into(moved, np.asarray(obstacles.points, np.float64)),
            max(0.0, now - obstacles.stamp),
            self.config.obstacle_speed,
            neighbours,
            self._keep_out,
            self.config.delay + self.config.period,
        )

    def _give(self, now: float, command: Array, report: Report) -> tuple[Array, Report]:
        self._history.add_command(now, command)
        return command.copy(), report

    @staticmethod
    def _name(index: int, points: Array, ahead: Array, movers: Movers) -> str:
        """Say which hit, robot, person or zone it is; a hit in the body frame of now."""
        name = movers.name(index)
        if name != "hit":
            return name
        x, y, _ = compose(ahead, np.array([*points[index], 0.0]))
        return f"the hit at ({x:.2f}, {y:.2f}) m"
