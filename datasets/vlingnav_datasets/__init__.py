"""What policies learn from: one labelled episode is a `Demonstration`. Imports numpy and the policy contract only."""

from vlingnav_datasets.demonstration import Demonstration

__all__ = ["Demonstration"]
