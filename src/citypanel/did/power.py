"""What an estimate could have seen, and what it can exclude."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy
from scipy import special

from citypanel.did.results import remembering
from citypanel.errors import OptionError


def _quantile(probability, df: float):
    if np.isinf(df):
        return special.ndtri(probability)
    return special.stdtrit(df, probability)


def _upper(statistic, df: float):
    return special.ndtr(-statistic) if np.isinf(df) else special.stdtr(df, -statistic)


def _noncentral_power(ratio: float, df: float, level: float) -> float:
    """Power of the two-sided test when effect / standard error is ``ratio``."""
    critical = _quantile(0.5 + level / 2, df)
    if np.isinf(df):
        return float(special.ndtr(ratio - critical) + special.ndtr(-critical - ratio))
    below = special.nctdtr(df, ratio, -critical)
    # The far tail underflows to nan for large ratios, where it is nothing.
    return float(special.nctdtr(df, -ratio, -critical) + np.nan_to_num(below))


def power_at(
    effect: float, std_error: float, *, df: float = np.inf, level: float = 0.95
) -> float:
    """Probability that a two-sided test finds an effect of this size.

    From the non-central t with the given degrees of freedom (normal for inf).

    Examples
    --------
    >>> from citypanel import did
    >>> round(did.power_at(0.024, 0.013), 2)
    0.45
    """
    _positive(std_error)
    return _noncentral_power(abs(effect) / std_error, df, level)


def minimum_detectable_effect(
    std_error: float, *, df: float = np.inf, power: float = 0.8, level: float = 0.95
) -> float:
    """Smallest effect that a two-sided test finds with the given power.

    Solves power_at(effect) = power; about 2.8 standard errors for 0.8 at 0.95.

    Raises
    ------
    OptionError
        A power outside (1 - level, 1), a standard error that is not positive.

    Examples
    --------
    >>> from citypanel import did
    >>> round(did.minimum_detectable_effect(0.013), 3)
    0.036
    """
    _positive(std_error)
    if not 1 - level < power < 1:
        raise OptionError.of("did.power_not_between", power=power, what=1 - level)
    high = 1.0
    while _noncentral_power(high, df, level) < power:
        high *= 2.0
    ratio = scipy.optimize.brentq(
        lambda r: _noncentral_power(r, df, level) - power, 0.0, high, xtol=1e-12
    )
    return float(ratio * std_error)


def equivalence_test(
    estimate: float,
    std_error: float,
    bound: float,
    *,
    df: float = np.inf,
    level: float = 0.95,
) -> dict[str, float | bool]:
    """Two one-sided tests that the effect lies within (-bound, bound).

    p = max(P(T > (estimate + bound)/se), P(T < (estimate - bound)/se)) (Schuirmann
    1987); the effect is shown to be smaller than the bound when p < 1 - level, which
    is when the interval of coverage 2 level - 1 lies inside.

    Returns
    -------
    dict
        p_value, conf_low, conf_high, equivalent, and smallest_bound, the smallest
        bound that would be shown.

    Examples
    --------
    >>> from citypanel import did
    >>> found = did.equivalence_test(0.002, 0.004, bound=0.01)
    >>> found["equivalent"], round(found["p_value"], 3)
    (True, 0.023)
    """
    _positive(std_error)
    if not bound > 0:
        raise OptionError.of("did.equivalence_bound_not_positive", bound=bound)
    p = max(
        float(_upper((estimate + bound) / std_error, df)),
        float(_upper((bound - estimate) / std_error, df)),
    )
    width = _quantile(level, df) * std_error
    return {
        "p_value": p,
        "conf_low": estimate - width,
        "conf_high": estimate + width,
        "equivalent": p < 1 - level,
        "smallest_bound": abs(estimate) + width,
    }


def _positive(std_error: float) -> None:
    if not std_error > 0:
        raise OptionError.of("did.standard_error_not_positive", std_error=std_error)


@remembering
def power_table(
    frame: pd.DataFrame, *, bound: float, power: float = 0.8, level: float = 0.95
) -> pd.DataFrame:
    """Minimum detectable effect and equivalence test for every row with an error.

    Parameters
    ----------
    frame : DataFrame
        A tidy frame; rows without a standard error keep null columns.
    bound : float
        The effect that matters, such as a published estimate.

    Returns
    -------
    DataFrame
        The rows with columns minimum_detectable_effect, power_at_bound, bound,
        equivalence_p_value, equivalent, smallest_bound.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.twfe(zones(), **columns)
    >>> did.power_table(found[found["term"] == "treated"], bound=0.05).T.tail(6)
                                      0
    minimum_detectable_effect  0.044773
    power_at_bound             0.878693
    equivalence_p_value        0.999808
    equivalent                    False
    smallest_bound              0.13683
    bound                          0.05
    """
    out = frame.copy()
    out.attrs = {}
    columns: dict[str, list] = {
        "minimum_detectable_effect": [],
        "power_at_bound": [],
        "equivalence_p_value": [],
        "equivalent": [],
        "smallest_bound": [],
    }
    for estimate, error, df in zip(
        out["estimate"], out["std_error"], out["df"], strict=True
    ):
        if not (np.isfinite(estimate) and error > 0):
            for values in columns.values():
                values.append(None)
            continue
        df = np.inf if pd.isna(df) else float(df)
        test = equivalence_test(estimate, error, bound, df=df, level=level)
        columns["minimum_detectable_effect"].append(
            minimum_detectable_effect(error, df=df, power=power, level=level)
        )
        columns["power_at_bound"].append(power_at(bound, error, df=df, level=level))
        columns["equivalence_p_value"].append(test["p_value"])
        columns["equivalent"].append(bool(test["equivalent"]))
        columns["smallest_bound"].append(test["smallest_bound"])
    for name, values in columns.items():
        kind = "boolean" if name == "equivalent" else "Float64"
        series = pd.array(values, dtype=kind)
        out[name] = (
            series if kind == "boolean" else series.to_numpy(float, na_value=np.nan)
        )
    out["bound"] = float(bound)
    return out
