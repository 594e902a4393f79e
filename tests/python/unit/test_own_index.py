"""An outcome that is a productivity index of the panel's inputs and outputs."""

from __future__ import annotations

import re
import runpy

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel.errors import DeclarationError
from citypanel.frontier import malmquist, malmquist_luenberger
from citypanel.study.declaration import examine_declaration, read_declaration
from citypanel.study.own.index import Index, index_values
from citypanel.study.own.panel import examine, prepare_panel

STUDY = """\
name: made_up
unit: {noun: {en: firm}, key: firm}
period: {key: month}
panel: panel.csv
policy: {cohort: start}
outcome: {index: malmquist, outputs: [goods], inputs: [labour, 2 * energy],
  bads: [smoke], reference: global}
columns:
  - {table: "1", name: (1)}
"""


def panel() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    months = [str(m) for m in pd.period_range("2021-01", periods=5, freq="M")]
    rows = [
        (f"f{i}", m, "2021-03" if i % 2 else None) for i in range(9) for m in months
    ]
    frame = pd.DataFrame(rows, columns=["firm", "month", "start"])
    for name in ("goods", "labour", "energy", "smoke"):
        frame[name] = np.exp(rng.normal(0, 0.2, len(frame)))
    return frame


def _values(frame: pd.DataFrame, index: Index, transform: str) -> pd.Series:
    when = frame["month"].rank(method="dense").astype(int).to_numpy()
    made = index_values(
        frame, index, transform, unit="firm", period="month", positions=when
    )
    return pd.Series(made, pd.MultiIndex.from_frame(frame[["firm", "month"]]))


def test_a_change_is_the_librarys_index_and_a_level_its_sum():
    frame = panel()
    index = Index("malmquist", ("goods",), ("labour", "energy"))
    keys = dict(unit="firm", period="month", outputs=["goods"])
    theirs = malmquist(frame, inputs=["labour", "energy"], **keys)
    theirs = theirs.set_index(["firm", "month"])["tfpch"]
    ours = _values(frame, index, "change")
    assert ours.notna().sum() == len(theirs) == 36
    np.testing.assert_array_equal(ours.loc[theirs.index], theirs)
    level = _values(frame, index, "cumulative_log")
    assert (level.xs("2021-01", level="month") == 0).all()
    logs = np.log(theirs.unstack()).cumsum(axis=1).stack()
    np.testing.assert_allclose(level.loc[logs.index], logs)


def test_bads_make_it_the_luenberger_index():
    frame = panel()
    index = Index("malmquist", ("goods",), ("labour",), ("smoke",), reference="global")
    theirs = malmquist_luenberger(
        frame, unit="firm", period="month", outputs=["goods"], inputs=["labour"],
        bads=["smoke"], reference="global",
    ).set_index(["firm", "month"])["tfpch"]  # fmt: skip
    ours = _values(frame, index, "change").loc[theirs.index]
    np.testing.assert_array_equal(ours, theirs)


def test_a_level_ends_where_the_chain_breaks():
    frame = panel()
    frame.loc[(frame["firm"] == "f1") & (frame["month"] == "2021-03"), "goods"] = 0.0
    entered = frame[~((frame["firm"] == "f2") & (frame["month"] < "2021-03"))]
    level = _values(entered, Index("malmquist", ("goods",), ("labour",)), "log_change")
    assert level["f1"].isna().tolist() == [True, False, True, True, False]
    level = _values(
        entered, Index("malmquist", ("goods",), ("labour",)), "cumulative_log"
    )
    assert level["f1"].isna().tolist() == [False, False, True, True, True]
    assert level["f2", "2021-03"] == 0 and level["f2"].notna().all()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made_up"
    made.mkdir()
    panel().to_csv(made / "panel.csv", index=False)
    (made / "study.yml").write_text(STUDY)
    return made


def test_an_index_without_a_name_is_tfp(folder):
    made = prepare_panel(read_declaration(folder / "study.yml"))
    assert made.study.headline.name == "tfp"
    assert made.frame["tfp"].notna().all()
    assert (
        made.study.headline.formula.text
        == "malmquist(goods | labour, 2 * energy | smoke)"
    )


MISTAKES = [
    ("inputs: [labour, 2 * energy]", "input: [labour]", "did you mean inputs"),
    ("outputs: [goods], ", "", "outputs: is missing"),
    ("index: malmquist", "index: malmqist", "did you mean malmquist"),
    ("bads: [smoke]", "bads: [smok]", "did you mean smoke"),
    ("reference: global", "reference: all", "permitted: contemporaneous"),
    ("bads: [smoke]", "transform: level", "permitted: cumulative_log"),
]


@pytest.mark.parametrize(("before", "after", "words"), MISTAKES)
def test_a_mistake_of_an_index_has_its_line(folder, before, after, words):
    path = folder / "study.yml"
    path.write_text(STUDY.replace(before, after))
    study, problems = examine_declaration(path)
    if not problems:
        problems = examine(study, panel())
    said = "\n".join(map(str, problems))
    assert re.search("line [67]", said), said
    assert words in said.replace("outputs is", "outputs: is"), said
    with pytest.raises(DeclarationError):
        prepare_panel(read_declaration(path))


def test_the_simulated_firms_are_those_of_their_script(project):
    folder = project / "studies" / "simulated_firms"
    made = runpy.run_path(str(folder / "make_panel.py"))["panel"]()
    with duckdb.connect() as connection:
        shipped = connection.execute(
            "from read_parquet(?)", [str(folder / "firm_months.parquet")]
        ).df()
    pd.testing.assert_frame_equal(
        shipped.astype(object).where(shipped.notna(), None),
        made.astype(object).where(made.notna(), None),
    )
