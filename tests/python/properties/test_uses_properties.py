"""What a finding says its cell touches, against the study computed again without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citypanel.quality.findings.uses import Uses
from citypanel.study.declaration import declared
from citypanel.study.options import Options
from citypanel.study.run import Study

CONTROLS = tuple(declared().controls)
SHAKE = 1.0 + 1 / 512
CASES = {
    "default": {},
    "chained": {"imputation": "growth_chaining"},
    "line": {"imputation": "linear", "carry_years": 1},
    "growth": {"real_gdp": "city_growth", "labour_measure": "employed"},
    "province": {
        "fai_extension": "province_then_real_estate",
        "investment_deflator": "province_investment_price",
        "labour_measure": "students",
    },
    "flat": {"fai_extension": "flat", "initial_growth": "real"},
    "early": {"first_index_year": "from_2010", "study_sample": "all_available"},
    "level": {"first_index_year": "one", "outcome": "cumulative_log_tfp"},
}


def variants_of(choice: dict) -> pd.DataFrame:
    base = {name: Options()[name] for name in Options()} | choice
    other = {"province_deflator": "city_growth"}.get(base["real_gdp"])
    rows = [base | {"variant": "headline"}]
    rows.append(base | {"variant": "other", "real_gdp": other or "province_deflator"})
    rows.append(base | {"variant": "none", "fai_extension": "none", "last_year": 2016})
    return pd.DataFrame(rows)


def tables(study: Study, options: Options) -> dict[str, np.ndarray]:
    return {
        "output": study.real_output(options),
        "capital": study.capital(options),
        "labour": study.labour(options),
        **study.controls(options),
    }


def differs(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return ~np.isclose(old, new, rtol=1e-11, atol=0, equal_nan=True)


def entries(study: Study, changed: Study, options: Options) -> set:
    """Entries of the sample that are not what they were: name, city, year."""
    kept = study.sample(options).is_in_sample
    old, new = tables(study, options), tables(changed, options)
    return {
        (name, study.city_ids[i], int(study.years[t]))
        for name in old
        for i, t in np.argwhere(differs(old[name], new[name]) & kept)
    }


@pytest.fixture(scope="module")
def holed_sources(small_sources):
    """The invented study with published growth and a gap in each kind of series."""
    rng = np.random.default_rng(3)
    cells = small_sources.cells
    growth = cells.loc[cells["variable"] == "gdp_cny_10k"].copy()
    growth["variable"] = "gdp_growth_pct"
    rates = pd.Series(rng.uniform(5, 11, len(growth)), growth.index)
    rates = rates.mask(growth["year"].isin([2013, 2017]))
    for vintage in ("as_published", "revised"):
        growth[f"value__{vintage}"] = rates
        growth[f"source__{vintage}"] = rates.notna().map({True: "yearbook"})
        growth[f"next_source__{vintage}"] = None
        growth[f"next_value__{vintage}"] = np.nan
    holes = (
        (cells["variable"] == "university_students_persons")
        & (cells["year"] == 2015)
        & cells["city_id"].isin(cells["city_id"].unique()[:3])
    ) | (
        (cells["variable"] == "population_persons_10k")
        & (cells["year"] >= 2018)
        & (cells["city_id"] == "320020")
    )
    kept = cells.loc[~holes]
    return replace(small_sources, cells=pd.concat([kept, growth], ignore_index=True))


@pytest.mark.parametrize("choice", CASES.values(), ids=CASES)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_is_said_moves_and_nothing_else(holed_sources, choice, data):
    study = Study(holed_sources)
    variants = variants_of(choice)
    uses = Uses(study, variants)
    cells = holed_sources.cells
    known = cells.loc[cells["source__as_published"] == "yearbook"]
    at = data.draw(st.lists(st.integers(0, len(known) - 1), min_size=6, max_size=6))
    keys = [
        (str(row.city_id), int(row.year), str(row.variable))
        for row in known.iloc[at].itertuples()
    ]
    said = uses.of_cells(keys)
    for key, value in zip(keys, known["value__as_published"].iloc[at], strict=True):
        changed = study.with_cell(*key, "yearbook", SHAKE * value)
        use = said[key]
        moved = entries(study, changed, uses.headline)
        spoken = set(use.inputs) | set(use.controls)
        if choice.get("imputation") == "growth_chaining":
            # A slip of another size may reach others through the median.
            assert moved <= spoken, key
        else:
            assert moved == spoken, key
        assert {n for n, *_ in use.controls} <= set(CONTROLS)
        for name, options in uses.options.items():
            if name == "headline":
                continue
            theirs = entries(study, changed, options)
            own = set()
            mine, other = tables(study, uses.headline), tables(study, options)
            for what, city, year in theirs:
                i, t = list(study.city_ids).index(city), year - int(study.years[0])
                if what not in CONTROLS and differs(
                    mine[what][i, t], other[what][i, t]
                ):
                    own.add((what, city, year))
            assert bool(own) <= (name in use.variants), (key, name)
            if choice.get("imputation") != "growth_chaining":
                assert bool(own) == (name in use.variants), (key, name)


@pytest.mark.parametrize("choice", CASES.values(), ids=CASES)
def test_years_of_an_index_that_is_said_hold_every_index_that_moves(
    holed_sources, choice
):
    study = Study(holed_sources)
    uses = Uses(study, variants_of(choice))
    options = uses.headline
    old = study.index(options).set_index(["city_id", "year"])["tfpch"]
    for key in (
        ("320010", 2013, "gdp_cny_10k"),
        ("110020", 2014, "university_students_persons"),
        ("320030", 2011, "fai_cny_10k"),
    ):
        cells = holed_sources.cells
        value = cells.set_index(["city_id", "year", "variable"])["value__as_published"]
        changed = study.with_cell(*key, "yearbook", SHAKE * value[key])
        new = changed.index(options).set_index(["city_id", "year"])["tfpch"]
        mine = differs(old.loc[key[0]].to_numpy(), new.loc[key[0]].to_numpy())
        moved = set(old.loc[key[0]].index[mine])
        places = dict(
            place.partition(": ")[::2]
            for place in uses.touches(uses.of_cells([key])[key]).split("; ")
        )
        assert moved <= years_in(places.get("fct_tfp_changes", "")), key


def years_in(text: str) -> set[int]:
    found = set()
    for part in filter(None, text.split(", ")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_a_province_figure_moves_what_is_said(holed_sources):
    study = Study(holed_sources)
    for choice in ({}, CASES["province"], CASES["growth"]):
        uses = Uses(study, variants_of(choice))
        for indicator, year in (("GDP", 2014), ("GDPIDX", 2013), ("FAI", 2017)):
            series = holed_sources.province_series
            here = (
                (series["province_id"] == "110000")
                & (series["year"] == year)
                & (series["indicator"] == indicator)
            )
            value = SHAKE * series.loc[here, "value"].item()
            changed = study.with_province_value("110000", year, indicator, value)
            use = uses.of_province("110000", year, indicator)
            said = set(use.inputs) | set(use.controls)
            assert entries(study, changed, uses.headline) == said
