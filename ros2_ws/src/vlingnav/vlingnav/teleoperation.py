"""What people do with sticks, keys and buttons, made into one command and one word for the arbiter. No ROS.

Every source that can say many times a second what is so is a joystick: `sensor_msgs/Joy`, read by a `Layout`.
The keyboard is one too (`terminal.py`). What only says when something changes, a button in RViz, cannot be
told from what has died: its grip lasts until it is given back, its velocity is zero as soon as it is silent.

- Silence for `dead_man` seconds is zero. A joystick that was holding the robot then is lost, and asks that
  the robot be paused: its person may believe to have it still.
- A source holds the robot from a grip that was seen to begin. One that is held when it is first heard (or
  heard again) counts when it was let go of once; if nobody else holds the robot, it asks for a pause.
- Of several that hold, the most important has it: a hand on a joystick's button is sure of what it does, the
  keyboard and RViz only remember that they were told to hold. Anyone may stop it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vlingnav.arbitration import STAND, Request, Velocity, Word


@dataclass(frozen=True)
class Layout:
    """Which axis and which button of a joystick does what, counted from 0; -1 for none.

    Attributes:
        vx, vy, wz: axes; forward, left and counter-clockwise are positive.
        hold: the dead-man's button, which holds the robot as long as it is pressed.
        stop, pause, release, resume: buttons; see `Request`.
        override: button that asks, while the robot is held, for it to be moved past the safety filter.
    """

    vx: int
    vy: int
    wz: int
    hold: int
    stop: int
    pause: int
    release: int
    resume: int
    override: int = -1


KEYBOARD = Layout(vx=0, vy=1, wz=2, hold=0, stop=1, pause=2, release=3, resume=4)
"""How the keyboard fills in a `Joy`."""


@dataclass(frozen=True)
class Hand:
    """What one source says: does it hold the robot, whereto, past the filter, and what else it asks for."""

    held: bool = False
    velocity: Velocity = STAND
    request: Request = Request.NOTHING
    override: bool = False


def read(layout: Layout, axes: Sequence[float], buttons: Sequence[int], top: Velocity) -> Hand:
    """What a `Joy` message says.

    Args:
        layout: of this joystick.
        axes: positions in [-1, 1].
        buttons: 0 or 1 each.
        top: velocity at full deflection.

    Raises:
        ValueError: it has fewer axes or buttons than its layout names, or one that is not a finite number.
    """

    def axis(index: int) -> float:
        return min(max(float(_item(axes, index, "axes")), -1.0), 1.0)

    def pressed(index: int) -> bool:
        return bool(_item(buttons, index, "buttons"))

    request = (
        (layout.stop, Request.STOP),
        (layout.pause, Request.PAUSE),
        (layout.release, Request.RELEASE),
        (layout.resume, Request.RESUME),
    )
    velocity = axis(layout.vx) * top[0], axis(layout.vy) * top[1], axis(layout.wz) * top[2]
    if not all(map(math.isfinite, velocity)):
        raise ValueError(f"a joystick's axes {list(axes)} are not finite; its driver has a fault")
    return Hand(
        pressed(layout.hold),
        velocity,
        next((kind for index, kind in request if pressed(index)), Request.NOTHING),
        pressed(layout.hold) and pressed(layout.override),
    )


def _item(values: Sequence[float], index: int, what: str) -> float:
    if index >= len(values):
        raise ValueError(
            f"the joystick has {len(values)} {what}, the parameters name number {index}; "
            "set those of the teleop node to this joystick's"
        )
    return values[index] if index >= 0 else 0.0


@dataclass
class _Source:
    """One source: what it last said and when, and whether its grip counts."""

    beats: bool  # says many times a second that it is there
    hand: Hand = field(default_factory=Hand)
    heard: float = -math.inf
    open: bool = False  # was seen not to hold since it was first heard
    grip: bool = False


class Controls:
    """All sources, merged.

    Args:
        beating: names of those that say many times a second what is so, most important first.
        others: names of those that say what changes, less important than the beating ones.
        dead_man: silence after which a velocity is zero [s].
    """

    def __init__(self, beating: Sequence[str], others: Sequence[str], dead_man: float) -> None:
        self._sources = {name: _Source(True) for name in beating}
        self._sources |= {name: _Source(False, open=True) for name in others}
        self._dead_man = dead_man
        self._holder = ""
        self._faults: list[tuple[str, str]] = []

    def hear(self, name: str, hand: Hand, now: float) -> bool:
        """Take what a source says at `now` [s, steady]; whether it is more than another velocity."""
        self._notice_silence(now)
        source = self._sources[name]
        first, news = not source.open and not source.hand.held, replace(hand, velocity=source.hand.velocity)
        changed = news != source.hand
        source.hand, source.heard = hand, now
        source.open |= not hand.held
        source.grip = hand.held and source.open
        if hand.held and first and not source.open and not self._holder:
            self._faults.append((name, f"{name} is held already; let go of it first"))
        self._choose()
        return changed

    def say(self, now: float) -> tuple[Velocity, Word]:
        """The command of whoever holds the robot, and what is asked for."""
        self._notice_silence(now)
        source = self._sources.get(self._holder)
        fresh = source is not None and 0.0 <= now - source.heard <= self._dead_man
        velocity = source.hand.velocity if source is not None and fresh else STAND
        return velocity, self._word()

    def overriding(self, now: float) -> bool:
        """Whether whoever holds the robot wants it moved past the filter now."""
        source = self._sources.get(self._holder)
        return source is not None and source.hand.override and 0.0 <= now - source.heard <= self._dead_man

    def _word(self) -> Word:
        asked = [(s.hand.request, name) for name, s in self._sources.items() if s.hand.request]
        request, name = min(asked, default=(Request.NOTHING, ""))
        for source in self._sources.values():
            if not source.beats:  # it would go on asking for ever
                source.hand = replace(source.hand, request=Request.NOTHING)
        if self._faults and request != Request.STOP:
            name, reason = self._faults.pop(0)
            return Word(self._holder, Request.PAUSE, name, reason)
        return Word(self._holder, request, name)

    def _notice_silence(self, now: float) -> None:
        for name, source in self._sources.items():
            age = now - source.heard
            if not source.beats or 0.0 <= age <= self._dead_man or not math.isfinite(age):
                continue
            if name == self._holder:
                self._faults.append((name, f"{name} has been silent for {age:.2f} s while it had the robot"))
            self._sources[name] = _Source(True)
        self._choose()

    def _choose(self) -> None:
        self._holder = next((name for name, source in self._sources.items() if source.grip), "")
