"""The policy dealt anew among the cities, for inference over a whole curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg

from citypanel.did.linear import TwoWay
from citypanel.did.moments import MANY
from citypanel.did.randomisation import Paths
from citypanel.study.estimates import OUTCOME, TREATMENT
from citypanel.study.options import Options
from citypanel.study.run import Study

#: A column that keeps less than this share of its length is explained by others.
ABSORBED = 1e-6


@dataclass(frozen=True, eq=False)
class Shuffles:
    """Permutations of whole policy paths among the cities of the headline's sample.

    Attributes
    ----------
    take : ndarray of int (draws, cities)
        City whose path each city gets; a city outside the headline's sample keeps its
        own.
    """

    take: np.ndarray

    @classmethod
    def of(cls, study: Study, base: Options, *, draws: int, seed: int) -> Shuffles:
        """Draws for a study; every specification gets the same ones."""
        rng = np.random.default_rng([seed, 1])
        sample = study.panel(base)["city_id"].unique()
        places = np.flatnonzero(np.isin(study.city_ids, sample))
        take = np.tile(np.arange(len(study.city_ids)), (draws, 1))
        for row in take:
            row[places] = rng.permutation(places)
        return cls(take)


def permuted_statistics(
    study: Study,
    rows: pd.DataFrame,
    controls: list[str],
    options: Options,
    shuffles: Shuffles,
    std_error: float,
) -> np.ndarray:
    """Estimate and t of the two-way regression under each permutation.

    The frontier, the index and the sample stay; a city that an exclusion leaves out
    takes whatever path it was dealt with it. The standard error is the specification's
    own convention: its factor is that of `std_error`, which all draws share.

    Parameters
    ----------
    study : Study
    rows : DataFrame
        City-years of the regression.
    controls : list of str
    options : Options
    shuffles : Shuffles
    std_error : float
        Of the estimate with the policy as it was.

    Returns
    -------
    ndarray (2, draws)
        Estimates, t statistics; not a number where the draw leaves nothing to compare.
    """
    city, year = study.grid.places(rows)
    exposure = study.exposure(options)["exposure"]
    columns = [rows[name].to_numpy(dtype=float) for name in controls]
    x = np.array(columns).reshape(len(columns), len(rows)).T
    whole = ~np.isnan(x).any(axis=1)
    if not whole.all():
        city, year, x = city[whole], year[whole], x[whole]
    cities, first = _codes(city)
    years, second = _codes(year)
    effects = TwoWay(first, second)
    y = rows[OUTCOME].to_numpy(dtype=float)[whole]
    own = rows[TREATMENT].to_numpy(dtype=float)[whole]
    if len(y) * len(shuffles.take) >= MANY:
        slope, error, net_y, basis = _regressions(y, own[:, None], x, effects)
        found = Paths.of(
            exposure[:, years],
            first,
            second,
            y=net_y,
            controls=basis,
            root=np.ones(len(cities)),
        )
        if found is not None:
            paths, kind = found
            b, e, size, length = paths.dealt(kind[shuffles.take[:, cities]])
            known = size > ABSORBED**2 * length
            b, e = np.where(known, b, np.nan), np.where(known, e, np.nan)
            return np.stack([b, b / (e * (std_error / error[0]))])
    # By year, city and draw; then a row of the sample for each.
    paths = np.take(exposure[:, years].T, shuffles.take[:, cities].T, axis=1)
    d = np.column_stack([own, paths[second, first]])
    slope, error, *_ = _regressions(y, d, x, effects)
    t = slope / (error * (std_error / error[0]))
    return np.stack([slope[1:], t[1:]])


def _codes(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places there are, in order, and each row's position among them."""
    there = np.bincount(places) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[places]


def _regressions(
    y: np.ndarray, d: np.ndarray, x: np.ndarray, effects: TwoWay
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients of each of several treatments and their errors without a factor.

    Then the outcome net of effects and controls, and the controls' orthonormal basis.
    """
    values = np.column_stack([y, d, x])
    length = np.linalg.norm(values, axis=0)
    net = effects.demean(values)
    k = x.shape[1]
    basis = np.empty((len(y), 0))
    if k:
        basis = _span(net[:, -k:], length[-k:])
        net = net[:, :-k] - basis @ (basis.T @ net[:, :-k])
    y, d = net[:, 0], net[:, 1:]
    size = (d**2).sum(axis=0)
    # A path that effects and controls absorb is zero up to rounding.
    known = size > (ABSORBED * length[1 : size.size + 1]) ** 2
    size = np.where(known, size, np.nan)
    slope = d.T @ y / size
    scores = effects.sum_first @ (d * (y[:, None] - d * slope))
    error = np.sqrt((scores**2).sum(axis=0)) / size
    return slope, error, y, basis


def _span(net: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Orthonormal directions of columns net of effects.

    None for a column that effects or other columns explain; lengths are those before.
    """
    net = net[:, np.linalg.norm(net, axis=0) > ABSORBED * length]
    unit = net / np.linalg.norm(net, axis=0)
    triangle, order = linalg.qr(unit, mode="r", pivoting=True)
    rank = int((np.abs(np.diag(triangle)) > ABSORBED).sum())
    return np.linalg.qr(net[:, np.sort(order[:rank])])[0]
