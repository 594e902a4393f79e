"""Unusable seeds and options: named to the cell, and the published file unchanged."""

from __future__ import annotations

import pytest

YEARBOOK = "raw_yearbook_city_years"


def _replace_cell(text, row_start, column, value):
    """Put `value` into a column of the row that begins with `row_start`."""
    lines = text.splitlines()
    place = lines[0].split(",").index(column)
    number = next(i for i, line in enumerate(lines) if line.startswith(row_start))
    cells = lines[number].split(",")
    cells[place] = value
    lines[number] = ",".join(cells)
    return "\n".join(lines) + "\n"


TIANJIN = "2012,天津市"
GDP = "地区生产总值(万元)"
CASES = {
    "duplicated city-year": (
        YEARBOOK,
        lambda text: text + text.splitlines()[1] + "\n",
        ["年份 2010, 城市代码 110000: 2 rows with this key"],
    ),
    "negative output": (
        YEARBOOK,
        lambda text: _replace_cell(text, TIANJIN, GDP, "-5"),
        ["年份 2012, 城市代码 120000", "天津市", GDP, "'-5' is below 0"],
    ),
    "text in a number column": (
        YEARBOOK,
        lambda text: _replace_cell(text, TIANJIN, GDP, "about 9"),
        ["年份 2012, 城市代码 120000", GDP, "'about 9' is not a number"],
    ),
    "unknown city code": (
        YEARBOOK,
        lambda text: _replace_cell(text, TIANJIN, "城市代码", "999999"),
        ["年份 2012, 城市代码 999999", "'999999' is not known"],
    ),
    "code of another city": (
        YEARBOOK,
        lambda text: _replace_cell(text, TIANJIN, "城市", "上海市"),
        ["城市代码 120000", "'上海市' is not the name that belongs to the code"],
    ),
    "year with a decimal": (
        YEARBOOK,
        lambda text: _replace_cell(text, TIANJIN, "年份", "2012.5"),
        ["年份 2012.5", "does not have the form"],
    ),
    "column that is not declared": (
        YEARBOOK,
        lambda text: "\n".join(line + ",1" for line in text.splitlines()) + "\n",
        ["columns differ from the declared ones", "not declared: 1"],
    ),
    "column that is missing": (
        "raw_pilot_zones",
        lambda text: "\n".join(line.split(",", 1)[1] for line in text.splitlines()),
        ["columns differ from the declared ones", "missing: batch"],
    ),
    "no rows": (
        "pub_descriptives",
        lambda text: text.splitlines()[0] + "\n",
        ["the table has no rows"],
    ),
}


def _some_quick(names, quick):
    """The first few run with every test, the others with the slow ones."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if i >= quick else [])
        for i, name in enumerate(names)
    ]


@pytest.mark.parametrize("case", _some_quick(CASES, 3))
def test_bad_seed_is_named_and_nothing_is_published(workshop, case):
    seed, spoil, expected = CASES[case]
    path = workshop.seed(seed)
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    before = workshop.published.read_bytes()
    result = workshop.dbt("build")
    assert result.returncode != 0
    for words in [f"Seed {seed}", *expected, "Consequence:", "Remedy:"]:
        assert words in result.stdout, result.stdout[-3000:]
    assert workshop.published.read_bytes() == before
    assert len(workshop.query("select * from marts.dim_cities")) == 74


WRONG_OPTIONS = {
    "study_sample: everyone": ["Permitted: paper_like, nbs_70, all_available"],
    "first_index_year: two": ["Permitted: drop, one, from_2010"],
    "depreciation: 6": ["Permitted: a number from 0 up to, not including, 1"],
    "carry_years: 1.5": ["Permitted: a whole number from 0 to 9"],
    "treated_batches: []": ["Permitted: a list of batch numbers"],
    "last_year: 2011": ["Permitted: a year after first_year (2011)"],
    "fai_extension: none": ["none needs last_year 2016 or earlier"],
    "first_index_year: from_2010, first_year: 2012": ["needs first_year 2011"],
    "frontier_reference: gobal": ["Permitted: contemporaneous, sequential"],
    "bootstrap_replications: -1": ["Permitted: a whole number from 0 to 100000"],
    "real_gpd: city_growth": ["There is no option named 'real_gpd'", "real_gdp"],
}


@pytest.mark.parametrize("options", _some_quick(WRONG_OPTIONS, 2))
def test_wrong_option_stops_the_run_and_lists_the_right_ones(workshop, options):
    before = workshop.published.read_bytes()
    result = workshop.dbt("build", "--vars", f"{{{options}}}")
    assert result.returncode != 0
    for words in [*WRONG_OPTIONS[options], "Consequence:", "Remedy:"]:
        assert words in result.stdout, result.stdout[-3000:]
    assert workshop.published.read_bytes() == before


def test_critical_expectation_stops_the_build_before_publishing(workshop):
    suite = workshop.root / "expectations" / "tfp_changes.json"
    text = suite.read_text(encoding="utf-8")
    spoiled = text.replace('"max_value": 1.000000001', '"max_value": 0.9')
    assert spoiled != text
    suite.write_text(spoiled, encoding="utf-8")
    before = workshop.published.read_bytes()
    result = workshop.dbt("build")
    assert result.returncode != 0
    for words in ["1 critical expectation(s) failed", "distance_crs", "city_id 440300"]:
        assert words in result.stdout, result.stdout[-3000:]
    assert workshop.published.read_bytes() == before
