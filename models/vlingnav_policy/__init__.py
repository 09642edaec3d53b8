"""What the robot wants: policies and their contract. Imports numpy only; engines load with a model."""

from vlingnav_policy.load import load_policy
from vlingnav_policy.manifest import Manifest, ManifestError
from vlingnav_policy.types import Decision, Goal, Observation, Odometry, Policy

__all__ = [
    "Decision",
    "Goal",
    "Manifest",
    "ManifestError",
    "Observation",
    "Odometry",
    "Policy",
    "load_policy",
]
