"""HG-DAgger (Kelly et al. 2019, arXiv:1810.02890): what a person does in takeovers is imitated.

The same takeovers as RLIF's, by the same person. The estimate of risk that the paper adds, from an ensemble,
plays no part in learning and is left out, as in RLIF's comparison.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlingnav_train.rlif.cloning import Cloning
from vlingnav_train.rlif.trial import Moment


class HgDagger(Cloning):
    """Imitates takeovers."""

    takeovers = True

    def imitated(self, moment: Moment) -> NDArray[np.float32] | None:
        """What the person did, if it was they who drove."""
        return moment.action if moment.held else None
