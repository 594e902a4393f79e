"""Logit by Newton's method, for weights that balance treated and control units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

ITERATIONS = 50
OVERLAP = 0.999


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
