"""Influences on the shipped figures, against full recomputations by the plain route."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.frontier import malmquist
from citypanel.influence.cell_changes import seed_cells
from citypanel.influence.changed_plans import Change
from citypanel.influence.experiments import _cells, _planned
from citypanel.influence.headline import Headline
from citypanel.influence.tables import headline_of
from citypanel.study.estimation import estimate
from citypanel.study.sources import SOURCE_TABLES

MARTS = [
    "rpt_influence",
    "rpt_frontier_carriers",
    "rpt_frontier_alternatives",
    "rpt_assumed_bounds",
    "rpt_index_uncertainty",
    "rpt_yardsticks",
]


#: Names on the method page where they are not the table's.
PAGE_NAMES = {
    "carriers out of the frontier": "all six carriers out of the frontier",
    "carriers out of the sample": "all six out of the sample",
    "order-alpha, alpha = 0.90": "order-alpha, 0.90",
    "order-alpha, alpha = 0.95": "order-alpha, 0.95",
    "clustered by city": "clustered by city (the usual one)",
    "clustered by city and year": "clustered by city and year (eight years are few)",
}


@pytest.fixture(scope="module")
def method_page(project) -> str:
    path = project / "docs" / "method" / "influence.md"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def influenced(built, tmp_path_factory):
    """A project built with the option."""
    copy = built.copy(tmp_path_factory.mktemp("influence") / "project")
    result = copy.dbt("build", "--vars", "{influence: true}")
    assert result.returncode == 0, result.stdout
    return copy.published_by(result)


@pytest.fixture(scope="module")
def headline(built) -> Headline:
    tables = {
        name: built.query(f"from {table}") for name, table in SOURCE_TABLES.items()
    }
    variants = built.query("from marts.dim_study_variants")
    study, options, _ = headline_of(tables, variants)
    return Headline(study, options)


class Refs:
    """What a Python model calls `dbt`: refs are a file's tables, with `select`."""

    def __init__(self, file):
        self.file = file

    def ref(self, name: str):
        found = self.file.query(
            "select table_schema from information_schema.tables "
            f"where table_name = '{name}'"
        )
        (schema,) = found["table_schema"]
        return Columns(self.file.query(f"from {schema}.{name}"))


class Columns(pd.DataFrame):
    def select(self, *names: str) -> pd.DataFrame:
        return pd.DataFrame(self[list(names)])


def test_the_model_reads_what_the_seeds_figures_need(built, headline, project):
    path = project / "python_models" / "estimates" / "influence" / "est_influence.py"
    model: dict = {}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), model)
    model["in_worker"] = lambda function, *arguments: arguments
    tables, variants, _ = model["model"](Refs(built), None)
    study, options, _ = headline_of(tables, variants)
    pd.testing.assert_frame_equal(
        seed_cells(Headline(study, options)), seed_cells(headline)
    )


def test_the_headline_is_the_published_one(built, headline):
    published = built.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    ).iloc[0]
    result = headline.result
    assert result.estimate == pytest.approx(published["estimate"], abs=1e-13)
    assert result.std_error == pytest.approx(published["std_error"], abs=1e-13)
    assert result.n_obs == published["n_obs"]
    index = built.query(
        "select avg(tfpch) as mean, stddev(tfpch) as std_dev, max(tfpch) as maximum "
        "from marts.fct_tfp_changes"
    ).iloc[0]
    assert result.mean == pytest.approx(index["mean"], abs=1e-12)
    assert result.std_dev == pytest.approx(index["std_dev"], abs=1e-12)
    assert result.maximum == pytest.approx(index["maximum"], abs=1e-12)


def test_changed_figures_against_the_whole_study(headline):
    """A figure of every series, deleted and slipped, by a study of its own."""
    study, cells = headline.study, seed_cells(headline)
    some = cells.loc[cells["year"].isin([2012, 2016])]
    some = pd.concat(
        part.sample(1, random_state=8) for _, part in some.groupby("variable")
    )
    planned = _planned(some, ["seed_cell", "slip"], [10.0])
    found = _cells(headline, planned)
    for row in found.itertuples():
        new = None if row.kind == "seed_cell" else 10 * row.value
        if row.scope == "yearbook":
            key = (row.unit, row.year, row.variable, "yearbook")
            changed = study.with_cell(*key, new)
        else:
            changed = study.with_province_value(row.unit, row.year, row.variable, new)
        plain = estimate(changed, headline.options)
        for name in ("estimate", "std_error", "mean", "std_dev", "maximum"):
            assert getattr(row, name) == pytest.approx(
                getattr(plain, name), rel=1e-10, abs=1e-12
            ), row


def test_a_city_out_of_the_sample_by_the_plain_route(headline):
    plans = headline.plans
    i = list(plans.cities).index("440300")
    result = headline.changed(Change.without(plans, i))
    rows = plans.frame()
    frame = malmquist(
        rows.loc[rows["city_id"] != "440300"],
        unit="city_id",
        period="year",
        outputs=["gdp_real_cny_10k"],
        inputs=["capital_real_cny_10k", "labour"],
    )
    panel = headline.study.panel(headline.options)[["city_id", "year", "sydid"]]
    fitted = did.twfe(
        frame.merge(panel, on=["city_id", "year"]),
        outcome="tfpch",
        treatment="sydid",
        unit="city_id",
        period="year",
    ).iloc[0]
    assert result.estimate == pytest.approx(fitted["estimate"], abs=1e-12)
    assert result.std_error == pytest.approx(fitted["std_error"], abs=1e-12)


def test_a_plain_build_has_of_influences_the_frontiers_of_others(built):
    held = {f"marts.{name}" for name in MARTS} & set(built.fingerprints())
    assert held == {"marts.rpt_frontier_alternatives"}
    found = built.query("from marts.rpt_frontier_alternatives")
    assert len(found) == 3 and found["n_obs"].nunique() == 1


def test_the_method_page_quotes_the_published_headline(built, headline, method_page):
    row = built.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    ).iloc[0]
    text = " ".join(method_page.split())
    assert (
        f"The headline is one number, {row['estimate']:.4f} ({row['std_error']:.4f}), "
        f"over {row['n_obs']} city-years of {row['n_cities']} cities, "
        f"made of {len(seed_cells(headline)):,} published figures"
    ) in text
    assert (
        f"{100 * row['assumed_share']:.0f} per cent of the treated city-years" in text
    )
    result = headline.result
    said = f"On these figures they are {result.std_dev:.3f} and {result.maximum:.3f}."
    assert said in text


def rows_on_the_page(tables: dict[str, pd.DataFrame], names: dict) -> list[str]:
    """The method page's tables and counts as the marts have them."""
    influences = tables["rpt_influence"]
    base = influences.loc[influences["kind"] == "headline"].iloc[0]
    deleted = influences.loc[
        influences["kind"].isin(["city", "city_year", "seed_cell"])
    ]
    flips = int((deleted["estimate"] * base["estimate"] < 0).sum())
    slips = influences.loc[
        (influences["kind"] == "slip") & influences["estimate"].notna()
    ]
    size = slips["change_in_std_errors"].abs()
    of_output = size.loc[slips["variable"] == "gdp_cny_10k"].mean()
    units = deleted.loc[deleted["kind"].isin(["city", "city_year"])]
    largest = units["change_in_std_errors"].abs().max()
    found = [
        f"{flips or 'None'} of {len(deleted):,} deletions changes the sign",
        f"moves the estimate by more than {np.ceil(100 * largest) / 100:.2f} standard",
        f"estimate by {of_output:.1f} standard errors on average; "
        f"{100 * (size > 1.96).mean():.0f} per cent of all {len(slips):,} slips",
    ]
    for row in slips.loc[size.nlargest(10).index].itertuples():
        figure = "GDP" if row.scope == "province" else "output"
        assert row.variable in ("GDP", "gdp_cny_10k")
        where = " (province)" if row.scope == "province" else ""
        found.append(
            f"| {names[row.unit]}, {figure} {row.year}{where} | {row.origin} | "
            f"{row.factor:g} | {row.estimate:.3f} | {row.change_in_std_errors:+.1f} | "
            f"{row.mean:.3f} | {row.std_dev:.3f} | {row.maximum:.2f} |"
        )
    carried = tables["rpt_frontier_carriers"].sort_values(
        ["year", "weight"], ascending=[True, False]
    )
    first = carried.loc[carried["year"] == carried["year"].min()]
    shares = [
        f"{names[row.city_id]} {100 * row.weight:.0f}" for row in first.itertuples()
    ]
    found.append(f"({', '.join([shares[0] + ' per cent', *shares[1:]])})")
    for row in tables["rpt_frontier_alternatives"].itertuples():
        cells = (
            f"{row.estimate:.4f} | {row.std_error:.4f} | "
            f"{row.headline_same_rows:.4f} | {row.mean:.3f} | {row.n_obs} | "
            f"{row.n_cities} | {row.n_beyond_frontier} | {row.n_infeasible} |"
        )
        if not row.alternative.startswith("without "):
            name = PAGE_NAMES.get(row.alternative, row.alternative)
            found.append(f"| {name} | {cells}")
    bounds = tables["rpt_assumed_bounds"].query("kind == 'bound'")
    for (shape, cities), part in bounds.groupby(["shape", "cities"]):
        part = part.set_index("target")
        year = " a year" if shape == "drift" else ""
        if cities == "all":
            assert part["factor"].isna().all()
            low, high = part.iloc[0][["lowest_estimate", "highest_estimate"]]
            found.append(f"none: b stays between {low:.3f} and {high:.3f} | none |")
        else:
            zero, paper = part.loc[["zero", "paper"], "factor"]
            found.append(
                f"| {cities} | {shape} | {zero:.2f}{year} | {paper:.2f}{year} |"
            )
    for row in tables["rpt_index_uncertainty"].itertuples():
        found.append(
            f"| {PAGE_NAMES.get(row.method, row.method)} | {row.estimate:.4f} | "
            f"{row.std_error:.4f} | {row.ratio_to_clustered:.2f} |"
        )
    methods = tables["rpt_index_uncertainty"].set_index("method")
    drawn = methods.loc[
        ["multiple imputation, regression", "multiple imputation, proportional"]
    ]
    both = [f"{row.estimate:.4f} ({row.std_error:.4f})" for row in drawn.itertuples()]
    missing = [f"{100 * share:.0f}" for share in drawn["missing_share"]]
    frontier = methods.loc["clustered, and the frontier's error"]
    whole = methods.loc["imputation and the frontier's error", "std_error"]
    found += [
        f"The estimates are {' and '.join(both)}; {' and '.join(missing)} per cent of",
        f"The frontier's error alone is {frontier['frontier_std_error']:.4f}:",
        f"are correlated at {frontier['serial_correlation']:.2f}, the regression's "
        f"residuals at {methods.loc['clustered by city', 'serial_correlation']:.2f}.",
        f"the standard error is {whole:.4f} instead of {base['std_error']:.4f}.",
    ]
    yardsticks = tables["rpt_yardsticks"]
    for _, part in yardsticks.groupby("yardstick_order"):
        cells = part.set_index(["outcome", "estimator"])
        wanted = [
            cells.loc[outcome, estimator]
            for outcome in ("growth", "level")
            for estimator in ("twfe", "group_time_att")
        ]
        found.append(
            "".join(f"| {row.estimate:.3f} ({row.std_error:.3f}) " for row in wanted)
            + f"| {wanted[0].correlation_with_index:.2f} |"
        )
    return found


@pytest.mark.slow
def test_the_method_page_quotes_the_marts(influenced, method_page):
    cities = influenced.query("from marts.dim_cities")
    names = dict(zip(cities["province_id"], cities["province_en"], strict=True))
    names |= dict(zip(cities["city_id"], cities["city_en"], strict=True))
    tables = {name: influenced.query(f"from marts.{name}") for name in MARTS}
    text = " ".join(method_page.split())
    quoted = rows_on_the_page(tables, names)
    assert [line for line in quoted if line not in text] == []


@pytest.mark.slow
def test_the_option_builds_and_the_command_computes_the_same(influenced):
    copy = influenced
    assert {f"marts.{name}" for name in MARTS} <= set(copy.fingerprints())

    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "citypanel.cli", "influence", "--workers", "2"],
        cwd=copy.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = copy.root / "outputs" / "influence"
    text = (folder / "index.md").read_text(encoding="utf-8")
    assert done.stdout.splitlines()[:3] == text.splitlines()[:3]
    with duckdb.connect() as connection:
        for name in MARTS:
            file = folder / f"{name.removeprefix('rpt_')}.parquet"
            theirs = connection.sql(f"from '{file}'").df()
            ours = copy.query(f"from marts.{name}")
            assert len(theirs) == len(ours), name
            np.testing.assert_array_equal(
                np.sort(theirs["estimate" if "estimate" in ours else "weight"]),
                np.sort(ours["estimate" if "estimate" in ours else "weight"]),
                err_msg=name,
            )
