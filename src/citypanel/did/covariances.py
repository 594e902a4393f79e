"""Covariances of least-squares coefficients and their small-sample conventions.

Packages differ in one number, K, and in whether they use it. With N rows, G clusters
and k regressors, the sandwich sum over clusters of the scores' outer products is
multiplied by

- ``xtreg`` (alias ``reghdfe``; fixest's nested default): G/(G-1) (N-1)/(N-K), K the
  regressors, the effects that are not nested in the clusters and the constant;
- ``full``: the same with every effect counted in K;
- ``fixest``: both factors by option (Bergé 2018; Cameron and Miller 2015);
- ``CR0``: nothing;
- ``CR2``: Bell and McCaffrey (2002) with the Satterthwaite degrees of freedom of
  Pustejovsky and Tipton (2018); the errors are taken as independent with one variance
  (the identity target) whether the regression has weights or not;
- ``CR3``: the jackknife form of MacKinnon, Nielsen and Webb (2023): (G-1)/G times the
  squared changes of the estimate when each cluster is left out.

``conventional`` and ``HC1`` serve regressions without clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from citypanel.did.linear import TwoWay, cluster_sums, symmetric_inverse
from citypanel.errors import EstimationError, OptionError

CONVENTIONS = (
    "xtreg",
    "reghdfe",
    "fixest",
    "linearmodels",
    "full",
    "CR0",
    "CR2",
    "CR3",
    "conventional",
    "HC1",
)
FIXEST_OPTIONS = {
    "K.fixef": ("nonnested", "none", "full"),
    "K.adj": (True, False),
    "G.adj": (True, False),
    "G.df": ("min", "conventional"),
}

# More clusters than this are taken many at once, and not pair by pair.
MANY = 500
# Numbers of a batch of clusters' matrices.
BATCH = 10_000_000


@dataclass(frozen=True, eq=False)
class Fit:
    """A regression with absorbed effects, ready for any covariance.

    ``x`` (n, k) and ``residuals`` (n,) are net of the effects, and times the roots of
    ``weights`` (n,) where the regression has them; ``unit`` and ``period`` hold the
    codes of the effects that were absorbed, or None.
    """

    x: np.ndarray
    coefficients: np.ndarray
    residuals: np.ndarray
    bread: np.ndarray
    unit: np.ndarray | None
    period: np.ndarray | None
    constant: bool = True
    weights: np.ndarray | None = None

    @property
    def n_obs(self) -> int:
        return len(self.residuals)

    @property
    def scores(self) -> np.ndarray:
        return self.x * self.residuals[:, None]


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance (k, k), degrees of freedom (k,), clusters and the name."""

    matrix: np.ndarray
    df: np.ndarray
    n_clusters: int | None
    name: str

    @property
    def std_errors(self) -> np.ndarray:
        return np.sqrt(np.clip(np.diag(self.matrix), 0.0, None))


def fixest_options(given: Mapping[str, object] | None) -> dict[str, Any]:
    """Small-sample options with their defaults (the first of each list)."""
    options: dict[str, Any] = {
        name: allowed[0] for name, allowed in FIXEST_OPTIONS.items()
    }
    for name, value in dict(given or {}).items():
        if name not in FIXEST_OPTIONS or value not in FIXEST_OPTIONS[name]:
            raise OptionError.of(
                "did.small_sample_option_not",
                [f"{n}: {', '.join(map(str, a))}" for n, a in FIXEST_OPTIONS.items()],
                name=name,
                value=value,
            )
        options[name] = value
    return options


def is_nested(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Whether each level of ``inner`` lies within one level of ``outer``."""
    first = np.full(int(inner.max()) + 1, -1)
    first[inner[::-1]] = outer[::-1]
    return bool((first[inner] == outer).all())


def count_parameters(fit: Fit, clusters: list[np.ndarray], which: str) -> int:
    """K of a small-sample factor.

    Parameters
    ----------
    fit : Fit
    clusters : list of ndarray of int
        One or two clusterings.
    which : {"none", "nonnested", "full"}
        Which absorbed effects count; the constant counts with them.
    """
    k = fit.x.shape[1]
    effects = [e for e in (fit.unit, fit.period) if e is not None]
    if which == "none":
        return k + (1 if not effects and fit.constant else 0)
    if not effects:
        return k + int(fit.constant)
    if which == "full":
        return k + TwoWay(*effects).n_effects
    nested = [any(is_nested(e, c) for c in clusters) for e in effects]
    if all(nested):
        return k + 1
    if not any(nested):
        return k + TwoWay(*effects).n_effects
    kept = [e for e, inside in zip(effects, nested, strict=True) if not inside]
    return k + TwoWay(kept[0]).n_effects


def small_sample_factor(n: int, k: int, g: int, *, k_adj=True, g_adj=True) -> float:
    """G/(G-1) (N-1)/(N-K), each part by option; nan where nothing is left over."""
    if k_adj and n <= k:
        return float("nan")
    factor = (n - 1.0) / (n - k) if k_adj else 1.0
    return factor * (g / (g - 1.0) if g_adj else 1.0)


def sandwich(fit: Fit, cluster: np.ndarray) -> np.ndarray:
    """Cluster sandwich without any factor, (k, k)."""
    sums = cluster_sums(fit.scores, cluster)
    return fit.bread @ (sums.T @ sums) @ fit.bread


def covariance(
    fit: Fit,
    *,
    convention: str,
    cluster: np.ndarray | None,
    second_cluster: np.ndarray | None = None,
    small_sample: Mapping[str, object] | None = None,
) -> Covariance:
    """Covariance of a fit under a named convention.

    Parameters
    ----------
    fit : Fit
    convention : str
        One of ``CONVENTIONS`` except ``linearmodels``, which `twfe` takes from the
        package itself.
    cluster, second_cluster : ndarray of int (n,)
        Codes; a second clustering gives the two-way estimator of Cameron, Gelbach and
        Miller (2011).
    small_sample : mapping, optional
        Options of ``fixest``.

    Returns
    -------
    Covariance
        df is G-1 (the smaller G with two clusterings), Satterthwaite's for CR2, the
        residual degrees of freedom without clusters.

    Raises
    ------
    EstimationError
        One cluster only, or CR2 and CR3 with clusters that cut units.
    """
    n, k = fit.x.shape
    if convention in ("conventional", "HC1"):
        effects = [e for e in (fit.unit, fit.period) if e is not None]
        used = k + (TwoWay(*effects).n_effects if effects else int(fit.constant))
        if convention == "conventional":
            s2 = fit.residuals @ fit.residuals / (n - used)
            matrix = s2 * fit.bread
        else:
            meat = fit.scores.T @ fit.scores
            matrix = n / (n - used) * fit.bread @ meat @ fit.bread
        return Covariance(matrix, np.full(k, float(n - used)), None, convention)
    assert cluster is not None
    groups = int(cluster.max()) + 1
    require_clusters(groups)
    if convention in ("CR2", "CR3"):
        if second_cluster is not None:
            raise OptionError.of(
                "did.two_clusterings_not_defined", convention=convention
            )
        build = cr2 if convention == "CR2" else cr3
        matrix, df = build(fit, cluster)
        return Covariance(matrix, df, groups, convention)
    ways = [cluster] if second_cluster is None else [cluster, second_cluster]
    options, which, name = small_sample_rule(convention, small_sample, len(ways))
    used = count_parameters(fit, ways, which)
    if second_cluster is None:
        factor = small_sample_factor(
            n, used, groups, k_adj=options["K.adj"], g_adj=options["G.adj"]
        )
        matrix = factor * sandwich(fit, cluster)
        return Covariance(matrix, np.full(k, groups - 1.0), groups, name)
    return _two_way(fit, ways, used, options, name)


def small_sample_rule(
    convention: str, given: Mapping[str, object] | None, ways: int = 1
) -> tuple[dict[str, Any], str, str]:
    """Options of the factor, which effects count in K, and the convention's name."""
    options: dict[str, Any] = {"K.adj": True, "G.adj": True, "G.df": "min"}
    which = "full" if convention == "full" else "nonnested"
    if convention == "CR0":
        options, which = {"K.adj": False, "G.adj": False}, "none"
    elif convention == "fixest":
        options = fixest_options(given)
        which = str(options["K.fixef"])
    name = convention
    if convention == "fixest":
        shown = {n: v for n, v in options.items() if n != "G.df" or ways == 2}
        name += "(" + ", ".join(f"{n}={v}" for n, v in shown.items()) + ")"
    return options, which, name + (" two-way" if ways == 2 else "")


def _two_way(fit, ways, used, options, name) -> Covariance:
    """V(first) + V(second) - V(intersection), mended when not positive."""
    first, second = ways
    crossed = first * (int(second.max()) + 1) + second
    both = [*ways, np.unique(crossed, return_inverse=True)[1]]
    sizes = [int(c.max()) + 1 for c in both]
    require_clusters(min(sizes[:2]))
    total = np.zeros_like(fit.bread)
    for codes, size, sign in zip(both, sizes, (1.0, 1.0, -1.0), strict=True):
        g = min(sizes[:2]) if options["G.df"] == "min" else size
        factor = small_sample_factor(
            fit.n_obs, used, g, k_adj=options["K.adj"], g_adj=options["G.adj"]
        )
        total += sign * factor * sandwich(fit, codes)
    values, vectors = linalg.eigh(total)
    if values.min() < 0:
        total = (vectors * np.clip(values, 0.0, None)) @ vectors.T
    fewest = min(sizes[:2])
    return Covariance(total, np.full(len(total), fewest - 1.0), fewest, name)


def require_clusters(groups: int) -> None:
    """Raise where there are fewer than two clusters."""
    if groups < 2:
        raise EstimationError.of("did.standard_errors_cluster_need", groups=groups)


class _Hat:
    """The hat matrix of the full design, the absorbed effects and weights included.

    With W the weights and unit effects inside the clusters, H = P + Z Q Z'W: P takes
    the weighted unit means, Z (n, m) are the remaining columns net of them and
    Q = (Z'WZ)^-1. Without weights H is symmetric and I - H idempotent.
    """

    def __init__(self, fit: Fit, cluster: np.ndarray):
        self.cluster = cluster
        self.unit: Any = fit.unit
        if fit.unit is not None and not is_nested(fit.unit, cluster):
            raise EstimationError.of("did.unit_lies_more_than")
        weighted = fit.weights is not None
        self.weights = np.ones(fit.n_obs)
        if fit.weights is not None:
            self.weights = fit.weights
        self.root = np.sqrt(self.weights)
        columns = [fit.x / self.root[:, None] if weighted else fit.x]
        if fit.period is not None:
            dummies = np.eye(int(fit.period.max()) + 1)[fit.period]
            columns.append(dummies if fit.unit is None else dummies[:, 1:])
        elif fit.unit is None and fit.constant:
            columns.append(np.ones((fit.n_obs, 1)))
        z = np.hstack(columns)
        if fit.unit is not None:
            z = TwoWay(fit.unit, weights=fit.weights).demean(z)
        # Columns of one length: what is singular does not depend on units of measure.
        length = np.sqrt(self.weights @ z**2)
        self.length = np.where(length > 0, length, 1.0)
        self.z = z / self.length
        self.wz = self.weights[:, None] * self.z
        self.inverse = symmetric_inverse(self.z.T @ self.wz)
        # Z'W W Z and P W Z, which differ from Z'WZ and zero with weights only.
        self.spread = self.wz.T @ self.wz
        self.means = np.zeros_like(self.z)
        if fit.unit is not None and weighted:
            total = cluster_sums(self.weights, fit.unit)
            sums = cluster_sums(self.weights[:, None] * self.wz, fit.unit)
            self.means = (sums / total[:, None])[self.unit]
        # Without weights I - H is symmetric and idempotent.
        self.plain = bool((self.weights == 1).all())
        order, counts = np.argsort(cluster, kind="stable"), np.bincount(cluster)
        self.rows = np.split(order, np.cumsum(counts)[:-1])

    def _own(self, rows: np.ndarray) -> np.ndarray:
        """(I - P)(I - P)' of one cluster's rows, or of several clusters' (b, n)."""
        eye = np.eye(rows.shape[-1])
        if self.unit is None:
            return np.broadcast_to(eye, (*rows.shape, rows.shape[-1]))
        if rows.ndim > 1 and self.plain:
            unit = self.unit[rows]
            if (unit == unit[:, :1]).all():
                # The same in each cluster of one unit.
                rows = rows[:1]
        weights = self.weights[rows]
        same = self.unit[rows][..., :, None] == self.unit[rows][..., None, :]
        share = same * weights[..., None, :]
        share = share / share.sum(axis=-1, keepdims=True)
        return (eye - share) @ (eye - share).mT

    def residual_variance(self, rows: np.ndarray) -> np.ndarray:
        """((I - H)(I - H)')_gg of the rows of `_own`, I - H_gg without weights."""
        zq = self.z[rows] @ self.inverse
        if rows.ndim > 1 and self.plain:
            return self._own(rows) - zq @ self.z[rows].mT
        other = (self.wz[rows] - self.means[rows]) @ zq.mT
        return (
            self._own(rows)
            - other
            - other.mT
            + zq @ self.spread @ self.inverse @ self.z[rows].mT
        )

    def adjustments(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows of clusters and A_g = ((I - H)(I - H)')_gg^(-1/2), as `batches`."""
        for rows in self.batches():
            yield rows, inverse_power(self.residual_variance(rows), -0.5)

    def batches(self) -> Iterator[np.ndarray]:
        """Rows (n,) of each cluster; of many those (b, n) of b of one size at once."""
        if len(self.rows) <= MANY:
            yield from self.rows
            return
        sizes = np.array([len(rows) for rows in self.rows])
        width = self.z.shape[1]
        for size in np.unique(sizes):
            rows = np.array([self.rows[g] for g in np.flatnonzero(sizes == size)])
            batch = max(1, BATCH // max(size, width) ** 2)
            for start in range(0, len(rows), batch):
                yield rows[start : start + batch]

    def traces(self, w: np.ndarray) -> Iterator[tuple[float, float]]:
        """tr(P) and tr(P P) of P, the `products`, for each column of w (n, k).

        Of many clusters without P's G x G numbers. P is a diagonal D and F M F' of few
        columns F, so that tr(P P) is sum(D^2 + 2 D diag(F M F')) + tr(M F'F M F'F).
        """
        if len(self.rows) <= MANY:
            for column in w.T:
                p = self.products(column)
                yield float(np.trace(p)), float((p**2).sum())
            return
        a = self._sums(w, self.z)
        b = a if self.plain else self._sums(w, self.wz - self.means)
        own = w
        if self.unit is not None:
            total = cluster_sums(self.weights, self.unit)[:, None]
            mean = (cluster_sums(w, self.unit) / total)[self.unit]
            own = w - self.weights[:, None] * mean
        squares = cluster_sums(own**2, self.cluster)
        k = len(self.inverse)
        m = np.zeros((2 * k, 2 * k))
        m[:k, :k] = self.spread
        m[:k, k:] = m[k:, :k] = -np.eye(k)
        for j, d in enumerate(squares.T):
            f = np.hstack([a[:, j] @ self.inverse, b[:, j]])
            fm = f @ m
            diagonal = (fm * f).sum(axis=1)
            crossed = f.T @ fm
            both = (d**2 + 2 * d * diagonal).sum() + (crossed * crossed.T).sum()
            yield float((d + diagonal).sum()), float(both)

    def _sums(self, w: np.ndarray, z: np.ndarray) -> np.ndarray:
        """w_g'z_g of every cluster (G, k, m), for w (n, k) and z (n, m)."""
        sums = np.empty((len(self.rows), w.shape[1], z.shape[1]))
        for rows in self.batches():
            sums[self.cluster[rows[..., 0]]] = w[rows].mT @ z[rows]
        return sums

    def products(self, w: np.ndarray) -> np.ndarray:
        """w_g' ((I - H)(I - H)')_gh w_h for all pairs of clusters (G, G).

        ``w`` (n,) holds the vectors of all clusters one below the other.
        """
        a = cluster_sums(w[:, None] * self.z, self.cluster) @ self.inverse
        b = cluster_sums(w[:, None] * (self.wz - self.means), self.cluster)
        crossed = a @ b.T
        p = a @ self.spread @ a.T - crossed - crossed.T
        p[np.diag_indices_from(p)] += [
            w[rows] @ self._own(rows) @ w[rows] for rows in self.rows
        ]
        return p


def inverse_power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Symmetric inverse power, of one or many, with the null space left out."""
    eigh = linalg.eigh if matrix.ndim == 2 else np.linalg.eigh
    values, vectors = eigh((matrix + matrix.mT) / 2)
    keep = values > 1e-10
    scaled = np.where(keep, np.where(keep, values, 1.0) ** power, 0.0)
    return (vectors * scaled[..., None, :]) @ vectors.mT


def _times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A matrix times a vector, or each of many."""
    if vector.ndim == 1:
        return matrix @ vector
    return (matrix @ vector[..., None])[..., 0]


def cr2(fit: Fit, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CR2 covariance and Satterthwaite degrees of freedom.

    A_g = [((I - H)(I - H)')_gg]^(-1/2), V = B (sum_g X_g'W_g A_g e_g e_g'A_g W_g X_g) B
    with B = (X'WX)^-1. For a coefficient c, with w_g = A_g W_g X_g B c and
    P_gh = w_g' ((I - H)(I - H)')_gh w_h, the degrees of freedom are
    tr(P)^2 / tr(P P). Without weights ((I - H)(I - H)')_gg is I - H_gg.

    Returns
    -------
    ndarray (k, k), ndarray (k,)
    """
    hat = _Hat(fit, cluster)
    k = fit.x.shape[1]
    sums = np.empty((len(hat.rows), k))
    adjusted = np.empty_like(fit.x)
    wx = fit.x * hat.root[:, None]
    residuals = fit.residuals / hat.root
    for rows, adjust in hat.adjustments():
        adjusted[rows] = adjust @ wx[rows] @ fit.bread
        scores = _times(wx[rows].mT @ adjust, residuals[rows])
        sums[cluster[rows[..., 0]]] = scores
    matrix = fit.bread @ (sums.T @ sums) @ fit.bread
    df = [trace**2 / squared for trace, squared in hat.traces(adjusted)]
    return matrix, np.array(df)


def cr3(fit: Fit, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CR3 covariance: (G-1)/G times the jackknife sum of squares about the estimate.

    Returns
    -------
    ndarray (k, k), ndarray (k,)
        Degrees of freedom G-1.
    """
    changes = leave_one_cluster_out(fit, cluster) - fit.coefficients
    groups = len(changes)
    matrix = (groups - 1.0) / groups * changes.T @ changes
    return matrix, np.full(fit.x.shape[1], groups - 1.0)


def _far_from_singular(gram: np.ndarray) -> np.ndarray:
    """Cross-products (b, m, m) whose least eigenvalue is not tiny by their largest.

    A factor of a matrix less a multiple of one is quicker than eigenvalues, and where
    it exists they all exceed the multiple; the trace is no less than the largest.
    """
    floor = 1e-8 * np.trace(gram, axis1=1, axis2=2)[:, None, None]
    try:
        np.linalg.cholesky(gram - floor * np.eye(gram.shape[1]))
    except np.linalg.LinAlgError:
        values = np.linalg.eigvalsh(gram)
        return values[:, 0] > 1e-8 * values[:, -1]
    return np.ones(len(gram), bool)


def leave_one_cluster_out(fit: Fit, cluster: np.ndarray) -> np.ndarray:
    """Coefficients without each cluster in turn, (G, k), in closed form.

    With Z the regressors and period dummies net of unit means, dropping cluster g
    takes Z_g'W_g Z_g and Z_g'W_g y_g from the normal equations; unit means are not
    disturbed, as units lie within clusters.
    """
    hat = _Hat(fit, cluster)
    k = fit.x.shape[1]
    # Any outcome with the same coefficients and residuals gives the same answer.
    y = fit.x @ fit.coefficients + fit.residuals
    z = hat.z * hat.root[:, None]
    groups = len(hat.rows)
    m = z.shape[1]
    blocks = np.zeros((groups, m, m))
    sides = np.zeros((groups, m))
    for rows in hat.batches():
        at = cluster[rows[..., 0]]
        blocks[at] = z[rows].mT @ z[rows]
        sides[at] = _times(z[rows].mT, y[rows])
    gram = blocks.sum(axis=0) - blocks
    out = np.empty((groups, k))
    side = sides.sum(axis=0) - sides
    left = np.arange(groups)
    if groups > MANY:
        sound = _far_from_singular(gram)
        solved = np.linalg.solve(gram[sound], side[sound][..., None])[:, :k, 0]
        # The others are looked at one by one.
        out[sound], left = solved / hat.length[:k], left[~sound]
    for g in left:
        solved, _, rank, _ = linalg.lstsq(gram[g], side[g], cond=1e-11)
        # A coefficient the remaining clusters do not identify has no value.
        vectors = linalg.null_space(gram[g], rcond=1e-11) if rank < m else None
        out[g] = solved[:k] / hat.length[:k]
        if vectors is not None and vectors.size:
            out[g, np.abs(vectors[:k]).max(axis=1) > 1e-8] = np.nan
    return out
