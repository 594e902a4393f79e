"""The study's steps, each a function from frames to a frame, for every variant.

A variant is a full set of options (one row of the table of variants); the headline is
one of them. Nothing here knows where the frames come from.
"""

from citypanel.study.capital_stocks import capital_stocks
from citypanel.study.estimates import event_studies, regressions
from citypanel.study.productivity import frontier_distances, tfp_changes

__all__ = [
    "capital_stocks",
    "event_studies",
    "frontier_distances",
    "regressions",
    "tfp_changes",
]
