"""Who drives: a state machine between a policy and the people who may take the robot from it. No ROS in here.

`TRANSITIONS` is the whole of it; an event that a phase does not list changes nothing. What is unusual:

- *What stops the robot is a level, what sets it in motion is an edge.* A stop or pause that is still pressed
  acts on; a release, a resume or a grip counts when it begins. So a stick that is held from the start, or
  from before a stop, moves nothing until it is let go of and taken again. Held when first heard, it pauses
  the robot.
- *A pause outlives takeovers.* Whoever takes a paused robot and lets go leaves it paused; the policy goes on
  after a takeover from the policy, or when told to (`RESUME`).
- *A missing command is zero at once.* Fading is between two commands that are there. A command that is None,
  not finite or too old (its caller knows) is none.
- *A source that dies is not one that lets go.* Who held the robot and is silent leaves it paused.
- Emergency stop comes from anyone, whoever drives; a release counts only while nobody presses it, and leaves
  the robot paused.
- Time is what the caller says it is. A clock that goes back stops the fading until it goes on; one that leaps
  ahead ends it, and makes old what was not heard meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

Velocity = tuple[float, float, float]
"""A body velocity: vx [m/s], vy [m/s], wz [rad/s]."""

STAND: Velocity = (0.0, 0.0, 0.0)


class Phase(IntEnum):
    """Who drives; the numbers are those of `Intervention.msg`."""

    AUTONOMOUS = 0
    TAKING_OVER = 1
    HUMAN = 2
    HANDING_BACK = 3
    PAUSED = 4
    STOPPED = 5

    @property
    def words(self) -> str:
        """As a person reads it: "taking over"."""
        return self.name.replace("_", " ").lower()


class Event(Enum):
    """What happens to a phase."""

    STOP = auto()
    RELEASE = auto()
    PAUSE = auto()
    RESUME = auto()
    TAKE = auto()  # somebody takes hold where nobody held
    PASS_ON = auto()  # somebody else has it now than who held it
    LET_GO = auto()  # the last to hold lets go of a robot that the policy may drive
    PUT_DOWN = auto()  # ... of a robot that was paused
    LOST = auto()  # whoever should be heard no longer is
    FADED = auto()  # the old command has given way to the new one


TRANSITIONS: Mapping[Phase, Mapping[Event, Phase]] = {
    Phase.AUTONOMOUS: {
        Event.STOP: Phase.STOPPED,
        Event.PAUSE: Phase.PAUSED,
        Event.LOST: Phase.PAUSED,
        Event.TAKE: Phase.TAKING_OVER,
    },
    Phase.TAKING_OVER: {
        Event.STOP: Phase.STOPPED,
        Event.PAUSE: Phase.PAUSED,
        Event.LOST: Phase.PAUSED,
        Event.PASS_ON: Phase.TAKING_OVER,
        Event.LET_GO: Phase.HANDING_BACK,
        Event.PUT_DOWN: Phase.PAUSED,
        Event.FADED: Phase.HUMAN,
    },
    Phase.HUMAN: {
        Event.STOP: Phase.STOPPED,
        Event.PAUSE: Phase.PAUSED,
        Event.LOST: Phase.PAUSED,
        Event.PASS_ON: Phase.TAKING_OVER,
        Event.LET_GO: Phase.HANDING_BACK,
        Event.PUT_DOWN: Phase.PAUSED,
    },
    Phase.HANDING_BACK: {
        Event.STOP: Phase.STOPPED,
        Event.PAUSE: Phase.PAUSED,
        Event.LOST: Phase.PAUSED,
        Event.TAKE: Phase.TAKING_OVER,
        Event.FADED: Phase.AUTONOMOUS,
    },
    Phase.PAUSED: {
        Event.STOP: Phase.STOPPED,
        Event.TAKE: Phase.TAKING_OVER,
        Event.RESUME: Phase.HANDING_BACK,
    },
    Phase.STOPPED: {
        Event.RELEASE: Phase.PAUSED,
    },
}

HELD = frozenset({Phase.TAKING_OVER, Phase.HUMAN})
"""Phases in which a person drives."""
_DRIVEN_BY_POLICY = frozenset({Phase.AUTONOMOUS, Phase.HANDING_BACK})


class Request(IntEnum):
    """What somebody asks for; the numbers are those of `Takeover.msg`, and the lower wins."""

    NOTHING = 0
    STOP = 1
    PAUSE = 2
    RELEASE = 3
    RESUME = 4


@dataclass(frozen=True)
class Word:
    """What people ask for now; see `Takeover.msg`."""

    holder: str = ""
    request: Request = Request.NOTHING
    source: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """One transition; see `Intervention.msg`."""

    phase: Phase
    previous: Phase
    source: str
    reason: str
    takeovers: int


@dataclass(frozen=True)
class ArbiterConfig:
    """How the robot changes hands.

    Attributes:
        take_over: time in which the policy's last command gives way to the person's [s].
        hand_back: time in which the person's last command gives way to the policy's [s].
        silence: whoever holds the robot and is silent for longer than this is lost [s].
        watch: as long as the policy drives, whoever may take over is lost when silent for this long [s].
    """

    take_over: float = 0.2
    hand_back: float = 0.5
    silence: float = 0.35
    watch: float = 2.0


class Arbiter:
    """The state machine and the command that comes out of it.

    Args:
        config: durations.
        stopped: an emergency stop is in force already.

    Attributes:
        phase: who drives now.
        takeovers: how often the robot was taken from the policy; who lets go and takes it again before the
            policy has it back has taken it once.
        changes: what has happened and was not fetched yet; the caller empties it.
    """

    def __init__(self, config: ArbiterConfig, stopped: bool = False) -> None:
        self.phase = Phase.STOPPED if stopped else Phase.AUTONOMOUS
        self.takeovers = 0
        reason = "the emergency stop of before is in force" if stopped else "the arbiter was activated"
        self.changes = [Change(self.phase, self.phase, "arbiter", reason, 0)]
        self._config = config
        self._paused = stopped  # the policy may not go on before somebody says so
        self._word: Word | None = None  # None: nobody has been heard, or no longer is
        self._pressed = False
        self._from, self._share, self._then = STAND, 1.0, math.inf
        self._output = STAND
        self._by = "arbiter"

    def hear(self, word: Word) -> None:
        """Take what people ask for; a word that repeats the last one changes nothing."""
        before, self._word = self._word, word
        begins = before is not None and word.request != before.request
        if word.request == Request.STOP:
            self._on(Event.STOP, word.source, "emergency stop")
        elif word.request == Request.PAUSE:
            self._on(Event.PAUSE, word.source, word.reason or "asked to stand")
        elif word.request == Request.RELEASE and begins and not self._pressed:
            self._on(Event.RELEASE, word.source, "the emergency stop is released")
        elif word.request == Request.RESUME and begins and self.phase != Phase.STOPPED:
            self._paused = False
            self._on(Event.RESUME, word.source, "the policy may go on")
        if before is None:
            if word.holder:
                reason = f"{word.holder} was held before it could be heard; let go of it first"
                self._on(Event.PAUSE, word.holder, reason)
        elif word.holder != before.holder:
            self._change_hands(before.holder, word.holder)

    def press(self, source: str, pressed: bool) -> None:
        """An emergency stop button that stays in until it is pulled out, which is the release."""
        released, self._pressed = self._pressed and not pressed, pressed
        if pressed:
            self._on(Event.STOP, source, "emergency stop")
        elif released and (self._word is None or self._word.request != Request.STOP):
            self._on(Event.RELEASE, source, "the emergency stop is released")

    def command(
        self, now: float, silence: float, human: Velocity | None, policy: Velocity | None
    ) -> Velocity:
        """What the robot is to do now.

        Args:
            now: [s] of a clock that should be steady.
            silence: how long nobody has been heard [s]; what is asked of the robot comes by `hear`.
            human: the command of whoever holds the robot, None without one that may be used.
            policy: the policy's, likewise.

        Returns:
            A finite velocity: zero, the person's or the policy's, or one between the last and one of them.
        """
        human, policy = _sound(human), _sound(policy)
        self._listen(silence, human)
        step, self._then = max(now - self._then, 0.0), now
        fading = {Phase.TAKING_OVER: self._config.take_over, Phase.HANDING_BACK: self._config.hand_back}
        if self.phase in fading:
            duration = fading[self.phase]
            self._share = min(self._share + step / duration, 1.0) if duration > 0.0 else 1.0
            if self._share == 1.0:
                self._on(Event.FADED, self._by, "the command has changed hands")
        target = human if self.phase in HELD else policy if self.phase in _DRIVEN_BY_POLICY else None
        if target is None:
            self._from = self._output = STAND
        else:
            self._output = _between(self._from, target, self._share)
        return self._output

    def _listen(self, silence: float, human: Velocity | None) -> None:
        """Notice who is no longer heard."""
        held = self.phase in HELD
        if self._word is not None and not 0.0 <= silence <= (
            self._config.silence if held else self._config.watch
        ):
            who = (self._word.holder if held else "") or "teleop"
            self._word = None
            self._on(Event.LOST, who, f"{who} has not been heard for {silence:.2f} s")
        elif held and human is None:
            self._on(Event.LOST, self._by, f"{self._by} gives no command that may be used")

    def _change_hands(self, before: str, after: str) -> None:
        if not after:
            event = Event.PUT_DOWN if self._paused else Event.LET_GO
            self._on(event, before, f"{before} lets go")
        elif before:
            self._on(Event.PASS_ON, after, f"{after} has the robot from {before}")
        else:
            self._on(Event.TAKE, after, f"{after} takes over")

    def _on(self, event: Event, source: str, reason: str) -> None:
        previous, phase = self.phase, TRANSITIONS[self.phase].get(event)
        if phase is None:
            return
        self.phase, self._by = phase, source
        if phase in (Phase.PAUSED, Phase.STOPPED):
            self._paused = True
        if event != Event.FADED:
            self._from, self._share = self._output, 0.0
        if (previous, phase) == (Phase.AUTONOMOUS, Phase.TAKING_OVER):
            self.takeovers += 1
        self.changes.append(Change(phase, previous, source, reason, self.takeovers))


def _sound(velocity: Velocity | None) -> Velocity | None:
    return velocity if velocity is not None and all(map(math.isfinite, velocity)) else None


def _between(start: Velocity, end: Velocity, share: float) -> Velocity:
    x, y, z = ((1.0 - share) * a + share * b for a, b in zip(start, end, strict=True))
    return x, y, z
