"""One episode, the way the robot runs it: policy, chunk executor, tracker, safety filter, motors.

The loop is the one of the ROS graph without ROS: the policy decides every `Rates.decision_s`, the
executor, the tracker and the safety filter run at the control rate. Time stands still while the policy
decides; one that runs elsewhere and gives no answer is asked again. A policy that is late or wrong cannot
pass the filter here either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.chunks import Chunk, ChunkExecutor
from vlingnav_policy.se2 import relative
from vlingnav_policy.tracker import TrajectoryTracker
from vlingnav_policy.types import Decision, Observation, Policy, PolicyUnavailable
from vlingnav_safety import (
    FilterConfig,
    LidarBarrierFilter,
    Neighbours,
    Obstacles,
    SafetyFilter,
    State,
    cover_rectangle,
)
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.measures import Measures, scorer_for
from vlingnav_sim.robots import RobotConfig
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import NavigationTask

Array = NDArray[np.float64]
OnDecision = Callable[[Observation, Decision], Decision]

PATIENCE_S = 60.0
"""How long a policy that is unavailable is asked about one observation [s of the wall's clock]."""
ASK_AGAIN_S = 0.2


@dataclass(frozen=True)
class Rates:
    """Periods of the loop [s]."""

    decision_s: float = 0.4
    control_s: float = 0.05


@dataclass(frozen=True)
class Episode:
    """What happened.

    Attributes:
        measures: the task's figures.
        stopped: whether the policy ended it by itself.
        poses: `(N, 3)` the way taken.
        decisions: how often the policy decided.
        thoughts: how often it thought before it did.
    """

    measures: Measures
    stopped: bool
    poses: Array = field(repr=False)
    decisions: int
    thoughts: int


def safety_filter(robot: RobotConfig, period_s: float) -> LidarBarrierFilter:
    """The lidar barrier filter for `robot`, called every `period_s` [s]."""
    length, width = (2.0 * half for half in robot.hull)
    round_hull = ((0.0, 0.0, robot.radius),)
    hull = round_hull if length == width else cover_rectangle(length, width)
    return LidarBarrierFilter(FilterConfig(hull=hull, period=period_s), robot.limits)


def filtered(
    simulator: Simulator, robot: int, safety: SafetyFilter, desired: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What `safety` makes of the body velocity `desired (3,)` of one robot now."""
    scan = simulator.scan(robot)
    state = State(simulator.pose(robot), simulator.velocity(robot), simulator.time)
    obstacles = Obstacles(scan.points(), scan.stamp)
    return safety.filter(state, desired, Neighbours(), obstacles, simulator.time)[0]


class ControlLoop:
    """Executor, tracker and safety filter between decisions and the motors of one robot."""

    def __init__(
        self, simulator: Simulator, robot: int = 0, safety: SafetyFilter | None = None, rates: Rates = Rates()
    ) -> None:
        self._simulator, self._robot, self._safety, self._rates = simulator, robot, safety, rates
        limits = simulator.robots[robot].limits
        self._executor, self._tracker = ChunkExecutor(), TrajectoryTracker(limits.velocity)

    def follow(self, decision: Decision, odometry_at_capture: Array, duration_s: float) -> None:
        """Drive along `decision` for `duration_s` [s]; `odometry_at_capture (3,)` is where it was made."""
        sim, robot = self._simulator, self._robot
        if decision.stop:
            self._executor.stand()
        else:
            self._executor.take(Chunk.placed(decision, odometry_at_capture), sim.time)
        for _ in range(round(duration_s / self._rates.control_s)):
            ahead = self._executor.at(sim.time, self._tracker.lookahead_s)
            command = np.zeros(3)
            if ahead is not None:
                command = self._tracker.command(relative(sim.pose(robot), ahead))
            if self._safety is not None:
                command = filtered(sim, robot, self._safety, command)
            commands = np.zeros((len(sim.robots), 3))
            commands[robot] = command
            sim.step(commands, self._rates.control_s)


def decided(policy: Policy, observation: Observation, patience_s: float = PATIENCE_S) -> Decision:
    """The policy's decision, waited for.

    Raises:
        PolicyUnavailable: there was none within `patience_s` [s].
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return policy.act(observation)
        except PolicyUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(ASK_AGAIN_S)


def run_episode(
    simulator: Simulator,
    policy: Policy,
    task: NavigationTask,
    grid: OccupancyGrid,
    *,
    safety: bool = True,
    rates: Rates = Rates(),
    on_decision: OnDecision | None = None,
) -> Episode:
    """Run `policy` on `task` until it stops or time is up; where stopping ends nothing, until time is up.

    Args:
        simulator: of the task's house with the task's people in it; it is reset here.
        safety: whether the lidar barrier filter stands before the motors.
        on_decision: sees each observation and decision and returns the decision to carry out (data
            collection).

    Raises:
        PolicyUnavailable: see `decided`.
    """
    simulator.reset(np.array([task.start]))
    loop = ControlLoop(
        simulator, 0, safety_filter(simulator.robots[0], rates.control_s) if safety else None, rates
    )
    scorer = scorer_for(simulator, task, grid)
    policy.reset(task.goal)
    poses, stopped = [simulator.pose()], False
    decisions = thoughts = 0
    while simulator.time < task.time_limit_s and not stopped:
        observation = simulator.observe()
        decision = decided(policy, observation)
        decisions, thoughts = decisions + 1, thoughts + (decision.thought is not None)
        if on_decision is not None:
            decision = on_decision(observation, decision)
        stopped = decision.stop and task.ends_by_stop
        if not stopped:
            loop.follow(decision, simulator.pose(), rates.decision_s)
            scorer.update()
            poses.append(simulator.pose())
    return Episode(scorer.score(stopped), stopped, np.array(poses), decisions, thoughts)
