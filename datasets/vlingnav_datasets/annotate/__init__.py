"""Writes adaptive chain-of-thought labels: when a step deserves thought, what is thought, what is remembered.

`triggers` says when; an annotator (`oracle` from facts, `vlm` from images) says what; `filters` say what
passes; `engine` puts them together for an episode. Imports numpy only.
"""

from vlingnav_datasets.annotate.engine import AnnotationConfig, Rejection, Report, annotate_episode
from vlingnav_datasets.annotate.oracle import OracleAnnotator, OracleConfig
from vlingnav_datasets.annotate.triggers import TRIGGERS, Trigger
from vlingnav_datasets.annotate.types import (
    Annotator,
    AnnotatorUnavailable,
    BadAnswer,
    Label,
    Lexicon,
    Request,
)

__all__ = [
    "TRIGGERS",
    "AnnotationConfig",
    "Annotator",
    "AnnotatorUnavailable",
    "BadAnswer",
    "Label",
    "Lexicon",
    "OracleAnnotator",
    "OracleConfig",
    "Rejection",
    "Report",
    "Request",
    "Trigger",
    "annotate_episode",
]
