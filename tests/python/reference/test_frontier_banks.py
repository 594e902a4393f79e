"""Cross-sections of 247 banks, made with R Benchmarking: 1e-7 relative.

All returns to scale (drs there is non-increasing here, irs non-decreasing), both
orientations, Farrell's measures. An infeasible programme is an infinity, and what is
made of it zero, infinite or not a number: here it is null.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import assert_allclose

from citypanel.frontier import malmquist
from citypanel.frontier.exact import solve_exactly
from citypanel.frontier.simplex import starting_bases
from citypanel.frontier.technology import (
    build_technology,
    input_programmes,
    output_programmes,
)

#: Zero inputs and outputs occur, and are warned of.
pytestmark = pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")

TOLERANCE = 1e-7
RETURNS = {"crs": "crs", "vrs": "vrs", "drs": "nirs", "irs": "ndrs"}
PAIRS = [(1, 2), (1, 3), (2, 3)]
#: Where lpSolve, in R, failed on values of ten digits: pair, orientation, returns,
#: name, bank -> (its value, ours). Under constant returns its own output-oriented
#: twin contradicts it.
WRONG_THERE = {
    ((1, 2), "input", "irs", "e10", 245): (np.nan, 78.15607825502768),
    ((1, 3), "input", "crs", "e11", 214): (0.015812921636507, 0.0158129329075619),
    ((1, 3), "input", "crs", "e01", 214): (0.0127027839576404, 0.012702798676555728),
    ((1, 3), "output", "drs", "e01", 246): (0.0, 0.4848660737149393),
    ((2, 3), "input", "crs", "e11", 214): (0.015812921636507, 0.0158129329075619),
    ((2, 3), "input", "crs", "e01", 214): (0.0419548736996659, 0.04195490360405054),
    ((2, 3), "input", "crs", "e01", 245): (69.0292039994215, 69.0292506963867),
    ((2, 3), "input", "crs", "e01", 246): (122.279029892301, 122.27879398850364),
    ((2, 3), "output", "drs", "e10", 245): (0.47770110413563, 0.47770432964851395),
}
INPUTS = ["STEXP", "FASUM", "INPSUM"]
OUTPUTS = ["LNSUM", "DBSUM", "INCSUM"]


def cross_section(folder, number: int, period: int) -> pd.DataFrame:
    parts = [
        pd.read_csv(folder / f"banks{number}_{kind}.csv")
        for kind in ("inputs", "outputs")
    ]
    frame = pd.concat(parts, axis=1)
    return frame.assign(bank=np.arange(len(frame)), period=period)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("orientation", ["input", "output"])
@pytest.mark.parametrize("returns", list(RETURNS))
@pytest.mark.compares("frontier.malmquist", "R Benchmarking (banks of dealib)")
def test_distances_and_indices(references, pair, orientation, returns):
    folder = references / "malmquist" / "dealib_malmq_banks"
    first, second = pair
    name = folder / f"expected_banks{first}_banks{second}.json"
    expected = json.loads(name.read_text())[orientation][returns]
    panel = pd.concat(
        [cross_section(folder, first, 0), cross_section(folder, second, 1)]
    )
    ours = malmquist(
        panel,
        unit="bank",
        period="period",
        outputs=OUTPUTS,
        inputs=INPUTS,
        orientation=orientation,
        returns_to_scale=RETURNS[returns],
        keep_distances=True,
    )
    power = 1 if orientation == "input" else -1
    undefined = np.zeros(len(ours), dtype=bool)
    for theirs, mine in {
        "e00": "e_from_from",
        "e10": "e_from_to",
        "e11": "e_to_to",
        "e01": "e_to_from",
    }.items():
        wanted = np.array(expected[theirs], dtype=float)
        values = ours[mine].to_numpy() ** power
        infeasible = ~np.isfinite(wanted)
        broken = known_solver_failures(pair, orientation, returns, theirs, wanted)
        check = ~infeasible & ~broken
        assert (np.isnan(values)[~broken] == infeasible[~broken]).all(), theirs
        assert_allclose(values[check], wanted[check], rtol=TOLERANCE)
        undefined |= infeasible | broken
    for theirs, mine in {"m": "tfpch", "tc": "techch", "ec": "effch"}.items():
        wanted = np.array(expected[theirs], dtype=float)
        values = ours[mine].to_numpy() ** power
        assert np.isfinite(wanted[~undefined]).all()
        assert_allclose(values[~undefined], wanted[~undefined], rtol=TOLERANCE)


def known_solver_failures(pair, orientation, returns, name, wanted) -> np.ndarray:
    """Cells of `WRONG_THERE`, which a test below settles without rounding."""
    broken = np.zeros(len(wanted), dtype=bool)
    cells = [k[4] for k in WRONG_THERE if k[:4] == (pair, orientation, returns, name)]
    broken[cells] = True
    return broken


@pytest.mark.parametrize("cell", WRONG_THERE, ids=str)
def test_rational_arithmetic_sides_with_us_where_we_differ(references, cell):
    folder = references / "malmquist" / "dealib_malmq_banks"
    pair, orientation, returns, name, bank = cell
    # The first digit is the period of the plan, the second that of the technology.
    plan, technology = int(name[1]), int(name[2])
    reference = cross_section(folder, pair[technology], 0)
    unit = cross_section(folder, pair[plan], 0).loc[[bank]]
    cone = build_technology(
        reference[INPUTS].to_numpy(float),
        reference[OUTPUTS].to_numpy(float),
        returns_to_scale=RETURNS[returns],
    )
    programmes = input_programmes if orientation == "input" else output_programmes
    q, r = programmes(cone, unit[INPUTS].to_numpy(float), unit[OUTPUTS].to_numpy(float))
    start, _ = starting_bases(cone, q, r)
    exact = solve_exactly(cone, q[0], r[0], [start[0]])
    theirs, ours = WRONG_THERE[cell]
    measured = -exact if orientation == "input" else exact
    assert measured == pytest.approx(ours, rel=1e-12)
    assert measured != pytest.approx(theirs, rel=TOLERANCE)
