"""Episodes on disk in the LeRobot v3.0 dataset layout: recorded, read, checked and summed up.

Needs the extra `data` (pyarrow, av, pillow). LeRobot itself opens what is written here, and need not be
installed.
"""

from vlingnav_datasets.lerobot_v3.check import Problem, check
from vlingnav_datasets.lerobot_v3.files import DatasetError
from vlingnav_datasets.lerobot_v3.layout import Limits
from vlingnav_datasets.lerobot_v3.page import write_page
from vlingnav_datasets.lerobot_v3.reader import DatasetReader, Episode
from vlingnav_datasets.lerobot_v3.relabel import set_texts
from vlingnav_datasets.lerobot_v3.schema import FRONT, GOAL, Feature, Schema, navigation_schema
from vlingnav_datasets.lerobot_v3.summary import statistics
from vlingnav_datasets.lerobot_v3.writer import DatasetWriter

__all__ = [
    "FRONT",
    "GOAL",
    "DatasetError",
    "DatasetReader",
    "DatasetWriter",
    "Episode",
    "Feature",
    "Limits",
    "Problem",
    "Schema",
    "check",
    "navigation_schema",
    "set_texts",
    "statistics",
    "write_page",
]
