"""How far the assumed investment must be off to move the headline.

With I_it the investment that the extension assumes for city i in a year t after its
last reported one, s_i, and c a factor, the headline is computed again with

    level   I_it x c                 every assumed year is wrong by the same factor
    drift   I_it x c ^ (t - s_i)     the error grows from year to year

for the assumed years of all cities, of the treated ones, or of the control cities. A
common factor asks what an error of the rule as such does; a factor on one group is the
differential error that could stand behind the estimate. A bound is the factor nearest
to 1 at which the estimate reaches a target: zero, or a published coefficient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import scipy

from citypanel.errors import CapitalError, OptionError
from citypanel.influence.headline import Headline, Result, result_of
from citypanel.study.options import Options
from citypanel.study.run import Study
from citypanel.study.steps.series import last_known

GROUPS = ("all", "treated", "control")
SHAPES = ("level", "drift")
#: The factors tried, from 1 / LARGEST to LARGEST.
LARGEST = {"level": 10.0, "drift": 3.0}
STEPS = 20
NAN = float("nan")
#: What a factor gives under which some initial stock cannot be formed.
NO_STOCK = Result(NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0, 0)
NO_STOCK_NOTE = "growth of investment plus depreciation is not positive"

COLUMNS = {
    "kind": "string",
    "shape": "string",
    "cities": "string",
    "target": "string",
    "target_value": "float64",
    "factor": "float64",
    "other_factors": "string",
    "estimate": "float64",
    "std_error": "float64",
    "mean": "float64",
    "std_dev": "float64",
    "lowest_estimate": "float64",
    "highest_estimate": "float64",
    "smallest_factor_tried": "float64",
    "largest_factor_tried": "float64",
    "n_assumed_city_years": "Int64",
    "note": "string",
}


def assumed_bounds(
    study: Study,
    options: Options,
    *,
    targets: Mapping[str, float],
    steps: int = STEPS,
) -> pd.DataFrame:
    """Factors on the assumed investment at which the headline reaches a target.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline.
    targets : mapping of str to float
        Names and values of the coefficient, such as {"zero": 0.0, "paper": 0.024}.
    steps : int
        Factors tried on either side of 1, evenly in logarithms; between two of them
        that lie on different sides of a target the factor is found to 1e-10.

    Returns
    -------
    DataFrame
        The columns of `COLUMNS`. kind `bound`: one row per shape, group of cities and
        target; factor is the one nearest to 1 (in logarithms), other_factors those
        further off, estimate what the headline is there (the target, to rounding);
        without one the factor is empty and lowest_estimate and highest_estimate say
        how far the factors tried move it. kind `curve`: one row per shape, group and
        factor tried, with the estimate; empty where some initial stock cannot be
        formed, which the note says and the bounds count. One row per kind, shape,
        group, target and factor. Without assumed investment there is one row that says
        so.

    Raises
    ------
    OptionError
        No target, or fewer than one step.
    """
    if not targets or steps < 1:
        raise OptionError.of(
            "influence.targets_steps", targets=dict(targets), steps=steps
        )
    headline = Headline(study, options)
    base = study.investment(options)
    assumed = base.is_assumed
    inside = np.zeros_like(assumed)
    inside[np.ix_(headline.at, headline.window)] = True
    assumed = assumed & inside
    if not assumed.any():
        row = {
            "kind": "bound",
            "shape": "",
            "cities": "all",
            "target": "",
            "n_assumed_city_years": 0,
            "estimate": headline.result.estimate,
            "note": "no investment is assumed under these options",
        }
        return pd.DataFrame([row]).reindex(columns=list(COLUMNS)).astype(COLUMNS)
    last, _ = last_known(study.series(options)["fai_cny_10k"])
    since = np.arange(len(study.years))[None, :] - last[:, None]
    treated = np.zeros(len(study.city_ids), dtype=bool)
    treated[headline.at] = headline.treated
    group = {
        "all": np.ones_like(treated),
        "treated": treated,
        "control": ~treated,
    }
    rows = []
    for shape in SHAPES:
        power = since if shape == "drift" else np.ones_like(since)
        for cities in GROUPS:
            where = assumed & group[cities][:, None]
            if not where.any():
                continue

            def result(log_factor, where=where, power=power):
                factor = np.where(where, np.exp(log_factor * power), 1.0)
                moved = replace(base, real=base.real * factor)
                try:
                    return result_of(headline, study.instead(investment=moved))
                except CapitalError:
                    return NO_STOCK

            common = {
                "shape": shape,
                "cities": cities,
                "n_assumed_city_years": int(where.sum()),
            }
            rows += _group(result, targets, np.log(LARGEST[shape]), steps, common)
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS)).astype(COLUMNS)


def _group(result, targets, widest: float, steps: int, common: dict) -> list[dict]:
    grid = np.linspace(-widest, widest, 2 * steps + 1)
    found = [result(x) for x in grid]
    estimates = np.array([r.estimate for r in found])
    stocks = np.array([r is not NO_STOCK for r in found])
    lost = "" if stocks.all() else f"{(~stocks).sum()} factors leave no capital stock"
    span = {
        "lowest_estimate": estimates[stocks].min() if stocks.any() else np.nan,
        "highest_estimate": estimates[stocks].max() if stocks.any() else np.nan,
        "smallest_factor_tried": float(np.exp(-widest)),
        "largest_factor_tried": float(np.exp(widest)),
    }
    rows = []
    for name, value in targets.items():
        roots = _roots(lambda x: result(x).estimate, grid, estimates, value)
        row: dict[str, object] = {
            "kind": "bound",
            "target": name,
            "target_value": value,
            **common,
            **span,
        }
        if roots:
            at = result(roots[0])
            row |= {
                "factor": float(np.exp(roots[0])),
                "other_factors": ", ".join(f"{np.exp(x):.4g}" for x in roots[1:])
                or None,
                **asdict(at),
            }
        else:
            row["note"] = "no factor tried moves the estimate there"
        if lost:
            notes = [str(row["note"])] if row.get("note") else []
            row["note"] = "; ".join([*notes, lost])
        rows.append(row)
    for x, r in zip(grid, found, strict=True):
        rows.append(
            {
                "kind": "curve",
                "target": "",
                "factor": float(np.exp(x)),
                **asdict(r),
                **common,
                "note": None if r is not NO_STOCK else NO_STOCK_NOTE,
            }
        )
    return rows


def _roots(function, grid, values, target) -> list[float]:
    """Every crossing of the target, the one nearest to no change first."""
    gap = values - target
    roots = [float(x) for x, g in zip(grid, gap, strict=True) if g == 0]
    for k in np.flatnonzero(gap[:-1] * gap[1:] < 0):
        roots.append(
            float(
                scipy.optimize.brentq(
                    lambda x: function(x) - target, grid[k], grid[k + 1], xtol=1e-12
                )
            )
        )
    return sorted(roots, key=abs)
