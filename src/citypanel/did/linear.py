"""Least squares with two absorbed effects in closed form, and sums by cluster.

The within transformation for unit and period effects is exact for any pattern of
missing rows: unit means are taken out first, and the period effects solve the T x T
system that is left (Frisch and Waugh 1933; Baltagi 2021, section 9.2). Regressors are
thereby partialled out once, and resampling works on the small matrices that remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy import linalg, sparse

from citypanel.errors import EstimationError


def indicator(
    codes: np.ndarray, size: int | None = None, weights: np.ndarray | None = None
) -> sparse.csr_array:
    """Sparse groups x rows matrix whose product with a matrix sums by group.

    Its entries are ones, or the weights of the rows.
    """
    codes = np.asarray(codes)
    counts = np.bincount(codes, minlength=size or 0)
    order = np.arange(len(codes))
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    shape = (len(counts), len(codes))
    entries = np.ones(len(codes)) if weights is None else weights[order]
    return sparse.csr_array((entries, order, starts), shape)


def cluster_sums(values: np.ndarray, codes: np.ndarray, size: int | None = None):
    """Sum rows by cluster.

    Parameters
    ----------
    values : ndarray (n,) or (n, m)
    codes : ndarray of int (n,)
    size : int, optional
        Number of clusters.

    Returns
    -------
    ndarray (size,) or (size, m)
    """
    values = np.asarray(values, float)
    if values.ndim == 1:
        return np.bincount(codes, values, size or 0)
    return indicator(codes, size) @ values


class TwoWay:
    """Exact within transformation for two factors.

    Parameters
    ----------
    first : ndarray of int (n,)
        Codes of the factor with many levels (units).
    second : ndarray of int (n,), optional
        Codes of the other factor (periods, or region by period); none for one way.
    weights : ndarray (n,), optional
        Positive regression weights; means and residuals are then those of weighted
        least squares.

    Notes
    -----
    With C the table of counts (sums of weights), n1 and n2 its margins and
    S = diag(n2) - C' diag(1/n1) C, the coefficients of the second factor on a vector
    y, net of the first, are S^+ (sums of y by second - C' (means of y by first)).
    """

    def __init__(
        self,
        first: np.ndarray,
        second: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ):
        self.first, self.second, self.weights = first, second, weights
        self.n_first = np.bincount(first, weights).astype(float)
        if second is not None:
            levels = int(second.max()) + 1
            cells = np.bincount(
                first * levels + second, weights, minlength=len(self.n_first) * levels
            )
            counts = cells.reshape(-1, levels).astype(float)
            self.share = counts / self.n_first[:, None]
            margin = counts.sum(axis=0)
            self.schur = np.diag(margin) - counts.T @ self.share
            # A level that single rows alone have is rounding: it links nothing.
            alone = np.diag(self.schur) <= 1e-13 * margin
            self.schur[alone, :] = self.schur[:, alone] = 0.0
            self.inverse = symmetric_inverse(self.schur)

    @cached_property
    def sum_first(self) -> sparse.csr_array:
        """Sums by the first factor."""
        return indicator(self.first, weights=self.weights)

    @cached_property
    def sum_second(self) -> sparse.csr_array:
        """Sums by the second factor."""
        return indicator(self.second, weights=self.weights)

    @property
    def n_effects(self) -> int:
        """Independent dummies, the constant included."""
        if self.second is None:
            return len(self.n_first)
        values = linalg.eigvalsh(self.schur)
        return len(self.n_first) + int((values > 1e-9 * values.max()).sum())

    def effects(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of both factors in a regression of ``values`` on them."""
        means = (self.sum_first @ values) / _column(self.n_first, values)
        sums = self.sum_second @ values - self.share.T @ _times(self.n_first, means)
        second = self.inverse @ sums
        return means - self.share @ second, second

    def demean(self, values: np.ndarray) -> np.ndarray:
        """Residuals of each column on both factors.

        Parameters
        ----------
        values : ndarray (n,) or (n, m)

        Returns
        -------
        ndarray of the same shape
        """
        values = np.asarray(values, float)
        if self.second is None:
            return self.within(values)
        first, second = self.effects(values)
        net = values - first[self.first]
        net -= second[self.second]
        return net

    def within(self, values: np.ndarray) -> np.ndarray:
        """Residuals of each column on the first factor alone."""
        means = (self.sum_first @ values) / _column(self.n_first, values)
        return values - means[self.first]


def _column(vector: np.ndarray, like: np.ndarray) -> np.ndarray:
    return vector if like.ndim == 1 else vector[:, None]


def _times(vector: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return _column(vector, matrix) * matrix


def symmetric_inverse(gram: np.ndarray, tolerance: float = 1e-11) -> np.ndarray:
    """Generalised inverse of a cross-product matrix, whatever its columns' units.

    Columns are brought to length one first: directions whose eigenvalue is then below
    ``tolerance`` times the largest are rounding of a collinear design.
    """
    length = np.sqrt(np.maximum(np.diag(gram), 0.0))
    length = np.where(length > 0, length, 1.0)
    scale = np.outer(length, length)
    return linalg.pinvh(gram / scale, rtol=tolerance) / scale


class NormalEquations:
    """Least squares on unit effects and a few other columns, by elimination.

    Parameters
    ----------
    unit : ndarray of int (n,)
    other : ndarray (n, m)
        Period dummies and controls.
    size : int
        Number of units.
    weights : ndarray (n,), optional
        Positive regression weights, which then stand in every product; right-hand
        sides are products of weighted rows.

    Notes
    -----
    With W the other columns, M = U'W and N = U'U, the system (Z'Z) c = a has
    c_w = (W'W - M'N^-1 M)^+ (a_w - M'N^-1 a_u) and c_u = N^-1 (a_u - M c_w).
    """

    def __init__(
        self,
        unit: np.ndarray,
        other: np.ndarray,
        size: int,
        weights: np.ndarray | None = None,
    ):
        self.unit, self.other = unit, other
        self.weighted = other if weights is None else weights[:, None] * other
        self.by_unit = indicator(unit, size, weights)
        self.count = np.asarray(self.by_unit.sum(axis=1)).ravel()
        self.cross = self.by_unit @ other
        means = self.cross / self.count[:, None]
        inner = self.weighted.T @ other - self.cross.T @ means
        self.inverse = symmetric_inverse(inner)
        self.inner = inner

    def determines(self, unit: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Rows (r,) of units and other columns (r, m) whose fitted value is unique.

        A fitted value c_u + w'c_w is, net of the unit's mean, w less the mean of W over
        the unit's rows: it must lie in the row space of the inner system, that is
        nothing of it may lie in the system's null space.
        """
        length = np.sqrt(np.diag(self.inner))
        length = np.where(length > 0, length, 1.0)
        values, vectors = linalg.eigh(self.inner / np.outer(length, length))
        null = vectors[:, values <= 1e-11 * values.max(initial=0.0)]
        means = self.cross / np.where(self.count > 0, self.count, np.nan)[:, None]
        net = (other - means[unit]) / length
        size = np.abs(net).max(axis=1, initial=0.0)
        return np.abs(net @ null).max(axis=1, initial=0.0) <= 1e-6 * size

    def solve(
        self, on_units: np.ndarray, on_other: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients for right-hand sides (size, r) and (m, r)."""
        scaled = on_units / _column(self.count, on_units)
        other = self.inverse @ (on_other - self.cross.T @ scaled)
        return scaled - (self.cross @ other) / _column(self.count, on_units), other

    def fit(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least-squares coefficients of y (n,)."""
        return self.solve(self.by_unit @ y, self.weighted.T @ y)


def independent_columns(matrix: np.ndarray, tolerance: float = 1e-9) -> np.ndarray:
    """Mask of the columns that are not combinations of the columns before them."""
    matrix = np.asarray(matrix, float)
    scale = np.sqrt((matrix**2).sum(axis=0))
    keep = np.zeros(matrix.shape[1], bool)
    basis = np.empty((len(matrix), min(matrix.shape)), order="F")
    rank = 0
    for j in np.flatnonzero(scale):
        column = matrix[:, j] / scale[j]
        for _ in range(2):  # twice is enough (Giraud et al. 2005)
            column = column - basis[:, :rank] @ (basis[:, :rank].T @ column)
        norm = np.sqrt(column @ column)
        if norm > tolerance and rank < basis.shape[1]:
            keep[j] = True
            basis[:, rank] = column / norm
            rank += 1
    return keep


def rank_of_columns(
    demeaned: np.ndarray, raw: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which regressors are identified, and which the effects absorb.

    A column that the effects absorb is zero after demeaning up to rounding, which is
    judged against its scale before.

    Parameters
    ----------
    demeaned, raw : ndarray (n, k)
        Regressors net of the effects, and as they came.

    Returns
    -------
    ndarray of bool (k,), ndarray of bool (k,)
        Not a combination of the columns before and the effects; absorbed.
    """
    scale = np.sqrt((raw**2).sum(axis=0))
    scale[scale == 0] = 1.0
    relative = demeaned / scale
    absorbed = np.sqrt((relative**2).sum(axis=0)) < 1e-9
    return independent_columns(np.where(absorbed, 0.0, relative)), absorbed


def why_lost(absorbed: bool) -> str:
    """Why `rank_of_columns` does not keep a column."""
    return "absorbed by the fixed effects" if absorbed else "collinear"


def lost_columns(
    names: Sequence[str],
    keep: np.ndarray,
    absorbed: np.ndarray,
    said: str = "{}: {}",
) -> list[str]:
    """Columns that `rank_of_columns` does not keep, and `why_lost`, in some words."""
    return [
        said.format(name, why_lost(gone))
        for name, ok, gone in zip(names, keep, absorbed, strict=True)
        if not ok
    ]


def controls_left_out(
    names: Sequence[str], keep: np.ndarray, absorbed: np.ndarray
) -> str | None:
    """`lost_columns` of controls, for a note."""
    lost = lost_columns(names, keep, absorbed, "control {} left out: {}")
    return "; ".join(lost) or None


def require_full_rank(
    demeaned: np.ndarray, raw: np.ndarray, names: Sequence[str]
) -> None:
    """Raise when a regressor is a combination of the others and the effects."""
    keep, absorbed = rank_of_columns(demeaned, raw)
    if keep.all():
        return
    raise EstimationError.of(
        "did.regressors_combinations_others_or_2", lost_columns(names, keep, absorbed)
    )


def partial_out(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Residuals of ``values`` on the columns of ``x`` (itself when x is empty)."""
    if x.shape[1] == 0:
        return values
    return values - x @ np.linalg.lstsq(x, values, rcond=None)[0]


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over rows (n, T) with weights (n,); the plain one where they are equal."""
    if (weights == weights[0]).all():
        return values.mean(axis=0)
    return weights / weights.sum() @ values
