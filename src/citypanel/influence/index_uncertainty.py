"""The headline's standard error under every account of what is uncertain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import special

from citypanel import did
from citypanel.errors import CityPanelError
from citypanel.influence.changed_plans import Change
from citypanel.influence.estimated_index import EstimatedIndex, estimated_index
from citypanel.influence.headline import Headline
from citypanel.influence.multiple_imputation import (
    MODELS,
    Pooled,
    multiple_imputation,
)
from citypanel.study.estimates import TREATMENT
from citypanel.study.options import Options
from citypanel.study.productivity import is_local
from citypanel.study.run import Study

COLUMNS = {
    "method_order": "Int64",
    "method": "string",
    "estimate": "float64",
    "std_error": "float64",
    "conf_low": "float64",
    "conf_high": "float64",
    "p_value": "float64",
    "df": "float64",
    "ratio_to_clustered": "float64",
    "bias": "float64",
    "frontier_std_error": "float64",
    "within_variance": "float64",
    "between_variance": "float64",
    "missing_share": "float64",
    "serial_correlation": "float64",
    "draws": "Int64",
    "note": "string",
}
#: Conventions of standard errors beside the clustered one.
BESIDE: dict[str, dict] = {
    "not clustered": {"standard_errors": "HC1"},
    "clustered by city and year": {"cluster": ["city_id", "year"]},
}


def index_uncertainty(
    study: Study,
    options: Options,
    *,
    draws: int = 999,
    imputations: int = 100,
    seed: int,
    n_jobs: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The effect and its standard error, from the naive one to one with everything.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline.
    draws : int
        Replications of each loop of the double bootstrap.
    imputations : int
        m of the multiple imputation.
    seed : int
        Of the random numbers.
    n_jobs, progress
        Of the double bootstrap.

    Returns
    -------
    DataFrame
        The columns of `COLUMNS`, one row per method. `clustered by city` takes the
        index as data; `not clustered` and `clustered by city and year` differ in the
        dependence they allow (two clusters of eight years are few). `jackknife by city`
        leaves every city out of the regression in turn, `jackknife by city, frontier
        drawn again` out of the frontier as well, so that every other city's index is
        measured anew; draws are the cities with an estimate.
        `clustered, and the frontier's error` adds the variance of the estimate over
        drawn frontiers (`frontier_std_error` is its root); `double bootstrap` draws
        cities and frontiers and corrects the bias; `multiple imputation` (of either
        model) draws what was never published; `imputation and the frontier's error`
        has both. A method that is not defined under the options, or fails, has a row
        with the reason. serial_correlation is that of a city's consecutive residuals,
        and on the row of the frontier's error that of its consecutive errors of the
        frontier.
    """
    headline = Headline(study, options)
    base = headline.result
    df = base.n_cities - 1.0
    panel = study.panel(options)
    panel = panel.loc[panel["outcome"].notna()]
    rows: list[dict[str, object]] = [
        {
            "method": "clustered by city",
            "estimate": base.estimate,
            "std_error": base.std_error,
            "df": df,
        }
    ]
    for name, choice in BESIDE.items():
        rows.append({"method": name, **_beside(panel, choice)})
    rows += _jackknife(headline, df)
    frontier, reason = _frontier(headline, draws, seed, n_jobs, progress)
    rows += _frontier_rows(frontier, reason, df)
    pooled = {}
    for model in MODELS:
        method = f"multiple imputation, {model}"
        try:
            pooled[model] = multiple_imputation(
                study, options, model=model, draws=imputations, seed=seed
            )[0]
        except CityPanelError as error:
            rows.append({"method": method, "note": _short(error)})
        else:
            rows.append({"method": method, **_pooled(pooled[model])})
    both: dict[str, object] = {"method": "imputation and the frontier's error"}
    if frontier is not None and MODELS[0] in pooled:
        found = pooled[MODELS[0]]
        both |= _pooled(found)
        both["std_error"] = float(np.hypot(found.std_error, frontier.frontier_only))
        both["frontier_std_error"] = frontier.frontier_only
    else:
        both["note"] = "one of the two is not there"
    rows.append(both)
    if frontier is not None:
        rows[0]["serial_correlation"] = frontier.serial_residual
    frame = pd.DataFrame(rows)
    frame.insert(0, "method_order", range(len(frame)))
    frame = frame.reindex(columns=list(COLUMNS)).astype(COLUMNS)
    frame["ratio_to_clustered"] = frame["std_error"] / base.std_error
    return _with_intervals(frame)


def _beside(panel: pd.DataFrame, choice: dict) -> dict:
    try:
        fitted = did.twfe(
            panel,
            outcome="outcome",
            treatment=TREATMENT,
            unit="city_id",
            period="year",
            engine="closed_form",
            absorbing=False,
            **choice,
        ).iloc[0]
    except CityPanelError as error:
        return {"note": _short(error)}
    return {name: fitted[name] for name in ("estimate", "std_error", "df")}


def _jackknife(headline: Headline, df: float) -> list[dict]:
    """Every city left out in turn: of the regression, and of the frontier as well.

    With b_i the estimate without city i, the error is the root of
    (n - 1) / n x the sum of (b_i - mean b)^2.
    """
    plans = headline.plans
    alone, redrawn = [], []
    for row in range(len(plans.cities)):
        dropped = np.zeros(plans.outputs.shape, dtype=bool)
        dropped[row] = True
        alone.append(headline.without_rows(dropped).estimate)
        redrawn.append(headline.changed(Change.without(plans, row)).estimate)
    rows: list[dict] = []
    for method, found in (
        ("jackknife by city", alone),
        ("jackknife by city, frontier drawn again", redrawn),
    ):
        b = np.array(found)[np.isfinite(found)]
        n = len(b)
        rows.append(
            {
                "method": method,
                "estimate": headline.result.estimate,
                "std_error": np.sqrt((n - 1) / n * ((b - b.mean()) ** 2).sum()),
                "df": df,
                "draws": n,
                **_left_out(len(found) - n),
            }
        )
    return rows


def _frontier(
    headline: Headline, draws: int, seed: int, n_jobs, progress
) -> tuple[EstimatedIndex | None, str | None]:
    options = headline.options
    if not is_local(options):
        return None, (
            "not defined: a partial frontier, or one that pools years, is not redrawn"
        )
    if options["first_index_year"] == "one":
        return None, "not defined: the first year's index is 1 by decree"
    plans = headline.plans
    try:
        return (
            estimated_index(
                plans.outputs,
                plans.inputs,
                headline.treatment,
                headline.cohort,
                draws=draws,
                seed=seed,
                orientation=options["orientation"],
                returns_to_scale=options["returns_to_scale"],
                outcome=options["outcome"],
                standard_errors=options["standard_errors"],
                n_jobs=n_jobs,
                progress=progress,
            ),
            None,
        )
    except CityPanelError as error:
        return None, _short(error)


def _frontier_rows(
    frontier: EstimatedIndex | None, reason: str | None, df: float
) -> list[dict]:
    names = ("clustered, and the frontier's error", "double bootstrap")
    if frontier is None:
        return [{"method": name, "note": reason} for name in names]
    common = {"draws": frontier.draws, "frontier_std_error": frontier.frontier_only}
    common |= _left_out(frontier.dropped)
    return [
        {
            "method": names[0],
            "estimate": frontier.estimate,
            "std_error": frontier.combined_std_error,
            "df": df,
            "serial_correlation": frontier.serial_error,
            **common,
        },
        {
            "method": names[1],
            "estimate": frontier.corrected,
            "std_error": frontier.corrected_std_error,
            "conf_low": frontier.interval[0],
            "conf_high": frontier.interval[1],
            "df": df,
            "bias": frontier.bias,
            **common,
        },
    ]


def _pooled(found: Pooled) -> dict:
    return {
        "estimate": found.estimate,
        "std_error": found.std_error,
        "df": found.df,
        "within_variance": found.within,
        "between_variance": found.between,
        "missing_share": found.missing_share,
        "draws": found.draws,
        **_left_out(found.dropped),
    }


def _left_out(dropped: int) -> dict:
    if not dropped:
        return {}
    return {"note": f"{dropped} draws without an estimate left out"}


def _with_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Intervals and p-values from t where a method has none of its own."""
    half = special.stdtrit(frame["df"], 0.975) * frame["std_error"]
    t = (frame["estimate"] / frame["std_error"]).abs()
    frame["conf_low"] = frame["conf_low"].fillna(frame["estimate"] - half)
    frame["conf_high"] = frame["conf_high"].fillna(frame["estimate"] + half)
    frame["p_value"] = 2.0 * special.stdtr(frame["df"], -t)
    return frame


def _short(error: CityPanelError) -> str:
    return f"not computed: {str(error).splitlines()[0]}"
