"""Stacked difference-in-differences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did import covariances as cov
from citypanel.did.frames import (
    NOTE_REFERENCE,
    NOTE_UNKNOWN,
    OVERALL,
    WITHOUT_SINGLE,
    join_notes,
    staggered_frame,
)
from citypanel.did.moments import MomentPanel, condense
from citypanel.did.moments import covariance as group_covariance
from citypanel.did.panels import Panel, choose, on_panel, require_treated_and_control
from citypanel.did.regressions import (
    event_row,
    leads_rows,
    lost_controls,
    regress,
)
from citypanel.errors import EstimationError, OptionError

CONTROL_GROUPS = ("not_yet", "never")
WEIGHTINGS = ("aggregate", "none")
LEAVES = "window leaves the panel"
NOBODY = "nobody is seen on one side of the experiment"


@on_panel("cohort", "controls", "weights", "cluster", ready=condense)
def stacked(
    data: Panel,
    *,
    before: float = 3,
    after: float = 1,
    control_group: str = "not_yet",
    weighting: str = "aggregate",
    experiment_effects: bool = True,
    standard_errors: str = "xtreg",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """One clean experiment per cohort, stacked in event time.

    Each cohort's experiment has its own units, the controls not treated until after
    its window, and the event times -before to after. The effects are the coefficients
    of treatment by event time, measured from the last period seen before treatment.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period; only units seen through a window enter it.
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). Weights multiply those below, and an
        experiment's share is that of its treated units' weights: the effect is the
        mean over the population the treated units stand for. With weights that change
        over time every experiment has unit and period effects, as means over changing
        weights would not cancel the units' levels; there, and where experiments differ
        in their event times, each has coefficients of its own, which are averaged.
    before, after : number
        The window, in the periods' own units. Cohorts whose window leaves the panel,
        or in whose window nobody treated or nobody to compare with is seen, are left
        out (note).
    control_group : {"not_yet", "never"}
        "not_yet" takes units treated after the window too.
    weighting : {"aggregate", "none"}
        - aggregate: controls weighted by (N_g / N) / (N_g0 / N_0), so that the
          effect is the size-weighted mean of the cohorts' (Wing, Freedman and
          Hollingsworth 2024), with treatment and event-time effects;
        - none: equal weights, with unit-by-experiment and period-by-experiment
          effects (Cengiz, Dube, Lindner and Zipperer 2019).
    experiment_effects : bool
        With aggregate weights: treatment and event-time effects for each experiment.
        Without controls the estimate is the same without them, but then what the
        experiments' calendar years have in common stands in the residuals, and the
        standard error is too large where years differ. With controls the estimate
        changes too, as their slopes are then fitted between experiments as well. Where
        controls or weights change within a unit, unit-by-experiment effects are taken
        and this does not matter.
    standard_errors : str
        A convention of `twfe`, by unit: a unit that serves in several experiments is
        one cluster.
    single_unit_std_error : bool
        Report standard errors for rows that rest on one treated unit.
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall`` (mean of the event times 0 to after), ``dynamic`` and
        the joint test of the leads; t(G-1).

    Raises
    ------
    EstimationError
        No cohort has its window in the panel, and somebody on both sides in it.
    OptionError
        A window without a period before.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.stacked(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.077      0.016
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    choose("weighting", weighting, WEIGHTINGS)
    grid = data.grid
    width = tuple(int(np.floor(grid.steps(k) + 1e-9)) for k in (before, after))
    if width[0] < 1 or width[1] < 0:
        raise OptionError.of(
            "did.window_not_possible", before=before, after=after, what=grid.span(1)
        )
    data = data.without_always_treated()
    require_treated_and_control(data)
    stack, lost = _stack(data, width[0], width[1], control_group)
    data = _log_incomplete(data, stack, lost, width, control_group)
    names, event = list(data.control_names), stack["event"].to_numpy()
    treated = (stack["treated"] == 1).to_numpy()
    used = [g for g in data.sizes if g not in lost]
    times = np.unique(event)
    kept = np.unique(event[~stack["at_base"].to_numpy()])
    m = len(kept)

    x = data.controls
    fixed = bool((x == x[data.first_rows][data.unit]).all())
    even = data.has_even_weights and fixed
    # With other event times, or weights or controls that change, means of experiments
    # are not the pooled coefficients: each then has its own, averaged afterwards.
    pooled = weighting == "none" or (
        even and stack.groupby("event")["cohort"].nunique().nunique() == 1
    )

    def estimate(rows: np.ndarray):
        part = stack[rows]
        own, at = part["treated"].to_numpy() == 1, part["event"].to_numpy()
        free, cohort = own & ~part["at_base"].to_numpy(), part["cohort"].to_numpy()
        experiments = [g for g in used if (cohort == g).any()]
        w, masks = part["weight"].to_numpy(), [np.ones(len(part), bool)]
        if not pooled:
            masks = [cohort == g for g in experiments]
        cells = [(free & mask & (at == e), e) for mask in masks for e in kept]
        cells = [(cell, e) for cell, e in cells if cell.any()]
        d = [cell for cell, _ in cells]
        controls, nuisance = part[_own_names(data)].to_numpy(), []
        if weighting == "none" or not even:
            unit = pd.factorize(pd.MultiIndex.from_frame(part[["cohort", "unit"]]))[0]
            when = pd.factorize(pd.MultiIndex.from_frame(part[["cohort", "event"]]))[0]
            effects, given = (unit, when), None if data.weights is None else w
            if weighting == "aggregate":
                given = _shares(part)
        else:
            base = [np.ones(len(part)), own, *((at == e) for e in kept)]
            groups = [np.ones(len(part), bool)]
            if experiment_effects or not pooled:
                groups = [cohort == g for g in experiments]
            nuisance = [g * column for g in groups for column in base]
            effects, given = (None, None), _shares(part)
        x = np.column_stack([*d, *nuisance, controls]).astype(float)
        y = part["y"].to_numpy()
        if effects[0] is None and data.units_nest:
            # Levels of the units cancel; without them there is less to round.
            y = y - part.groupby(["cohort", "unit"])["y"].transform("mean").to_numpy()
        fit = regress(y, x, effects[0], effects[1], given)
        errors = _covariance(data, fit.fit, part, standard_errors)
        sure = fit.first_known(len(d))
        mean = np.zeros((m, len(fit.keep)))
        for j, (cell, e) in enumerate(cells):
            mean[np.flatnonzero(kept == e)[0], j] = w[cell].sum() * sure[j]
        known = mean.any(axis=1)
        mean[known] /= mean[known].sum(axis=1, keepdims=True)
        b, v = fit.combine(mean, errors.matrix)
        return fit, errors, known, np.where(known, b, 0.0), v

    def overall(known, b, v, df, units, **labels):
        post = (kept >= 0) & known
        row = {"aggregation": "simple", "term": OVERALL, "n_treated_units": units}
        row |= labels
        if not post.any():
            return {**row, "note": join_notes(NOTE_UNKNOWN, row.get("note"))}
        w = post / post.sum()
        return {
            **row,
            "estimate": w @ b,
            "std_error": np.sqrt(max(w @ v @ w, 0.0)),
            "df": df,
            "single_unit": units == 1,
        }

    fit, errors, known, b, v = estimate(np.ones(len(stack), bool))
    df = errors.n_clusters - 1.0
    said = []
    for why in dict.fromkeys(lost.values()):
        gone = ", ".join(data.name(g) for g in lost if lost[g] == why)
        said.append(f"{why} for cohort {gone}")
    note = "; ".join(said) or None
    data = data.remarking(lost_controls(fit, names, len(fit.keep) - len(names)))
    count = stack.loc[treated].groupby("cohort")["unit"].agg(data.count)
    rows = [overall(known, b, v, df, int(count.sum()), note=note)]
    single = [g for g in used if count[g] == 1]
    if single and len(single) < len(used):
        _, spread, *other = estimate(~stack["cohort"].isin(single).to_numpy())
        gone = ", ".join(data.name(g) for g in single)
        rows.append(
            overall(
                other[0],
                other[1],
                other[2],
                spread.n_clusters - 1.0,
                int(count.sum()) - len(single),
                term=WITHOUT_SINGLE,
                note=join_notes(f"without cohort {gone}", note),
            )
        )
    alone = []
    for e in times:
        units = data.count(stack.loc[(event == e) & treated, "unit"])
        j = int(np.searchsorted(kept, e))
        if j == m or kept[j] != e:
            row = event_row(data, e, units, None)
            rows.append(row | {"estimate": 0.0, "note": NOTE_REFERENCE})
            continue
        alone.append(units == 1)
        numbers = (b[j], np.sqrt(max(v[j, j], 0.0)), df) if known[j] else None
        rows.append(event_row(data, e, units, numbers))
    path = {
        "positions": kept[known],
        "event_times": np.array([grid.span(e) for e in kept[known]]),
        "estimates": b[known],
        "matrix": v[np.ix_(known, known)],
        "single": np.array(alone, bool)[known],
        "resolution": data.resolution,
    }
    base = np.unique(event[stack["at_base"].to_numpy()]).max()
    rows += leads_rows(path, before=base, df=df)
    return staggered_frame(
        data,
        rows,
        path,
        estimator="stacked",
        standard_errors=errors.name,
        n_clusters=errors.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        n_obs=data.rows_behind(stack["unit"]),
        n_units=data.count(stack["unit"]),
        reference=int(base),
    )


def _covariance(data, fit, part, convention):
    """Covariance by unit (or cluster) of a regression on some rows of the stack."""
    if isinstance(data, MomentPanel):
        unit, when = part["unit"].to_numpy(), part["period"].to_numpy()
        when = np.searchsorted(data.positions, when)
        return group_covariance(data, fit, convention, unit=unit, period=when)
    cluster = np.unique(part["cluster"], return_inverse=True)[1]
    return cov.covariance(fit, convention=convention, cluster=cluster)


def _own_names(data: Panel) -> list[str]:
    """Columns of the stack for the controls, whatever theirs are called."""
    return [f"control {j}" for j in range(len(data.control_names))]


def _stack(data, before, after, control_group):
    """Long frame of all experiments, and why the other cohorts have none."""
    frame = pd.DataFrame(
        {
            "unit": data.unit,
            "period": data.when,
            "start": data.row_start,
            "y": data.y,
            "weight": data.row_weights,
            "cluster": data.unit if isinstance(data, MomentPanel) else data.cluster,
        }
    )
    frame[_own_names(data)] = data.controls
    never = data.never[data.unit]
    parts: list[pd.DataFrame] = []
    lost: dict[int, str] = {}
    for g in data.sizes:
        seen = data.positions[
            (data.positions >= g - before) & (data.positions <= g + after)
        ]
        early = seen[seen < g]
        leaves = g - before < 0 or g + after > data.last
        if leaves or not len(early) or not (seen >= g).any():
            lost[g] = LEAVES
            continue
        clean = never | (frame["start"] > g + after)
        if control_group == "never":
            clean = never
        own = frame["start"] == g
        inside = frame["period"].between(g - before, g + after)
        part = frame[(clean | own) & inside].copy()
        count = part.groupby("unit")["period"].transform("size")
        part = part[count == len(seen)]
        part["cohort"], part["event"] = g, part["period"] - g
        part["treated"] = (part["start"] == g).astype(int)
        part["at_base"] = part["period"] == early[-1]
        if part["treated"].min() == 1 or part.empty or part["treated"].max() == 0:
            lost[g] = NOBODY
            continue
        parts.append(part)
    if not parts:
        first, last = data.name(0), data.name(data.last)
        windows = [(g, data.name(g - before), data.name(g + after)) for g in lost]
        if NOBODY in lost.values():
            raise EstimationError.of(
                "did.experiment_nobody_on_one",
                [
                    f"cohort {data.name(g)}, periods {start} to {end}"
                    for g, start, end in windows
                    if lost[g] == NOBODY
                ]
                + ([data.note] if data.note else []),
            )
        raise EstimationError.of(
            "did.no_cohort_whole_window",
            [
                f"cohort {data.name(g)}: {start} to {end}, panel {first} to {last}"
                for g, start, end in windows
            ],
        )
    return pd.concat(parts, ignore_index=True), lost


def _log_incomplete(data, stack, lost, width, control_group) -> Panel:
    """Log units that serve in no experiment: theirs has none, or they are not seen."""
    used = np.isin(np.arange(len(data.units)), stack["unit"])
    cohorts = np.unique(stack["cohort"])
    wanted = np.isin(data.start, cohorts) | data.never
    if control_group == "not_yet":
        wanted |= data.start > cohorts.min() + width[1]
    left = [
        (np.isin(data.start, [g for g in lost if lost[g] == why]) & ~used, why)
        for why in dict.fromkeys(lost.values())
    ]
    left.append((wanted & ~used, "not seen in every period of an experiment's window"))
    rows = [(units[data.unit], why) for units, why in left if units.any()]
    return data.logging(rows) if rows else data


def _shares(part: pd.DataFrame) -> np.ndarray:
    """Weights that give controls the treated units' mix of experiments."""
    units = part[part["at_base"]]
    totals = [
        units[units["treated"] == side].groupby("cohort")["weight"].sum()
        for side in (1, 0)
    ]
    shares = [total / total.sum() for total in totals]
    ratio = (shares[0] / shares[1]).reindex(part["cohort"]).to_numpy()
    ratio = np.where(part["treated"] == 1, 1.0, ratio)
    return ratio * part["weight"].to_numpy()
