"""Declared choices, designs, summaries, runs and pages, on small made-up studies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from tests.support import made_up_study
from tests.support.study_sources import dated, reconciled

from citypanel import did, workers
from citypanel.curve import permutation, running
from citypanel.curve.choices import load_choices, options_of
from citypanel.curve.permutation import Shuffles, permuted_statistics
from citypanel.curve.specifications import (
    Specification,
    checked,
    design,
    evaluate,
    headline_values,
    specifications,
)
from citypanel.curve.summary import shapley_shares, summarise
from citypanel.did import randomisation
from citypanel.errors import FrontierError, OptionError
from citypanel.frontier import malmquist
from citypanel.outputs.facts import gather
from citypanel.outputs.facts.range import range_of
from citypanel.outputs.specifications import (
    answer,
    curve_page,
    english,
    specification_page,
    write_figures,
)
from citypanel.pages.blocks import as_markdown
from citypanel.study.estimation import (
    ESTIMATORS,
    estimate,
    fit,
    regression_panel,
)
from citypanel.study.options import Options
from citypanel.study.run import GRAPH, Sources, Study
from citypanel.study.steps.series import fill_gaps

SEED = 7
NO_PRECEDENCE = pd.DataFrame(
    columns=["variable", "gdp_vintage", "source", "precedence"]
)
PAPER = {"mean": 1.02, "std_dev": 0.26, "maximum": 5.5, "coefficient": 0.024}
SERIES = {
    "gdp_cny_10k": (1e7, 0.08),
    "secondary_cny_10k": (4e6, 0.06),
    "tertiary_cny_10k": (5e6, 0.09),
    "population_persons_10k": (500, 0.01),
    "unit_employment_persons_10k": (90, 0.03),
    "private_employment_persons": (7e5, 0.05),
    "area_km2": (9000, 0.0),
    "gdp_growth_pct": (8, 0.0),
    "fai_cny_10k": (4e6, 0.1),
    "real_estate_cny_10k": (9e5, 0.1),
    "retail_sales_cny_10k": (3e6, 0.1),
    "imports_cny_10k": (4e5, 0.05),
    "exports_cny_10k": (6e5, 0.05),
    "fiscal_expenditure_cny_10k": (1e6, 0.1),
    "education_expenditure_cny_10k": (2e5, 0.1),
    "university_students_persons": (1e5, 0.03),
    "vocational_students_persons": (5e4, 0.02),
}


def made_up(n_cities: int = 24) -> Sources:
    """A study of made-up cities in two provinces, a third of them with a zone."""
    rng = np.random.default_rng(SEED)
    years = np.arange(2010, 2020)
    codes = [f"{11 + i % 2}{i + 1:02d}00" for i in range(n_cities)]
    cells = []
    for code in codes:
        size = np.exp(rng.normal(0, 0.6))
        for variable, (level, growth) in SERIES.items():
            noise = np.exp(rng.normal(0, 0.08, len(years)).cumsum() * 0.5)
            values = level * size * (1 + growth) ** (years - 2010) * noise
            if variable == "gdp_growth_pct":
                values = level + rng.normal(0, 1.5, len(years))
            last = 2016 if variable == "fai_cny_10k" else 2019
            cells += [
                (code, year, variable, "yearbook", value if year <= last else None)
                for year, value in zip(years, values, strict=True)
            ]
    cells = pd.DataFrame(
        cells, columns=["city_id", "year", "variable", "source", "value"]
    )
    series = [
        (province, year, indicator, base * factor ** (year - 2010))
        for province in ("110000", "120000")
        for indicator, base, factor in (
            ("GDP", 1e4, 1.11), ("GDPIDX", 108.0, 1.0),
            ("FAI", 4e3, 1.1), ("FAIPI", 102.0, 1.0),
        )
        for year in years
    ]  # fmt: skip
    zones = pd.DataFrame({"city_id": codes[: n_cities // 3]})
    zones["batch"] = [1 + i % 3 for i in range(len(zones))]
    dates = {1: "2014-03-07", 2: "2016-01-12", 3: "2018-07-24"}
    zones["approval_date"] = pd.to_datetime(zones["batch"].map(dates))
    place = np.random.default_rng([SEED, 1]).uniform(
        [24, 102], [36, 118], (n_cities, 2)
    )
    under = [code for i, code in enumerate(codes) if i % 4 == 1]
    return Sources(
        places=pd.DataFrame(
            {"unit_id": codes, "latitude": place[:, 0], "longitude": place[:, 1]}
        ),
        concurrent=pd.DataFrame(
            {"policy": "low_carbon_pilots", "city_id": under, "approval_year": 2013}
        ),
        cells=reconciled(cells, NO_PRECEDENCE),
        province_series=pd.DataFrame(
            series, columns=["province_id", "year", "indicator", "value"]
        ),
        cities=pd.DataFrame(
            {
                "city_id": codes,
                "city_en": [f"City {code}" for code in codes],
                "province_id": [code[:2] + "0000" for code in codes],
                "region": ["eastern", "western"] * (n_cities // 2),
                "is_municipality": [i < 2 for i in range(n_cities)],
                "is_provincial_capital": [i == 3 for i in range(n_cities)],
                "is_in_nbs_70": [i != 5 for i in range(n_cities)],
            }
        ),
        policy=dated(zones, codes, years),
        variables=pd.DataFrame(
            {
                "variable": list(SERIES),
                "kind": "yearbook",
                "province_indicator": [
                    {"gdp_cny_10k": "GDP", "gdp_growth_pct": "GDPIDX"}.get(name)
                    for name in SERIES
                ],
                "gap_rule": [
                    {"gdp_growth_pct": "none", "fai_cny_10k": "mean"}.get(
                        name, "mean_carry"
                    )
                    for name in SERIES
                ],
            }
        ),
    )


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(made_up())


@pytest.fixture(scope="module")
def curve(study):
    return specifications(study, base=Options(), n=80, seed=SEED, permutations=19)


@pytest.fixture(scope="module")
def summary(curve):
    return summarise(*curve, choices=load_choices(), published=PAPER, seed=SEED)


# ---------------------------------------------------------------- declared choices


def test_marks_follow_from_values_and_combinations():
    choices = load_choices()
    headline = headline_values(choices, Options())
    cases = {
        (): "headline",
        (("first_index_year", "one"),): "paper",
        (("labour_measure", "employed"),): "defensible",
        (("labour_measure", "student_share"),): "dubious",
        (("returns_to_scale", "vrs"),): "dubious",
        (("returns_to_scale", "vrs"), ("frontier_reference", "global")): "defensible",
    }
    for moves, mark in cases.items():
        values = {**headline, **dict(moves)}
        assert choices.mark(values, headline) == mark, moves
        assert choices.mark_reason(values, mark).endswith(".")


def test_without_an_extension_the_study_ends_in_2016():
    choices = load_choices()
    values = {**headline_values(choices, Options()), "fai_extension": "none"}
    assert options_of(values, Options(), names=choices.names).last_year == 2016


# ------------------------------------------------------------------------- design


def test_a_design_has_the_headline_every_move_and_every_value():
    choices = load_choices()
    rows = design(choices, Options(), n=400, seed=SEED)
    assert len(rows) == 400 == len({tuple(r.values.values()) for r in rows})
    headline = headline_values(choices, Options())
    assert dict(rows[0].values) == headline
    moves = {r.moved for r in rows if r.role == "one_at_a_time"}
    for choice in choices.choices:
        seen = {r.values[choice.name] for r in rows}
        assert seen == {v.value for v in choice.values}
        for value in choice.values:
            moved = {**headline, choice.name: value.value}
            if moved != headline and not choices.meaningless(moved):
                assert (choice.name, value.value) in moves
    assert not any(choices.meaningless(r.values) for r in rows)
    draws = [r for r in rows if r.role == "draw"]
    dubious = [choices.mark(r.values, headline) == "dubious" for r in draws]
    assert 0.3 < np.mean(dubious) < 0.6
    again = design(choices, Options(), n=400, seed=SEED)
    assert [r.values for r in again] == [r.values for r in rows]
    other = design(choices, Options(), n=400, seed=SEED + 1)
    assert [r.values for r in other] != [r.values for r in rows]


def test_a_small_count_gives_the_single_moves_alone():
    rows = design(load_choices(), Options(), n=1, seed=SEED)
    assert {r.role for r in rows} == {"headline", "one_at_a_time"}


def test_the_whole_product_of_a_small_declaration():
    choices = load_choices()
    few = tuple(
        c for c in choices.choices if c.name in ("orientation", "returns_to_scale")
    )
    small = replace(choices, choices=few, rules=choices.rules[:1], doubts=())
    rows = design(small, Options(), n=None, seed=SEED)
    # Two orientations and four returns, less input under constant returns.
    assert len(rows) == 7


def test_a_product_beyond_the_limit_is_refused():
    with pytest.raises(OptionError, match=r"more than the limit of 100,000"):
        design(load_choices(), Options(), n=None, seed=SEED)


# ----------------------------------------------------------------------- pipeline


def test_gaps_are_filled_by_their_rule():
    nan = float("nan")
    years = np.arange(2010, 2017)
    table = np.array([[nan, nan, 4.0, nan, 8.0, nan, nan]])
    mean = [nan, nan, 4, 6, 8, nan, nan]
    carried = [nan, 4, 4, 6, 8, 8, nan]
    for rule, carry, expected in (
        ("none", 2, table[0]), ("mean", 2, mean), ("mean_carry", 1, carried),
        ("mean_carry", 0, mean), ("mean_carry", 9, [4, 4, 4, 6, 8, 8, 8]),
    ):  # fmt: skip
        np.testing.assert_array_equal(fill_gaps(table, years, rule, carry)[0], expected)


def test_steps_are_computed_once(study, monkeypatch):
    calls = []
    technology = GRAPH["technology"]
    counted = replace(
        technology,
        function=lambda *needs: calls.append(1) or technology.function(*needs),
    )
    monkeypatch.setitem(GRAPH.steps, "technology", counted)
    fresh = Study(study.sources)
    for name in ("tfpch", "log_tfpch", "effch"):
        fresh.panel(Options(outcome=name))
    fresh.panel(Options(exposure_from="next_year"))
    assert len(calls) == 1
    fresh.panel(Options(depreciation=0.04))
    assert len(calls) == 2


def test_an_error_of_a_shared_step_comes_back_each_time(study):
    fresh = Study(study.sources)
    for _ in range(2):
        with pytest.raises(OptionError, match="labour_measure is 'robots'"):
            fresh.panel(Options(labour_measure="robots"))


def test_a_changed_cell_moves_its_city_alone(study):
    code = study.city_ids[4]
    other = study.with_cell(code, 2013, "fai_cny_10k", "yearbook", 1e9)
    moved = study.investment(Options()).real != other.investment(Options()).real
    both = ~np.isnan(study.investment(Options()).real)
    assert set(np.nonzero(moved & both)[0]) == {4}
    assert study.sources.cells["value__as_published"].max() < 1e9


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_are_those_of_the_library(study, name):
    options = Options(estimator=name)
    panel = study.panel(options)
    keys = dict(outcome="tfpch", unit="city_id", period="year")
    if name == "twfe":
        theirs = did.twfe(panel, treatment="sydid", engine="linearmodels", **keys)
        theirs = theirs[theirs["term"] == "sydid"].iloc[0]
    elif name == "group_time":
        cells = did.group_time_att(
            panel, cohort="cohort", base_period="universal", control_group="not_yet",
            **keys,
        )  # fmt: skip
        theirs = did.aggregate_att(cells, "simple").iloc[0]
    else:
        frame = getattr(did, name)(panel, cohort="cohort", **keys)
        theirs = frame[frame["term"] == "overall"].iloc[0]
    ours = estimate(study, options)
    assert ours.estimate == pytest.approx(theirs["estimate"], rel=1e-11)
    assert ours.std_error == pytest.approx(theirs["std_error"], rel=1e-11)
    assert ours.p_value == pytest.approx(theirs["p_value"], rel=1e-9)
    assert ours.mean == pytest.approx(panel["tfpch"].mean())


def test_permuted_statistics_are_those_of_permuted_regressions(study):
    for options in (Options(), Options(controls="ind+con", exposure_from="fraction")):
        shuffles = Shuffles.of(study, Options(), draws=3, seed=SEED)
        ours = estimate(study, options)
        rows = study.panel(options)
        controls = [] if options.controls == "none" else ["ind", "con"]
        drawn = permuted_statistics(
            study, rows, controls, options, shuffles, ours.std_error
        )
        exposure = study.exposure(options)["exposure"]
        for k in range(3):
            city = np.searchsorted(study.city_ids, rows["city_id"].to_numpy(object))
            year = np.searchsorted(study.years, rows["year"].to_numpy())
            path = exposure[shuffles.take[k][city], year]
            again = did.twfe(
                rows.assign(sydid=path), outcome="outcome", treatment="sydid",
                unit="city_id", period="year", controls=controls,
            ).iloc[0]  # fmt: skip
            assert drawn[0, k] == pytest.approx(again["estimate"], rel=1e-9)
            assert drawn[1, k] == pytest.approx(again["statistic"], rel=1e-9)


@pytest.mark.parametrize("controls", [[], ["ind", "con"], ["ind", "con", "twice"]])
def test_permutations_of_many_rows_are_summed_by_city(study, controls, monkeypatch):
    options = Options(exposure_from="fraction")
    shuffles = Shuffles.of(study, Options(), draws=9, seed=SEED)
    rows = study.panel(options)
    rows = rows.assign(twice=2 * rows["ind"] + rows["year"])
    given = (study, rows, controls, options, shuffles, 0.1)
    drawn = permuted_statistics(*given)
    monkeypatch.setattr(permutation, "MANY", 1)
    monkeypatch.setattr(randomisation, "GAIN", 0)
    asked = []
    dealt = randomisation.Paths.dealt
    monkeypatch.setattr(
        randomisation.Paths, "dealt", lambda *a: asked.append(1) or dealt(*a)
    )
    np.testing.assert_allclose(permuted_statistics(*given), drawn, rtol=1e-8)
    assert asked == [1]


# ---------------------------------------------------------------- curve and summary


def test_a_curve_has_a_row_for_each_specification(curve):
    table, draws = curve
    assert len(table) == 80 and draws.shape == (80, 2, 19)
    assert table["specification"].is_unique
    missing = table["estimate"].isna()
    assert (table["reason"].notna() == missing).all()
    assert (table["reason_kind"].notna() == missing).all()
    two_way = (table["estimator"] == "twfe") & ~missing
    # Others' index or sample would change with the policy.
    two_way &= table["neighbours"].eq("kept")
    two_way &= table["frontier_drawn_by"].eq("sample")
    assert (np.isfinite(draws[:, 0]).any(axis=1) == two_way.to_numpy()).all()
    assert "unexpected error" not in set(table["reason_kind"].dropna())


def bad(values: dict, study: Study, **more) -> dict:
    base = Options(**more)
    choices = load_choices()
    headline = headline_values(choices, base)
    row, _ = evaluate(
        study, Specification({**headline, **values}, "asked"), choices=choices,
        base=base,
    )  # fmt: skip
    return row


def test_bad_specifications_keep_their_row_and_say_why(study):
    row = bad({"labour_measure": "robots"}, study)
    assert row["reason_kind"] == "no such option or combination"
    assert "labour_measure is 'robots'; permitted: university_share" in row["reason"]
    assert row["estimate"] is None and row["n_obs"] is None
    row = bad({"orientation": "input"}, study)
    assert "same index" in row["reason"]
    policy = study.sources.policy
    nobody = policy.assign(exposure__approval_year=0.0, cohort__approval_year=np.nan)
    row = bad({}, Study(replace(study.sources, policy=nobody)))
    assert row["reason_kind"] == "no comparison left"
    assert "lost all treated cities" in row["reason"]


def _moved(study, **values):
    """Rows, controls and estimate of the headline with some options moved."""
    options = Options(**values)
    rows, controls = regression_panel(study, options)
    return rows, controls, fit(rows, controls, options)


def test_neighbours_other_policies_and_shared_errors_by_hand(study):
    rows, _, headline = _moved(study)
    at = study.sources.places.set_index("unit_id")
    place = np.radians(at[["latitude", "longitude"]].to_numpy(float))
    lat, lon = place.T
    chord = np.sin((lat[:, None] - lat) / 2) ** 2 + np.cos(lat[:, None]) * np.cos(
        lat
    ) * (np.sin((lon[:, None] - lon) / 2) ** 2)
    away = pd.DataFrame(2 * 6371.01 * np.arcsin(np.sqrt(chord)), at.index, at.index)
    own = rows.loc[rows["cohort"] > 0, "city_id"].unique()
    for km in (100, 200):
        near = set(away.index[(away[own] <= km).any(axis=1)]) - set(own)
        kept, _, moved = _moved(study, neighbours=f"beyond_{km}_km")
        assert set(kept["city_id"]) == set(rows["city_id"]) - near
        want = did.twfe(
            rows[~rows["city_id"].isin(near)], outcome="outcome", treatment="sydid",
            unit="city_id", period="year",
        )  # fmt: skip
        assert moved["estimate"] == pytest.approx(want.loc[0, "estimate"])
        assert kept.attrs["apart"] == len(rows) - len(kept)
    assert near
    under = set(study.sources.concurrent["city_id"])
    kept, controls, _ = _moved(study, concurrent_policies="left_out")
    assert set(kept["city_id"]) == set(rows["city_id"]) - under and not controls
    same, controls, moved = _moved(study, concurrent_policies="controlled")
    assert controls == ["under_low_carbon_pilots"] and len(same) == len(rows)
    exposed = rows["city_id"].isin(under) & (rows["year"] >= 2013)
    assert (same[controls[0]] == exposed).all()
    assert moved["estimate"] != pytest.approx(headline["estimate"], rel=1e-3)
    for choice in ("province", "neighbours"):
        _, _, moved = _moved(study, errors_shared=choice)
        assert moved["estimate"] == pytest.approx(headline["estimate"])
        assert moved["std_error"] != pytest.approx(headline["std_error"], rel=1e-3)


def test_a_frontier_of_the_never_treated_is_drawn_by_them(study):
    options = Options(frontier_drawn_by="never_treated")
    treated = study.panel(Options()).query("cohort > 0")["city_id"].unique()
    rows = study.technology(options)
    never = [city for city in rows["city_id"].unique() if city not in set(treated)]
    want = malmquist(
        rows, unit="city_id", period="year", outputs=["gdp_real_cny_10k"],
        inputs=["capital_real_cny_10k", "labour"], reference_units=never,
    )  # fmt: skip
    ours = study.index(options)
    np.testing.assert_allclose(ours["tfpch"], want["tfpch"])
    assert not np.allclose(ours["tfpch"], study.index(Options())["tfpch"])


def test_what_is_not_known_is_a_reason(study):
    bare = Study(
        replace(
            study.sources,
            places=study.sources.places.head(3),
            concurrent=study.sources.concurrent.head(0),
        )
    )
    for values, words in (
        ({"neighbours": "beyond_100_km"}, "no latitude and longitude"),
        ({"errors_shared": "neighbours"}, "no latitude and longitude"),
        ({"concurrent_policies": "controlled"}, "No other policy"),
    ):
        row = bad(values, bare)
        assert row["reason_kind"] == "no estimate" and words in row["reason"]
    assert _moved(bare, errors_shared="province")[2]["std_error"] > 0


def test_a_degenerate_frontier_is_a_reason():
    sources = made_up(n_cities=6)
    cells = sources.cells.copy()
    # The same city six times: every index is the same in every city-year.
    one = cells.loc[cells["city_id"] == sources.cities["city_id"][0]]
    values = [name for name in one if "value" in name]
    flat = one.assign(**one.groupby("variable")[values].transform("first"))
    parts = [flat.assign(city_id=code) for code in sources.cities["city_id"]]
    series = sources.province_series
    fixed = series["indicator"].map(
        {"GDP": 100.0, "GDPIDX": 100.0, "FAI": 50.0, "FAIPI": 100.0}
    )
    study = Study(
        replace(
            sources,
            cells=pd.concat(parts, ignore_index=True),
            province_series=series.assign(value=fixed),
        )
    )
    row = bad({"labour_measure": "students"}, study, depreciation=0.1)
    assert row["reason_kind"] in ("degenerate frontier", "no capital stock")
    row = bad({"initial_capital": "ten_percent"}, study, depreciation=0.1)
    assert row["reason_kind"] == "degenerate frontier", row
    assert "The frontier is degenerate" in row["reason"]


def test_an_unexpected_error_is_a_row(study, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr("citypanel.curve.specifications.fit", broken)
    row = bad({}, study)
    assert row["reason_kind"] == "unexpected error"
    assert row["reason"] == "ZeroDivisionError: no such luck"


def test_shapley_shares_of_a_sum_of_two_factors():
    # y = a + 2 b on a full 2 x 2 design: shares 1/5 and 4/5 exactly.
    a = np.array([0, 0, 1, 1] * 5)
    b = np.array([0, 1, 0, 1] * 5)
    shares, together = shapley_shares(
        a + 2.0 * b, {"a": a, "b": b, "c": np.zeros(20)}, seed=SEED
    )
    assert shares == pytest.approx({"a": 0.2, "b": 0.8, "c": 0.0}, abs=1e-12)
    assert together == pytest.approx(1.0)
    # Two names of one factor share what it explains.
    shares, _ = shapley_shares(1.0 * a, {"a": a, "again": a}, seed=SEED)
    assert shares == pytest.approx({"a": 0.5, "again": 0.5}, abs=1e-12)


def _explained(outcome, factors):
    """R2 of least squares on the dummies of some factors."""
    dummies = [np.equal.outer(f, np.unique(f)) for f in factors]
    x = np.column_stack([np.ones(len(outcome)), *dummies]).astype(float)
    fitted = x @ np.linalg.lstsq(x, outcome, rcond=None)[0]
    return 1 - ((outcome - fitted) ** 2).sum() / ((outcome - outcome.mean()) ** 2).sum()


def test_shapley_shares_of_aliased_factors_by_hand():
    y = np.array([1, 2, 3, 5, 4, 2, 1, 6.0])
    a = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    c = np.array([0, 0, 1, 1, 1, 0, 0, 1])
    shares, together = shapley_shares(y, {"a": a, "again": a, "c": c}, seed=SEED)
    both, alone_a, alone_c = (_explained(y, f) for f in ([a, c], [a], [c]))
    # C comes first in a third of the orderings, a copy of A before it in the rest.
    share_c = alone_c / 3 + 2 / 3 * (both - alone_a)
    assert shares["c"] == pytest.approx(share_c, abs=1e-12) == pytest.approx(0.476852)
    assert shares["a"] == pytest.approx((both - share_c) / 2, abs=1e-12)
    assert shares["again"] == pytest.approx(shares["a"], abs=1e-12)
    assert together == pytest.approx(both, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_shapley_shares_of_nested_factors_against_all_subsets(scale):
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        n = rng.integers(6, 25)
        fine, other = rng.integers(0, 4, n), rng.integers(0, 2, n)
        factors = {
            "fine": fine,
            "coarse": fine // 2,
            "other": other,
            "both": 2 * fine + other,
        }
        y = rng.normal(size=n) * scale
        names = list(factors)
        expected = dict.fromkeys(names, 0.0)
        orders = list(permutations(names))
        for order in orders:
            before = 0.0
            for k, name in enumerate(order):
                after = _explained(y, [factors[f] for f in order[: k + 1]])
                expected[name] += (after - before) / len(orders)
                before = after
        shares, _ = shapley_shares(y, factors, seed=SEED)
        assert shares == pytest.approx(expected, abs=1e-9)


def test_a_constant_outcome_has_nothing_to_share():
    outcome = np.full(10, 0.1) + 1e-17
    shares = shapley_shares(outcome, {"a": np.arange(10) % 2}, seed=SEED)
    assert shares == ({"a": 0.0}, 0.0)
    # A missing value is a category of its own.
    a = [None, "x", "y"] * 4
    y = np.array([1.0, 0.0, 0.0] * 4)
    assert shapley_shares(y, {"a": a}, seed=SEED)[1] == pytest.approx(1.0)


def test_an_index_that_varies_by_rounding_alone_is_degenerate(study):
    panel = study.panel(Options())
    noise = 1e-16 * np.arange(len(panel)) / len(panel)
    flat = study.instead(panel=panel.assign(outcome=1.0 + 1e3 * noise))
    with pytest.raises(FrontierError, match="with 1 different values"):
        estimate(flat, Options())


def test_a_column_that_varies_by_rounding_alone_is_no_yardstick(curve):
    table, draws = curve
    flat = table.assign(maximum=1.1 + 1e-16 * np.arange(len(table)))
    rows = summarise(flat, draws, choices=load_choices(), published=PAPER, seed=SEED)
    assert rows.loc[rows["section"] == "nearest", "value"].max() < 1e3


def test_permuted_statistics_net_of_collinear_controls(study):
    """A control that effects or others explain takes no direction of its own."""
    options = Options(controls="ind+con")
    shuffles = Shuffles.of(study, Options(), draws=5, seed=SEED)
    rows = study.panel(options)
    plain = permuted_statistics(study, rows, ["ind", "con"], options, shuffles, 1.0)
    more = rows.assign(
        double=2 * rows["ind"] + 3 * rows["con"],
        of_city=rows.groupby("city_id")["ind"].transform("mean") * 1e6,
    )
    names = ["double", "of_city", "ind", "con"]
    again = permuted_statistics(study, more, names, options, shuffles, 1.0)
    np.testing.assert_allclose(again, plain, rtol=1e-9)


def test_permutations_without_a_statistic_are_left_out_and_counted(curve):
    table, draws = curve
    holed = draws.copy()
    holed[:, :, 3] = np.where(np.arange(80)[:, None] % 7 == 0, np.nan, holed[:, :, 3])
    found = {}
    for name, of in (("holed", holed), ("without", np.delete(draws, 3, axis=2))):
        rows = summarise(table, of, choices=load_choices(), published=PAPER, seed=SEED)
        found[name] = rows[rows["section"] == "joint"].set_index(["scope", "item"])
    columns = ["value", "low", "high", "p_value", "n"]
    pd.testing.assert_frame_equal(found["holed"][columns], found["without"][columns])
    text = found["holed"]["text"].loc["growth", "median"]
    assert text.endswith("18 permutations, 1 without some statistic left out")


def test_the_summary_counts_what_the_table_holds(curve, summary):
    table, draws = curve
    growth = table[(table["estimand"] == "growth") & table["estimate"].notna()]
    rows = summary[(summary["scope"] == "growth")].set_index(["section", "item"])
    assert rows.loc[("curve", "median"), "value"] == growth["estimate"].median()
    assert rows.loc[("curve", "minimum"), "value"] == growth["estimate"].min()
    share = ((growth["estimate"] > 0) & (growth["p_value"] < 0.05)).mean()
    assert rows.loc[("curve", "significant and positive"), "share"] == share
    two_way = growth[(growth["estimator"] == "twfe") & growth["std_error"].notna()]
    two_way = two_way[np.isfinite(draws[two_way.index, 0]).any(axis=1)]
    under = np.abs(np.median(draws[two_way.index, 0], axis=0))
    expected = (1 + (under >= abs(two_way["estimate"].median())).sum()) / 20
    assert rows.loc[("joint", "median"), "p_value"] == pytest.approx(expected)
    inside = growth["mean"].min() <= PAPER["mean"] <= growth["mean"].max()
    assert rows.loc[("paper", "mean"), "text"] == ("inside" if inside else "outside")
    assert rows.loc[("paper", "mean"), "share"] == (growth["mean"] < 1.02).mean()
    tornado = summary[summary["section"] == "tornado"].set_index("item")
    base = table.loc[0, "estimate"]
    moved = table[table["role"] == "one_at_a_time"].set_index("specification")
    assert list(tornado.index) == list(moved.index)
    assert np.allclose(tornado["value"] - base, tornado["difference"], equal_nan=True)
    assert summary.duplicated(["scope", "section", "item"]).sum() == 0


# ----------------------------------------------------------------------- figures


def facts_of(table, summary=None, **given):
    """The facts of a made-up file, with the range over this curve."""
    frames = made_up_study.made_up(**given)
    return gather(frames, range=range_of(table, summary, "growth"))


def test_figures_have_the_same_bytes_twice(curve, tmp_path):
    table, _ = curve
    for name in ("one", "two"):
        write_figures(table, load_choices(), facts_of(table), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert {p.suffix for p in (tmp_path / "one").iterdir()} == {
        ".pdf", ".svg", ".png", ".csv",
    }  # fmt: skip


def test_the_interactive_curve_escapes_and_fetches_nothing(curve):
    table = curve[0].copy()
    evil = "</script><img src=x onerror=alert(1)>"
    table.loc[3, "labour_measure"] = evil
    page = curve_page(table, load_choices(), facts_of(table))
    assert evil not in page and page.count("</script>") == 1
    assert not re.search(r"https?://|src=[\"']|@import|url\(", page)
    data = json.loads(re.search(r"const data = (.*);\n", page).group(1))
    assert any(evil in c["values"] for c in data["choices"])
    assert len(data["columns"]["estimate"]) == table["estimate"].notna().sum()
    assert data["columns"]["estimate"] == sorted(data["columns"]["estimate"])


# -------------------------------------------------------------------------- page


def reworked(curve, change) -> str:
    table, draws = curve[0].copy(), curve[1]
    change(table)
    frame = summarise(table, draws, choices=load_choices(), published=PAPER, seed=SEED)
    facts = facts_of(table, frame, estimate=-0.012, std_error=0.013)
    return as_markdown(english(answer(table, frame, load_choices(), facts)))


def test_other_results_give_other_sentences(curve):
    def all_up(table):
        table["estimate"] = 0.05 + 0.01 * table["estimate"]
        table["p_value"] = 0.001

    def all_down(table):
        table["estimate"] = -0.05 + 0.01 * table["estimate"]
        table["p_value"] = 0.001

    def both(table):
        half = np.arange(len(table)) % 2 == 0
        table["estimate"] = np.where(half, 0.05, -0.05)
        table["p_value"] = 0.001

    def nothing(table):
        table["p_value"] = 0.5

    def none(table):
        table["estimate"] = float("nan")

    def by_labour(table):
        table["estimate"] = 0.1 * (table["labour_measure"] == "employed") + 0.01 * (
            table["estimator"] == "twfe"
        )

    said = {
        "Most choices find a rise": all_up,
        "Most choices find a fall": all_down,
        "The sign depends on the choices": both,
        "Hardly any choice finds an effect": nothing,
        "No specification has an estimate": none,
    }
    pages = {sentence: reworked(curve, change) for sentence, change in said.items()}
    for sentence in said:
        for other, page in pages.items():
            assert (sentence in page) == (sentence == other), (sentence, other)
    few = pages["Hardly any choice finds an effect"]
    assert "so few specifications" in few
    page = reworked(curve, by_labour)
    assert "Most choices find a rise" not in page


def test_the_specification_page_is_whole_in_both_languages(curve, summary):
    facts = facts_of(curve[0], summary)
    page = specification_page(curve[0], summary, load_choices(), facts)
    assert page.startswith("<!DOCTYPE html>") and page.count("</script>") == 1
    assert not re.search(r"https?://|@import|url\(", page)
    assert "结论依赖什么" in page and 'href="curve.html"' in page
    for block in answer(curve[0], summary, load_choices(), facts):
        for words in block.content if block.kind in ("text", "items") else ():
            assert words.en.strip() and re.search(r"[\u4e00-\u9fff]", words.zh)


def test_no_choice_both_moves_the_answer_and_does_not(curve, summary):
    shares = pd.DataFrame(
        {
            "scope": "growth, none dubious", "section": "variance",
            "item": ["labour_measure", "initial_capital", "depreciation"],
            "share": [0.9, 0.001, 0.001], "text": "",
        }
    )  # fmt: skip
    rows = summary[summary["section"] != "variance"].copy()
    # Alone it moves the headline by more than its error of 0.013, combined by nothing.
    rows.loc[rows["section"] == "tornado", "difference"] = 0.0
    rows.loc[rows["item"] == "initial_capital=end_of_year", "difference"] = 0.02
    facts = facts_of(curve[0], summary, estimate=-0.012, std_error=0.013)
    told = answer(curve[0], pd.concat([rows, shares]), load_choices(), facts)
    page = as_markdown(english(told))
    still = next(line for line in page.splitlines() if "a hundredth of the" in line)
    assert "depreciation" in still and "initial capital" not in still
    assert "carry further than that error: Initial capital: one year later" in page


def test_without_a_paper_the_page_names_none(curve, summary):
    facts = facts_of(curve[0], summary, policy="other", printed=None)
    page = specification_page(curve[0], summary, load_choices(), facts)
    shown = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.S)
    assert "paper" not in shown and "论文" not in shown
    curve_ = curve_page(curve[0], load_choices(), facts)
    data = re.search(r"const data = (.*);\n", curve_)
    assert json.loads(data.group(1))["paper"] is None


# ----------------------------------------------------------------------- running


def run_of(study, permutations=5) -> running.Run:
    choices = load_choices()
    rows = design(choices, Options(), n=80, seed=SEED)[::5]
    return running.Run(study, rows, choices, Options(), permutations, SEED)


def test_a_batch_survives_its_file(tmp_path):
    rows = [{"estimate": 0.1 + 0.2, "std_error": float("nan"), "note": None, "n": 3}]
    draws = np.array([[[1.5, np.nan]], [[2.5, 0.1]]]).reshape(1, 2, 2)
    running._write(tmp_path / "00000.npz", rows, draws)
    back, drawn = running._read(tmp_path / "00000.npz", 1, 2)
    assert back[0]["estimate"] == 0.1 + 0.2 and np.isnan(back[0]["std_error"])
    np.testing.assert_array_equal(drawn, draws)
    assert running._read(tmp_path / "00000.npz", 2, 2) is None
    assert running._read(tmp_path / "00001.npz", 1, 2) is None


def test_a_damaged_batch_is_not_taken_and_a_word_is_said(tmp_path):
    path, rows, draws = tmp_path / "00003.npz", [{"estimate": 0.1}], np.zeros((1, 2, 2))
    running._write(path, rows, draws)
    content = path.read_bytes()
    cut = [content[:length] for length in range(0, len(content), 97)]
    changed = [
        content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]
        for i in range(0, len(content), 89)
    ]
    for spoilt in [*cut, *changed, b"half a fi"]:
        path.write_bytes(spoilt)
        said = []
        assert running._read(path, 1, 2, said.append) is None
        assert said == ["Batch 00003.npz is computed again: the kept one is damaged."]


def test_a_batch_of_other_code_is_not_taken_and_a_word_is_said(tmp_path, monkeypatch):
    path, rows, draws = tmp_path / "00000.npz", [{"estimate": 0.1}], np.zeros((1, 2, 2))
    for name, value in (("citypanel", "f" * 64), ("numpy", "1.0")):
        with monkeypatch.context() as patch:
            patch.setitem(workers._CODE, name, value)
            running._write(path, rows, draws)
            assert running._read(path, 1, 2) is not None
        said = []
        assert running._read(path, 1, 2, said.append) is None
        assert said[0].startswith(
            f"Batch 00000.npz is computed again: the kept one is of {name} {value[:12]}"
        )


def test_a_run_goes_on_from_its_batches(study, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 6)
    run = run_of(study)
    whole = specifications(
        study, base=Options(), asked=run.rows, permutations=5, seed=SEED
    )
    computed = []

    def here(tasks, workers):
        for batch, task in tasks:
            if len(computed) == 1 and not (tmp_path / "again").exists():
                (tmp_path / "again").touch()
                raise KeyboardInterrupt
            computed.append(batch)
            yield batch, running._batch(*task)

    monkeypatch.setattr(running, "_in_processes", here)
    with pytest.raises(KeyboardInterrupt):
        running.execute(run, folder=tmp_path / "batches")
    said = []
    table, draws = running.execute(
        run, folder=tmp_path / "batches", resume=True,
        progress=lambda done, total: said.append((done, total)),
    )  # fmt: skip
    assert sorted(computed) == list(range(len(run.batches())))
    assert said[0] == (6, 16) and said[-1] == (16, 16)
    pd.testing.assert_frame_equal(table, whole[0])
    np.testing.assert_array_equal(draws, whole[1])
    # Other sources are another run, and its batches are not taken.
    other = replace(run, study=study.with_cell(
        study.city_ids[0], 2013, "gdp_cny_10k", "yearbook", 1e7
    ))  # fmt: skip
    assert other.name != run.name


def test_a_checked_value_of_the_build_is_permitted_though_not_declared():
    base = Options(depreciation=0.05)
    choices = load_choices()
    values = headline_values(choices, base)
    assert checked(values, choices, base).depreciation == 0.05
    with pytest.raises(OptionError, match=r"depreciation is '0\.05'"):
        checked(values, choices, Options())
