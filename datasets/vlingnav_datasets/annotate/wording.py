"""Every word the oracle can write: templates, and words for numbers, distances and directions.

A language model small enough for a laptop has to learn to write these texts, so the vocabulary is small and
closed. `VOCABULARY` is computed from the very templates that are filled in, and so cannot go stale; besides
it a text has only the names in a `Lexicon` and, on a route, words of the instruction.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

from vlingnav_datasets.facts import Action
from vlingnav_policy.tokenizer import split_words

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DIRECTIONS = (
    "ahead",
    "ahead on the left",
    "on the left",
    "behind on the left",
    "behind",
    "behind on the right",
    "on the right",
    "ahead on the right",
)
"""Eighths of a turn, counter-clockwise from straight ahead."""
CLOSE = "close"
_METRES = ("{} metre away", "{} metres away")
_JOINTS = ("a", "an", "the", "and", "door", "new")
UNKNOWN_KIND = "of unknown kind"

TEMPLATES: dict[str, tuple[str, ...]] = {
    # What is seen.
    "see": ("I see {things}.", "In view: {things}.", "There is {things}.", "Now I see {things}."),
    "see nothing": ("Nothing new is in view.", "I see nothing new.", "Only walls and floor are in view."),
    # Where I am, and whether I have been here.
    "start": ("I start in {room}.", "I am in {room}, where I start."),
    "new room": (
        "I have not been here before: this is {room}.",
        "This is {room}, new to me.",
        "For the first time I come into {room}.",
    ),
    "new room likely": (
        "This is {room}, new to me, and {a target} is likely here.",
        "I have not been here before: this is {room}, a likely place for {a target}.",
    ),
    "new room unlikely": (
        "This is {room}, new to me, but {a target} is not likely here.",
        "I have not been here before: this is {room}, not a likely place for {a target}.",
    ),
    "old room": (
        "I have been here before: this is {room}.",
        "I am back in {room}.",
        "This is {room} again.",
    ),
    "old room done": (
        "I have been here before: this is {room}, which is searched.",
        "I am back in {room}, which I have searched.",
    ),
    "same room": ("I am in {room}.", "This is {room}."),
    "stuck": ("I do not get on here.", "I have been stuck here for some time.", "Something holds me here."),
    "oscillating": ("I turn to and fro and do not get on.", "I keep changing sides here without getting on."),
    "target lost": ("I do not see {the target} any more.", "{The target} is out of view."),
    "clause done": ("This part of the route is done.", "I have done this part of the route."),
    # What I am after now.
    "go back": (
        "No {target} here, so I go back to {room}.",
        "Nothing is left to search here, so I go back to {room}.",
    ),
    "new way": (
        "I have not seen {a target} yet, so I try the door {direction}.",
        "No {target} so far: I go through the door {direction}, which I have not tried.",
        "I want to see what is behind the door {direction}.",
    ),
    "known way": (
        "I take the door {direction} to {room}.",
        "I go through the door {direction} to {room}.",
    ),
    "look on": (
        "No {target} yet, so I search further {direction}.",
        "I have not seen {a target} yet, so I look further {direction}.",
        "I search the part of this room {direction}.",
    ),
    "approach": (
        "I have found {the target} {direction}, {distance}, and go to it.",
        "{The target} is {direction}, {distance}, so I go to it.",
    ),
    "approach unseen": (
        "I know where {the target} is, {direction}, {distance}, and go on.",
        "{The target} must be {direction}, {distance}, so I go on to it.",
    ),
    "stop": (
        "{The target} is {direction}, {distance}, so I am there.",
        "I am at {the target}, which is {direction}, {distance}.",
    ),
    "stop here": ("I am there.", "This is the place."),
    "follow": (
        "{The target} is {direction}, {distance}, and I follow.",
        "I follow {the target} {direction}, {distance}.",
    ),
    "follow unseen": (
        "I go where I last saw {the target}, {direction}.",
        "I look for {the target} where I last saw them, {direction}.",
    ),
    "seek person": (
        "I look for {the target} {direction}.",
        "I have not seen {the target} yet, so I look round.",
    ),
    "route": ("Now: {clause}.", "The next part is: {clause}."),
    "drive on": ("I go on {direction}.",),
    # Things to remember.
    "room": ("{Room}: {things}.", "{Room} has {things}."),
    "empty room": ("{Room}: nothing so far.", "{Room} has nothing so far."),
    "searched": ("All seen, no {target}.", "Searched, no {target}."),
    "part searched": ("Part seen, no {target} so far.", "Not all seen, no {target} so far."),
    "doors tried": ("{Door} leads to {room}.",),
    "doors to try": ("Still to try: {doors}.", "Not tried yet: {doors}."),
    "target at": ("{The target} is in {room}.", "{The target}: in {room}."),
    "target beside": (
        "{The target} is in {room} beside {landmark}.",
        "{The target}: in {room}, beside {landmark}.",
    ),
    "person": ("{The target} was {direction}, {distance}.", "I last saw {the target} {direction}."),
    "route done": ("The route is done up to part {number}.", "Part {number} of the route is done."),
    "route begun": ("No part of the route is done.",),
}
ACTIONS: dict[Action, tuple[str, ...]] = {
    "stop": ("I stop.", "So I stop here.", "Now I stop."),
    "wait": ("I wait.", "So I wait here.", "For now I wait."),
    "forward": ("I go forward.", "So I go straight on.", "Now I go forward."),
    "forward left": ("I go forward and to the left.", "So I bear left.", "Now I go on to the left."),
    "forward right": ("I go forward and to the right.", "So I bear right.", "Now I go on to the right."),
    "turn left": ("I turn left.", "So I turn to the left.", "Now I turn left."),
    "turn right": ("I turn right.", "So I turn to the right.", "Now I turn right."),
    "back": ("I go back.", "So I back away.", "Now I go back."),
}
ROOMS = {
    "number": "room {number}",
    "full": "room {number}, {kind}",
    "not entered": "the next room",
}
DOORS = {
    "landmark": "the door beside {landmark}",
    "way in": "the door I came in by",
    "from way in": "the door {direction} when I came in",
    "from start": "the door {direction} from the start",
}
PERSON = "person in {top} and {bottom} trousers"


def _fixed_words() -> tuple[str, ...]:
    templates = [t for group in (*TEMPLATES.values(), *ACTIONS.values()) for t in group]
    templates += [*ROOMS.values(), *DOORS.values(), *_METRES, CLOSE, UNKNOWN_KIND, PERSON]
    literal = [part for text in templates for part, *_ in string.Formatter().parse(text)]
    return tuple(
        sorted({w for text in (*literal, *NUMBERS, *DIRECTIONS, *_JOINTS) for w in split_words(text)})
    )


VOCABULARY = _fixed_words()
"""All words of the oracle's texts, lower case, but the names of a `Lexicon`."""


def direction(bearing: float) -> str:
    """Words for a bearing [rad]."""
    return DIRECTIONS[round(bearing / (math.pi / 4.0)) % 8]


def distance(metres: float) -> str:
    """Words for a distance [m], rounded."""
    whole = round(metres)
    if whole < 1:
        return CLOSE
    return _METRES[whole > 1].format(NUMBERS[min(whole, len(NUMBERS)) - 1])


def a(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def listing(things: Sequence[str]) -> str:
    """All of them in one phrase: a, b and c."""
    *first, last = things
    return f"{', '.join(first)} and {last}" if first else last


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[0].upper() + text[1:]
