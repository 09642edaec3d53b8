"""What the robot wants: policies and their contract. Imports numpy only; engines load with a model."""

from vlingnav_policy.load import LearnedPolicy, load_policy
from vlingnav_policy.manifest import Manifest, ManifestError
from vlingnav_policy.memory import Memory
from vlingnav_policy.types import (
    Decision,
    Goal,
    Observation,
    Odometry,
    Policy,
    PolicyUnavailable,
    RemembersInWords,
)

__all__ = [
    "Decision",
    "Goal",
    "LearnedPolicy",
    "Manifest",
    "ManifestError",
    "Memory",
    "Observation",
    "Odometry",
    "Policy",
    "PolicyUnavailable",
    "RemembersInWords",
    "load_policy",
]
