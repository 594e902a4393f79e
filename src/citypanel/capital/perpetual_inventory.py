"""Perpetual inventory: real capital stocks from real investment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.errors import CapitalError, OptionError
from citypanel.panel import require_columns, require_unique_key

INITIAL_CAPITAL = ("growth_plus_depreciation", "end_of_year", "ten_percent")

#: Growth plus depreciation up to this is zero with rounding.
VANISHING = 1e-9


def initial_growth(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    investment: str,
    first: int,
    last: int,
    labels: Mapping[object, str] | None = None,
) -> pd.Series:
    """Mean annual growth of investment between two periods.

    g_i = (I_i,last / I_i,first) ^ (1 / (last - first)) - 1

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period.
    unit, period, investment : str
        Columns: identifier, year, investment (any unit; prices as the reader chooses).
    first, last : int
        Periods the growth rate spans, in the panel.
    labels : mapping, optional
        Names of the units, for messages.

    Returns
    -------
    Series
        Indexed by unit, a year's share (0.1 is 10 per cent); missing where either
        period has no investment.

    Raises
    ------
    OptionError
        `first` is not before `last`, or the panel has no row of one of them.
    PanelError
        For a missing column or a repeated key.
    CapitalError
        For investment that is zero, negative or infinite in either period; it names the
        units.

    Examples
    --------
    >>> from citypanel import capital
    >>> from citypanel.examples import zones
    >>> growth = capital.initial_growth(
    ...     zones(), unit="city", period="year", investment="investment",
    ...     first=2010, last=2015,
    ... )
    >>> growth.head(2).round(3).tolist()
    [0.048, 0.027]
    """
    require_columns(panel, [unit, period, investment])
    require_unique_key(panel, [unit, period])
    require_ends(panel[period], first, last, period)
    ends = panel.loc[panel[period].isin([first, last])]
    wide = ends.pivot(index=unit, columns=period, values=investment)
    wide = wide.reindex(panel[unit].drop_duplicates().sort_values())
    flows = wide[[first, last]].to_numpy(dtype=float, na_value=np.nan)
    naming = Naming(unit, period, investment, wide.index, labels)
    return pd.Series(growth_between(flows, first, last, naming), index=wide.index)


@dataclass(frozen=True)
class Naming:
    """What the columns of a table of investment, unit x period, are called.

    Attributes
    ----------
    unit, period, investment : str
    units : sequence
        Of the table's rows.
    labels : mapping, optional
        Names of the units.
    """

    unit: str
    period: str
    investment: str
    units: Sequence
    labels: Mapping[object, str] | None = None

    def name(self, row: int) -> str:
        """The unit of a row in words."""
        code = self.units[row]
        label = (self.labels or {}).get(code)
        return f"{self.unit} {code}" + (f" ({label})" if label else "")


def require_ends(
    periods: pd.Series | np.ndarray, first: int, last: int, period: str
) -> None:
    """Raise where the growth of investment would begin or end without a period."""
    absent = [p for p in (first, last) if not (periods == p).any()]
    if absent or not first < last:
        raise OptionError.of(
            "capital.growth_from_nothing",
            [f"no row of {period} {p}" for p in absent],
            first=first,
            last=last,
        )


def growth_between(
    flows: np.ndarray, first: int, last: int, naming: Naming
) -> np.ndarray:
    """Mean annual growth (n,) of investment from a table of its ends (n, 2).

    See `initial_growth`.
    """
    useless = ~np.isnan(flows) & ~((flows > 0) & np.isfinite(flows))
    if useless.any():
        raise CapitalError.of(
            "capital.investment_gives_no_growth",
            (
                f"{naming.name(i)}, {naming.period} "
                f"{(first, last)[t]}, {naming.investment} {flows[i, t]:.6g}"
                for i, t in np.argwhere(useless)
            ),
            first=first,
            last=last,
        )
    return (flows[:, 1] / flows[:, 0]) ** (1 / (last - first)) - 1


def perpetual_inventory(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    investment: str,
    growth: pd.Series,
    depreciation: float = 0.06,
    initial_capital: str = "growth_plus_depreciation",
    first_period: int,
    labels: Mapping[object, str] | None = None,
) -> pd.DataFrame:
    """Capital stocks at the end of each period.

    K_it = I_it + (1 - depreciation) K_i,t-1, I at constant prices, started from
    K_i0 = I_i0 / (g_i + depreciation)               (`growth_plus_depreciation`)
    K_i0 = I_i0 (1 + g_i) / (g_i + depreciation)     (`end_of_year`)
    K_i0 = I_i0 / 0.1                                (`ten_percent`)

    `growth_plus_depreciation` is the steady-state stock at the start of the first
    period (Harberger 1978); `end_of_year` is the same stock one period later.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period; periods before `first_period` are left out.
    unit, period, investment : str
        Columns: identifier, year, investment at constant prices.
    growth : Series
        g_i indexed by unit, from `initial_growth`; not used by `ten_percent`. A unit
        whose growth is missing has no stock.
    depreciation : float
        A year's share, from 0 up to, not including, 1.
    initial_capital : str
        One of `INITIAL_CAPITAL`.
    first_period : int
        Period of the initial stock.
    labels : mapping, optional
        Names of the units, for messages.

    Returns
    -------
    DataFrame
        unit, period, the investment, `initial_growth`, `capital_real` in the unit of
        `investment`; sorted by unit and period. From the first missing investment of a
        unit on, its capital is missing: a stock with a hole in it is none.

    Raises
    ------
    OptionError
        For an unknown `initial_capital` or a `depreciation` outside [0, 1).
    PanelError
        For a missing column or a repeated key.
    CapitalError
        For negative or infinite investment, none in the first period, a missing period
        between two others, a unit that `growth` does not list, or growth plus
        depreciation that is not positive; it names the units.

    References
    ----------
    Zhang, Wu and Zhang (2004), Economic Research Journal 39(10), 35-44.

    Examples
    --------
    >>> from citypanel import capital
    >>> from citypanel.examples import zones
    >>> series = dict(unit="city", period="year", investment="investment")
    >>> growth = capital.initial_growth(zones(), first=2010, last=2015, **series)
    >>> stock = capital.perpetual_inventory(
    ...     zones(), growth=growth, depreciation=0.06, first_period=2010, **series
    ... )
    >>> stock.head(3).round(2)
      city  year  investment  initial_growth  capital_real
    0  c01  2010       32.69            0.05        301.59
    1  c01  2011       32.76            0.05        316.26
    2  c01  2012       34.61            0.05        331.90
    """
    check_options(initial_capital, depreciation)
    require_columns(panel, [unit, period, investment])
    require_unique_key(panel, [unit, period])

    kept = panel.loc[panel[period] >= first_period, [unit, period, investment]]
    wide = kept.pivot(index=unit, columns=period, values=investment).sort_index()
    require_consecutive(wide.columns, first_period)
    flows = wide.to_numpy(dtype=float, na_value=np.nan)
    naming = Naming(unit, period, investment, wide.index, labels)
    require_flows(flows, wide.columns, naming)
    unlisted = np.flatnonzero(~wide.index.isin(growth.index))
    if len(unlisted) and initial_capital != "ten_percent":
        raise CapitalError.of("capital.no_growth", (naming.name(i) for i in unlisted))
    g = growth.reindex(wide.index).to_numpy(dtype=float)
    stocks = accumulated(
        flows,
        g,
        depreciation=depreciation,
        initial_capital=initial_capital,
        naming=naming,
    )
    return pd.DataFrame(
        {
            unit: np.repeat(wide.index.to_numpy(), flows.shape[1]),
            period: np.tile(wide.columns.to_numpy(), len(wide)),
            investment: flows.ravel(),
            "initial_growth": np.repeat(g, flows.shape[1]),
            "capital_real": stocks.ravel(),
        }
    )


def accumulated(
    flows: np.ndarray,
    growth: np.ndarray,
    *,
    depreciation: float,
    initial_capital: str,
    naming: Naming,
) -> np.ndarray:
    """Stocks (n, T) from checked tables of investment (n, T) and growth (n,).

    See `perpetual_inventory`, whose options they are.
    """
    stocks = np.empty_like(flows)
    stocks[:, 0] = _initial_stock(
        flows[:, 0], growth, depreciation, initial_capital, naming
    )
    for t in range(1, flows.shape[1]):
        stocks[:, t] = flows[:, t] + (1 - depreciation) * stocks[:, t - 1]
    return stocks


def check_options(initial_capital: str, depreciation: float) -> None:
    """Raise for an option of `perpetual_inventory` with a value it may not have."""
    if initial_capital not in INITIAL_CAPITAL:
        raise OptionError.of(
            "capital.initial_capital",
            value=initial_capital,
            permitted=list(INITIAL_CAPITAL),
        )
    if not 0 <= depreciation < 1:
        raise OptionError.of("capital.depreciation", value=depreciation)


def require_consecutive(periods: Sequence, first_period: int) -> None:
    """Raise where periods do not follow each other from the first on."""
    expected = range(first_period, first_period + len(periods))
    if list(periods) != list(expected) or not len(periods):
        raise CapitalError.of(
            "capital.periods_not_consecutive", periods, first_period=first_period
        )


def require_flows(flows: np.ndarray, periods: Sequence, naming: Naming) -> None:
    """Raise for investment below zero or without end."""
    impossible = (flows < 0) | np.isinf(flows)
    if impossible.any():
        raise CapitalError.of(
            "capital.investment_negative_or_infinite",
            (
                f"{naming.name(i)}, {naming.period} {periods[t]}, "
                f"{naming.investment} {flows[i, t]:.6g}"
                for i, t in np.argwhere(impossible)
            ),
        )


def _initial_stock(flow, g, depreciation, initial_capital, naming):
    idle = np.flatnonzero(flow == 0)
    if len(idle):
        raise CapitalError.of(
            "capital.no_first_investment", (naming.name(i) for i in idle)
        )
    if initial_capital == "ten_percent":
        return flow / 0.1
    shrinking = np.flatnonzero(
        ~(np.isfinite(g) & (g + depreciation > VANISHING)) & ~np.isnan(g + flow)
    )
    if len(shrinking):
        raise CapitalError.of(
            "capital.growth_too_low",
            (f"{naming.name(i)}, growth {g[i]:.6f}" for i in shrinking),
            depreciation=f"{depreciation:g}",
        )
    stock = flow / (g + depreciation)
    return stock * (1 + g) if initial_capital == "end_of_year" else stock
