"""What a changed figure of a source does to the plans of the cities behind it.

A figure of the yearbook belongs to one city, a figure of a province's series to the
cities of that province. Every step from the figures to output, capital and labour
treats cities one by one, so each experiment is a city (or a province with its cities)
of its own: a batch of experiments passes the study's steps once, side by side. Under
imputation = growth_chaining a gap takes the cities' common growth, so a figure of one
city reaches others: there each experiment is a study of its own, and takes a hundred
times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.capital import VANISHING, initial_growth
from citypanel.errors import CapitalError
from citypanel.influence.changed_plans import Change
from citypanel.influence.headline import Headline, plans_in_window
from citypanel.study.declaration import declared
from citypanel.study.grid import Grid
from citypanel.study.options import Options
from citypanel.study.run import Study
from citypanel.study.steps.series import (
    GDP_DEFLATOR,
    INVESTMENT_PRICE,
    PROVINCE_INVESTMENT,
)
from citypanel.study.steps.series import provinces as of_provinces

# A plan that moves by less has not moved: the figure cancels out of a ratio.
ROUNDING = 1e-13

INDICATORS = ("GDP", "GDPIDX", "FAI", "FAIPI")
# Indicators that each table of the provinces is made of.
MADE_OF = {
    GDP_DEFLATOR: ("GDP", "GDPIDX"),
    INVESTMENT_PRICE: ("FAIPI",),
    PROVINCE_INVESTMENT: ("FAI",),
}
NO_CAPITAL = (
    "the build would stop: growth of investment {first} to {last} plus depreciation "
    "is not positive"
)


@dataclass(frozen=True, eq=False)
class Experiment:
    """What one changed figure does.

    Attributes
    ----------
    change : Change or None
        The new plans; None where no plan moves or none can be formed.
    note : str
        Why there is none, or which cities leave the sample.
    stops : bool
        Whether the study could not be computed with the figure.
    """

    change: Change | None
    note: str = ""
    stops: bool = False


def series_used(study: Study, options: Options) -> list[str]:
    """Series of the yearbook that the plans are made of."""
    return study.reads("series", "sample", options)


def indicators_used(study: Study, options: Options) -> list[str]:
    """Province indicators that the plans are made of, for some city.

    Output and investment of a municipality are its province's too.
    """
    read = study.reads("provinces", "sample", options)
    made_of = {name for table in read for name in MADE_OF[table]}
    return [name for name in INDICATORS if name in made_of | {"GDP", "FAI"}]


def seed_cells(headline: Headline) -> pd.DataFrame:
    """Every figure of the seeds that the headline's plans can depend on.

    Parameters
    ----------
    headline : Headline

    Returns
    -------
    DataFrame
        scope (yearbook or province), unit (city or province code), year, variable (a
        series of the yearbook or an indicator), value (the seed's own unit); sorted.
        Figures of cities outside the sample are not among them.
    """
    study, options = headline.study, headline.options
    sources, vintage = study.sources, options.gdp_vintage
    cells = sources.cells
    read = (cells[f"source__{vintage}"] == "yearbook").to_numpy(bool)
    # A figure that is set aside is a figure of the seeds too.
    figures = np.where(
        read,
        cells[f"value__{vintage}"].to_numpy(float, na_value=np.nan),
        cells["yearbook_value"].to_numpy(float, na_value=np.nan),
    )
    cells = cells.assign(value=figures)
    mine = cells.loc[
        cells["variable"].isin(series_used(study, options))
        & cells["city_id"].isin(headline.plans.cities)
        & cells["value"].notna()
    ]
    series = sources.province_series
    provinces = study.cities.loc[
        study.cities["city_id"].isin(headline.plans.cities), "province_id"
    ].unique()
    theirs = series.loc[
        series["indicator"].isin(indicators_used(study, options))
        & series["province_id"].isin(provinces)
        & series["year"].isin(study.years)
        & series["value"].notna()
    ]
    parts = [
        pd.DataFrame(
            {
                "scope": scope,
                "unit": rows[unit],
                "year": rows["year"].astype(int),
                "variable": rows[variable],
                "value": rows["value"].astype(float),
            }
        )
        for scope, rows, unit, variable in (
            ("yearbook", mine, "city_id", "variable"),
            ("province", theirs, "province_id", "indicator"),
        )
    ]
    keys = ["scope", "unit", "year", "variable"]
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values(keys, ignore_index=True, ascending=[False, *[True] * 3])


def other_vintage(study: Study, options: Options) -> set[tuple[str, int, str]]:
    """Cells whose next reading is a level of the other vintage of output.

    Of a level a source that comes first under another gdp_vintage only fills a hole
    with a figure of another level: it joins two vintages in one series.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline.

    Returns
    -------
    set of (city_id, year, variable)
    """
    cells = study.sources.cells
    own = f"source__{options.gdp_vintage}"
    then = cells[f"next_{own}"]
    others = [c for c in cells if c.startswith("source__") and c != own]
    theirs = [((then == cells[c]) & (cells[c] != cells[own])) for c in others]
    found = cells.loc[
        np.logical_or.reduce([mask.to_numpy(bool) for mask in theirs])
        & then.notna()
        & ~cells["variable"].str.endswith("_pct")
    ]
    return set(zip(found["city_id"], found["year"], found["variable"], strict=True))


def experiments(headline: Headline, cells: pd.DataFrame) -> list[Experiment]:
    """The plans under every changed figure.

    A deleted figure is not replaced by a level of the other vintage
    (`other_vintage`): the gap rule fills it.

    Parameters
    ----------
    headline : Headline
    cells : DataFrame
        scope, unit, year, variable as `seed_cells`, and new_value: the figure in its
        place, missing where the figure is deleted.

    Returns
    -------
    list of Experiment
        In the order of the rows.
    """
    if headline.options.imputation == "growth_chaining":
        return [_alone(headline, row) for row in cells.itertuples()]
    clones = _Clones(headline, cells)
    if clones.sample is None:
        return [_stopped() for _ in clones.members]
    sample, window = clones.sample, headline.window
    kept = sample.is_in_sample[:, window]
    outputs = np.where(kept, sample.output[:, window], np.nan)
    inputs = np.stack([sample.capital[:, window], sample.labour[:, window]], axis=2)
    inputs = np.where(kept[:, :, None], inputs, np.nan)
    return [
        _moved(headline, Change(of[1], outputs[of[0]], inputs[of[0]]))
        if of
        else _stopped()
        for of in clones.members
    ]


def _alone(headline: Headline, row) -> Experiment:
    """One changed figure by a study of its own."""
    study, options = headline.study, headline.options
    new = None if np.isnan(row.new_value) else row.new_value
    if row.scope == "yearbook":
        key = (row.unit, row.year, row.variable, "yearbook")
        changed = study.with_cell(*key, new)
    else:
        changed = study.with_province_value(row.unit, row.year, row.variable, new)
    if new is None:
        readings = {k: v.copy() for k, v in changed.readings(options).items()}
        for city, year, name in other_vintage(study, options):
            at = study.grid.city_at[city], int(np.searchsorted(study.years, year))
            now = study.readings(options)[name][at]
            if year == row.year and readings[name][at] != now:
                readings[name][at] = np.nan
        changed = changed.instead(readings=readings)
    try:
        plans = plans_in_window(headline, changed)
    except CapitalError:
        return _stopped()
    everyone = np.arange(len(plans.cities))
    return _moved(headline, Change(everyone, plans.outputs, plans.inputs))


def _stopped() -> Experiment:
    first, last = declared().growth_years
    note = NO_CAPITAL.format(first=first, last=last)
    return Experiment(None, note, stops=True)


def _moved(headline: Headline, change: Change) -> Experiment:
    """The change without what is rounding, and who leaves the sample."""
    plans = headline.plans
    old_y, old_x = plans.outputs[change.rows], plans.inputs[change.rows]
    near_y = np.abs(change.outputs - old_y) <= ROUNDING * np.abs(old_y)
    near_x = np.abs(change.inputs - old_x) <= ROUNDING * np.abs(old_x)
    outputs = np.where(near_y, old_y, change.outputs)
    inputs = np.where(near_x, old_x, change.inputs)
    gone = np.isfinite(old_y) & ~np.isfinite(outputs)
    moves = gone.any(axis=1) | (outputs != old_y)[:, :].any(axis=1)
    moves |= ((inputs != old_x) & np.isfinite(old_x)).any(axis=(1, 2))
    # Comparisons with a missing plan that was missing before say nothing.
    moves &= np.isfinite(old_y).any(axis=1)
    if not moves.any():
        return Experiment(None, "no plan depends on it")
    leave = plans.cities[change.rows[gone.any(axis=1)]]
    note = f"leave the sample: {', '.join(leave)}" if len(leave) else ""
    return Experiment(Change(change.rows[moves], outputs[moves], inputs[moves]), note)


class _Clones:
    """Every experiment as cities of its own in one study.

    Attributes
    ----------
    sample : Sample or None
        None where no experiment has a capital stock.
    members : list
        For each experiment the rows of its cities in the study of clones and in the
        headline's plans; None where no capital stock can be started.
    """

    def __init__(self, headline: Headline, cells: pd.DataFrame):
        self.headline, self.cells = headline, cells.reset_index(drop=True)
        study = headline.study
        province_of = study.cities["province_id"].to_numpy(dtype=object)
        self._of_province: dict[str, list[int]] = {}
        for place, row in enumerate(headline.at):
            self._of_province.setdefault(province_of[row], []).append(place)
        self._place = {code: i for i, code in enumerate(headline.plans.cities)}
        self._other = other_vintage(study, headline.options)
        wanted = list(range(len(self.cells)))
        self.sample: pd.DataFrame | None = None
        placed: dict[int, tuple] = {}
        while wanted and self.sample is None:
            study, placed = self._study(wanted)
            stuck = self._stuck(study)
            stopped = {k for k, rows in placed.items() if stuck[rows[0]].any()}
            if stopped:
                wanted, placed = [k for k in wanted if k not in stopped], {}
            else:
                self.sample = study.sample(headline.options)
        self.members = [placed.get(k) for k in range(len(self.cells))]

    def _study(self, wanted: Sequence[int]) -> tuple[Study, dict[int, tuple]]:
        """One study with the cities of every experiment, and where they are."""
        headline, study = self.headline, self.headline.study
        rows: list[int] = []
        names: list[str] = []
        placed: dict[int, tuple] = {}
        changes = []
        for change in self.cells.loc[list(wanted)].itertuples():
            is_city = change.scope == "yearbook"
            members = (
                [self._place[change.unit]]
                if is_city
                else self._of_province[change.unit]
            )
            places = range(len(rows), len(rows) + len(members))
            rows += [int(headline.at[place]) for place in members]
            names += [f"{change.Index:07d}|{headline.plans.cities[m]}" for m in members]
            placed[change.Index] = np.array(places), np.array(members)
            changes.append((places, change))
        readings = {
            name: table[rows]
            for name, table in study.readings(headline.options).items()
        }
        provinces = {k: table[rows] for k, table in study.provinces().items()}
        own = study.sources.variables.set_index("province_indicator")["variable"]
        for places, change in changes:
            at = int(np.searchsorted(study.years, change.year))
            new = None if np.isnan(change.new_value) else float(change.new_value)
            if change.scope == "yearbook":
                moved = [(change.variable, place, "yearbook", new) for place in places]
            else:
                # A municipality is its province: the figure is a cell of it too.
                figure = study.figure_of_city(change.variable, new)
                moved = [
                    (name, place, "province", figure)
                    for name in own.loc[own.index == change.variable]
                    for place in places
                ]
            for name, place, source, value in moved:
                city = study.city_ids[rows[place]]
                cell = (city, change.year, name)
                readings[name][place, at] = study.reading_with(
                    *cell,
                    source,
                    value,
                    headline.options,
                    replaced=cell not in self._other,
                )
        self._move_provinces(changes, provinces)
        copies = study.side_by_side(rows, names, readings=readings, provinces=provinces)
        return copies, placed

    def _move_provinces(self, changes, tables: dict[str, np.ndarray]) -> None:
        """The tables of the provinces of every experiment with one of their figures."""
        study = self.headline.study
        series = study.sources.province_series
        rows_of = series.groupby("province_id").indices
        frames, clones = [], []
        for places, change in changes:
            if change.scope == "yearbook":
                continue
            mine = series.iloc[rows_of[change.unit]]
            hit = (mine["year"] == change.year) & (mine["indicator"] == change.variable)
            frames.append(
                mine.assign(
                    value=mine["value"].mask(hit, change.new_value),
                    province_id=f"{change.Index:07d}",
                )
            )
            clones += [(place, f"{change.Index:07d}") for place in places]
        if not frames:
            return
        places, homes = zip(*clones, strict=True)
        moved = of_provinces(
            pd.concat(frames, ignore_index=True),
            pd.DataFrame({"province_id": homes}),
            Grid(np.array(homes, dtype=object), study.years),
            declared().base_year,
        )
        for name, table in tables.items():
            table[list(places)] = moved[name]

    def _stuck(self, study: Study) -> np.ndarray:
        """Clones whose initial stock would be infinite or negative."""
        options = self.headline.options
        none = np.zeros(len(study.city_ids), dtype=bool)
        if options.initial_capital == "ten_percent":
            return none
        investment = study.investment(options)
        real = investment.real
        first, last = declared().growth_years
        growth = initial_growth(
            study.long({"flow": getattr(investment, options.initial_growth)}),
            unit="city_id",
            period="year",
            investment="flow",
            first=first,
            last=last,
        ).reindex(study.city_ids)
        start = np.searchsorted(study.years, options.capital_first_year)
        shrinks = growth.to_numpy(float) + options.depreciation <= VANISHING
        return shrinks & np.isfinite(real[:, start])
