"""The variant with a person's reward: the learner and the takeovers of RLIF, but somebody grades each step.

The grade is the reward of the task itself, as a person would give it who never errs and is never late. No
person does, so this is what RLIF could reach if it knew the task; a takeover is here only a help to see good
states. Without person and demonstrations it is plain RLPD, which is how the experts are trained.
"""

from __future__ import annotations

from vlingnav_train.rlif.offpolicy import OffPolicy
from vlingnav_train.rlif.trial import Moment


class HumanReward(OffPolicy):
    """The grade is the reward, and a fall is the end."""

    def judge(self, moment: Moment) -> tuple[float, float]:
        """The reward of the task."""
        return moment.reward, float(not moment.fell)
