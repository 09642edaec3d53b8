"""Scripted policies: they decide like any other `Policy`, but may look into the simulator.

`searching` knows only what the robot has seen and is what policies imitate; `shortest_path` knows the house
and serves scores and takeovers; `baselines` are what a learned policy must beat.
"""

from vlingnav_sim.experts.baselines import RandomWalker, WallFollower
from vlingnav_sim.experts.searching import SearchingExpert
from vlingnav_sim.experts.shortest_path import ShortestPathExpert

__all__ = ["RandomWalker", "SearchingExpert", "ShortestPathExpert", "WallFollower"]
