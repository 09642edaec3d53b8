"""What the robot wants: policies and the contract they keep. Imports numpy only; engines load when a model is loaded."""

from vlingnav_policy.load import load_policy
from vlingnav_policy.manifest import Manifest, ManifestError
from vlingnav_policy.types import Decision, Goal, Observation, Odometry, Policy

__all__ = ["Decision", "Goal", "Manifest", "ManifestError", "Observation", "Odometry", "Policy", "load_policy"]
