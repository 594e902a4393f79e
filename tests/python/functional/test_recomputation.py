"""The published marts, recomputed from the published inputs by other means.

Distance functions by linear programming, least squares on two-way demeaned data, and
the recursion of the capital stock, none of it with this package.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

INPUTS = ["capital_real_cny_10k", "labour"]
OUTPUT = "gdp_real_cny_10k"


def _distances(of: pd.DataFrame, against: pd.DataFrame, variable_returns: bool):
    """Output distances: 1 / max phi such that phi y <= Y'z, x >= X'z (, sum z = 1)."""
    scale = against[[*INPUTS, OUTPUT]].mean()
    X = (against[INPUTS] / scale[INPUTS]).to_numpy()
    Y = (against[OUTPUT] / scale[OUTPUT]).to_numpy()
    n = len(against)
    distances = []
    for x, y in zip(
        (of[INPUTS] / scale[INPUTS]).to_numpy(),
        (of[OUTPUT] / scale[OUTPUT]).to_numpy(),
        strict=True,
    ):
        solved = linprog(
            np.r_[-1, np.zeros(n)],
            A_ub=np.vstack([np.r_[y, -Y], np.c_[np.zeros(2), X.T]]),
            b_ub=np.r_[0, x],
            A_eq=np.r_[0, np.ones(n)][None] if variable_returns else None,
            b_eq=[1] if variable_returns else None,
            method="highs",
            options={
                "primal_feasibility_tolerance": 1e-10,
                "dual_feasibility_tolerance": 1e-10,
            },
        )
        assert solved.status == 0
        distances.append(-1 / solved.fun)
    return np.array(distances)


@pytest.fixture(scope="module")
def city_years(built):
    return built.query("select * from marts.fct_city_years order by city_id, year")


@pytest.fixture(scope="module")
def changes(city_years):
    """Malmquist indices from the inputs alone."""
    rows = []
    by_year = dict(tuple(city_years.groupby("year")))
    own = {t: _distances(f, f, False) for t, f in by_year.items()}
    own_vrs = {t: _distances(f, f, True) for t, f in by_year.items()}
    for year in sorted(by_year)[1:]:
        now, before = by_year[year], by_year[year - 1]
        ahead = _distances(now, before, False)
        behind = _distances(before, now, False)
        effch = own[year] / own[year - 1]
        techch = np.sqrt(ahead / own[year] * own[year - 1] / behind)
        pech = own_vrs[year] / own_vrs[year - 1]
        rows.append(
            pd.DataFrame(
                {
                    "city_id": now["city_id"].to_numpy(),
                    "year": year,
                    "tfpch": effch * techch,
                    "effch": effch,
                    "techch": techch,
                    "pech": pech,
                    "sech": effch / pech,
                    "distance_crs": own[year],
                }
            )
        )
    return pd.concat(rows).sort_values(["city_id", "year"], ignore_index=True)


@pytest.mark.parametrize(
    "column", ["tfpch", "effch", "techch", "pech", "sech", "distance_crs"]
)
def test_indices_follow_from_the_published_inputs(built, changes, column):
    published = built.query("from marts.fct_tfp_changes order by city_id, year")
    assert list(published["city_id"]) == list(changes["city_id"])
    assert list(published["year"]) == list(changes["year"])
    np.testing.assert_allclose(published[column], changes[column], rtol=1e-8, atol=0)


def _two_way(frame, column):
    """Net of city and year means, on a balanced panel."""
    wide = frame.pivot(index="city_id", columns="year", values=column).to_numpy()
    net = wide - wide.mean(0) - wide.mean(1, keepdims=True) + wide.mean()
    return net.ravel()


def _estimates(frame, regressors):
    y = _two_way(frame, "tfpch")
    x = np.column_stack([_two_way(frame, name) for name in regressors])
    b = np.linalg.solve(x.T @ x, x.T @ y)
    residual = y - x @ b
    n_years, n_cities = frame["year"].nunique(), frame["city_id"].nunique()
    scores = (x * residual[:, None]).reshape(n_cities, n_years, -1).sum(axis=1)
    bread = np.linalg.inv(x.T @ x)
    n, k = len(y), len(regressors) + n_years
    factor = n_cities / (n_cities - 1) * (n - 1) / (n - k)
    se = np.sqrt(factor * np.diag(bread @ scores.T @ scores @ bread))
    within = frame["tfpch"] - frame.groupby("city_id")["tfpch"].transform("mean")
    r2_within = 1 - residual @ residual / (within @ within)
    return b, se, r2_within, 1 - residual @ residual / (y @ y)


SUBSAMPLES = {
    ("3", "(1)"): ([], lambda f: f),
    ("3", "(2)"): (["eco", "ind", "inf", "edu", "sca", "con"], lambda f: f),
    **{
        ("4", region): (
            ["eco", "ind", "inf", "edu", "sca", "con"],
            lambda f, region=region: f[f["region"] == region],
        )
        for region in ("eastern", "central", "western", "northeastern")
    },
    ("5", "(3)"): (
        ["eco", "ind", "inf", "edu", "sca", "con"],
        lambda f: f[~f["is_municipality"]],
    ),
}


@pytest.mark.parametrize("column", SUBSAMPLES)
def test_regressions_follow_from_the_published_inputs(
    built, city_years, changes, column
):
    controls, subsample = SUBSAMPLES[column]
    frame = subsample(changes.merge(city_years, on=["city_id", "year"]))
    b, se, r2_within, r2_partial = _estimates(frame, ["sydid", *controls])
    published = built.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        f"and paper_table = '{column[0]}' and paper_column = '{column[1]}'"
    ).set_index("term")
    terms = ["sydid", *controls]
    np.testing.assert_allclose(published.loc[terms, "estimate"], b, rtol=1e-8)
    np.testing.assert_allclose(published.loc[terms, "std_error"], se, rtol=1e-8)
    row = published.loc["sydid"]
    assert row["n_obs"] == len(frame)
    assert row["outcome_mean"] == pytest.approx(frame["tfpch"].mean(), rel=1e-9)
    assert row["r2_within"] == pytest.approx(r2_within, rel=1e-8)
    assert row["r2_partial"] == pytest.approx(r2_partial, rel=1e-8)


def test_capital_follows_from_the_published_investment(built, city_years):
    stocks = built.query("from marts.fct_capital_stocks order by city_id, year")
    for _, city in stocks.groupby("city_id"):
        investment = city["investment_cny_10k"].to_numpy()
        real = investment / city["investment_deflator_idx"].to_numpy()
        growth = (investment[3] / investment[0]) ** (1 / 3) - 1
        expected = [real[0] / (growth + 0.06)]
        for flow in real[1:]:
            expected.append(flow + 0.94 * expected[-1])
        np.testing.assert_allclose(city["capital_real_cny_10k"], expected, rtol=1e-8)
    used = city_years.merge(stocks, on=["city_id", "year"], suffixes=("", "_stock"))
    assert len(used) == len(city_years)
    assert (used["capital_real_cny_10k"] == used["capital_real_cny_10k_stock"]).all()


def test_control_means_come_out_near_the_papers(built):
    """Units and logarithms are right when the paper's magnitudes come out.

    Distances of Table 2's means from ours, one by one: other cities stand behind them.
    """
    rows = built.query(
        "select term, published, ours from marts.rpt_published_comparison "
        "where paper_table = '2' and statistic = 'mean'"
    ).set_index("term")
    tolerances = {"eco": 0.05, "ind": 0.1, "inf": 0.1, "sca": 0.05, "con": 0.1}
    for term, tolerance in tolerances.items():
        ours, published = rows.loc[term, "ours"], rows.loc[term, "published"]
        assert abs(ours - published) < tolerance, term
