"""What a user reads when a panel or an option cannot be used."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.errors import EstimationError, OptionError, PanelError

KEYS = dict(outcome="y", unit="city_id", period="year")


@pytest.fixture
def frame():
    rows = [(c, t) for c in ("330100", "330200", "420100") for t in range(2014, 2018)]
    data = pd.DataFrame(rows, columns=["city_id", "year"])
    data["cohort"] = data["city_id"].map({"330100": 2015, "330200": 2016, "420100": 0})
    late = (data["cohort"] > 0) & (data["year"] >= data["cohort"])
    data["sydid"] = late.astype(float)
    data["y"] = np.random.default_rng(0).normal(size=len(data))
    return data


def message(error) -> str:
    text = str(error.value)
    assert "Consequence:" in text and "Remedy:" in text
    return text


def test_column_missing(frame):
    with pytest.raises(PanelError) as error:
        did.twfe(frame.drop(columns="sydid"), treatment="sydid", **KEYS)
    assert "- sydid" in message(error)


def test_text_in_a_number_column(frame):
    frame["y"] = frame["y"].astype(object)
    frame.loc[5, "y"] = "n/a"
    with pytest.raises(PanelError) as error:
        did.twfe(frame, treatment="sydid", **KEYS)
    assert "city_id 330200, year 2015, y = 'n/a'" in message(error)


def test_key_missing(frame):
    frame.loc[3, "city_id"] = None
    with pytest.raises(PanelError) as error:
        did.twfe(frame, treatment="sydid", **KEYS)
    assert "row 3" in message(error)


def test_key_repeated(frame):
    twice = pd.concat([frame, frame.iloc[[6]]])
    with pytest.raises(PanelError) as error:
        did.twfe(twice, treatment="sydid", **KEYS)
    assert "city_id 330200, year 2016" in message(error)


def test_treatment_switches_off(frame):
    frame.loc[3, "sydid"] = 0.0
    with pytest.raises(PanelError) as error:
        did.twfe(frame, treatment="sydid", **KEYS)
    text = message(error)
    assert "switches off" in text
    assert "city_id 330100, year 2017, sydid = 0.0" in text


def test_cohort_varies_within_a_city(frame):
    frame.loc[1, "cohort"] = 2017
    with pytest.raises(PanelError) as error:
        did.event_study(frame, cohort="cohort", **KEYS)
    assert "city_id 330100: 2015, 2017" in message(error)


def test_cohort_is_not_a_period(frame):
    frame["cohort"] = frame["cohort"] + 0.5
    with pytest.raises(PanelError) as error:
        did.event_study(frame, cohort="cohort", **KEYS)
    assert "not a whole period" in message(error)


def test_nobody_treated(frame):
    with pytest.raises(EstimationError) as error:
        did.event_study(frame.assign(cohort=0), cohort="cohort", **KEYS)
    assert "No unit is treated in column cohort" in message(error)


def test_collinear_control(frame):
    rng = np.random.default_rng(1)
    frame["eco"] = rng.normal(size=len(frame))
    frame["con"] = 2 * frame["eco"] + frame["year"]
    one = did.twfe(frame, treatment="sydid", controls=["eco"], **KEYS)
    two = did.twfe(frame, treatment="sydid", controls=["eco", "con"], **KEYS)
    assert two.loc[0, "estimate"] == pytest.approx(one.loc[0, "estimate"])
    assert "control con left out: collinear" in two.loc[0, "note"]
    lost = two[two["term"] == "con"].iloc[0]
    assert np.isnan(lost["estimate"]) and "collinear" in lost["note"]


def test_control_absorbed_by_the_effects(frame):
    frame["area"] = frame["city_id"].astype(float)
    fit = did.twfe(frame, treatment="sydid", controls=["area"], **KEYS)
    assert "control area left out: absorbed by the fixed" in fit.loc[0, "note"]


def test_control_that_repeats_the_treatment(frame):
    with pytest.raises(EstimationError) as error:
        did.twfe(
            frame.assign(twin=2 * frame["sydid"] + 1),
            treatment="sydid",
            controls=["twin"],
            **KEYS,
        )
    text = message(error)
    assert "- twin: collinear" in text
    assert "coefficient of sydid is not identified" in text


def test_no_city_left(frame):
    with pytest.raises(PanelError) as error:
        did.twfe(frame.assign(y=np.nan), treatment="sydid", **KEYS)
    assert "No unit is left" in message(error)


def test_unknown_standard_errors(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(frame, treatment="sydid", standard_errors="stata", **KEYS)
    text = message(error)
    assert "'stata'" in text and "'xtreg'" in text


def test_unknown_small_sample_option(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame,
            treatment="sydid",
            standard_errors="fixest",
            small_sample={"K.fixef": "all"},
            **KEYS,
        )
    assert "K.fixef = 'all'" in message(error)


def test_one_cluster(frame):
    with pytest.raises(EstimationError) as error:
        did.twfe(frame.assign(g=1), treatment="sydid", cluster="g", **KEYS)
    assert "need two clusters, there is 1" in message(error)


def test_three_clusterings(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame, treatment="sydid", cluster=["city_id", "year", "cohort"], **KEYS
        )
    assert "More than two columns" in message(error)


def test_leverage_with_clusters_that_cut_units(frame):
    with pytest.raises(EstimationError) as error:
        did.twfe(
            frame, treatment="sydid", cluster="year", standard_errors="CR2", **KEYS
        )
    assert "more than one cluster" in message(error)


def test_bias_reduction_with_two_clusterings(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame,
            treatment="sydid",
            cluster=["city_id", "year"],
            standard_errors="CR2",
            **KEYS,
        )
    assert "CR2 with two clusterings" in message(error)


def test_linearmodels_convention_needs_linearmodels(frame):
    with pytest.raises(OptionError) as error:
        did.twfe(
            frame,
            treatment="sydid",
            standard_errors="linearmodels",
            engine="closed_form",
            **KEYS,
        )
    assert "closed_form" not in str(error.value).splitlines()[0]
    assert 'needs engine="linearmodels"' in message(error)


def test_reference_within_a_bin(frame):
    with pytest.raises(OptionError) as error:
        did.event_study(frame, cohort="cohort", bin_before=-1, **KEYS)
    assert "Reference -1 lies in a bin" in message(error)


def test_reference_never_reached(frame):
    with pytest.raises(EstimationError) as error:
        did.event_study(frame, cohort="cohort", reference=-7, **KEYS)
    assert "event times seen: -2, -1, 0, 1, 2" in message(error)


STAGGERED = dict(cohort="cohort", **KEYS)


def raises(kind, function, /, *parts, **options):
    """Run, and check that the message holds every part."""
    with pytest.raises(kind) as error:
        function(**options)
    text = message(error)
    for part in parts:
        assert part in text, text


def test_never_treated_needed_and_absent(frame):
    treated = frame[frame["cohort"] > 0]
    raises(
        EstimationError,
        did.group_time_att,
        "No unit is never treated in column cohort",
        "- cohort 2015: 1 unit",
        'use control_group="not_yet"',
        panel=treated,
        **STAGGERED,
    )
    for function in (did.synthetic_did, did.etwfe):
        more = {"control_group": "never"} if function is did.etwfe else {}
        raises(
            EstimationError,
            function,
            "No unit is never treated",
            panel=treated,
            **STAGGERED,
            **more,
        )


def test_all_treated_period(frame):
    treated = frame[frame["cohort"] > 0]
    at_once = frame[frame["cohort"] == 2016]
    for function in (did.imputation, did.two_stage, did.etwfe):
        raises(
            EstimationError,
            function,
            "Every unit is treated in some year",
            "- year 2016",
            "- year 2017",
            "end the panel before 2016",
            panel=at_once,
            **STAGGERED,
        )
    raises(
        EstimationError,
        did.group_time_att,
        "Every unit is treated in some year",
        "- year 2017",
        panel=treated,
        control_group="not_yet",
        **STAGGERED,
    )


def test_nobody_left_after_balancing(frame):
    gaps = frame[
        frame["city_id"].map({"330100": 0, "330200": 1, "420100": 2}) + 2014
        != frame["year"]
    ]
    for function in (did.group_time_att, did.synthetic_did, did.switchers):
        raises(
            PanelError,
            function,
            "No unit is left after dropping missing values and balancing",
            "not seen in all 4 periods: 9 rows",
            panel=gaps,
            **STAGGERED,
        )


def test_all_treated_at_once(frame):
    together = frame[frame["cohort"] == 2015]
    raises(
        EstimationError,
        did.sun_abraham,
        "All units are treated at the same time",
        "- cohort 2015: 1 unit",
        panel=together,
        **STAGGERED,
    )


def test_switchers_without_anybody_to_compare(frame):
    together = frame[frame["cohort"] == 2015]
    raises(
        EstimationError,
        did.switchers,
        "No switcher has a unit that has not switched",
        panel=together,
        **STAGGERED,
    )


def test_fractional_treatment_in_the_decomposition(frame):
    first = frame["sydid"].eq(1) & frame["year"].eq(frame["cohort"])
    frame.loc[first, "sydid"] = 0.5
    raises(
        EstimationError,
        did.bacon_decomposition,
        "Treatment sydid is a fraction",
        "city_id 330100, year 2015, sydid = 0.5",
        panel=frame,
        treatment="sydid",
        **KEYS,
    )


def test_treatment_that_never_changes(frame):
    raises(
        EstimationError,
        did.bacon_decomposition,
        "never changes within a unit",
        panel=frame.assign(sydid=(frame["city_id"] == "330100").astype(float)),
        treatment="sydid",
        **KEYS,
    )


def test_treatment_outside_zero_and_one(frame):
    raises(
        PanelError,
        did.bacon_decomposition,
        "Treatment sydid is outside [0, 1]",
        "sydid = 2.0",
        panel=frame.assign(sydid=frame["sydid"] * 2),
        treatment="sydid",
        **KEYS,
    )


def test_cluster_that_changes_within_a_city(frame):
    moving = frame.assign(province=frame["year"] // 2)
    for function in (did.group_time_att, did.switchers):
        raises(
            PanelError,
            function,
            "Column province changes within a unit",
            "- city_id 330100",
            panel=moving,
            cluster="province",
            **STAGGERED,
        )
    for function in (did.wild_cluster_bootstrap, did.randomisation_inference):
        raises(
            EstimationError,
            function,
            "more than one cluster of province",
            panel=moving,
            treatment="sydid",
            cluster="province",
            **KEYS,
        )


def test_aggregate_of_a_copy(frame):
    cells = did.group_time_att(frame, **STAGGERED)
    copy = cells.copy()
    copy.attrs = {}
    with pytest.raises(EstimationError) as error:
        did.aggregate_att(copy)
    assert "carries no influence functions" in message(error)
    with pytest.raises(EstimationError) as error:
        did.aggregate_att(cells, min_event_time=7)
    assert "No effect after treatment to aggregate (simple)" in message(error)
    with pytest.raises(OptionError) as error:
        did.aggregate_att(cells, "dynamic", uniform_band=True, draws=10)
    assert "10 bootstrap draws are too few" in message(error)
    with pytest.raises(OptionError) as error:
        did.aggregate_att(cells, "event")
    assert "'event'" in message(error) and "'dynamic'" in message(error)


@pytest.mark.parametrize(
    ("function", "option", "value"),
    [
        (did.group_time_att, "control_group", "all"),
        (did.group_time_att, "method", "ols"),
        (did.group_time_att, "base_period", "last"),
        (did.etwfe, "control_group", "later"),
        (did.stacked, "control_group", "later"),
        (did.stacked, "weighting", "population"),
        (did.synthetic_did, "variance", "bootstrap"),
        (did.propensity_score_did, "method", "radius"),
    ],
)
def test_options_list_the_right_values(frame, function, option, value):
    more = {"covariates": ["y"]} if function is did.propensity_score_did else {}
    raises(
        OptionError,
        function,
        f"Option {option} has the value '{value}'",
        "use one of",
        panel=frame,
        **STAGGERED,
        **more,
        **{option: value},
    )


def test_bootstrap_options(frame):
    options = dict(panel=frame, treatment="sydid", **KEYS)
    raises(
        OptionError,
        did.wild_cluster_bootstrap,
        "9 bootstrap draws are too few",
        draws=9,
        **options,
    )
    raises(
        OptionError, did.wild_cluster_bootstrap, "'normal'", weights="normal", **options
    )
    raises(
        OptionError,
        did.randomisation_inference,
        "9 permutations are too few",
        draws=9,
        **options,
    )


def test_jackknife_without_the_only_treated_city(frame):
    one = frame[frame["city_id"] != "330200"]
    raises(
        EstimationError,
        did.jackknife,
        "not identified without some clusters",
        "- city_id 330100",
        panel=one,
        treatment="sydid",
        **KEYS,
    )


def test_fake_date_in_the_policy(frame):
    raises(
        OptionError,
        did.fake_date_placebo,
        "years_before = 0",
        panel=frame,
        years_before=(0,),
        **STAGGERED,
    )


def test_multiple_testing_inputs():
    raises(OptionError, did.holm, "- 1.5", p_values=[0.1, 1.5])
    raises(OptionError, did.romano_wolf, "No specification", specifications={})
    raises(OptionError, did.study.inference_table, "No column", columns={}, bound=1)


def test_stacking_windows(frame):
    raises(
        OptionError, did.stacked, "Window -0 to 1", panel=frame, before=0, **STAGGERED
    )
    raises(
        EstimationError,
        did.stacked,
        "No cohort has its whole window",
        "cohort 2015: 2005 to 2016, panel 2014 to 2017",
        panel=frame,
        before=10,
        **STAGGERED,
    )
    raises(
        EstimationError,
        did.stacked,
        "An experiment has nobody on one side",
        "cohort 2015, periods 2014 to 2015",
        panel=frame[frame["cohort"] == 2015],
        before=1,
        after=0,
        **STAGGERED,
    )


def test_synthetic_did_limits(frame):
    late = frame.assign(cohort=frame["cohort"].where(frame["cohort"] != 2016, 2015))
    raises(
        EstimationError,
        did.synthetic_did,
        "No cohort has two periods before",
        "- cohort 2015",
        panel=late,
        **STAGGERED,
    )
    raises(
        EstimationError,
        did.synthetic_did,
        "1 never-treated units cannot stand in",
        panel=frame,
        variance="placebo",
        **STAGGERED,
    )
    rng = np.random.default_rng(2)
    more = pd.DataFrame(
        [
            (f"9{i}", t, 0, 0.0, rng.normal())
            for i in range(4)
            for t in range(2014, 2018)
        ],
        columns=frame.columns,
    )
    raises(
        OptionError,
        did.synthetic_did,
        "5 placebo draws are too few",
        panel=pd.concat([frame, more]),
        variance="placebo",
        draws=5,
        **STAGGERED,
    )


def test_sensitivity_inputs(frame):
    path = did.event_study(frame, **STAGGERED)
    copy = path.copy()
    copy.attrs = {}
    raises(EstimationError, did.honest_did, "carries no covariance", frame=copy)
    raises(
        EstimationError, did.pretrend_power, "No event time on each side", frame=path
    )
    asked = dict(frame=path, single_units=True)
    raises(OptionError, did.honest_did, "- -1", bounds=[-1], **asked)
    raises(OptionError, did.honest_did, "'max'", target="max", **asked)
    raises(OptionError, did.honest_did, "2 target weights for", target=[1, 0], **asked)
    raises(OptionError, did.honest_did, "'curvature'", kind="curvature", **asked)
    raises(OptionError, did.pretrend_power, "- 0.01", powers=[0.01], **asked)
    raises(OptionError, did.pretrend_power, "'wald'", test="wald", **asked)


def test_power_inputs():
    raises(
        OptionError, did.minimum_detectable_effect, "Standard error 0.0", std_error=0.0
    )
    raises(
        OptionError,
        did.minimum_detectable_effect,
        "Power 0.01",
        std_error=1.0,
        power=0.01,
    )
    raises(
        OptionError,
        did.equivalence_test,
        "bound -1",
        estimate=0.0,
        std_error=1.0,
        bound=-1,
    )


def test_matching_inputs(frame):
    options = dict(panel=frame, **STAGGERED)
    raises(
        OptionError,
        did.propensity_score_did,
        "neighbours 0",
        covariates=["y"],
        neighbours=0,
        **options,
    )
    raises(
        OptionError, did.propensity_score_did, "No covariate", covariates=[], **options
    )
    raises(
        EstimationError,
        did.propensity_score_did,
        "separate treated from control",
        "- size: treated",
        covariates=["size"],
        **STAGGERED,
        panel=frame.assign(
            size=frame["city_id"].map({"330100": 3.0, "330200": 2.0, "420100": 1.0})
        ),
    )
    raises(
        EstimationError,
        did.balance_table,
        "No period before 2000",
        panel=frame,
        cohort="cohort",
        unit="city_id",
        period="year",
        covariates=["y"],
        before=2000,
    )
    rng = np.random.default_rng(4)
    many = pd.DataFrame(
        [
            (i, t, 2016 * (i % 2), x, rng.normal())
            for i, x in enumerate(rng.normal(size=20))
            for t in range(2014, 2018)
        ],
        columns=["city_id", "year", "cohort", "x", "y"],
    )
    raises(
        EstimationError,
        did.propensity_score_did,
        "No treated unit has a match",
        panel=many,
        covariates=["x"],
        caliper=1e-12,
        **STAGGERED,
    )


def test_study_names_its_estimators(frame):
    raises(
        OptionError,
        did.study.att_table,
        "'ols'",
        "'imputation'",
        panel=frame,
        outcomes=["y"],
        treatment="sydid",
        estimators=["ols"],
    )


def test_permutation_test_inputs(frame):
    options = dict(panel=frame, estimator=did.imputation, **STAGGERED)
    raises(
        OptionError,
        did.permutation_test,
        "9 permutations are too few",
        draws=9,
        **options,
    )
    # One treated city: no statistic.
    raises(
        OptionError,
        did.permutation_test,
        "no statistic under the term 'overall'",
        draws=99,
        **{**options, "panel": frame[frame["city_id"] != "330200"]},
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"period": None}, "period"),
        ({"yname": "y"}, "yname"),
        ({"outcome": None, "yname": "y"}, "(outcome|yname)"),
    ],
)
@pytest.mark.parametrize(
    "name", ["twfe", "event_study", "group_time_att", "imputation"]
)
def test_a_wrong_keyword_is_named_with_its_function(frame, name, changed, said):
    columns = {**KEYS, "treatment" if name == "twfe" else "cohort": "cohort", **changed}
    given = {key: column for key, column in columns.items() if column}
    with pytest.raises(TypeError, match=rf"^{name}\(\) .*{said}"):
        getattr(did, name)(frame, **given)


def test_every_estimator_shows_the_columns_it_takes():
    for name in ("twfe", "group_time_att", "stacked", "synthetic_did"):
        shown = inspect.signature(getattr(did, name)).parameters
        assert {"outcome", "unit", "period", "weights"} <= set(shown), name
