"""Influences, bounds, imputations and yardsticks: by hand, and against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special
from tests.support.simulated_panel import simulate_panel
from tests.support.study_sources import reconciled, times

from citypanel import did
from citypanel.errors import CapitalError, EstimationError, FrontierError
from citypanel.frontier import distance, malmquist
from citypanel.frontier.isoquant import isoquant, second_price_is_zero
from citypanel.influence.assumed_bounds import assumed_bounds
from citypanel.influence.cell_changes import (
    experiments,
    indicators_used,
    seed_cells,
    series_used,
)
from citypanel.influence.changed_plans import Change
from citypanel.influence.estimated_index import estimated_index
from citypanel.influence.experiments import influence
from citypanel.influence.frontier_carriers import (
    _out_of_frontier,
    carriers,
    frontier_alternatives,
)
from citypanel.influence.headline import Headline, plans_in_window
from citypanel.influence.index_uncertainty import index_uncertainty
from citypanel.influence.multiple_imputation import (
    growth_model,
    multiple_imputation,
    pool,
    rule_errors,
)
from citypanel.influence.page import influence_page
from citypanel.influence.tables import targets_of
from citypanel.influence.yardsticks import solow_residual, yardsticks
from citypanel.study.effect import EffectDesign, outcome_of
from citypanel.study.estimation import estimate
from citypanel.study.options import Options
from citypanel.study.plans import INPUTS, OUTPUT
from citypanel.study.run import Study

OPTIONS = Options()
RANKS = (("province", 1), ("yearbook", 2))
INVESTMENT = ("fai_cny_10k", "real_estate_cny_10k")
REGRESSION = dict(outcome="outcome", treatment="sydid", unit="city_id", period="year")


@pytest.fixture(scope="module")
def study(small_sources):
    return Study(small_sources)


@pytest.fixture(scope="module")
def headline(study):
    return Headline(study, OPTIONS)


@pytest.fixture(scope="module")
def table(study):
    return influence(study, OPTIONS, slips=[10.0])


# ------------------------------------------------------------------ the headline


@pytest.mark.parametrize(
    "moved",
    [
        {},
        {"outcome": "log_tfpch"},
        {"outcome": "cumulative_log_tfp", "first_index_year": "one"},
        {"outcome": "effch", "standard_errors": "full"},
        {"frontier_reference": "sequential"},
        {"frontier_reference": "window", "study_sample": "all_available"},
        {"orientation": "input", "returns_to_scale": "nirs"},
        {"first_index_year": "from_2010", "real_gdp": "city_growth"},
    ],
)
def test_the_headline_is_that_of_the_plain_route(study, moved):
    options = OPTIONS.replace(**moved)
    if options.real_gdp == "city_growth":
        # The invented yearbook has no growth rates: the deflator stands in.
        assert np.isnan(study.series(options)["gdp_growth_pct"]).all()
    found = Headline(study, options).result
    plain = estimate(study, options)
    for name in ("estimate", "std_error", "p_value", "mean", "std_dev", "maximum"):
        assert getattr(found, name) == pytest.approx(
            getattr(plain, name), rel=1e-9, abs=1e-12
        ), name


def test_an_unbalanced_regression_is_that_of_twfe():
    rng = np.random.default_rng(3)
    y, rows = rng.normal(size=(2, 20, 7)), rng.random((20, 7)) > 0.2
    treatment = (np.arange(7) >= 4) * (np.arange(20) < 9)[:, None] * 1.0
    city, year = np.nonzero(rows)
    for convention in ("xtreg", "full"):
        found = EffectDesign(treatment, rows, convention).fit(y)
        for k in range(2):
            frame = pd.DataFrame(
                {
                    "city_id": city,
                    "year": year,
                    "outcome": y[k][rows],
                    "sydid": treatment[rows],
                }
            )
            plain = did.twfe(frame, **REGRESSION, standard_errors=convention).iloc[0]
            assert found.estimate[k] == pytest.approx(plain["estimate"], rel=1e-10)
            assert found.std_error[k] == pytest.approx(plain["std_error"], rel=1e-10)
            assert found.p_value[k] == pytest.approx(plain["p_value"], rel=1e-10)


def test_a_treatment_that_nobody_has_is_not_identified():
    found = EffectDesign(np.zeros((4, 3)), np.ones((4, 3), bool), "xtreg")
    assert not found.identified
    assert np.isnan(found.fit(np.ones((4, 3))).estimate)


def test_a_gap_ends_the_level_and_a_late_start_does_not():
    present = np.array([[True, True, True, True], [False, True, True, True]])
    tfpch = np.array([[1.1, np.nan, 2.0], [np.nan, 1.2, 1.5]])
    level = outcome_of({"tfpch": tfpch}, present, outcome="cumulative_log_tfp")
    np.testing.assert_allclose(
        level,
        [
            [np.nan, np.log(1.1), np.nan, np.nan],
            [np.nan, np.nan, np.log(1.2), np.log(1.2 * 1.5)],
        ],
    )
    one = outcome_of({"tfpch": tfpch}, present, outcome="tfpch", first_index_year="one")
    assert one[0, 0] == 1 and one[1, 1] == 1 and np.isnan(one[1, 0])


# ------------------------------------------------------------------- deletions


def brute(headline, change):
    """Indices and estimate of changed plans by the functions users call."""
    rows = change.apply(headline.plans).frame()
    frame = malmquist(
        rows,
        unit="city_id",
        period="year",
        outputs=["gdp_real_cny_10k"],
        inputs=["capital_real_cny_10k", "labour"],
    )
    panel = headline.study.panel(OPTIONS)[["city_id", "year", "sydid"]]
    frame = frame.merge(panel, on=["city_id", "year"])
    frame["outcome"] = frame["tfpch"]
    fitted = did.twfe(frame, **REGRESSION).iloc[0]
    return fitted, frame


def test_deletions_are_exact(headline, table):
    plans = headline.plans
    deleted = table.loc[table["scope"] == "sample"]
    cities = deleted.loc[deleted["kind"] == "city"].set_index("unit")
    assert len(cities) == len(plans.cities)
    for i in (0, 5, 9):
        fitted, frame = brute(headline, Change.without(plans, i))
        row = cities.loc[plans.cities[i]]
        assert row["estimate"] == pytest.approx(fitted["estimate"], abs=1e-12)
        assert row["std_error"] == pytest.approx(fitted["std_error"], abs=1e-12)
        assert row["std_dev"] == pytest.approx(frame["tfpch"].std(), abs=1e-12)
        assert row["n_obs"] == len(frame) == 9 * 8
    years = deleted.loc[deleted["kind"] == "city_year"].set_index(["unit", "year"])
    assert len(years) == plans.present.sum()
    for i, t in ((0, 0), (3, 4), (8, 8)):
        fitted, frame = brute(headline, Change.without(plans, i, t))
        row = years.loc[(plans.cities[i], plans.years[t])]
        assert row["estimate"] == pytest.approx(fitted["estimate"], abs=1e-12)
        assert row["n_obs"] == len(frame) == 10 * 8 - (1 if t in (0, 8) else 2)


def test_deletion_from_the_regression_is_the_jackknifes(headline, table):
    panel = headline.study.panel(OPTIONS)
    left = did.leave_one_unit_out(panel, **REGRESSION).set_index("term")["estimate"]
    rows = table.loc[(table["kind"] == "city") & (table["scope"] == "regression")]
    np.testing.assert_allclose(
        rows["estimate"], left.loc[rows["unit"]].to_numpy(), rtol=0, atol=1e-12
    )


def test_any_change_of_plans_gives_the_plain_routes_indices(headline):
    rng = np.random.default_rng(11)
    plans, kinds = headline.plans, set()
    for k in range(12):
        row = rng.integers(len(plans.cities))
        outputs, inputs = plans.outputs[[row]].copy(), plans.inputs[[row]].copy()
        factor = rng.choice([10.0, 0.1, 1.02, 0.9])
        if k % 2:
            outputs[0, rng.integers(9)] *= factor
        else:
            inputs[0, rng.integers(9) :, rng.integers(2)] *= factor
        if k % 5 == 0:
            outputs[0, 3] = inputs[0, 3] = np.nan
        change = Change(np.array([row]), outputs, inputs)
        fast = headline.indices.changed(change)
        plain = headline.indices._plainly(change.apply(plans))
        kinds.add(bool(np.allclose(fast["tfpch"], headline.indices.base["tfpch"])))
        for name, values in fast.items():
            np.testing.assert_allclose(values, plain[name], rtol=1e-12)
    assert kinds == {False}


def test_a_change_that_leaves_a_technology_as_it_is_builds_none(headline, monkeypatch):
    indices, plans = headline.indices, headline.plans
    spanning = set(np.concatenate(indices._spanning))
    inside = next(i for i in range(len(plans.cities)) if i not in spanning)
    built = []
    build = type(indices)._build
    monkeypatch.setattr(
        type(indices), "_build", lambda self, *a: built.append(a[2]) or build(self, *a)
    )
    worse = Change(
        np.array([inside]), 0.9 * plans.outputs[[inside]], plans.inputs[[inside]]
    )
    indices.changed(worse)
    assert built == []
    better = Change(
        np.array([inside]), 50 * plans.outputs[[inside]], plans.inputs[[inside]]
    )
    indices.changed(better)
    assert built == list(range(9))


# ------------------------------------------------------------------- seed cells


def test_changed_figures_are_those_of_a_study_with_the_figure_changed(study, table):
    cells = table.loc[table["kind"].isin(["seed_cell", "slip"])]
    cells = cells.loc[cells["estimate"].notna() & (cells["change"] != 0)]
    some = pd.concat(
        part.sample(1, random_state=4)
        for _, part in cells.groupby(["kind", "scope", "variable"])
    )
    indicators = indicators_used(study, OPTIONS)
    assert set(some["variable"]) == {*series_used(study, OPTIONS), *indicators}
    for row in some.itertuples():
        new = None if row.kind == "seed_cell" else row.factor * row.value
        if row.scope == "yearbook":
            key = (row.unit, row.year, row.variable, "yearbook")
            changed = study.with_cell(*key, new)
        else:
            changed = study.with_province_value(row.unit, row.year, row.variable, new)
        plain = estimate(changed, OPTIONS)
        for name in ("estimate", "std_error", "mean", "std_dev", "maximum"):
            assert getattr(row, name) == pytest.approx(
                getattr(plain, name), rel=1e-10, abs=1e-12, nan_ok=True
            ), (row, name)


def test_a_gap_filled_with_common_growth_reaches_other_cities(study):
    """Under growth_chaining a city's figure moves the gap of another city."""
    options = OPTIONS.replace(imputation="growth_chaining")
    headline = Headline(study, options)
    cells = seed_cells(headline)
    near = cells.loc[
        (cells["variable"] == "gdp_cny_10k")
        & (cells["year"] == 2013)
        & cells["unit"].isin(["110010", "320020", "320050"])
    ]
    found = experiments(headline, near.assign(new_value=1.5 * near["value"]))
    reached = [len(e.change.rows) for e in found]
    assert max(reached) == 2
    for row, experiment in zip(near.itertuples(), found, strict=True):
        changed = study.with_cell(
            row.unit, row.year, row.variable, "yearbook", 1.5 * row.value
        )
        plain = estimate(changed, options)
        assert headline.changed(experiment.change).estimate == pytest.approx(
            plain.estimate, abs=1e-12
        )


@pytest.mark.parametrize("imputation", ["paper", "growth_chaining"])
@pytest.mark.parametrize("vintage", ["as_published", "revised"])
def test_a_deleted_level_is_not_replaced_by_the_other_vintage(
    small_parts, imputation, vintage
):
    """Two levels of output in one series would be taken for growth."""
    small_sources, readings, precedence = small_parts
    other = (readings["source"] == "province") & (readings["variable"] == "gdp_cny_10k")
    levels = readings["value"].where(~other, 0.6 * readings["value"])
    readings = readings.assign(value=levels)
    revised = [("gdp_cny_10k", "revised", s, k) for s, k in RANKS]
    precedence = pd.concat(
        [precedence, pd.DataFrame(revised, columns=precedence.columns)]
    )
    sources = replace(small_sources, cells=reconciled(readings, precedence))
    study = Study(sources)
    options = OPTIONS.replace(imputation=imputation, gdp_vintage=vintage)
    headline = Headline(study, options)
    cells = seed_cells(headline)
    city = vintage == "as_published"
    one = cells.loc[
        (cells["unit"] == ("110010" if city else "110000"))
        & (cells["year"] == 2015)
        & (cells["variable"] == ("gdp_cny_10k" if city else "GDP"))
    ]
    found = experiments(headline, one.assign(new_value=np.nan))[0]
    other = "province" if city else "yearbook"
    gone = (
        (readings["city_id"] == "110010")
        & (readings["year"] == 2015)
        & (readings["variable"] == "gdp_cny_10k")
        & (readings["source"] == other)
    )
    bare = readings.assign(value=readings["value"].where(~gone))
    bare = Study(replace(sources, cells=reconciled(bare, precedence)))

    def without(of):
        if city:
            return of.with_cell("110010", 2015, "gdp_cny_10k", "yearbook", None)
        return of.with_province_value("110000", 2015, "GDP", None)

    plans = plans_in_window(headline, without(bare))
    np.testing.assert_allclose(
        found.change.outputs, plans.outputs[found.change.rows], rtol=1e-12
    )
    spliced = plans_in_window(headline, without(study)).outputs
    if city:
        assert not np.allclose(spliced, plans.outputs, equal_nan=True)


def test_figures_without_influence_have_none(study, headline, table):
    cells = table.loc[table["kind"].isin(["seed_cell", "slip"])]
    unused = cells.loc[cells["note"] == "no plan depends on it"]
    assert (unused["change"] == 0).all() and len(unused) > 50
    # Of the series that are not perturbed every figure may change at once.
    sources = study.sources
    used = sources.cells["variable"].isin(series_used(study, OPTIONS))
    indicators = sources.province_series["indicator"].isin(
        indicators_used(study, OPTIONS)
    )
    other = replace(
        sources,
        cells=times(sources.cells, np.where(used, 1, 10)),
        province_series=sources.province_series.assign(
            value=sources.province_series["value"].where(indicators, 3.0)
        ),
    )
    assert Headline(Study(other), OPTIONS).result == headline.result


@pytest.mark.parametrize(
    "moved",
    [
        {"labour_measure": "employed"},
        {"fai_extension": "province_then_real_estate"},
        {"investment_deflator": "province_investment_price"},
    ],
)
def test_every_series_of_an_option_is_perturbed(study, moved):
    options = OPTIONS.replace(**moved)
    sources, base = study.sources, Headline(study, options)
    kept = sources.cells["variable"].isin(series_used(study, options))
    series = sources.province_series
    known = series["indicator"].isin(indicators_used(study, options))
    other = replace(
        sources,
        cells=times(sources.cells, np.where(kept, 1, 10)),
        province_series=series.assign(value=series["value"].where(known, 3.0)),
    )
    assert Headline(Study(other), options).result == base.result


def test_a_slip_that_stops_the_build_has_no_estimate_and_says_why(table):
    stuck = table.loc[table["note"].fillna("").str.startswith("the build would stop")]
    assert set(stuck["variable"]) == {"fai_cny_10k"}
    assert set(stuck["year"]) <= {2011, 2014}
    assert stuck["estimate"].isna().all() and stuck["rank"].isna().all()


def test_a_province_figure_without_a_gap_rule_takes_its_cities_out(headline, table):
    rows = table.loc[
        (table["kind"] == "seed_cell")
        & (table["variable"] == "GDP")
        & (table["unit"] == "320000")
        & (table["year"] == 2015)
    ]
    gone = [c for c in headline.plans.cities if c.startswith("32")]
    assert rows["note"].item() == f"leave the sample: {', '.join(gone)}"
    assert rows["n_cities"].item() == 10 - len(gone)


def test_ranks_and_changes_follow_from_the_estimates(headline, table):
    first = table.iloc[0]
    assert first["kind"] == "headline" and first["rank"] == 0
    assert first["estimate"] == headline.result.estimate
    np.testing.assert_allclose(
        table["change_in_std_errors"] * headline.result.std_error, table["change"]
    )
    for _, part in table.dropna(subset=["rank"]).groupby(["kind", "scope"]):
        part = part.sort_values("rank")
        if part["kind"].iloc[0] != "headline":
            assert part["rank"].tolist() == list(range(1, len(part) + 1))
        assert (np.diff(part["change"].abs()) <= 1e-18).all()


def test_origins_stand_beside_figures_and_city_years(study):
    cities = study.city_ids
    origins = pd.DataFrame(
        [
            (city, year, name, "interpolated" if name == "gdp_cny_10k" else "reported")
            for city in cities
            for year in study.years
            for name in series_used(study, OPTIONS)
        ],
        columns=["city_id", "year", "variable", "origin"],
    )
    found = influence(study, OPTIONS, kinds=["city_year", "seed_cell"], origins=origins)
    cells = found.loc[found["kind"] == "seed_cell"].set_index("variable")["origin"]
    assert set(cells["gdp_cny_10k"]) == {"interpolated"}
    assert set(cells["GDP"]) == set(cells["population_persons_10k"]) == {"reported"}
    years = found.loc[found["kind"] == "city_year"].groupby("year")["origin"].unique()
    assert list(years[2015]) == ["gdp_cny_10k interpolated"]
    assert "gdp_cny_10k interpolated; investment assumed" in years[2018]


def test_the_table_does_not_depend_on_workers_or_batches(study, table, monkeypatch):
    monkeypatch.setattr("citypanel.influence.experiments.BATCH", 333)
    told = []
    again = influence(study, OPTIONS, slips=[10.0], progress=lambda *x: told.append(x))
    pd.testing.assert_frame_equal(table, again)
    assert told[-1][0] == told[-1][1] == len(told)


def test_only_the_kinds_asked_for(study, headline):
    found = influence(study, OPTIONS, kinds=["city"])
    assert set(found["kind"]) == {"headline", "city"}
    cells = seed_cells(headline).assign(new_value=0.0)
    assert experiments(headline, cells.iloc[:0]) == []
    # A batch in which no experiment has a capital stock.
    first = cells.loc[(cells["variable"] == "fai_cny_10k") & (cells["year"] == 2011)]
    stopped = experiments(headline, first.assign(new_value=1e3 * first["value"]))
    assert len(stopped) == 10 and all(e.stops for e in stopped)


# ------------------------------------------------------------------- frontiers


def test_carriers_share_the_targets(study, headline):
    found = carriers(study, OPTIONS)
    np.testing.assert_allclose(found.groupby("year")["weight"].sum(), 1)
    np.testing.assert_allclose(found.groupby("year")["weight_treated"].sum(), 1)
    assert (found["super_distance"] >= 1 - 1e-12).all()
    for t, spanning in enumerate(headline.indices._spanning):
        mine = found.loc[found["year"] == headline.plans.years[t], "city_id"]
        assert set(mine) <= set(headline.plans.cities[spanning])
    row = found.iloc[0]
    stay = [c for c in headline.plans.cities if c != row["city_id"]]
    frame = malmquist(
        headline.plans.frame(),
        unit="city_id",
        period="year",
        outputs=["gdp_real_cny_10k"],
        inputs=["capital_real_cny_10k", "labour"],
        reference_units=stay,
    ).rename(columns={"tfpch": "outcome"})
    panel = study.panel(OPTIONS)[["city_id", "year", "sydid"]]
    fitted = did.twfe(frame.merge(panel, on=["city_id", "year"]), **REGRESSION).iloc[0]
    assert row["estimate_without"] == pytest.approx(fitted["estimate"], abs=1e-12)


def test_alternatives_are_the_options_of_the_study(study, headline):
    found = frontier_alternatives(study, OPTIONS).set_index("alternative")
    assert found.loc["headline", "estimate"] == headline.result.estimate
    for name, moved in (
        ("global", {"frontier_reference": "global"}),
        ("sequential", {"frontier_reference": "sequential"}),
        ("order-m, m = 25", {"frontier": "order-m"}),
        ("order-alpha, alpha = 0.95", {"frontier": "order-alpha"}),
    ):
        panel = study.panel(OPTIONS.replace(**moved))
        panel = panel.loc[panel["outcome"].notna()]
        assert found.loc[name, "n_obs"] == len(panel)
        try:
            plain = did.twfe(panel, **REGRESSION).iloc[0]
        except EstimationError:
            # A partial frontier leaves few of so few cities an index.
            assert name.startswith("order") and np.isnan(found.loc[name, "estimate"])
        else:
            assert found.loc[name, "estimate"] == pytest.approx(
                plain["estimate"], abs=1e-12
            )
    never = found.loc["never-treated cities only"]
    assert never["n_reference_cities"] == 5
    assert never["n_infeasible"] == 0
    out = found.loc["carriers out of the frontier"]
    assert out["n_beyond_frontier"] > 0 and "keep their index" in out["note"]


def test_each_city_is_measured_against_all_others(study, headline):
    few = frontier_alternatives(study, OPTIONS, every=False)
    names = ["headline", "never-treated cities only", "each city without itself"]
    assert few["alternative"].tolist() == names
    rows = headline.plans.frame()
    keys = dict(unit="city_id", period="year", outputs=[OUTPUT], inputs=[*INPUTS])
    parts, beyond = [], 0
    for city in headline.plans.cities:
        others = [other for other in headline.plans.cities if other != city]
        frame = malmquist(rows, **keys, reference_units=others)
        parts.append(frame[frame["city_id"] == city])
        own = distance(rows, **keys, reference_units=others)
        beyond += int((own.loc[own["city_id"] == city, "distance"] > 1 + 1e-9).sum())
    panel = study.panel(OPTIONS)[["city_id", "year", "sydid"]]
    index = pd.concat(parts).rename(columns={"tfpch": "outcome"})
    plain = did.twfe(index.merge(panel, on=["city_id", "year"]), **REGRESSION).iloc[0]
    row = few.iloc[2]
    assert row["estimate"] == pytest.approx(plain["estimate"], abs=1e-12)
    assert row["std_error"] == pytest.approx(plain["std_error"], abs=1e-12)
    assert row["n_beyond_frontier"] == beyond > 0


def test_alternatives_are_compared_on_the_city_years_they_share(study):
    """Each with the headline's index on the rows that have both; plain regressions."""
    options = OPTIONS.replace(returns_to_scale="vrs")
    headline = Headline(study, options)
    found = frontier_alternatives(study, options).set_index("alternative")
    own = study.panel(options).set_index(["city_id", "year"])["outcome"].dropna()
    fewer = 0
    for name, moved in (
        ("global", {"frontier_reference": "global"}),
        ("sequential", {"frontier_reference": "sequential"}),
    ):
        panel = study.panel(options.replace(**moved)).set_index(["city_id", "year"])
        panel = panel.loc[panel["outcome"].notna()]
        shared = panel.loc[panel.index.isin(own.index)].reset_index()
        there = did.twfe(shared, **REGRESSION).iloc[0]
        keys = pd.MultiIndex.from_frame(shared[["city_id", "year"]])
        ours = shared.assign(outcome=own.loc[keys].to_numpy())
        base = did.twfe(ours, **REGRESSION).iloc[0]
        row = found.loc[name]
        assert row["headline_same_rows"] == pytest.approx(base["estimate"], abs=1e-12)
        change = there["estimate"] - base["estimate"]
        assert row["change"] == pytest.approx(change, abs=1e-12)
        assert row["change_in_std_errors"] == pytest.approx(
            change / base["std_error"], rel=1e-9
        )
        fewer += len(shared) < len(panel)
    # Global technologies leave no index out, so that they have rows of their own.
    assert fewer and headline.result.n_obs < found.loc["global", "n_obs"]


def test_infeasible_indices_are_counted_under_variable_returns(study):
    headline = Headline(study, OPTIONS.replace(returns_to_scale="vrs"))
    row = _out_of_frontier(headline, headline.plans.cities[headline.treated])
    assert row["n_infeasible"] > 0
    assert row["n_obs"] == 10 * 8 - row["n_infeasible"]
    assert "have no solution and leave the regression" in row["note"]


# ------------------------------------------------------------- assumed and drawn


def test_a_bound_is_where_the_estimate_is_the_target(study, headline):
    target = headline.result.estimate + 0.002
    found = assumed_bounds(study, OPTIONS, targets={"a": target, "far": 9.0}, steps=3)
    bounds = found.loc[found["kind"] == "bound"]
    reached = bounds.loc[bounds["target"] == "a"].dropna(subset=["factor"])
    assert {"treated", "control"} <= set(reached["cities"])
    np.testing.assert_allclose(reached["estimate"], target, atol=1e-9)
    missed = bounds.loc[bounds["target"] == "far"]
    assert missed["factor"].isna().all()
    assert (missed["note"] == "no factor tried moves the estimate there").all()
    # The same by hand: treated cities' investment after 2016 times the factor, or its
    # power, the years since the last figure: an assumed year takes over the growth of
    # real-estate investment.
    sources = study.sources
    treated = headline.plans.cities[headline.treated]
    cells = sources.cells
    late = cells["city_id"].isin(treated) & (cells["variable"] == "real_estate_cny_10k")
    # The municipality's last figure is the province table's, of 2017.
    start = np.where(cells["city_id"] == "110010", 2017, 2016)
    late &= cells["year"] > start
    of_treated = reached.loc[reached["cities"] == "treated"].set_index("shape")
    for shape, row in of_treated.iterrows():
        assert row["n_assumed_city_years"] == 4 * 3 + 2
        power = np.where(late, cells["year"] - start if shape == "drift" else 1, 0)
        changed = replace(sources, cells=times(cells, row["factor"] ** power))
        by_hand = estimate(Study(changed), OPTIONS)
        assert by_hand.estimate == pytest.approx(target, abs=1e-9), shape
    assert {"level", "drift"} == set(of_treated.index)
    assert of_treated.loc["drift", "factor"] != of_treated.loc["level", "factor"]
    curve = found.loc[(found["kind"] == "curve") & (found["factor"] == 1.0)]
    np.testing.assert_allclose(curve["estimate"], headline.result.estimate)


def test_factors_without_a_capital_stock_are_left_out_and_counted(study, monkeypatch):
    from citypanel.influence import assumed_bounds as module

    whole = module.result_of
    total = study.investment(OPTIONS).real.sum()

    def some(headline, drawn):
        if drawn.given["investment"].real.sum() < 0.9 * total:
            raise CapitalError("no stock")
        return whole(headline, drawn)

    monkeypatch.setattr(module, "result_of", some)
    found = assumed_bounds(study, OPTIONS, targets={"far": 9.0}, steps=3)
    curve = found.loc[found["kind"] == "curve"]
    lost = curve["estimate"].isna()
    assert lost.any() and (curve["note"].notna() == lost).all()
    bounds = found.loc[found["kind"] == "bound"].set_index(["shape", "cities"])
    for key, n in lost.groupby([curve["shape"], curve["cities"]]).sum().items():
        said = f"{n} factors leave no capital stock"
        assert (said in bounds.loc[key, "note"]) == bool(n)
    assert np.isfinite(bounds[["lowest_estimate", "highest_estimate"]]).all(axis=None)


def test_without_assumed_investment_there_is_nothing_to_bound(study):
    options = OPTIONS.replace(fai_extension="none", last_year=2016)
    found = assumed_bounds(study, options, targets={"zero": 0.0})
    assert found["note"].tolist() == ["no investment is assumed under these options"]


def test_targets_are_zero_and_the_printed_coefficient():
    printed = pd.DataFrame(
        {
            "paper_table": ["3", "3"],
            "paper_column": ["(1)", "(2)"],
            "term": ["sydid", "sydid"],
            "estimate": [0.024, 0.017],
        }
    )
    assert targets_of(printed) == {"zero": 0.0, "paper": 0.024}


def test_rubins_rules_by_hand():
    found = pool([1.0, 2.0, 3.0], [1.0, 1.0, 2.0], df_complete=20.0)
    # U = (1 + 1 + 4) / 3 = 2, B = 1, T = 2 + 4/3 = 10/3.
    assert found.within == pytest.approx(2) and found.between == pytest.approx(1)
    assert found.std_error == pytest.approx(np.sqrt(10 / 3))
    # g = 0.4, v_m = 2 / 0.16 = 12.5, v_o = 21/23 x 20 x 0.6.
    observed = 21 / 23 * 20 * 0.6
    assert found.df == pytest.approx(1 / (1 / 12.5 + 1 / observed))
    r = (4 / 3) / 2
    assert found.missing_share == pytest.approx((r + 2 / (found.df + 3)) / (r + 1))
    t = 2 / np.sqrt(10 / 3)
    assert found.p_value == pytest.approx(2 * special.stdtr(found.df, -t))
    # With nothing missing the complete-data answer is left.
    same = pool([1.0, 1.0], [0.5, 0.5], df_complete=20.0)
    assert same.std_error == 0.5 and same.missing_share == 0
    assert same.df == pytest.approx(21 / 23 * 20)


def test_rule_errors_by_hand():
    errors = rule_errors(np.array([[1.0, 2.0, 4.0, np.nan], [5.0, 5.0, 5.0, 10.0]]))
    np.testing.assert_allclose(
        np.sort(errors["mean"]), np.sort(np.log([2 / 2.5, 1, 5 / 7.5]))
    )
    assert len(errors["carry_1"]) == 5 and len(errors["carry_2"]) == 3
    np.testing.assert_allclose(np.sort(errors["carry_2"]), np.log([1, 2, 4]))
    # Net of the common growth of two cities that double and of one that does not.
    common = rule_errors(
        np.array([[1.0, 2.0, 4.0], [3.0, 6.0, 12.0], [1.0, 1.0, 1.0]]),
        imputation="growth_chaining",
    )
    np.testing.assert_allclose(common["mean"], 0, atol=1e-12)
    np.testing.assert_allclose(
        np.sort(common["carry_1"]), [-np.log(2)] * 2 + [0] * 4, atol=1e-12
    )


def test_the_growth_model_is_least_squares():
    rng = np.random.default_rng(2)
    years = np.arange(2010, 2017)
    estate = np.exp(rng.normal(size=(6, 7)).cumsum(axis=1))
    investment = np.exp(rng.normal(size=(6, 7)).cumsum(axis=1))
    fitted = growth_model(investment, estate, years, model="regression")
    y = np.diff(np.log(investment), axis=1)[:, 1:].ravel()
    x = np.diff(np.log(estate), axis=1)[:, 1:].ravel()
    slope, constant = np.polyfit(x, y, 1)
    np.testing.assert_allclose(fitted.coefficients, [constant, slope])
    assert fitted.n_obs == 30 and fitted.df == 28
    held = growth_model(investment, estate, years, model="proportional")
    # The option's rule has no constant: whatever the two growths differ by is error.
    assert held.coefficients.tolist() == [0.0, 1.0] and held.df == 30
    assert held.sigma == pytest.approx(np.sqrt(((y - x) ** 2).mean()))
    a, b, s = np.array([held.draw(rng) for _ in range(100)]).T
    assert (a == 0).all() and (b == 1).all() and s.std() > 0
    # The posterior of the slope: mean b, variance s^2 / Sxx df / (df - 2).
    draws = np.array([fitted.draw(rng) for _ in range(20000)])
    s2 = fitted.sum_of_squares / fitted.df * fitted.df / (fitted.df - 2)
    assert draws[:, 1].mean() == pytest.approx(slope, abs=0.01)
    assert draws[:, 1].var() == pytest.approx(
        s2 / ((x - x.mean()) ** 2).sum(), rel=0.05
    )


def test_imputations_repeat_with_the_seed_and_leave_published_figures(study, headline):
    pooled, draws = multiple_imputation(study, OPTIONS, draws=8, seed=5)
    again, same = multiple_imputation(study, OPTIONS, draws=8, seed=5)
    pd.testing.assert_frame_equal(draws, same)
    assert pooled == again and pooled.between > 0
    assert pooled.std_error**2 == pytest.approx(
        (draws["std_error"] ** 2).mean() + 9 / 8 * draws["estimate"].var()
    )
    # Without gaps and without assumed years there is nothing to draw.
    none = OPTIONS.replace(fai_extension="none", last_year=2016)
    fixed, _ = multiple_imputation(study, none, draws=3, seed=5, gaps=False)
    assert fixed.between == 0
    assert fixed.estimate == pytest.approx(Headline(study, none).result.estimate)
    some, _ = multiple_imputation(study, none, draws=3, seed=5)
    assert some.between > 0


def test_the_proportional_model_without_error_is_the_option(study, monkeypatch):
    exact = replace(
        growth_model(
            *(study.readings(OPTIONS)[name] for name in INVESTMENT),
            study.years,
            model="proportional",
        ),
        sum_of_squares=0.0,
    )
    monkeypatch.setattr(
        "citypanel.influence.multiple_imputation.growth_model", lambda *a, **k: exact
    )
    options = OPTIONS.replace(fai_extension="real_estate")
    pooled, _ = multiple_imputation(
        study, options, model="proportional", draws=2, seed=5, gaps=False
    )
    assert pooled.between == pytest.approx(0, abs=1e-24)
    assert pooled.estimate == pytest.approx(Headline(study, options).result.estimate)


def test_draws_without_an_estimate_are_left_out_and_counted(study, monkeypatch):
    number = iter(range(8))

    def some(headline, drawn):
        if next(number) % 4 == 0:
            raise CapitalError("no stock")
        return headline.result

    monkeypatch.setattr("citypanel.influence.multiple_imputation.result_of", some)
    pooled, draws = multiple_imputation(study, OPTIONS, draws=8, seed=5)
    assert (pooled.draws, pooled.dropped) == (6, 2)
    gone = draws["estimate"].isna()
    assert np.flatnonzero(gone).tolist() == [0, 4]
    assert (draws.loc[gone, "note"] == "no stock").all()
    assert draws.loc[~gone, "note"].isna().all()


# ---------------------------------------------------------------- index's own error


def test_isoquant_prices_by_hand():
    # Plans per unit of output: (1, 3), (2, 1), (4, 4), (3, 1).
    outputs = np.array([1.0, 2.0, 1.0, 1.0])
    inputs = np.array([[1, 3], [4, 2], [4, 4], [3, 1]], float)
    hull = isoquant(inputs, outputs)
    np.testing.assert_allclose(hull.prices, [[1, 0], [0, 1], [0.4, 0.2]])
    assert hull.vertices.tolist() == [0, 1]
    np.testing.assert_allclose(hull.efficiencies(inputs, outputs), [1, 1, 5 / 12, 1])


@pytest.mark.filterwarnings("ignore:an input is zero")
def test_a_price_of_zero_is_where_the_input_does_not_count():
    rng = np.random.default_rng(3)
    for _ in range(20):
        inputs, outputs = rng.lognormal(size=(60, 2)), rng.lognormal(size=60)
        # A plan beyond the corner, and one with the corner's ratio of inputs.
        best = 2 + np.argmax(outputs[2:] / inputs[2:, 0])
        inputs[0], inputs[1] = 2 * inputs[best], 2 * inputs[best] * [1, 3]
        outputs[:2] = outputs[best]
        # A city without students, say: labour alone limits nobody's output then.
        inputs[2 + (best == 2), 1] = rng.choice([0.0, 1.0])
        both = distance_of(inputs, outputs)
        alone = distance_of(inputs[:, :1], outputs)
        zero = second_price_is_zero(inputs, outputs, tolerance=1e-9)
        assert (zero == np.isclose(both, alone, rtol=1e-9, atol=0)).all()
        assert zero[:2].all() and not zero.all()


def distance_of(inputs, outputs):
    """Output distances under constant returns, by the frontier engine."""
    names = [f"x{k}" for k in range(inputs.shape[1])]
    frame = pd.DataFrame(inputs, columns=names).assign(y=outputs, period=1)
    return distance(
        frame.assign(unit=range(len(frame))), unit="unit", period="period",
        inputs=names, outputs=["y"], returns_to_scale="crs", orientation="output",
    ).sort_values("unit")["distance"].to_numpy()  # fmt: skip


@pytest.mark.parametrize("scale", [3.0, 0.1])
def test_isoquant_of_plans_that_differ_by_rounding(scale):
    """A plan and its multiple have one ratio up to the last digit."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        inputs = rng.uniform(0.5, 2, (8, 2))
        outputs = rng.uniform(1, 2, 8)
        twice = np.vstack([inputs, scale * inputs])
        both = np.concatenate([outputs, scale * outputs])
        one = isoquant(inputs, outputs).efficiencies(inputs, outputs)
        two = isoquant(twice, both).efficiencies(inputs, outputs)
        np.testing.assert_allclose(two, one, rtol=1e-13)


def test_the_bootstrap_is_the_studys_estimate_with_the_seeds_draws(headline):
    plans = headline.plans
    common = dict(draws=30, seed=4)
    given = (plans.outputs, plans.inputs, headline.treatment, headline.cohort)
    found = estimated_index(*given, **common)
    assert found.estimate == pytest.approx(headline.result.estimate, abs=1e-14)
    assert found.std_error == pytest.approx(headline.result.std_error, abs=1e-14)
    again = estimated_index(*given, **common)
    np.testing.assert_array_equal(found.draws_of_b, again.draws_of_b)
    # Two inputs and constant returns have a way of their own; input orientation, where
    # theta equals the output distance, takes another path to the same numbers.
    other = estimated_index(*given, **common, orientation="input")
    np.testing.assert_allclose(found.draws_of_b, other.draws_of_b, rtol=1e-9)
    assert 0 < found.frontier_only < found.std_error * 3
    assert found.combined_std_error == pytest.approx(
        np.hypot(found.std_error, found.frontier_only)
    )


def test_replications_without_an_index_are_left_out_and_counted(monkeypatch):
    from citypanel.influence import estimated_index as module

    panel = simulate_panel(np.random.default_rng(6), n=24, years=4)
    given = (panel.outputs, panel.inputs, panel.treatment, panel.cohort)
    whole = module._distances
    calls = []

    def holed(*arguments):
        found = whole(*arguments)
        calls.append(found)
        if len(calls) % 9 == 0:
            found[1, 1, 3] = np.nan
        return found

    monkeypatch.setattr(module, "_distances", holed)
    found = estimated_index(*given, draws=40, seed=4)
    # 81 calls, the first for the indices themselves.
    assert found.dropped == 9 and 35 <= found.draws < 40
    assert len(found.draws_of_b) == found.draws
    assert np.isfinite([found.corrected, found.corrected_std_error, found.bias]).all()
    monkeypatch.setattr(module, "FEWEST", 38)
    with pytest.raises(FrontierError, match="of 40 replications have an estimate"):
        estimated_index(*given, draws=40, seed=4)


def test_the_plane_gives_the_engines_distances(monkeypatch):
    from citypanel.influence import estimated_index as module

    panel = simulate_panel(np.random.default_rng(6), n=24, years=5)
    given = (panel.inputs, panel.outputs) * 2
    plane = module._distances(*given, "output", "crs")
    # A third input that everybody has in proportion to the first changes nothing but
    # the method.
    wide = np.concatenate([panel.inputs, panel.inputs[:, :, :1]], axis=2)
    engine = module._distances(
        wide, panel.outputs, wide, panel.outputs, "output", "crs"
    )
    np.testing.assert_allclose(plane, engine, rtol=1e-10)


def test_a_level_shift_leaves_the_truth_of_the_simulation():
    panel = simulate_panel(np.random.default_rng(1), effect=0.0)
    ratio = np.log(panel.outputs) - 0.5 * np.log(panel.inputs).sum(axis=2)
    np.testing.assert_allclose(np.log(panel.index), np.diff(ratio, axis=1), atol=1e-12)


def test_uncertainty_starts_from_the_clustered_error_and_adds(study, headline):
    found = index_uncertainty(study, OPTIONS, draws=30, imputations=4, seed=1)
    rows = found.set_index("method")
    assert rows.loc["clustered by city", "std_error"] == headline.result.std_error
    frontier = rows.loc["clustered, and the frontier's error"]
    assert frontier["std_error"] == pytest.approx(
        np.hypot(headline.result.std_error, frontier["frontier_std_error"])
    )
    both = rows.loc["imputation and the frontier's error"]
    drawn = rows.loc["multiple imputation, regression"]
    assert both["std_error"] == pytest.approx(
        np.hypot(drawn["std_error"], frontier["frontier_std_error"])
    )
    assert drawn["std_error"] ** 2 == pytest.approx(
        drawn["within_variance"] + 5 / 4 * drawn["between_variance"]
    )
    assert found["note"].isna().all()


def test_where_the_bootstrap_is_not_defined_its_rows_say_so(study):
    options = OPTIONS.replace(frontier_reference="global")
    found = index_uncertainty(study, options, draws=30, imputations=2, seed=1)
    rows = found.set_index("method")
    assert rows.loc["double bootstrap", "note"].startswith("not defined")
    assert np.isnan(rows.loc["double bootstrap", "estimate"])
    assert rows.loc["clustered by city", "std_error"] > 0


@pytest.mark.slow
def test_intervals_cover_the_truth_in_simulated_panels():
    """60 panels: 95 per cent are met within 6 points by chance."""
    inside = np.zeros(3)
    panels = 60
    for stream in np.random.SeedSequence(9).spawn(panels):
        panel = simulate_panel(np.random.default_rng(stream), level="far", effect=0.0)
        found = estimated_index(
            panel.outputs, panel.inputs, panel.treatment, panel.cohort, draws=60, seed=1
        )
        critical = special.stdtrit(71, 0.975)
        inside += [
            abs(found.estimate) <= critical * found.std_error,
            abs(found.estimate) <= critical * found.combined_std_error,
            abs(found.corrected) <= critical * found.corrected_std_error,
        ]
    assert (inside / panels > 0.87).all(), inside / panels


# ------------------------------------------------------------------- yardsticks


def test_the_solow_residual_by_hand():
    found = solow_residual(
        np.array([100.0, -1.0]), np.array([4.0, 1.0]), np.array([9.0, 1.0]),
        labour_share=0.5,
    )  # fmt: skip
    assert found[0] == pytest.approx(np.log(100 / 6)) and np.isnan(found[1])
    per_worker = solow_residual(
        np.array([100.0]), np.array([np.nan]), np.array([8.0]), labour_share=1.0
    )
    assert per_worker[0] == pytest.approx(np.log(12.5))


def test_yardsticks_through_the_same_estimator(study, headline):
    found = yardsticks(study, OPTIONS, estimators=["twfe"], draws=999, seed=1)
    rows = found.set_index(["yardstick", "outcome", "labour_share"])["estimate"]
    first = found.iloc[0]
    assert first["yardstick"] == "malmquist" and first["outcome"] == "growth"
    assert first["estimate"] == pytest.approx(headline.result.estimate, abs=1e-12)
    assert first["correlation_with_index"] == pytest.approx(1)
    persons = OPTIONS.replace(labour_measure="employed")
    sample = study.sample(persons)
    panel = study.panel(persons).copy()
    at = [np.flatnonzero(study.city_ids == c)[0] for c in panel["city_id"]]
    t = panel["year"].to_numpy(int) - study.years[0]
    ln_a = (
        np.log(sample.output) - 0.4 * np.log(sample.labour)
        - 0.6 * np.log(sample.capital)
    )  # fmt: skip
    panel["outcome"] = np.exp(ln_a[at, t] - ln_a[at, t - 1])
    plain = did.twfe(panel, **REGRESSION).iloc[0]["estimate"]
    share = rows.loc[("solow residual", "growth", 0.4)]
    assert share == pytest.approx(plain, abs=1e-12)
    assert set(found["yardstick"]) == {
        "malmquist", "malmquist, persons employed", "solow residual",
        "output per worker",
    }  # fmt: skip
    assert sorted(found["labour_share"].dropna().unique()) == [0.4, 0.5, 0.6]


# ------------------------------------------------------------------------- page


def test_the_page_says_what_the_tables_say(study, table):
    tables = {
        "influence": table,
        "frontier_carriers": carriers(study, OPTIONS),
        "frontier_alternatives": frontier_alternatives(study, OPTIONS),
        "assumed_bounds": assumed_bounds(
            study, OPTIONS, targets={"zero": 0.0, "far": 9.0}, steps=3
        ),
        "index_uncertainty": index_uncertainty(
            study, OPTIONS, draws=20, imputations=2, seed=1
        ),
        "yardsticks": yardsticks(
            study, OPTIONS, estimators=["twfe"], draws=999, seed=1
        ),
    }
    names = dict(zip(study.cities["city_id"], study.cities["city_en"], strict=True))
    text = influence_page(tables, names)
    base = table.iloc[0]
    assert f"The headline is {base['estimate']:.4f}" in text
    deleted = table["kind"].isin(["city", "city_year", "seed_cell"])
    flips = int((deleted & (table["estimate"] * base["estimate"] < 0)).sum())
    wanted = {0: "No deletion", 1: "One deletion"}.get(flips, f"{flips} deletions")
    assert wanted in text
    assert "never reaches 9" in text
    assert text.count("\n## ") == 11
    first = table.loc[(table["kind"] == "slip") & (table["rank"] == 1)]
    assert len(first) == 2
    strongest = first.iloc[0]
    assert f"{strongest['change_in_std_errors']:+.2f}" in text
