"""When a step deserves thought: one table of rules, in `TRIGGERS`, and nothing anywhere else.

The paper labels an adaptive few per cent of steps and does not say which (arXiv 2601.08665). Ours are those
at which something was learnt or has to be decided; between them the robot acts without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlingnav_datasets.facts import StepFacts

Predicate = Callable[[StepFacts, StepFacts], bool]

LOST_AFTER_S = 1.2
"""A target out of view for less [s] is only behind a chair, or beside a robot that turns."""
FORGOTTEN_AFTER_S = 4.0
"""A target that comes back into view after this long [s] is worth a thought again."""
STUCK_SHIFT_M, STUCK_TURN_RAD = 0.15, 0.6
"""Who meant to drive and got less far in a window of `Motion` is stuck."""
RESTLESS_TURN_RAD, RESTLESS_SHIFT_M = 3.0, 0.5
"""Who turned by more than that, to and fro, and got less far is oscillating."""
_WINDOW_S = 5.0  # of motion before stuck or oscillating can be told


@dataclass(frozen=True)
class Trigger:
    """One reason to think.

    Attributes:
        name: as it is reported.
        fires: whether it holds at a step, given the step before (itself at the start).
        priority: of several that fire, the highest counts; and just after a thought only a higher one
            than its reason does.
        refractory_s: it does not fire again sooner [s].
    """

    name: str
    fires: Predicate
    priority: int
    refractory_s: float


def _stops(now: StepFacts, before: StepFacts) -> bool:
    return now.intent.kind == "stop" != before.intent.kind


def _clause_done(now: StepFacts, before: StepFacts) -> bool:
    return now.intent.clause != before.intent.clause


def _target_seen(now: StepFacts, before: StepFacts) -> bool:
    # On a route the end matters when its turn has come.
    if now.target is None or not now.target.in_view or now.intent.kind == "route":
        return False
    last = None if before.target is None else before.target.last_seen
    return last is None or now.stamp - last > FORGOTTEN_AFTER_S


def _lost(now: StepFacts, before: StepFacts) -> bool:
    target = now.target
    if target is None or target.in_view or target.last_seen is None or now.intent.kind == "route":
        return False
    return before.stamp - target.last_seen <= LOST_AFTER_S < now.stamp - target.last_seen


def _person_lost(now: StepFacts, before: StepFacts) -> bool:
    return now.target is not None and now.target.person and _lost(now, before)


def _item_lost(now: StepFacts, before: StepFacts) -> bool:
    return now.target is not None and not now.target.person and _lost(now, before)


def _other_room(now: StepFacts, before: StepFacts) -> bool:
    return now.room != before.room


def _stuck(now: StepFacts, before: StepFacts) -> bool:
    motion = now.motion
    return (
        motion.window >= _WINDOW_S
        and now.action not in ("stop", "wait")
        and motion.shift < STUCK_SHIFT_M
        and motion.turned < STUCK_TURN_RAD
    )


def _oscillating(now: StepFacts, before: StepFacts) -> bool:
    motion = now.motion
    return (
        motion.window >= _WINDOW_S
        and motion.turned - motion.net_turn > RESTLESS_TURN_RAD
        and motion.shift < RESTLESS_SHIFT_M
    )


def _new_door(now: StepFacts, before: StepFacts) -> bool:
    return any(door.new for door in now.doors)


def _other_way(now: StepFacts, before: StepFacts) -> bool:
    intent = now.intent
    return intent.kind == "explore" and intent.door is not None and intent.door != before.intent.door


TRIGGERS: tuple[Trigger, ...] = (
    Trigger("start", lambda now, before: now is before, 60, 0.0),
    Trigger("stop", _stops, 90, 10.0),
    Trigger("clause done", _clause_done, 85, 0.0),
    Trigger("target seen", _target_seen, 80, 4.0),
    Trigger("person lost", _person_lost, 75, 3.0),
    Trigger("room entered", _other_room, 70, 2.0),
    Trigger("target lost", _item_lost, 60, 6.0),
    Trigger("stuck", _stuck, 55, 15.0),
    Trigger("oscillating", _oscillating, 55, 15.0),
    Trigger("new door", _new_door, 50, 4.0),
    Trigger("other way", _other_way, 40, 8.0),
)
"""All reasons to think."""
PAUSE_S = 4.0
"""For so long after a thought [s] only a more important reason counts."""


def triggered(
    steps: Sequence[StepFacts], triggers: Sequence[Trigger] = TRIGGERS, pause_s: float = PAUSE_S
) -> list[Trigger | None]:
    """For each step of an episode, the reason to think there, None where there is none."""
    reasons: list[Trigger | None] = []
    fired: dict[str, float] = {}
    last: tuple[float, Trigger] | None = None
    for number, now in enumerate(steps):
        before = steps[max(number - 1, 0)]
        chosen: Trigger | None = None
        for trigger in triggers:
            rests = now.stamp - fired.get(trigger.name, float("-inf")) < trigger.refractory_s
            pauses = (
                last is not None and now.stamp - last[0] < pause_s and trigger.priority <= last[1].priority
            )
            if (chosen is None or trigger.priority > chosen.priority) and not rests and not pauses:
                chosen = trigger if trigger.fires(now, before) else chosen
        if chosen is not None:
            fired[chosen.name], last = now.stamp, (now.stamp, chosen)
        reasons.append(chosen)
    return reasons
