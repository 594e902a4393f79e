"""DataEnvelopmentAnalysis.jl's test data and MATLAB DEA Toolbox WP 2016/3."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.support.validation import assert_allclose

from citypanel.frontier import malmquist, malmquist_luenberger

PANEL = {"unit": "dmu", "period": "period", "outputs": ["y"], "inputs": ["x"]}


@pytest.mark.parametrize("orientation", ["output", "input"])
@pytest.mark.parametrize("solver", ["auto", "simplex", "lp"])
@pytest.mark.compares("frontier.malmquist", "DataEnvelopmentAnalysis.jl")
def test_malmquist(references, orientation, solver):
    folder = references / "malmquist" / "julia_malmquist"
    expected = pd.read_csv(folder / "expected.csv").sort_values(["dmu", "period"])
    ours = malmquist(
        pd.read_csv(folder / "inputs.csv"),
        **PANEL,
        orientation=orientation,
        solver=solver,
    )
    assert_allclose(
        ours[["tfpch", "effch", "techch"]],
        expected[["malmquist", "ec", "tc"]],
        rtol=1e-7,
    )


@pytest.mark.compares("frontier.malmquist", "MATLAB DEA Toolbox (4 decimals)")
def test_fixed_base(references):
    folder = references / "malmquist" / "julia_malmquist"
    expected = pd.read_csv(folder / "expected_fixed_base.csv")
    expected = expected.sort_values(["dmu", "period"])
    ours = malmquist(pd.read_csv(folder / "inputs.csv"), **PANEL, base="first")
    assert (ours.period_from == 1).all()
    # Four printed decimals.
    assert_allclose(
        ours[["tfpch", "effch", "techch"]],
        expected[["malmquist_vs_1", "ec_vs_1", "tc_vs_1"]],
        atol=6e-5,
        rtol=0,
    )


@pytest.mark.parametrize("solver", ["auto", "simplex", "lp"])
@pytest.mark.compares("frontier.malmquist_luenberger", "DataEnvelopmentAnalysis.jl")
def test_malmquist_luenberger(references, solver):
    folder = references / "malmquist" / "julia_malmquist_luenberger"
    expected = pd.read_csv(folder / "expected.csv").sort_values(["dmu", "period"])
    ours = malmquist_luenberger(
        pd.read_csv(folder / "inputs.csv"),
        unit="dmu",
        period="period",
        outputs=["y_good"],
        inputs=["x"],
        bads=["b_bad"],
        bads_disposal="strong",
        solver=solver,
    )
    assert_allclose(
        ours[["tfpch", "effch", "techch"]], expected[["ml", "ec", "tc"]], rtol=1e-5
    )
