"""What rows of small samples say of their tests, by the sizes measured."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from citypanel.did import study
from citypanel.did.sizes import RIGHT, measured, size_note, size_of

ROOT = Path(__file__).parents[3]


def benchmark():
    path = ROOT / "benchmarks/did_size/run.py"
    spec = importlib.util.spec_from_file_location("did_size", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_and_the_data_are_one_measurement():
    run, page = benchmark(), (ROOT / "docs/method/did_size.md").read_text()
    for law in run.LAWS:
        assert run.table(measured(), law) in page


def test_shares_are_those_of_the_panels():
    run = benchmark()
    results = pd.DataFrame(
        {
            "sample": ["west 17/8"] * 4,
            "law": ["independent"] * 4,
            "one": [0.01, 0.2, np.nan, 0.04],
            "two": [np.nan] * 4,
        }
    )
    (row,) = run.shares(results).to_dict("records")
    assert (row["test"], row["units"], row["treated"]) == ("one", "17", "8")
    assert (row["panels"], row["rejected_pct"]) == (3, 66.7)


def test_the_nearest_sample_speaks():
    table = measured()
    for units, treated in ((73, 34), (32, 17), (16, 5), (17, 8), (8, 4)):
        here = (table["units"] == units) & (table["treated"] == treated)
        rows = table[here & (table["test"] == "imputation")]["rejected_pct"]
        assert size_of("imputation", units, treated) == (rows.min(), rows.max())
    assert size_of("imputation", 9, 4) == size_of("imputation", 8, 4)
    assert size_of("imputation", 400, 100) is None
    assert size_of("no such test", 16, 5) is None


def test_a_note_where_a_test_is_not_right_and_only_there():
    for test in measured()["test"].unique():
        for units, treated in ((73, 34), (16, 5), (8, 4)):
            found = size_of(test, units, treated)
            right = found is None or (found[0] >= RIGHT[0] and found[1] <= RIGHT[1])
            assert (size_note([test], units, treated) is None) == right
    assert size_note(["twfe, CR3"], np.nan, 4) is None
    assert "twfe, xtreg 7.3 to 9.7%" in size_note(["twfe, xtreg", "twfe, CR3"], 16, 5)


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(3)
    rows = [
        (i, t, g, "centre" if i < 16 else "east")
        for i in range(48)
        for g in [{0: 2016, 1: 2018}.get(i % (7 if i < 16 else 4), 0)]
        for t in range(2012, 2020)
    ]
    frame = pd.DataFrame(rows, columns=["city_id", "year", "cohort", "region"])
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    return frame.assign(
        sydid=late.astype(float), y=rng.normal(size=len(frame)) + frame["city_id"]
    )


def test_rows_of_regions_say_how_their_tests_do(panel):
    table = study.regional_table(panel, treatment="sydid", outcomes=["y"])
    own = table[table["aggregation"] == "subsample"].set_index("sample")["note"]
    assert "reject true nulls" in own["centre"] and "twfe, xtreg" in own["centre"]
    assert pd.isna(own["east"])
    parts = {n: f for n, f in study.samples(panel, by="region").items() if n != "all"}
    options = dict(treatment="sydid", outcomes=["y"], sample=parts, draws=99)
    att = study.att_table(panel, estimators=["imputation", "twfe"], **options)
    with_sizes = study.with_sizes(att)
    bare = [c for c in att if c != "note"]
    pd.testing.assert_frame_equal(with_sizes[bare], att[bare])
    note = with_sizes.set_index(["sample", "estimator", "term"])["note"]
    assert "imputation 15 to 22%" in note["centre", "imputation", "overall"]
    leads = note["centre", "twfe", "leads_jointly_zero"]
    assert "joint leads 43.3 to 50%" in leads


def test_every_inference_of_a_column_is_told(panel):
    small = panel[panel["region"] == "centre"]
    given = dict(outcome="y", treatment="sydid", unit="city_id", period="year")
    columns = {("4", name): given | {"panel": f} for name, f in (("c", small),)}
    table = study.inference_table(columns, draws=199, permutations=99, bound=0.1)
    for name in ("xtreg", "wild bootstrap"):
        assert f"twfe, {name}" in table["note"].iloc[0]
