"""What of thinking and remembering a policy uses, and how long it keeps to what it has thought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.chunks import Chunk
from vlingnav_policy.types import Decision

_ROUNDING = 1e-3  # [s]: of stamps, which often are whole periods apart, as is `hold_s`


@dataclass(frozen=True)
class ThinkingConfig:
    """What of thinking and remembering is used; the paper's ablations switch parts of it off.

    Attributes:
        think: when it deems it fit, at no step, or at every step.
        words: whether it reads what it wrote.
        frames: whether it sees frames older than the newest.
        threshold: it thinks when a thought has fallen due since the last one with this probability. What
            makes one due is often hard to see at any one step; without one its last thought would go stale.
        longest: tokens of a thought, and of a summary; a vision-language model has its own.
        hold_s: how long the trajectory of a thought is driven [s], as long as nothing says stop. Where it
            might go left or right, a decision without a thought is the mean of both; made anew at the next
            frame it takes back what the thought had settled, and the robot goes to and fro. In 200 houses
            nano succeeded in 172 with 1.2 s, in 156 without. 0 where each decision is to be the network's
            own, as in learning from what it did.
    """

    think: Literal["adaptive", "never", "always"] = "adaptive"
    words: bool = True
    frames: bool = True
    threshold: float = 0.5
    longest: int = 64
    hold_s: float = 1.2


class Resolve:
    """Keeps a robot to the trajectory of its last thought, see `ThinkingConfig.hold_s`; for one episode."""

    def __init__(self) -> None:
        self._plan: Chunk | None = None

    def trajectory(
        self, decision: Decision, pose: NDArray[np.float64], hold_s: float
    ) -> NDArray[np.floating[Any]]:
        """`(T, 3)` to drive: that of `decision`, or what is left of the last thought's.

        Args:
            pose: `(3,)` in the odometry frame, where the decision was made.
            hold_s: age of a thought [s] up to which it is kept to.
        """
        if decision.thought is not None:
            self._plan = Chunk.placed(decision, pose)
        elif self._plan is not None and 0.0 <= decision.stamp - self._plan.stamp <= hold_s + _ROUNDING:
            return self._plan.rest(decision.stamp, pose)
        return decision.trajectory
