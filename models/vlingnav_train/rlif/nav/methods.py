"""The methods of `rlif` for a head that edits: what they edit is good already, so all begin with no edit.

RLIF pays for edits besides (`Rlpd.anchor`): takeovers are rare, one in about a hundred decisions, and where
the critics know nothing yet they are wrong in some direction everywhere. Trained offline on 30 takeovers, an
actor that paid nothing held the robot back by 0.5 m/s wherever it was; one that paid, by 0.06 m/s.
"""

from __future__ import annotations

import math

from torch import nn

from vlingnav_train.rlif.hg_dagger import HgDagger
from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.nav.head import unlearned
from vlingnav_train.rlif.rlif import Rlif
from vlingnav_train.rlif.rlpd import RlpdConfig

ANCHOR = 0.3
"""In takeovers: half of the greatest edit, in one direction, must be worth a quarter of this."""
TEMPERATURE = 0.01
"""At the beginning; at RLPD's 1, noise would count for more than any takeover for hours."""
LEARNER = RlpdConfig(width=128, updates=2)
"""Narrower than for robots that walk, for there are fewer decisions to learn from."""


class EditingRlif(Rlif):
    """RLIF from no edit on."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        unlearned(self.actor)
        self.learner.anchor = ANCHOR
        nn.init.constant_(self.learner.log_temperature, math.log(TEMPERATURE))


class EditingClone(HgDagger):
    """HG-DAgger from no edit on: takeovers are imitated, and of the prior episodes the robot too."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        unlearned(self.actor)


Editing = EditingRlif | EditingClone
METHODS: dict[str, type[Editing]] = {"rlif": EditingRlif, "bc": EditingClone}
