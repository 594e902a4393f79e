"""Whether parallel trends can hold in levels and in logarithms alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.frames import panel_frame
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import Panel, choose, on_panel, require_treated_and_control
from citypanel.errors import EstimationError, OptionError

CONTROL_GROUPS = ("not_yet", "never")


@on_panel("cohort", "weights", "cluster")
def functional_form_test(
    data: Panel,
    *,
    bins: int = 5,
    control_group: str = "not_yet",
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Test that parallel trends can hold whatever the outcome's scale.

    They hold in levels, logarithms and every other monotone scale at once only if the
    share of the untreated outcomes in each bin moves alike,

        q_k = P(Y_b in k | treated) + P(Y_t in k | control) - P(Y_b in k | control),

    which is then the distribution the treated would have had, so that no q_k is below
    zero. Cells of cohorts and periods are averaged by treated units; the statistic is
    the largest of -q_k / s_k, its critical value that of normal draws with the q_k's
    correlation and every mean at zero (the least favourable).

    Parameters
    ----------
    panel : DataFrame or Panel
        Units not seen in every period, and units treated from the first period on, are
        left out (note). b is the last period seen before treatment.
    outcome, cohort, unit, period, weights, cluster, frequency
        Names of columns (see `panels.Design`); weights are the units' in b.
    bins : int
        Of equal numbers of rows.
    control_group : {"not_yet", "never"}
    draws, seed : int
        Of the critical value.
    level : float

    Returns
    -------
    DataFrame
        A row ``implied_share`` a bin (estimate q_k, term its limits) and ``test`` /
        ``any_scale`` with statistic and p_value. A small p-value: no one could have had
        these shares, and parallel trends depend on the scale that was chosen; whoever
        chooses one should say why. A large one leaves both open.

    Raises
    ------
    EstimationError
        Nobody treated, nobody to compare with, or outcomes of a single value.
    OptionError
        Fewer than two bins.

    References
    ----------
    Roth and Sant'Anna (2023), "When Is Parallel Trends Sensitive to Functional Form?",
    Econometrica 91.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.functional_form_test(zones(), bins=4, **columns)
    >>> found[["term", "estimate"]].head(4).round(2)
                  term  estimate
    0      below 9.983      0.12
    1   9.983 to 10.19      0.08
    2   10.19 to 10.39      0.51
    3  10.39 and above      0.28
    >>> float(found["p_value"].iloc[-1])
    1.0
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    if bins < 2 or bins != int(bins):
        raise OptionError.of("did.bins_not_possible", bins=bins)
    data = data.without_always_treated().balanced()
    require_treated_and_control(
        data, needs="never" if control_group == "never" else "any"
    )
    edges = np.unique(np.quantile(data.y, np.arange(1, bins) / bins))
    edges = edges[edges > data.y.min()]
    if not len(edges):
        raise EstimationError.of(
            "did.outcome_of_one_value", outcome=data.design.outcome
        )
    code = data.matrix(np.searchsorted(edges, data.y, side="right"))
    within = (code[:, :, None] == np.arange(len(edges) + 1)).astype(float)
    w = data.matrix(data.row_weights)
    share, total = np.zeros(len(edges) + 1), 0.0
    score = np.zeros((data.n_units, len(edges) + 1))
    for g in data.sizes:
        own = data.start == g
        b = int(np.flatnonzero(data.positions < g)[-1])
        for t in np.flatnonzero(data.positions >= g):
            rest = (
                data.never
                if control_group == "never"
                else (data.start > data.positions[t])
            )
            if not rest.any():
                continue
            size = w[own, b].sum()
            total += size
            for side, values, sign in (
                (own, within[:, b], 1.0),
                (rest, within[:, t] - within[:, b], 1.0),
            ):
                weight = w[side, b] / w[side, b].sum()
                mean = weight @ values[side]
                share = share + size * sign * mean
                score[side] += size * sign * weight[:, None] * (values[side] - mean)
    if not total:
        raise EstimationError.of(
            "did.no_switcher_unit_not",
            [f"cohort {data.name(g)}: {n} units" for g, n in data.sizes.items()],
        )
    share, sums = share / total, cluster_sums(score / total, data.unit_clusters)
    matrix = sums.T @ sums
    error = np.sqrt(np.diag(matrix))
    rows = [
        {
            "aggregation": "implied_share",
            "term": _limits(edges, k),
            "estimate": float(share[k]),
            "std_error": float(error[k]) or None,
        }
        for k in range(len(share))
    ]
    some = error > 1e-12
    test: dict = {"aggregation": "test", "term": "any_scale", "estimate": None}
    if some.any():
        found = float((-share[some] / error[some]).max())
        correlation = matrix[np.ix_(some, some)] / np.outer(error[some], error[some])
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
        rng = np.random.default_rng(seed)
        drawn = (rng.standard_normal((draws, int(some.sum()))) @ root.T).max(axis=1)
        test |= {
            "statistic": found,
            "p_value": float((1 + (drawn >= found).sum()) / (draws + 1)),
        }
    else:
        test["note"] = "no share has sampling variation"
    rows.append({**test, "note": test.get("note") or data.note})
    return panel_frame(
        data,
        rows,
        estimator="functional_form_test",
        level=level,
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_treated_units=int((~data.never).sum()),
        n_clusters=data.n_clusters,
        df=np.inf,
    )


def _limits(edges: np.ndarray, k: int) -> str:
    if k == 0:
        return f"below {edges[0]:.4g}"
    if k == len(edges):
        return f"{edges[-1]:.4g} and above"
    return f"{edges[k - 1]:.4g} to {edges[k]:.4g}"
