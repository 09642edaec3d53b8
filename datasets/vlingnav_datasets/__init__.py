"""What policies learn from: one labelled episode is a `Demonstration`. Imports numpy only."""

from vlingnav_datasets.demonstration import Demonstration

__all__ = ["Demonstration"]
