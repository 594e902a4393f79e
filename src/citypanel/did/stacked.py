"""Stacked difference-in-differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    NOTE_REFERENCE,
    OVERALL,
    WITHOUT_SINGLE,
    join_notes,
    rests_on_single_units,
    staggered_frame,
)
from citypanel.did.panels import choose, prepare, require_treated_and_control
from citypanel.did.regressions import absorbed_fit, fit_covariance
from citypanel.did.twfe import wald_row
from citypanel.errors import EstimationError, OptionError, describe

CONTROL_GROUPS = ("not_yet", "never")
WEIGHTINGS = ("aggregate", "none")


def stacked(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    before: int = 3,
    after: int = 1,
    control_group: str = "not_yet",
    weighting: str = "aggregate",
    experiment_effects: bool = True,
    standard_errors: str = "xtreg",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """One clean experiment per cohort, stacked in event time.

    Each cohort's experiment has its own cities, the controls not treated until after
    its window, and the event times -before to after. The effects are the coefficients
    of treatment by event time.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period; only units seen through a window enter it.
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
    before, after : int
        The window. Cohorts whose window leaves the panel are left out (note).
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
        changes too: their slopes are taken within experiments or across them.
    standard_errors : str
        A convention of `twfe`, by unit: a unit that serves in several experiments is
        one cluster.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall`` (mean of the event times 0 to after), ``dynamic`` and
        the joint test of the leads; t(G-1).

    Raises
    ------
    EstimationError
        No cohort's window lies in the panel, or an experiment without controls.
    OptionError
        A window without a period before.
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    choose("weighting", weighting, WEIGHTINGS)
    if before < 1 or after < 0:
        raise OptionError(
            describe(
                f"Window -{before} to {after} is not possible",
                consequence="an experiment needs a period before and the first treated",
                remedy="take before >= 1 and after >= 0",
            )
        )
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        first_period_treated="drop",
    )
    require_treated_and_control(data, cohort=cohort, needs="any")
    stack, lost = _stack(data, before, after, control_group)
    names = data.control_names
    event, sizes = stack["event"].to_numpy(), data.cohort_sizes
    treated = stack["treated"].to_numpy()
    used = [g for g in sizes if g not in lost]
    times = np.arange(-before, after + 1)
    kept = times[times != -1]

    def estimate(rows: np.ndarray):
        part = stack[rows]
        d = (part["treated"].to_numpy()[:, None] == 1) & (
            part["event"].to_numpy()[:, None] == kept
        )
        x = np.column_stack([d, part[list(names)]]).astype(float)
        labels = [*(f"event time {e}" for e in kept), *names]
        unit_codes = pd.factorize(part["unit"], sort=True)[0]
        if weighting == "none":
            own = pd.factorize(part["cohort"] * 10**6 + part["unit"])[0]
            when = pd.factorize(part["cohort"] * 10**4 + part["event"])[0]
            fit = absorbed_fit(part["y"].to_numpy(), x, labels, own, when)
        else:
            base = [np.ones(len(part)), part["treated"].to_numpy()]
            base += [part["event"].to_numpy() == e for e in kept]
            groups = [np.ones(len(part), bool)]
            if experiment_effects:
                groups = [part["cohort"].to_numpy() == g for g in used]
                groups = [g for g in groups if g.any()]
            nuisance = [g * column for g in groups for column in base]
            x = np.column_stack([x, *nuisance]).astype(float)
            labels += [f"effect {j}" for j in range(len(nuisance))]
            fit = absorbed_fit(
                part["y"].to_numpy(), x, labels, None, None, _shares(part)
            )
        return fit, fit_covariance(fit, unit_codes, standard_errors, None)

    fit, errors = estimate(np.ones(len(stack), bool))
    m = len(kept)
    b, v = fit.coefficients[:m], errors.matrix[:m, :m]
    df = errors.n_clusters - 1.0
    post = (kept >= 0) / (kept >= 0).sum()
    note = None
    if lost:
        note = "window leaves the panel for cohort " + ", ".join(map(str, lost))
    rows = [
        {
            "aggregation": "simple",
            "term": OVERALL,
            "estimate": post @ b,
            "std_error": np.sqrt(max(post @ v @ post, 0.0)),
            "df": df,
            "n_treated_units": sum(sizes[g] for g in used),
            "single_unit": rests_on_single_units(used, sizes),
            "note": note,
        }
    ]
    single = [g for g in used if sizes[g] == 1]
    if single and len(single) < len(used):
        other, spread = estimate(~stack["cohort"].isin(single).to_numpy())
        rows.append(
            {
                "aggregation": "simple",
                "term": WITHOUT_SINGLE,
                "estimate": post @ other.coefficients[:m],
                "std_error": np.sqrt(max(post @ spread.matrix[:m, :m] @ post, 0.0)),
                "df": spread.n_clusters - 1.0,
                "n_treated_units": sum(sizes[g] for g in used if g not in single),
                "note": join_notes(
                    "without cohort " + ", ".join(map(str, single)), note
                ),
            }
        )
    for e in times:
        row = {
            "aggregation": "dynamic",
            "event_time": e,
            "term": f"event_time_{e}",
            "n_treated_units": stack.loc[
                (event == e) & (treated == 1), "unit"
            ].nunique(),
        }
        if e == -1:
            row |= {"estimate": 0.0, "note": NOTE_REFERENCE}
        else:
            j = int(np.flatnonzero(kept == e)[0])
            row |= {
                "estimate": b[j],
                "std_error": np.sqrt(max(v[j, j], 0.0)),
                "df": df,
                "single_unit": rests_on_single_units(used, sizes),
            }
        rows.append(row)
    leads = np.flatnonzero(kept < -1)
    rows.append(wald_row(b[leads], v[np.ix_(leads, leads)], df=df))
    return staggered_frame(
        data,
        rows,
        {
            "event_times": kept,
            "estimates": b,
            "matrix": v,
            "single": np.full(len(kept), rests_on_single_units(used, sizes)),
        },
        estimator="stacked",
        outcome=outcome,
        standard_errors=errors.name,
        n_clusters=errors.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        n_obs=len(stack),
        n_units=stack["unit"].nunique(),
    )


def _stack(data, before, after, control_group):
    """Long frame of all experiments, and the cohorts without one."""
    first, last = data.periods[0], data.periods[-1]
    frame = pd.DataFrame(
        {
            "unit": data.unit,
            "period": data.periods[data.period],
            "start": data.cohort[data.unit],
            "y": data.y,
        }
    )
    frame[list(data.control_names)] = data.controls
    parts, lost = [], []
    width = before + after + 1
    for g in data.cohort_sizes:
        if g - before < first or g + after > last:
            lost.append(g)
            continue
        clean = frame["start"] == 0
        if control_group == "not_yet":
            clean |= frame["start"] > g + after
        own = frame["start"] == g
        inside = frame["period"].between(g - before, g + after)
        part = frame[(clean | own) & inside].copy()
        seen = part.groupby("unit")["period"].transform("size")
        part = part[seen == width]
        part["cohort"], part["event"] = g, part["period"] - g
        part["treated"] = (part["start"] == g).astype(int)
        if part["treated"].min() == 1 or part.empty or part["treated"].max() == 0:
            raise EstimationError(
                describe(
                    "An experiment has nobody on one side",
                    [f"cohort {g}, periods {g - before} to {g + after}"],
                    consequence="its effect is not identified",
                    remedy="shorten the window, or add controls",
                )
            )
        parts.append(part)
    if not parts:
        raise EstimationError(
            describe(
                "No cohort has its whole window in the panel",
                [
                    f"cohort {g}: {g - before} to {g + after}, panel {first} to {last}"
                    for g in lost
                ],
                consequence="there is no experiment to stack",
                remedy="shorten before or after",
            )
        )
    return pd.concat(parts, ignore_index=True), lost


def _shares(part: pd.DataFrame) -> np.ndarray:
    """Weights that give controls the treated units' mix of experiments."""
    units = part[part["event"] == 0]
    counts = [
        units.loc[units["treated"] == side, "cohort"].value_counts(normalize=True)
        for side in (1, 0)
    ]
    weight = (counts[0] / counts[1]).reindex(part["cohort"]).to_numpy()
    return np.where(part["treated"] == 1, 1.0, weight)
