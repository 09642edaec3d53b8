"""The annotator that writes from facts: what the robot knows, in a few plain sentences.

It knows nothing that the robot does not (`Knowledge`), except which way the expert goes. A thought has up to
four sentences: what is seen; where that is, and whether the robot has been here; what it is after; what it
does now. A summary is about one room and begins with that room's number, so that of several about one room
the last says all that is known: room two stays room two, a door is named after what stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlingnav_datasets.annotate import wording
from vlingnav_datasets.annotate.knowledge import KnownItem, Point, bearing_of, place
from vlingnav_datasets.annotate.types import Label, Lexicon, Request
from vlingnav_datasets.annotate.wording import a, direction, distance, listing, sentence
from vlingnav_datasets.facts import Target

_WAY_IN_M = 1.0
"""A room is entered by the door that is then at most so far away [m]."""


@dataclass(frozen=True)
class OracleConfig:
    """How much it says.

    Attributes:
        seen: most things named in a thought, doors counted.
        remembered: most things named in a summary.
        doors: most doors named in a summary.
        searched: share of a room's floor that must have been in view for it to count as searched.
    """

    seen: int = 3
    remembered: int = 3
    doors: int = 3
    searched: float = 0.85


class OracleAnnotator:
    """Writes labels from facts; an `Annotator` that answers at once and the same each time."""

    def __init__(self, lexicon: Lexicon, config: OracleConfig = OracleConfig()) -> None:
        self._lexicon, self._config = lexicon, config

    def annotate(self, request: Request) -> Label:
        """Write one label; the seed chooses among wordings."""
        writer = _Writer(request, self._lexicon, self._config)
        return Label(writer.thought(), writer.summary())


class _Writer:
    """Writes one label."""

    def __init__(self, request: Request, lexicon: Lexicon, config: OracleConfig) -> None:
        self._request, self._lexicon, self._config = request, lexicon, config
        self._knowledge, self._now = request.knowledge, request.knowledge.now
        self._rng = np.random.default_rng(request.seed)

    def thought(self) -> str:
        """What is seen, where, what for, what next."""
        return " ".join(filter(None, [self._see(), self._where(), self._aim(), self._act()]))

    def summary(self) -> str:
        """What is worth remembering of the room the robot is in."""
        parts = [self._contents(), self._search(), self._doors(), self._whereabouts()]
        return " ".join(filter(None, parts))

    # --- the thought

    def _see(self) -> str:
        since = float("-inf") if self._request.since is None else self._request.since
        target = self._now.target
        sought = -1 if target is None or target.person or target.index is None else target.index
        items = sorted(
            self._now.items,
            key=lambda i: (i.index != sought, self._knowledge.items[i.index].first < since, i.distance),
        )
        door = min(self._now.doors, key=lambda d: (not d.new, d.distance), default=None)
        doors = [] if door is None else [f"a {'new ' * door.new}door {direction(door.bearing)}"]
        things = [(self._lexicon.name(item.colour, item.category), item.bearing) for item in items]
        if target is not None and target.person:
            somebody = [wording.PERSON.format(top=p.top, bottom=p.bottom) for p in self._now.people]
            things = [*zip(somebody, (p.bearing for p in self._now.people), strict=True), *things]
        said = list(dict.fromkeys(f"{a(name)} {direction(bearing)}" for name, bearing in things))
        said = said[: self._config.seen - len(doors)] + doors
        return self._say("see", things=listing(said)) if said else self._say("see nothing")

    def _where(self) -> str:
        reason, now = self._request.reason, self._now
        if reason == "room entered":
            return self._say(self._arrival(), room=self._room(now.room, full=True))
        if reason in ("new door", "other way"):
            return self._say("same room", room=self._room(now.room, full=True))
        if reason == "person lost":
            return self._say("target lost")
        if reason == "start":
            return self._say("start", room=self._room(now.room, full=True))
        return self._say(reason) if reason in ("stuck", "oscillating", "target lost", "clause done") else ""

    def _arrival(self) -> str:
        """Which words there are for the room just entered."""
        target, room = self._now.target, self._knowledge.rooms[self._now.room]
        if room.entered is not None and room.entered < self._now.stamp:
            return "old room done" if self._done(room.index) else "old room"
        if target is None or target.last_seen is not None or room.kind is None or not target.likely:
            return "new room"
        return "new room likely" if room.kind in target.likely else "new room unlikely"

    def _aim(self) -> str:
        intent, target, now = self._now.intent, self._now.target, self._now
        towards = direction(intent.bearing)
        if intent.kind == "stop":
            known = target is not None and target.last_seen is not None
            return self._at_target("stop", target) if known else self._say("stop here")
        if intent.kind == "route" and intent.words is not None:
            return self._say("route", clause=intent.words)
        if target is None:
            return self._say("drive on", direction=towards)
        if target.last_seen is not None:
            kind = "follow" if target.person else "approach"
            return self._at_target(kind if target.in_view else f"{kind} unseen", target)
        if target.person:
            return self._say("seek person", direction=towards)
        if intent.door is None:
            return self._say("look on", direction=towards)
        door = direction(bearing_of(self._knowledge.doors[intent.door].xy, now.pose))
        beyond = self._knowledge.doors_of(now.room).get(intent.door)
        if beyond is None or self._knowledge.number(beyond) is None:
            return self._say("new way", direction=door)
        if now.rooms and self._done(now.room):
            return self._say("go back", room=self._room(beyond))
        return self._say("known way", direction=door, room=self._room(beyond))

    def _at_target(self, template: str, target: Target | None) -> str:
        assert target is not None and target.bearing is not None and target.distance is not None
        return self._say(template, direction=direction(target.bearing), distance=distance(target.distance))

    def _act(self) -> str:
        return self._one_of(wording.ACTIONS[self._now.action])

    # --- the summary

    def _contents(self) -> str:
        room = self._now.room
        items = self._landmarks(room)
        names = [self._lexicon.name(item.seen.colour, item.seen.category) for item in items]
        name = sentence(self._room(room, full=True))
        if not names:
            return self._say("empty room", Room=name)
        return self._say("room", Room=name, things=listing(names))

    def _landmarks(self, room: int) -> list[KnownItem]:
        """The things of a room to remember it by: the target, what marks its doors, what is seen best."""
        knowledge, target = self._knowledge, self._now.target
        marks = [knowledge.beside(knowledge.doors[door].xy, room) for door in knowledge.doors_of(room)]
        first = {mark.seen.index for mark in marks if mark is not None}
        if target is not None and target.index is not None and not target.person:
            first.add(target.index)
        items = sorted(
            knowledge.items_of(room), key=lambda i: (i.seen.index not in first, -i.seen.share, i.seen.index)
        )
        return items[: self._config.remembered]

    def _search(self) -> str:
        target = self._now.target
        if target is None or target.person or target.last_seen is not None:
            return ""
        return self._say("searched" if self._done(self._now.room) else "part searched")

    def _doors(self) -> str:
        """Where doors lead; those not tried yet are what a search goes on with."""
        room, knowledge = self._now.room, self._knowledge
        names = self._door_names(room)
        tried, to_try = [], []
        for index, beyond in knowledge.doors_of(room).items():
            if beyond is None or knowledge.number(beyond) is None:
                to_try.append(names[index])
            else:
                tried.append(self._say("doors tried", Door=sentence(names[index]), room=self._room(beyond)))
        to_try = list(dict.fromkeys(to_try))[: self._config.doors]
        tried = tried[: self._config.doors - len(to_try)]
        return " ".join(([self._say("doors to try", doors=listing(to_try))] if to_try else []) + tried)

    def _whereabouts(self) -> str:
        """Where the target is, or how far the route has been driven."""
        target, intent, knowledge = self._now.target, self._now.intent, self._knowledge
        if intent.clause is not None:
            if intent.clause == 0:
                return self._say("route begun")
            return self._say("route done", number=wording.NUMBERS[intent.clause - 1])
        if target is None or target.bearing is None or target.distance is None:
            return ""
        if target.person:
            return self._at_target("person", target)
        assert target.room is not None
        xy = place(self._now.pose, target.distance, target.bearing)
        mark = knowledge.beside(xy, target.room, but=target.index)
        room = self._room(target.room)
        if mark is None:
            return self._say("target at", room=room)
        landmark = f"the {self._lexicon.name(mark.seen.colour, mark.seen.category)}"
        return self._say("target beside", room=room, landmark=landmark)

    # --- words

    def _done(self, room: int) -> bool:
        return self._knowledge.rooms[room].looked >= self._config.searched

    def _room(self, room: int | None, full: bool = False) -> str:
        """A room by its number, with its kind if `full`."""
        number = None if room is None else self._knowledge.number(room)
        if room is None or number is None:
            return wording.ROOMS["not entered"]
        word = wording.NUMBERS[min(number, len(wording.NUMBERS)) - 1]
        kind = self._knowledge.rooms[room].kind
        if not full:
            return wording.ROOMS["number"].format(number=word)
        return wording.ROOMS["full"].format(
            number=word, kind=wording.UNKNOWN_KIND if kind is None else a(kind)
        )

    def _door_names(self, room: int) -> dict[int, str]:
        """The doors of a room, each after what stands beside it, or after its side seen from the way in.

        A landmark goes to the door it is nearest to, so that it means one door.
        """
        knowledge, first = self._knowledge, room == self._knowledge.order[0]
        doors = {index: knowledge.doors[index].xy for index in knowledge.doors_of(room)}
        entry, names = knowledge.entries.get(room, self._now.pose), {}
        for index, xy in doors.items():
            mark = knowledge.beside(xy, room)
            if not first and math.dist(xy, entry[:2]) < _WAY_IN_M:
                names[index] = wording.DOORS["way in"]
            elif mark is not None and _nearest(doors, mark.xy) == index:
                landmark = f"the {self._lexicon.name(mark.seen.colour, mark.seen.category)}"
                names[index] = wording.DOORS["landmark"].format(landmark=landmark)
            else:
                side = wording.DOORS["from start" if first else "from way in"]
                names[index] = side.format(direction=direction(bearing_of(xy, entry)))
        return names

    def _say(self, template: str, **words: str) -> str:
        if self._now.target is not None:
            name = self._now.target.words
            words |= {
                "target": name,
                "a target": a(name),
                "the target": f"the {name}",
                "The target": f"The {name}",
            }
        return self._one_of(wording.TEMPLATES[template]).format_map(words)

    def _one_of(self, wordings: Sequence[str]) -> str:
        return wordings[int(self._rng.integers(len(wordings)))]


def _nearest(doors: dict[int, Point], xy: Point) -> int:
    return min(doors, key=lambda door: math.dist(doors[door], xy))
