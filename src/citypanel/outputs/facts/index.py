"""Whether the index that is studied can be believed: levels, frontier, prices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from citypanel.errors import CityPanelError
from citypanel.influence.yardsticks import solow_residual
from citypanel.outputs.facts.effects import number
from citypanel.study.declaration import declared
from citypanel.words import Words

# Labour's share of income behind the Solow residual.
LABOUR_SHARE = 0.5
PERSONS = ("labour_measure", "employed")


@dataclass(frozen=True)
class Index:
    """The productivity index beside what it is made of.

    Attributes
    ----------
    first, last : int
        Years between which everything grows.
    output, capital, persons : float
        Ratio of last to first, geometric mean over units; persons is NaN where they
        were not counted.
    level, growth : float
        Of the index: last over first, and a year as a share (0.05 is 5 per cent).
    solow : float
        Mean growth a year of a Solow residual with labour's share at one half, as a
        share; NaN where persons were not counted.
    n_solow : int
        Units behind it.
    n_frontier, n_units : int
        Units on the frontier of the last year, of how many.
    on_frontier : mapping of year to count
        Units on the frontier of each year.
    carrier : Words or None
        The unit that carries the frontier, where it is one.
    lowest : tuple of Words and float, or None
        The unit whose index falls most, and by how much a year, as a share.
    zero_price : tuple of (year, share) pairs
        Share of units whose labour has no price, first and last year of the indices.
    """

    first: int
    last: int
    output: float
    capital: float
    persons: float
    level: float
    growth: float
    solow: float
    n_solow: int
    n_frontier: int
    n_units: int
    carrier: Words | None
    lowest: tuple[Words, float] | None
    zero_price: tuple[tuple[int, float], ...]
    on_frontier: Mapping[int, int] = field(default_factory=dict)

    @property
    def zero_price_share(self) -> float:
        """Of the last year; NaN where there is no frontier."""
        return self.zero_price[-1][1] if self.zero_price else math.nan


def index_of(frames: Mapping[str, pd.DataFrame]) -> Index | None:
    """What the published tables say of the index; None where they do not say it.

    Parameters
    ----------
    frames : mapping
        fct_city_years, fct_tfp_changes, dim_cities; rpt_frontier and fct_cell_origins
        where they are there.
    """
    years, changes = frames.get("fct_city_years"), frames.get("fct_tfp_changes")
    if years is None or changes is None or not len(years):
        return None
    kept = changes[changes["log_tfpch"].notna()]
    if not len(kept):
        return None
    years = years[years["city_id"].isin(kept["city_id"])]
    first, last = int(years["year"].min()), int(years["year"].max())
    by_unit = kept.groupby("city_id")["log_tfpch"].mean()
    names = frames["dim_cities"].set_index("city_id")
    low = by_unit.idxmin()
    level = float(np.exp(kept.groupby("year")["log_tfpch"].mean().sum()))
    span = last - first
    solow, persons, n_solow = _solow(frames, years, first, last)
    n_frontier, carrier, prices = _frontier(frames, kept, names)
    on = changes["is_on_frontier"].fillna(False).astype(bool)
    return Index(
        first,
        last,
        _ratio(years, "gdp_real_cny_10k", first, last),
        _ratio(years, "capital_real_cny_10k", first, last),
        persons,
        level,
        level ** (1 / span) - 1,
        solow,
        n_solow,
        n_frontier,
        int(kept["city_id"].nunique()),
        carrier,
        (_name(names, low), math.expm1(by_unit[low])),
        prices,
        {int(year): int(n) for year, n in on.groupby(changes["year"]).sum().items()},
    )


def _name(names: pd.DataFrame, unit: object) -> Words:
    row = names.loc[unit]
    return Words(row["city_en"], row["city_zh"])


def _ratio(frame: pd.DataFrame, column: str, first: int, last: int) -> float:
    """Geometric mean over units of the last value over the first."""
    values = frame.pivot(index="city_id", columns="year", values=column)
    logs = np.log(values[last] / values[first])
    return float(np.exp(logs.mean()))


def _solow(frames, years: pd.DataFrame, first: int, last: int):
    cells = frames.get("fct_cell_origins")
    nothing = (math.nan, math.nan, 0)
    option = declared().options.get(PERSONS[0])
    if cells is None or option is None or "value" not in cells:
        return nothing
    ends = cells[cells["year"].isin([first, last])]
    wide = ends.pivot(index=["city_id", "year"], columns="variable", values="value")
    try:
        series = {name: wide[name].to_numpy(float) for name in wide}
        wide["persons"] = option.formula_of(PERSONS[1])(series)
    except (CityPanelError, KeyError):
        return nothing
    both = years[years["year"].isin([first, last])].join(
        wide["persons"], on=["city_id", "year"]
    )
    both["log"] = solow_residual(
        both["gdp_real_cny_10k"].to_numpy(float),
        both["capital_real_cny_10k"].to_numpy(float),
        both["persons"].to_numpy(float),
        labour_share=LABOUR_SHARE,
    )
    logs = both.pivot(index="city_id", columns="year", values="log").dropna()
    if not len(logs) or last == first:
        return nothing
    growth = float((logs[last] - logs[first]).mean()) / (last - first)
    ratio = _ratio(both[both["city_id"].isin(logs.index)], "persons", first, last)
    return math.expm1(growth), ratio, len(logs)


def _frontier(frames, kept: pd.DataFrame, names: pd.DataFrame):
    on = kept[(kept["year"] == kept["year"].max()) & kept["is_on_frontier"].eq(True)]
    carrier = _name(names, on["city_id"].iloc[0]) if len(on) == 1 else None
    frontier = frames.get("rpt_frontier")
    prices: list[tuple[int, float]] = []
    if frontier is not None and len(frontier):
        known = frontier[frontier["zero_labour_price_share"].notna()]
        known = known.sort_values("year")
        for place in (0, -1) if len(known) > 1 else (0,) if len(known) else ():
            row = known.iloc[place]
            prices.append((int(row["year"]), number(row["zero_labour_price_share"])))
    return len(on), carrier, tuple(prices)
