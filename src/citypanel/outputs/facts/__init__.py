"""One set of facts for every page, table, figure and message."""

from citypanel.outputs.facts.effects import (
    SIGNIFICANCE,
    Check,
    Effect,
    Estimator,
    Inference,
    Printed,
    Regression,
    effect_of,
)
from citypanel.outputs.facts.gather import (
    HEADLINE,
    LEVEL,
    NEEDED,
    PUBLISHED,
    WANTED,
    City,
    Facts,
    Frames,
    gather,
    pretrend_from,
    read_frames,
    with_curve,
)
from citypanel.outputs.facts.labels import Labels
from citypanel.outputs.facts.range import Range
from citypanel.outputs.facts.verdict import (
    Conclusion,
    Evidence,
    Pretrend,
    Step,
    conclude,
)

__all__ = [
    "HEADLINE",
    "LEVEL",
    "NEEDED",
    "PUBLISHED",
    "SIGNIFICANCE",
    "WANTED",
    "Check",
    "City",
    "Conclusion",
    "Effect",
    "Estimator",
    "Evidence",
    "Facts",
    "Frames",
    "Inference",
    "Labels",
    "Pretrend",
    "Printed",
    "Range",
    "Regression",
    "Step",
    "conclude",
    "effect_of",
    "gather",
    "pretrend_from",
    "read_frames",
    "with_curve",
]
