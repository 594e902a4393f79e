"""Difference-in-differences estimators, inference and credibility checks.

Every estimator is a function of a panel with keyword-only column names, and returns
the tidy frame that `frames` describes.
"""

from citypanel.did.aggregate import aggregate_att
from citypanel.did.bacon import bacon_decomposition
from citypanel.did.etwfe import etwfe
from citypanel.did.group_time import group_time_att
from citypanel.did.imputation import imputation
from citypanel.did.sun_abraham import sun_abraham
from citypanel.did.twfe import event_study, twfe
from citypanel.did.two_stage import two_stage

__all__ = [
    "aggregate_att",
    "bacon_decomposition",
    "etwfe",
    "event_study",
    "group_time_att",
    "imputation",
    "sun_abraham",
    "twfe",
    "two_stage",
]
