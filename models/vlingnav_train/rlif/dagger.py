"""DAgger (Ross et al. 2011, arXiv:1011.0686): the robot drives, the expert says of each state what to do.

Far more is asked of the expert than in the other methods, an answer at every step, and far more than a person
could give. The robot drives alone from the first step on: the paper's β is 0 once there are demonstrations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_train.rlif.cloning import Cloning
from vlingnav_train.rlif.trial import Moment


class Dagger(Cloning):
    """Imitates advice."""

    takeovers = False

    def imitated(self, moment: Moment) -> NDArray[np.float32]:
        """What the expert would have done."""
        return moment.advice
