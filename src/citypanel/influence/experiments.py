"""The influence of every city, every city-year and every figure on the headline.

The study is computed again without the city, the city-year or the figure, or with the
figure ten times too large or too small; nothing is linearised. What differs is what
"without" means:

    city, scope sample         the city draws no frontier and has no outcome
    city, scope regression     its outcomes are left out; it still draws the frontier
    city_year, scope sample    no plan in that year: it draws no frontier there, and has
                               no index into or out of it
    city_year, scope regression    the index of that year is left out
    seed_cell                  the figure is missing; the study's gap rule fills it, or
                               another source, or the extension of investment starts a
                               year earlier; failing that the city leaves the sample
    slip                       the figure is multiplied by the factor
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from citypanel.errors import OptionError
from citypanel.influence.cell_changes import experiments, seed_cells, series_used
from citypanel.influence.changed_plans import Change
from citypanel.influence.headline import Headline
from citypanel.study.options import Options
from citypanel.study.run import Study
from citypanel.workers import same_code

KINDS = ("city", "city_year", "seed_cell", "slip")
SLIPS = (10.0, 0.1)

#: Origins that a city-year does not tell: investment has a word of its own.
UNTOLD = (None, "reported", "missing", "assumed")

#: Figures handed to a worker at a time.
BATCH = 250

COLUMNS = {
    "kind": "string",
    "scope": "string",
    "unit": "string",
    "year": "Int64",
    "variable": "string",
    "factor": "float64",
    "origin": "string",
    "value": "float64",
    "estimate": "float64",
    "std_error": "float64",
    "p_value": "float64",
    "change": "float64",
    "change_in_std_errors": "float64",
    "mean": "float64",
    "std_dev": "float64",
    "minimum": "float64",
    "maximum": "float64",
    "n_obs": "Int64",
    "n_cities": "Int64",
    "rank": "Int64",
    "note": "string",
}


def influence(
    study: Study,
    options: Options,
    *,
    kinds: Sequence[str] = KINDS,
    slips: Sequence[float] = SLIPS,
    origins: pd.DataFrame | None = None,
    n_jobs: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """What the headline becomes without each city, city-year and figure of the seeds.

    Parameters
    ----------
    study : Study
        The sources.
    options : Options
        Those of the headline.
    kinds : sequence of str
        Among `KINDS`.
    slips : sequence of float
        Factors of the slip experiment; all positive.
    origins : DataFrame, optional
        city_id, year, variable, origin: how each figure in use came about (as
        marts.fct_cell_origins). A figure of a province's series is `reported`.
    n_jobs : int, optional
        Workers of joblib; the table does not depend on it.
    progress : callable, optional
        Called as progress(done, total) after each batch.

    Returns
    -------
    DataFrame
        The columns of `COLUMNS`, one row per kind, scope, unit, year, variable and
        factor; the first row is the headline itself (kind `headline`, rank 0).
        `change` is the estimate less the headline's; `change_in_std_errors` divides it
        by the headline's standard error. mean, std_dev, minimum and maximum are of
        tfpch over the regression's city-years. `rank` orders each kind and scope by the
        size of the change, 1 the largest; rows without an estimate have none and say
        why in `note`.

    Raises
    ------
    OptionError
        An unknown kind, or a factor that is not positive.
    EstimationError
        When the headline itself is not identified.
    """
    _check(kinds, slips)
    headline = Headline(study, options)
    tasks: list[tuple] = [(kind,) for kind in ("city", "city_year") if kind in kinds]
    cells = _planned(seed_cells(headline), kinds, slips)
    tasks += [
        ("cells", cells.iloc[first : first + BATCH])
        for first in range(0, len(cells), BATCH)
    ]
    row = {"kind": "headline", "scope": "", "unit": "", **asdict(headline.result)}
    pieces = [pd.DataFrame([row])]
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(same_code(_run))(study, options, task) for task in tasks
    )
    for done, piece in enumerate(work, start=1):
        pieces.append(piece)
        if progress is not None:
            progress(done, len(tasks))
    frame = pd.concat(pieces, ignore_index=True)
    return _finished(frame, headline, origins)


def _check(kinds: Sequence[str], slips: Sequence[float]) -> None:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise OptionError.of("influence.no_such_kind", unknown, kinds=list(KINDS))
    wrong = [factor for factor in slips if not factor > 0]
    if wrong:
        raise OptionError.of("influence.factors_not_positive", wrong)


def _planned(
    cells: pd.DataFrame, kinds: Sequence[str], slips: Sequence[float]
) -> pd.DataFrame:
    """The figures with what is put in their place, all experiments below each other."""
    factors = {"seed_cell": (np.nan,), "slip": slips}
    planned = [
        cells.assign(kind=kind, factor=factor, new_value=factor * cells["value"])
        for kind, each in factors.items()
        if kind in kinds
        for factor in each
    ]
    return pd.concat(planned, ignore_index=True) if planned else cells.iloc[:0]


def _run(study: Study, options: Options, task: tuple) -> pd.DataFrame:
    headline = Headline(study, options)
    kind, *cells = task
    return _cells(headline, *cells) if cells else _without(headline, kind)


def _without(headline: Headline, kind: str) -> pd.DataFrame:
    """Every city, or every city-year, left out in turn."""
    plans, rows = headline.plans, []
    each = [(i, None) for i in range(len(plans.cities))]
    for i, t in each if kind == "city" else np.argwhere(plans.present):
        key = {"kind": kind, "unit": plans.cities[i]}
        key |= {} if t is None else {"year": plans.years[t]}
        found = {"sample": headline.changed(Change.without(plans, i, t))}
        if t is None or headline.rows[i, t]:
            dropped = np.zeros(plans.outputs.shape, dtype=bool)
            dropped[i, slice(None) if t is None else t] = True
            found["regression"] = headline.without_rows(dropped)
        rows += [{**key, "scope": s, **asdict(result)} for s, result in found.items()]
    return pd.DataFrame(rows)


def _cells(headline: Headline, cells: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for experiment in experiments(headline, cells):
        found: dict[str, object] = {"note": experiment.note or None}
        if experiment.change is not None:
            found |= asdict(headline.changed(experiment.change))
        elif not experiment.stops:
            found |= asdict(headline.result)
        rows.append(found)
    keys = ["kind", "scope", "unit", "year", "variable", "factor", "value"]
    left = cells[keys].reset_index(drop=True)
    return pd.concat([left, pd.DataFrame(rows)], axis=1)


def _finished(
    frame: pd.DataFrame, headline: Headline, origins: pd.DataFrame | None
) -> pd.DataFrame:
    base = headline.result
    frame = frame.reindex(columns=list(COLUMNS))
    frame["change"] = frame["estimate"] - base.estimate
    frame["change_in_std_errors"] = frame["change"] / base.std_error
    frame["rank"] = (
        frame["change"]
        .abs()
        .groupby([frame["kind"], frame["scope"]])
        .rank(method="first", ascending=False)
        .where(frame["kind"] != "headline", 0.0)
    )
    frame["origin"] = _origins(frame, headline, origins)
    return frame.astype(COLUMNS)


def _origins(
    frame: pd.DataFrame, headline: Headline, origins: pd.DataFrame | None
) -> list[str | None]:
    """Origin of each figure; of a city-year all that is not as reported."""
    study, options = headline.study, headline.options
    used = series_used(study, options)
    known: dict[tuple, str] = {}
    if origins is not None:
        kept = origins.loc[origins["variable"].isin(used)]
        keys = zip(kept["city_id"], kept["year"], kept["variable"], strict=True)
        known = dict(zip(keys, kept["origin"], strict=True))
    places = np.argwhere(study.investment(options).is_assumed)
    assumed = {(study.city_ids[i], study.years[t]) for i, t in places}

    def told(kind, scope, unit, year, variable) -> str | None:
        year = None if pd.isna(year) else int(year)
        if kind in ("seed_cell", "slip"):
            key = unit, year, variable
            return "reported" if scope == "province" else known.get(key)
        if kind != "city_year" or not known:
            return None
        told = [
            f"{name} {known[unit, year, name]}"
            for name in used
            if known.get((unit, year, name)) not in UNTOLD
        ]
        if (unit, year) in assumed:
            told.append("investment assumed")
        return "; ".join(told) or "reported"

    columns = frame[["kind", "scope", "unit", "year", "variable"]]
    return [told(*row) for row in columns.itertuples(index=False)]
