"""DEA distance functions and productivity indices for panels."""

from .distances import distance
from .malmquist import malmquist
from .summaries import summarise

__all__ = ["distance", "malmquist", "summarise"]
