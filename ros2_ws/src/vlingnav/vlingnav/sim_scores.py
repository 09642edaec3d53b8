"""How well each robot of a simulated world does, asked by whoever sent it: the service `score`."""

from __future__ import annotations

import numpy as np

from vlingnav import topics
from vlingnav.node import ManagedNode
from vlingnav_interfaces.srv import Score
from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid, path_length
from vlingnav_sim.measures import Scorer
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import SUCCESS_DISTANCE_M, NavigationTask, goal_region, matching_items, time_limit_s


class SimScores:
    """Follows robot `index` of a world through one episode after another.

    Args:
        node: the `sim` node.
        world: where the robot is.
        grid: of the world's house, for the robot.
        index: of the robot in the world.
        namespace: of the service, relative to the node's; "" for the node's own.
    """

    def __init__(
        self, node: ManagedNode, world: Simulator, grid: OccupancyGrid, index: int, namespace: str
    ) -> None:
        self._node, self._world, self._grid, self._index = node, world, grid, index
        self._scorer: Scorer | None = None
        self._shortest_path_m = 0.0
        name = f"{namespace}/{topics.SCORE[0]}" if namespace else topics.SCORE[0]
        node.own(node.create_service(topics.SCORE[1], name, self._score), node.destroy_service)

    def update(self) -> None:
        """Take in what has happened since the last call."""
        if self._scorer is not None:
            self._scorer.update()

    def _score(self, request: Score.Request, response: Score.Response) -> Score.Response:
        if not self._node.active:
            response.message = "the simulation is not active"
        elif request.begin:
            response.message = self._begin(request.instruction)
            response.ok = not response.message
        elif self._scorer is None:
            response.message = "no episode was begun"
        else:
            measures = self._scorer.score(stopped=True)
            response.ok = True
            response.success, response.spl, response.soft_spl = (
                measures.success,
                measures.spl,
                measures.soft_spl,
            )
            response.distance_to_goal_m = measures.distance_to_goal_m
            response.path_length_m, response.elapsed_s = measures.path_length_m, measures.elapsed_s
            response.collisions = measures.collisions
            response.shortest_path_m = self._shortest_path_m
            self._scorer = None
        return response

    def _begin(self, instruction: str) -> str:
        """Start an episode where the robot stands; why that cannot be, else an empty string."""
        house, pose = self._world.house, self._world.pose(self._index)
        targets = matching_items(house, instruction)
        field = self._grid.distance_field(goal_region(house, self._grid, targets, SUCCESS_DISTANCE_M))
        if not targets or not np.isfinite(field).any():
            things = sorted({f"{item.colour} {item.category}" for item in house.items})
            return f'house {house.seed} has nothing that "{instruction}" names; it has: {", ".join(things)}'
        self._shortest_path_m = path_length(self._grid.descend(field, pose[:2]))
        start = (float(pose[0]), float(pose[1]), float(pose[2]))
        task = NavigationTask(
            house.seed, start, Goal(instruction), targets, time_limit_s(house), self._shortest_path_m
        )
        self._scorer = Scorer(self._world, task, self._grid, self._index)
        return ""
