"""The training of `learner_double`: small networks, and `VLINGNAV_TEST_STEPS` steps for each decision."""

from __future__ import annotations

import os
import sys
from functools import partial

from vlingnav_train.rlif import cloning
from vlingnav_train.rlif.nav import learner, process
from vlingnav_train.rlif.rlpd import RlpdConfig

if __name__ == "__main__":
    process.LOWEST = 0  # a machine that tests is busy, and who waits for this would wait for all else
    cloning.PRETRAINING = 0
    small = RlpdConfig(width=32, critics=4, batch=32)
    steps = int(os.environ.get("VLINGNAV_TEST_STEPS", "4"))
    learner.LearnConfig = partial(learner.LearnConfig, steps=steps, learner=small)
    sys.exit(process.main())
