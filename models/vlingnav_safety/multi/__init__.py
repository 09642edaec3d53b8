"""Many robots: the batched filter, the worlds in which it is measured, and what it is measured against.

control, report = filter_batch(model, state, desired, hits, BatchConfig(radius=0.05))
"""

from vlingnav_safety.multi.batch import BatchConfig, BatchReport, Tuning, filter_batch
from vlingnav_safety.multi.detour import Detour, DetourConfig
from vlingnav_safety.multi.learned import LearnedTuner
from vlingnav_safety.multi.nominal import nominal
from vlingnav_safety.multi.tuner import FixedTuner, RuleTuner, Tuner, View, look

__all__ = [
    "BatchConfig",
    "BatchReport",
    "Detour",
    "DetourConfig",
    "FixedTuner",
    "LearnedTuner",
    "RuleTuner",
    "Tuner",
    "Tuning",
    "View",
    "filter_batch",
    "look",
    "nominal",
]
