"""Two robots that come at each other: both keep to the right, and where two cannot pass, one backs off.

A filter only takes away, so two robots whose drivers know nothing of each other stand face to face for ever.
This changes what the filter is asked for, and nothing else: what comes out is certified as any other command.
It needs no word from the other robot but its odometry, which gives both the same picture:

  * While one is in the way, a robot goes along the first free direction to the right of its course.
  * Where there is none, right of way has who goes east: of two that face each other, that is who is farther
    west. The other goes round on the left if it can, else backs away, out of the first one's line where there
    is room to, and waits until it has passed. East is turned by 20 degrees, so that in a house, whose
    corridors run along the axes, the two are never in doubt which of them it is.
  * One that has stood for long, as robots do that have arrived, is passed on the left too.
  * People have the right of way: where one stands before a robot that cannot pass, the robot backs off.

A robot whose driver asks it to stand stays where it is. What goes on in a crowd of dozens is the business of
`multi.detour`, which is this for simulated worlds, where robots tell each other where they are bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.movers import Movers
from vlingnav_safety.types import Neighbours, State

Array = NDArray[np.float64]

_MEET = 1.2  # [m] between two hulls within which robots see to it that they can pass
_PART = 1.8  # [m] beyond which they have nothing to do with each other any more
_CLEARANCE = 0.08  # [m] kept beyond the hulls when a direction is chosen: the filter's margin, and to spare
_AHEAD = 1.0  # [rad] from the course within which something is ahead
_STEP = math.radians(5.0)  # between two directions that are tried
_EAST = np.array([math.cos(math.radians(20.0)), math.sin(math.radians(20.0))])
_PATIENCE = {True: 1.0, False: 4.0}  # [s] without a way on the right: of who gives way, and of who has it
_GIVE_UP = 20.0  # [s] after which a meeting is looked at anew
_ROOM, _END = 0.25, 0.05  # [m] that must be free of a way to back off, and below which it ends
_LEG = 0.6  # [m] after which there may be a better one: out of a door, to the side
# [deg] from the other robot: ways to back off, best first. It keeps to its right, so this one does too.
_AWAY = (-120, 120, -135, 135, -150, 150, -165, 165, 180, -105, 105, -90, 90)
_STANDS = 0.05  # [m/s] below which a robot stands
_COMES = 0.1  # [m/s] above which one comes, or leaves
_PASSED = 0.1  # [m] by which one must be behind to be passed
# [s] for which a robot that is asked to go has stood before it does something about another, or a person.
_HELD, _HELD_BY_PERSON = 0.7, 3.0
_SPEED = 0.3  # [m/s] at which one goes round another


@dataclass
class _Meeting:
    """With whom, on which course [rad], since when, who gives way, since when it is stuck.

    Then: whether it backs off, from where `(2,)` [m], and which way [rad].
    """

    name: str
    course: float
    begun: float
    yields: bool
    stuck: float = math.inf
    backing: bool = False
    origin: Array | None = None
    retreat: float = math.nan


class RightOfWay:
    """Remembers whom one robot is meeting.

    Args:
        hull: `(D, 3)` discs x, y, radius [m] of the robot.
        turn_limit: its largest turning rate [rad/s].
    """

    def __init__(self, hull: Array, turn_limit: float) -> None:
        self._radius = float((np.hypot(hull[:, 0], hull[:, 1]) + hull[:, 2]).max())
        self._turn_limit = turn_limit
        self._meeting: _Meeting | None = None
        self._moved: float | None = None  # when it last did, or was not asked to

    def redirect(
        self, state: State, desired: Array, movers: Movers, neighbours: Neighbours, now: float
    ) -> tuple[Array, str, str]:
        """What to ask the filter for `(3,)`; if it is not `desired`, in words why, and on account of whom.

        Args:
            state: of the robot, in the frame of the neighbours.
            desired: `(3,)` the driver's command.
            movers: everything around, in the body frame of now.
            neighbours: those of them that are robots or people.
            now: time [s].
        """
        pose, velocity = state.pose, state.velocity
        count = len(neighbours.position)
        people = np.broadcast_to(neighbours.person, count)
        robots = np.broadcast_to(neighbours.brakes, count) & ~people
        speed = float(np.hypot(desired[0], desired[1]))
        if np.hypot(velocity[0], velocity[1]) > _STANDS or speed < _STANDS or self._moved is None:
            self._moved = now
        if not (robots | people).any() or (speed < 0.02 and abs(desired[2]) < 0.02):
            self._meeting = None
            return desired, "", ""
        if self._meeting is None and speed >= _STANDS:
            self._meeting = self._met(pose, desired, movers, neighbours, robots, people, now)
        meeting = self._meeting
        if meeting is None:
            return desired, "", ""
        names = movers.names[:count]
        which = names.index(meeting.name) if meeting.name in names else -1
        toward = neighbours.position[which] - pose[:2]
        distance = float(np.hypot(*toward))
        leaves = neighbours.velocity[which] @ toward > _COMES * distance
        if which < 0 or (leaves and meeting.backing) or self._over(meeting, toward, now):
            self._meeting = None
        if self._meeting is None or leaves:
            return desired, "", ""
        bearing = math.atan2(toward[1], toward[0]) - pose[2]
        sizes = movers.radius + self._radius + _CLEARANCE
        if not meeting.backing:
            course, asked = meeting.course - pose[2], np.array([math.atan2(desired[1], desired[0])])
            if speed >= _STANDS and self._passes(asked, bearing, distance, movers.points, sizes)[0]:
                return desired, "", ""
            turns = np.arange(0.0, 0.5 * math.pi, _STEP)
            right = turns[self._passes(course - turns, bearing, distance, movers.points, sizes)]
            if len(right):
                meeting.stuck = math.inf
                return self._toward(course - right[0]), "keeping to the right of", meeting.name
            meeting.stuck = min(meeting.stuck, now)
            if now - meeting.stuck < _PATIENCE[meeting.yields]:
                return desired, "", ""
            left = turns[self._passes(course + turns, bearing, distance, movers.points, sizes)]
            if len(left):
                return self._toward(course + left[0]), "going round", meeting.name
            if not meeting.yields:
                return desired, "", ""
            meeting.backing = True
        return self._back_off(
            meeting, bearing, distance - float(neighbours.radius[which]), pose, movers, sizes
        )

    def _back_off(
        self, meeting: _Meeting, bearing: float, distance: float, pose: Array, movers: Movers, sizes: Array
    ) -> tuple[Array, str, str]:
        """Away from the robot at `bearing`, `distance`; one way as far as it goes, then another."""
        if distance - self._radius < _MEET:
            way = meeting.retreat - pose[2]
            gone = meeting.origin is None or float(np.hypot(*(pose[:2] - meeting.origin))) > _LEG
            if gone or math.isnan(way) or _free(np.array([way]), movers.points, sizes)[0] < _END:
                meeting.origin = pose[:2].copy()
                ways = bearing + np.radians(_AWAY)
                free = _free(ways, movers.points, sizes) > _ROOM
                way = float(ways[np.argmax(free)]) if free.any() else math.nan
            meeting.retreat = way + pose[2]
            if not math.isnan(way):
                return self._toward(way, backward=True), "giving way to", meeting.name
        return np.zeros(3), "waiting for", meeting.name

    def _met(
        self,
        pose: Array,
        desired: Array,
        movers: Movers,
        neighbours: Neighbours,
        robots: NDArray[np.bool_],
        people: NDArray[np.bool_],
        now: float,
    ) -> _Meeting | None:
        """The nearest robot that comes on this one's course, or robot or person that holds it up there."""
        stood = now - (self._moved or 0.0)
        course = pose[2] + math.atan2(desired[1], desired[0])
        u = np.array([math.cos(course), math.sin(course)])
        toward = neighbours.position - pose[:2]
        distance = np.hypot(toward[:, 0], toward[:, 1])
        width = self._radius + neighbours.radius
        along, across = toward @ u, np.abs(toward @ np.array([-u[1], u[0]]))
        comes = (neighbours.velocity * toward).sum(axis=1) < -_COMES * distance
        ahead = (along > math.cos(_AHEAD) * distance) & (across < width + _CLEARANCE)
        near = (
            ahead
            & ((robots & (comes | (stood > _HELD))) | (people & (stood > _HELD_BY_PERSON)))
            & (distance < width + _MEET)
        )
        if not near.any():
            return None
        which = int(np.argmin(np.where(near, distance, np.inf)))
        yields = bool(people[which] or toward[which] @ _EAST < 0.0)
        return _Meeting(movers.names[which], course, now, yields)

    def _over(self, meeting: _Meeting, toward: Array, now: float) -> bool:
        """Whether the robot at `toward (2,)` has been passed, is far away, or was met for too long."""
        passed = toward @ np.array([math.cos(meeting.course), math.sin(meeting.course)]) < -_PASSED
        far = float(np.hypot(*toward)) > 2.0 * self._radius + _PART
        return bool(passed or far or now - meeting.begun > _GIVE_UP)

    @staticmethod
    def _passes(
        angles: Array, bearing: float, distance: float, points: Array, sizes: Array
    ) -> NDArray[np.bool_]:
        """Whether each direction `(A,)` is free until abreast of the robot at `bearing`, `distance`."""
        need = np.maximum(distance * np.cos(angles - bearing), 0.3)
        return _free(angles, points, sizes) >= need

    def _toward(self, angle: float, backward: bool = False) -> Array:
        """A command `(3,)` toward `angle` [rad]; `backward`: tail first, where that is the nearer way."""
        error = math.remainder(angle, math.tau)
        sign = 1.0
        if backward and abs(error) > 0.5 * math.pi:
            error, sign = math.remainder(error + math.pi, math.tau), -1.0
        turn = float(np.clip(2.0 * error, -self._turn_limit, self._turn_limit))
        return np.array([sign * _SPEED * max(0.0, math.cos(1.5 * min(abs(error), 1.0))), 0.0, turn])


def _free(angles: Array, points: Array, sizes: Array) -> Array:
    """How far `(A,)` one gets in each direction before a disc `points (M, 2)`, `sizes (M,)` is met [m]."""
    distance = np.hypot(points[:, 0], points[:, 1])
    sizes = np.minimum(sizes, 0.98 * distance)  # who stands in the clearance already may go along it
    along = np.cos(angles)[:, None] * points[:, 0] + np.sin(angles)[:, None] * points[:, 1]
    inside = sizes**2 - (distance**2 - along**2)
    meets = (along > 0.0) & (inside > 0.0)
    reach = np.where(meets, along - np.sqrt(np.maximum(inside, 0.0)), np.inf)
    return np.maximum(reach.min(axis=1, initial=np.inf), 0.0)
