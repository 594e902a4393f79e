"""An effect with its interval, and what surrounds one: general, of no one study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import pandas as pd

from citypanel.words.numbers import fixed

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Effect:
    """An estimate with its 95 per cent interval; NaN where there is none."""

    estimate: float = math.nan
    std_error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.estimate)

    @property
    def is_tested(self) -> bool:
        return self.is_known and math.isfinite(self.p_value)

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def is_significant(self) -> bool:
        return self.is_tested and self.p_value < SIGNIFICANCE

    @property
    def sign(self) -> int:
        """-1, 0 or 1; 0 too where there is no estimate."""
        return (self.estimate > 0) - (self.estimate < 0)

    @property
    def size(self) -> float:
        """The estimate without its sign."""
        return abs(self.estimate)

    @property
    def conclusion(self) -> int:
        """The sign where it can be told, else 0."""
        return self.sign if self.is_significant else 0

    @property
    def odds(self) -> float:
        """That the effect has the estimate's sign, to one, under a flat prior.

        (1 - p / 2) / (p / 2): 39 to one at p = 0.05, whatever its distribution.
        """
        if not self.is_tested:
            return math.nan
        return 2 / self.p_value - 1 if self.p_value > 0 else math.inf

    def holds(self, value: float) -> bool:
        """Whether the interval holds the value."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """The estimate with its standard error behind it."""
        if not math.isfinite(self.std_error):
            return fixed(self.estimate)
        return f"{fixed(self.estimate)}\u00a0({fixed(self.std_error)})"


@dataclass(frozen=True)
class Regression:
    """An effect and what it was estimated on.

    `assumed_share` is the share (0-1) of the treated rows that rest on figures nobody
    published.
    """

    effect: Effect
    n_obs: int | None = None
    n_units: int | None = None
    n_treated: int | None = None
    assumed_share: float = math.nan


@dataclass(frozen=True)
class Estimator:
    """An estimator's overall effect and the joint test of its leads."""

    name: str
    effect: Effect
    leads_p: float = math.nan


@dataclass(frozen=True)
class Check:
    """The headline with one thing changed: its kind, what was changed, the effect."""

    kind: str
    item: str
    effect: Effect


@dataclass(frozen=True)
class Printed:
    """The number a paper prints for the same question."""

    estimate: float
    std_error: float = math.nan

    @property
    def effect(self) -> Effect:
        """With the interval and p-value that its printed standard error implies.

        estimate -/+ 1.96 std_error, under the normal distribution.
        """
        if not self.std_error > 0:
            return Effect(self.estimate)
        normal = NormalDist()
        reach = normal.inv_cdf(1 - SIGNIFICANCE / 2) * self.std_error
        return Effect(
            self.estimate,
            self.std_error,
            self.estimate - reach,
            self.estimate + reach,
            2 * normal.cdf(-abs(self.estimate / self.std_error)),
        )


@dataclass(frozen=True)
class Inference:
    """P-values of the headline by method, and what the study could have found.

    `detectable` is the effect found with probability 0.8, `power` the probability to
    find one of the paper's size; NaN where there is nothing to measure against.
    """

    p_values: Mapping[str, float]
    detectable: float = math.nan
    power: float = math.nan


def number(value: Any) -> float:
    """A cell as a float; NaN where there is none."""
    return math.nan if value is None or pd.isna(value) else float(value)


def whole(value: Any) -> int | None:
    """A cell as a whole number; None where there is none."""
    return None if value is None or pd.isna(value) else int(value)


def effect_of(row: Mapping) -> Effect:
    """The effect in a row of a table of estimates."""
    return Effect(
        number(row["estimate"]),
        number(row.get("std_error")),
        number(row.get("conf_low")),
        number(row.get("conf_high")),
        number(row.get("p_value")),
    )


def regression_of(row: Mapping) -> Regression:
    """The regression in a row: city counts or unit counts, whichever it has."""
    units = row.get("n_cities", row.get("n_units"))
    treated = row.get("n_treated_cities", row.get("n_treated_units"))
    return Regression(
        effect_of(row),
        whole(row.get("n_obs")),
        whole(units),
        whole(treated),
        number(row.get("assumed_share")),
    )
