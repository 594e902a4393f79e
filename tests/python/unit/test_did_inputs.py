"""What users hand over: odd names, columns, sizes and samples of one kind each."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import ESTIMATORS, KEYS, mk

from citypanel import did
from citypanel.errors import CityPanelError, EstimationError, OptionError, PanelError

COHORTS = dict(outcome="y", cohort="g", unit="id", period="t")
# Columns that the library's own frames have.
WORDS = ["weight", "unit", "period", "cohort", "event", "treated", "y_", "start"]
WORDS += ["cluster", "at_base", "const", "overall", "observation", "when", "term"]


def panel(n=24, cohorts=(0, 4, 6, 0), noise=0.0):
    frame = mk(range(1, 9), list(cohorts), n=n)
    frame["d"] = ((frame["g"] > 0) & (frame["t"] >= frame["g"])).astype(float)
    frame["y"] += noise * np.random.default_rng(1).normal(size=len(frame))
    return frame


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def with_words(words):
    """A panel that controls called like internal columns stand in."""
    frame, rng = panel(), np.random.default_rng(5)
    for word in words:
        frame[word] = rng.normal(size=len(frame))
        frame["y"] += 2.0 * frame[word]
    return frame


@pytest.mark.parametrize(
    "name",
    [n for n in ESTIMATORS if not n.startswith(("group_time", "bacon", "etwfe n"))],
)
def test_controls_may_be_called_like_the_columns_of_our_frames(name):
    for words in (WORDS[:5], WORDS[5:10], WORDS[10:]):
        frame = with_words(words)
        plain = {word: f"x{j}" for j, word in enumerate(words)}
        got = ESTIMATORS[name](frame, controls=words)
        want = ESTIMATORS[name](
            frame.rename(columns=plain), controls=list(plain.values())
        )
        np.testing.assert_allclose(
            got["estimate"].astype(float), want["estimate"].astype(float), atol=1e-9
        )


def test_tables_of_several_fits_keep_to_the_effect_under_any_control_name():
    words = ["overall", "treated", "const", "matched weight"]
    frame = with_words(words).assign(lat=lambda f: f["id"] % 5, lon=0.0)
    frame["z"] = (frame["id"] * 7 % 5).astype(float)
    spatial = did.spatial_inference(
        frame, treatment="d", coordinates=["lat", "lon"], controls=words, **KEYS
    )
    np.testing.assert_allclose(spatial["estimate"], 1.0, atol=1e-9)
    matched = did.propensity_score_did(
        frame, covariates=["z"], caliper=None, controls=words, **COHORTS
    )
    np.testing.assert_allclose(matched["estimate"], 1.0, atol=1e-9)
    frame["treated 1 periods before"] = frame["overall"]
    fake = did.fake_date_placebo(
        frame, controls=["treated 1 periods before", *words[1:]], **COHORTS
    )
    np.testing.assert_allclose(fake["estimate"], 0.0, atol=1e-9)
    other = frame.assign(law=np.where(frame["id"] % 3 == 0, 5, 0))
    other["exposed to law"] = other["overall"]
    table = did.concurrent_policies(
        other, policies=["law"], controls=["exposed to law", *words[1:]], **COHORTS
    )
    shown = table[(table["term"] == "overall") & table["estimate"].notna()]
    assert len(shown) >= 5
    np.testing.assert_allclose(shown["estimate"], 1.0, atol=1e-8)


def test_the_log_is_not_a_column_of_the_key():
    frame = panel().rename(columns={"id": "reason"})
    with pytest.raises(OptionError, match="reason"):
        did.twfe(frame, treatment="d", outcome="y", unit="reason", period="t")


def test_options_that_name_columns_take_one_name_each():
    with pytest.raises(OptionError, match="one column"):
        did.imputation(panel(), **dict(COHORTS, unit=["id"]))
    with pytest.raises(OptionError, match="both name t"):
        did.imputation(panel(), **dict(COHORTS, unit="t"))


def test_keys_in_the_index_are_pointed_to():
    with pytest.raises(PanelError, match="reset_index"):
        did.etwfe(panel().set_index(["id", "t"]), **COHORTS)


@pytest.mark.parametrize("column", ["y", "x", "w"])
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_columns_whose_squares_leave_the_numbers_are_named(column, scale):
    frame = panel(noise=1.0).assign(x=lambda f: f["id"] + f["t"] ** 2, w=1.0 + 0.0)
    frame[column] *= scale
    with pytest.raises(PanelError, match=f"Column {column} has values outside"):
        did.twfe(frame, treatment="d", controls=["x"], weights="w", **KEYS)


def test_complex_outcomes_are_refused():
    with pytest.raises(PanelError, match="complex"):
        did.twfe(panel().assign(y=1j), treatment="d", **KEYS)


@pytest.mark.parametrize("name", ["twfe", "sun_abraham", "imputation", "stacked"])
def test_the_unit_of_a_control_is_no_matter(name):
    frame = panel(noise=1.0)
    frame["x"] = np.random.default_rng(3).normal(size=len(frame))
    want = ESTIMATORS[name](frame, controls=["x"])
    got = ESTIMATORS[name](frame.assign(x=1e-15 * frame["x"]), controls=["x"])
    keep = ~want["term"].isin(["x", "const"])
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(
            got.loc[keep, column].astype(float),
            want.loc[keep, column].astype(float),
            rtol=1e-6,
            atol=1e-12,
        )


def test_minus_one_is_no_year_of_adoption():
    frame = panel().assign(t=lambda f: f["t"] + 2000)
    frame["g"] = np.where(frame["g"] > 0, frame["g"] + 2000, -1)
    with pytest.raises(PanelError, match="negative beside periods that are years"):
        did.sun_abraham(frame, **COHORTS)
    early = mk(range(-4, 5), [-2, 2, 9])
    found = did.etwfe(early, **COHORTS)
    assert (found["cohort"] == -2).any()


def test_event_times_without_a_never_treated_unit_say_so():
    frame = panel(cohorts=(3, 5, 7))
    with pytest.raises(EstimationError, match="Every unit is treated in column g"):
        did.event_study(frame, **COHORTS)
    binned = did.event_study(frame, bin_before=-3, **COHORTS)
    shown = binned[binned["event_time"].fillna(-1).astype(int) >= 0]["estimate"]
    np.testing.assert_allclose(shown, 1.0, atol=1e-9)


def test_controls_lost_to_balancing_are_told_where_others_would_not_be_yet():
    frame = mk(range(1, 9), [0, 4, 6], lambda i, g, t: g == 0 and t < 3)
    with pytest.raises(EstimationError, match="24 of 88 rows left out"):
        did.group_time_att(frame, control_group="not_yet", **COHORTS)


def test_a_fake_date_that_nobody_straddles_costs_its_own_row():
    frame = mk([1, 2, 3, 5, 6, 7], [0, 4])
    found = did.fake_date_placebo(frame, years_before=(1, 2, 3), **COHORTS)
    known = found["estimate"].notna()
    assert known.any() and not known.all()
    assert found.loc[~known, "note"].notna().all()
    np.testing.assert_allclose(found.loc[known, "estimate"], 0.0, atol=1e-9)


def test_matching_keeps_the_frequency_and_leaves_out_the_always_treated():
    frame = panel().assign(z=lambda f: (f["id"] * 7 % 5).astype(float))
    want = did.propensity_score_did(frame, covariates=["z"], caliper=None, **COHORTS)
    halves = {k: 10 * (2015 + k // 2) + k % 2 + 1 for k in range(1, 9)}
    other = frame.assign(
        t=frame["t"].map(halves), g=frame["g"].map(halves).fillna(0).astype(int)
    )
    options = dict(covariates=["z"], caliper=None, **COHORTS)
    with pytest.raises(PanelError, match="more than one way"):
        did.propensity_score_did(other, **options)
    got = did.propensity_score_did(other, frequency="half-year", **options)
    np.testing.assert_allclose(got["estimate"], want["estimate"])
    always = frame.assign(g=frame["g"].where(frame["id"] != 3, 1))
    found = did.propensity_score_did(always, **options)
    assert (found.dropped["id"] == 3).sum() == 8
    np.testing.assert_allclose(found["estimate"], 1.0, atol=1e-9)


def test_balance_of_one_unit_has_no_variance():
    frame = panel(n=12, cohorts=[4] + [0] * 11)
    frame["z"] = (frame["id"] * 7 % 5).astype(float)
    table = did.balance_table(
        frame, cohort="g", unit="id", period="t", covariates=["z"]
    )
    assert table["mean_treated"].iloc[0] == 0.0
    assert table["bias_pct"].isna().all()


def test_permutations_leave_out_units_without_a_group():
    frame = panel(noise=1.0)
    frame["r"] = (frame["id"] % 3).where(frame["id"] != 5).astype(float)
    options = dict(within="r", draws=99, **COHORTS)
    found = did.permutation_test(frame, did.switchers, **options)
    want = did.permutation_test(frame[frame["id"] != 5], did.switchers, **options)
    assert found["p_value"].iloc[0] == want["p_value"].iloc[0]
    assert (found.dropped["id"] == 5).sum() == 8
    assert found.options["within"] == "r" and "8 rows" in found["note"].iloc[0]
    with pytest.raises(PanelError, match="changes within"):
        did.permutation_test(frame.assign(r=frame["t"] % 2), did.switchers, **options)


def test_a_period_that_single_rows_alone_have_absorbs_nothing():
    frame = panel(noise=1.0).assign(w=lambda f: 0.1 + (f["id"] % 7) / 3)
    once = pd.DataFrame(
        {"id": range(90, 93), "t": 9, "g": 0, "y": 5e6, "d": 0.0, "w": [0.3, 0.7, 1.1]}
    )
    more = pd.concat([frame, once], ignore_index=True)
    options = dict(treatment="d", weights="w", engine="closed_form", **KEYS)
    want = did.twfe(frame, **options).loc[0, "estimate"]
    assert did.twfe(more, **options).loc[0, "estimate"] == pytest.approx(want, 1e-9)


def test_notes_of_errors_are_their_problem():
    try:
        did.twfe(panel(cohorts=(4,)), treatment="d", **KEYS)
    except CityPanelError as error:
        assert error.problem == (
            "Regressors are combinations of the others or of the fixed effects"
        )
    assert PanelError("Nothing is there.").problem == "Nothing is there"
