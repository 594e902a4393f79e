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
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from citypanel.capital import VANISHING, initial_growth
from citypanel.errors import CapitalError
from citypanel.influence.changed_plans import Change
from citypanel.influence.headline import Headline, plans_in_window
from citypanel.study.capital import GROWTH_FIRST, GROWTH_LAST
from citypanel.study.pipeline import Options, Study

# A plan that moves by less has not moved: the figure cancels out of a ratio.
ROUNDING = 1e-13

LABOUR_SERIES = {
    "university_share": ("university_students_persons", "population_persons_10k"),
    "student_share": (
        "university_students_persons",
        "vocational_students_persons",
        "population_persons_10k",
    ),
    "students": ("university_students_persons",),
    "employed": ("unit_employment_persons_10k", "private_employment_persons"),
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


def series_used(options: Options) -> list[str]:
    """Series of the yearbook that the plans are made of."""
    names = ["gdp_cny_10k", "fai_cny_10k", *LABOUR_SERIES[options.labour_measure]]
    if options.real_gdp == "city_growth":
        names.append("gdp_growth_pct")
    if options.fai_extension in ("real_estate", "province_then_real_estate"):
        names.append("real_estate_cny_10k")
    return names


def indicators_used(options: Options) -> list[str]:
    """Province indicators that the plans are made of, for some city."""
    names = ["GDP", "GDPIDX", "FAI"]
    if options.investment_deflator == "province_investment_price":
        names.append("FAIPI")
    return names


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
    sources = study.sources
    cells = sources.cells
    mine = cells.loc[
        (cells["source"] == "yearbook")
        & cells["variable"].isin(series_used(options))
        & cells["city_id"].isin(headline.plans.cities)
        & cells["value"].notna()
    ]
    city = pd.DataFrame(
        {
            "scope": "yearbook",
            "unit": mine["city_id"],
            "year": mine["year"].astype(int),
            "variable": mine["variable"],
            "value": mine["value"].astype(float),
        }
    )
    series = sources.province_series
    provinces = study.cities.loc[
        study.cities["city_id"].isin(headline.plans.cities), "province_id"
    ].unique()
    theirs = series.loc[
        series["indicator"].isin(indicators_used(options))
        & series["province_id"].isin(provinces)
        & series["year"].isin(study.years)
        & series["value"].notna()
    ]
    province = pd.DataFrame(
        {
            "scope": "province",
            "unit": theirs["province_id"],
            "year": theirs["year"].astype(int),
            "variable": theirs["indicator"],
            "value": theirs["value"].astype(float),
        }
    )
    keys = ["scope", "unit", "year", "variable"]
    frame = pd.concat([city, province], ignore_index=True)
    return frame.sort_values(keys, ignore_index=True, ascending=[False, *[True] * 3])


def other_vintage(study: Study, options: Options) -> np.ndarray:
    """Readings of the sources that are levels of the other vintage of output.

    Of a level a source that comes first under another gdp_vintage only fills a hole
    with a figure of another level: it joins two vintages in one series.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline.

    Returns
    -------
    ndarray of bool
        One per row of `Sources.cells`.
    """
    order = study.sources.precedence
    first = order.loc[order["precedence"].astype(int) == 1]
    first = first.loc[~first["variable"].str.endswith("_pct")]
    mine = first["gdp_vintage"] == options.gdp_vintage
    pairs = [
        set(zip(part["variable"], part["source"], strict=True))
        for part in (first[~mine], first[mine])
    ]
    cells = study.sources.cells
    keys = zip(cells["variable"], cells["source"], strict=True)
    return np.array([key in pairs[0] - pairs[1] for key in keys], dtype=bool)


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
    found = []
    for members in clones.members:
        if members is None:
            found.append(_stopped())
            continue
        places, rows = members
        change = Change(rows, outputs[places], inputs[places])
        found.append(_moved(headline, change))
    return found


def _alone(headline: Headline, row) -> Experiment:
    """One changed figure by a study of its own."""
    study, new = headline.study, row.new_value
    if np.isnan(new):
        study, new = _without_other_vintage(headline, row), None
    if row.scope == "yearbook":
        key = (row.unit, row.year, row.variable, "yearbook")
        changed = study.with_cell(*key, new)
    else:
        changed = study.with_province_value(row.unit, row.year, row.variable, new)
    try:
        plans = plans_in_window(headline, changed)
    except CapitalError:
        return _stopped()
    everyone = np.arange(len(plans.cities))
    return _moved(headline, Change(everyone, plans.outputs, plans.inputs))


def _without_other_vintage(headline: Headline, row) -> Study:
    """The study without the other vintage's readings of a figure."""
    study = headline.study
    cells, cities = study.sources.cells, study.cities
    variable, unit = "variable", [row.unit]
    if row.scope == "province":
        variable = "province_indicator"
        unit = cities.loc[
            (cities["province_id"] == row.unit)
            & cities["is_municipality"].astype(bool),
            "city_id",
        ]
    named = cells[["variable"]].merge(study.sources.variables, how="left")[variable]
    gone = other_vintage(study, headline.options) & (
        (named.to_numpy(object) == row.variable)
        & cells["city_id"].isin(unit)
        & (cells["year"] == row.year)
    )
    kept = cells["value"].where(~gone)
    return Study(replace(study.sources, cells=cells.assign(value=kept)))


def _stopped() -> Experiment:
    note = NO_CAPITAL.format(first=GROWTH_FIRST, last=GROWTH_LAST)
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
        sources = headline.study.sources
        used = {*series_used(headline.options)}
        kept = sources.cells["variable"].isin(used)
        kept &= sources.cells["city_id"].isin(headline.plans.cities)
        self._base = sources.cells.loc[kept].reset_index(drop=True)
        self._other = other_vintage(headline.study, headline.options)[kept]
        self._rows_of = self._base.groupby("city_id").indices
        self._year = self._base["year"].to_numpy(int)
        self._source = self._base["source"].to_numpy(object)
        self._variable = self._base["variable"].to_numpy(object)
        indicator = sources.variables.set_index("variable")["province_indicator"]
        self._indicator = self._base["variable"].map(indicator).to_numpy(object)
        wanted = list(range(len(self.cells)))
        self.sample: pd.DataFrame | None = None
        placed: dict[int, tuple] = {}
        if wanted:
            study, placed = self._study(wanted)
            stuck = self._stuck(study)
            stopped = {k for k, rows in placed.items() if stuck[rows[0]].any()}
            if stopped:
                wanted = [k for k in wanted if k not in stopped]
                placed = {}
                if wanted:
                    study, placed = self._study(wanted)
            if wanted:
                self.sample = study.sample(headline.options)
        self.members = [placed.get(k) for k in range(len(self.cells))]

    def _study(self, wanted: Sequence[int]) -> tuple[Study, dict[int, tuple]]:
        headline, sources = self.headline, self.headline.study.sources
        cities = headline.study.cities.set_index("city_id")
        position = {code: i for i, code in enumerate(headline.plans.cities)}
        province_of = cities["province_id"].to_dict()
        municipal = cities["is_municipality"].astype(bool).to_dict()
        of_province: dict[str, list[str]] = {}
        for code in headline.plans.cities:
            of_province.setdefault(province_of[code], []).append(code)
        series = sources.province_series
        series_rows = series.groupby("province_id").indices

        names: list[str] = []
        base, provinces = [], []
        pieces, owners, changed = [], [], []
        series_pieces, series_owners, series_changed = [], [], []
        placed: dict[int, tuple] = {}
        offset = series_offset = 0
        rows = self.cells.loc[list(wanted)]
        for k, scope, unit, year, variable, new in zip(
            rows.index,
            rows["scope"],
            rows["unit"],
            rows["year"],
            rows["variable"],
            rows["new_value"],
            strict=True,
        ):
            is_city = scope == "yearbook"
            members = [unit] if is_city else of_province[unit]
            first = len(names)
            home = None
            if not is_city:
                home = f"{k:07d}"
                mine = series_rows[unit]
                series_pieces.append(mine)
                series_owners += [home] * len(mine)
                hit = (series["year"].to_numpy()[mine] == year) & (
                    series["indicator"].to_numpy(object)[mine] == variable
                )
                series_changed += [
                    (series_offset + j, new) for j in np.flatnonzero(hit)
                ]
                series_offset += len(mine)
            for code in members:
                clone = f"{k:07d}|{code}"
                names.append(clone)
                base.append(code)
                provinces.append(home or province_of[code])
                mine = self._rows_of[code]
                pieces.append(mine)
                owners += [clone] * len(mine)
                hit, figure = self._year[mine] == year, new
                source = "yearbook" if is_city else "province"
                hit &= (self._source[mine] == source) | (
                    self._other[mine] & np.isnan(new)
                )
                if is_city:
                    hit &= self._variable[mine] == variable
                else:
                    # A municipality is its province: the figure is a cell of it too.
                    hit &= municipal[code] & (self._indicator[mine] == variable)
                    figure = new - 100 if variable == "GDPIDX" else 10000 * new
                changed += [(offset + j, figure) for j in np.flatnonzero(hit)]
                offset += len(mine)
            last = len(names)
            placed[k] = (
                np.arange(first, last),
                np.array([position[code] for code in members]),
            )
        clones = cities.loc[base].reset_index(drop=True)
        clones.insert(0, "city_id", names)
        clones["province_id"] = provinces
        cells = _changed(self._base, pieces, changed).assign(city_id=owners)
        series = pd.concat(
            [
                series,
                _changed(series, series_pieces, series_changed).assign(
                    province_id=series_owners
                ),
            ],
            ignore_index=True,
        )
        study = Study(
            replace(
                sources,
                cells=cells,
                province_series=series,
                cities=clones,
            )
        )
        return study, placed

    def _stuck(self, study: Study) -> np.ndarray:
        """Clones whose initial stock would be infinite or negative."""
        options = self.headline.options
        none = np.zeros(len(study.city_ids), dtype=bool)
        if options.initial_capital == "ten_percent":
            return none
        real = study.investment(options)[0]
        flows = real
        if options.initial_growth == "nominal":
            flows = real * study.provinces()[options.investment_deflator]
        growth = initial_growth(
            study.long({"flow": flows}),
            unit="city_id",
            period="year",
            investment="flow",
            first=GROWTH_FIRST,
            last=GROWTH_LAST,
        ).reindex(study.city_ids)
        start = np.searchsorted(study.years, options.capital_first_year)
        shrinks = growth.to_numpy(float) + options.depreciation <= VANISHING
        return shrinks & np.isfinite(real[:, start])


def _changed(
    frame: pd.DataFrame, pieces: list[np.ndarray], changed: list[tuple[int, float]]
) -> pd.DataFrame:
    """Rows of a frame, taken again and again, with some values replaced."""
    taken = np.concatenate(pieces) if pieces else np.empty(0, dtype=int)
    out = frame.iloc[taken].reset_index(drop=True)
    values = out["value"].to_numpy(float).copy()
    for place, value in changed:
        values[place] = value
    return out.assign(value=values)
