"""What a robot may do: a filter between every policy and the motors; numpy and numba are all it needs.

    safe = LidarBarrierFilter(FilterConfig(), Limits())
    command, report = safe.filter(state, desired, Neighbours(), Obstacles(points, stamp), now)

Guaranteed, as long as the assumptions below hold:
  * What stands still is not touched: a robot that starts clear of every hit stays clear, whatever it is told.
  * What moves no faster than `FilterConfig.obstacle_speed` (a neighbour: than its present speed) touches the
    robot, if at all, by its own motion: the robot then stands, or creeps but not toward where it last saw it.
  * A missing, stale, future or non-finite input, an odometry jump or a failed projection brakes at the base's
    deceleration, and the report names it. The desired command is never passed on instead.
  * Where no command satisfies every barrier, the least violating one is used if it is certified, with its
    slack in the report, and the robot brakes otherwise.
  * The command returned is the one that was certified; a desired command that needs no change comes back bit
    by bit.

Assumed:
  * The hits show everything that matters: the lidar sees one plane, no glass, no stairs, nothing between two
    rays that is not within `margin` of a hit.
  * The base follows commands within its acceleration limits after `delay`, and odometry over a scan's age is
    good.
  * `filter` is called every `period`, and the base stops by itself when commands cease.

For many robots that all run the same filter, in batches, see `vlingnav_safety.multi`; what that guarantees,
under which assumptions, stands in `multi.batch`, and why in `multi.stops`.

Not guaranteed: people faster than `obstacle_speed`, being run into while standing, arriving anywhere, and
anything that certified safety hardware is for.
"""

from vlingnav_safety.barriers import cover_rectangle
from vlingnav_safety.config import FilterConfig
from vlingnav_safety.filter import LidarBarrierFilter
from vlingnav_safety.neighbours import NeighbourConfig, NeighbourTracker
from vlingnav_safety.qp import project, project_batch
from vlingnav_safety.types import Limits, Neighbours, Obstacles, Report, SafetyFilter, State

__all__ = [
    "FilterConfig",
    "LidarBarrierFilter",
    "Limits",
    "NeighbourConfig",
    "NeighbourTracker",
    "Neighbours",
    "Obstacles",
    "Report",
    "SafetyFilter",
    "State",
    "cover_rectangle",
    "project",
    "project_batch",
]
