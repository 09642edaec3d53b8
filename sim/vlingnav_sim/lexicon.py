"""What this world calls things, and how much of it a robot can tell: names for labels.

`LEXICON` is what annotators and their filters need to know of names. The functions give a task's target a
name that says no more than the task does, cut a route into its stretches, and say when a room's kind shows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from vlingnav_datasets.annotate import Lexicon
from vlingnav_policy.tokenizer import split_words
from vlingnav_sim.house import CATALOGUE, COLOURS
from vlingnav_sim.house.layout import KINDS
from vlingnav_sim.house.model import House
from vlingnav_sim.tasks import HELD_OUT_WORDS, UNSEEN_PAIRS, FollowTask, NavigationTask, RouteTask
from vlingnav_sim.tasks.words import BOTTOM_GARMENTS, JOINTS, PASS_PHRASES, TOP_GARMENTS

LEXICON = Lexicon(tuple(CATALOGUE), (*KINDS, "corridor"), tuple(COLOURS), HELD_OUT_WORDS, UNSEEN_PAIRS)
"""All names; words and pairs that training must not use are marked in it."""

CORRIDOR_SHARE = 0.4
"""Who has seen this share of a corridor's floor knows it by its shape."""

_CHANCES = {
    name: {kind: category.rooms.get(kind, 0.0) / sum(category.rooms.values()) for kind in KINDS}
    for name, category in CATALOGUE.items()
}
_JOINT = re.compile("|".join(map(re.escape, sorted(JOINTS, key=len, reverse=True))))


def tells_kind(kind: str, things: Collection[str], looked: float) -> bool:
    """Whether what has been seen in a room tells its kind.

    Naive Bayes over the catalogue's chances: in rooms of which kind each category stands how often.

    Args:
        kind: the true one.
        things: categories seen in it.
        looked: share of its floor that has been in view, 0 to 1.
    """
    if kind == "corridor":
        return looked >= CORRIDOR_SHARE
    score = {k: math.prod(0.05 + _CHANCES[thing][k] for thing in things) for k in KINDS}
    return bool(things) and score[kind] >= 0.5 * sum(score.values())


def target_words(house: House, task: NavigationTask) -> str:
    """A name for what the task is after, e.g. "red chair", by what its words say or its image shows.

    It has the catalogue's word for a thing that the instruction may call otherwise; the colour only if told.
    """
    said = split_words(task.goal.instruction)
    if isinstance(task, FollowTask):
        worn = dict(zip(said[1:], said[:-1], strict=True))
        clothes = [worn[piece] for piece in TOP_GARMENTS if piece in worn]
        clothes += [f"{worn[piece]} trousers" for piece in BOTTOM_GARMENTS if piece in worn]
        return f"person in {' and '.join(clothes)}"
    if isinstance(task, RouteTask):
        said = split_words(stretches(task.goal.instruction)[-1])
    item = house.items[task.targets[0]]
    shown = task.goal.task == "image" and (item.colour, item.category) not in UNSEEN_PAIRS
    return f"{item.colour} {item.category}" if shown or item.colour in said else item.category


def likely_rooms(house: House, task: NavigationTask) -> tuple[str, ...]:
    """Kinds of rooms in which what the task is after usually stands; none for a person."""
    if not task.targets:
        return ()
    rooms = CATALOGUE[house.items[task.targets[0]].category].rooms
    return tuple(kind for kind, chance in rooms.items() if chance >= 0.5 * max(rooms.values()))


def stretches(instruction: str) -> list[str]:
    """What a route says of the way to each of its doors, and last of the way to its end.

    Each of its clauses is about a door, about the end, or about a thing that is passed on the way to either.
    """
    passing = tuple(phrase.partition("{")[0] for phrase in PASS_PHRASES)
    parts = [""]
    for clause in _JOINT.split(instruction):
        parts[-1] += clause
        if clause.startswith(passing):
            parts[-1] += ", "
        else:
            parts.append("")
    return parts[:-1]
