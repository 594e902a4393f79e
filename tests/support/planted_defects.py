"""A panel without defects, and defects to plant in it: the rules' known truth."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

# Own yearly change of each series, standard deviation of its logarithm: the robust ones
# of the shipped yearbook figures (2026-11-25).
CHANGES = {
    "population_persons_10k": 0.008,
    "unit_employment_persons_10k": 0.045,
    "private_employment_persons": 0.11,
    "university_students_persons": 0.04,
    "vocational_students_persons": 0.10,
    "fiscal_expenditure_cny_10k": 0.054,
    "retail_sales_cny_10k": 0.019,
    "imports_cny_10k": 0.15,
    "exports_cny_10k": 0.13,
}
# Level against output or population in the middle city.
RATIOS = {
    "fiscal_expenditure_cny_10k": 0.13,
    "retail_sales_cny_10k": 0.42,
    "imports_cny_10k": 0.08,
    "exports_cny_10k": 0.12,
    "unit_employment_persons_10k": 0.14,
    "private_employment_persons": 1300.0,
    "university_students_persons": 220.0,
    "vocational_students_persons": 130.0,
}
UNITS = {
    "population_persons_10k": "10,000 persons",
    "unit_employment_persons_10k": "10,000 persons",
    "private_employment_persons": "persons",
    "university_students_persons": "persons",
    "vocational_students_persons": "persons",
    "area_km2": "km2",
    "density_persons_per_km2": "persons per km2",
    "gdp_growth_pct": "% (0-100)",
}


@dataclass(frozen=True)
class Simulated:
    """The three tables the rules read, without defects."""

    cells: pd.DataFrame
    cities: pd.DataFrame
    provinces: pd.DataFrame

    def value(self, city_id: str, year: int, variable: str) -> float:
        """One cell of the yearbook."""
        return self._printed[city_id, year, variable]

    @cached_property
    def _printed(self) -> dict[tuple[str, int, str], float]:
        rows = self.cells.loc[self.cells["source"] == "yearbook"]
        keys = (rows[c].tolist() for c in ("city_id", "year", "variable"))
        return dict(zip(zip(*keys, strict=True), rows["value"].tolist(), strict=True))

    def with_values(
        self,
        values: dict[tuple[str, int, str], float],
        provinces: dict[tuple[str, int, str], float] | None = None,
    ) -> Simulated:
        """A copy with other cells: (city or province, year, variable) to value."""
        return Simulated(
            _with(self.cells, ["city_id", "year", "variable", "source"],
                  {(*key, "yearbook"): value for key, value in values.items()}),
            self.cities,
            _with(self.provinces, ["province_id", "year", "variable"], provinces or {}),
        )  # fmt: skip


def _with(frame: pd.DataFrame, key: list[str], values: dict) -> pd.DataFrame:
    """The frame with other values under some keys; without one, the row goes."""
    keys = zip(*(frame[column].tolist() for column in key), strict=True)
    old = frame["value"].tolist()
    new = [values.get(k, value) for k, value in zip(keys, old, strict=True)]
    return frame.assign(value=new).dropna(subset="value").reset_index(drop=True)


def simulated(
    *,
    seed: int,
    n_cities: int = 60,
    first_year: int = 2010,
    n_years: int = 10,
    degrees_of_freedom: float = 5.0,
    n_provinces: int | None = None,
) -> Simulated:
    """Draw a panel in which every identity holds and no cell is wrong.

    ln x_it = ln x_i,t-1 + m_t + s_x e_it, with common growth m_t and e_it from a t
    distribution of unit variance (fat tails, as city series have them): output,
    investment and the series of `CHANGES`. Sectors and sub-items are slowly moving
    shares of their wholes, growth is the real growth behind the level, density is
    population over area, provinces are their cities and as much again. The first city
    is a municipality: its province table is a second source, equal but for rounding.

    Parameters
    ----------
    seed : int
        Of every draw.
    n_cities, first_year, n_years : int
        Size of the panel.
    degrees_of_freedom : float
        Of the t distribution; infinity draws normal changes.
    n_provinces : int, optional
        One for five cities unless given; at most 89.
    """
    rng = np.random.default_rng(seed)
    years = np.arange(first_year, first_year + n_years)
    shape = (n_cities, n_years)

    def shocks(scale: float) -> np.ndarray:
        if np.isinf(degrees_of_freedom):
            return scale * rng.standard_normal(shape)
        unit = np.sqrt(degrees_of_freedom / (degrees_of_freedom - 2))
        return scale * rng.standard_t(degrees_of_freedom, shape) / unit

    def walk(level: np.ndarray, growth: np.ndarray, scale: float) -> np.ndarray:
        changes = growth + shocks(scale)
        changes[:, 0] = 0.0
        return level[:, None] * np.exp(np.cumsum(changes, axis=1))

    def share(middle: float, spread: float) -> np.ndarray:
        start = middle * np.exp(0.15 * rng.standard_normal(n_cities))
        return np.clip(
            start[:, None] + np.cumsum(shocks(spread), axis=1),
            0.3 * middle,
            1.5 * middle,
        )

    n_provinces = n_provinces or max(2, n_cities // 5)
    province = np.arange(n_cities) % n_provinces
    # The municipality is its province.
    province[province == 0] = 1
    province[0] = 0
    prices = 0.02 + 0.02 * rng.random((n_provinces, n_years))
    real = rng.normal(0.075, 0.015, (n_cities, 1)) + shocks(0.012)
    noise = shocks(0.006)
    changes = np.log1p(real) + prices[province] + noise
    changes[:, 0] = 0.0
    start = np.exp(rng.normal(17.0, 0.8, n_cities))
    values = {"gdp_cny_10k": np.round(start[:, None] * np.exp(np.cumsum(changes, 1)))}
    gdp = values["gdp_cny_10k"]
    values["gdp_growth_pct"] = np.round(100 * real, 2)
    secondary, primary = share(0.42, 0.006), share(0.07, 0.002)
    values["secondary_cny_10k"] = np.round(secondary * gdp)
    values["tertiary_cny_10k"] = np.round((1 - secondary - primary) * gdp)
    ratio = walk(np.exp(rng.normal(np.log(0.65), 0.12, n_cities)), 0.01, 0.03)
    values["fai_cny_10k"] = np.round(np.clip(ratio, 0.25, 1.2) * gdp)
    values["real_estate_cny_10k"] = np.round(share(0.2, 0.008) * values["fai_cny_10k"])
    people = np.exp(rng.normal(np.log(550), 0.4, n_cities))
    population = walk(
        people, np.full(n_years, 0.006), CHANGES["population_persons_10k"]
    )
    values["population_persons_10k"] = np.round(population, 2)
    area = np.round(np.exp(rng.normal(9.4, 0.4, n_cities)))
    values["area_km2"] = np.repeat(area[:, None], n_years, axis=1)
    values["density_persons_per_km2"] = np.round(
        10000 * values["population_persons_10k"] / values["area_km2"]
    )
    for name, ratio_ in RATIOS.items():
        base = gdp[:, 0] if name.endswith("cny_10k") else population[:, 0]
        level = base * ratio_ * np.exp(0.35 * rng.standard_normal(n_cities))
        common = rng.normal(0.06, 0.02, n_years)
        values[name] = np.round(walk(level, common, CHANGES[name]), 2)
    for name in values:
        if name.endswith("persons") or name.endswith("cny_10k"):
            values[name] = np.round(values[name])
    values["education_expenditure_cny_10k"] = np.round(
        share(0.17, 0.005) * values["fiscal_expenditure_cny_10k"]
    )
    codes = [f"{province[i] + 11:02d}{i + 1:04d}" for i in range(n_cities)]
    return Simulated(
        cells=_long(values, codes, years, gdp, real),
        cities=pd.DataFrame(
            {
                "city_id": codes,
                "city_en": [f"City {i + 1}" for i in range(n_cities)],
                "city_zh": [f"城市{i + 1}" for i in range(n_cities)],
                "province_id": [f"{p + 11:02d}0000" for p in province],
                "province_en": [f"Province {p + 1}" for p in province],
                "province_zh": [f"省{p + 1}" for p in province],
                "is_municipality": [i == 0 for i in range(n_cities)],
            }
        ),
        provinces=_provinces(gdp, prices, province, years, rng),
    )


def _long(values, codes, years, gdp, real) -> pd.DataFrame:
    pieces = []
    for name, array in values.items():
        pieces.append(
            pd.DataFrame(
                {
                    "city_id": np.repeat(codes, len(years)),
                    "year": np.tile(years, len(codes)),
                    "variable": name,
                    "source": "yearbook",
                    "unit": UNITS.get(name, "CNY 10,000"),
                    "value": array.ravel(),
                }
            )
        )
    for name, array in {
        "gdp_cny_10k": 1e4 * np.round(gdp[0] / 1e4, 1),
        "gdp_growth_pct": np.round(100 * real[0], 1),
    }.items():
        pieces.append(
            pd.DataFrame(
                {
                    "city_id": codes[0],
                    "year": years,
                    "variable": name,
                    "source": "province",
                    "unit": UNITS.get(name, "CNY 10,000"),
                    "value": array,
                }
            )
        )
    return pd.concat(pieces, ignore_index=True)


def _provinces(gdp, prices, province, years, rng) -> pd.DataFrame:
    rows = []
    for number in range(prices.shape[0]):
        members = np.flatnonzero(province == number)
        total = gdp[members].sum(axis=0) * (1.0 if number == 0 else 2.0) / 1e4
        index = np.full(len(years), 107.5)
        index[1:] = 100 * (total[1:] / total[:-1]) * np.exp(-prices[number, 1:])
        fai = 0.65 * total * np.exp(np.cumsum(rng.normal(0, 0.02, len(years))))
        for name, unit, array in (
            ("GDP", "RMB 100 mn", np.round(total, 1)),
            ("GDPIDX", "Prev Year=100", np.round(index, 2)),
            ("FAI", "RMB 100 mn", np.round(fai, 1)),
        ):
            rows += [
                (f"{number + 11:02d}0000", int(year), name, unit, float(value))
                for year, value in zip(years, array, strict=True)
            ]
    return pd.DataFrame(
        rows, columns=["province_id", "year", "variable", "unit", "value"]
    )


@dataclass(frozen=True)
class Defect:
    """A planted defect: the cells it spoils and the rules that may name it.

    A rule about several columns names one of them: `also` lists the unspoiled ones.
    """

    kind: str
    rules: tuple[str, ...]
    values: dict[tuple[str, int, str], float]
    also: tuple[str, ...] = ("all_variables",)
    provinces: dict[tuple[str, int, str], float] = field(default_factory=dict)


def plant(panel: Simulated, kind: str, *, rng: np.random.Generator) -> Defect:
    """Draw one defect of a kind for a panel; `KINDS` and `WIDE_KINDS` list them.

    The city, the year and, where the kind is about one series, the variable are drawn
    too. Nothing is changed: `panel.with_values(defect.values)` does.
    """
    years = sorted(panel.cells["year"].unique())
    city = str(rng.choice(panel.cities["city_id"].iloc[1:]))
    year = int(rng.choice(years[2:-2]))
    return (KINDS | TYPED | WIDE_KINDS)[kind](panel, rng, city, year)


LEVELS = (
    "gdp_cny_10k",
    "fai_cny_10k",
    "population_persons_10k",
    "university_students_persons",
    "unit_employment_persons_10k",
    "retail_sales_cny_10k",
    "fiscal_expenditure_cny_10k",
)


def _slip(panel, rng, city, year) -> Defect:
    name = str(rng.choice(LEVELS))
    by = float(rng.choice([0.01, 0.1, 10.0, 100.0, 10000.0]))
    key = (city, year, name)
    return Defect("power_of_ten", ("power_of_ten",), {key: by * panel.value(*key)})


def _halved(panel, rng, city, year) -> Defect:
    name = str(
        rng.choice(["university_students_persons", "fiscal_expenditure_cny_10k"])
    )
    by = float(rng.choice([0.5, 2.0]))
    keys = [(city, y, name) for y in (year, year + 1)]
    return Defect(
        "halved_or_doubled",
        ("halved_or_doubled", "leaves_and_returns"),
        {key: np.round(by * panel.value(*key)) for key in keys},
    )


def _spike(panel, rng, city, year) -> Defect:
    name = str(rng.choice(["population_persons_10k", "retail_sales_cny_10k"]))
    by = float(rng.choice([0.75, 1.3]))
    key = (city, year, name)
    return Defect(
        "leaves_and_returns",
        ("leaves_and_returns",),
        {key: np.round(by * panel.value(*key), 2)},
    )


def _shift(panel, rng, city, year) -> Defect:
    name = str(rng.choice(["population_persons_10k", "retail_sales_cny_10k"]))
    by = float(rng.choice([0.75, 1.35]))
    years = panel.cells["year"].unique()
    keys = [(city, int(y), name) for y in years if y >= year]
    return Defect(
        "level_break",
        ("level_break",),
        {key: np.round(by * panel.value(*key), 2) for key in keys},
    )


def _output_shift(panel, rng, city, year) -> Defect:
    names = ("gdp_cny_10k", "secondary_cny_10k", "tertiary_cny_10k")
    by = float(rng.choice([0.85, 1.15]))
    years = panel.cells["year"].unique()
    keys = [(city, int(y), name) for y in years if y >= year for name in names]
    return Defect(
        "growth_against_levels",
        ("growth_against_levels",),
        {key: np.round(by * panel.value(*key)) for key in keys},
    )


def _nominal(panel, rng, city, year) -> Defect:
    gdp = [panel.value(city, y, "gdp_cny_10k") for y in (year - 1, year)]
    growth = round(100 * (gdp[1] / gdp[0] - 1), 2)
    return Defect(
        "nominal_as_real",
        ("nominal_as_real",),
        {(city, year, "gdp_growth_pct"): growth},
    )


def _dollars(panel, rng, city, year) -> Defect:
    keys = [(city, year, name) for name in ("imports_cny_10k", "exports_cny_10k")]
    return Defect(
        "mixed_currency",
        ("mixed_currency",),
        {key: np.round(panel.value(*key) / 6.7) for key in keys},
    )


def _total(panel, rng, city, year) -> Defect:
    parts = {n: panel.value(city, year, f"{n}_cny_10k") for n in ("imports", "exports")}
    smaller = min(parts, key=parts.get)
    return Defect(
        "total_in_part",
        ("total_in_part",),
        {(city, year, f"{smaller}_cny_10k"): sum(parts.values())},
    )


def _repeat(panel, rng, city, year) -> Defect:
    name = str(rng.choice(["university_students_persons", "retail_sales_cny_10k"]))
    return Defect(
        "repeated_value",
        ("repeated_value",),
        {(city, year, name): panel.value(city, year - 1, name)},
    )


def _row(panel, rng, city, year) -> Defect:
    names = [n for n in panel.cells["variable"].unique() if n != "gdp_growth_pct"]
    return Defect(
        "copied_row",
        ("copied_row",),
        {(city, year, n): panel.value(city, year - 1, n) for n in names},
    )


def _other_city(panel, rng, city, year) -> Defect:
    others = panel.cities["city_id"].iloc[1:]
    other = str(rng.choice(others[others != city]))
    name = "fiscal_expenditure_cny_10k"
    return Defect(
        "same_in_two_cities",
        ("same_in_two_cities",),
        {(city, year, name): panel.value(other, year, name)},
    )


def _digits(panel, rng, city, year) -> Defect:
    text = str(int(panel.value(city, year, "area_km2")))
    places = [i for i in range(len(text) - 1) if text[i] != text[i + 1]] or [0]
    i = int(rng.choice(places))
    swapped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return Defect(
        "transposed_digits",
        ("transposed_digits",),
        {(city, year, "area_km2"): float(swapped)},
    )


def _parts(panel, rng, city, year) -> Defect:
    gdp = panel.value(city, year, "gdp_cny_10k")
    return Defect(
        "parts_exceed_whole",
        ("parts_exceed_whole",),
        {(city, year, "tertiary_cny_10k"): np.round(0.75 * gdp)},
        also=("gdp_cny_10k",),
    )


def _swapped(panel, rng, city, year) -> Defect:
    names = ("secondary_cny_10k", "tertiary_cny_10k")
    return Defect(
        "share_jump",
        ("share_jump",),
        {(city, year, a): panel.value(city, year, b) for a, b in (names, names[::-1])},
    )


def _density(panel, rng, city, year) -> Defect:
    key = (city, year, "density_persons_per_km2")
    return Defect(
        "density_identity",
        ("density_identity",),
        {key: np.round(1.2 * panel.value(*key))},
    )


def _low_investment(panel, rng, city, year) -> Defect:
    years = sorted(panel.cells["year"].unique())
    keys = [(city, int(y), "fai_cny_10k") for y in years if y <= year]
    return Defect(
        "investment_ratio",
        ("investment_ratio",),
        {key: np.round(0.4 * panel.value(*key)) for key in keys},
    )


def _gap(panel, rng, city, year) -> Defect:
    name = str(rng.choice(LEVELS))
    return Defect("missing_cell", ("missing_cell",), {(city, year, name): np.nan})


def _second_source(panel, rng, city, year) -> Defect:
    city = panel.cities["city_id"].iloc[0]
    years = sorted(panel.cells["year"].unique())
    keys = [(city, int(y), "gdp_cny_10k") for y in years if y < year]
    return Defect(
        "source_jump",
        ("source_jump",),
        {key: np.round(0.9 * panel.value(*key)) for key in keys}
        | {(city, year, "gdp_cny_10k"): panel.value(city, year, "gdp_cny_10k")},
    )


def _erratic(panel, rng, city, year) -> Defect:
    name, years = "retail_sales_cny_10k", sorted(panel.cells["year"].unique())
    keys = [(city, int(y), name) for y in years]
    by = [1.5 ** ((i + 1) // 2) for i in range(len(keys))]
    return Defect(
        "erratic_series",
        ("erratic_series",),
        {k: np.round(b * panel.value(*k)) for k, b in zip(keys, by, strict=True)},
    )


def _drift(panel, rng, city, year) -> Defect:
    name, years = "population_persons_10k", sorted(panel.cells["year"].unique())
    keys = [(city, int(y), name) for y in years]
    return Defect(
        "drift",
        ("drift",),
        {k: np.round(1.05**i * panel.value(*k), 2) for i, k in enumerate(keys)},
    )


def _ratio(panel, rng, city, year) -> Defect:
    name = "vocational_students_persons"
    years = panel.cells["year"].unique()
    keys = [(city, int(y), name) for y in years]
    return Defect(
        "ratio_out_of_range",
        ("ratio_out_of_range",),
        {key: np.round(12 * panel.value(*key)) for key in keys},
    )


def _empty_row(panel, rng, city, year) -> Defect:
    names = list(panel.cells["variable"].unique())[:14]
    return Defect(
        "missing_row", ("missing_row",), {(city, year, n): np.nan for n in names}
    )


def _empty_city(panel, rng, city, year) -> Defect:
    rows = panel.cells.loc[
        (panel.cells["city_id"] == city) & (panel.cells["source"] == "yearbook")
    ]
    keys = zip(rows["city_id"], rows["year"], rows["variable"], strict=True)
    return Defect("missing_city", ("missing_city",), {key: np.nan for key in keys})


def _whole_series(panel, name, years) -> list[tuple[str, int, str]]:
    return [(c, int(y), name) for c in panel.cities["city_id"] for y in years]


def _break_year(panel, rng, city, year) -> Defect:
    name = "retail_sales_cny_10k"
    years = [y for y in panel.cells["year"].unique() if y >= year]
    revision = {c: np.exp(rng.normal(0, 0.1)) for c in panel.cities["city_id"]}
    keys = _whole_series(panel, name, years)
    return Defect(
        "break_year",
        ("break_year",),
        {key: np.round(revision[key[0]] * panel.value(*key)) for key in keys},
    )


def _ends(panel, rng, city, year) -> Defect:
    years = [y for y in panel.cells["year"].unique() if y >= year]
    keys = _whole_series(panel, "fai_cny_10k", years)
    return Defect("discontinued", ("discontinued",), {key: np.nan for key in keys})


def _hole(panel, rng, city, year) -> Defect:
    keys = _whole_series(panel, "university_students_persons", [year])
    return Defect("missing_year", ("missing_year",), {key: np.nan for key in keys})


def _rounded(panel, rng, city, year) -> Defect:
    years = [y for y in panel.cells["year"].unique() if y >= year]
    keys = _whole_series(panel, "unit_employment_persons_10k", years)
    return Defect(
        "rounded",
        ("rounded",),
        {key: 10 * np.round(panel.value(*key) / 10) for key in keys},
    )


def _province_value(panel, province_id, year, name) -> float:
    rows = panel.provinces
    at = (rows["province_id"] == province_id) & (rows["year"] == year)
    return float(rows.loc[at & (rows["variable"] == name), "value"].item())


def _province_collapse(panel, rng, city, year) -> Defect:
    province_id = str(rng.choice(panel.cities["province_id"].unique()[1:]))
    years = [int(y) for y in panel.cells["year"].unique() if y >= year]
    return Defect(
        "province_break",
        ("province_break",),
        {},
        provinces={
            (province_id, y, "FAI"): 0.5 * _province_value(panel, province_id, y, "FAI")
            for y in years
        },
    )


def _province_low(panel, rng, city, year) -> Defect:
    province_id = str(rng.choice(panel.cities["province_id"].unique()[1:]))
    years = [int(y) for y in panel.cells["year"].unique()]
    return Defect(
        "cities_exceed_province",
        ("cities_exceed_province",),
        {},
        provinces={
            (province_id, y, "GDP"): 0.4 * _province_value(panel, province_id, y, "GDP")
            for y in years
        },
    )


def _vintage(panel, rng, city, year) -> Defect:
    city = panel.cities["city_id"].iloc[0]
    years = panel.cells["year"].unique()
    keys = [(city, int(y), "gdp_cny_10k") for y in years]
    return Defect(
        "source_disagreement",
        ("source_disagreement",),
        {key: np.round(0.94 * panel.value(*key)) for key in keys},
    )


# Rules that may name a typist's slip at its cell.
NAMES_A_SLIP = (
    "transposed_digits", "leaves_and_returns", "halved_or_doubled", "power_of_ten",
    "growth_against_levels", "parts_exceed_whole", "share_jump", "density_identity",
    "nominal_as_real", "level_break",
)  # fmt: skip


def _two_digits(panel, rng, city, year) -> Defect:
    """306635 for 360635: two different neighbours among the first three digits."""
    name = str(rng.choice(LEVELS))
    text = f"{panel.value(city, year, name):.10g}"
    places = [i for i in (0, 1) if text[i : i + 2].isdigit() and text[i] != text[i + 1]]
    if not places or text.startswith("0"):
        return Defect(
            "two_digits_swapped", NAMES_A_SLIP, {(city, year, name): float(text)}
        )
    i = int(rng.choice(places))
    swapped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return Defect(
        "two_digits_swapped", NAMES_A_SLIP, {(city, year, name): float(swapped)}
    )


def _first_digit(panel, rng, city, year) -> Defect:
    """231 for 131: the first digit one higher."""
    name = str(rng.choice(LEVELS))
    value = panel.value(city, year, name)
    step = 10.0 ** np.floor(np.log10(value))
    return Defect("first_digit_off", NAMES_A_SLIP, {(city, year, name): value + step})


def _rate_digits(panel, rng, city, year) -> Defect:
    """Two digits of a growth rate, 10.9 for 19.0: by a point at least."""
    key = (city, year, "gdp_growth_pct")
    text = f"{panel.value(*key):.10g}"
    digits = [i for i, letter in enumerate(text) if letter.isdigit()]
    found = []
    for i, j in itertools.pairwise(digits):
        letters = list(text)
        letters[i], letters[j] = letters[j], letters[i]
        value = float("".join(letters))
        if abs(value - panel.value(*key)) >= 1:
            found.append(value)
    value = float(rng.choice(found)) if found else panel.value(*key)
    return Defect(
        "rate_digits_swapped", NAMES_A_SLIP, {key: value}, also=("gdp_cny_10k",)
    )


KINDS = {
    "power_of_ten": _slip,
    "halved_or_doubled": _halved,
    "leaves_and_returns": _spike,
    "level_break": _shift,
    "growth_against_levels": _output_shift,
    "nominal_as_real": _nominal,
    "mixed_currency": _dollars,
    "total_in_part": _total,
    "repeated_value": _repeat,
    "copied_row": _row,
    "same_in_two_cities": _other_city,
    "transposed_digits": _digits,
    "parts_exceed_whole": _parts,
    "share_jump": _swapped,
    "density_identity": _density,
    "investment_ratio": _low_investment,
    "source_jump": _second_source,
    "missing_cell": _gap,
    "missing_row": _empty_row,
    "missing_city": _empty_city,
    "erratic_series": _erratic,
    "drift": _drift,
    "ratio_out_of_range": _ratio,
}
# A typist's slips: any rule that names the cell will do.
TYPED = {
    "two_digits_swapped": _two_digits,
    "first_digit_off": _first_digit,
    "rate_digits_swapped": _rate_digits,
}
# Defects of a whole series, of a province or of the second source: one a panel.
WIDE_KINDS = {
    "break_year": _break_year,
    "discontinued": _ends,
    "missing_year": _hole,
    "rounded": _rounded,
    "province_break": _province_collapse,
    "cities_exceed_province": _province_low,
    "source_disagreement": _vintage,
}
