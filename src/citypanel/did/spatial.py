"""Errors that neighbours share: Conley's covariance on the sphere.

With s_it the score of a row, B the bread and K a kernel of the distance between units,

    V = B sum over i, j of K(d_ij / cutoff) S_ij B.

Over a panel S_ij has a choice. By default a unit's scores are summed over its periods
first, S_ij = s_i s_j': errors of neighbours may then depend on each other over any
number of periods, and a cutoff below the nearest distance gives the errors clustered
by unit. With ``lags`` (Hsiang 2010) neighbours count within a period only, and a unit's
own periods up to that many steps apart, with Bartlett's weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did import covariances as cov
from citypanel.did.frames import join_notes, overall_rows, panel_frame
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import Panel, choose, prepare
from citypanel.did.results import remembering
from citypanel.errors import EstimationError, OptionError, PanelError

KERNELS = ("bartlett", "uniform")
# Mean radius of the earth, in km.
EARTH_KM = 6371.01
# Places whose distances to the others are taken at once.
ROWS = 200
_KEPT: ContextVar[dict[bytes, np.ndarray] | None] = ContextVar("_KEPT", default=None)
NOTE_NEGATIVE = "the kernel's sum is not positive: no standard error at this cutoff"


def unit_coordinates(data: Panel, columns: Sequence[str]) -> np.ndarray:
    """Latitude and longitude of each unit (n_units, 2), in degrees.

    Raises
    ------
    PanelError
        A place that is no number, out of range, or moves within a unit.
    """
    found = []
    for name, most in zip(columns, (90.0, 180.0), strict=True):
        values = pd.to_numeric(data.frame[name], errors="coerce").to_numpy(float)
        wrong = ~(np.abs(values) <= most)
        if wrong.any():
            keys = data.frame.loc[wrong, [data.design.unit, name]].drop_duplicates()
            raise PanelError.of(
                "did.coordinate_out_of_range",
                [f"{u}: {name} = {v!r}" for u, v in keys.itertuples(index=False)],
                column=name,
                most=f"{most:.0f}",
            )
        found.append(data.of_units(values, name))
    return np.column_stack(found)


def distances_km(places: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Great-circle distances (n, m) between places in degrees, by the haversine."""
    a = np.radians(places)
    if others is not None:
        return _apart(a, np.radians(others))
    out = np.empty((len(a), len(a)))
    for first in range(0, len(a), ROWS):
        rows, rest = slice(first, first + ROWS), slice(first, None)
        out[rows, rest] = _apart(a[rows], a[rest])
        out[rest, rows] = out[rows, rest].T
    return out


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`distances_km` of places in radians."""
    half = (a[:, None, :] - b[None, :, :]) / 2.0
    inner = (
        np.sin(half[..., 0]) ** 2
        + np.cos(a[:, None, 0]) * np.cos(b[None, :, 0]) * np.sin(half[..., 1]) ** 2
    )
    return 2.0 * EARTH_KM * np.arcsin(np.sqrt(np.clip(inner, 0.0, 1.0)))


def _among(places: np.ndarray) -> np.ndarray:
    """`distances_km` of places, made once while `_keeping`."""
    kept = _KEPT.get()
    if kept is None:
        return distances_km(places)
    key = places.tobytes()
    if key not in kept:
        kept.clear()
        kept[key] = distances_km(places)
    return kept[key]


@contextmanager
def _keeping() -> Iterator[None]:
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def kernel_weights(distance: np.ndarray, cutoff_km: float, kernel: str) -> np.ndarray:
    """Bartlett's 1 - d/c or the uniform 1, zero beyond the cutoff c."""
    share = distance / cutoff_km
    if kernel == "uniform":
        return (share <= 1.0).astype(float)
    return np.maximum(np.subtract(1.0, share, out=share), 0.0, out=share)


def conley_options(
    coordinates: Sequence[str] | None, cutoff_km: float | None, kernel: str
) -> tuple[str, str]:
    """Check the options; the names of latitude and longitude."""
    choose("kernel", kernel, KERNELS)
    named = (coordinates,) if isinstance(coordinates, str) else tuple(coordinates or ())
    if len(named) != 2 or cutoff_km is None or not cutoff_km > 0:
        raise OptionError.of(
            "did.conley_needs", coordinates=coordinates, cutoff_km=cutoff_km
        )
    return named[0], named[1]


def conley(
    fit: cov.Fit,
    data: Panel,
    places: np.ndarray,
    *,
    cutoff_km: float,
    kernel: str = "bartlett",
    lags: float | None = None,
    small_sample: Mapping[str, object] | None = None,
) -> cov.Covariance:
    """Spatial covariance of a fit; see the module for the equation.

    Parameters
    ----------
    fit : Fit
        Its rows are those of ``data``.
    data : Panel
    places : ndarray (n_units, 2)
        Latitude and longitude in degrees.
    cutoff_km : float
        Distance from which on units are independent.
    kernel : {"bartlett", "uniform"}
        Neither is positive for every layout of places; where a variance comes out
        negative it is null.
    lags : number, optional
        Periods, in their own units, over which a unit's own errors are correlated;
        None for any number, between neighbours too.
    small_sample : mapping, optional
        ``K.adj`` and ``G.adj`` as for ``fixest``; both on by default, with G the units.

    Returns
    -------
    Covariance
        df is G - 1.
    """
    weights = kernel_weights(_among(places), cutoff_km, kernel)
    scores, groups = fit.scores, data.n_units
    if groups < 2:
        raise EstimationError.of("did.standard_errors_cluster_need", groups=groups)
    if lags is None:
        sums = cluster_sums(scores, data.unit, groups)
        meat = sums.T @ weights @ sums
    else:
        meat = np.zeros_like(fit.bread)
        for t in range(len(data.positions)):
            rows = data.period == t
            own = data.unit[rows]
            meat += scores[rows].T @ weights[np.ix_(own, own)] @ scores[rows]
        meat += _serial(scores, data, int(data.grid.steps(lags)))
    options = cov.fixest_options(small_sample)
    used = cov.count_parameters(fit, [data.unit], str(options["K.fixef"]))
    factor = cov.small_sample_factor(
        fit.n_obs, used, groups, k_adj=options["K.adj"], g_adj=options["G.adj"]
    )
    matrix = factor * fit.bread @ meat @ fit.bread
    # A variance that is not positive is not one.
    matrix[np.diag_indices_from(matrix)] = np.where(
        np.diag(matrix) > 0, np.diag(matrix), np.nan
    )
    name = f"conley {kernel} {cutoff_km:g} km"
    if lags is not None:
        name += f", {lags:g} lags"
    return cov.Covariance(matrix, np.full(len(matrix), groups - 1.0), groups, name)


def _serial(scores: np.ndarray, data: Panel, lags: int) -> np.ndarray:
    """A unit's own products over 1 to ``lags`` steps, with Bartlett's weights."""
    width = data.last + 1
    place = np.full(data.n_units * width, -1)
    place[data.unit * width + data.when] = np.arange(data.n_obs)
    place = place.reshape(data.n_units, width)
    total = np.zeros((scores.shape[1],) * 2)
    for lag in range(1, min(lags, width - 1) + 1):
        first, later = place[:, :-lag].ravel(), place[:, lag:].ravel()
        seen = (first >= 0) & (later >= 0)
        product = scores[first[seen]].T @ scores[later[seen]]
        total += (1.0 - lag / (lags + 1.0)) * (product + product.T)
    return total


@remembering
def spatial_inference(
    panel: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    unit: str,
    period: str,
    coordinates: Sequence[str],
    cutoffs_km: Sequence[float] = (100, 200, 300, 500, 800),
    kernels: Sequence[str] = KERNELS,
    lags: float | None = None,
    above: str | None = None,
    draws: int = 999,
    seed: int = 0,
    level: float = 0.95,
    **columns: Any,
) -> pd.DataFrame:
    """One coefficient under every claim about which errors go together.

    Parameters
    ----------
    panel : DataFrame
    outcome, treatment, unit, period : str
        As for `twfe`.
    coordinates : two str
        Columns of latitude and longitude, in degrees.
    cutoffs_km : sequence of float
    kernels : sequence of {"bartlett", "uniform"}
    lags : number, optional
        As for `twfe`.
    above : str, optional
        Clusters that hold whole units (provinces): errors clustered on it, two-way on
        it and the period, and the wild bootstrap over it.
    draws, seed : int
        Of the bootstrap.
    level : float
    **columns
        Controls, weights and frequency, as for `twfe`.

    Returns
    -------
    DataFrame
        Tidy rows of one estimate, aggregation ``spatial``: term ``unit``, then
        ``above``, ``above_and_period``, ``above_wild_bootstrap`` where asked for, then
        one row a kernel and cutoff with ``kernel`` and ``cutoff_km``.

    Raises
    ------
    PanelError, EstimationError, OptionError
        As `twfe`.

    References
    ----------
    Conley (1999), Journal of Econometrics 92; Hsiang (2010), Proceedings of the
    National Academy of Sciences 107; Cameron, Gelbach and Miller (2008), Review of
    Economics and Statistics 90; (2011), Journal of Business and Economic Statistics 29.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.spatial_inference(
    ...     zones(), coordinates=["latitude", "longitude"], cutoffs_km=[300],
    ...     kernels=["bartlett"], **columns
    ... )
    >>> found[["term", "estimate", "std_error"]].round(4)
                  term  estimate  std_error
    0             unit    0.1106     0.0156
    1  bartlett_300_km    0.1106     0.0159
    """
    from citypanel.did.bootstrap import wild_cluster_bootstrap
    from citypanel.did.twfe import twfe

    keys = dict(outcome=outcome, treatment=treatment, unit=unit, period=period)
    given: dict[str, Any] = {**keys, **columns}
    if columns.get("cluster"):
        raise OptionError.of("did.conley_and_clusters", cluster=columns["cluster"])
    # The same rows stand behind every row of the table.
    named = {
        k: columns[k] for k in ("controls", "weights", "frequency") if k in columns
    }
    groups = [*coordinates, above, columns.get("period_effects_by"), columns.get("by")]
    data = prepare(panel, groups=tuple(groups), **keys, **named).rows
    places, lost = data.frame, data.note
    own: dict[str, Any] = dict(engine="closed_form", level=level, **given)
    rows = []

    def add(term: str, frame: pd.DataFrame, **more: Any) -> None:
        shown = overall_rows(frame).iloc[0].to_dict()
        shown |= {"aggregation": "spatial", "term": term, **more}
        shown["note"] = join_notes(shown.get("note"), lost)
        if pd.isna(shown["std_error"]) and "kernel" in more:
            shown["note"] = join_notes(shown["note"], NOTE_NEGATIVE)
        rows.append(shown)

    add("unit", twfe(places, **own))
    if above is not None:
        add("above", twfe(places, cluster=above, **own))
        add("above_and_period", twfe(places, cluster=[above, period], **own))
        wild = {
            ("regression_weights" if n == "weights" else n): v for n, v in given.items()
        }
        drawn = wild_cluster_bootstrap(
            places, cluster=above, draws=draws, seed=seed, level=level, **wild
        )
        add("above_wild_bootstrap", drawn)
    once = prepare(places, groups=tuple(groups), **keys, **named)
    with _keeping():
        for kernel, cutoff in product(kernels, cutoffs_km):
            fit = twfe(
                once,
                standard_errors="conley",
                coordinates=coordinates,
                cutoff_km=cutoff,
                kernel=kernel,
                lags=lags,
                **own,
            )
            more = {"kernel": kernel, "cutoff_km": float(cutoff)}
            add(f"{kernel}_{cutoff:g}_km", fit, **more)
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        level=level,
        extra_columns=("kernel", "cutoff_km", "outcome"),
    ).astype({"cutoff_km": float})
