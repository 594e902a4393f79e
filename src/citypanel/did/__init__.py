"""Difference-in-differences estimators, inference and credibility checks.

Every estimator is a function of a panel with keyword-only column names, and returns
the tidy frame that `frames` describes.
"""

from citypanel.did.aggregate import aggregate_att
from citypanel.did.bacon import bacon_decomposition
from citypanel.did.bootstrap import wild_cluster_bootstrap
from citypanel.did.etwfe import etwfe
from citypanel.did.group_time import group_time_att
from citypanel.did.imputation import imputation
from citypanel.did.jackknife import (
    fake_date_placebo,
    jackknife,
    leave_one_batch_out,
    leave_one_city_out,
)
from citypanel.did.multiple import holm, romano_wolf
from citypanel.did.randomisation import randomisation_inference
from citypanel.did.stacked import stacked
from citypanel.did.sun_abraham import sun_abraham
from citypanel.did.switchers import switchers
from citypanel.did.synthetic import synthetic_did
from citypanel.did.twfe import event_study, twfe
from citypanel.did.two_stage import two_stage

__all__ = [
    "aggregate_att",
    "bacon_decomposition",
    "etwfe",
    "event_study",
    "fake_date_placebo",
    "group_time_att",
    "holm",
    "imputation",
    "jackknife",
    "leave_one_batch_out",
    "leave_one_city_out",
    "randomisation_inference",
    "romano_wolf",
    "stacked",
    "sun_abraham",
    "switchers",
    "synthetic_did",
    "twfe",
    "two_stage",
    "wild_cluster_bootstrap",
]
