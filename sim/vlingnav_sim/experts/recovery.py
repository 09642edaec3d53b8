"""Getting unstuck, from things and from people.

A robot that has come too near to something is held by the safety filter, which lets it turn where it stands
and move away; and one that stands in the way of people who wait for it waits for ever. So who wanted to move
and has not for a while leaves the way for a few steps, to where there is more room.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import wrap
from vlingnav_policy.types import Decision
from vlingnav_sim.experts.trajectories import TIGHT_M, TrajectoryConfig, roll_out
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.scene import PERSON_RADIUS
from vlingnav_sim.simulator import Simulator

Array = NDArray[np.float64]

PATIENCE_S = 2.0
"""Stuck is who has wanted to move for so long [s] and has not moved `MOVED_M` [m] nor turned `TURNED_RAD`."""
MOVED_M, TURNED_RAD = 0.05, 0.15
WANTED_M = 0.1
"""A trajectory that ends nearer than this [m] does not want to move."""
NEAR_M = 0.6
"""Farther than this [m] from everything nobody is stuck."""
ROOM_M, ROOM_FOR_PEOPLE_M = 0.35, 0.45
"""It is roomy enough where things and people are at least so far from the robot's middle [m]."""
PEOPLE_M = 0.55
"""The way there does not come nearer to people's middles than this [m]."""
LANE_M = 1.5
"""A person needs so much room ahead, and behind to turn back [m]."""
TIGHTNESS_COST_M = 10.0
"""What a place without any room is worth of way [m]."""
ARRIVED_M, LEAST_M = 0.1, 0.25
"""It has arrived so near to that place [m], which is at least so far away [m]."""
ESCAPE_S = 8.0
"""How long getting there may take [s]; who gives way also waits there till the person has passed."""


class Recovery:
    """Watches one robot; ask it about every decision.

    Args:
        simulator: whose people count.
        robot: index of the robot.
        grid: on which it plans.
        trajectory: how it drives.
        waits: whether it waits when it has given way to a person, so that the person can pass.
    """

    def __init__(
        self,
        simulator: Simulator,
        robot: int,
        grid: OccupancyGrid,
        trajectory: TrajectoryConfig,
        waits: bool = True,
    ) -> None:
        self._simulator, self._robot, self._grid, self._trajectory = simulator, robot, grid, trajectory
        self._waits = waits
        self.reset()

    def reset(self) -> None:
        """Forget what was."""
        self._past: deque[tuple[float, Array]] = deque()
        self._escape: tuple[float, Array, Array] | None = None  # until when [s], which way, and from where

    def free(self, decision: Decision) -> Decision:
        """`decision`, or what leads a robot that is stuck out."""
        pose, now = self._simulator.pose(self._robot), decision.stamp
        if self._escape is None and self._stuck(pose, now, decision):
            self._escape = now + ESCAPE_S, self._way_out(pose), pose
        if self._escape is not None:
            until, way, stuck = self._escape
            arrived = np.hypot(*(way[-1] - pose[:2])) < ARRIVED_M
            gives_way = self._waits and self._room_for_people(stuck[None, :2])[0] < NEAR_M
            if now < until and (gives_way or not arrived) and not decision.stop:
                return replace(decision, trajectory=roll_out(pose, way, None, self._trajectory))
            self.reset()
        return decision

    def _stuck(self, pose: Array, now: float, decision: Decision) -> bool:
        r, c = self._grid.to_cell(pose[:2])
        wants = float(np.hypot(*decision.trajectory[-1, :2])) > WANTED_M and not decision.stop
        near = min(float(self._grid.clearance[r, c]), float(self._room_for_people(pose[None, :2])[0]))
        if not wants or near > NEAR_M:
            self._past.clear()
            return False
        self._past.append((now, pose))
        while self._past[0][0] < now - PATIENCE_S - 1e-6:
            self._past.popleft()
        began, then = self._past[0]
        moved = float(np.hypot(*(pose - then)[:2])) > MOVED_M or abs(wrap(pose[2] - then[2])) > TURNED_RAD
        return now - began >= PATIENCE_S - 1e-6 and not moved

    def _way_out(self, pose: Array) -> Array:
        """Path `(N, 2)` to the nearest place with room enough, or with little too little."""
        grid = self._grid
        rows, cols = np.indices(grid.free.shape)
        xy = grid.to_world(np.stack([rows, cols], axis=-1))
        free = grid.clearance > TIGHT_M
        for x, y, _, _ in self._simulator.people():  # not through anybody, nor nearer to those who are near
            here = float(np.hypot(x - pose[0], y - pose[1]))
            free &= np.hypot(*(xy - (x, y)).transpose(2, 0, 1)) > min(PEOPLE_M, here - 0.5 * grid.resolution)
        if not free.any():
            return pose[None, :2]
        field = grid.distance_field(grid.nearest_free(pose[:2], free)[None], free)
        cells = np.argwhere(np.isfinite(field) & (np.hypot(*(xy - pose[:2]).transpose(2, 0, 1)) > LEAST_M))
        if not len(cells):
            return pose[None, :2]
        room = np.minimum(
            grid.clearance[cells[:, 0], cells[:, 1]] / ROOM_M,
            self._room_for_people(grid.to_world(cells)) / ROOM_FOR_PEOPLE_M,
        )
        cost = field[cells[:, 0], cells[:, 1]] + TIGHTNESS_COST_M * np.maximum(0.0, 1.0 - room)
        return grid.descend(field, grid.to_world(cells[np.argmin(cost)]), free)[::-1]

    def _room_for_people(self, places: Array) -> Array:
        """Distance `(N,)` [m] from `places (N, 2)` to the nearest person or the lane he or she walks in."""
        room = np.full(len(places), np.inf)
        for (x, y, _, _), yaw in zip(self._simulator.people(), self._simulator.people_yaw(), strict=True):
            offset, (c, s) = places - (x, y), (np.cos(yaw), np.sin(yaw))
            ahead, aside = np.abs(offset @ (c, s)), np.abs(offset @ (-s, c))
            room = np.minimum(room, np.hypot(np.maximum(ahead - LANE_M, 0.0), aside) - PERSON_RADIUS)
        return room
