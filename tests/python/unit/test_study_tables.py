"""The build's tables of the steps against the study in memory, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel.study import tables
from citypanel.study.options import Options
from citypanel.study.productivity import tfp_changes

CHOICES = {
    "headline": {},
    "other": {
        "real_gdp": "city_growth",
        "labour_measure": "employed",
        "fai_extension": "flat",
        "investment_deflator": "province_investment_price",
        "initial_growth": "real",
        "exposure_from": "fraction",
        "outcome": "log_tfpch",
        "first_index_year": "one",
        "excluded_cities": ("municipalities",),
    },
    "none": {
        "fai_extension": "none",
        "last_year": 2016,
        "study_sample": "all_available",
        "initial_capital": "ten_percent",
    },
}


@pytest.fixture(scope="module")
def variants() -> pd.DataFrame:
    rows = []
    for order, (name, choice) in enumerate(CHOICES.items(), start=1):
        options = Options(**choice)
        values = {key: options[key] for key in options}
        groups = ", ".join(options.excluded_cities)
        rows.append(
            values
            | {"variant": name, "variant_order": order, "excluded_cities": groups}
        )
    return pd.DataFrame(rows)


def as_numbers(values) -> np.ndarray:
    return pd.to_numeric(values).to_numpy(float, na_value=np.nan)


@pytest.fixture
def built(small_study, variants):
    """Every table of the invented study, each from those before it."""
    sources = small_study.sources
    # The warehouse has a row for every city, year and variable.
    keys = ["city_id", "year", "variable"]
    every = pd.MultiIndex.from_product(
        [small_study.city_ids, small_study.years, sources.variables["variable"]],
        names=keys,
    )
    cells = sources.cells.set_index(keys).reindex(every).reset_index()
    cells["value"] = cells["value__as_published"]
    filled = tables.filled_cells(cells, sources.variables, variants)
    imputed = filled.rename(columns={"value__paper": "value"}).assign(origin="reported")
    places = (imputed, sources.province_series, sources.cities, variants)
    inputs = tables.study_inputs(*places)
    stocks = tables.capital_stocks(inputs, variants)
    sample = tables.study_sample(
        inputs, stocks, sources.cities, sources.policy, variants
    )
    indices = tfp_changes(sample.loc[sample["is_in_sample"]], variants)
    panel = tables.study_panel(
        indices, inputs, sample, sources.cities, sources.policy, variants
    )
    return {
        "filled": filled,
        "alternatives": tables.city_year_inputs(*places),
        "inputs": inputs,
        "sample": sample,
        "panel": panel,
    }


def test_the_tables_are_the_study_in_memory(small_study, built):
    for name, choice in CHOICES.items():
        options = Options(**choice)
        of = {
            k: v.loc[v["variant"] == name] for k, v in built.items() if "variant" in v
        }
        inputs = of["inputs"].sort_values(["city_id", "year"])
        for column, table in {
            "gdp_real_cny_10k": small_study.real_output(options),
            "investment_real_cny_10k": small_study.investment(options).real,
            "labour": small_study.labour(options),
            **small_study.controls(options),
        }.items():
            np.testing.assert_array_equal(as_numbers(inputs[column]), table.ravel())
        sample = small_study.sample(options)
        kept = sample.is_candidate
        drawn = of["sample"].sort_values(["city_id", "year"])
        for column in ("is_in_sample", "is_capital_assumed", "has_labour"):
            ours = getattr(sample, column)[kept]
            np.testing.assert_array_equal(drawn[column].to_numpy(bool), ours)
        out = drawn.loc[drawn["excluded_as"] != ""]
        assert set(out["city_id"]) == ({"110010"} if name == "other" else set())
        panel = small_study.panel(options)
        theirs = of["panel"]
        assert list(theirs["city_id"]) == list(panel["city_id"])
        for column in (
            "outcome",
            "sydid",
            "cohort",
            "event_time",
            "later_batch",
            "inf",
        ):
            np.testing.assert_array_equal(
                as_numbers(theirs[column]), as_numbers(panel[column]), err_msg=column
            )


def test_every_alternative_of_an_input_is_a_column(small_study, built):
    frame = built["alternatives"].sort_values(["city_id", "year"])
    found = {}
    for option, name in (
        ("real_gdp", "gdp_real_cny_10k"),
        ("labour_measure", "labour"),
    ):
        step = {"real_gdp": "real_output", "labour_measure": "labour"}[option]
        for value in tables.declared().options[option].permitted:
            options = Options(**{option: value})
            found[f"{name}__{value}"] = small_study.get(step, options)
    for rule in tables.declared().options["fai_extension"].permitted:
        for price in tables.declared().options["investment_deflator"].permitted:
            options = Options(fai_extension=rule, investment_deflator=price)
            column = f"investment_real_cny_10k__{rule}__{price}"
            found[column] = small_study.investment(options).real
    for column, table in found.items():
        np.testing.assert_array_equal(as_numbers(frame[column]), table.ravel(), column)
    assert {c for c in frame if "__" in c} == set(found)
    assert "inf" not in frame and {"eco", "tra"} <= set(frame)


def test_a_filled_cell_says_what_it_was_filled_from(built):
    cells = built["filled"].set_index(["city_id", "year", "variable"])
    gap = cells.loc[("110040", 2014, "gdp_cny_10k")]
    assert (gap["setting"], gap["year_before"], gap["year_after"]) == (
        "interior", 2013, 2015
    )  # fmt: skip
    end = cells.loc[("110050", 2019, "real_estate_cny_10k")]
    assert (end["setting"], end["year_before"]) == ("end", 2017)
    assert pd.isna(end["year_after"]) and pd.isna(end["value__none"])
    # Total investment is never carried, and growth of output never filled.
    late = cells.loc[("110040", 2018, "fai_cny_10k")]
    assert pd.isna(late["setting"]) and pd.isna(late["value__paper"])
    assert cells.xs("gdp_growth_pct", level="variable")["setting"].isna().all()


def test_errors_of_the_rules_by_hand(variants):
    years = list(range(2010, 2016))
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    cells = pd.DataFrame(
        {"city_id": "1", "year": years, "variable": "x", "value": values}
    )
    rules = pd.DataFrame({"variable": ["x"], "gap_rule": ["mean_carry"]})
    frame = tables.imputation_errors(cells, rules, variants)

    def error(rule, gap, setting):
        rows = frame.loc[
            (frame["imputation"] == rule)
            & (frame["gap_years"] == gap)
            & (frame["setting"] == setting)
        ]
        found = rows["abs_log_errors"].explode()
        assert rows["n_cells"].sum() == len(found)
        return sorted(round(float(v), 12) for v in found)

    # Masked, 2 is the mean of 1 and 4, and so on; the ends are carried from beside.
    assert error("paper", 1, "interior") == [round(np.log(1.25), 12)] * 4
    assert error("paper", 1, "end") == [round(np.log(2), 12)] * 2
    assert error("growth_chaining", 1, "interior") == [0.0] * 4
    # With the years beside it masked too, 4 is the mean of 1 and 16.
    assert error("paper", 3, "interior") == [round(np.log(8.5 / 4), 12)] * 2
    assert error("linear", 3, "interior") == [round(np.log(8.5 / 4), 12)] * 2
    assert error("paper", 3, "end") == [round(np.log(4), 12)] * 2
