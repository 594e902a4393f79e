"""Results of estimators: tidy frames that know how they were made."""

from __future__ import annotations

import pickle

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did.frames import critical_value
from citypanel.did.results import Result
from citypanel.errors import EstimationError, OptionError
from citypanel.examples import zones

KEYS = dict(outcome="wage", unit="city", period="year")
STAGGERED = (
    "event_study", "sun_abraham", "imputation", "two_stage", "etwfe", "stacked",
    "switchers", "synthetic_did", "group_time_att",
)  # fmt: skip
TREATED = (
    "twfe", "jackknife", "wild_cluster_bootstrap", "randomisation_inference",
    "leave_one_unit_out", "leave_one_batch_out",
)  # fmt: skip


@pytest.fixture(scope="module")
def panel():
    """One city is seen once too few: something is left out."""
    data = zones()
    return data[~((data["city"] == "c40") & (data["year"] == 2019))]


@pytest.fixture(scope="module")
def results(panel):
    found = {}
    for name in STAGGERED:
        found[name] = getattr(did, name)(panel, cohort="zone", **KEYS)
    for name in TREATED:
        found[name] = getattr(did, name)(panel, treatment="treated", **KEYS)
    found["aggregate_att"] = did.aggregate_att(found["group_time_att"], "dynamic")
    found["propensity_score_did"] = did.propensity_score_did(
        panel, cohort="zone", covariates=["population"], method="weighting", **KEYS
    )
    return found


def _same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))


@pytest.mark.parametrize(
    "name", [*STAGGERED, *TREATED, "aggregate_att", "propensity_score_did"]
)
def test_every_estimator_says_how_it_was_made(results, name):
    result = results[name]
    assert isinstance(result, Result)
    options = result.options
    assert options["estimator"] == name
    if name != "aggregate_att":
        assert options["outcome"] == "wage" and options["unit"] == "city"
    assert isinstance(result.dropped, pd.DataFrame)
    assert name in result.summary() and "wage" in result.summary()
    text = result.to_latex()
    assert text.count(r"\\") == len(result) + 1 and "wage_" not in text
    intervals = result.confint()
    both = result["conf_low"].notna() & result["conf_high"].notna()
    assert len(intervals) == both.sum()
    assert np.array_equal(intervals["conf_low"], result["conf_low"][both])


def test_options_given_stand_beside_the_defaults(panel):
    result = did.event_study(panel, cohort="zone", bin_after=3, level=0.9, **KEYS)
    options = result.options
    assert options["bin_after"] == 3 and options["bin_before"] is None
    assert options["standard_errors"] == "xtreg"
    assert "bin_after=3" in result.summary() and "90% interval" in result.summary()
    columns = {name: options[name] for name in ("outcome", "cohort", "unit", "period")}
    _same(did.event_study(panel, bin_after=3, level=0.9, **columns), result)


def test_rows_left_out_are_told(results):
    left = results["group_time_att"].dropped
    assert set(left["city"]) == {"c40"} and len(left) == 9
    assert "left out: 9 rows" in results["group_time_att"].summary()
    assert set(results["aggregate_att"].dropped["city"]) == {"c40"}


@pytest.mark.parametrize("name", STAGGERED)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_an_interval_at_another_level_is_that_of_a_new_estimate(
    panel, results, name, level
):
    again = getattr(did, name)(panel, cohort="zone", level=level, **KEYS)
    ours = results[name].confint(level)
    np.testing.assert_allclose(
        ours["conf_low"], again["conf_low"].dropna(), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        ours["conf_high"], again["conf_high"].dropna(), rtol=0, atol=1e-12
    )


def test_an_interval_by_hand(results):
    row = results["twfe"].iloc[[0]]
    width = critical_value(39, 0.9) * row["std_error"].iloc[0]
    low, high = row.confint(0.9)[["conf_low", "conf_high"]].iloc[0]
    assert row["df"].iloc[0] == 39
    assert low == pytest.approx(row["estimate"].iloc[0] - width, rel=1e-12)
    assert high == pytest.approx(row["estimate"].iloc[0] + width, rel=1e-12)


def test_an_interval_of_a_bootstrap_has_one_level(results):
    result = results["wild_cluster_bootstrap"]
    assert len(result.confint()) == 1
    with pytest.raises(EstimationError, match=r"estimate again with level=0\.9"):
        result.confint(0.9)
    with pytest.raises(OptionError, match="not between 0 and 1"):
        result.confint(95)


@pytest.mark.parametrize("name", STAGGERED)
def test_sorting_and_filtering_change_no_answer(results, name):
    whole = results[name]
    part = whole.sort_values("estimate", ascending=False)
    part = part[part["std_error"].notna()].iloc[::2]
    assert part.options == whole.options
    _same(part.confint(0.8), whole.confint(0.8).loc[part.index])
    _same(part.dropped, whole.dropped)
    moved = pickle.loads(pickle.dumps(part))
    assert moved.options == whole.options
    _same(moved, part)


def test_filtered_cells_aggregate_to_the_mean_of_what_is_left(results):
    cells = results["group_time_att"]
    late = cells[(cells["cohort"] == 2014) & (cells["period"] >= 2017)]
    shuffled = late.sample(frac=1, random_state=1)
    for rows in (late, shuffled):
        one = did.aggregate_att(rows).iloc[0]
        assert one["estimate"] == pytest.approx(late["estimate"].mean(), rel=1e-12)
    path = results["event_study"]
    far = did.honest_did(path, bounds=[0.5], draws=200, grid_points=100)
    near = path[path["event_time"].between(-3, 1) | path["event_time"].isna()]
    few = did.honest_did(near, bounds=[0.5], draws=200, grid_points=100)
    assert not np.isclose(far["conf_low"].iloc[-1], few["conf_low"].iloc[-1])


def test_changed_numbers_are_refused(results):
    changed = results["twfe"].copy()
    changed["estimate"] *= 100
    for ask in (changed.confint, changed.summary, changed.to_latex):
        with pytest.raises(EstimationError, match="not std_error times statistic"):
            ask()
    cells = results["group_time_att"].copy()
    cells.loc[3, "estimate"] += 1
    with pytest.raises(EstimationError, match="influence function"):
        did.aggregate_att(cells)


def test_what_is_no_longer_one_result_says_so(results):
    both = pd.concat([results["twfe"], results["event_study"]])
    for ask in (lambda: both.options, lambda: both.dropped, both.summary):
        with pytest.raises(EstimationError, match="no longer says how it was made"):
            ask()
    with pytest.raises(EstimationError, match=r"lacks columns.*\n.*std_error"):
        results["twfe"][["term", "estimate"]].confint()
    empty = results["twfe"].iloc[:0]
    assert len(empty.confint()) == 0
    with pytest.raises(EstimationError, match="No row has an estimate"):
        empty.plot()


def test_an_event_study_is_drawn_around_its_reference(results):
    figure = results["event_study"].plot()
    (axes,) = figure.axes
    before, after = (line for line in axes.lines if line.get_marker() == "o")
    assert before.get_xdata().tolist() == list(range(-6, 0))
    assert after.get_xdata().tolist() == list(range(0, 6))
    at_reference = before.get_ydata()[-1]
    assert at_reference == 0.0
    upright = [
        line
        for line in axes.lines
        if line.get_linestyle() == "--" and set(line.get_xdata()) == {-1.0}
    ]
    assert len(upright) == 1
    rows = results["event_study"]
    late = rows[rows["event_time"] >= 0]
    np.testing.assert_array_equal(after.get_ydata(), late["estimate"])
    bars = [
        segment
        for bar in axes.collections
        for segment in bar.get_segments()
        if len(segment) and segment[0, 0] >= 0
    ]
    assert [b[:, 1].tolist() for b in bars] == (
        late[["conf_low", "conf_high"]].to_numpy().tolist()
    )
    assert "event_study of wage" in axes.get_title(loc="left")


def test_group_time_effects_have_a_panel_a_cohort(results):
    cells = results["group_time_att"]
    figure = cells.plot()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["cohort 2014", "cohort 2016"]
    before = next(line for line in figure.axes[1].lines if line.get_marker() == "o")
    assert before.get_xdata().max() == 2015
    with pytest.raises(OptionError, match="2 cohorts have a panel each"):
        cells.plot(ax=figure.axes[0])
    assert len(cells[cells["cohort"] == 2016].plot().axes) == 1


def test_a_uniform_band_is_drawn_and_coefficients_are(results):
    wide = did.aggregate_att(results["group_time_att"], "dynamic", uniform_band=True)
    (axes,) = wide.plot().axes
    assert len({bar.get_linewidths()[0] for bar in axes.collections}) == 2
    (axes,) = results["twfe"].plot(title="Wages").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["treated"]
    assert axes.get_title(loc="left") == "Wages"


def test_latex_is_escaped_and_written(results, tmp_path):
    result = results["event_study"]
    text = result.to_latex(digits=2, caption="Wages", label="tab:wages")
    assert text.startswith(r"\begin{table}") and r"\label{tab:wages}" in text
    assert r"event\_time\_-2 & $-0.0" in text or r"event\_time\_-2 & 0.0" in text
    assert result.to_latex(tmp_path / "wages.tex") is None
    assert (tmp_path / "wages.tex").read_text() == result.to_latex()


def test_a_database_takes_it_as_a_table(results, tmp_path):
    frame = results["event_study"]
    with duckdb.connect() as connection:
        connection.execute("create table kept as select * from frame")
        kept = connection.sql("select estimate from kept").df()
    assert np.allclose(kept["estimate"], frame["estimate"], equal_nan=True)
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "kept.parquet")
    assert len(pd.read_parquet(tmp_path / "kept.parquet")) == len(frame)
