"""Difference-in-differences estimators, inference and credibility checks.

Every estimator is a function of a panel with keyword-only column names, and returns
the tidy frame that `frames` describes.
"""

from citypanel.did import study
from citypanel.did.aggregate import aggregate_att
from citypanel.did.bacon import bacon_decomposition
from citypanel.did.bootstrap import wild_cluster_bootstrap
from citypanel.did.concurrent import concurrent_policies
from citypanel.did.etwfe import etwfe
from citypanel.did.few_treated import conley_taber, ferman_pinto, few_treated
from citypanel.did.group_time import group_time_att
from citypanel.did.honest import honest_did
from citypanel.did.imputation import imputation
from citypanel.did.jackknife import (
    fake_date_placebo,
    jackknife,
    leave_one_batch_out,
    leave_one_city_out,
)
from citypanel.did.multiple import holm, romano_wolf
from citypanel.did.power import (
    equivalence_test,
    minimum_detectable_effect,
    power_at,
    power_table,
)
from citypanel.did.pretest import pretrend_power
from citypanel.did.propensity import balance_table, propensity_score_did
from citypanel.did.randomisation import (
    permutation_test,
    randomisation_draws,
    randomisation_inference,
)
from citypanel.did.spatial import spatial_inference
from citypanel.did.spillovers import spillovers
from citypanel.did.stacked import stacked
from citypanel.did.sun_abraham import sun_abraham
from citypanel.did.switchers import switchers
from citypanel.did.synthetic import synthetic_did
from citypanel.did.trend import pretrend_line
from citypanel.did.twfe import event_study, twfe
from citypanel.did.twfe_weights import twfe_weights
from citypanel.did.two_stage import two_stage

__all__ = [
    "aggregate_att",
    "bacon_decomposition",
    "balance_table",
    "concurrent_policies",
    "conley_taber",
    "equivalence_test",
    "etwfe",
    "event_study",
    "fake_date_placebo",
    "ferman_pinto",
    "few_treated",
    "group_time_att",
    "holm",
    "honest_did",
    "imputation",
    "jackknife",
    "leave_one_batch_out",
    "leave_one_city_out",
    "minimum_detectable_effect",
    "permutation_test",
    "power_at",
    "power_table",
    "pretrend_line",
    "pretrend_power",
    "propensity_score_did",
    "randomisation_draws",
    "randomisation_inference",
    "romano_wolf",
    "spatial_inference",
    "spillovers",
    "stacked",
    "study",
    "sun_abraham",
    "switchers",
    "synthetic_did",
    "twfe",
    "twfe_weights",
    "two_stage",
    "wild_cluster_bootstrap",
]
