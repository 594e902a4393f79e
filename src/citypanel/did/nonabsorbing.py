"""Treatments that change more than once, end, or come in doses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    OVERALL,
    WITHOUT_SINGLE,
    staggered_frame,
    wants_all,
)
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import FAR, Panel, on_panel
from citypanel.did.regressions import (
    Cells,
    dynamic_covariance,
    leads_rows,
    mean_rows,
    regress,
)
from citypanel.did.switchers import horizons, mean_gap
from citypanel.errors import EstimationError

NORMALISED = "normalised"


@on_panel("treatment", "controls", "weights", "cluster")
def nonabsorbing_did(
    data: Panel,
    *,
    effects: int | None = None,
    placebos: int | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects of having changed treatment, whatever its path since.

    With D_i1 the treatment in the first period, F_i the first period in which it is
    another and S_i the sign of that change,

        DID_il = S_i [Y_i,F-1+l - Y_i,F-1 - mean of the same over units with the same
                 D_1 whose treatment has not changed by F-1+l],

    and event time l-1 is their mean: the effect of having been under one's own path for
    l periods instead of under D_i1 throughout. ``normalised`` divides it by the mean
    of |sum of D_it - D_i1 from F on|; ``overall`` is the sum of all effects over the
    sum of |D_it - D_i1|, the effect of a unit of treatment. Placebo l compares F-1-l
    with F-1 for the units whose effect over l periods can be estimated.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period. Units not seen in every period are left out; so is
        a unit from the period on in which its treatment is on the other side of D_i1
        than at F_i, as its effect would have no sign (note).
    outcome, treatment, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). The treatment is any number; units are
        compared within equal first treatments. Controls are taken out with slopes
        from first differences of unchanged rows, for each first treatment apart.
    effects, placebos : int, optional
        How many periods after and before; all by default.
    single_unit_std_error : bool
        Report standard errors for rows that rest on one changed unit.
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall`` (per unit of treatment), ``dynamic`` (placebo l at event
        time -l-1), ``normalised``, ``group`` by F, ``calendar``, ``group_time``, and
        the joint test of the placebos; normal intervals. Standard errors: each unit's
        change less the mean of those with the same D_1, F and treatment at F (where it
        is alone, of those it is compared with), scaled by n/(n-1); doses are taken as
        they are. For a treatment that goes from 0 to 1 and stays the effects are those
        of `switchers`.

    Raises
    ------
    EstimationError
        No treatment changes; no change with units of the same first treatment that
        have not changed yet.

    References
    ----------
    de Chaisemartin and D'Haultfoeuille (2024), Review of Economics and Statistics,
    "Difference-in-Differences Estimators of Intertemporal Treatment Effects".

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.nonabsorbing_did(zones(), effects=3, placebos=2, **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.083      0.012
    """
    data = data.balanced()
    paths = _Paths.of(data)
    data = replace(data, start=paths.start)
    if data.never.all():
        raise EstimationError.of(
            "did.no_treatment_changes",
            [data.note] if data.note else [],
            treatment=data.design.treatment,
        )
    found, doses = paths.effects(data, effects, placebos)
    if not found:
        raise EstimationError.of(
            "did.no_unchanged_unit",
            [
                f"changed first in {data.name(g)}: {n} unit{'s' if n > 1 else ''}"
                for g, n in data.sizes.items()
            ],
            treatment=data.design.treatment,
        )
    keys = [(cell.first, cell.period, cell.weight, cell.units) for cell in found]
    cells = Cells.of(keys, data.count)
    estimates = np.array([cell.estimate for cell in found])
    known = np.array([cell.known for cell in found])
    influence = np.column_stack([cell.influence for cell in found])
    sums = cluster_sums(influence, data.unit_clusters)
    matrix = sums.T @ sums
    data = data.remarking(paths.crossed_note(data))
    dynamic = dynamic_covariance(data, cells, estimates, matrix, known)
    rows = mean_rows(data, cells, estimates, matrix, df=np.inf, known=known)
    now, since = np.array(doses).T
    single = [g for g, n in data.sizes.items() if n == 1]
    after = (cells.event >= 0) & known
    used = {OVERALL: after, WITHOUT_SINGLE: after & ~np.isin(cells.cohort, single)}
    for row in rows:
        if row["aggregation"] == "simple" and row["estimate"] is not None:
            mask = used[row["term"]]
            _divide(row, now[mask].sum() / cells.weight[mask].sum())
    dynamic_rows = [dict(row) for row in rows if row["aggregation"] == "dynamic"]
    for e, row in zip(np.unique(cells.event), dynamic_rows, strict=wants_all()):
        mask = (cells.event == e) & known
        if mask.any():
            _divide(row, since[mask].sum() / cells.weight[mask].sum())
            rows.append({**row, "aggregation": NORMALISED})
    rows += leads_rows(dynamic, before=0, df=np.inf)
    return staggered_frame(
        data,
        rows,
        dynamic,
        estimator="nonabsorbing_did",
        standard_errors="cohort-demeaned",
        n_clusters=data.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=data.reference,
    )


def _around(change, both, weight, lone) -> float:
    """Deviation of one unit from the mean of all that it is compared with."""
    n = both.sum()
    mean = weight[both] @ change[both] / weight[both].sum()
    return float((change[lone][0] - mean) * np.sqrt(n / (n - 1.0)))


def _divide(row: dict, dose: float) -> None:
    for column in ("estimate", "std_error"):
        row[column] = row[column] / dose


@dataclass
class _Cell:
    """Units that changed first in one period, in another period."""

    first: int
    period: int
    weight: float = 0.0
    estimate: float = 0.0
    influence: np.ndarray | float = 0.0
    known: bool = True

    def __post_init__(self) -> None:
        self.parts: list[np.ndarray] = []

    @property
    def units(self) -> np.ndarray:
        return np.concatenate(self.parts)

    def add(self, own, weight, estimate, influence, known) -> None:
        total = self.weight + weight
        share = weight / total
        self.estimate = (1 - share) * self.estimate + share * estimate
        self.influence = (1 - share) * self.influence + share * influence
        self.weight, self.known = total, self.known and known
        self.parts.append(np.flatnonzero(own))


@dataclass(frozen=True, eq=False)
class _Paths:
    """Treatment paths: units x periods, the first treatment, when and how it changes.

    ``start`` positions, ``sign`` (n_units,); ``lost`` (n_units, T) from the period on
    in which a path is on the other side of its first treatment.
    """

    dose: np.ndarray
    start: np.ndarray
    sign: np.ndarray
    lost: np.ndarray

    @classmethod
    def of(cls, data: Panel) -> _Paths:
        dose = data.matrix(data.treatment)
        gap = dose - dose[:, :1]
        changed = gap != 0
        at = changed.argmax(axis=1)
        start = np.where(changed.any(axis=1), data.positions[at], FAR)
        sign = np.sign(gap[np.arange(len(gap)), at])
        crossed = sign[:, None] * gap < 0
        return cls(dose, start, sign, np.logical_or.accumulate(crossed, axis=1))

    def crossed_note(self, data: Panel) -> str | None:
        units = int(self.lost.any(axis=1).sum())
        if not units:
            return None
        first = data.units[self.lost.any(axis=1)][0]
        return (
            f"{units} units ({data.design.unit} {first} first) count until their "
            "treatment crosses to the other side of its first value"
        )

    def effects(self, data, effects, placebos):
        """Cells of effects and placebos, and the mean doses of each."""
        y, w = data.matrix(data.y), data.matrix(data.row_weights)
        outcome, x, fits = self.without_controls(data, y)
        gap = self.dose - self.dose[:, :1]
        column = {int(p): j for j, p in enumerate(data.positions)}
        found, doses = [], []
        for g, b, p, pairs in horizons(data, effects, placebos):
            cells = [_Cell(g, at) for at in pairs]
            now = since = 0.0
            share = w[:, column[b]]
            for own, rest, both in self.subsets(g, p, column[p], column[g]):
                size = share[own].sum()
                path = gap[own, column[g] : column[p] + 1]
                now += share[own] @ np.abs(path[:, -1])
                since += share[own] @ np.abs(path.sum(axis=1))
                sign, fit = self.sign[own][0], fits.get(self.dose[own, 0][0])
                for cell in cells:
                    ends = column[cell.period], column[b]
                    change = outcome[:, ends[0]] - outcome[:, ends[1]]
                    estimate, part = mean_gap(change, own, rest, share)
                    for side, way in ((own, 1.0), (rest, -1.0)):
                        if side.sum() == 1:
                            part[side] = way * _around(change, both, share, side)
                    moved = [
                        mean_gap(v[:, ends[0]] - v[:, ends[1]], own, rest, share)[0]
                        for v in x
                    ]
                    known = not moved or (
                        fit is not None and bool(fit.known(np.array([moved]))[0])
                    )
                    cell.add(own, size, sign * estimate, sign * part, known)
            if cells[0].weight:
                found += cells
                doses += [(now, since)] * len(cells)
        return found, doses

    def subsets(self, g, p, at, first):
        """Units that changed in g alike, and those like them that have not by p.

        And both with the others that changed in g from the same first treatment.
        """
        base = self.dose[:, 0]
        here = (self.start == g) & ~self.lost[:, at]
        keys = np.unique(np.column_stack([base[here], self.dose[here, first]]), axis=0)
        for level, dose in keys:
            own = here & (base == level) & (self.dose[:, first] == dose)
            rest = (base == level) & (self.start > p)
            if rest.any():
                yield own, rest, rest | (here & (base == level))

    def without_controls(self, data, y):
        """Outcome net of controls, controls, and the fit of each first treatment."""
        if not data.control_names:
            return y, [], {}
        x = np.stack([data.matrix(column) for column in data.controls.T])
        w = data.matrix(data.row_weights)
        base, out, fits = self.dose[:, 0], y.copy(), {}
        still = data.positions[1:] < self.start[:, None]
        for level in np.unique(base):
            units = np.flatnonzero(base == level)
            unit, when = np.nonzero(still[units])
            if not len(unit):
                continue
            at = units[unit]
            change = (np.diff(y, axis=1)[at, when], np.diff(x, axis=2)[:, at, when].T)
            weights = None if data.weights is None else w[at, when + 1]
            fit = regress(
                *change, np.unique(when, return_inverse=True)[1], None, weights
            )
            slopes = np.zeros(len(x))
            slopes[fit.keep] = fit.fit.coefficients
            out[units] -= np.einsum("k,knt->nt", slopes, x[:, units])
            fits[level] = fit
        return out, x, fits
