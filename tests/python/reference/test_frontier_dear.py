"""R deaR 1.5.3 on Chinese provinces, 36 tables, 1e-8.

Its names: `efficiency_t_t1` is the plan of t + 1 against the technology of t,
`efficiency_t_xt1` the plan with the inputs of t + 1 and the outputs of t. Its Ray-Desli
and Grifell-Lovell use the base period only. With rts = "vrs" its fgnz and bias still
have constant returns in mi and tc. Its global index under variable returns is
tc x pech x sech, tc from the global technology and sech that of Ray and Desli's base
form, whatever decomposition is asked for.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import assert_allclose

from citypanel.frontier import distance, malmquist

TOLERANCE = 1e-8
PANEL = {
    "unit": "DMUs",
    "period": "Period",
    "outputs": ["GIOV"],
    "inputs": ["Capital", "Labor"],
}
REFERENCE = {"cont": "contemporaneous", "seq": "sequential", "glob": "global"}
DECOMPOSITION = {
    "fgnz": "fgnz",
    "rd": "ray-desli",
    "gl": "grifell-lovell",
    "bias": "bias",
}
FILES = [
    f"expected_{orientation}_{returns}_{reference}_{decomposition}.csv"
    for orientation in ("io", "oo")
    for returns, decompositions in (
        ("crs", ("fgnz", "bias")),
        ("vrs", ("fgnz", "bias", "gl", "rd")),
    )
    for reference in ("cont", "seq", "glob")
    for decomposition in decompositions
]


@cache
def provinces(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "inputs.csv")


def test_every_file_of_the_folder_is_read(references):
    folder = references / "malmquist" / "deaR_EconomyLong"
    assert sorted(FILES) == sorted(p.name for p in folder.glob("expected_*"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.compares("frontier.malmquist, distance", "R deaR 1.5.3")
def test_every_component(references, name):
    folder = references / "malmquist" / "deaR_EconomyLong"
    short, returns, span, kind = re.match(
        r"expected_(\w+)_(\w+)_(\w+)_(\w+)\.csv", name
    ).groups()
    panel = provinces(folder)
    options = {
        **PANEL,
        "orientation": {"io": "input", "oo": "output"}[short],
        "reference": REFERENCE[span],
    }
    expected = pd.read_csv(folder / name)
    ours = _ours(panel, options, returns, span, kind)
    seen = 0
    for component, table in expected.groupby("component"):
        values = ours(component)
        mine = values.loc[list(zip(table.dmu, table.period, strict=True))].to_numpy()
        wanted = table.value.to_numpy()
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(wanted), component)
        assert_allclose(mine, wanted, rtol=TOLERANCE, err_msg=component)
        seen += len(table)
    assert seen == len(expected) > 900


def _ours(panel, options, returns, span, kind):
    """A function from deaR's component names to our values by province and year."""
    keys = [PANEL["unit"], PANEL["period"]]
    base_form = {"decomposition": "ray-desli", "form": "base"}
    contemporaneous = {**options, "reference": "contemporaneous"}
    if span == "glob":
        index = malmquist(panel, **options, returns_to_scale=returns).set_index(keys)
        scale = malmquist(panel, **contemporaneous, **base_form, keep_distances=True)
        scale = scale.set_index(keys)
        variable = scale
        if returns == "vrs":
            index = index.assign(sech=scale.sech, tfpch=index.tfpch * scale.sech)
    else:
        chosen = base_form if kind == "rd" else {"decomposition": DECOMPOSITION[kind]}
        index = malmquist(panel, **options, **chosen, keep_distances=True)
        index = scale = index.set_index(keys)
        if kind == "rd":
            # Its product of three is null where technical change is; ours is the
            # ratio of constant-returns distances and always there.
            index = index.assign(tfpch=index.tfpch.where(index.techch.notna()))
        if kind in ("bias", "fgnz"):
            variable = malmquist(
                panel,
                **options,
                decomposition=chosen["decomposition"],
                returns_to_scale="vrs",
                keep_distances=True,
            ).set_index(keys)
            variable = variable.rename(columns=lambda name: "v" + name.lstrip("e"))
        else:
            variable = index
    power = 1 if options["orientation"] == "output" else -1

    def level(returns_to_scale, reference):
        table = distance(
            panel,
            **{**options, "reference": reference},
            returns_to_scale=returns_to_scale,
        )
        return table.set_index(keys)["distance"] ** power

    own = "contemporaneous" if span == "glob" else options["reference"]
    lookups = {
        "mi": lambda: index.tfpch,
        "ec": lambda: index.effch,
        "tc": lambda: index.techch,
        "pech": lambda: index.pech,
        "sech": lambda: index.sech,
        "obtech": lambda: index.obtech,
        "ibtech": lambda: index.ibtech,
        "matech": lambda: index.matech,
        "efficiency.crs": lambda: level("crs", own),
        "efficiency.vrs": lambda: level("vrs", own),
        "efficiency.glob.crs": lambda: level("crs", "global"),
        "efficiency.glob.vrs": lambda: level("vrs", "global"),
        "efficiency_t_t1.crs": lambda: scale.e_from_to,
        "efficiency_t1_t.crs": lambda: scale.e_to_from,
        "efficiency_t_xt1.crs": lambda: scale.e_from_mixed,
        "efficiency_t1_xt1.crs": lambda: scale.e_to_mixed,
        "efficiency_t_t1.vrs": lambda: variable.v_from_to,
        "efficiency_t1_t.vrs": lambda: variable.v_to_from,
        "efficiency_t_xt1.vrs": lambda: variable.v_from_mixed,
        "efficiency_t1_xt1.vrs": lambda: variable.v_to_mixed,
    }
    return lambda component: lookups[component]()
