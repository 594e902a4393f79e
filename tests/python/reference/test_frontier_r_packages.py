"""R Benchmarking and R productivity (with pioneeR's fixtures), 1e-8.

Benchmarking works with Farrell's efficiencies, so its output index is below 1 where
productivity rises. productivity works with Shephard's distances; in its names
c<s><x><y>, s is the technology, x the period of the inputs and y that of the outputs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import assert_allclose

from citypanel.frontier import distance, malmquist

TOLERANCE = 1e-8


@pytest.mark.parametrize("returns", ["crs", "vrs"])
@pytest.mark.parametrize("orientation", ["in", "out"])
@pytest.mark.compares("frontier.malmquist, distance", "R Benchmarking 0.33")
def test_benchmarking_manual_example(references, orientation, returns):
    folder = references / "malmquist" / "Benchmarking_malmquist_example"
    expected = pd.read_csv(folder / f"expected_{orientation}_{returns}.csv")
    options = {
        "unit": "id",
        "period": "time",
        "outputs": ["y"],
        "inputs": ["x"],
        "orientation": f"{orientation}put",
        "returns_to_scale": returns,
    }
    panel = pd.read_csv(folder / "inputs.csv")
    ours = malmquist(panel, **options, keep_distances=True)
    ours = expected[["id", "time"]].merge(ours, how="left")
    levels = distance(panel, **options, measure="farrell")
    levels = expected[["id", "time"]].merge(levels, how="left")
    assert_allclose(levels.distance, expected.e11, rtol=TOLERANCE)
    changed = expected.time > 0
    expected, ours = expected[changed], ours[changed]
    power = 1 if orientation == "in" else -1
    # The column names of this release: e01 holds the later technology and the
    # earlier plan, e10 the reverse.
    names = {
        "e00": "e_from_from",
        "e01": "e_to_from",
        "e10": "e_from_to",
        "e11": "e_to_to",
        "m": "tfpch",
        "tc": "techch",
        "ec": "effch",
    }
    for theirs, mine in names.items():
        values = ours[mine].to_numpy() ** power
        wanted = expected[theirs].to_numpy()
        # An infeasible programme is -Inf there, and 0 in what is made of it.
        infeasible = np.isinf(wanted) | (wanted == 0)
        assert np.isnan(values[infeasible]).all()
        assert_allclose(values[~infeasible], wanted[~infeasible], rtol=TOLERANCE)
    assert (ours.reason.notna() == (expected.m.to_numpy() == 0)).all()


USAGRI = (
    "productivity_usagri",
    {
        "unit": "States",
        "period": "Years",
        "outputs": ["q.livestock", "q.crop", "q.other"],
        "inputs": ["q.capital", "q.land", "q.labor", "q.materials"],
    },
)
CHINA = (
    "pioneeR_chnEconomy",
    {
        "unit": "dmu",
        "period": "period",
        "outputs": ["giov"],
        "inputs": ["capital", "labor"],
    },
)
CASES = [
    (*study, orientation, returns)
    for study, all_returns in (
        (USAGRI, ("crs", "vrs")),
        (CHINA, ("crs", "vrs", "nirs", "ndrs")),
    )
    for orientation in ("in", "out")
    for returns in all_returns
]


@pytest.mark.parametrize(("folder", "columns", "orientation", "returns"), CASES)
@pytest.mark.compares("frontier.malmquist, distance", "R productivity 1.1.0")
def test_productivity_levels_and_changes(
    references, folder, columns, orientation, returns
):
    where = references / "malmquist" / folder
    panel = pd.read_csv(where / "inputs.csv")
    keys = [columns["unit"], "Year.1", "Year.0"]

    def read(kind):
        table = pd.read_csv(where / f"expected_{kind}_{orientation}_{returns}.csv")
        return table.sort_values(keys).reset_index(drop=True)

    levels, changes = read("levels"), read("changes")
    ours = malmquist(
        panel,
        **columns,
        orientation=f"{orientation}put",
        decomposition="bias",
        keep_distances=True,
    )
    assert len(ours) == len(levels) == len(changes)
    assert ours[columns["unit"]].tolist() == levels[columns["unit"]].tolist()
    assert ours[columns["period"]].tolist() == levels["Year.1"].tolist()
    letter, power = ("i", -1) if orientation == "in" else ("o", 1)
    names = {
        "c111": "e_to_to",
        "c100": "e_to_from",
        "c011": "e_from_to",
        "c000": "e_from_from",
        "c110": "e_to_mixed",
        "c010": "e_from_mixed",
    }
    for theirs, mine in names.items():
        assert_allclose(ours[mine] ** power, levels[theirs + letter], rtol=TOLERANCE)
    for theirs, mine in {
        "malmquist": "tfpch",
        "effch": "effch",
        "tech": "techch",
        "obtech": "obtech",
        "ibtech": "ibtech",
        "matech": "matech",
    }.items():
        assert_allclose(ours[mine], changes[theirs], rtol=TOLERANCE)
    if returns == "crs":
        return
    if returns == "vrs":
        pech, sech = ours.pech, ours.sech
        own = ours[["v_from_from", "v_to_to"]]
    else:
        pure = (
            distance(
                panel,
                **columns,
                orientation=f"{orientation}put",
                returns_to_scale=returns,
            ).set_index([columns["unit"], columns["period"]])["distance"]
            ** power
        )
        own = pd.DataFrame(
            {
                name: pure.loc[
                    list(zip(levels[columns["unit"]], levels[year], strict=True))
                ].to_numpy()
                for name, year in (("v_from_from", "Year.0"), ("v_to_to", "Year.1"))
            }
        )
        pech = own.v_to_to / own.v_from_from
        sech = ours.effch / pech
    assert_allclose(own.v_to_to**power, levels["v111" + letter], rtol=TOLERANCE)
    assert_allclose(own.v_from_from**power, levels["v000" + letter], rtol=TOLERANCE)
    scale = {"in": "inp", "out": "out"}[orientation]
    assert_allclose(pech, changes[f"pure.{scale}.effch"], rtol=TOLERANCE)
    assert_allclose(sech, changes[f"{scale}.scalech"], rtol=TOLERANCE)
