"""Each step of the study by hand, for every value of every option it takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel.errors import OptionError
from citypanel.frontier import malmquist
from citypanel.study import formulas
from citypanel.study.declaration import declared
from citypanel.study.estimation import control_names, excluded
from citypanel.study.formulas import formula
from citypanel.study.grid import Grid
from citypanel.study.options import Options
from citypanel.study.run import GRAPH, Study
from citypanel.study.steps.series import (
    GDP_DEFLATOR,
    INVESTMENT_PRICE,
    PROVINCE_INVESTMENT,
    fill_gaps,
)

NAN = float("nan")
YEARS = np.arange(2010, 2014)
GRID = Grid(np.array(["1"], dtype=object), YEARS)
ONE = {"grid": GRID, "study": declared(), "base_year": 2011}


def run(step, given, **options):
    return GRAPH.run(step, Options(**options), ONE | given)


def row(*values):
    return np.array([values], dtype=float)


def values_of(option):
    return set(declared().options[option].permitted)


def check(step, option, expected, given, **options):
    """Every value of an option, and no other."""
    assert set(expected) == values_of(option)
    for value, numbers in expected.items():
        found = run(step, given, **{option: value}, **options)
        np.testing.assert_allclose(found, row(*numbers), rtol=1e-14, err_msg=value)


def test_a_gap_is_filled_by_each_rule():
    years = np.arange(2010, 2016)
    # Three cities grow by e each year: the median growth is e.
    grow = np.exp(np.arange(6.0))
    table = np.vstack([grow, 2 * grow, 3 * grow])
    table[0, 1:3] = table[0, 5] = NAN
    e = np.e
    expected = {
        "paper": [1, (1 + e**3) / 2, (1 + e**3) / 2, e**3, e**4, e**4],
        "linear": [1, 1 + (e**3 - 1) / 3, 1 + (e**3 - 1) * 2 / 3, e**3, e**4, e**4],
        "growth_chaining": grow,
        "none": [1, NAN, NAN, e**3, e**4, NAN],
    }
    assert set(expected) == values_of("imputation")
    for rule, numbers in expected.items():
        found = fill_gaps(table, years, "mean_carry", 2, imputation=rule)
        np.testing.assert_allclose(found[0], numbers, rtol=1e-13, err_msg=rule)
    # An interior gap is filled, an end is not.
    inside = fill_gaps(table, years, "mean", 2)
    np.testing.assert_allclose(inside[0, [1, 5]], [(1 + e**3) / 2, NAN])


def test_each_vintage_has_its_reading():
    cells = pd.DataFrame(
        {
            "city_id": "1",
            "year": YEARS,
            "variable": "gdp_cny_10k",
            "value__as_published": [1.0, 2.0, NAN, 4.0],
            "value__revised": [5.0, 6.0, 7.0, 8.0],
        }
    )
    variables = pd.DataFrame({"variable": ["gdp_cny_10k"], "kind": ["yearbook"]})
    expected = {"as_published": [1, 2, NAN, 4], "revised": [5, 6, 7, 8]}
    assert set(expected) == values_of("gdp_vintage")
    for vintage, numbers in expected.items():
        found = run(
            "readings", {"cells": cells, "variables": variables}, gdp_vintage=vintage
        )
        np.testing.assert_array_equal(found["gdp_cny_10k"], row(*numbers))


def test_output_is_deflated_or_chained_on_published_growth():
    # Where no rate is published growth of deflated output stands in: 220 over 110.
    given = {
        "series": {
            "gdp_cny_10k": row(90, 100, 110, 440),
            "gdp_growth_pct": row(8, 25, 50, NAN),
        },
        "provinces": {GDP_DEFLATOR: row(0.5, 1, 1, 2)},
    }
    check(
        "real_output",
        "real_gdp",
        {"province_deflator": [180, 100, 110, 220], "city_growth": [80, 100, 150, 300]},
        given,
    )
    np.testing.assert_allclose(
        run("growth_factor", given), row(1.08, 1.25, 1.5, 2.0), rtol=1e-14
    )


INVESTMENT = {
    "series": {
        "fai_cny_10k": row(10, 20, NAN, NAN),
        "real_estate_cny_10k": row(1, 2, 3, 8),
    },
    "provinces": {
        GDP_DEFLATOR: row(1, 1, 2, 4),
        INVESTMENT_PRICE: row(1, 2, 2, 2),
        # The province's total goes on for a year.
        PROVINCE_INVESTMENT: row(50, 60, 90, NAN),
    },
}


def test_investment_goes_on_by_each_rule():
    expected = {
        "none": [10, 20, NAN, NAN],
        "flat": [10, 20, 20, 20],
        "real_estate": [10, 20, 30 / 2, 80 / 4],
        "province_then_real_estate": [10, 20, 30 / 2, 30 * 8 / 3 / 4],
    }
    assert set(expected) == values_of("fai_extension")
    for rule, numbers in expected.items():
        found = run("investment", INVESTMENT, fai_extension=rule)
        np.testing.assert_allclose(found.real, row(*numbers), rtol=1e-14, err_msg=rule)
        assumed = [[False, False, rule != "none", rule != "none"]]
        np.testing.assert_array_equal(found.is_assumed, assumed)


def test_investment_is_deflated_by_either_index():
    expected = {
        "province_gdp_deflator": [10, 20, 20, 20],
        "province_investment_price": [10, 10, 10, 10],
    }
    assert set(expected) == values_of("investment_deflator")
    for deflator, numbers in expected.items():
        found = run(
            "investment",
            INVESTMENT,
            fai_extension="flat",
            investment_deflator=deflator,
        )
        np.testing.assert_allclose(found.real, row(*numbers), rtol=1e-14)
        prices = INVESTMENT["provinces"][deflator]
        np.testing.assert_allclose(found.nominal, row(*numbers) * prices)


def test_labour_by_each_measure():
    series = {
        "university_students_persons": row(100, 200, 300, 400),
        "vocational_students_persons": row(20, 40, 60, 80),
        "population_persons_10k": row(1, 1, 2, 2),
        "unit_employment_persons_10k": row(3, 3, 3, 3),
        "private_employment_persons": row(5, 6, 7, 8),
    }
    check(
        "labour",
        "labour_measure",
        {
            "university_share": [0.01, 0.02, 0.015, 0.02],
            "student_share": [0.012, 0.024, 0.018, 0.024],
            "students": [100, 200, 300, 400],
            "employed": [30005, 30006, 30007, 30008],
        },
        {"series": series},
    )


def test_controls_by_their_formulas():
    series = {
        "gdp_cny_10k": row(1e6, 1e6, 1e6, 0),
        "secondary_cny_10k": row(4, 4, 4, 4),
        "tertiary_cny_10k": row(2, 2, 2, 2),
        "education_expenditure_cny_10k": row(3, 3, 3, 3),
        "fiscal_expenditure_cny_10k": row(12, 12, 12, 12),
        "population_persons_10k": row(5, 5, 5, 5),
        "area_km2": row(500, 500, 500, 500),
        "imports_cny_10k": row(1e5, 1e5, NAN, 1),
        "exports_cny_10k": row(1e5, 1e5, 1e5, 1),
        "retail_sales_cny_10k": row(1000, 1000, 1000, 1000),
    }
    investment = run("investment", INVESTMENT, fai_extension="flat")
    given = {"series": series, "investment": investment}
    found = {base: run("controls", given, log_base=base) for base in ("10", "e")}
    assert set(found) == values_of("log_base")
    ten = {
        "eco": [2, 2, 2, NAN],
        "ind": [0.5] * 4,
        "inf": np.log10([10, 20, 40, 80]),
        "edu": [0.25] * 4,
        "sca": [2] * 4,
        "tra": [0.2, 0.2, NAN, np.inf],
        "con": [3] * 4,
    }
    for name, numbers in ten.items():
        np.testing.assert_allclose(found["10"][name][0], numbers)
        scale = np.log(10) if name in ("eco", "inf", "sca", "con") else 1
        np.testing.assert_allclose(found["e"][name][0], scale * np.asarray(numbers))


def test_the_initial_stock_by_each_rule():
    years = np.arange(2011, 2016)
    grid = Grid(np.array(["1"], dtype=object), years)
    flows = row(100, 110, 121, 133.1, 146.41)
    given = {
        "grid": grid,
        "cities": pd.DataFrame({"city_id": ["1"], "city_en": ["One"]}),
        "series": {"fai_cny_10k": flows, "real_estate_cny_10k": flows},
        "provinces": {GDP_DEFLATOR: row(1, 1.1, 1.21, 1.331, 1.4641)},
    }
    options = dict(depreciation=0.05, fai_extension="none", last_year=2015)
    # Growth is 10 per cent nominal and none real.
    starts = {
        ("growth_plus_depreciation", "nominal"): 100 / 0.15,
        ("growth_plus_depreciation", "real"): 100 / 0.05,
        ("end_of_year", "nominal"): 100 * 1.1 / 0.15,
        ("ten_percent", "nominal"): 1000,
    }
    assert {rule for rule, _ in starts} == values_of("initial_capital")
    assert {growth for _, growth in starts} == values_of("initial_growth")
    for (rule, growth), start in starts.items():
        found = run(
            "capital", given, initial_capital=rule, initial_growth=growth, **options
        )
        expected = [start]
        for _ in years[1:]:
            expected.append(100 + 0.95 * expected[-1])
        np.testing.assert_allclose(found[0], expected, rtol=1e-12)


def test_who_draws_the_frontier():
    grid = Grid(np.array(["1", "2", "3"], dtype=object), YEARS)
    full = np.ones((3, 4))
    hole = full.copy()
    hole[1, 2] = NAN
    investment = run("investment", INVESTMENT, fai_extension="flat")
    given = {
        "grid": grid,
        "cities": pd.DataFrame({"city_id": grid.city_ids, "is_in_nbs_70": [1, 1, 0]}),
        "real_output": full,
        "capital": hole,
        "labour": full,
        "investment": investment,
        "groups": {"municipalities": np.array([True, False, False])},
    }
    options = dict(first_year=2011, last_year=2013)
    window = np.array([False, True, True, True])
    expected = {
        "paper_like": [window, 0 * window, window],
        "nbs_70": [window, 0 * window, 0 * window],
        "all_available": [window, window & ~np.isnan(hole[1]), window],
    }
    assert set(expected) == values_of("study_sample")
    for rule, rows in expected.items():
        found = run("sample", given, study_sample=rule, **options)
        np.testing.assert_array_equal(found.is_in_sample, np.array(rows, dtype=bool))
    left = run("sample", given, excluded_cities=("municipalities",), **options)
    assert not left.is_in_sample[0].any() and left.is_in_sample[2].any()
    early = run("sample", given, first_index_year="from_2010", **options)
    assert early.is_candidate[:, 0].all()


def test_groups_are_declared_over_the_roster():
    cities = pd.DataFrame(
        {
            "city_id": ["1", "2", "3"],
            "is_municipality": [True, False, False],
            "is_provincial_capital": [False, True, False],
        }
    )
    policy = pd.DataFrame({"city_id": ["3", "1", "2"], "batch": [4, 1, None]})
    found = run("groups", {"cities": cities, "policy": policy})
    assert {name: mask.tolist() for name, mask in found.items()} == {
        "municipalities": [True, False, False],
        "batch_4": [False, False, True],
        "provincial_capitals": [False, True, False],
    }


def test_the_outcome_by_its_formula():
    index = pd.DataFrame({"city_id": "1", "year": [2012, 2013]})
    index = index.assign(tfpch=[np.e, 1.0], effch=2.0, techch=3.0)
    index["cumulative_log_tfp"] = [1.0, 1.0]
    given = {
        "index": index,
        "is_capital_assumed": np.zeros((1, 4), dtype=bool),
        "controls": {},
        "exposure": {
            "exposure": row(0, 0, 0, 1),
            "is_in_force": row(0, 0, 0, 1) > 0,
            "is_other": np.array([False]),
            "drops_always_treated": np.array([False]),
            "cohort": np.array([2013]),
            "batch": np.array([1]),
        },
        "cities": pd.DataFrame(
            {
                "region": ["eastern"],
                "is_municipality": [False],
                "is_provincial_capital": [False],
            }
        ),
    }
    expected = {
        "tfpch": [np.e, 1],
        "log_tfpch": [1, 0],
        "effch": [2, 2],
        "techch": [3, 3],
        "cumulative_log_tfp": [1, 1],
    }
    assert set(expected) == values_of("outcome")
    for outcome, numbers in expected.items():
        found = run("panel", given, outcome=outcome)
        np.testing.assert_allclose(found["outcome"], numbers)
    assert found["event_time"].tolist() == [-1, 0] and found["cohort"].eq(2013).all()
    late = run("panel", given, last_year=2012)
    assert late["cohort"].eq(0).all() and late["later_batch"].eq(1).all()


TECHNOLOGY = {
    "orientation", "returns_to_scale", "frontier", "frontier_reference",
    "decomposition",
}  # fmt: skip


def technology():
    """Twelve cities in three years, in two regions."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        [(f"{i:02d}", year) for i in range(12) for year in (2011, 2012, 2013)],
        columns=["city_id", "year"],
    )
    capital, labour = rng.lognormal(size=(2, len(rows)))
    made = np.sqrt(capital * labour) * rng.lognormal(sigma=0.2, size=len(rows))
    return rows.assign(
        region=np.where(rows["city_id"] < "06", "eastern", "western"),
        gdp_real_cny_10k=made,
        capital_real_cny_10k=capital,
        labour=labour,
    )


@pytest.mark.parametrize("option", sorted(TECHNOLOGY))
def test_the_index_under_each_value_of_an_option(option):
    rows, seen = technology(), []
    given = {"technology": rows, "never_treated": frozenset(), "has_scale": True}
    for value in sorted(values_of(option)):
        found = run("index", given, **{option: value})
        name = option.removeprefix("frontier_")
        group = {"group": "region"} if value == "metafrontier" else {}
        direct = malmquist(
            rows, unit="city_id", period="year", outputs=["gdp_real_cny_10k"],
            inputs=["capital_real_cny_10k", "labour"], **{name: value}, **group,
        )  # fmt: skip
        both = found.merge(direct, on=["city_id", "year"], suffixes=("", "_direct"))
        assert len(both) == len(direct) == 24
        for index in ("tfpch", "effch", "techch"):
            np.testing.assert_array_equal(both[index], both[f"{index}_direct"])
        seen.append(found.drop(columns="reason").to_numpy(float, na_value=-1).tobytes())
    # Under constant returns both orientations are one index.
    assert len(set(seen)) >= len(seen) - 1


def test_the_first_index_under_each_value():
    rows = technology()
    given = {"technology": rows, "never_treated": frozenset(), "has_scale": True}
    n = {
        value: len(run("index", given, first_index_year=value))
        for value in values_of("first_index_year")
    }
    # A first index of one adds a row a city; from 2010 on is the sample's affair.
    assert n == {"drop": 24, "one": 36, "from_2010": 24}


def test_who_is_left_out_of_the_regression_and_which_controls_it_has():
    rows = pd.DataFrame(
        {
            "is_municipality": [True, False, False, False],
            "is_provincial_capital": [False, True, False, False],
            "batch": [1, 0, 4, 0],
        }
    )
    left = {
        "none": [False] * 4,
        "municipalities": [True, False, False, False],
        "provincial_capitals": [False, True, False, False],
        "batch_4": [False, False, True, False],
    }
    assert set(left) == values_of("exclusion")
    for value, cities in left.items():
        assert excluded(rows, value).tolist() == cities
    controls = {
        "none": (),
        "paper": ("eco", "ind", "inf", "edu", "sca", "tra", "con"),
        "without_after_treatment": ("ind", "edu", "sca", "tra", "con"),
    }
    assert set(controls) == values_of("controls")
    for value, names in controls.items():
        assert control_names(value) == names


# --------------------------------------------------------------------------- graph


def test_a_result_depends_on_the_options_of_the_steps_before():
    options = GRAPH.options_of("labour")
    assert set(options) == {
        "labour_measure", "imputation", "carry_years", "gdp_vintage"
    }  # fmt: skip
    assert GRAPH.options_of("labour", given=["series"]) == ("labour_measure",)
    assert "labour_measure" not in GRAPH.options_of("capital")
    assert "policy" in GRAPH.sources
    assert takers("last_year") == ("stocks", "sample", "never_treated", "panel")


def takers(option: str) -> tuple[str, ...]:
    """The steps that take an option."""
    return tuple(s.name for s in GRAPH.steps.values() if option in s.takes)


def test_every_option_says_the_step_that_takes_it():
    """An option of a step of the library is taken by that step, and by no earlier."""
    for option in declared().options.values():
        found = set(takers(option.name))
        if option.name in ("first_year", "first_index_year"):
            found |= set(takers("panel_first_year"))
        if option.name == "last_year":
            assert option.step in found
            continue
        if option.step in GRAPH:
            steps = found & {option.step, "stocks"}
            assert steps or option.step == "capital", option.name
        else:
            assert not found, option.name


def test_the_series_of_an_option_are_those_its_steps_read(small_study):
    read = small_study.reads("series", "sample", Options())
    assert set(read) == {
        "gdp_cny_10k", "fai_cny_10k", "real_estate_cny_10k",
        "university_students_persons", "population_persons_10k",
    }  # fmt: skip
    other = Options(fai_extension="flat", labour_measure="employed")
    assert set(small_study.reads("series", "sample", other)) == {
        "gdp_cny_10k", "fai_cny_10k", "unit_employment_persons_10k",
        "private_employment_persons",
    }  # fmt: skip
    prices = Options(investment_deflator="province_investment_price")
    assert set(small_study.reads("provinces", "sample", prices)) == {
        GDP_DEFLATOR, INVESTMENT_PRICE
    }  # fmt: skip


def test_a_result_given_takes_the_place_of_its_step(small_study):
    doubled = {k: 2 * v for k, v in small_study.readings(Options()).items()}
    found = small_study.instead(readings=doubled).real_output(Options())
    np.testing.assert_allclose(found, 2 * small_study.real_output(Options()))


def test_copies_side_by_side_are_the_cities(small_study):
    rows = [3, 0, 3]
    copies = small_study.side_by_side(
        rows,
        ["a", "b", "c"],
        readings={k: v[rows] for k, v in small_study.readings(Options()).items()},
    )
    for name in ("real_output", "capital", "labour"):
        ours, theirs = copies.get(name), small_study.get(name)
        np.testing.assert_array_equal(ours, theirs[rows])


def test_a_deleted_reading_leaves_the_next_sources(small_study):
    options = Options()
    there = small_study.grid.city_at["110010"]
    year = 2012 - 2010
    province = small_study.sources.province_series
    figure = province.loc[
        (province["province_id"] == "110000")
        & (province["year"] == 2012)
        & (province["indicator"] == "GDP"),
        "value",
    ].item()
    without = small_study.with_cell("110010", 2012, "gdp_cny_10k", "yearbook", None)
    assert without.readings(options)["gdp_cny_10k"][there, year] == 10000 * figure
    assert small_study.reading_with(
        "110010", 2012, "gdp_cny_10k", "yearbook", None, options
    ) == pytest.approx(10000 * figure)
    moved = small_study.with_province_value("110000", 2012, "GDP", 5.0)
    without = moved.with_cell("110010", 2012, "gdp_cny_10k", "yearbook", None)
    assert without.readings(options)["gdp_cny_10k"][there, year] == 50000


def test_formulas_name_what_they_read():
    made = formula("(a + b) / (10000 * c)")
    assert made.names == ("a", "b", "c")
    found = made({"a": row(1), "b": row(2), "c": row(3)})
    assert found.item() == 3 / 30000
    assert formula("not x")({"x": np.array([True, False])}).tolist() == [False, True]
    assert formula("r == 'east'")({"r": np.array(["east", "west"])}).tolist() == [
        True, False
    ]  # fmt: skip
    np.testing.assert_array_equal(
        formula("log(x)")({"x": row(100, 0)}, log_base="10"), row(2, NAN)
    )


BOTH_WAYS = [
    "a + 1", "-a / (10000 * b)", "a - b * 2.5", "ln(a)", "log10(a / b)", "a == 2",
    "a != b", "not a > 1", "a <= 2", "name == 'east'",
]  # fmt: skip


@pytest.mark.parametrize("text", BOTH_WAYS)
def test_arithmetic_in_memory_is_that_of_duckdb(text):
    series = {
        "a": np.array([[1.0, 2, 3], [-4, 0.1, 1e9]]),
        "b": np.array([[3.0, 7, 9], [1, 0.3, 2]]),
        "name": np.array(
            [["east", "west", "east"], ["west", "", "east"]], dtype=object
        ),
    }
    made = formula(text)
    there = formulas.evaluate(
        pd.DataFrame({name: table.ravel() for name, table in series.items()}),
        {"value": text},
    )
    ours = np.asarray(made(series), dtype=float).ravel()
    np.testing.assert_array_equal(ours, there["value"].astype(float))


def test_what_is_more_than_arithmetic_is_duckdbs():
    table = np.array([[1.0, 2, NAN], [0, 5, 6]])
    series = {"a": table}
    assert formula("case when a > 1 then a else 0 end")(series).tolist() == [
        [0, 2, 0], [0, 5, 6]
    ]  # fmt: skip
    np.testing.assert_array_equal(formula("coalesce(a, 3) ** 2")(series)[0], [1, 4, 9])
    # A condition that is not known is not met.
    assert formula("a between 2 and 5")(series).tolist() == [
        [False, True, False], [False, True, False]
    ]  # fmt: skip
    said = "abs(log(a)) + 0 * length"
    found = {
        base: formula(said)(series | {"length": np.ones(3)}, log_base=base)[0, 1]
        for base in ("10", "e")
    }
    assert found == {"10": np.log10(2), "e": np.log(2)}
    with pytest.raises(OptionError, match="previous needs the rows of a panel"):
        formula("previous(a)")


def test_a_study_survives_pickling(small_study):
    import pickle

    capital = small_study.capital(Options())
    again = pickle.loads(pickle.dumps(small_study))
    assert isinstance(again, Study)
    np.testing.assert_array_equal(again.capital(Options()), capital)
    options = Options(labour_measure="employed")
    assert pickle.loads(pickle.dumps(options)) == options
