"""The learner node with a training that is done in a moment: `training_double`."""

from __future__ import annotations

from vlingnav import training
from vlingnav.learner_node import main

if __name__ == "__main__":
    training.PROGRAM = "training_double"
    main()
