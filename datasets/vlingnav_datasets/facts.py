"""What is true at one step of an episode, as far as the robot could know it; what labels are written from.

There is no hidden part: what the robot has not seen by this step is not in here, so nothing that reads facts
can give it away. A dataset stores them as JSON text, one row a step. Indices are those of the house; they
tell things apart and mean nothing else. Bearings are relative to where the robot looks, positive to the left.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.se2 import wrap

Action = Literal[
    "stop", "wait", "forward", "forward left", "forward right", "turn left", "turn right", "back"
]
IntentKind = Literal["explore", "approach", "follow", "route", "stop"]


@dataclass(frozen=True)
class ItemSeen:
    """A thing in view.

    Attributes:
        distance, bearing: of its middle [m, rad].
        share: of it that is in view, 0 to 1.
        room: index of the room it stands in.
    """

    index: int
    category: str
    colour: str
    distance: float
    bearing: float
    share: float
    room: int


@dataclass(frozen=True)
class PersonSeen:
    """A person in view: colours of the clothes, distance [m], bearing [rad]."""

    index: int
    top: str
    bottom: str
    distance: float
    bearing: float


@dataclass(frozen=True)
class DoorSeen:
    """A door opening in view.

    Attributes:
        distance, bearing: of its middle [m, rad].
        room: the room it is seen from, which need not be the one the robot stands in.
        new: it has never been in view before.
        leads_to: the room on its other side, None while nothing is known of that room.
        visited: the robot has been in the room on its other side.
    """

    index: int
    distance: float
    bearing: float
    room: int
    new: bool
    leads_to: int | None
    visited: bool


@dataclass(frozen=True)
class RoomKnown:
    """A room that the robot has been in or looked into.

    Attributes:
        kind: e.g. "kitchen"; None until things that tell it have been seen in it.
        entered: when the robot first came in [s]; None if it only looked in.
        last: when it last was in it [s].
        looked: share of its floor that has been in view, 0 to 1.
    """

    index: int
    kind: str | None
    entered: float | None
    last: float | None
    looked: float


@dataclass(frozen=True)
class Target:
    """What the robot is after.

    Attributes:
        words: a name for it without an article that says no more than the goal does, e.g. "red chair".
        person: whether it is somebody.
        likely: kinds of rooms such a thing is usually in; common sense, not this house.
        in_view: whether it is seen now.
        last_seen: when it was last in view [s]; None if never, and all that follows is None then.
        index: which item or person.
        room: in which room an item stands.
        distance, bearing: to where it is, or where it was when last seen [m, rad].
    """

    words: str
    person: bool
    likely: tuple[str, ...]
    in_view: bool
    last_seen: float | None
    index: int | None
    room: int | None
    distance: float | None
    bearing: float | None


@dataclass(frozen=True)
class Intent:
    """What the expert is doing.

    Attributes:
        kind: searching, going up to what was seen, following somebody, driving a route, done.
        distance, bearing: to where it is going [m, rad]; a place the robot has seen.
        door: the door it is going through next, if any.
        room: the room it is going to, None while nothing is known of that room.
        clause, words: on a route, how many of its doors have been taken, and what it says of the way on.
    """

    kind: IntentKind
    distance: float
    bearing: float
    door: int | None = None
    room: int | None = None
    clause: int | None = None
    words: str | None = None


@dataclass(frozen=True)
class Motion:
    """What the odometry says of the last `window` seconds: stuck and to-and-fro show here.

    Attributes:
        window: how long it looks back [s]; shorter at the start of an episode.
        path, shift: length of the way, and distance between its ends [m].
        turned, net_turn: sum of all turning, left or right, and what is left of it [rad], both at least 0.
    """

    window: float
    path: float
    shift: float
    turned: float
    net_turn: float

    @classmethod
    def of(cls, stamps: Sequence[float], poses: NDArray[np.float64]) -> Motion:
        """That of odometry: poses `(N, 3)` x [m], y [m], yaw [rad] at `stamps` [s]."""
        steps = np.diff(poses, axis=0)
        turns = wrap(steps[:, 2])
        return cls(
            window=round(stamps[-1] - stamps[0], 3),
            path=round(float(np.hypot(steps[:, 0], steps[:, 1]).sum()), 3),
            shift=round(math.dist(poses[-1, :2], poses[0, :2]), 3),
            turned=round(float(np.abs(turns).sum()), 3),
            net_turn=round(abs(float(turns.sum())), 3),
        )


@dataclass(frozen=True)
class StepFacts:
    """One step.

    Attributes:
        stamp: [s] since the episode began, that of the observation.
        pose: x [m], y [m], yaw [rad] by odometry.
        room: where the robot stands.
        items, people, doors: in view now, the nearest first.
        rooms: all that is known of rooms, in the order they became known.
        target: None where the task names none.
        intent, action: the expert's aim, and its trajectory in a word.
    """

    stamp: float
    pose: tuple[float, float, float]
    room: int
    items: tuple[ItemSeen, ...]
    people: tuple[PersonSeen, ...]
    doors: tuple[DoorSeen, ...]
    rooms: tuple[RoomKnown, ...]
    target: Target | None
    intent: Intent
    action: Action
    motion: Motion

    def to_json(self) -> str:
        """The step as one line of JSON; numbers are kept to a thousandth."""
        return json.dumps(_rounded(dataclasses.asdict(self)), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> StepFacts:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            row = json.loads(text)
            row["pose"] = tuple(row["pose"])
            row["motion"], row["intent"] = Motion(**row["motion"]), Intent(**row["intent"])
            for name, kind in _ROWS.items():
                row[name] = tuple(kind(**fields) for fields in row[name])
            if row["target"] is not None:
                row["target"] = Target(**row["target"] | {"likely": tuple(row["target"]["likely"])})
            return cls(**row)
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"these are no facts of a step, record the episode anew: {error}") from error


def action_word(trajectory: NDArray[np.floating[Any]], stop: bool) -> Action:
    """A trajectory `(T, 3)` in the body frame [m, m, rad] in a word.

    One that ends within 0.15 m of where it begins turns or waits; one that ends more than 0.35 rad off the
    robot's heading turns.
    """
    if stop:
        return "stop"
    x, y, yaw = trajectory[-1].tolist()
    if x < -0.15:
        return "back"
    moves = math.hypot(x, y) > 0.15
    if abs(yaw) <= 0.35:
        return "forward" if moves else "wait"
    if moves:
        return "forward left" if yaw > 0.0 else "forward right"
    return "turn left" if yaw > 0.0 else "turn right"


_ROWS: dict[str, Any] = {"items": ItemSeen, "people": PersonSeen, "doors": DoorSeen, "rooms": RoomKnown}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
