"""DEA distance functions and productivity indices for panels."""

from .distances import distance
from .malmquist import malmquist

__all__ = ["distance", "malmquist"]
