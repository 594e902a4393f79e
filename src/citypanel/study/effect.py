"""The two-way effect of the policy on many outcomes at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from citypanel.did.covariances import Fit, count_parameters, small_sample_factor
from citypanel.did.linear import TwoWay, cluster_sums
from citypanel.study.declaration import declared


@dataclass(frozen=True, eq=False)
class Effect:
    """Estimates of b in y_it = city_i + year_t + b d_it + e_it.

    Attributes
    ----------
    estimate, std_error : ndarray (...)
        One value per outcome; not a number where b is not identified. Standard errors
        are clustered by city; there is none where every cohort has one city.
    df : float
        Cities less one.
    n_obs, n_cities : int
    """

    estimate: np.ndarray
    std_error: np.ndarray
    df: float
    n_obs: int
    n_cities: int

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided, from t(df)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return 2.0 * special.stdtr(self.df, -np.abs(self.estimate / self.std_error))


class EffectDesign:
    """The regression's right-hand side, partialled out once.

    Parameters
    ----------
    treatment : ndarray (n, T)
        Exposure of every city and year.
    rows : ndarray (n, T) of bool
        City-years that enter.
    convention : {"xtreg", "reghdfe", "full", "linearmodels"}
        K of the small-sample factor G/(G-1) (N-1)/(N-K): `full` counts the city
        effects. `linearmodels` is taken as `xtreg`, because the package's own factor
        is not a function of the design alone.

    Attributes
    ----------
    weights : ndarray (n, T)
        The estimate is the sum of weights times outcome; 0 where a row does not enter.
    """

    def __init__(self, treatment: np.ndarray, rows: np.ndarray, convention: str):
        self.rows = rows
        unit, period = np.nonzero(rows)
        self._unit = np.unique(unit, return_inverse=True)[1]
        self._period = np.unique(period, return_inverse=True)[1]
        self.n_obs = len(unit)
        self.n_cities = int(self._unit.max()) + 1 if self.n_obs else 0
        self.weights = np.zeros(rows.shape)
        self.identified = False
        if self.n_cities < 2:
            return
        self._transform = TwoWay(self._unit, self._period)
        d = treatment[rows].astype(float)
        net = self._transform.demean(d)
        size = net @ net
        # A treatment that the effects absorb is zero up to rounding.
        self.identified = bool(size > 1e-12 * (d @ d)) and bool(d.any())
        if not self.identified:
            return
        self._d, self._size = net, size
        self.weights[rows] = net / size
        treated = np.where(rows, treatment, 0) > 0
        cohorts = treated.argmax(axis=1)[treated.any(axis=1)]
        self._single = bool((np.unique(cohorts, return_counts=True)[1] == 1).all())
        counted = "full" if convention == "full" else "nonnested"
        empty = Fit(net[:, None], np.zeros(1), net, np.eye(1), self._unit, self._period)
        k = count_parameters(empty, [self._unit], counted)
        self._factor = small_sample_factor(self.n_obs, k, self.n_cities)

    def fit(self, outcomes: np.ndarray) -> Effect:
        """Estimates and standard errors.

        Parameters
        ----------
        outcomes : ndarray (..., n, T)
            Finite in every row that enters.
        """
        outcomes = np.asarray(outcomes, float)
        shape = outcomes.shape[:-2]
        if not self.identified:
            empty = np.full(shape, np.nan)
            return Effect(empty, empty, np.nan, self.n_obs, self.n_cities)
        y = outcomes[..., self.rows].reshape(-1, self.n_obs).T
        net = self._transform.demean(y)
        estimate = self._d @ net / self._size
        scores = cluster_sums(
            self._d[:, None] * (net - self._d[:, None] * estimate), self._unit
        )
        variance = self._factor * (scores**2).sum(axis=0) / self._size**2
        if self._single:
            variance = np.full_like(variance, np.nan)
        return Effect(
            estimate.reshape(shape),
            np.sqrt(variance).reshape(shape),
            self.n_cities - 1.0,
            self.n_obs,
            self.n_cities,
        )

    def residuals(self, outcome: np.ndarray) -> np.ndarray:
        """Residuals (n, T) of one outcome, missing where a row does not enter."""
        found = np.full(self.rows.shape, np.nan)
        net = self._transform.demean(outcome[self.rows])
        found[self.rows] = net - self._d * (self._d @ net / self._size)
        return found


def outcome_of(
    indices: dict[str, np.ndarray],
    present: np.ndarray,
    *,
    outcome: str,
    first_index_year: str = "drop",
) -> np.ndarray:
    """The study's outcome from the indices.

    Parameters
    ----------
    indices : dict of ndarray (n, T-1)
        tfpch, effch, techch.
    present : ndarray (n, T) of bool
        Years in which the city has a plan.
    outcome : str
        tfpch, log_tfpch, effch, techch or cumulative_log_tfp.
    first_index_year : str
        Under `one` a city's first year has the index 1 (level 0).

    Returns
    -------
    ndarray (n, T)
        The first column is empty but under `one`.
    """
    n, T = present.shape
    first = np.where(present.any(axis=1), present.argmax(axis=1), T)
    from_one = first_index_year == "one"
    there = np.flatnonzero(first < T)
    tables = {}
    for name, index in indices.items():
        tables[name] = np.full((n, T), np.nan)
        tables[name][:, 1:] = index
        if from_one:
            tables[name][there, first[there]] = 1.0
    if outcome == "cumulative_log_tfp":
        # From a gap in the indices on the level is unknown.
        started = np.arange(T)[None, :] > first[:, None]
        links = np.where(started, np.log(tables["tfpch"]), 0.0)
        level = np.where(started, links.cumsum(axis=1), np.nan)
        if from_one:
            level[there, first[there]] = 0.0
        tables["cumulative_log_tfp"] = level
    return declared().options["outcome"].by_value[outcome].formula(tables)
