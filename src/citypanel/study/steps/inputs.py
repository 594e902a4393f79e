"""Output, investment, labour and controls, made of the series."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass

import numpy as np

from citypanel.study.declaration import Declaration
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.parts import not_known
from citypanel.study.steps.series import (
    GDP_DEFLATOR,
    PROVINCE_INVESTMENT,
    last_known,
)

OUTPUT, GROWTH = "gdp_cny_10k", "gdp_growth_pct"
INVESTMENT, REAL_ESTATE = "fai_cny_10k", "real_estate_cny_10k"
# In the formula of a control: the chosen investment, in current prices.
CHOSEN_INVESTMENT = "investment_cny_10k"


@dataclass(frozen=True, eq=False)
class Investment:
    """Investment under a rule for the years after a city's last reported one.

    Attributes
    ----------
    real : ndarray (cities, years)
        10,000 yuan at prices of the base year.
    is_assumed : ndarray of bool
        Whether the rule stands in.
    deflator : ndarray
        The price index chosen.
    """

    real: np.ndarray
    is_assumed: np.ndarray
    deflator: np.ndarray

    @property
    def nominal(self) -> np.ndarray:
        """10,000 yuan in current prices."""
        return self.real * self.deflator


@step
def deflated(series: dict, provinces: dict) -> np.ndarray:
    """Output over the province's deflator, 10,000 yuan of the base year."""
    return series[OUTPUT] / provinces[GDP_DEFLATOR]


@step
def growth_factor(series: dict, deflated: np.ndarray) -> np.ndarray:
    """Real growth of a city as a factor: its published rate, else growth of `deflated`.

    A rate is missing where it is not printed, or is defective.
    """
    growth = 1 + series[GROWTH] / 100
    stand_in = np.full_like(growth, np.nan)
    stand_in[:, 1:] = deflated[:, 1:] / deflated[:, :-1]
    return np.where(np.isnan(growth), stand_in, growth)


@step
def real_output(
    series: dict,
    deflated: np.ndarray,
    grid: Grid,
    base_year: int,
    *,
    real_gdp: str,
) -> np.ndarray:
    """Real output, 10,000 yuan of the base year.

    Under province_deflator `deflated`. Under city_growth the level of the base year
    chained on `growth_factor`; a chain with a missing link has no level.
    """
    if real_gdp == "province_deflator":
        return deflated
    if real_gdp != "city_growth":
        raise not_known("real_gdp", real_gdp)
    base = np.flatnonzero(grid.years == base_year)
    if not len(base):
        return np.full_like(deflated, np.nan)
    after = grid.years > base_year
    factor = growth_factor(series, deflated)
    links = np.full_like(factor, np.nan)
    links[:, after] = np.cumprod(factor[:, after], axis=1)
    level = series[OUTPUT][:, base]
    real = level * links
    real[:, base] = level
    before = base[0] - 1
    if before >= 0 and grid.years[before] == base_year - 1:
        real[:, before] = level[:, 0] / factor[:, before + 1]
    return real


@step
def investment(
    series: dict,
    provinces: dict,
    *,
    fai_extension: str,
    investment_deflator: str,
) -> Investment:
    """Real investment, gone on with after a city's last reported year.

    none                          as reported
    flat                          constant in real terms
    real_estate                   with the city's real-estate investment
    province_then_real_estate     with the province's total as far as it goes, from
                                  there on with real-estate investment
    """
    if investment_deflator not in provinces:
        raise not_known("investment_deflator", investment_deflator)
    fai = series[INVESTMENT]
    deflator = provinces[investment_deflator]
    years = np.arange(fai.shape[1])
    each = np.arange(len(fai))
    last, known = last_known(fai)
    assumed = (years > last[:, None]) & known[:, None]
    if fai_extension == "none":
        return Investment(fai / deflator, np.zeros_like(assumed), deflator)
    fai_last = fai[each, last][:, None]
    if fai_extension == "flat":
        flat = fai_last / deflator[each, last][:, None]
        real = np.where(assumed, flat, fai / deflator)
        return Investment(real, assumed, deflator)
    if fai_extension == "real_estate":
        estate = series[REAL_ESTATE]
        ratio = estate / estate[each, last][:, None]
    elif fai_extension == "province_then_real_estate":
        estate, province = series[REAL_ESTATE], provinces[PROVINCE_INVESTMENT]
        last_province, has_province = last_known(province)
        upto = np.minimum(years, last_province[:, None])
        upto = np.where(has_province[:, None], upto, years)
        turning = np.maximum(last[:, None], upto)
        row = each[:, None]
        ratio = (province[row, turning] / province[each, last][:, None]) * (
            estate / estate[row, turning]
        )
    else:
        raise not_known("fai_extension", fai_extension)
    nominal = np.where(assumed, fai_last * ratio, fai)
    return Investment(nominal / deflator, assumed, deflator)


@step
def labour(series: dict, study: Declaration, *, labour_measure: str) -> np.ndarray:
    """The labour input, by the formula of its measure."""
    return study.options["labour_measure"].formula_of(labour_measure)(series)


@step
def controls_of_series(
    series: dict, study: Declaration, *, log_base: str
) -> dict[str, np.ndarray]:
    """The controls that the investment chosen has no part in, by their formulas."""
    return {
        name: control.formula(series, log_base=log_base)
        for name, control in study.controls.items()
        if CHOSEN_INVESTMENT not in control.formula.names
    }


@step
def controls(
    series: dict,
    controls_of_series: dict[str, np.ndarray],
    investment: Investment,
    study: Declaration,
    *,
    log_base: str,
) -> dict[str, np.ndarray]:
    """The controls, by their formulas."""
    known = ChainMap({CHOSEN_INVESTMENT: investment.nominal}, series)
    return {
        name: controls_of_series[name]
        if name in controls_of_series
        else control.formula(known, log_base=log_base)
        for name, control in study.controls.items()
    }
