"""How well an episode went; each task has its own figures and a scorer that follows the episode.

A scorer is told after every step that time has passed (`update`) and gives the figures at the end (`score`).
"""

from __future__ import annotations

from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.measures.common import IN_VIEW, Measures, TaskScorer, at_target, spl
from vlingnav_sim.measures.following import FollowMeasures, FollowScorer
from vlingnav_sim.measures.intervals import mean_interval, wilson_interval
from vlingnav_sim.measures.route import RouteMeasures, RouteScorer, ndtw
from vlingnav_sim.measures.search import Scorer, SearchMeasures
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks.task import FollowTask, NavigationTask, RouteTask


def scorer_for(simulator: Simulator, task: NavigationTask, grid: OccupancyGrid, robot: int = 0) -> TaskScorer:
    """The scorer of a task; the robot stands at its start."""
    if isinstance(task, FollowTask):
        return FollowScorer(simulator, task, robot)
    if isinstance(task, RouteTask):
        return RouteScorer(simulator, task, grid, robot)
    return Scorer(simulator, task, grid, robot)


__all__ = [
    "IN_VIEW",
    "FollowMeasures",
    "FollowScorer",
    "Measures",
    "RouteMeasures",
    "RouteScorer",
    "Scorer",
    "SearchMeasures",
    "TaskScorer",
    "at_target",
    "mean_interval",
    "ndtw",
    "scorer_for",
    "spl",
    "wilson_interval",
]
