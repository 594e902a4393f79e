"""Logits for weights that balance treated and control units.

By maximum likelihood, and by moments that also ask for balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from scipy import linalg, special

ITERATIONS = 50
OVERLAP = 0.999
# Probabilities stay this far from 0 and 1 where moments divide by them.
EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Logit:
    """Coefficients (k,), fitted probabilities (n,), information inverse (k, k)."""

    coefficients: np.ndarray
    probability: np.ndarray
    inverse_information: np.ndarray


def logit(
    treated: np.ndarray,
    x: np.ndarray,
    overlap: float = OVERLAP,
    weights: np.ndarray | None = None,
) -> Logit | None:
    """Maximum likelihood logit; None when the data are separated or x is singular.

    Parameters
    ----------
    treated : ndarray of 0/1 (n,)
    x : ndarray (n, k)
        With its column of ones; the other columns on scales that do not differ much.
    overlap : float
        A probability at or above this one is separation too.
    weights : ndarray (n,), optional
        Sampling weights, of mean one.
    """
    b = np.zeros(x.shape[1])
    deviance = np.inf
    sampled = np.ones(len(x)) if weights is None else weights
    for _ in range(ITERATIONS):
        p = special.expit(x @ b)
        w = sampled * np.clip(p * (1 - p), 1e-12, None)
        information = x.T @ (w[:, None] * x)
        if np.linalg.cond(information) > 1e14:
            return None
        step = linalg.solve(
            information, x.T @ (sampled * (treated - p)), assume_a="pos"
        )
        b = b + step
        p = special.expit(x @ b)
        fitted = np.where(treated > 0, p, 1 - p)
        new = -2 * (sampled * np.log(np.clip(fitted, 1e-300, None))).sum()
        if abs(new - deviance) < 1e-13 * (abs(new) + 0.1):
            break
        deviance = new
    else:
        return None
    w = sampled * p * (1 - p)
    information = x.T @ (w[:, None] * x)
    if p.max() >= overlap or np.linalg.cond(information) > 1e14:
        return None
    return Logit(b, p, linalg.inv(information))


@dataclass(frozen=True, eq=False)
class BalancingScores:
    """A logit that predicts treatment and balances the covariates.

    Attributes
    ----------
    coefficients : ndarray (k,)
    probability : ndarray (n,)
    influence : ndarray (n, k)
        Each unit's part in the coefficients.
    statistic : float
        Of overidentification: chi-squared with k degrees of freedom where the logit
        is right.
    """

    coefficients: np.ndarray
    probability: np.ndarray
    influence: np.ndarray
    statistic: float


def moment_covariance(
    p: np.ndarray, x: np.ndarray, q: np.ndarray, share: float
) -> np.ndarray:
    """Covariance (2k, 2k) of one unit's score and balance where the logit p is right.

    ``q`` (n,) sampling weights, ``share`` their sum over that of the treated.
    """
    blocks = (q * p * (1 - p), q * p * share, q * p / (1 - p) * share**2)
    score, cross, balance = (x.T @ (v[:, None] * x) / q.sum() for v in blocks)
    return np.block([[score, cross], [cross, balance]])


def balancing_scores(
    treated: np.ndarray, x: np.ndarray, weights: np.ndarray | None = None
) -> BalancingScores | None:
    """Covariate balancing propensity score for effects on the treated.

    Two-step generalised method of moments on the score of the logit and on balance,

        g = 1/n sum_i [ (D_i - p_i) x_i,  n/n_1 (D_i - p_i) / (1 - p_i) x_i ],

    with the moments' covariance under the logit of maximum likelihood as weight.

    Parameters
    ----------
    treated : ndarray of 0/1 (n,)
    x : ndarray (n, k)
        With its column of ones; the other columns on scales that do not differ much.
    weights : ndarray (n,), optional
        Sampling weights, of mean one.

    Returns
    -------
    BalancingScores, or None
        None where the covariates tell treated and untreated units apart.

    References
    ----------
    Imai and Ratkovic (2014), Journal of the Royal Statistical Society B 76.
    """
    start = logit(treated, x, weights=weights, overlap=1 - EDGE)
    if start is None:
        return None
    q = np.ones(len(x)) if weights is None else weights
    n, share = q.sum(), q.sum() / (q @ treated)

    def at(b: np.ndarray) -> np.ndarray:
        return np.clip(special.expit(x @ b), EDGE, 1 - EDGE)

    def parts(p: np.ndarray) -> np.ndarray:
        gap = treated - p
        return q[:, None] * np.hstack(
            [gap[:, None] * x, (share * gap / (1 - p))[:, None] * x]
        )

    def slopes(p: np.ndarray) -> np.ndarray:
        odds = share * (1 - treated) * p / (1 - p)
        return -np.vstack(
            [x.T @ ((q * p * (1 - p))[:, None] * x), x.T @ ((q * odds)[:, None] * x)]
        )

    inverse = linalg.pinvh(moment_covariance(start.probability, x, q, share))
    values, vectors = linalg.eigh(inverse)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    found = scipy.optimize.least_squares(
        lambda b: root @ parts(at(b)).sum(axis=0) / n,
        start.coefficients,
        lambda b: root @ slopes(at(b)) / n,
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    p = at(found.x)
    slope = root @ slopes(p)
    influence = -parts(p) @ root.T @ linalg.pinv(slope).T
    return BalancingScores(found.x, p, influence, float(2 * found.cost * n))
