"""DEAP 2.1's own example EG4 (Coelli 1996), three printed decimals."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.support.validation import assert_allclose

from citypanel.frontier import distance, malmquist, summarise

#: DEAP prints three decimals and cuts some where others round (0.5625 as 0.562).
TOLERANCE = 6e-4

PANEL = {"unit": "firm", "period": "year", "outputs": ["output"], "inputs": ["input"]}


@pytest.fixture(scope="module")
def folder(references):
    return references / "malmquist" / "deap_eg4"


@pytest.fixture(scope="module")
def firms(folder):
    return pd.read_csv(folder / "inputs.csv")


def by_key(frame: pd.DataFrame) -> pd.DataFrame:
    keyed = frame.assign(year=frame.year.astype(str), firm=frame.firm.astype(str))
    return keyed.set_index(["year", "firm"])


@pytest.mark.compares("frontier.distance, malmquist", "DEAP 2.1 (3 decimals)")
def test_distances_and_their_arithmetic_means(folder, firms):
    expected = by_key(pd.read_csv(folder / "expected_distances.csv"))
    constant = distance(firms, **PANEL, lags=(-1, 0, 1))
    variable = distance(firms, **PANEL, returns_to_scale="vrs")
    column = (constant.period_reference - constant.year).map(
        {-1: "crs_te_tm1", 0: "crs_te_t", 1: "crs_te_tp1"}
    )
    wide = constant.assign(column=column).pivot_table(
        index=["firm", "year"], columns="column", values="distance"
    )
    wide = wide.reset_index().merge(
        variable[["firm", "year", "distance"]].rename(columns={"distance": "vrs_te"})
    )
    means = summarise(
        wide,
        by="year",
        geometric=[],
        arithmetic=["crs_te_tm1", "crs_te_t", "crs_te_tp1", "vrs_te"],
    ).assign(firm="mean")
    ours = by_key(pd.concat([wide, means.query("year != 'mean'")])).fillna(0.0)
    assert set(expected.index) <= set(ours.index)
    for name in ("crs_te_tm1", "crs_te_t", "crs_te_tp1", "vrs_te"):
        assert_allclose(
            ours.loc[expected.index, name], expected[name], atol=TOLERANCE, rtol=0
        )


@pytest.mark.compares("frontier.distance, malmquist", "DEAP 2.1 (3 decimals)")
def test_indices_and_their_geometric_means(folder, firms):
    expected = by_key(pd.read_csv(folder / "expected_indices.csv"))
    changes = malmquist(firms, **PANEL)
    means = summarise(changes, by="year").assign(firm="mean")
    ours = by_key(pd.concat([changes, means.query("year != 'mean'")]))
    assert set(expected.index) <= set(ours.index)
    names = ["effch", "techch", "pech", "sech", "tfpch"]
    assert_allclose(
        ours.loc[expected.index, names], expected[names], atol=TOLERANCE, rtol=0
    )


@pytest.mark.compares("frontier.distance, malmquist", "DEAP 2.1 (3 decimals)")
def test_annual_means_and_the_grand_mean(folder, firms):
    expected = pd.read_csv(folder / "expected_annual_means.csv").astype({"year": str})
    ours = summarise(malmquist(firms, **PANEL), by="year").astype({"year": str})
    names = ["effch", "techch", "pech", "sech", "tfpch"]
    assert ours.year.tolist() == expected.year.tolist()
    assert_allclose(ours[names], expected[names], atol=TOLERANCE, rtol=0)
