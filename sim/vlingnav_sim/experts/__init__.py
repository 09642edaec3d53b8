"""Scripted policies: they decide like any other `Policy`, but may look into the simulator.

`searching` and `following` know only what the robot has seen, and `route` the way that its words tell; they
are what policies imitate. `shortest_path` knows the house and serves scores and takeovers; `baselines` are
what a learned policy must beat.
"""

from vlingnav_sim.experts.baselines import RandomWalker, WallFollower
from vlingnav_sim.experts.following import FollowingExpert
from vlingnav_sim.experts.route import RouteExpert
from vlingnav_sim.experts.searching import SearchingExpert
from vlingnav_sim.experts.shortest_path import ShortestPathExpert

__all__ = [
    "FollowingExpert",
    "RandomWalker",
    "RouteExpert",
    "SearchingExpert",
    "ShortestPathExpert",
    "WallFollower",
]
