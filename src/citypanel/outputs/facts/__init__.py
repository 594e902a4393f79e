"""One set of facts for every page, table, figure and message."""

from citypanel.outputs.facts.effects import (
    SIGNIFICANCE,
    Check,
    Effect,
    Estimator,
    Printed,
    effect_of,
)
from citypanel.outputs.facts.gather import (
    HEADLINE,
    LEVEL,
    PUBLISHED,
    City,
    Facts,
    Frames,
    gather,
    pretrend_from,
    read_frames,
    with_curve,
)
from citypanel.outputs.facts.labels import Labels
from citypanel.outputs.facts.verdict import (
    Conclusion,
    Evidence,
    Pretrend,
    conclude,
)

__all__ = [
    "HEADLINE",
    "LEVEL",
    "PUBLISHED",
    "SIGNIFICANCE",
    "Check",
    "City",
    "Conclusion",
    "Effect",
    "Estimator",
    "Evidence",
    "Facts",
    "Frames",
    "Labels",
    "Pretrend",
    "Printed",
    "conclude",
    "effect_of",
    "gather",
    "pretrend_from",
    "read_frames",
    "with_curve",
]
