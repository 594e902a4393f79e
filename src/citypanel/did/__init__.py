"""Difference-in-differences estimators, inference and credibility checks.

Every estimator is a function of a panel with keyword-only column names, and returns
the tidy frame that `frames` describes, with the methods of `results`. `PEERS` gives
the names that R and Stata use for the same: `did.att_gt` is `did.group_time_att`, with
the options that stand here.
"""

from citypanel.did import study
from citypanel.did.adjusted import (
    covariate_balancing,
    entropy_balancing,
    machine_learning_did,
)
from citypanel.did.aggregate import aggregate_att
from citypanel.did.augmented import augmented_synthetic_control
from citypanel.did.bacon import bacon_decomposition
from citypanel.did.bootstrap import wild_cluster_bootstrap
from citypanel.did.concurrent import concurrent_policies
from citypanel.did.dose import dose_response
from citypanel.did.etwfe import etwfe
from citypanel.did.factors import interactive_fixed_effects, matrix_completion
from citypanel.did.few_treated import conley_taber, ferman_pinto, few_treated
from citypanel.did.functional_form import functional_form_test
from citypanel.did.group_time import group_time_att
from citypanel.did.honest import honest_did
from citypanel.did.imputation import imputation
from citypanel.did.jackknife import (
    fake_date_placebo,
    jackknife,
    leave_one_batch_out,
    leave_one_city_out,
    leave_one_unit_out,
)
from citypanel.did.moments import moments
from citypanel.did.multiple import holm, romano_wolf
from citypanel.did.nonabsorbing import nonabsorbing_did
from citypanel.did.population import population_inference
from citypanel.did.power import (
    equivalence_test,
    minimum_detectable_effect,
    power_at,
    power_table,
)
from citypanel.did.pretest import pretrend_power
from citypanel.did.pretrends import pretrend_at_slope, pretrend_line
from citypanel.did.propensity import balance_table, propensity_score_did
from citypanel.did.randomisation import (
    permutation_test,
    randomisation_draws,
    randomisation_inference,
)
from citypanel.did.results import Result
from citypanel.did.spatial import spatial_inference
from citypanel.did.spillovers import spillovers
from citypanel.did.stacked import stacked
from citypanel.did.sun_abraham import sun_abraham
from citypanel.did.switchers import switchers
from citypanel.did.synthetic import synthetic_did
from citypanel.did.triply_robust import triply_robust
from citypanel.did.twfe import event_study, twfe
from citypanel.did.twfe_weights import twfe_weights
from citypanel.did.two_stage import two_stage

# What others call it: R's did, fixest, bacondecomp, didimputation, did2s, synthdid,
# augsynth, contdid, HonestDiD, pretrends, fwildclusterboot, TwoWayFEWeights; Stata's
# csdid, eventstudyinteract, jwdid, stackedev, sdid, did_multiplegt_dyn, ritest,
# ebalance, rwolf.
PEERS = {
    "att_gt": group_time_att,
    "csdid": group_time_att,
    "aggte": aggregate_att,
    "sunab": sun_abraham,
    "eventstudyinteract": sun_abraham,
    "bacon": bacon_decomposition,
    "twowayfeweights": twfe_weights,
    "did_imputation": imputation,
    "did2s": two_stage,
    "jwdid": etwfe,
    "stackedev": stacked,
    "did_multiplegt_dyn": switchers,
    "cont_did": dose_response,
    "synthdid": synthetic_did,
    "sdid": synthetic_did,
    "augsynth": augmented_synthetic_control,
    "ebalance": entropy_balancing,
    "HonestDiD": honest_did,
    "pretrends": pretrend_power,
    "boottest": wild_cluster_bootstrap,
    "ritest": randomisation_inference,
    "rwolf": romano_wolf,
}
globals().update(PEERS)

__all__ = [
    "PEERS",
    "Result",
    "aggregate_att",
    "augmented_synthetic_control",
    "bacon_decomposition",
    "balance_table",
    "concurrent_policies",
    "conley_taber",
    "covariate_balancing",
    "dose_response",
    "entropy_balancing",
    "equivalence_test",
    "etwfe",
    "event_study",
    "fake_date_placebo",
    "ferman_pinto",
    "few_treated",
    "functional_form_test",
    "group_time_att",
    "holm",
    "honest_did",
    "imputation",
    "interactive_fixed_effects",
    "jackknife",
    "leave_one_batch_out",
    "leave_one_city_out",
    "leave_one_unit_out",
    "machine_learning_did",
    "matrix_completion",
    "minimum_detectable_effect",
    "moments",
    "nonabsorbing_did",
    "permutation_test",
    "population_inference",
    "power_at",
    "power_table",
    "pretrend_at_slope",
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
    "triply_robust",
    "twfe",
    "twfe_weights",
    "two_stage",
    "wild_cluster_bootstrap",
]
