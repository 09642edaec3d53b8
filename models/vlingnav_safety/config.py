"""What the filter must know of the robot and of the loop that it runs in."""

from __future__ import annotations

from dataclasses import dataclass

from vlingnav_safety.barriers import Disc
from vlingnav_safety.movers import Polygon


@dataclass(frozen=True)
class FilterConfig:
    """What the filter must know of the robot and of the loop that it runs in.

    Attributes:
        hull: discs x, y, radius [m] in the body frame that cover the robot; see `barriers.cover_rectangle`.
        lookahead: how far ahead of the axle a differential drive is steered from [m]; its disc grows by as
            much.
        margin: clearance kept from every hit [m]: sensor noise, gaps between rays, what the model leaves out.
            Where the filter steers it keeps all of it; where a driver aims at a gap by himself, half.
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
        people_distance: from hull to person [m] within which the robot goes no faster than `people_speed`;
            the limit rises from there as a braking robot needs it. The default is the nearer end of what
            people keep from strangers (Hall 1966, "social distance").
        people_speed: [m/s] beside people.
        right_of_way: whether it keeps right of robots that come the other way and, where two cannot pass,
            backs off before the one that goes east; see `right_of_way`.
        keep_out: zones to stay out of, polygons of corners x, y [m] in the frame of the odometry.
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
    people_distance: float = 1.2
    people_speed: float = 0.3
    right_of_way: bool = False
    keep_out: tuple[Polygon, ...] = ()
