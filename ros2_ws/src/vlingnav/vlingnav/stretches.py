"""What is worth recording, and from when to when. No ROS in here."""

from __future__ import annotations

TAIL_S = 0.3


class Stretches:
    """What is worth recording: every goal from its start to its end, and between goals what people drive.

    Each stretch has a number. Once it is over, what was recorded of it goes on for `TAIL_S`, unless another
    begins: so what comes with its end (the result, the command to stand) is in it.
    """

    def __init__(self) -> None:
        self._count = 0
        self._goal: int | None = None
        self._held: int | None = None
        self._over, self._since = 0, 0.0
        self._recorded = 0

    def pursue(self) -> None:
        """A goal begins; one before it is over."""
        self._goal = self._next()

    def finish(self, now: float) -> None:
        """The goal is over [s]."""
        if self._goal is not None:
            self._over, self._since, self._goal = self._goal, now, None

    def hold(self, held: bool, now: float) -> None:
        """A person has the robot, or not [s]."""
        if held and self._held is None:
            self._held = self._next()
        elif not held and self._held is not None:
            if self._goal is None:
                self._over, self._since = self._held, now
            self._held = None

    def recorded(self, now: float) -> int:
        """Number of the stretch that is to be recorded from `now` [s] on; 0 for none."""
        goes_on = self._over == self._recorded and now - self._since < TAIL_S
        self._recorded = self._goal or self._held or (self._over if goes_on else 0)
        return self._recorded

    def _next(self) -> int:
        self._count += 1
        return self._count
