"""Writes down, step by step, what a robot in the simulator could know: the facts that labels come from.

The recorder looks through the robot's camera by rays, remembers what it has had in view, and asks the expert
what it is about. It draws no picture and costs a few milliseconds a step. Anything may drive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.facts import (
    DoorSeen,
    Intent,
    IntentKind,
    ItemSeen,
    Motion,
    PersonSeen,
    RoomKnown,
    StepFacts,
    Target,
    action_word,
)
from vlingnav_policy.se2 import compose
from vlingnav_policy.types import Decision, Observation, Policy
from vlingnav_sim.experts.exploration import Exploration
from vlingnav_sim.experts.searching import SearchingConfig
from vlingnav_sim.grid import OccupancyGrid, clear_line, footprint_distance
from vlingnav_sim.house.model import Door
from vlingnav_sim.lexicon import likely_rooms, stretches, target_words, tells_kind
from vlingnav_sim.measures import IN_VIEW
from vlingnav_sim.measures.route import DoorCounter
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import FollowTask, NavigationTask, RouteTask
from vlingnav_sim.tasks.task import room_cells

Array = NDArray[np.float64]

SIGHT_M = SearchingConfig().notice_distance
"""Nothing is recognised from farther away [m], by the expert or here."""
_NOTICED = SearchingConfig().notice_share
_WINDOW_S = 6.0  # that of `Motion`; 15 decisions, as long as the paper's planner waits before it helps
_INSIDE_M = 0.25  # so far past a door's middle the robot is in the next room
_FURTHER_M = 1.0  # an expert that says no more is taken to go on so far past the end of its trajectory
_RIM_M = 0.8  # a place so near to a door is gone to for the door's sake
_GLIMPSE = 0.1  # share of its floor that must have been in view before a room counts as known


class FactsRecorder:
    """Follows one robot through one episode.

    Args:
        simulator: it is asked, never moved.
        expert: whose intent is written down. Where it has them, `found` (index of the item it goes to) and
            `heading_for` (x, y [m] it is driving to, a place it has seen) are read; what lies ahead at the
            end of its trajectory stands in for the latter.
        robot: which one.
    """

    def __init__(self, simulator: Simulator, expert: Policy, robot: int = 0) -> None:
        self._simulator, self._expert, self._robot = simulator, expert, robot
        house, self._camera = simulator.house, simulator.robots[robot].camera
        self._grid = OccupancyGrid.from_house(house, resolution=0.1, eye_height=self._camera.mount_height)
        self._centres = np.array([item.pose[:2] for item in house.items]).reshape(-1, 2)
        self._floors = [
            room_cells(house, self._grid, room.index) & ~self._grid.occupied for room in house.rooms
        ]

    def reset(self, task: NavigationTask) -> None:
        """Forget everything; the robot stands where the episode begins."""
        house = self._simulator.house
        self._task = task
        self._leader = task.leader if isinstance(task, FollowTask) else None
        self._passed = None
        if isinstance(task, RouteTask):
            self._passed = DoorCounter([room.rect for room in house.rooms], task.rooms)
        self._words, self._likely = target_words(house, task), likely_rooms(house, task)
        self._known = Exploration(house, self._grid, np.zeros(len(house.rooms)), self._camera.hfov)
        self._doors: set[int] = set()
        self._kinds: dict[int, str] = {}
        self._things: dict[int, set[str]] = {}
        self._rooms: dict[int, RoomKnown] = {}
        self._track: list[tuple[float, Array]] = []
        self._target: int | None = None
        self._target_at: tuple[float, Array] | None = None
        x, y, _ = self._simulator.pose(self._robot)
        self._room = max(house.rooms, key=lambda room: _depth(room.rect, x, y)).index

    def step(self, observation: Observation, decision: Decision) -> StepFacts:
        """The facts now.

        Args:
            observation: the newest; its stamp and odometry are used.
            decision: what the expert made of it, whoever drives.
        """
        stamp, pose = observation.stamp, self._simulator.pose(self._robot)
        odometry = pose if observation.odometry is None else observation.odometry.pose
        self._track = [row for row in self._track if stamp - row[0] < _WINDOW_S] + [(stamp, odometry)]
        self._enter(pose)
        self._known.look(pose)
        items, people = self._items(pose), self._people(pose)
        self._learn_rooms(items, stamp)
        doors = self._see_doors(pose)
        target = self._look_for_target(items, people, pose, stamp)
        return StepFacts(
            stamp=round(stamp, 3),
            pose=(round(float(odometry[0]), 3), round(float(odometry[1]), 3), round(float(odometry[2]), 3)),
            room=self._room,
            items=items,
            people=people,
            doors=doors,
            rooms=tuple(self._rooms.values()),
            target=target,
            intent=self._intent(decision, target, pose),
            action=action_word(decision.trajectory, decision.stop),
            motion=Motion.of([row[0] for row in self._track], np.array([row[1] for row in self._track])),
        )

    def _enter(self, pose: Array) -> None:
        for room in self._simulator.house.rooms:
            if _depth(room.rect, pose[0], pose[1]) > _INSIDE_M:
                self._room = room.index

    def _items(self, pose: Array) -> tuple[ItemSeen, ...]:
        seen = []
        for item in self._simulator.house.items:
            distance, bearing = _polar(pose, item.pose)
            # A large thing's middle may be out of the picture while much of it is in.
            if distance > SIGHT_M + 2.0 or (distance > 1.5 and abs(bearing) > self._camera.hfov):
                continue
            share = self._simulator.visible(item.index, self._robot)
            if share >= _NOTICED and footprint_distance(item, pose[:2]) <= SIGHT_M:
                seen.append(
                    ItemSeen(
                        item.index, item.category, item.colour, distance, bearing, round(share, 3), item.room
                    )
                )
        return tuple(sorted(seen, key=lambda thing: thing.distance))

    def _people(self, pose: Array) -> tuple[PersonSeen, ...]:
        seen = []
        for index, xy in enumerate(self._simulator.people()[:, :2]):
            distance, bearing = _polar(pose, xy)
            if distance <= SIGHT_M and self._simulator.person_visible(index, self._robot) >= IN_VIEW:
                person = self._simulator.house.people[index]
                seen.append(PersonSeen(index, person.top, person.bottom, distance, bearing))
        return tuple(sorted(seen, key=lambda someone: someone.distance))

    def _see_doors(self, pose: Array) -> tuple[DoorSeen, ...]:
        seen = []
        for index, door in enumerate(self._simulator.house.doors):
            across = np.array([1.0, 0.0] if door.along == "x" else [0.0, 1.0])
            points = np.array(door.position) + np.linspace(-0.4, 0.4, 5)[:, None] * door.width * across
            if sum(self._in_sight(pose, point) for point in points) < 3:
                continue
            distance, bearing = _polar(pose, door.position)
            here, there = self._sides(door, pose)
            beyond = self._rooms.get(there)
            known, visited = (None, False) if beyond is None else (there, beyond.entered is not None)
            new = index not in self._doors
            seen.append(DoorSeen(index, distance, bearing, here, new, known, visited))
        self._doors.update(door.index for door in seen)
        return tuple(sorted(seen, key=lambda door: door.distance))

    def _sides(self, door: Door, pose: Array) -> tuple[int, int]:
        """The door's rooms: the one on the robot's side of its wall, and the other."""
        axis = 1 if door.along == "x" else 0
        a, b = door.rooms
        rect = self._simulator.house.rooms[a].rect
        same = (pose[axis] - door.position[axis]) * (
            0.5 * (rect[axis] + rect[axis + 2]) - door.position[axis]
        ) > 0
        return (a, b) if same else (b, a)

    def _in_sight(self, pose: Array, xy: Array) -> bool:
        """Whether nothing that the camera cannot look over stands between it and a point."""
        distance, bearing = _polar(pose, xy)
        if distance > SIGHT_M or abs(bearing) > 0.5 * self._camera.hfov:
            return False
        x0, y0 = (pose[:2] - np.array(self._grid.origin)) / self._grid.resolution
        x1, y1 = (xy - np.array(self._grid.origin)) / self._grid.resolution
        return bool(clear_line(~self._grid.opaque, y0, x0, y1, x1))

    def _learn_rooms(self, items: tuple[ItemSeen, ...], stamp: float) -> None:
        for item in items:
            self._things.setdefault(item.room, set()).add(item.category)
        for room in self._simulator.house.rooms:
            floor = self._floors[room.index]
            looked = np.count_nonzero(self._known.seen & floor) / max(int(np.count_nonzero(floor)), 1)
            here, things = room.index == self._room, self._things.get(room.index, set())
            if not (here or things or looked >= _GLIMPSE or room.index in self._rooms):
                continue
            if room.index not in self._kinds and tells_kind(room.kind, things, looked):
                self._kinds[room.index] = room.kind
            old = self._rooms.get(room.index)
            entered, last = (None, None) if old is None else (old.entered, old.last)
            if here:
                entered, last = round(stamp, 3) if entered is None else entered, round(stamp, 3)
            kind = self._kinds.get(room.index)
            self._rooms[room.index] = RoomKnown(room.index, kind, entered, last, round(looked, 3))

    def _look_for_target(
        self, items: tuple[ItemSeen, ...], people: tuple[PersonSeen, ...], pose: Array, stamp: float
    ) -> Target:
        sim, room = self._simulator, None
        if self._leader is not None:
            in_view = any(person.index == self._leader for person in people)
            if in_view:
                self._target, self._target_at = self._leader, (stamp, sim.people()[self._leader, :2])
        else:
            shown = [item.index for item in items if item.index in self._task.targets]
            found = getattr(self._expert, "found", None)
            if found is not None:
                self._target = found
            elif shown and self._target not in shown:
                self._target = shown[0]
            in_view = self._target is not None and sim.visible(self._target, self._robot) >= IN_VIEW
            if self._target is not None:
                room = sim.house.items[self._target].room
                if in_view or self._target_at is None:
                    self._target_at = stamp, self._centres[self._target]
        words, person, likely = self._words, self._leader is not None, self._likely
        if self._target_at is None:
            return Target(words, person, likely, False, None, None, None, None, None)
        seen, xy = self._target_at
        distance, bearing = _polar(pose, xy)
        return Target(words, person, likely, in_view, round(seen, 3), self._target, room, distance, bearing)

    def _intent(self, decision: Decision, target: Target, pose: Array) -> Intent:
        kind: IntentKind = "explore"
        stretch, words = self._stretch(pose)
        next_door = None
        if decision.stop:
            kind = "stop"
        elif stretch is not None and isinstance(self._task, RouteTask):
            rooms = self._task.rooms[stretch : stretch + 2]
            kind = "approach" if self._target_at is not None and len(rooms) == 1 else "route"
            next_door = self._next_door(rooms)
        elif self._target_at is not None:
            kind = "follow" if target.person else "approach"

        point: Array
        heading_for: Array | None = getattr(self._expert, "heading_for", None)
        if next_door is not None:
            point = np.array(self._simulator.house.doors[next_door].position)
        elif self._target_at is not None and kind not in ("explore", "route"):
            point = self._target_at[1]
        elif heading_for is not None:
            point = heading_for
        else:
            end = compose(pose, decision.trajectory[-1].astype(np.float64))
            point = np.asarray(compose(end, np.array([_FURTHER_M, 0.0, 0.0])), dtype=np.float64)[:2]
        door, room = self._way(pose, point)
        distance, bearing = _polar(pose, point)
        return Intent(kind, distance, bearing, door if next_door is None else next_door, room, stretch, words)

    def _stretch(self, pose: Array) -> tuple[int | None, str | None]:
        """On a route: how many of its doors have been taken, and what it says of the way from there."""
        if self._passed is None:
            return None, None
        self._passed.update(pose[:2])
        return self._passed.passed, stretches(self._task.goal.instruction)[self._passed.passed]

    def _next_door(self, rooms: tuple[int, ...]) -> int | None:
        """The door between two rooms of a route, once it has been seen."""
        doors = self._simulator.house.doors
        return next((index for index in self._doors if set(doors[index].rooms) == set(rooms)), None)

    def _way(self, pose: Array, point: Array) -> tuple[int | None, int | None]:
        """Of this room's doors seen so far, the one that leads to `point`, and the room there if known."""
        house = self._simulator.house
        room = max(house.rooms, key=lambda room: _depth(room.rect, point[0], point[1]))
        best, least = None, math.inf
        for index in self._doors:
            door = house.doors[index]
            if self._room not in door.rooms:
                continue
            before, past = door.position - pose[:2], float(np.hypot(*(point - door.position)))
            # What is next to a door ahead is the rim of what can be seen through it.
            rim = past < _RIM_M and before @ (point - pose[:2]) > 0.0
            detour = past + float(np.hypot(*before))
            if detour < least and (room.index != self._room or rim):
                best, least = index, detour
        target = room.index
        if best is not None and target == self._room:
            target = sum(house.doors[best].rooms) - self._room
        return best, target if target in self._rooms else None


def _polar(pose: Array, xy: Array | Sequence[float]) -> tuple[float, float]:
    """Distance [m] and bearing [rad] of a point from `pose (3,)`, in thousandths as facts are stored."""
    dx, dy = float(xy[0] - pose[0]), float(xy[1] - pose[1])
    bearing = math.remainder(math.atan2(dy, dx) - float(pose[2]), math.tau)
    return round(math.hypot(dx, dy), 3), round(bearing, 3)


def _depth(rect: tuple[float, float, float, float], x: float, y: float) -> float:
    """How far inside a rectangle a point lies [m], negative outside."""
    return min(x - rect[0], y - rect[1], rect[2] - x, rect[3] - y)
