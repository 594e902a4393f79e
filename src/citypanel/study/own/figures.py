"""The figures of another study as a panel: series, prices, capital, index, controls.

A study on them brings a roster and its own outcomes; what the figures are made of is
declared by the other study and read from the file that its build has published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from citypanel.study.declaration import declared, working_on
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study

#: Columns of a city before those of its years; its code is the unit.
UNIT, PERIOD = "city_id", "year"
INDICES = ("tfpch", "effch", "techch", "cumulative_log_tfp")


@dataclass(frozen=True)
class Figures:
    """Whose figures a study takes, and under which of their options.

    Attributes
    ----------
    study : str
        A study on the figures of seeds/.
    options : mapping
        Values other than its defaults.
    """

    study: str
    options: Mapping[str, Any] = field(default_factory=dict)


def read_figures(figures: Figures, file: Path) -> pd.DataFrame:
    """The city-years of a study's published file, under the options asked for.

    Parameters
    ----------
    figures : Figures
    file : Path
        What the other study's build has published.

    Returns
    -------
    DataFrame
        city_id, city, city_zh, province_id, province, region and the marks of a city;
        year; every series of the yearbook with its gaps filled; gdp_real_cny_10k,
        investment_cny_10k, investment_real_cny_10k, capital_real_cny_10k, labour; the
        indices, null where a city-year draws no frontier; the controls; and
        is_in_sample, is_capital_assumed. One row per city with figures and year of the
        options.

    Raises
    ------
    WarehouseError
        There is no such file, or it cannot be read.
    OptionError
        An option that the study does not have, or a value that it may not have.
    CityPanelError
        A step that cannot be done with these options.
    """
    from citypanel.warehouse.preflight import open_published

    with open_published(file) as connection:

        def table(name: str) -> pd.DataFrame:
            return connection.execute(f"select * from {name}").df()

        sources = Sources.read(table)
        named = table("marts.dim_cities")
    with working_on(figures.study):
        options = Options(**declared().resolve(figures.options))
        return _city_years(Study(sources), options, named)


def _city_years(study: Study, options: Options, named: pd.DataFrame) -> pd.DataFrame:
    sample, investment = study.sample(options), study.investment(options)
    tables = {
        **study.series(options),
        "gdp_real_cny_10k": study.real_output(options),
        "investment_cny_10k": investment.nominal,
        "investment_real_cny_10k": investment.real,
        "capital_real_cny_10k": study.capital(options),
        "labour": study.labour(options),
        **study.controls(options),
        "is_in_sample": sample.is_in_sample,
        "is_capital_assumed": sample.is_capital_assumed,
    }
    first, last = options.panel_first_year, options.last_year
    window = (study.years >= first) & (study.years <= last)
    known = np.any(
        [~np.isnan(table) for table in study.series(options).values()], axis=0
    )
    rows = study.long(tables, known.any(axis=1)[:, None] & window)
    indices = study.index(options)[[UNIT, PERIOD, *INDICES]]
    rows = rows.merge(indices, on=[UNIT, PERIOD], how="left")
    names = named[[UNIT, "city_en", "city_zh", "province_id", "province_en", "region"]]
    names = names.rename(columns={"city_en": "city", "province_en": "province"})
    marks = [c for c in study.cities if c.startswith("is_")]
    cities = names.merge(study.cities[[UNIT, *marks]], on=UNIT)
    return cities.merge(rows, on=UNIT).sort_values([UNIT, PERIOD], ignore_index=True)
