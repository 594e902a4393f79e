"""What every test of the library shares."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from citypanel import progress
from citypanel.errors import WarehouseError
from citypanel.identity import refuse_other_code

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared"


def pytest_configure():
    """Refuse to test another checkout's library, as a copied .venv would."""
    try:
        refuse_other_code(PROJECT)
    except WarehouseError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_addoption(parser):
    parser.addoption(
        "--write-validation",
        action="store_true",
        help="write docs/validation.md from the figures compared in this run",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file of tests stays in one process, and so does the folder `reference`.

    The last of the reference tests counts what all of them compared.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            folder = path.rpartition("/")[0]
            return folder if folder.endswith("reference") else path

    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """Begin with the build of the functional tests and, beside it, the reference."""
    folders = [item.path.parent.name for item in items]
    if "functional" in folders:
        first = items[folders.index("functional")].path
        items.sort(key=lambda i: (i.path != first, i.path.parent.name != "reference"))


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of this checkout."""
    return PROJECT


@pytest.fixture
def seeded(project, tmp_path) -> Path:
    """A folder with the project's seeds, for importers to read and write."""
    root = tmp_path / "seeded"
    shutil.copytree(project / "seeds", root / "seeds")
    shutil.copy(project / "dbt_project.yml", root)
    return root


@pytest.fixture(scope="session")
def raw_files() -> Path:
    """Other people's tables, read in place; absent for most users."""
    folder = SHARED / "data" / "raw_files"
    if not folder.is_dir():
        pytest.skip("other people's tables (../shared/data/raw_files) are not shipped")
    return folder


@pytest.fixture(scope="session")
def small_parts():
    """An invented study: 10 cities of 2 provinces, 5 of them treated.

    Its sources, the readings behind them and the order in which those are read.
    """
    import numpy as np
    import pandas as pd
    from tests.support.study_sources import dated, reconciled

    from citypanel.study.run import Sources

    rng = np.random.default_rng(7)
    years = range(2010, 2020)
    cities = pd.DataFrame(
        {
            "city_id": [f"{p}0{k:02d}0" for p in (11, 32) for k in range(1, 6)],
        }
    )
    cities["province_id"] = cities["city_id"].str[:2] + "0000"
    cities["city_en"] = [f"City {k}" for k in range(len(cities))]
    cities["region"] = np.where(cities["province_id"] == "110000", "central", "eastern")
    cities["is_municipality"] = cities["city_id"] == "110010"
    cities["is_provincial_capital"] = cities["is_municipality"]
    cities["is_in_nbs_70"] = True
    series = []
    for province in cities["province_id"].unique():
        level = rng.uniform(2e4, 4e4)
        for year in years:
            growth = rng.uniform(106, 110)
            level *= growth / 100 * rng.uniform(1.0, 1.03)
            for indicator, value in (
                ("GDP", level),
                ("GDPIDX", growth),
                ("FAI", 0.6 * level if year <= 2017 else np.nan),
                ("FAIPI", rng.uniform(99, 103)),
            ):
                series.append((province, year, indicator, value))
    province_series = pd.DataFrame(
        series, columns=["province_id", "year", "indicator", "value"]
    )
    province_series = province_series.dropna(ignore_index=True)
    rows = []
    for k, city in enumerate(cities["city_id"]):
        size = rng.lognormal(0, 0.6)
        noise = rng.normal(0, 0.04, (10, 5))
        for t, year in enumerate(years):
            figures = {
                "gdp_cny_10k": 2e7 * size * 1.1**t * np.exp(noise[t, 0]),
                "fai_cny_10k": 1.2e7 * size * 1.12**t * np.exp(3 * noise[t, 1]),
                "real_estate_cny_10k": 3e6 * size * 1.1**t * np.exp(3 * noise[t, 2]),
                "university_students_persons": 1e5 * size**0.5 * np.exp(noise[t, 3]),
                "population_persons_10k": 500 * size * np.exp(0.1 * noise[t, 4]),
                "unit_employment_persons_10k": 80 * size * 1.02**t,
                "private_employment_persons": 9e5 * size * np.exp(noise[t, 3]),
                "retail_sales_cny_10k": 8e6 * size * 1.1**t,
            }
            if year > 2016:
                figures["fai_cny_10k"] = np.nan
            if k == 3 and year == 2014:
                figures["gdp_cny_10k"] = np.nan
            if k == 4 and year >= 2018:
                figures["real_estate_cny_10k"] = np.nan
            rows += [(city, year, name, "yearbook", v) for name, v in figures.items()]
    cells = pd.DataFrame(
        rows, columns=["city_id", "year", "variable", "source", "value"]
    )
    own = province_series.loc[
        (province_series["province_id"] == "110000")
        & province_series["indicator"].isin(["GDP", "FAI"])
    ]
    own = own.assign(
        city_id="110010",
        variable=own["indicator"].map({"GDP": "gdp_cny_10k", "FAI": "fai_cny_10k"}),
        source="province",
        value=10000 * own["value"],
    )
    cells = pd.concat([cells, own[cells.columns]], ignore_index=True)
    zones = pd.DataFrame(
        {
            "city_id": cities["city_id"].iloc[[0, 2, 5, 6, 9]].to_numpy(),
            "batch": [1, 2, 2, 2, 3],
            "approval_date": pd.to_datetime(
                ["2015-03-07", *["2016-01-06"] * 3, "2018-07-24"]
            ),
        }
    )
    names = [
        "gdp_cny_10k", "fai_cny_10k", "real_estate_cny_10k",
        "university_students_persons", "population_persons_10k",
        "unit_employment_persons_10k", "private_employment_persons",
        "retail_sales_cny_10k", "secondary_cny_10k", "tertiary_cny_10k", "area_km2",
        "gdp_growth_pct", "imports_cny_10k", "exports_cny_10k",
        "fiscal_expenditure_cny_10k", "education_expenditure_cny_10k",
        "vocational_students_persons",
    ]  # fmt: skip
    variables = pd.DataFrame({"variable": names, "kind": "yearbook"})
    variables["province_indicator"] = variables["variable"].map(
        {"gdp_cny_10k": "GDP", "fai_cny_10k": "FAI", "gdp_growth_pct": "GDPIDX"}
    )
    rules = {"gdp_growth_pct": "none", "fai_cny_10k": "mean"}
    variables["gap_rule"] = variables["variable"].map(rules).fillna("mean_carry")
    precedence = pd.DataFrame(
        [
            (name, "as_published", source, order)
            for name in ("gdp_cny_10k", "fai_cny_10k")
            for order, source in enumerate(("yearbook", "province"), start=1)
        ],
        columns=["variable", "gdp_vintage", "source", "precedence"],
    )
    sources = Sources(
        reconciled(cells, precedence),
        province_series,
        cities,
        dated(zones, cities["city_id"], years),
        variables,
    )
    return sources, cells, precedence


@pytest.fixture(scope="session")
def small_sources(small_parts):
    """Sources of the invented study."""
    return small_parts[0]


@pytest.fixture
def small_study(small_sources):
    """The invented study, with nothing computed yet."""
    from citypanel.study.run import Study

    return Study(small_sources)


@pytest.fixture
def slow_clock(monkeypatch):
    """Every look at the clock is three seconds later."""
    moments = itertools.count(0.0, 3.0)
    monkeypatch.setattr(
        progress.tracked, "__kwdefaults__", {"clock": lambda: next(moments)}
    )
