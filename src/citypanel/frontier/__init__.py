"""DEA distance functions and productivity indices for panels.

Convention: every index is above 1 when productivity rises, in both orientations.
`PEERS` gives the names that R uses for the same, with the options that stand here.
"""

from citypanel.frontier.bootstrap import bootstrap_malmquist, mean_changes
from citypanel.frontier.details import (
    Frontier,
    Programmes,
    frontier,
    programmes,
    super_efficiency,
)
from citypanel.frontier.directional import directional_distance, malmquist_luenberger
from citypanel.frontier.distances import distance
from citypanel.frontier.malmquist import malmquist
from citypanel.frontier.results import FrontierResult
from citypanel.frontier.summaries import summarise

# What others call it: R's Benchmarking, deaR, productivity.
PEERS = {
    "dea": distance,
    "sdea": super_efficiency,
    "malm": malmquist,
    "malmquist_index": malmquist,
}
globals().update(PEERS)

__all__ = [
    "PEERS",
    "Frontier",
    "FrontierResult",
    "Programmes",
    "bootstrap_malmquist",
    "directional_distance",
    "distance",
    "frontier",
    "malmquist",
    "malmquist_luenberger",
    "mean_changes",
    "programmes",
    "summarise",
    "super_efficiency",
]
