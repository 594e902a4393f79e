"""The effect on yardsticks that share none of DEA's assumptions.

    Solow residual      ln A_it = ln Y_it - s ln L_it - (1 - s) ln K_it
    output per worker   ln Y_it - ln L_it

with Y real output, K the capital stock, s labour's share of income (0.4, 0.5, 0.6) and
L persons employed: urban units plus private and self-employed. The study's default
labour input is a ratio (students over population), which is no quantity of labour; a
Solow residual needs one. As tfpch is a growth factor, so are the outcomes here: A_it /
A_i,t-1, its logarithm, and the cumulative logarithm. Neither has a frontier: no city's
figures enter another city's outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.study import ESTIMATORS, att_table
from citypanel.errors import OptionError, PanelError
from citypanel.study.estimates import TREATMENT
from citypanel.study.options import Options
from citypanel.study.run import Study

LABOUR_SHARES = (0.4, 0.5, 0.6)
OUTCOMES = ("tfpch", "log_tfpch", "cumulative_log_tfp")

COLUMNS = {
    "yardstick_order": "Int64",
    "yardstick": "string",
    "labour_share": "float64",
    "outcome": "string",
    "estimator": "string",
    "estimate": "float64",
    "std_error": "float64",
    "conf_low": "float64",
    "conf_high": "float64",
    "p_value": "float64",
    "leads_p_value": "float64",
    "mean": "float64",
    "std_dev": "float64",
    "minimum": "float64",
    "maximum": "float64",
    "correlation_with_index": "float64",
    "n_obs": "Int64",
    "n_cities": "Int64",
    "note": "string",
}


def solow_residual(
    output: np.ndarray, capital: np.ndarray, labour: np.ndarray, *, labour_share: float
) -> np.ndarray:
    """Logarithm of total factor productivity under constant returns.

    ln A = ln Y - s ln L - (1 - s) ln K

    Parameters
    ----------
    output, capital, labour : ndarray
        Positive, of one shape; any units.
    labour_share : float
        s, from 0 to 1; at 1 the residual is the logarithm of output per worker.

    Returns
    -------
    ndarray
        Not a number where an entry is missing or not positive.

    Raises
    ------
    OptionError
        A share outside [0, 1].

    References
    ----------
    Solow (1957), Review of Economics and Statistics 39(3), 312-320.
    """
    if not 0 <= labour_share <= 1:
        raise OptionError.of("influence.labour_share", labour_share=labour_share)
    logs = [
        np.log(np.where(table > 0, table, np.nan))
        for table in (output, labour, capital)
    ]
    capital_share = 1.0 - labour_share
    residual = logs[0] - labour_share * logs[1]
    return residual - capital_share * logs[2] if capital_share else residual


def yardsticks(
    study: Study,
    options: Options,
    *,
    estimators: Sequence[str] = ESTIMATORS,
    draws: int = 999,
    seed: int,
) -> pd.DataFrame:
    """The effect on the Malmquist index and on every other yardstick, side by side.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline; output, capital, years and exposure are theirs.
    estimators : sequence of str
        See `citypanel.did.study.ESTIMATORS`.
    draws, seed : int
        Of the uniform bands of the estimators that have them.

    Returns
    -------
    DataFrame
        The columns of `COLUMNS`, one row per yardstick, outcome and estimator. The
        yardsticks: `malmquist` (the headline's index), `malmquist, persons employed`
        (the same with persons as labour), `solow residual` for each share, `output per
        worker`. outcome growth, log_growth or level. mean to maximum are of the growth
        factor; correlation_with_index its correlation with tfpch over common
        city-years. Cities without persons employed in some year leave the last
        yardsticks; n_cities tells. An estimator that cannot be computed has a row with
        its reason.
    """
    panel = study.panel(options)
    persons = options.replace(labour_measure="employed")
    frames: dict[tuple[str, float], pd.DataFrame] = {
        ("malmquist", np.nan): panel,
        ("malmquist, persons employed", np.nan): study.panel(persons),
    }
    for share in LABOUR_SHARES:
        frames["solow residual", share] = _panel(study, persons, share)
    frames["output per worker", np.nan] = _panel(study, persons, 1.0)
    index = panel.set_index(["city_id", "year"])["tfpch"]
    pieces = []
    for order, ((name, share), frame) in enumerate(frames.items()):
        piece = _estimates(frame, estimators, draws, seed)
        growth = frame["tfpch"]
        here = frame.set_index(["city_id", "year"])["tfpch"]
        both = pd.concat([index, here], axis=1, join="inner").dropna()
        pieces.append(
            piece.assign(
                yardstick_order=order,
                yardstick=name,
                labour_share=share,
                mean=growth.mean(),
                std_dev=growth.std(),
                minimum=growth.min(),
                maximum=growth.max(),
                correlation_with_index=np.corrcoef(both.to_numpy().T)[0, 1]
                if len(both) > 2
                else np.nan,
            )
        )
    found = pd.concat(pieces, ignore_index=True)
    return found.reindex(columns=list(COLUMNS)).astype(COLUMNS)


def _panel(study: Study, options: Options, share: float) -> pd.DataFrame:
    """The estimators' panel with a yardstick in place of the index."""
    sample = study.sample(options)
    level = solow_residual(
        sample.output, sample.capital, sample.labour, labour_share=share
    )
    kept = sample.is_in_sample
    if not kept.any():
        raise PanelError.of("influence.no_solow_residual")
    logs = np.full_like(level, np.nan)
    logs[:, 1:] = np.diff(np.where(kept, level, np.nan), axis=1)
    frame = study.panel(options).drop(columns=list(OUTCOMES))
    tables = study.long({"log_tfpch": logs})
    frame = frame.merge(tables, on=["city_id", "year"], how="left")
    frame = frame.loc[frame["log_tfpch"].notna()].reset_index(drop=True)
    frame["tfpch"] = np.exp(frame["log_tfpch"])
    frame["cumulative_log_tfp"] = frame.groupby("city_id")["log_tfpch"].cumsum()
    return frame


def _estimates(
    frame: pd.DataFrame, estimators: Sequence[str], draws: int, seed: int
) -> pd.DataFrame:
    """The overall effect by every estimator and outcome."""
    table = att_table(
        frame.loc[frame["tfpch"].notna()],
        outcomes=OUTCOMES,
        treatment=TREATMENT,
        estimators=estimators,
        draws=draws,
        seed=seed,
    )
    overall = table.loc[
        table["aggregation"].isin(["simple", "none"]) & (table["term"] == "overall")
    ]
    if "leads_p_value" in table:
        keys = ["outcome", "estimator"]
        leads = table.groupby(keys)["leads_p_value"].first().reset_index()
        overall = overall.drop(columns="leads_p_value").merge(
            leads, on=keys, how="left"
        )
    names = dict(zip(OUTCOMES, ("growth", "log_growth", "level"), strict=True))
    return overall.assign(outcome=overall["outcome"].map(names)).rename(
        columns={"n_units": "n_cities"}
    )
