"""Distances of every unit and period to the technology of one or more periods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from citypanel.frontier.evaluation import Evaluator, join_texts, reason_texts
from citypanel.frontier.metafrontier import groups_of
from citypanel.frontier.references import Reference
from citypanel.frontier.results import FrontierResult, remembering
from citypanel.frontier.start import start
from citypanel.frontier.technology import check_option

MEASURES = ("shephard", "farrell")


@remembering
def distance(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    orientation: str = "output",
    returns_to_scale: str = "crs",
    reference: str = "contemporaneous",
    lags: Sequence[int] = (0,),
    measure: str = "shephard",
    window: int | None = None,
    group: str | None = None,
    reference_units: Iterable[object] | None = None,
    frontier: str = "dea",
    order: float | None = None,
    solver: str = "auto",
) -> FrontierResult:
    """DEA distances of every unit and period.

    Shephard's output distance is D(x, y) = min{d : (x, y / d) feasible}: 1 on the
    frontier, below 1 inside, above 1 for a plan beyond a technology it is not part of.
    Shephard's input distance is D(x, y) = max{d : (x / d, y) feasible}: 1 on the
    frontier, above 1 inside. Farrell's measures are their reciprocals.

    Parameters
    ----------
    panel : DataFrame
        One row a unit and period, in any order; it may be unbalanced.
    unit, period : str
        Key columns.
    outputs, inputs : sequence of str
        Columns in any positive unit of measurement.
    orientation : {"output", "input"}
        What moves to the frontier.
    returns_to_scale : {"crs", "vrs", "nirs", "ndrs"}
        Constant, variable, non-increasing or non-decreasing returns.
    reference : str
        The technology of a period: see `malmquist`. `biennial` pools the evaluated
        period and the reference period (lag 0: the period and the next one).
        `metafrontier` adds the distance to the unit's own group and the technology
        gap ratio.
    lags : sequence of int
        Reference period minus own period, in steps of the panel's periods: (0,) is
        the own period, (-1, 0, 1) what DEAP prints.
    measure : {"shephard", "farrell"}
        Farrell's output measure is >= 1 inside, his input measure <= 1.
    window, group, reference_units, frontier, order, solver
        See `malmquist`.

    Returns
    -------
    DataFrame
        One row a unit, period and reference period, sorted so: unit, period,
        `period_reference`, `distance`, `reason` (null, or why the distance is null),
        and `distance_group`, `tgr` under `metafrontier`. `attrs["dropped"]` and
        `attrs["certificate"]` as in `malmquist`.

    Raises
    ------
    OptionError, PanelError
        See `malmquist`.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> found = frontier.distance(zones(), orientation="output", **plans)
    >>> found.iloc[:3].round(3)
      city  year  period_reference  distance reason
    0  c01  2010              2010     0.884   <NA>
    1  c01  2011              2011     0.875   <NA>
    2  c01  2012              2012     0.830   <NA>
    """
    check_option("measure", measure, MEASURES)
    evaluator, scheme = start(
        panel,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        orientation=orientation,
        returns_to_scale=returns_to_scale,
        solver=solver,
        frontier=frontier,
        order=order,
        reference=reference,
        window=window,
        group=group,
        reference_units=reference_units,
    )
    return distance_frame(
        evaluator, scheme, lags, returns_to_scale, measure=measure, group=group
    )


def distance_frame(
    evaluator: Evaluator,
    scheme: Reference,
    lags: Sequence[int],
    returns_to_scale: str,
    *,
    measure: str,
    group: str | None,
) -> pd.DataFrame:
    """The frame that `distance` returns, from any evaluator of plans.

    `measure` is `shephard`, `farrell`, or anything else for what the evaluator returns.
    """
    data = evaluator.panel
    orientation = evaluator.orientation
    n_periods = len(data.periods)
    steps = np.unique(np.asarray(lags, dtype=int))
    rows = np.repeat(np.arange(len(data.unit_of)), len(steps))
    target = data.period_of[rows] + np.tile(steps, len(data.unit_of))
    inside = (target >= 0) & (target < n_periods)
    rows, target = rows[inside], target[inside]
    efficiency, status = _efficiencies(
        evaluator, scheme, rows, target, returns_to_scale, None
    )
    columns = {"distance": _measured(efficiency, orientation, measure)}
    reason = reason_texts({"": status})
    if group is not None:
        _, codes = groups_of(data, group)
        own, own_status = _efficiencies(
            evaluator, scheme, rows, target, returns_to_scale, codes
        )
        columns["distance_group"] = _measured(own, orientation, measure)
        columns["tgr"] = efficiency / own
        reason = join_texts(reason, reason_texts({"": own_status}), "group: ")
    columns = {"period_reference": data.periods[target], **columns}
    return evaluator.frame(rows, columns, reason)


def _efficiencies(
    evaluator: Evaluator,
    scheme: Reference,
    rows: np.ndarray,
    target: np.ndarray,
    returns_to_scale: str,
    groups: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Efficiencies of rows against the technologies of target periods."""
    values = np.full(len(rows), np.nan)
    status = np.zeros(len(rows), dtype=int)
    last = len(evaluator.panel.periods) - 1
    labels = np.zeros(len(rows), dtype=int) if groups is None else groups[rows]
    size = last + 1
    code = (labels * size + evaluator.panel.period_of[rows]) * size + target
    places: dict[tuple, list[np.ndarray]] = {}
    for value in np.flatnonzero(np.bincount(code)):
        rest, period = divmod(int(value), size)
        label, own = divmod(rest, size)
        a, b = sorted((own, period))
        if a == b:
            a, b = (a, a + 1) if a < last else (a - 1, a)
        span = scheme.pooled(a, b) or scheme.own(period)
        key = (span, label, returns_to_scale)
        places.setdefault(key, []).append(np.flatnonzero(code == value))
    tasks = {
        key: [(plans, plans) for plans in (rows[where] for where in found)]
        for key, found in places.items()
    }
    measured = evaluator.measure(scheme, tasks, groups)
    for found, sets in zip(places.values(), measured, strict=True):
        for where, (value, state) in zip(found, sets, strict=True):
            values[where], status[where] = value, state
    return values, status


def _measured(efficiency: np.ndarray, orientation: str, measure: str) -> np.ndarray:
    """An efficiency as Shephard's or Farrell's measure."""
    if measure not in MEASURES:
        return efficiency
    reciprocal = (orientation == "input") == (measure == "shephard")
    return 1.0 / efficiency if reciprocal else efficiency
