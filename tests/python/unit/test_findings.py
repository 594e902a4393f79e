"""Each rule on a panel small enough to check by hand, and silence on a clean one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.support.planted_defects import KINDS, TYPED, WIDE_KINDS, plant, simulated
from tests.support.study_sources import dated, reconciled

from citypanel.quality.findings import (
    FINDING_COLUMNS,
    RULES,
    as_panel,
    detect,
    find,
    judge,
    levels,
    rules,
)
from citypanel.quality.findings.causes import causes

YEARS = list(range(2010, 2018))
CITIES = [f"{11 + i // 4}{i:02d}00" for i in range(12)]
PROVINCES = sorted({code[:2] + "0000" for code in CITIES})
FIRST = CITIES[0]
FISCAL = "fiscal_expenditure_cny_10k"
# Figures that no other city and no other year has, growing by a tenth a year.
LEVEL = {city: 123457.0 * (1 + 0.3177 * i) for i, city in enumerate(CITIES)}


def path(city, scale=1.0):
    return [round(scale * LEVEL[city] * 1.1**t) for t in range(len(YEARS))]


def panel(series, *, second=None, provinces=None, units=None, municipality=False):
    """A panel from {variable: {city: values}}; cities not named follow their path."""
    frames = []
    for source, table in (("yearbook", series), ("province", second or {})):
        for variable, rows in table.items():
            full = rows if source == "province" else everybody(rows)
            for city, values in full.items():
                frames.append(
                    pd.DataFrame(
                        {
                            "city_id": city,
                            "year": YEARS,
                            "variable": variable,
                            "source": source,
                            "unit": (units or {}).get(variable, "CNY 10,000"),
                            "value": np.array(values, dtype=float),
                        }
                    )
                )
    cells = pd.concat(frames).dropna(subset="value")
    cities = pd.DataFrame(
        {
            "city_id": CITIES,
            "city_en": [f"City {i}" for i in range(12)],
            "city_zh": [f"城{i}" for i in range(12)],
            "province_id": [code[:2] + "0000" for code in CITIES],
            "province_en": "Province",
            "province_zh": "省",
            "is_municipality": [municipality and code == FIRST for code in CITIES],
        }
    )
    rows = [
        (province, year, variable, "unit", float(value))
        for variable, table in (provinces or {}).items()
        for province, values in table.items()
        for year, value in zip(YEARS, values, strict=True)
    ]
    columns = ["province_id", "year", "variable", "unit", "value"]
    frame = pd.DataFrame(rows, columns=columns).astype({"value": float, "year": int})
    return as_panel(cells, cities, frame)


def everybody(rows, scale=1.0):
    return {city: rows.get(city, path(city, scale)) for city in CITIES}


def changed(values, changes):
    """The values with those at some places multiplied, whole as they were."""
    return [round(v * changes.get(t, 1.0)) for t, v in enumerate(values)]


def found(rule, *args, **kwargs):
    frame = detect(panel(*args, **kwargs))
    return frame.loc[frame["rule"] == rule].reset_index(drop=True)


def everything(*args, **kwargs):
    return set(detect(panel(*args, **kwargs))["rule"])


def test_a_panel_that_only_grows_is_silent():
    assert detect(panel({FISCAL: {}, "retail_sales_cny_10k": {}})).empty


@pytest.fixture(scope="module")
def clean():
    return simulated(seed=11, degrees_of_freedom=np.inf)


def test_a_simulated_clean_panel_is_silent():
    clean = simulated(seed=5, degrees_of_freedom=np.inf)
    frame = detect(as_panel(clean.cells, clean.cities, clean.provinces))
    assert set(frame["rule"]) <= {"repeated_value"}  # by chance, and info
    assert len(frame) <= 3 and (frame["severity"] == "info").all()


def test_every_rule_is_described_once_in_both_languages():
    table = rules()
    assert table["rule"].is_unique and len(table) == len(RULES)
    assert (table[["title_en", "title_zh", "description_en", "description_zh"]] != "")\
        .all().all()  # fmt: skip
    chinese = table["title_zh"].str.contains("[\u4e00-\u9fff]")
    assert chinese.all()


def test_a_slip_of_the_decimal_point_is_named_with_its_range():
    rows = found("power_of_ten", {FISCAL: {FIRST: changed(path(FIRST), {3: 10})}})
    row = rows.iloc[0]
    assert len(rows) == 1
    assert (row["unit_id"], row["year"], row["severity"]) == (FIRST, 2013, "critical")
    expected = LEVEL[FIRST] * 1.1**3
    assert row["value"] == pytest.approx(10 * expected, rel=1e-4)
    # All cities grow alike: sigma is 0 and the threshold the floor, 0.08.
    assert row["expected_low"] == pytest.approx(expected * np.exp(-0.08), rel=1e-4)
    assert row["expected_high"] == pytest.approx(expected * np.exp(0.08), rel=1e-4)
    assert "10 times" in row["evidence_en"]


@pytest.mark.parametrize("by", [0.0001, 0.01, 0.1, 100, 10000])
def test_slips_are_found_both_ways_and_at_the_end(by):
    inside = found("power_of_ten", {FISCAL: {FIRST: changed(path(FIRST), {4: by})}})
    assert inside["year"].tolist() == [2014]
    last = found("power_of_ten", {FISCAL: {FIRST: changed(path(FIRST), {7: by})}})
    assert last["year"].tolist() == [2017]
    unit = {t: by for t in range(3, 8)}
    new_unit = found("power_of_ten", {FISCAL: {FIRST: changed(path(FIRST), unit)}})
    assert new_unit["year"].tolist() == [2013]


def test_two_halved_years_are_two_findings():
    series = {FISCAL: {FIRST: changed(path(FIRST), {3: 0.5, 4: 0.5})}}
    rows = found("halved_or_doubled", series)
    assert rows["year"].tolist() == [2013, 2014]
    assert everything(series) == {"halved_or_doubled"}
    twice = {FISCAL: {FIRST: changed(path(FIRST), {3: 2})}}
    doubled = found("halved_or_doubled", twice)
    assert doubled["year"].tolist() == [2013]


def test_a_departure_below_a_factor_of_two_leaves_and_returns():
    series = {FISCAL: {FIRST: changed(path(FIRST), {5: 1.3})}}
    assert everything(series) == {"leaves_and_returns"}
    assert found("leaves_and_returns", series)["year"].tolist() == [2015]
    assert everything({FISCAL: {FIRST: changed(path(FIRST), {5: 1.07})}}) == set()


def test_five_years_are_a_level_and_not_a_run():
    series = {FISCAL: {FIRST: changed(path(FIRST), {t: 0.5 for t in range(2, 7)})}}
    assert found("level_break", series)["year"].tolist() == [2012, 2017]


def test_a_shift_that_stays_is_a_level_break():
    series = {FISCAL: {FIRST: changed(path(FIRST), {t: 1.3 for t in range(4, 8)})}}
    rows = found("level_break", series)
    assert rows["year"].tolist() == [2014]
    expected = LEVEL[FIRST] * 1.1**4
    assert rows["expected_high"].item() == pytest.approx(expected * np.exp(0.08), 1e-3)
    assert everything(series) == {"level_break"}


def test_a_gap_does_not_hide_a_shift_and_is_no_shift():
    values = changed(path(FIRST), {t: 1.3 for t in range(4, 8)})
    values[3] = np.nan
    series = {FISCAL: {FIRST: values}}
    assert found("level_break", series)["year"].tolist() == [2014]
    values = path(FIRST)
    values[3] = np.nan
    assert everything({FISCAL: {FIRST: values}}) == {"missing_cell"}


def test_a_series_that_jumps_throughout_is_one_finding():
    series = {FISCAL: {FIRST: changed(path(FIRST), {1: 1.5, 3: 1.5, 5: 1.5, 7: 1.5})}}
    rows = found("erratic_series", series)
    assert len(rows) == 1 and pd.isna(rows["year"].item())
    assert everything(series) == {"erratic_series"}


def test_a_drift_is_found_where_no_year_explains_it():
    away = {t: 1.04**t for t in range(8)}
    series = {FISCAL: {FIRST: changed(path(FIRST), away)}}
    assert everything(series) == {"drift"}
    assert "+32%" in found("drift", series)["evidence_en"].item()  # 1.04 to the 7th


def test_a_year_in_which_many_cities_move_is_a_break_of_the_series():
    rng = np.random.default_rng(1)
    rows = {}
    for number, city in enumerate(CITIES):
        noise = np.exp(np.cumsum(rng.normal(0, 0.005, 8)))
        step = 1.25 if number % 2 else 0.8
        noise[5:] *= step
        rows[city] = [round(v * noise[t]) for t, v in enumerate(path(city))]
    frame = detect(panel({FISCAL: rows}))
    years = frame.loc[frame["rule"] == "break_year"]
    assert years["year"].tolist() == [2015] and years["scope"].tolist() == ["study"]
    breaks = frame.loc[frame["rule"] == "level_break"]
    assert set(breaks["year"]) == {2015} and set(breaks["severity"]) == {"info"}


def trade(imports, exports):
    names = ("imports_cny_10k", "exports_cny_10k")
    return {names[0]: {FIRST: imports}, names[1]: {FIRST: exports}}


def test_dollars_under_a_header_of_yuan_are_found_in_both_columns():
    low = {7: 1 / 6.8}
    series = trade(changed(path(FIRST), low), changed(path(FIRST, 2), low))
    rows = found("mixed_currency", series)
    assert set(rows["variable"]) == set(series) and set(rows["year"]) == {2017}
    assert everything(series) == {"mixed_currency"}


def test_the_smaller_year_is_in_dollars_whether_first_or_last():
    low = {0: 1 / 6.5}
    series = trade(changed(path(FIRST), low), changed(path(FIRST, 2), low))
    assert set(found("mixed_currency", series)["year"]) == {2010}


def test_a_factor_of_ten_in_one_column_is_not_a_currency():
    series = trade(changed(path(FIRST), {7: 10}), path(FIRST, 2))
    assert everything(series) == {"power_of_ten"}


def test_the_total_in_the_column_of_imports_is_no_currency():
    imports, exports = path(FIRST), path(FIRST, 5.0)
    imports[4] += exports[4]
    series = trade(imports, exports)
    rows = found("total_in_part", series)
    assert (rows["variable"].item(), rows["year"].item()) == ("imports_cny_10k", 2014)
    assert everything(series) == {"total_in_part"}


def test_a_repeated_figure_is_found_where_chance_does_not_explain_it():
    values = path(FIRST)
    values[5] = values[4]
    rows = found("repeated_value", {FISCAL: {FIRST: values}})
    assert rows["year"].tolist() == [2015] and rows["severity"].tolist() == ["warning"]
    # Rounded to whole units of ten persons, a repeat is nothing special.
    few = {c: [round(10 + i + t * 0.4) for t in range(8)] for i, c in enumerate(CITIES)}
    assert found("repeated_value", {FISCAL: few}).empty


def test_a_row_of_last_years_figures_is_one_finding():
    names = [FISCAL, "retail_sales_cny_10k", "real_estate_cny_10k", "imports_cny_10k"]
    series = {}
    for number, name in enumerate(names):
        values = path(FIRST, 1 + number)
        values[5] = values[4]
        series[name] = {FIRST: values}
    rows = found("copied_row", series)
    assert rows["variable"].tolist() == ["all_variables"]
    assert found("repeated_value", series).empty


def test_one_figure_in_two_cities_names_both():
    values = path(CITIES[3])
    values[2] = path(CITIES[5])[2]
    rows = found("same_in_two_cities", {FISCAL: {CITIES[3]: values}})
    assert sorted(rows["unit_id"]) == [CITIES[3], CITIES[5]]
    assert "City 5" in rows.loc[rows["unit_id"] == CITIES[3], "evidence_en"].item()


def test_transposed_digits_are_told_from_new_boundaries():
    area = {city: [10000.0 + 137 * i] * 8 for i, city in enumerate(CITIES)}
    area[FIRST] = [13472.0] * 3 + [13742.0] + [13472.0] * 4
    area[CITIES[1]] = [12000.0] * 3 + [12100.0] * 5
    rows = found("transposed_digits", {"area_km2": area})
    assert (rows["unit_id"].item(), rows["year"].item()) == (FIRST, 2013)
    assert rows["expected_low"].item() == 13472


def test_parts_above_the_whole():
    gdp = {city: path(city, 2) for city in CITIES}
    sector = {city: path(city, 0.9) for city in CITIES}
    other = dict(sector) | {FIRST: changed(path(FIRST, 0.9), {6: 1.3})}
    names = ("gdp_cny_10k", "secondary_cny_10k", "tertiary_cny_10k")
    series = dict(zip(names, (gdp, sector, other), strict=True))
    rows = found("parts_exceed_whole", series)
    assert rows["year"].tolist() == [2016]
    parts = LEVEL[FIRST] * 1.1**6 * (0.9 + 0.9 * 1.3)
    assert rows["expected_low"].item() == pytest.approx(parts, rel=1e-5)


def test_a_sectors_share_that_jumps():
    gdp = {city: path(city, 2) for city in CITIES}
    second = {city: path(city, 0.8) for city in CITIES}
    third = {city: path(city, 1.0) for city in CITIES}
    second[FIRST] = changed(path(FIRST, 0.8), {t: 0.8 for t in range(5, 8)})
    series = {
        "gdp_cny_10k": gdp,
        "secondary_cny_10k": second,
        "tertiary_cny_10k": third,
    }
    rows = found("share_jump", series)
    # 40 per cent of output before, 32 after.
    assert rows["year"].tolist() == [2015]
    assert "40.0%" in rows["evidence_en"].item()
    assert "32.0%" in rows["evidence_en"].item()


def economy(prices=0.02, **cities):
    """Output growing 10 per cent, growth and deflators that agree with it."""
    growth = 100 * (1.1 / (1 + prices) - 1)
    gdp = {city: cities.get(city, path(city, 2)) for city in CITIES}
    provinces = {
        "GDP": {p: [1000 * 1.1**t for t in range(8)] for p in PROVINCES},
        "GDPIDX": {p: [100 + growth] * 8 for p in PROVINCES},
    }
    rates = {city: [round(growth, 2)] * 8 for city in CITIES}
    return gdp, rates, provinces


def test_nominal_growth_in_every_city_is_a_defective_year():
    gdp, rates, provinces = economy()
    for city in CITIES:
        rates[city] = [*rates[city][:3], 10.0, *rates[city][4:]]
    series = {"gdp_cny_10k": gdp, "gdp_growth_pct": rates}
    rows = found("nominal_as_real", series, provinces=provinces)
    assert rows["scope"].tolist() == ["study"] and rows["year"].tolist() == [2013]
    assert everything(series, provinces=provinces) == {"nominal_as_real"}


def test_nominal_growth_in_one_city_needs_prices_that_moved():
    gdp, rates, provinces = economy(prices=0.04)
    rates[FIRST] = [*rates[FIRST][:3], 10.0, *rates[FIRST][4:]]
    series = {"gdp_cny_10k": gdp, "gdp_growth_pct": rates}
    rows = found("nominal_as_real", series, provinces=provinces)
    assert rows["unit_id"].tolist() == [FIRST] and rows["year"].tolist() == [2013]
    gdp, rates, provinces = economy(prices=0.0)
    series = {"gdp_cny_10k": gdp, "gdp_growth_pct": rates}
    one = found("nominal_as_real", series, provinces=provinces)
    assert set(one["scope"]) == {"study"}, "without inflation every year is"


def test_a_level_that_contradicts_growth():
    fallen = changed(path(FIRST, 2), {t: 0.8 for t in range(6, 8)})
    gdp, rates, provinces = economy(**{FIRST: fallen})
    series = {"gdp_cny_10k": gdp, "gdp_growth_pct": rates}
    rows = found("growth_against_levels", series, provinces=provinces)
    assert rows["year"].tolist() == [2016] and rows["severity"].tolist() == ["critical"]
    expected = 2 * LEVEL[FIRST] * 1.1**6
    assert rows["value"].item() == pytest.approx(0.8 * expected, rel=1e-3)
    middle = np.sqrt(rows["expected_low"].item() * rows["expected_high"].item())
    assert middle == pytest.approx(expected, rel=1e-3)


def test_a_city_without_growth_is_compared_with_its_province():
    fallen = changed(path(FIRST, 2), {t: 0.7 for t in range(6, 8)})
    gdp, rates, provinces = economy(**{FIRST: fallen})
    rates[FIRST] = [*rates[FIRST][:6], np.nan, rates[FIRST][7]]
    series = {"gdp_cny_10k": gdp, "gdp_growth_pct": rates}
    rows = found("growth_against_levels", series, provinces=provinces)
    assert rows["year"].tolist() == [2016]
    assert "province's" in rows["evidence_en"].item()


def test_density_that_is_not_population_over_area():
    people = {c: [500.0 + 7 * i + t for t in range(8)] for i, c in enumerate(CITIES)}
    area = {city: [10000.0] * 8 for city in CITIES}
    density = {city: [round(p) for p in values] for city, values in people.items()}
    density[FIRST] = [*density[FIRST][:2], 530.0, *density[FIRST][3:]]
    rows = found(
        "density_identity",
        {
            "population_persons_10k": people,
            "area_km2": area,
            "density_persons_per_km2": density,
        },
    )
    assert rows["year"].tolist() == [2012]
    assert rows["expected_high"].item() == pytest.approx(502 * 1.02)


def test_a_ratio_unlike_any_other_city():
    rng = np.random.default_rng(3)
    spread = np.exp(rng.normal(0, 0.1, 12))
    gdp = {city: path(city, 2) for city in CITIES}
    retail = {c: [round(spread[i] * v) for v in path(c)] for i, c in enumerate(CITIES)}
    retail[FIRST] = [v / 8 for v in path(FIRST)]
    series = {"gdp_cny_10k": gdp, "retail_sales_cny_10k": retail}
    rows = found("ratio_out_of_range", series)
    assert rows["unit_id"].tolist() == [FIRST]


def test_a_ratio_that_all_cities_but_one_have_in_common():
    gdp = {city: [v * 1.1 for v in path(city, 2)] for city in CITIES}
    retail = {city: [v / 3 for v in values] for city, values in gdp.items()}
    series = {"gdp_cny_10k": gdp, "retail_sales_cny_10k": retail}
    # The ratios differ in their last digit alone.
    assert found("ratio_out_of_range", series).empty
    retail[FIRST] = [v / 8 for v in retail[FIRST]]
    assert found("ratio_out_of_range", series)["unit_id"].tolist() == [FIRST]


def test_investment_that_output_cannot_explain():
    gdp = {city: path(city, 2) for city in CITIES}
    investment = {city: path(city, 1.2) for city in CITIES}
    investment[FIRST] = path(FIRST, 0.3)  # 15 per cent of output, every year
    # 24 per cent of output up to 2012, 60 per cent after.
    investment[CITIES[1]] = changed(path(CITIES[1], 1.2), {0: 0.4, 1: 0.4, 2: 0.4})
    rows = found(
        "investment_ratio", {"gdp_cny_10k": gdp, "fai_cny_10k": investment}
    ).set_index("unit_id")
    assert set(rows.index) == {FIRST, CITIES[1]}
    assert "15% of output" in rows.loc[FIRST, "evidence_en"]
    assert rows.loc[CITIES[1], "year"] in (2011, 2012)
    assert "from 24% of output" in rows.loc[CITIES[1], "evidence_en"]


def test_two_sources_that_disagree_and_one_that_changes():
    gdp = {city: path(city, 2) for city in CITIES}
    growth = {city: [10.0 + 0.01 * i] * 8 for i, city in enumerate(CITIES)}
    other = [v / 1.1 for v in path(FIRST, 2)[:7]] + path(FIRST, 2)[7:]
    second = {
        "gdp_cny_10k": {FIRST: other},
        "gdp_growth_pct": {FIRST: [10.0, 10.4, 9.0, *[10.0] * 5]},
    }
    frame = detect(
        panel({"gdp_cny_10k": gdp, "gdp_growth_pct": growth}, second=second)
    ).set_index("rule")
    level = frame.loc[["source_disagreement"]].set_index("variable")
    assert "7 of 8 years" in level.loc["gdp_cny_10k", "evidence_en"]
    assert level.loc["gdp_growth_pct", "year"] == 2012
    jump = frame.loc[["source_jump"]].iloc[0]
    assert jump["year"] == 2017 and "1.10" in jump["evidence_en"]


def test_cities_that_add_up_to_more_than_their_province():
    gdp = {city: path(city, 2) for city in CITIES}
    members = [city for city in CITIES if city.startswith("11")]
    total = np.sum([gdp[city] for city in members], axis=0) / 10000
    province = {p: 3 * total for p in PROVINCES}
    province["110000"] = np.where(np.arange(8) == 4, total / 1.2, 1.5 * total)
    rows = found(
        "cities_exceed_province", {"gdp_cny_10k": gdp}, provinces={"GDP": province}
    )
    assert rows["unit_id"].tolist() == ["110000"] and rows["year"].tolist() == [2014]
    assert "+20%" in rows["evidence_en"].item()


def test_a_province_series_that_collapses():
    fai = {p: [100 * 1.1**t for t in range(8)] for p in PROVINCES}
    fai["120000"] = [v * (0.4 if t > 5 else 1) for t, v in enumerate(fai["120000"])]
    rows = found("province_break", {FISCAL: {}}, provinces={"FAI": fai})
    assert rows["unit_id"].tolist() == ["120000"] and rows["year"].tolist() == [2016]
    assert rows["scope"].tolist() == ["province"]


def test_series_that_end_begin_late_or_have_a_hole():
    def cut(keep):
        return {
            c: [v if keep(t) else np.nan for t, v in enumerate(path(c))] for c in CITIES
        }

    frame = detect(
        panel(
            {
                FISCAL: {},
                "fai_cny_10k": cut(lambda t: t < 5),
                "imports_cny_10k": cut(lambda t: t >= 6),
                "secondary_cny_10k": cut(lambda t: t != 4),
            }
        )
    )
    rows = frame.set_index("variable")
    assert set(frame["rule"]) == {"discontinued", "missing_year"}
    assert rows.loc["fai_cny_10k", "year"] == 2015
    assert rows.loc["imports_cny_10k", "year"] == 2010
    assert rows.loc["secondary_cny_10k", ["rule", "year"]].tolist() == [
        "missing_year",
        2014,
    ]


def test_growth_across_a_missing_year_is_compared_with_that_of_the_others():
    hole = {c: [v if t != 4 else np.nan for t, v in enumerate(path(c))] for c in CITIES}
    hole[FIRST] = [v * (1.3 if t > 4 else 1) for t, v in enumerate(hole[FIRST])]
    rows = found("level_break", {FISCAL: hole, "retail_sales_cny_10k": {}})
    assert rows["unit_id"].tolist() == [FIRST] and rows["year"].tolist() == [2015]


def test_gaps_of_a_cell_a_row_and_a_city():
    names = [FISCAL, "retail_sales_cny_10k", "real_estate_cny_10k"]
    empty = [np.nan] * 8
    row = [v if t != 2 else np.nan for t, v in enumerate(path(CITIES[1]))]
    cell = [v if t != 5 else np.nan for t, v in enumerate(path(CITIES[2]))]
    series = {
        name: {
            CITIES[0]: empty,
            CITIES[1]: row,
            CITIES[2]: cell if name == FISCAL else path(CITIES[2]),
        }
        for name in names
    }
    frame = detect(panel(series))
    frame = frame.loc[frame["rule"].str.startswith("missing")]
    keys = frame[["rule", "unit_id", "year", "variable"]].values.tolist()
    assert len(keys) == 3
    assert keys[0][:2] == ["missing_city", CITIES[0]]
    assert keys[1] == ["missing_row", CITIES[1], 2012, "all_variables"]
    assert keys[2] == ["missing_cell", CITIES[2], 2015, FISCAL]


def test_figures_that_are_rounded_too_coarsely():
    people = {c: [20.0 + i + t for t in range(8)] for i, c in enumerate(CITIES)}
    rows = found("rounded", {"unit_employment_persons_10k": people})
    # Half a step is 0.5 of 20: 2.5 per cent.
    assert rows["year"].tolist() == [2010] and rows["severity"].tolist() == ["warning"]
    assert "2.5%" in rows["evidence_en"].item()
    coarser = {
        c: [v if t < 6 else round(v, -4) for t, v in enumerate(path(c, 50))]
        for c in CITIES
    }
    later = found("rounded", {FISCAL: coarser})
    assert later["year"].tolist() == [2016] and later["severity"].tolist() == ["info"]


@pytest.mark.parametrize("kind", KINDS | WIDE_KINDS)
def test_every_kind_of_planted_error_is_found(clean, kind):
    defect = plant(clean, kind, rng=np.random.default_rng(2))
    spoiled = clean.with_values(defect.values, defect.provinces)
    frame = detect(as_panel(spoiled.cells, spoiled.cities, spoiled.provinces))
    hits = frame.loc[frame["rule"].isin(defect.rules)]
    keys = defect.values | defect.provinces
    years = {year for _, year, _ in keys}
    hits = hits.loc[
        hits["unit_id"].isin({u for u, *_ in keys}) | hits["unit_id"].isna()
    ]
    near = hits["year"].between(min(years) - 1, max(years) + 1) | hits["year"].isna()
    assert near.any(), frame.to_string()


def test_the_order_of_rows_does_not_matter():
    clean = simulated(seed=4)
    shuffled = clean.cells.sample(frac=1, random_state=1)
    a = detect(as_panel(clean.cells, clean.cities, clean.provinces))
    b = detect(as_panel(shuffled, clean.cities[::-1], clean.provinces[::-1]))
    pd.testing.assert_frame_equal(a, b)


def test_units_of_a_whole_series_do_not_matter():
    clean = simulated(seed=4)
    frame = detect(as_panel(clean.cells, clean.cities, clean.provinces))
    cells = clean.cells.copy()
    student = cells["variable"] == "university_students_persons"
    cells.loc[student, "value"] *= 100
    other = detect(as_panel(cells, clean.cities, clean.provinces))
    keys = ["rule", "unit_id", "year", "variable"]
    pd.testing.assert_frame_equal(frame[keys], other[keys])


# -------------------------------------------------------------------------------------
# What a finding does to the results
# -------------------------------------------------------------------------------------


def sources_of(series):
    """Sources of a study in which every other series follows its path."""
    figures = {name: {} for name in MADE_OF} | series
    cells = pd.DataFrame(
        [
            (city, year, name, "yearbook", value)
            for scale, (name, rows) in enumerate(figures.items(), start=1)
            for city, values in everybody(rows, scale=1.0 / scale).items()
            for year, value in zip(YEARS, values, strict=True)
        ],
        columns=["city_id", "year", "variable", "source", "value"],
    )
    places = [CITIES.index(city) for city in CITIES]
    cities = pd.DataFrame(
        {
            "city_id": CITIES,
            "city_en": CITIES,
            "province_id": [code[:2] + "0000" for code in CITIES],
            "region": ["eastern" if i < 3 else "western" for i in places],
            "is_municipality": [i == 0 for i in places],
            "is_provincial_capital": False,
            "is_in_nbs_70": [i < 6 for i in places],
        }
    )
    province_series = pd.DataFrame(
        [
            (province, year, indicator, value)
            for province in PROVINCES
            for year in YEARS
            for indicator, value in
            (("GDP", 1000.0), ("GDPIDX", 107.0), ("FAI", 500.0), ("FAIPI", 102.0))
        ],
        columns=["province_id", "year", "indicator", "value"],
    )  # fmt: skip
    variables = pd.DataFrame({"variable": list(figures), "kind": "yearbook"})
    variables["province_indicator"] = None
    variables["gap_rule"] = "mean_carry"
    variables.loc[variables["variable"] == "gdp_growth_pct", "gap_rule"] = "none"
    zones = pd.DataFrame({"city_id": [FIRST], "batch": 1})
    zones["approval_date"] = pd.Timestamp("2015-03-07")
    precedence = pd.DataFrame(
        columns=["variable", "gdp_vintage", "source", "precedence"]
    )
    return {
        "cells": reconciled(cells, precedence),
        "province_series": province_series,
        "cities": cities,
        "policy": dated(zones, CITIES, YEARS),
        "variables": variables,
    }


def study(**options):
    """Findings of a panel with one slip, for a study of its first six cities."""
    series = options.pop("series")
    unused = options.pop("unused", ())
    judgements = options.pop("judgements", None)
    just_judged = options.pop("just_judged", False)
    tables = panel(series, provinces=options.pop("provinces", None))
    cells = pd.concat(
        [
            pd.DataFrame(
                {
                    "city_id": np.repeat(CITIES, 8),
                    "year": np.tile(YEARS, 12),
                    "variable": name,
                    "source": "yearbook",
                    "raw_unit": "CNY 10,000",
                    "printed_value": s.values.ravel(),
                }
            )
            for name, s in tables.series.items()
        ]
    )
    keys = list(zip(cells["city_id"], cells["year"], cells["variable"], strict=True))
    cells["is_usable"] = [key not in unused for key in keys]
    cells["correction_action"] = None
    cells["import_precedence"] = np.nan
    headline = {"variant": "headline", "study_sample": "nbs_70", "last_year": 2017}
    headline["real_gdp"] = "province_deflator"
    headline |= options
    other = headline | {"variant": "real_gdp=city_growth", "real_gdp": "city_growth"}
    used = cells.assign(value=cells["printed_value"], origin="reported")
    sources, variants = sources_of(series), pd.DataFrame([headline, other])
    judged = judge(
        cells,
        tables.cities,
        pd.DataFrame(columns=["province_id", "year", "indicator", "unit", "value"]),
        used=used.loc[used["is_usable"]],
        sources=sources,
        variants=variants,
        judgements=judgements,
    )
    if just_judged:
        return judged
    return find(judged, used=used, sources=sources, variants=variants)


def one(frame, rule):
    rows = frame.loc[frame["rule"] == rule]
    assert len(rows) == 1
    return rows.iloc[0]


MADE_OF = (
    "gdp_cny_10k", "gdp_growth_pct", "fai_cny_10k", "real_estate_cny_10k",
    "university_students_persons", "vocational_students_persons",
    "population_persons_10k", "unit_employment_persons_10k",
    "private_employment_persons", "secondary_cny_10k", "tertiary_cny_10k", "area_km2",
    "retail_sales_cny_10k", "imports_cny_10k", "exports_cny_10k",
    "fiscal_expenditure_cny_10k", "education_expenditure_cny_10k",
)  # fmt: skip


def slip(name, city=CITIES[1]):
    return {name: {city: changed(path(city), {4: 10})}}


def test_columns_and_order_are_those_agreed():
    frame = study(series=slip("university_students_persons"))
    assert list(frame.columns) == list(FINDING_COLUMNS)
    assert frame["touches"].notna().all()


def test_labour_touches_two_indices_and_every_table():
    row = one(study(series=slip("university_students_persons")), "power_of_ten")
    assert row["severity"] == "critical" and row["status"] == "open"
    assert row["used_value"] == row["value"] and row["origin"] == "reported"
    assert row["touches"] == (
        "fct_city_years: labour; fct_tfp_changes: 2014-2015; rpt_descriptives; "
        "rpt_regressions: Table 3 (1)-(2), Table 4 eastern, Table 5 (1)-(3); "
        "rpt_event_study"
    )


def test_a_control_touches_the_columns_with_controls():
    row = one(study(series=slip("retail_sales_cny_10k")), "power_of_ten")
    assert row["touches"] == (
        "fct_city_years: con; rpt_descriptives; rpt_regressions: Table 3 (2), "
        "Table 4 eastern, Table 5 (1)-(3)"
    )


def test_a_control_without_data_is_in_no_regression_and_less_severe():
    # Trade ends in 2014, and goes on for the two years a series is carried.
    exports = {city: [*path(city)[:5], *[np.nan] * 3] for city in CITIES}
    series = slip("imports_cny_10k") | {"exports_cny_10k": exports}
    row = one(study(series=series), "power_of_ten")
    assert row["severity"] == "warning"
    assert row["touches"] == "fct_city_years: tra; rpt_descriptives"
    assert "drops out" in row["consequence_en"]


def test_investment_stays_in_the_capital_stock():
    row = one(study(series=slip("fai_cny_10k")), "power_of_ten")
    # 2014 enters the growth rate behind the initial stock: every year holds it.
    assert "fct_capital_stocks: 2011-2017" in row["touches"]
    later = {"fai_cny_10k": {CITIES[1]: changed(path(CITIES[1]), {5: 10})}}
    row = one(study(series=later), "power_of_ten")
    assert "fct_capital_stocks: 2015-2017" in row["touches"]
    assert "fct_tfp_changes: 2015-2017" in row["touches"]


def test_a_city_outside_the_sample_touches_nothing():
    series = slip("university_students_persons", CITIES[9])
    row = one(study(series=series), "power_of_ten")
    assert row["touches"] == "" and row["severity"] == "warning"
    assert "No published estimate of this build" in row["consequence_en"]


def test_a_variable_the_options_do_not_use_touches_nothing():
    series = slip("vocational_students_persons")
    assert one(study(series=series), "power_of_ten")["touches"] == ""
    row = one(study(series=series, labour_measure="student_share"), "power_of_ten")
    assert "fct_city_years: labour" in row["touches"]


def test_a_municipality_is_not_in_the_column_without_them():
    row = one(study(series=slip("university_students_persons", FIRST)), "power_of_ten")
    assert "Table 5 (1)-(2)" in row["touches"] and "(3)" not in row["touches"]


def test_growth_is_named_where_a_variant_uses_it():
    gdp, rates, _ = economy()
    rates[CITIES[1]] = [*rates[CITIES[1]][:3], np.nan, *rates[CITIES[1]][4:]]
    series = {"gdp_cny_10k": gdp, "gdp_growth_pct": rates}
    row = one(study(series=series), "missing_cell")
    assert row["touches"] == "rpt_regressions: variant real_gdp=city_growth"


def test_an_empty_row_touches_what_its_empty_cells_enter():
    names = ("retail_sales_cny_10k", "area_km2", "vocational_students_persons")
    row = [v if t != 4 else np.nan for t, v in enumerate(path(CITIES[1]))]
    series = {name: {CITIES[1]: row} for name in names} | {"gdp_cny_10k": {}}
    places = one(study(series=series), "missing_row")["touches"]
    assert places.startswith("fct_city_years: con, sca;")
    assert "fct_tfp_changes" not in places


def test_investment_before_the_initial_stock_enters_nothing():
    early = {"fai_cny_10k": {CITIES[1]: changed(path(CITIES[1]), {0: 10})}}
    rows = study(series=early)
    assert (rows.loc[rows["year"] == 2010, "touches"] == "").all()
    rows = study(series=early, first_index_year="from_2010")
    # The slip shows in the change to 2011, which is the cell that is named.
    assert rows["touches"].str.contains("fct_capital_stocks").any()


def test_a_cell_that_is_not_used_is_corrected_and_info():
    name = "university_students_persons"
    unused = {(CITIES[1], 2014, name)}
    row = one(study(series=slip(name), unused=unused), "power_of_ten")
    assert (row["status"], row["severity"]) == ("corrected", "info")


def test_numbers_near_a_power_of_ten():
    assert levels.power_of_ten(np.log(10.0)) == 1
    assert levels.power_of_ten(np.log(0.01)) == -2
    assert levels.power_of_ten(np.log(12.8)) == 1
    assert levels.power_of_ten(np.log(13.0)) is None
    assert levels.power_of_ten(0.1) is None


# -------------------------------------------------------------------------------------
# Every source, the used cell, and what no build may take
# -------------------------------------------------------------------------------------


def stopping(frame):
    rows = frame.loc[frame["stops"]].sort_values("suspect_order")
    return [(row.unit_id, row.year, row.variable) for row in rows.itertuples()]


def test_a_slip_in_an_input_stops_and_says_what_it_does():
    frame = study(series=slip("fai_cny_10k"), just_judged=True)
    assert stopping(frame) == [(CITIES[1], 2014, "fai_cny_10k")]
    line = frame.loc[frame["stops"], "suspicion"].item()
    assert f"{CITIES[1]}" in line and "2014" in line and "in its place" in line
    other = study(series=slip("vocational_students_persons"), just_judged=True)
    assert not stopping(other) and "power_of_ten" in set(other["rule"])


@pytest.mark.parametrize("place", [0, 1, 6, 7])
def test_a_slip_at_an_end_is_named_at_its_own_year(place):
    values = changed(path(CITIES[2]), {place: 0.1})
    series = {"fai_cny_10k": {CITIES[2]: values}}
    frame = study(series=series, just_judged=True)
    assert stopping(frame)[0] == (CITIES[2], YEARS[place], "fai_cny_10k")


def test_a_new_level_stops_nothing_where_one_city_has_it():
    values = changed(path(CITIES[2]), dict.fromkeys(range(4, 8), 10))
    frame = study(series={"fai_cny_10k": {CITIES[2]: values}}, just_judged=True)
    assert one(frame, "power_of_ten")["stays"] and not stopping(frame)


@pytest.mark.parametrize("years", [(6, 7), (3,), (0, 1)])
def test_a_year_in_another_unit_is_named_in_every_city(years):
    gdp = {c: changed(path(c), dict.fromkeys(years, 1e-4)) for c in CITIES}
    frame = study(series={"gdp_cny_10k": gdp}, just_judged=True)
    found = set(stopping(frame))
    assert found == {(c, YEARS[t], "gdp_cny_10k") for c in CITIES for t in years}
    numbers = find_causes(frame.loc[frame["stops"]])
    assert len(set(numbers)) == 1
    assert frame.loc[frame["stops"], "suspicion_of_all"].str.len().gt(20).all()


def find_causes(frame):
    return causes(frame.reset_index(drop=True), n_units=len(CITIES))


def test_an_accepted_finding_is_closed_while_its_figure_stands():
    series = slip("fai_cny_10k")
    value = series["fai_cny_10k"][CITIES[1]][4]
    said = {
        "rule": "power_of_ten", "unit_id": CITIES[1], "year": "2014",
        "variable": "fai_cny_10k", "source": "", "value": str(value),
        "judgement": "accepted", "judged_by": "a reader", "judged_on": "2026-11-28",
        "reason": "a new plant",
    }  # fmt: skip
    frame = study(series=series, judgements=pd.DataFrame([said]), just_judged=True)
    row = one(frame, "power_of_ten")
    assert (row["status"], row["judged_by"]) == ("accepted", "a reader")
    assert row["judgement_reason"] == "a new plant" and not stopping(frame)
    for other in ({"value": str(value + 1)}, {"judgement": "to_ask"}):
        frame = study(
            series=series, judgements=pd.DataFrame([said | other]), just_judged=True
        )
        assert one(frame, "power_of_ten")["status"] == "open" and stopping(frame)
    severity = study(series=series, judgements=pd.DataFrame([said]))
    assert one(severity, "power_of_ten")["severity"] == "info"


def two_sources(first, second, *, chosen):
    """Findings where two sources print output and one of them is used."""
    cells = pd.DataFrame(
        [
            (city, year, "gdp_cny_10k", source, value)
            for source, rows in (("yearbook", first), ("another", second))
            for city, values in rows.items()
            for year, value in zip(YEARS, values, strict=True)
        ],
        columns=["city_id", "year", "variable", "source", "printed_value"],
    )
    cells = cells.loc[cells["printed_value"].notna()]
    cells["is_usable"], cells["correction_action"] = True, None
    cells["import_precedence"] = np.where(cells["source"] == "another", 0, np.nan)
    takes = cells.rename(columns={"printed_value": "value"})
    if chosen:
        takes = takes.loc[takes["source"] == chosen]
    tables = panel({"gdp_cny_10k": {}})
    options = {"variant": "headline", "study_sample": "nbs_70", "last_year": 2017}
    return judge(
        cells,
        tables.cities,
        pd.DataFrame(columns=["province_id", "year", "indicator", "unit", "value"]),
        used=takes,
        sources=sources_of({"gdp_cny_10k": takes_of(takes)}),
        variants=pd.DataFrame([options | {"real_gdp": "province_deflator"}]),
    )


def takes_of(frame):
    wide = frame.pivot(index="city_id", columns="year", values="value")
    return {city: row.tolist() for city, row in wide.iterrows()}


def test_a_source_all_in_another_unit_shows_against_the_other():
    right = everybody({})
    wrong = {city: [v / 1e4 for v in values] for city, values in right.items()}
    frame = two_sources(right, wrong, chosen="another")
    assert len(stopping(frame)) == len(CITIES) * len(YEARS)
    used = frame.loc[frame["stops"]]
    assert set(used["source"]) == {"another"}
    assert used["evidence_en"].str.contains("the yearbook").all()
    # The source that is wrong and not used stops nothing.
    assert not stopping(two_sources(right, wrong, chosen="yearbook"))


def test_a_source_that_is_not_used_is_judged_and_said_so():
    right = everybody({})
    wrong = right | {FIRST: changed(path(FIRST), {3: 2})}
    frame = two_sources(right, wrong, chosen="yearbook")
    row = one(frame, "halved_or_doubled")
    assert (row["source"], row["status"]) == ("another", "not_used")
    frame = two_sources(right, wrong, chosen="another")
    assert one(frame, "halved_or_doubled")["status"] == "open"


def test_where_two_sources_are_joined_the_used_cells_are_judged():
    whole = everybody({})
    # Half of the city's years are another source's, which is a third lower.
    low = [v / 1.5 if t < 4 else np.nan for t, v in enumerate(whole[FIRST])]
    rest = [v if t >= 4 else np.nan for t, v in enumerate(whole[FIRST])]
    frame = two_sources(whole | {FIRST: rest}, {FIRST: low}, chosen=None)
    rows = frame.loc[(frame["rule"] == "level_break") & (frame["unit_id"] == FIRST)]
    assert rows["year"].tolist() == [2014] and rows["source"].tolist() == ["yearbook"]


def test_one_cause_for_a_slip_and_for_what_it_does_beside_it():
    gdp, rates, provinces = economy()
    gdp = gdp | {CITIES[2]: changed(gdp[CITIES[2]], {4: 3})}
    fai = {city: [0.6 * v for v in values] for city, values in gdp.items()}
    fai[CITIES[2]][4] *= 3
    series = {"gdp_cny_10k": gdp, "fai_cny_10k": fai, "secondary_cny_10k": fai}
    frame = study(series=series | {"gdp_growth_pct": rates}, provinces=provinces)
    mine = frame.loc[frame["city_id"] == CITIES[2]]
    output = mine.loc[mine["variable"] != "fai_cny_10k"]
    assert len(output) == 2 and output["cause"].nunique() == 1
    assert output["speaks_for_cause"].sum() == 1


def test_causes_come_in_the_order_of_what_they_move():
    series = slip("fai_cny_10k") | {
        "university_students_persons": {CITIES[3]: changed(path(CITIES[3]), {5: 1.8})},
        "retail_sales_cny_10k": {CITIES[2]: changed(path(CITIES[2]), {5: 1.8})},
    }
    frame = study(series=series)
    spoken = frame.loc[frame["speaks_for_cause"]].sort_values("cause")
    moves = spoken["headline_change"].abs().fillna(0.0)
    assert moves.iloc[0] > 0 and (moves.diff().dropna() <= 0).all()
    # A control is in no input: nothing is said of the headline.
    control = spoken.loc[spoken["variable"] == "retail_sales_cny_10k"]
    assert control["headline_change"].isna().all()


# -------------------------------------------------------------------------------------
# Slips of a typist
# -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "typed", "how"),
    [(306635, 360635, "exchanged"), (213000, 231000, "exchanged"),
     (523000, 623000, "first digit")],
)  # fmt: skip
def test_a_slip_of_the_hand_in_a_series_that_grows(right, typed, how):
    rng = np.random.default_rng(1)
    wave = {c: np.exp(0.01 * rng.standard_normal(8)) for c in CITIES}
    rows = {c: [round(v * w) for v, w in zip(path(c), wave[c], strict=True)]
            for c in CITIES}  # fmt: skip
    mine = [round(right * 1.1 ** (t - 4)) for t in range(8)]
    mine[4] = typed
    frame = found("transposed_digits", {FISCAL: rows | {CITIES[2]: mine}})
    assert frame[["unit_id", "year"]].values.tolist() == [[CITIES[2], 2014]]
    assert frame["expected_low"].item() == right and how in frame["evidence_en"].item()


def test_digits_of_a_growth_rate_exchanged():
    gdp, rates, provinces = economy()
    # The levels grow by 19.0 per cent beyond prices, and 10.9 is printed.
    city, more = CITIES[3], 1.19 / (1 + rates[CITIES[3]][4] / 100)
    gdp[city] = [v * (more if t >= 4 else 1.0) for t, v in enumerate(gdp[city])]
    rng = np.random.default_rng(2)
    for name in CITIES:
        noise = 0.05 * rng.standard_normal(8)
        rates[name] = [round(v + e, 2) for v, e in zip(rates[name], noise, strict=True)]
    rates[city][4] = 10.9
    rows = found(
        "transposed_digits",
        {"gdp_cny_10k": gdp, "gdp_growth_pct": rates},
        provinces=provinces,
    )
    rows = rows.loc[rows["variable"] == "gdp_growth_pct"]
    assert rows[["unit_id", "year"]].values.tolist() == [[city, 2014]]
    assert rows["expected_low"].item() == 19.0


def test_a_slip_far_off_the_line_need_not_lead_back_to_the_very_line():
    """Eight standard deviations off by chance are rarer than a slip."""
    rng = np.random.default_rng(1)
    series = {
        city: [round(v * np.exp(0.02 * e)) for v, e in
               zip(path(city), rng.standard_normal(8), strict=True)]
        for city in CITIES
    }  # fmt: skip
    city, right = CITIES[3], None
    for near in (0.0, 0.02):
        values = [*series[city]]
        line = np.sqrt(values[3] * values[5])
        # Off the line by near, its first two digits exchanged.
        right = round(line * np.exp(near))
        text = str(right)
        values[4] = float(text[1] + text[0] + text[2:])
        rows = found("transposed_digits", {FISCAL: series | {city: values}})
        assert rows[["unit_id", "year"]].values.tolist() == [[city, 2014]]
        assert rows["expected_low"].item() == right


@pytest.mark.parametrize("kind", TYPED)
def test_typed_slips_are_planted_and_mostly_found(clean, kind):
    hits = 0
    for seed in range(6):
        defect = plant(clean, kind, rng=np.random.default_rng(seed))
        spoiled = clean.with_values(defect.values)
        frame = detect(as_panel(spoiled.cells, spoiled.cities, spoiled.provinces))
        keys = {(city, year) for city, year, _ in defect.values}
        rows = frame.loc[frame["rule"].isin(defect.rules)]
        hits += bool(keys & set(zip(rows["unit_id"], rows["year"], strict=True)))
    assert hits >= (1 if kind == "rate_digits_swapped" else 3)
