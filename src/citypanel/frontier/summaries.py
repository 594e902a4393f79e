"""Tables of means, as DEAP prints them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.errors import OptionError, PanelError

#: Columns whose mean is geometric when nothing else is said.
INDICES = (
    "tfpch",
    "effch",
    "techch",
    "pech",
    "sech",
    "obtech",
    "ibtech",
    "matech",
    "tfpch_group",
    "effch_group",
    "techch_group",
    "tgrch",
)
#: Columns whose mean is arithmetic.
LEVELS = ("distance", "distance_group", "tgr", "tgr_from")


def summarise(
    result: pd.DataFrame,
    *,
    by: str,
    geometric: Sequence[str] | None = None,
    arithmetic: Sequence[str] | None = None,
    total: str | None = "mean",
) -> pd.DataFrame:
    """Means by period or by unit, geometric for indices, arithmetic for distances.

    Parameters
    ----------
    result : DataFrame
        What `malmquist`, `malmquist_luenberger` or `distance` returned.
    by : str
        Column to group by: the period for DEAP's summary of annual means, the unit for
        its summary of firm means.
    geometric, arithmetic : sequence of str, optional
        Columns of each kind; by default those of the known names that the frame has,
        and `e_`, `v_`, `c_`, `g_` distances as arithmetic.
    total : str or None
        Label of a last row with the mean of the means (as DEAP prints it); None for no
        such row.

    Returns
    -------
    DataFrame
        One row a value of `by`, sorted, and the total. Null values are left out of a
        mean; a mean of none is null.

    Raises
    ------
    PanelError
        A column is not in the frame, or an index is not positive.
    OptionError
        There is nothing to average.

    Notes
    -----
    DEAP's grand mean is the geometric mean of the annual means; with a balanced panel
    it is the geometric mean of all indices.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> changes = frontier.malmquist(zones(), **plans)
    >>> frontier.summarise(changes, by="year").tail(2).round(3)
       year  tfpch  effch  techch   pech   sech
    8  2019  1.030  0.997   1.033  1.008  0.989
    9  mean  1.028  1.002   1.025  1.002  1.000
    """
    if geometric is None:
        geometric = [name for name in INDICES if name in result.columns]
    if arithmetic is None:
        arithmetic = [
            name
            for name in result.columns
            if name in LEVELS or str(name).startswith(("e_", "v_", "c_", "g_"))
        ]
    names = [*geometric, *arithmetic]
    absent = [name for name in [by, *names] if name not in result.columns]
    if absent:
        raise PanelError.of(
            "frontier.columns_not_result", absent, columns=list(result.columns)
        )
    if not names:
        raise OptionError.of("frontier.there_no_index_no")
    wrong = [name for name in geometric if (result[name] <= 0).any()]
    if wrong:
        raise PanelError.of("frontier.index_zero_or_negative", wrong)
    values = pd.DataFrame({by: result[by].to_numpy()})
    for name in geometric:
        values[name] = np.log(result[name].to_numpy(dtype=float))
    for name in arithmetic:
        values[name] = result[name].to_numpy(dtype=float)
    means = values.groupby(by, sort=True)[names].mean().reset_index()
    if total is not None:
        last = means[names].mean()
        means[by] = means[by].astype(object)
        means.loc[len(means)] = [total, *last]
    means[list(geometric)] = np.exp(means[list(geometric)])
    return means
