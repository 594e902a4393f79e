"""A two-way regression with controls on rows that stay in a DuckDB relation.

With controls that change over time counts and means by cohort do not suffice. Least
squares still need sums only, and DuckDB takes them in three passes over the rows:

1. by period, of products net of the units' means. The period effects of a column are
   then lambda = S^+ s, with s its sums by period and S = diag(n_t) - C' diag(1/n_i) C;
2. of products of each column less lambda_t, net of the units' means once more: the
   cross-products G of Frisch and Waugh (1933), free of what cancels in the first;
3. of scores by cluster, with the residuals that the coefficients leave.

Weights, the same in all rows of a unit, stand in every sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import linalg

from citypanel.did.covariances import Fit
from citypanel.did.linear import TwoWay, symmetric_inverse
from citypanel.did.moments import MomentPanel, small_sample_rule
from citypanel.did.panels import Design
from citypanel.did.regressions import Estimate, Regression, not_identified
from citypanel.did.relations import Reader, cluster_of, opened
from citypanel.sql import sql_name

# Shares of a column's squares below which the effects, or the columns before it, are
# taken to leave nothing of it: products have half the digits of their columns.
ABSORBED, COLLINEAR = 1e-18, 1e-11


def regress_relation(
    relation: Any,
    design: Design,
    *,
    standard_errors: str = "xtreg",
    small_sample: Mapping[str, object] | None = None,
) -> tuple[MomentPanel, Estimate]:
    """Two-way fixed effects of the outcome on the treatment and the controls.

    Parameters
    ----------
    relation : DuckDB relation, or path of a Parquet file
    design : Design
        With a treatment of 0 or 1 that stays; weights and cluster fixed within units.
    standard_errors, small_sample
        A convention that sums scores: all but CR2 and CR3.

    Returns
    -------
    MomentPanel, Estimate
        The units in groups, and the regression, whose rows stay where they are.

    Raises
    ------
    PanelError
        As `relations.read_moments`.
    EstimationError
        The treatment is absorbed by the effects.
    """
    with opened(relation) as rows:
        reader = Reader(rows, design, strata=False)
        data = reader.panel()
        return data, _Passes(reader, data).solve(standard_errors, small_sample)


class _Passes:
    """The three passes; column 0 is the outcome, 1 the treatment, then the controls."""

    def __init__(self, reader: Reader, data: MomentPanel):
        self.reader, self.data = reader, data
        design = data.design
        self.columns = [design.outcome, str(design.treatment), *design.controls]
        self.weight = "1.0"
        if design.weights is not None:
            self.weight = f"{sql_name(design.weights)}::double / {data.mean_weight!r}"

    def solve(self, convention: str, small_sample: Any) -> Estimate:
        """Coefficients and errors of the columns after the first."""
        data, n = self.data, self.data.n_obs
        weights = data.weights / data.mean_weight
        effects = TwoWay(data.unit, data.period, weights)
        total, squares, sums, gram = self._by_period()
        shift = effects.inverse @ sums
        net = self._products(shift)
        keep, absorbed = _independent(net[1:, 1:], squares[1:])
        regression = self._regression(net, squares, keep, absorbed)
        if not regression.first_known(1).any():
            raise not_identified(regression, self.columns[1:], 1)
        b, bread = regression.fit.coefficients, regression.fit.bread
        at = 1 + np.flatnonzero(keep)
        # The constant is the mean of what the first period would have been: its
        # direction has slopes and a line over the periods.
        shift = shift - shift[0]
        shares = np.bincount(data.period, weights) / n
        means = (total - n * shares @ shift) / n
        line = np.zeros(len(shares))
        line[1:] = symmetric_inverse(effects.schur[1:, 1:]) @ shares[1:]
        meat, side, ssr = self._scores(
            shift, at, b, bread @ means[at], line, convention
        )
        # One step of refinement: what the residuals still have of the regressors.
        b = b + bread @ side
        regression = replace(regression, fit=_fit(b, bread, data))
        factor, like = small_sample_rule(data, regression.fit, convention, small_sample)
        if convention == "conventional":
            matrix, error = ssr * bread, ssr * meat[-1, -1]
        else:
            matrix, error = bread @ meat[:-1, :-1] @ bread, meat[-1, -1]
        return Estimate(
            regression,
            replace(like, matrix=factor * matrix),
            1 - ssr / gram[0, 0],
            1 - ssr / net[0, 0],
            (float(means[0] - means[at] @ b), float(np.sqrt(factor * error))),
        )

    def _regression(self, net, squares, keep, absorbed) -> Regression:
        x = net[1:, 1:]
        length = np.sqrt(np.where(absorbed, squares[1:], np.diag(x)))
        length = np.where(length > 0, length, 1.0)
        bread = symmetric_inverse(x[np.ix_(keep, keep)], COLLINEAR / 100)
        lost = np.where(absorbed, 0.0, x)[np.ix_(keep, ~keep)]
        fit = _fit(bread @ net[1:, 0][keep], bread, self.data)
        return Regression(fit, keep, absorbed, bread @ lost, length)

    # --- the passes ---

    def _net(self, shift: np.ndarray, line: np.ndarray | None = None) -> str:
        """Rows with their columns less a shift by period (T, k), net of unit means.

        A line (T,) over the periods is one column more. ``y0``, ... are the columns as
        they came, ``z0``, ... what is left of them.
        """
        design, given = self.data.design, len(self.columns)
        shifts = shift if line is None else np.column_stack([shift, -line])
        k = shifts.shape[1]
        values = ", ".join(
            f"({literal}, {t}, {', '.join(repr(float(v)) for v in row)})"
            for t, (literal, row) in enumerate(
                zip(self.reader.literals, shifts, strict=True)
            )
        )
        named = [
            f"{sql_name(column)}::double as y{j}"
            for j, column in enumerate(self.columns)
        ]
        named += [f"0.0 as y{j}" for j in range(given, k)]
        cluster = sql_name(cluster_of(design) or design.unit)
        return f"""with shifts(period, t, {_each("l{}", k)}) as (values {values}),
        rows as (
            select {sql_name(design.unit)} as u, {cluster} as c,
                {sql_name(design.period)} as p, {self.weight} as w, {", ".join(named)}
            from panel
            where {self.reader.used}
        ),
        shifted as (
            select u, c, t, w, {_each("y{0}, y{0} - l{0} as s{0}", k)}
            from rows join shifts on p = shifts.period
        ),
        means as (select u, {_each("avg(s{0}) as m{0}", k)} from shifted group by u),
        net as (
            select c, t, w, {_each("y{0}, s{0} - m{0} as z{0}", k)}
            from shifted join means using (u)
        )"""

    def _by_period(self):
        """Sums of the columns and of their squares, and net of unit means: sums (T, k)
        by period and products (k, k)."""
        k = len(self.columns)
        pairs = _pairs(k)
        asked = [
            _each("sum(w * y{})", k),
            _each("sum(w * y{0} * y{0})", k),
            _each("sum(w * z{})", k),
            *(f"sum(w * z{i} * z{j})" for i, j in pairs),
        ]
        nothing = np.zeros((len(self.reader.literals), k))
        found = self.reader.ask(
            f"{self._net(nothing)} select {', '.join(asked)} from net "
            "group by t order by t"
        ).to_numpy(float)
        total, squares = found[:, :k].sum(axis=0), found[:, k : 2 * k].sum(axis=0)
        return (
            total, squares, found[:, 2 * k : 3 * k],
            _square(found[:, 3 * k :].sum(axis=0), pairs, k),
        )  # fmt: skip

    def _products(self, shift: np.ndarray) -> np.ndarray:
        """Products (k, k) net of both effects."""
        k = len(self.columns)
        pairs = _pairs(k)
        asked = ", ".join(f"fsum(w * z{i} * z{j})" for i, j in pairs)
        found = self.reader.ask(f"{self._net(shift)} select {asked} from net")
        return _square(found.to_numpy(float)[0], pairs, k)

    def _scores(self, shift, at, b, slopes, line, convention):
        """Sum of the scores' products (m + 1, m + 1), regressors on residuals, and SSR.

        The last score is that of the constant; for ``conventional`` that entry is the
        constant's own square, without residuals.
        """
        m = len(at)
        regressors = [f"z{j}" for j in at]
        of_rows = f"""{self._net(shift, line)},
        scored as (
            select c, w, {", ".join(f"{z} as x{j}" for j, z in enumerate(regressors))},
                z0 - ({_combined(b, regressors)}) as e,
                {1.0 / self.data.n_obs!r} - ({_combined(slopes, regressors)})
                    - z{len(self.columns)} as x{m}
            from net
        )"""
        ends = f"fsum(e2), {_each('fsum(s{})', m + 1)}"
        pairs = _pairs(m + 1)
        if convention in ("conventional", "HC1"):
            scale = "w" if convention == "conventional" else "w * w * e * e"
            products = (f"{scale} * x{i} * x{j} as p{i}_{j}" for i, j in pairs)
            inner = f"""select w * e * e as e2, {_each("w * x{0} * e as s{0}", m + 1)},
                {", ".join(products)} from scored"""
            outer = ", ".join(f"fsum(p{i}_{j})" for i, j in pairs)
        else:
            inner = f"""select sum(w * e * e) as e2,
                {_each("sum(w * x{0} * e) as s{0}", m + 1)} from scored group by c"""
            outer = ", ".join(f"fsum(s{i} * s{j})" for i, j in pairs)
        found = self.reader.ask(
            f"{of_rows} select {ends}, {outer} from ({inner}) as scores"
        ).to_numpy(float)[0]
        return _square(found[m + 2 :], pairs, m + 1), found[1 : m + 1], found[0]


def _each(text: str, k: int) -> str:
    """SQL for the columns 0 to k - 1."""
    return ", ".join(text.format(j) for j in range(k))


def _combined(values: np.ndarray, names: Sequence[str]) -> str:
    """SQL of a linear combination."""
    return " + ".join(
        f"({float(v)!r}) * {name}" for v, name in zip(values, names, strict=True)
    )


def _pairs(k: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(k) for j in range(i, k)]


def _square(values: np.ndarray, pairs: list[tuple[int, int]], k: int) -> np.ndarray:
    """The symmetric matrix of its upper triangle."""
    out = np.zeros((k, k))
    for value, (i, j) in zip(values, pairs, strict=True):
        out[i, j] = out[j, i] = value
    return out


def _independent(
    gram: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`linear.rank_of_columns` from products, and the squares before the effects."""
    own = np.diag(gram)
    absorbed = own <= ABSORBED * squares
    keep = np.zeros(len(gram), bool)
    scale = np.sqrt(np.where(own > 0, own, 1.0))
    like = gram / np.outer(scale, scale)
    for j in np.flatnonzero(~absorbed):
        left = 1.0
        if keep.any():
            cross = like[keep, j]
            left -= cross @ linalg.solve(
                like[np.ix_(keep, keep)], cross, assume_a="pos"
            )
        keep[j] = left > COLLINEAR
    return keep, absorbed


def _fit(coefficients: np.ndarray, bread: np.ndarray, data: MomentPanel) -> Fit:
    """A fit whose rows stay where they are."""
    none = np.empty((0, len(coefficients)))
    return Fit(none, coefficients, np.empty(0), bread, data.unit, data.period)
