"""DEA distance functions and productivity indices for panels.

Convention: every index is above 1 when productivity rises, in both orientations.
"""

from .bootstrap import bootstrap_malmquist
from .details import Frontier, Programmes, frontier, programmes, super_efficiency
from .directional import directional_distance, malmquist_luenberger
from .distances import distance
from .malmquist import malmquist
from .summaries import summarise

__all__ = [
    "Frontier",
    "Programmes",
    "bootstrap_malmquist",
    "directional_distance",
    "distance",
    "frontier",
    "malmquist",
    "malmquist_luenberger",
    "programmes",
    "summarise",
    "super_efficiency",
]
