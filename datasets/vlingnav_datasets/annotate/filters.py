"""What a label must pass, whoever wrote it; a label that does not is counted and asked for again.

The paper has two filters, format and quality (agrees with the expert's action, nothing unreasonable). Here
the second is two, so that a report tells them apart: what the text says the robot does next must be what the
expert does, and it must not know what the robot has not seen. All work on words and need no model; they
reject what they can show to be wrong and cannot show that a text is right.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from vlingnav_datasets.annotate.types import Label, Lexicon, Request
from vlingnav_datasets.facts import Action
from vlingnav_policy.tokenizer import split_words

THOUGHT_WORDS, SUMMARY_WORDS = (6, 90), (3, 70)
"""Fewest and most words of either."""


@dataclass(frozen=True)
class Filter:
    """A name for reports, and what says what is wrong with a label, None if nothing is."""

    name: str
    fault: Callable[[Label, Request, Lexicon], str | None]


def _words(text: str) -> frozenset[str]:
    return frozenset(split_words(text))


# --- format

_TAGS = re.compile(r"[<>{}\[\]`*#|\\]|https?:")
_ENGLISH = _words(
    "the a an i is are in to and on it of this that there here no not with at my for so now was have see"
)


def format_fault(label: Label, request: Request, lexicon: Lexicon) -> str | None:
    """Lengths, no tags or mark-up, English, no word that is kept from training."""
    for name, text, (least, most) in (
        ("thought", label.thought, THOUGHT_WORDS),
        ("summary", label.summary, SUMMARY_WORDS),
    ):
        words = split_words(text)
        if not least <= len(words) <= most:
            return f"the {name} has {len(words)} words, not {least} to {most}"
        if tag := _TAGS.search(text):
            return f"the {name} has mark-up: {tag.group()!r}"
        common = sum(word in _ENGLISH for word in words)
        if not text.isascii() or (name == "thought" and common < len(words) / 8):
            return f"the {name} is not English"
        if held_out := sorted(lexicon.held_out_words.intersection(words)):
            return f"the {name} has words kept from training: {', '.join(held_out)}"
        for colour, thing in mentions(text, lexicon):
            if (colour, thing) in lexicon.held_out_pairs:
                return f"the {name} names a pair kept from training: {colour} {thing}"
    return None


# --- agreement

_TURNS = ("turn", "rotate", "spin", "swing", "pivot")
_STEERS = ("bear", "veer", "steer", "curve")
_GOES = (
    "go",
    "head",
    "move",
    "walk",
    "drive",
    "continue",
    "proceed",
    "advance",
    "approach",
    "follow",
    "enter",
)
_STOPS, _WAITS = ("stop", "halt"), ("wait", "pause")
_FILLERS = _words("to the towards toward slightly sharply a bit little and while then going on my")
_FORWARD = _words("forward forwards straight ahead onward onwards")
_NEGATIONS = _words("not never without before until avoid instead dont t")
_AGREES: dict[Action, frozenset[str]] = {
    "stop": frozenset({"stop"}),
    "wait": frozenset({"wait"}),
    "forward": frozenset({"forward", "move"}),
    "forward left": frozenset({"forward", "left", "move"}),
    "forward right": frozenset({"forward", "right", "move"}),
    "turn left": frozenset({"left", "turn", "move"}),
    "turn right": frozenset({"right", "turn", "move"}),
    "back": frozenset({"back"}),
}


def _forms(verbs: tuple[str, ...]) -> frozenset[str]:
    stems = [(verb, verb[:-1] if verb.endswith("e") else verb) for verb in verbs]
    doubled = {"stop": "stopping", "spin": "spinning"}
    return frozenset(
        form
        for verb, stem in stems
        for form in (verb, f"{verb}s", f"{verb}es", f"{stem}ing", doubled.get(verb, verb))
    )


_TURN_FORMS, _STEER_FORMS, _GO_FORMS = _forms(_TURNS), _forms(_STEERS), _forms(_GOES)
_STOP_FORMS, _WAIT_FORMS = _forms(_STOPS), _forms(_WAITS)


def stated_action(thought: str) -> frozenset[str]:
    """What a thought says is done next, by the last sentence that says anything of the kind.

    Returns:
        Some of "left", "right", "forward", "back", "turn" (which way is not said), "move" (where to is not
        said), "stop" and "wait"; empty if nothing is stated.
    """
    for text in reversed(re.split(r"[.!?;]+", thought)):
        claims = _claims(split_words(text))
        if claims:
            return frozenset(claims)
    return frozenset()


def _claims(words: list[str]) -> set[str]:
    claims: set[str] = set()
    for i, word in enumerate(words):
        if _NEGATIONS.intersection(words[max(i - 2, 0) : i]):
            continue
        if word in _STOP_FORMS:
            claims.add("stop")
        elif word in _WAIT_FORMS:
            claims.add("wait")
        elif word in ("back", "backing") and words[i + 1 : i + 2] in (["away"], ["up"], ["off"]):
            claims.add("back")
        elif word in _TURN_FORMS | _STEER_FORMS | _GO_FORMS:
            claims |= _heading(word, words[i + 1 :])
    return claims


def _heading(verb: str, rest: list[str]) -> set[str]:
    """Where a verb of motion leads, by the words right after it."""
    heading = None
    for word, following in zip(rest, [*rest[1:], ""], strict=True):
        if word in ("left", "right"):
            heading = word
            break
        if word == "on" and following in ("the", "my", "your"):  # "ahead on the left" is where a thing is
            break
        if word in _FORWARD:
            heading = "forward"
        elif word in ("around", "round"):
            heading = heading or "turn"
        elif word in ("back", "backward", "backwards") and following not in ("to", "into", "through"):
            heading = heading or "back"
        elif word not in _FILLERS:
            break
    if heading is None:
        heading = "turn" if verb in _TURN_FORMS else "move"
    return {heading}


def agreement_fault(label: Label, request: Request, lexicon: Lexicon) -> str | None:
    """The thought says what is done next, and the expert does so."""
    action, claims = request.knowledge.now.action, stated_action(label.thought)
    if not claims:
        return "the thought does not say what is done next"
    if {"left", "right"} <= claims or not claims & _AGREES[action]:
        return f'the thought says {" and ".join(sorted(claims))}, the action is "{action}"'
    return None


# --- hidden knowledge

_FORBIDDEN = re.compile(
    r"\b(?:expert|oracle|ground[- ]truth|simulat\w+|annotat\w+|waypoints?|trajector\w+|coordinates?"
    r"|(?:given|provided) action)\b|[([]\s*-?\d+(?:\.\d+)?\s*,\s*-?\d|\b[xy]\s*=\s*-?\d",
    re.IGNORECASE,
)
_HEDGES = _words(
    "not no yet if whether may might could would can likely unlikely probably perhaps maybe usually until"
    " find look looking search searching seek need where never often"
)
_PLACED = re.compile(
    r"\b(?:see|sees|found|spot|notice|there is|must be"
    r"|is (?:in|on|at|ahead|behind|beside|near|close|visible|to|just|next))\b"
)


def hidden_fault(label: Label, request: Request, lexicon: Lexicon) -> str | None:
    """Names nothing and no kind of room that has not been seen, and speaks of no expert and no coordinates.

    The thing that is sought may be named, but not placed before it has been seen. A kind of room that has not
    been recognised may be supposed ("may be a kitchen"), not stated.
    """
    knowledge, target = request.knowledge, request.knowledge.now.target
    seen = {(item.seen.colour, item.seen.category) for item in knowledge.items.values()}
    things = {category for _, category in seen}
    told = mentions(f"{request.goal.instruction} {'' if target is None else target.words}", lexicon)
    kinds = {room.kind for room in knowledge.rooms.values()} | {name for _, name in told}
    for text in (label.thought, label.summary):
        if word := _FORBIDDEN.search(text):
            return f'it says "{word.group()}"'
        for part in re.split(r"[.!?;]+", text.lower()):
            hedged = bool(_HEDGES.intersection(split_words(part)))
            for colour, name in mentions(part, lexicon):
                if name in lexicon.rooms:
                    if name not in kinds and not hedged:
                        return f"no {name} has been recognised so far"
                    continue
                asked = any(name == thing and colour in ("", given) for given, thing in told)
                known = (colour, name) in seen if colour else name in things
                if not known and not asked:
                    return f"no {' '.join(filter(None, (colour, name)))} has been seen so far"
                found = target is None or target.last_seen is not None
                if not known and not found and not hedged and _PLACED.search(part):
                    return f"where the {name} is has not been seen so far"
    return None


def mentions(text: str, lexicon: Lexicon) -> list[tuple[str, str]]:
    """(colour or "", name) of each thing or kind of room that a text names; the longest names win."""
    return [(colour or "", name) for colour, name in _pattern(lexicon).findall(text.lower())]


@functools.lru_cache(maxsize=4)
def _pattern(lexicon: Lexicon) -> re.Pattern[str]:
    names = sorted((*lexicon.things, *lexicon.rooms), key=len, reverse=True)
    either = "|".join(map(re.escape, names))
    colours = "|".join(map(re.escape, lexicon.colours))
    return re.compile(rf"\b(?:({colours})\s+)?({either})(?:s|es)?\b")


FILTERS: tuple[Filter, ...] = (
    Filter("format", format_fault),
    Filter("agreement", agreement_fault),
    Filter("hidden", hidden_fault),
)
"""All of them, in the order they are asked."""
