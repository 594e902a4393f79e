"""The study's steps on panels small enough to follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel.study import estimates
from citypanel.study.estimates import event_studies, regressions
from citypanel.study.productivity import (
    frontier_distances,
    tfp_changes,
    tfp_intervals,
)
from citypanel.study.tables import capital_stocks


def _variants(**options):
    defaults = {
        "variant": "headline",
        "variant_order": 1,
        "first_index_year": "drop",
        "orientation": "output",
        "returns_to_scale": "crs",
        "frontier": "dea",
        "frontier_reference": "contemporaneous",
        "decomposition": "fgnz",
        "bootstrap_replications": 0,
        "seed": 1,
        "standard_errors": "xtreg",
        "depreciation": 0.06,
        "initial_capital": "growth_plus_depreciation",
        "initial_growth": "nominal",
        "capital_first_year": 2011,
        "last_year": 2014,
    }
    return pd.DataFrame([defaults | options])


@pytest.fixture
def sample():
    """Three cities; b doubles its output on the same inputs in 2012."""
    rows = []
    for city, capital, labour, outputs in [
        ("a", 10.0, 1.0, (5.0, 5.0, 5.0)),
        ("b", 10.0, 1.0, (4.0, 8.0, 8.0)),
        ("c", 20.0, 1.0, (6.0, 6.0, 6.0)),
    ]:
        for year, output in zip((2011, 2012, 2013), outputs, strict=True):
            rows.append(("headline", city, year, output, capital, labour))
    return pd.DataFrame(
        rows,
        columns=[
            "variant", "city_id", "year",
            "gdp_real_cny_10k", "capital_real_cny_10k", "labour",
        ],
    )  # fmt: skip


def test_output_on_constant_inputs_is_the_index(sample):
    changes = tfp_changes(sample, _variants()).set_index(["city_id", "year"])
    assert changes.loc[("b", 2012), "tfpch"] == pytest.approx(2.0)
    assert changes.loc[("a", 2013), "tfpch"] == pytest.approx(1.0)
    assert changes.loc[("b", 2013), "cumulative_log_tfp"] == pytest.approx(np.log(2))
    assert changes["year_from"].tolist() == [2011, 2012] * 3


def test_a_first_index_of_one_adds_a_row_per_city(sample):
    changes = tfp_changes(sample, _variants(first_index_year="one"))
    first = changes[changes["year"] == 2011]
    assert len(changes) == 9 and len(first) == 3
    assert (first[["tfpch", "effch", "techch", "pech", "sech"]] == 1).all(axis=None)
    assert first["year_from"].isna().all()
    assert (first["cumulative_log_tfp"] == 0).all()


@pytest.mark.filterwarnings("ignore:a period has fewer units")
def test_a_gap_in_a_citys_years_ends_its_level(sample):
    more = sample[sample["year"] == 2013].assign(year=2014)
    again = sample[sample["year"] == 2013].assign(year=2015)
    panel = pd.concat([sample, more, again], ignore_index=True)
    panel = panel[~((panel["city_id"] == "a") & (panel["year"] == 2013))]
    changes = tfp_changes(panel, _variants()).set_index(["city_id", "year"])
    assert ("a", 2013) not in changes.index and ("a", 2014) not in changes.index
    assert np.isnan(changes.loc[("a", 2015), "cumulative_log_tfp"])
    assert changes.loc["b", "cumulative_log_tfp"].notna().all()


def test_labour_has_no_price_where_leaving_it_out_changes_nothing():
    # The isoquant runs through k (much labour) and l (little); m has more than k.
    panel = pd.DataFrame(
        {
            "variant": "headline",
            "city_id": ["k", "l", "m", "n"],
            "year": 2011,
            "gdp_real_cny_10k": 1.0,
            "capital_real_cny_10k": [1.0, 2.0, 2.0, 3.0],
            "labour": [2.0, 1.0, 6.0, 2.0],
        }
    )
    rows = frontier_distances(panel, _variants()).set_index("city_id")
    assert rows["has_zero_labour_price"].to_dict() == {
        "k": True,  # its price is not unique: zero is one of them
        "l": False,
        "m": True,
        "n": False,
    }
    assert rows["is_on_frontier"].to_dict() == {
        "k": True, "l": True, "m": False, "n": False,
    }  # fmt: skip


def test_intervals_are_drawn_only_where_the_bootstrap_is_defined(sample):
    cities = pd.DataFrame(
        {
            "city_id": ["a", "b", "c"],
            "region": "east",
            "role": ["treated", "control", "control"],
        }
    )
    draws = _variants(bootstrap_replications=5)
    drawn = tfp_intervals(sample, draws, cities)
    assert (drawn["bootstrap_replications"] == 5).all()
    # Three indices of two years: of 3 cities, all, the region, 2 roles, a difference.
    assert len(drawn) == 3 * 2 * (3 + 1 + 1 + 2 + 1)
    of_city = drawn[drawn["dimension"] == "city"]
    told = of_city["index_name"] == "effch"
    assert of_city.loc[~told, ["low", "high"]].isna().all(axis=None)
    assert (of_city["low"] <= of_city["high"])[told].all()
    assert (drawn["frontier_error"] >= 0).all()
    one_city = (drawn["dimension"] == "role") & (drawn["member"] == "treated")
    assert drawn.loc[one_city, "low"].isna().all()
    means = drawn[drawn["dimension"] == "all"].set_index("index_name")
    assert means.loc["tfpch", ["low", "high"]].notna().all(axis=None)
    assert means.loc[["effch", "techch"], ["low", "high"]].isna().all(axis=None)
    again = tfp_intervals(sample.sample(frac=1, random_state=3), draws, cities)
    pd.testing.assert_frame_equal(drawn, again)
    for options in [
        {"bootstrap_replications": 0},
        {"bootstrap_replications": 5, "frontier_reference": "global"},
        {"bootstrap_replications": 5, "frontier": "order-m"},
    ]:
        none = tfp_intervals(sample, _variants(**options), cities)
        assert none.empty and list(none.columns) == list(drawn.columns)


def test_growth_behind_the_initial_stock_is_nominal_or_real():
    inputs = pd.DataFrame(
        {
            "variant": "headline",
            "city_id": "a",
            "city_en": "Alpha",
            "year": [2011, 2012, 2013, 2014],
            "investment_deflator_idx": [1.0, 1.1, 1.21, 1.331],
            "investment_real_cny_10k": [100.0, 100.0, 100.0, 100.0],
            "is_investment_assumed": False,
        }
    )
    for choice, growth in [("nominal", 0.1), ("real", 0.0)]:
        stocks = capital_stocks(inputs, _variants(initial_growth=choice))
        assert stocks["initial_growth"].iloc[0] == pytest.approx(growth)
        assert stocks["capital_real_cny_10k"].iloc[0] == pytest.approx(
            100 / (growth + 0.06)
        )


@pytest.fixture
def panel():
    """24 cities in four regions, a known effect of 0.5, controls without one."""
    rng = np.random.default_rng(20111)
    regions = ["eastern", "central", "western", "northeastern"]
    rows = []
    for i in range(24):
        cohort = (0, 2014, 2016)[i // 4 % 3]
        for year in range(2012, 2020):
            sydid = float(cohort > 0 and year >= cohort)
            rows.append(
                {
                    "variant": "headline",
                    "city_id": f"{i:06d}",
                    "year": year,
                    "region": regions[i % 4],
                    "is_municipality": i % 12 == 0,
                    "is_capital_assumed": year >= 2017,
                    "outcome_name": "tfpch",
                    "outcome": i + 0.1 * year + 0.5 * sydid + rng.normal(0, 1e-6),
                    "sydid": sydid,
                    "event_time": year - cohort if cohort else np.nan,
                    "cohort": cohort,
                    **dict(
                        zip(("eco", "ind", "inf", "edu", "sca", "con"),
                            rng.normal(size=6), strict=True)
                    ),
                    "tra": rng.normal() if year >= 2018 else np.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_large_panels_have_the_same_regressions(panel, monkeypatch):
    noise = np.random.default_rng(2).normal(size=len(panel))
    panel = panel.assign(outcome=panel["outcome"] + noise)
    rows = regressions(panel, _variants())
    monkeypatch.setattr(estimates, "LARGE", 1)
    assert estimates._engine(panel, "xtreg") == "closed_form"
    assert estimates._engine(panel, "linearmodels") == "linearmodels"
    pd.testing.assert_frame_equal(
        regressions(panel, _variants()), rows, rtol=1e-9, atol=1e-12
    )


def test_regressions_find_the_effect_in_every_column(panel):
    rows = regressions(panel, _variants())
    effects = rows[rows["term"] == "sydid"]
    columns = list(zip(effects["paper_table"], effects["paper_column"], strict=True))
    assert columns == [
        ("3", "(1)"), ("3", "(2)"),
        ("4", "eastern"), ("4", "central"), ("4", "western"), ("4", "northeastern"),
        ("5", "(1)"), ("5", "(2)"), ("5", "(3)"),
    ]  # fmt: skip
    same_year = effects[~effects["paper_column"].isin(["(1)", "(2)"])
                        | (effects["paper_table"] == "3")]  # fmt: skip
    np.testing.assert_allclose(same_year["estimate"], 0.5, atol=1e-5)
    assert effects["n_obs"].tolist() == [192, 192, 48, 48, 48, 48, 168, 144, 176]


def test_a_control_without_data_in_a_year_drops_out_with_a_row(panel):
    rows = regressions(panel, _variants())
    column = rows[(rows["paper_table"] == "3") & (rows["paper_column"] == "(2)")]
    trade = column[column["term"] == "tra"].iloc[0]
    assert pd.isna(trade["estimate"])
    assert trade["note"].startswith("dropped from the regression: no data in 2012, ")
    assert "tra" not in trade["specification"]


def test_share_on_assumed_investment_is_that_of_the_outcomes_year(panel):
    rows = regressions(panel, _variants())
    effects = rows[rows["term"] == "sydid"]
    effects = effects.set_index(["paper_table", "paper_column"])
    # Exposed: 8 cities x 6 years from 2014, 8 x 4 from 2016; 3 years of each assumed.
    assert effects.loc[("3", "(1)"), "assumed_share"] == pytest.approx(48 / 80)
    # One year ahead the last exposed year is 2018, with the outcome of 2019.
    assert effects.loc[("5", "(1)"), "assumed_share"] == pytest.approx(48 / 64)


def test_a_subsample_that_cannot_be_estimated_keeps_its_row(panel):
    panel.loc[panel["region"] == "central", ["sydid", "cohort"]] = 0
    rows = regressions(panel, _variants())
    row = rows[(rows["paper_column"] == "central") & (rows["term"] == "sydid")].iloc[0]
    assert pd.isna(row["estimate"])
    assert row["note"].startswith("not estimated: ")


def test_event_study_counts_the_cities_behind_each_event_time(panel):
    rows = event_studies(panel, _variants()).set_index("event_time")
    assert rows.loc[-1, "estimate"] == 0
    np.testing.assert_allclose(rows.loc[[0, 1, 2, 3], "estimate"], 0.5, atol=1e-5)
    assert rows.loc[5, "n_treated_cities"] == 8
    assert rows.loc[0, "n_treated_cities"] == 16
    # Event time 3 is 2017 for the cohort of 2014 and 2019 for that of 2016.
    assert rows.loc[[0, 1, 3], "assumed_share"].tolist() == [0.0, 0.5, 1.0]
    assert rows["leads_df"].unique().tolist() == [3]
