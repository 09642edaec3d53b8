"""RLIF, reinforcement learning by intervention feedback (Luo et al. 2023, arXiv:2311.12996, section 4).

A person takes over when they do not like what the robot is about to do. That they do is the reward: -1 for
the transition just before, 0 for all others, and nothing else is known of the task. The person's actions
need not be good, for nobody imitates them: they are off-policy data like any other.

The authors' code (github.com/pd-perry/RLIF, d177b9b) is not quite their text. What is done here instead:

- There, -1 goes to each transition that is followed by a step of the person's, so also to all that the
  person does in a takeover but the last. Here only taking the stick costs something, holding it does not.
  Every transition of a takeover is kept, with reward 0.
- There, the last transition of an episode is not kept, so the learner never sees an end. Kept as an end, a
  fall would be worth 0, the most there is where no reward is positive, and the robot would learn to fall.
  But nobody can overlook a fall: here it is a takeover, for somebody had to step in and carry the robot to
  the next start. The transition has -1, whoever drove, and that start comes after it. Where only the time
  was over nobody stepped in: reward 0, and the last state is worth what it always is.
- There, prior data keep the rewards of the task. Here demonstrations are judged like everything else.

Where a task can be done, as a search can, nobody takes over once it is: 0, and the end.
"""

from __future__ import annotations

from vlingnav_train.rlif.offpolicy import OffPolicy
from vlingnav_train.rlif.trial import Moment


class Rlif(OffPolicy):
    """The takeover is the reward, and only what is done ends."""

    def judge(self, moment: Moment) -> tuple[float, float]:
        """-1 for what made somebody step in."""
        return (-1.0 if moment.before_takeover or moment.fell else 0.0), float(not moment.arrived)
