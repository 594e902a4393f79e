"""Where a cell goes: which published tables, and which of their columns, contain it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

# Which control each yearbook variable enters; inf follows investment.
CONTROLS = {
    "gdp_cny_10k": ("eco", "tra"),
    "secondary_cny_10k": ("ind",),
    "tertiary_cny_10k": ("ind",),
    "fai_cny_10k": ("inf",),
    "education_expenditure_cny_10k": ("edu",),
    "fiscal_expenditure_cny_10k": ("edu",),
    "population_persons_10k": ("sca",),
    "area_km2": ("sca",),
    "imports_cny_10k": ("tra",),
    "exports_cny_10k": ("tra",),
    "retail_sales_cny_10k": ("con",),
}
LABOUR = {
    "university_share": ("university_students_persons", "population_persons_10k"),
    "student_share": (
        "university_students_persons",
        "vocational_students_persons",
        "population_persons_10k",
    ),
    "students": ("university_students_persons",),
    "employed": ("unit_employment_persons_10k", "private_employment_persons"),
}
ALL = "all_variables"
# Growth of investment behind the initial stock runs over these years.
INITIAL_GROWTH_YEARS = (2011, 2014)
BASE_YEAR = 2011
INPUTS = ("output", "capital", "labour")
# Their columns in fct_city_years.
COLUMNS = {
    "output": "gdp_real_cny_10k",
    "capital": "capital_real_cny_10k",
    "labour": "labour",
}


@dataclass(frozen=True)
class Use:
    """What a cell enters, by city and year.

    inputs : set of (input, city_id, year)
    controls : set of (control, city_id, year)
    variants : names of other variants whose output or index it enters
    """

    inputs: frozenset[tuple[str, str, int]]
    controls: frozenset[tuple[str, str, int]]
    variants: frozenset[str]


@dataclass(frozen=True)
class Study:
    """The sample and the options that decide what a cell enters.

    Attributes
    ----------
    years : dict of city_id to sorted years in the sample
    region, municipality : dict by city_id
    controls : frozenset of controls with data in every index year of the sample
    options : dict, those of the headline
    other_outputs : dict of variant to its option real_gdp
    last_investment : dict of city_id to its last year of published investment
    provinces : dict of province_id to the city codes of the sample
    """

    years: dict[str, tuple[int, ...]]
    region: dict[str, str]
    municipality: dict[str, bool]
    controls: frozenset[str]
    options: dict[str, object]
    other_outputs: dict[str, str]
    last_investment: dict[str, int]
    provinces: dict[str, tuple[str, ...]]

    def index_years(self, city_id: str) -> set[int]:
        """Years with a growth index: those whose year before is in the sample too."""
        years = set(self.years.get(city_id, ()))
        if self.options.get("first_index_year") == "one":
            return years
        return {year for year in years if year - 1 in years}


def as_study(
    sample: pd.DataFrame,
    variants: pd.DataFrame,
    used: pd.DataFrame,
    cities: pd.DataFrame,
) -> Study:
    """Gather what decides a cell's use.

    Parameters
    ----------
    sample : DataFrame
        City-years of the headline: city_id, year, region, is_municipality and the
        controls.
    variants : DataFrame
        One row per variant: variant, real_gdp, labour_measure, fai_extension,
        investment_deflator, first_index_year.
    used : DataFrame
        city_id, year, variable, value, origin: what the warehouse uses in each cell.
    cities : DataFrame
        city_id, province_id.
    """
    sample = sample.sort_values(["city_id", "year"])
    years = {
        city_id: tuple(int(year) for year in rows)
        for city_id, rows in sample.groupby("city_id")["year"]
    }
    first = sample.drop_duplicates("city_id").set_index("city_id")
    headline = variants.loc[variants["variant"] == "headline"].iloc[0].to_dict()
    names = sorted({name for names in CONTROLS.values() for name in names})
    inner = sample.loc[sample["year"] > sample["year"].min()]
    by_year = inner.groupby("year")[[n for n in names if n in sample]].count()
    usable = frozenset(name for name in by_year if (by_year[name] > 0).all())
    investment = used.loc[
        (used["variable"] == "fai_cny_10k")
        & used["origin"].isin(["reported", "other_source", "corrected"])
    ]
    last = investment.groupby("city_id")["year"].max()
    members = cities.loc[cities["city_id"].isin(years)]
    return Study(
        years=years,
        region=first["region"].to_dict(),
        municipality=first["is_municipality"].astype(bool).to_dict(),
        controls=usable,
        options=headline,
        other_outputs=dict(
            variants.loc[
                variants["variant"] != "headline", ["variant", "real_gdp"]
            ].itertuples(index=False, name=None)
        ),
        last_investment={city: int(year) for city, year in last.items()},
        provinces={
            province_id: tuple(rows)
            for province_id, rows in members.groupby("province_id")["city_id"]
        },
    )


def uses_of_cell(study: Study, city_id: str, year: int, variable: str) -> Use:
    """Inputs and controls that one cell of the yearbook enters."""
    years = study.years.get(city_id, ())
    inputs: set[tuple[str, str, int]] = set()
    variants: set[str] = set()
    here = [y for y in years if y == year]
    later = [y for y in years if y >= year]
    after = [y for y in years if y > year]
    for variant, real_gdp in [
        ("headline", study.options["real_gdp"]),
        *study.other_outputs.items(),
    ]:
        touched = _output(variable, year, str(real_gdp), years, here, later)
        if variant == "headline":
            inputs |= {("output", city_id, y) for y in touched}
        elif touched and str(real_gdp) != str(study.options["real_gdp"]):
            variants.add(variant)
    touched = _capital(study, city_id, year, variable, years, later, after)
    inputs |= {("capital", city_id, y) for y in touched}
    if variable in LABOUR[str(study.options["labour_measure"])]:
        inputs |= {("labour", city_id, y) for y in here}
    controls = {(name, city_id, y) for name in CONTROLS.get(variable, ()) for y in here}
    if variable == "real_estate_cny_10k":
        controls |= {
            ("inf", city_id, y) for y in _extended(study, city_id, year, years)
        }
    return Use(frozenset(inputs), frozenset(controls), frozenset(variants))


def _output(variable, year, real_gdp, years, here, later) -> list[int]:
    if real_gdp == "city_growth":
        if variable == "gdp_growth_pct":
            return later
        if variable == "gdp_cny_10k":
            return list(years) if year == BASE_YEAR else []
        return []
    return here if variable == "gdp_cny_10k" else []


def _extended(study: Study, city_id: str, year: int, years) -> list[int]:
    """Years whose assumed investment follows real-estate investment of `year`."""
    if study.options["fai_extension"] not in (
        "real_estate",
        "province_then_real_estate",
    ):
        return []
    last = study.last_investment.get(city_id)
    if last is None or year < last:
        return []
    return (
        [y for y in years if y > last]
        if year == last
        else [y for y in years if y == year]
    )


def _capital(study, city_id, year, variable, years, later, after) -> list[int]:
    if variable == "fai_cny_10k":
        if year > study.last_investment.get(city_id, -1):
            return []
        # The growth rate behind the initial stock carries these cells to every year.
        return list(years) if year in INITIAL_GROWTH_YEARS else later
    if variable == "real_estate_cny_10k":
        extended = _extended(study, city_id, year, years)
        return [y for y in years if y >= min(extended)] if extended else []
    return []


def uses_of_province(study: Study, province_id: str, year: int, variable: str) -> Use:
    """Inputs that one cell of the province table enters, in all its cities."""
    inputs: set[tuple[str, str, int]] = set()
    variants: set[str] = set()
    for city_id in study.provinces.get(province_id, ()):
        years = study.years[city_id]
        here = [y for y in years if y == year]
        later = [y for y in years if y >= year]
        if variable in ("GDP", "GDPIDX"):
            # A growth rate moves the deflator of its year and all later ones.
            moved = later if variable == "GDPIDX" else here
            if study.options["real_gdp"] == "province_deflator":
                inputs |= {("output", city_id, y) for y in moved}
            else:
                variants |= {
                    name
                    for name, real in study.other_outputs.items()
                    if real == "province_deflator"
                }
            if study.options["investment_deflator"] == "province_gdp_deflator":
                inputs |= {("capital", city_id, y) for y in later}
        if (
            variable == "FAIPI"
            and study.options["investment_deflator"] == "province_investment_price"
        ):
            inputs |= {("capital", city_id, y) for y in later}
        if (
            variable == "FAI"
            and (
                study.municipality[city_id]
                or study.options["fai_extension"] == "province_then_real_estate"
            )
            and year >= study.last_investment.get(city_id, 10**4)
        ):
            inputs |= {("capital", city_id, y) for y in later}
    return Use(frozenset(inputs), frozenset(), frozenset(variants))


def together(uses: Iterable[Use]) -> Use:
    """The union of several cells' uses."""
    inputs: set = set()
    controls: set = set()
    variants: set = set()
    for use in uses:
        inputs |= use.inputs
        controls |= use.controls
        variants |= use.variants
    return Use(frozenset(inputs), frozenset(controls), frozenset(variants))


def touches(study: Study, use: Use) -> str:
    """Published places that contain a cell, "; " between tables.

    A growth index compares a year with the one before: an input of year y is in the
    indices of y and y + 1. A control is in the regressions that have it, of its year.
    """
    sample = {(c, y) for c, years in study.years.items() for y in years}
    inputs = {(c, y) for _, c, y in use.inputs}
    controls = {(name, c, y) for name, c, y in use.controls if (c, y) in sample}
    indices = {
        (c, t) for c, y in inputs for t in (y, y + 1) if t in study.index_years(c)
    }
    regressed = {(c, y) for name, c, y in controls if name in study.controls}
    places = []
    capital = {(c, y) for name, c, y in use.inputs if name == "capital"}
    if inputs or controls:
        columns = [
            COLUMNS[name] for name in INPUTS if name in {n for n, *_ in use.inputs}
        ]
        columns += sorted({name for name, *_ in controls})
        places.append(f"fct_city_years: {', '.join(columns)}")
    if capital:
        places.append(f"fct_capital_stocks: {_years(capital)}")
    if indices:
        places.append(f"fct_tfp_changes: {_years(indices)}")
    if indices or controls:
        places.append("rpt_descriptives")
    tables = _tables(study, indices, regressed)
    if tables:
        places.append(f"rpt_regressions: {', '.join(tables)}")
    if indices:
        places.append("rpt_event_study")
    places += [f"rpt_regressions: variant {name}" for name in sorted(use.variants)]
    return "; ".join(places)


def _tables(study: Study, indices: set, regressed: set) -> list[str]:
    """Columns of Tables 3 to 5 whose rows contain an index or a control."""
    with_index = {(c, y) for c, y in regressed if y in study.index_years(c)}
    rows = indices | with_index
    if not rows:
        return []
    tables = ["Table 3 (1)-(2)" if indices else "Table 3 (2)"]
    regions = sorted({study.region[c] for c, _ in rows})
    tables.append(f"Table 4 {', '.join(regions)}")
    last = []
    for column, ahead in ((1, 1), (2, 2)):
        outcome = any(y - ahead in study.index_years(c) for c, y in indices)
        control = any(y + ahead in study.index_years(c) for c, y in with_index)
        if outcome or control:
            last.append(column)
    if any(not study.municipality[c] for c, _ in rows):
        last.append(3)
    if last:
        run = len(last) > 1 and last[-1] - last[0] == len(last) - 1
        names = [f"({last[0]})-({last[-1]})"] if run else [f"({n})" for n in last]
        tables.append(f"Table 5 {', '.join(names)}")
    return tables


def _years(pairs: set[tuple[str, int]]) -> str:
    years = np.array(sorted({year for _, year in pairs}))
    if len(years) == 1:
        return str(years[0])
    if (np.diff(years) == 1).all():
        return f"{years[0]}-{years[-1]}"
    return ", ".join(map(str, years))
