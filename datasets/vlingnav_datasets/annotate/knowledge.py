"""What the robot has learnt of a house by some step: facts added up, in the frame of its odometry.

Annotators write from it and the filters judge by it, so that both mean the same by "seen so far".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vlingnav_datasets.facts import ItemSeen, PersonSeen, RoomKnown, StepFacts

Point = tuple[float, float]
Pose = tuple[float, float, float]

_THRESHOLD_M = 1.5
"""Who changed rooms went through the nearest door known within this distance [m]."""
_BESIDE_M = 1.6
"""A landmark is at most so far from what it marks [m]."""


@dataclass(frozen=True)
class KnownItem:
    """A thing that has been seen: as it was, where (x, y [m], odometry), and when first [s]."""

    seen: ItemSeen
    xy: Point
    first: float


@dataclass
class KnownDoor:
    """A door that has been seen.

    Attributes:
        xy: where [m], odometry.
        sides: the room on the other side, by the room it was seen from; None while not known.
    """

    xy: Point
    sides: dict[int, int | None] = field(default_factory=dict)


class Knowledge:
    """Everything seen up to and including `now`.

    Attributes:
        now: the newest step.
        items, doors, rooms: by their index.
        people: who has been seen, by index.
        order: rooms in the order they were entered.
        entries: the pose with which each of them was first entered.
    """

    def __init__(self) -> None:
        self.items: dict[int, KnownItem] = {}
        self.people: dict[int, PersonSeen] = {}
        self.doors: dict[int, KnownDoor] = {}
        self.rooms: dict[int, RoomKnown] = {}
        self.order: list[int] = []
        self.entries: dict[int, Pose] = {}
        self.now: StepFacts
        self._before: int | None = None

    def add(self, facts: StepFacts) -> None:
        """Take in the next step."""
        self.now = facts
        self.rooms = {room.index: room for room in facts.rooms}
        for item in facts.items:
            first = self.items[item.index].first if item.index in self.items else facts.stamp
            self.items[item.index] = KnownItem(item, place(facts.pose, item.distance, item.bearing), first)
        self.people |= {person.index: person for person in facts.people}
        for door in facts.doors:
            xy = place(facts.pose, door.distance, door.bearing)
            known = self.doors.setdefault(door.index, KnownDoor(xy))
            known.xy = xy
            known.sides[door.room] = door.leads_to
            if door.leads_to is not None:
                known.sides[door.leads_to] = door.room
        if facts.room not in self.entries:
            self.order.append(facts.room)
            self.entries[facts.room] = facts.pose
        if self._before is not None and self._before != facts.room:
            self._pass(self._before, facts.room)
        self._before = facts.room

    def _pass(self, left: int, entered: int) -> None:
        """The robot came from one room into the next: that tells where a door leads."""
        near = [
            (math.dist(door.xy, self.now.pose[:2]), index)
            for index, door in self.doors.items()
            if door.sides.get(left, entered) in (entered, None)
        ]
        if near and min(near)[0] <= _THRESHOLD_M:
            door = self.doors[min(near)[1]]
            door.sides |= {left: entered, entered: left}

    def number(self, room: int) -> int | None:
        """The how manieth room this was to be entered, from 1; None if it never was."""
        return self.order.index(room) + 1 if room in self.order else None

    def doors_of(self, room: int) -> dict[int, int | None]:
        """Doors known to a room -> the room each leads to, None while that is not known."""
        return {index: door.sides[room] for index, door in self.doors.items() if room in door.sides}

    def items_of(self, room: int) -> list[KnownItem]:
        """Things seen in a room, in the order they were first seen."""
        return [item for item in self.items.values() if item.seen.room == room]

    def beside(self, xy: Point, room: int, but: int | None = None) -> KnownItem | None:
        """The landmark of a place: the thing seen nearest to it in `room`, if near; not the item `but`."""
        near = [
            (math.dist(item.xy, xy), item.seen.index)
            for item in self.items_of(room)
            if item.seen.index != but
        ]
        return self.items[min(near)[1]] if near and min(near)[0] <= _BESIDE_M else None


def place(pose: Pose, distance: float, bearing: float) -> Point:
    """Where something is [m] that is seen from `pose` at this distance [m] and bearing [rad]."""
    return (
        pose[0] + distance * math.cos(pose[2] + bearing),
        pose[1] + distance * math.sin(pose[2] + bearing),
    )


def bearing_of(xy: Point, pose: Pose) -> float:
    """Bearing [rad] of a place from `pose`."""
    return math.remainder(math.atan2(xy[1] - pose[1], xy[0] - pose[0]) - pose[2], math.tau)
