"""What can truly and clearly be said of a route.

Every clause is checked from where the robot will be when it applies: at the start in the first room, and just
inside the door in all others. A door is left, right or straight ahead only if, by a margin, no other way out
could be called the same; and a thing is named only so that no other in its room, or behind a door of that
room, has the name. Colours are named only in pairs that training may name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import wrap
from vlingnav_sim.grid import footprint_distance, path_length
from vlingnav_sim.house.model import Door, House, Item
from vlingnav_sim.tasks.objects import is_fair
from vlingnav_sim.tasks.task import Pose
from vlingnav_sim.tasks.words import (
    AHEAD_DOOR_PHRASES,
    ENTER_PHRASES,
    JOINTS,
    ONLY_DOOR_PHRASES,
    PASS_PHRASES,
    SIDE_DOOR_PHRASES,
    STOP_PHRASES,
    UNSEEN_PAIRS,
)

Points = NDArray[np.float64]

INSIDE_M = 0.3
"""How far past a door [m] the robot is when it looks for the next one."""
AHEAD_RAD, SIDE_RAD = math.radians(25), (math.radians(40), math.radians(140))
"""What is straight ahead, and from where to where something is at a side."""
MARGIN_RAD = math.radians(15)
"""What is so near to being at a side, or ahead, might be called so."""
PASSED_M = 1.2
"""A thing is passed at most so far away [m]."""
ON_THE_WAY_M = 0.4
"""And not nearer than this [m] to where a leg begins or ends."""
PASS_CHANCE = 0.7
_STEP_M = 0.1


def describe(
    house: House,
    start: Pose,
    rooms: Sequence[int],
    legs: Sequence[Points],
    target: Item,
    rng: np.random.Generator,
) -> str | None:
    """An instruction for the route; None when a part of it cannot be told clearly.

    Args:
        start: x, y [m], yaw [rad].
        rooms: on the way, that of the start first.
        legs: the way through each room, `(N, 2)` each, from door to door.
        target: where it ends, in the last room.
        rng: chooses among all that is true.
    """
    clauses: list[str] = []
    pose, entrance = start, None
    for number, (room, leg) in enumerate(zip(rooms, legs, strict=True)):
        passed = _passed(house, leg, room, target)
        if passed and rng.random() < PASS_CHANCE:
            clauses.append(passed[rng.integers(len(passed))])
        if number == len(rooms) - 1:
            break
        doors = [door for door in house.doors if room in door.rooms]
        taken = next(door for door in doors if rooms[number + 1] in door.rooms)
        ways = _ways_out(house, pose, room, doors, entrance, taken)
        if not ways:
            return None
        clauses.append(ways[rng.integers(len(ways))])
        pose, entrance = pose_inside(house, taken, rooms[number + 1]), taken
    names = names_of(house, target)
    if not names:
        return None
    clauses.append(str(rng.choice(STOP_PHRASES)).format(names[rng.integers(len(names))]))
    return str(rng.choice(JOINTS)).join(clauses)


def pose_inside(house: House, door: Door, room: int) -> Pose:
    """Where a robot is, and looks, that has just come through `door` into `room`."""
    x0, y0, x1, y1 = house.rooms[room].rect
    x, y = door.position
    if door.along == "x":
        inward = 1.0 if 0.5 * (y0 + y1) > y else -1.0
        return x, y + inward * INSIDE_M, inward * 0.5 * math.pi
    inward = 1.0 if 0.5 * (x0 + x1) > x else -1.0
    return x + inward * INSIDE_M, y, 0.0 if inward > 0.0 else math.pi


def names_of(house: House, item: Item) -> list[str]:
    """What `item` can be called in its room: with its colour or without, if nothing near is called so."""
    near = {item.room} | {room for door in house.doors if item.room in door.rooms for room in door.rooms}
    alike = [other for other in house.items if other.room in near and other.category == item.category]
    names = [item.category] if len(alike) == 1 else []
    if (
        sum(other.colour == item.colour for other in alike) == 1
        and (item.colour, item.category) not in UNSEEN_PAIRS
    ):
        names.append(f"{item.colour} {item.category}")
    return names


def bearing(pose: Pose, xy: Sequence[float]) -> float:
    """Direction [rad] of a point seen from `pose`, positive to the left."""
    return float(wrap(math.atan2(xy[1] - pose[1], xy[0] - pose[0]) - pose[2]))


def side_of(angle: float) -> str | None:
    """What the bearing `angle` [rad] is called: "left", "right", "ahead", or nothing."""
    if abs(angle) <= AHEAD_RAD:
        return "ahead"
    if SIDE_RAD[0] <= abs(angle) <= SIDE_RAD[1]:
        return "left" if angle > 0.0 else "right"
    return None


def _ways_out(
    house: House, pose: Pose, room: int, doors: Sequence[Door], entrance: Door | None, taken: Door
) -> list[str]:
    """All that can be said, seen from `pose`, of going through `taken`, one of the `doors` of `room`."""
    clauses: list[str] = []
    side = side_of(bearing(pose, taken.position))
    others = [door for door in doors if door not in (taken, entrance)]
    if side is not None and not any(_might_be(side, bearing(pose, door.position)) for door in others):
        clauses += AHEAD_DOOR_PHRASES if side == "ahead" else [p.format(side) for p in SIDE_DOOR_PHRASES]
    kinds = [house.rooms[door.rooms[door.rooms[0] == room]].kind for door in doors]
    kind = kinds[doors.index(taken)]
    if kinds.count(kind) == 1 and kind != house.rooms[room].kind:
        clauses += [phrase.format(kind) for phrase in ENTER_PHRASES]
    if not others:
        clauses += [phrase.format(house.rooms[room].kind) for phrase in ONLY_DOOR_PHRASES]
    return clauses


def _might_be(side: str, angle: float) -> bool:
    """Whether a hurried person might call the bearing `angle` [rad] so."""
    if side == "ahead":
        return abs(angle) <= AHEAD_RAD + MARGIN_RAD
    low, high = SIDE_RAD[0] - MARGIN_RAD, SIDE_RAD[1] + MARGIN_RAD
    return low <= (angle if side == "left" else -angle) <= high


def _passed(house: House, leg: Points, room: int, target: Item) -> list[str]:
    """Clauses for the things that the way through a room passes, at whichever side they are."""
    length = path_length(leg)
    if length < 2.0 * ON_THE_WAY_M + _STEP_M:
        return []
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(leg, axis=0).T))])
    at = np.arange(0.0, length, _STEP_M)
    points = np.stack([np.interp(at, along, leg[:, k]) for k in (0, 1)], axis=-1)
    headings = np.arctan2(*np.gradient(points, axis=0).T[::-1])
    clauses = []
    for item in house.items:
        if item.room != room or item is target or not is_fair(item):
            continue
        distances = footprint_distance(item, points)
        i = int(np.argmin(distances))
        if distances[i] > PASSED_M or not ON_THE_WAY_M <= at[i] <= length - ON_THE_WAY_M:
            continue
        angles = [bearing((*points[k], headings[k]), item.pose) for k in range(i + 1)]
        side = side_of(angles[-1])
        if side in ("left", "right") and min(map(abs, angles)) < AHEAD_RAD + MARGIN_RAD:
            clauses += [p.format(name, side) for name in names_of(house, item) for p in PASS_PHRASES]
    return clauses
