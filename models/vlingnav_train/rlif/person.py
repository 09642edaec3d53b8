"""Who watches the robot: when they take over, for how long, and what they do then.

Two ways to decide when, both RLIF's (section 5): at random, or where a reference thinks clearly less of what
the robot is about to do than of what it would do itself. Then the person drives for `hold` steps and lets go;
the robot drives at least one step before they can take over again, so that what it does is seen at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlingnav_train.rlif.tasks import Act


class Reference(Protocol):
    """Somebody who knows how good an action is; `experts.Expert` is one."""

    def act(self, observation: NDArray[Any]) -> NDArray[np.float32]:
        """What it would do `(A,)`."""

    def values(self, observation: NDArray[Any], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """What it thinks `(N,)` of actions `(N, A)` at an observation `(O,)`."""


class Intervention(Protocol):
    """When a person takes over.

    Attributes:
        hold: steps that they keep the stick.
    """

    @property
    def hold(self) -> int: ...  # noqa: D102

    def objects(
        self, observation: NDArray[Any], action: NDArray[np.float32], rng: np.random.Generator
    ) -> bool:
        """Whether they take over rather than let the robot do `action`."""


@dataclass(frozen=True)
class RandomIntervention:
    """Takes over at any time, so that the person drives `share` of all steps in the long run.

    Between two takeovers of `hold` steps, the robot drives 1/p steps in the mean if p is the probability of a
    takeover before each but the first of them; hence p = share / (hold (1 - share)). RLIF's code tosses a
    coin for each step instead, although its text speaks of takeovers of several steps.

    Raises:
        ValueError: so large a share takes a longer hold.
    """

    share: float
    hold: int = 4

    def __post_init__(self) -> None:
        if self.share > self.hold * (1.0 - self.share):
            raise ValueError(
                f"a person cannot drive {self.share:.0%} of the time {self.hold} steps at a time"
            )

    def objects(
        self, observation: NDArray[Any], action: NDArray[np.float32], rng: np.random.Generator
    ) -> bool:
        """See `Intervention`."""
        return bool(rng.random() < self.share / (self.hold * (1.0 - self.share)))


@dataclass(frozen=True)
class ValueIntervention:
    """Takes over where the reference finds the robot's action too bad, and errs now and then.

    RLIF: with probability `attention` where Q(s, a) < tolerance · Q(s, a*), and with one less it elsewhere,
    where Q is the reference's critic, a* its action. That ratio means what it says only where values are
    positive; here the gap is compared with (1 - tolerance) |Q(s, a*)|, which is the same there and has the
    right sign everywhere.
    """

    reference: Reference
    tolerance: float
    hold: int = 4
    attention: float = 0.95

    def objects(
        self, observation: NDArray[Any], action: NDArray[np.float32], rng: np.random.Generator
    ) -> bool:
        """See `Intervention`."""
        better = self.reference.act(observation)
        value, best = self.reference.values(observation, np.stack([action, better])).tolist()
        bad = best - value > (1.0 - self.tolerance) * abs(best)
        return bool(rng.random() < (self.attention if bad else 1.0 - self.attention))


NEVER = RandomIntervention(share=0.0)


class Person:
    """An expert with a stick.

    Args:
        advise: what they do when they drive, and would do when they do not.
        intervention: when they take over.
        seed: of their moods.
    """

    def __init__(self, advise: Act, intervention: Intervention, seed: int) -> None:
        self.advise = advise
        self._intervention = intervention
        self._rng = np.random.default_rng(seed)
        self._left, self._just_let_go = 0, False

    def start(self) -> None:
        """A new episode begins; nobody holds the stick."""
        self._left, self._just_let_go = 0, False

    def drives(self, observation: NDArray[Any], action: NDArray[np.float32]) -> bool:
        """Whether the person drives this step, in which the robot would do `action`."""
        may_take_over = self._left == 0 and not self._just_let_go
        if may_take_over and self._intervention.objects(observation, action, self._rng):
            self._left = self._intervention.hold
        self._just_let_go = self._left == 1  # this is the last step of a takeover
        driving = self._left > 0
        self._left = max(0, self._left - 1)
        return driving

    def state_dict(self) -> dict[str, Any]:
        """All that resuming takes between two episodes."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._rng.bit_generator.state = state["rng"]
