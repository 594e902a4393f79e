"""DEA distance functions and productivity indices for panels."""

from .directional import directional_distance, malmquist_luenberger
from .distances import distance
from .malmquist import malmquist
from .summaries import summarise

__all__ = [
    "directional_distance",
    "distance",
    "malmquist",
    "malmquist_luenberger",
    "summarise",
]
