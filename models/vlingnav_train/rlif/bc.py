"""BC, behaviour cloning: the demonstrations, and nothing that happens afterwards."""

from __future__ import annotations

from vlingnav_train.rlif.cloning import Cloning
from vlingnav_train.rlif.trial import Moment


class BehaviourCloning(Cloning):
    """Goes on learning from the demonstrations for as many steps as the others, and is measured like them."""

    takeovers = False

    def imitated(self, moment: Moment) -> None:
        """Nothing."""
        return None
