"""The Malmquist productivity index and its components.

Every index is above 1 when productivity rises, in both orientations. With e^s(t)
the efficiency of a unit's plan of period t against the technology of period s
(Shephard's output distance, or Farrell's theta = 1 / Shephard's input distance),

    tfpch  = sqrt( e^a(b) / e^a(a)  x  e^b(b) / e^b(a) )
    effch  = e^b(b) / e^a(a)
    techch = tfpch / effch
    pech   = v^b(b) / v^a(a)      (v: variable returns to scale)
    sech   = effch under constant returns / pech

for a change from period a to period b (Färe, Grosskopf, Norris and Zhang 1994).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from citypanel.errors import OptionError, PanelError
from citypanel.frontier.decompositions import (
    DECOMPOSITIONS,
    FORMS,
    Changes,
    decompose,
)
from citypanel.frontier.evaluation import Evaluator, join_texts
from citypanel.frontier.metafrontier import group_columns
from citypanel.frontier.panel import Observations, plain
from citypanel.frontier.references import Reference
from citypanel.frontier.results import FrontierResult, remembering
from citypanel.frontier.start import start
from citypanel.frontier.technology import check_option

BASES = ("adjacent", "first")


@remembering
def malmquist(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    orientation: str = "output",
    decomposition: str = "fgnz",
    reference: str = "contemporaneous",
    returns_to_scale: str = "crs",
    base: str = "adjacent",
    form: str = "geometric",
    window: int | None = None,
    group: str | None = None,
    reference_units: Iterable[object] | None = None,
    frontier: str = "dea",
    order: float | None = None,
    scale: bool = True,
    keep_distances: bool = False,
    solver: str = "auto",
) -> FrontierResult:
    """Malmquist productivity changes of every unit of a panel.

    Every index is > 1 when productivity rises, whatever the orientation. Output
    distances are Shephard's (own period <= 1); the input index is formed on
    theta = 1 / Shephard's input distance (own period <= 1), so that under constant
    returns it equals the output index.

    Parameters
    ----------
    panel : DataFrame
        One row a unit and period, in any order; it may be unbalanced.
    unit, period : str
        Key columns. Periods are compared in their sorted order.
    outputs, inputs : sequence of str
        Columns in any positive unit of measurement; the result does not depend on it.
    orientation : {"output", "input"}
        Expansion of outputs (default) or contraction of inputs.
    decomposition : {"fgnz", "ray-desli", "grifell-lovell", "bias"}
        `fgnz` (default): effch, techch, pech, sech of Färe et al. (1994). `ray-desli`:
        Ray and Desli (1997), techch from variable returns, sech the change of the
        scale factor. `grifell-lovell`: the generalised index of Grifell-Tatjé and
        Lovell (1999), always from the base period. `bias`: fgnz and the columns obtech,
        ibtech, matech, whose product is techch (Färe, Grifell-Tatjé, Grosskopf and
        Lovell 1997).
    reference : str
        `contemporaneous` (default): the period's own observations. `sequential`: all
        periods up to it. `window`: the last `window` periods. `biennial`: tfpch
        against the two periods pooled (Pastor, Asmild and Lovell 2011). `global`:
        tfpch against all periods pooled (Pastor and Lovell 2005); both have no
        infeasible programmes and a circular or base-free tfpch. `metafrontier`: the
        period's observations of all groups, with the index against the unit's own
        group and the technology gap ratio beside it (O'Donnell, Rao and Battese 2008).
    returns_to_scale : {"crs", "vrs", "nirs", "ndrs"}
        Technology of tfpch, effch and techch; constant by default. pech and sech always
        come from variable returns beside constant ones, so effch = pech x sech holds
        under `crs`.
    base : {"adjacent", "first"}
        Compare with the period before (default) or with the first one.
    form : {"geometric", "base"}
        `ray-desli` only: mean of the two technologies, or the earlier one.
    window : int, optional
        Width with `reference="window"`; 3 by default.
    group : str, optional
        Column of groups, needed by `reference="metafrontier"`.
    reference_units : iterable, optional
        Units that may carry the frontier; the others are evaluated only. All by
        default. Where none of them is observed yet (`sequential`, `window`), a plan has
        no distance: `infeasible`.
    frontier : {"dea", "order-m", "order-alpha"}
        Full or partial frontier (see `robust`). A partial one has no returns to scale:
        `returns_to_scale` does not apply and there are no pech and sech.
    order : float, optional
        m of order-m (25 by default) or alpha of order-alpha (0.95).
    scale : bool
        Give pech and sech (default) with `fgnz` and `bias`, for which up to half of the
        programmes are solved.
    keep_distances : bool
        Add the distances behind the indices, as `e_<technology>_<plan>` columns.
    solver : {"auto", "hull", "simplex", "lp"}
        How programmes are solved; the values do not depend on it.

    Returns
    -------
    DataFrame
        One row a unit and period change, sorted by unit and period: unit, period (the
        later one), `period_from`, tfpch, effch, techch, pech, sech, those of the
        decomposition, and `reason`, null unless an index is null because a programme
        is infeasible. `attrs["dropped"]` lists unit, period and reason of every row or
        change that is not in it, `attrs["certificate"]` how the programmes were solved
        and certified.

    Raises
    ------
    OptionError
        An option has an unknown value, or options do not fit together.
    PanelError
        The panel cannot be used (see `panel.prepare`) or has fewer than two periods.

    References
    ----------
    Färe, Grosskopf, Norris and Zhang (1994), American Economic Review 84.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> changes = frontier.malmquist(zones(), **plans)
    >>> changes.loc[:2, ["city", "year", "tfpch", "effch", "techch"]].round(3)
      city  year  tfpch  effch  techch
    0  c01  2011  1.004  0.990   1.015
    1  c01  2012  0.975  0.949   1.028
    2  c01  2013  1.060  1.068   0.993
    """
    evaluator, found = indices(
        panel,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        orientation=orientation,
        decomposition=decomposition,
        reference=reference,
        returns_to_scale=returns_to_scale,
        base=base,
        form=form,
        window=window,
        group=group,
        reference_units=reference_units,
        frontier=frontier,
        order=order,
        scale=scale,
        keep_distances=keep_distances,
        solver=solver,
    )
    return evaluator.frame(*found)


def indices(
    panel: pd.DataFrame,
    *,
    decomposition: str,
    reference: str,
    returns_to_scale: str,
    frontier: str,
    group: str | None,
    scale: bool,
    base: str = "adjacent",
    form: str = "geometric",
    keep_distances: bool = False,
    **options: Any,
) -> tuple[Evaluator, Indices]:
    """What `malmquist` puts into its frame, and the evaluator that does so."""
    check_option("decomposition", decomposition, DECOMPOSITIONS)
    check_option("base", base, BASES)
    check_option("form", form, FORMS)
    evaluator, scheme = start(
        panel,
        reference=reference,
        returns_to_scale=returns_to_scale,
        frontier=frontier,
        group=group,
        **options,
    )
    _check_combination(decomposition, reference, returns_to_scale, form, frontier)
    return evaluator, find_indices(
        evaluator,
        scheme,
        decomposition=decomposition,
        returns_to_scale=returns_to_scale,
        form=form,
        base=base,
        group=group,
        keep_distances=keep_distances,
        pure=scale and frontier == "dea",
    )


def changes_frame(
    evaluator: Evaluator, scheme: Reference, **options: Any
) -> pd.DataFrame:
    """The frame that `malmquist` returns; options as `find_indices`."""
    return evaluator.frame(*find_indices(evaluator, scheme, **options))


class Indices(NamedTuple):
    """Indices of the changes of which each row is the later one.

    ``columns`` hold one value a row, the earlier period as ``period_from`` among them;
    ``reason`` is a text or None; ``dropped`` are the changes that are not there.
    """

    rows: np.ndarray
    columns: dict[str, np.ndarray]
    reason: np.ndarray
    dropped: tuple[dict, ...]


def find_indices(
    evaluator: Evaluator,
    scheme: Reference,
    *,
    returns_to_scale: str,
    keep_distances: bool,
    pure: bool,
    decomposition: str = "fgnz",
    form: str = "geometric",
    base: str = "adjacent",
    group: str | None = None,
) -> Indices:
    """Indices of a panel, from any evaluator of plans.

    An evaluator gives efficiencies, at most 1 for a plan of the technology itself; pech
    and sech exist where `pure`. The other options are those of `malmquist`.
    """
    data = evaluator.panel
    changes, dropped = find_changes(data, base)
    columns, distances, reason = decompose(
        evaluator,
        scheme,
        changes,
        decomposition=decomposition,
        returns_to_scale=returns_to_scale,
        form=form,
        pure=pure,
    )
    if group is not None:
        more, group_reason = group_columns(
            evaluator,
            scheme,
            changes,
            group=group,
            returns_to_scale=returns_to_scale,
            distances=distances,
        )
        columns = {**columns, **more}
        reason = join_texts(reason, group_reason, "group: ")
    if keep_distances:
        columns = {**columns, **distances}
    columns = {"period_from": data.periods[changes.period_from], **columns}
    return Indices(changes.after, columns, reason, dropped)


def _check_combination(
    decomposition, reference, returns_to_scale, form, frontier
) -> None:
    """Options that have no meaning together."""
    pooled = reference in ("global", "biennial")
    scaled = decomposition in ("ray-desli", "grifell-lovell")
    if frontier != "dea" and (returns_to_scale != "crs" or scaled):
        raise OptionError.of(
            "frontier.no_returns_to_scale",
            frontier=frontier,
            returns_to_scale=returns_to_scale,
            decomposition=decomposition,
        )
    if form != "geometric" and decomposition != "ray-desli":
        raise OptionError.of("frontier.form_elsewhere", form=form)
    if scaled and returns_to_scale != "crs":
        raise OptionError.of(
            "frontier.returns_used_already",
            decomposition=decomposition,
            returns_to_scale=returns_to_scale,
        )
    if scaled and pooled:
        raise OptionError.of(
            "frontier.two_technologies_needed",
            decomposition=decomposition,
            reference=reference,
        )
    if decomposition == "bias" and pooled:
        raise OptionError.of("frontier.bias_of_one_technology", reference=reference)


def find_changes(data: Observations, base: str) -> tuple[Changes, tuple[dict, ...]]:
    """The pairs of periods in which each unit is observed, sorted by unit and period.

    Neighbouring periods of the panel, or (base "first") each with the panel's first.
    Also unit, later period and reason of the changes that cannot be computed because
    the unit is absent from one of the two periods. PanelError when the panel has fewer
    than two periods, or no unit has two.
    """
    table = data.row_of()
    n_periods = len(data.periods)
    if n_periods < 2:
        raise PanelError.of(
            "frontier.panel_single",
            [f"{data.period} {data.periods[0]}"],
            period=data.period,
        )
    later = np.arange(1, n_periods)
    earlier = later - 1 if base == "adjacent" else np.zeros_like(later)
    before, after = table[:, earlier], table[:, later]
    both = (before >= 0) & (after >= 0)
    if not both.any():
        raise PanelError.of(
            "frontier.no_observed_both_periods",
            [f"{data.unit} {u}" for u in data.units],
            unit=data.unit,
        )
    u, k = np.nonzero((after >= 0) != (before >= 0))
    dropped = tuple(
        {
            data.unit: plain(data.units[i]),
            data.period: plain(data.periods[later[j]]),
            "reason": "no change: not observed in "
            + str(data.periods[earlier[j] if before[i, j] < 0 else later[j]]),
        }
        for i, j in zip(u, k, strict=True)
    )
    k = np.nonzero(both)[1]
    return Changes(before[both], after[both], earlier[k], later[k]), dropped
