"""Following a person: success, tracking rate, collisions, after EVT-Bench.

As there (Wang et al., "TrackVLA", 2025), an episode is a success if at its end the robot is 1 to 3 m from the
person, by their middles, and has the person in view, and if it has run into nothing on the way; the tracking
rate is the share of steps with the person in view within 3 m; the collision rate is the share of episodes
with a collision. EVT-Bench ends an episode that collides; here it goes on, and has failed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlingnav_sim.measures.common import IN_VIEW, Measures, Odometer
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks.task import FollowTask

NEAR_M, FAR_M = 1.0, 3.0


@dataclass(frozen=True)
class FollowMeasures(Measures):
    """Figures of one episode of following.

    Attributes:
        tracking_rate: share of the steps with the person in view within 3 m.
        distance_to_person_m: between the middles of both at the end [m].
        in_view: whether the robot saw the person at the end.
    """

    tracking_rate: float
    distance_to_person_m: float
    in_view: bool


class FollowScorer:
    """Follows one robot that follows; call `update` after every step, `score` at the end."""

    def __init__(self, simulator: Simulator, task: FollowTask, robot: int = 0) -> None:
        self._simulator, self._leader, self._robot = simulator, task.leader, robot
        self._way = Odometer(simulator, robot)
        self._steps = self._tracked = 0

    def update(self) -> None:
        """Count a step."""
        self._way.update()
        self._steps += 1
        self._tracked += self._in_view() and self._distance_m() <= FAR_M

    def score(self, stopped: bool) -> FollowMeasures:
        """The figures; who says stop merely stands still, so `stopped` is of no account."""
        distance, in_view = self._distance_m(), self._in_view()
        return FollowMeasures(
            success=in_view and NEAR_M <= distance <= FAR_M and self._way.collisions() == 0,
            collisions=self._way.collisions(),
            path_length_m=self._way.path_length_m,
            elapsed_s=self._way.elapsed_s(),
            tracking_rate=self._tracked / max(self._steps, 1),
            distance_to_person_m=distance,
            in_view=in_view,
        )

    def _distance_m(self) -> float:
        x, y, _, _ = self._simulator.people()[self._leader]
        return float(np.hypot(*(self._simulator.pose(self._robot)[:2] - (x, y))))

    def _in_view(self) -> bool:
        return self._simulator.person_visible(self._leader, self._robot) >= IN_VIEW
