"""A panel of any size with every series the shipped study needs, and slips in it.

    python -m benchmarks.scale.panel --units 2800 --years 30 --folder FOLDER

writes it as the project's own seeds, and `large_panel` makes it in memory. Figures are
those of `tests.support.planted_defects.simulated` (changes with fat tails, identities
that hold); one cell in a hundred is missing, and one series in two hundred has a slip
of the decimal point, a figure of the year before or two digits that changed places.
The seed fixes everything.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.support.planted_defects import simulated
from tests.support.study_sources import dated, reconciled

PROJECT = Path(__file__).parents[2]
SEED = 20240705
FIRST_YEAR = 2010
PROVINCES = 31
MISSING, SLIPS = 0.01, 1 / 200
BATCH_DATES = ("2015-03-07", "2016-01-06", "2018-07-24")
REGIONS = ("eastern", "central", "western", "northeastern")


@dataclass(frozen=True)
class LargePanel:
    """Tables as the warehouse has them.

    Attributes
    ----------
    cells : DataFrame
        `int_cells__sources`: every source's reading.
    cities, provinces : DataFrame
        `stg_reference__cities` and `stg_ceic__province_series`.
    sources : dict of DataFrame
        The parts of `citypanel.study.run.Sources`.
    variants : DataFrame
        The headline's options, to the panel's last year.
    """

    cells: pd.DataFrame
    cities: pd.DataFrame
    provinces: pd.DataFrame
    sources: dict[str, pd.DataFrame]
    variants: pd.DataFrame


def large_panel(
    n_units: int = 2800, n_years: int = 30, *, seed: int = SEED, slips: float = SLIPS
) -> LargePanel:
    """Make the tables of a panel of `n_units` by `n_years`, from 2010 on.

    ``slips`` is the share of series with a slip; one of a power of ten in a figure that
    is used ends a build.
    """
    drawn = simulated(
        seed=seed,
        n_cities=n_units,
        first_year=FIRST_YEAR,
        n_years=n_years,
        n_provinces=min(PROVINCES, max(2, n_units // 5)),
    )
    rng = np.random.default_rng([seed, 1])
    cells = _spoiled(drawn.cells, rng, slips)
    cities = drawn.cities.sort_values("city_id", ignore_index=True)
    cities = cities.assign(
        region=[REGIONS[i % 4] for i in range(n_units)],
        is_provincial_capital=False,
        is_in_nbs_70=True,
    )
    provinces = _prices(drawn.provinces.rename(columns={"variable": "indicator"}), rng)
    variables = pd.read_csv(PROJECT / "seeds/reference/ref_variables.csv", dtype=str)
    precedence = pd.read_csv(
        PROJECT / "seeds/reference/ref_source_precedence.csv", dtype=str
    )
    precedence["precedence"] = precedence["precedence"].astype(float)
    read = cells.rename(columns={"printed_value": "value"})
    used = reconciled(read, precedence.dropna(subset="precedence"))
    used["value"] = used["value__as_published"]
    used["source"] = used["source__as_published"]
    treated = rng.permutation(n_units)[: n_units // 3]
    zones = pd.DataFrame({"city_id": cities["city_id"].to_numpy()[np.sort(treated)]})
    zones["batch"] = 1 + np.arange(len(zones)) % len(BATCH_DATES)
    zones["approval_date"] = [BATCH_DATES[batch - 1] for batch in zones["batch"]]
    years = range(FIRST_YEAR, FIRST_YEAR + n_years)
    last = FIRST_YEAR + n_years - 1
    return LargePanel(
        cells=cells,
        cities=cities,
        provinces=provinces,
        sources={
            "cells": used,
            "province_series": provinces,
            "cities": cities,
            "policy": dated(zones, cities["city_id"], years),
            "variables": variables,
        },
        variants=pd.DataFrame(
            [{"variant": "headline", "study_sample": "nbs_70", "last_year": last}]
        ),
    )


def _spoiled(
    cells: pd.DataFrame, rng: np.random.Generator, slips: float
) -> pd.DataFrame:
    """The readings with gaps and slips."""
    cells = cells.sort_values(["variable", "source", "city_id", "year"])
    cells = cells.reset_index(drop=True).rename(columns={"value": "printed_value"})
    values = cells["printed_value"].to_numpy(copy=True)
    starts = np.flatnonzero(
        ~cells.duplicated(["variable", "source", "city_id"]).to_numpy()
    )
    length = np.diff([*starts, len(cells)])
    spoiled = rng.random(len(starts)) < slips
    for start, n in zip(starts[spoiled], length[spoiled], strict=True):
        at = start + int(rng.integers(1, n))
        kind = rng.integers(3)
        if kind == 0:
            values[at] = values[at] * 10
        elif kind == 1:
            values[at] = values[at - 1]
        else:
            text = f"{values[at]:.0f}"
            place = int(rng.integers(max(1, len(text) - 1)))
            pair = text[place : place + 2][::-1]
            values[at] = float(text[:place] + pair + text[place + 2 :])
    keep = rng.random(len(values)) >= MISSING
    return cells.assign(
        printed_value=values,
        import_precedence=np.nan,
        correction_action=None,
        is_usable=True,
    ).loc[keep]


def _prices(provinces: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The provinces' series with a price index of investment."""
    keys = provinces[["province_id", "year"]].drop_duplicates()
    prices = keys.assign(
        indicator="FAIPI",
        unit="Prev Year=100",
        value=np.round(rng.normal(102, 1.5, len(keys)), 1),
    )
    return pd.concat([provinces, prices], ignore_index=True)


def write_seeds(panel: LargePanel, folder: Path) -> None:
    """Write the panel over the seeds of a copy of the project at `folder`."""
    seeds = Path(folder) / "seeds"
    variables = panel.sources["variables"].set_index("variable")
    columns = variables["yearbook_column"].dropna()
    mine = panel.cells.loc[panel.cells["source"] == "yearbook"]
    wide = mine.pivot(
        index=["year", "city_id"], columns="variable", values="printed_value"
    ).reset_index()
    names = panel.cities.set_index("city_id")["city_zh"]
    table: dict[str, Any] = {
        "年份": wide["year"], "城市": wide["city_id"].map(names) + "市",
        "城市代码": wide["city_id"],
    }  # fmt: skip
    table |= {column: wide[name] for name, column in columns.items()}
    pd.DataFrame(table).to_csv(
        seeds / "yearbook/raw_yearbook_city_years.csv", index=False
    )
    cities = panel.cities.assign(
        is_municipality=panel.cities["is_municipality"].astype(int), in_nbs_70=1
    )
    provinces = cities.drop_duplicates("province_id")
    cities[
        ["city_id", "city_zh", "city_en", "province_id", "province_zh", "province_en",
         "region", "is_municipality", "in_nbs_70"]
    ].to_csv(seeds / "reference/ref_cities.csv", index=False)  # fmt: skip
    provinces[["province_id", "province_zh", "province_en", "region"]].to_csv(
        seeds / "reference/ref_provinces.csv", index=False
    )
    _write_provinces(panel.provinces, provinces, seeds / "ceic")
    policy = panel.sources["policy"].dropna(subset="batch")
    zones = policy.drop_duplicates("city_id").merge(panel.cities, on="city_id")
    dates = [BATCH_DATES[int(batch) - 1] for batch in zones["batch"]]
    pd.DataFrame(
        {
            "batch": zones["batch"].astype(int),
            "approval_date": dates,
            "state_council_document": "simulated",
            "province_zh": zones["province_zh"],
            "zone_zh": zones["city_zh"],
        }
    ).to_csv(seeds / "policy/raw_pilot_zones.csv", index=False)

    _write_places(panel.cities, seeds)
    corrections = seeds / "corrections/fix_cells.csv"
    header = corrections.read_text(encoding="utf-8").split("\n", 1)[0]
    corrections.write_text(header + "\n", encoding="utf-8")


def _write_places(cities: pd.DataFrame, seeds: Path) -> None:
    """Units with coordinates, and who is under other policies of the time."""
    rng = np.random.default_rng([SEED, 2])
    n = len(cities)
    columns = pd.read_csv(seeds / "reference/ref_prefectures.csv", nrows=0).columns
    cities.assign(
        unit_id=cities["city_id"],
        unit_zh=cities["city_zh"] + "市",
        short_zh=cities["city_zh"],
        unit_en=cities["city_en"],
        pinyin=cities["city_en"],
        kind="prefecture_city",
        longitude=rng.uniform(75, 130, n).round(2),
        latitude=rng.uniform(20, 50, n).round(2),
    ).reindex(columns=columns).to_csv(
        seeds / "reference/ref_prefectures.csv", index=False
    )
    others = [
        cities.assign(
            policy=policy,
            batch=1,
            approval_date=date,
            document="simulated",
            unit_zh=cities["city_zh"] + "市",
        )[rng.random(n) < 0.2]
        for policy, date in (
            ("low_carbon_pilots", "2012-11-26"),
            ("free_trade_zones", "2015-04-08"),
        )
    ]
    columns = pd.read_csv(seeds / "policy/raw_concurrent_policies.csv", nrows=0).columns
    pd.concat(others)[columns].to_csv(
        seeds / "policy/raw_concurrent_policies.csv", index=False
    )


def _write_provinces(
    series: pd.DataFrame, provinces: pd.DataFrame, folder: Path
) -> None:
    ids = "NBS-PROVINCE-" + series["province_id"] + "-" + series["indicator"]
    pd.DataFrame(
        {
            "series_id": ids,
            "date": series["year"].astype(str) + "-12-31",
            "value": series["value"],
        }
    ).to_csv(folder / "raw_ceic_series.csv", index=False)
    first, last = series["year"].min(), series["year"].max()
    named = series.assign(series_id=ids).drop_duplicates("series_id")
    named = named.merge(provinces[["province_id", "province_en", "province_zh"]])
    pd.DataFrame(
        {
            "series_id": named["series_id"],
            "series_name": named["indicator"] + ": " + named["province_en"],
            "series_name_zh": named["indicator"] + ": " + named["province_zh"],
            "indicator": named["indicator"],
            "country": "China",
            "region": named["province_en"],
            "province_id": named["province_id"],
            "frequency": "Annual",
            "unit": named["unit"],
            "source": "simulated",
            "status": "Active",
            "first_obs_date": f"{first}-12-31",
            "last_obs_date": f"{last}-12-31",
            "remarks": "",
        }
    ).to_csv(folder / "raw_ceic_series_metadata.csv", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=2800)
    parser.add_argument("--years", type=int, default=30)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    write_seeds(large_panel(asked.units, asked.years), asked.folder)


if __name__ == "__main__":
    main()
