"""Results of the frontier's functions: frames that say how they were made."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pandas as pd
import pytest

from citypanel import frontier
from citypanel.errors import EstimationError, OptionError
from citypanel.examples import zones

PLANS = dict(
    unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
)


@pytest.fixture(scope="module")
def panel():
    few = zones().query("year < 2013")
    return few[~((few["city"] == "c03") & (few["year"] == 2011))]


@pytest.fixture(scope="module")
def results(panel):
    return {
        "malmquist": frontier.malmquist(panel, **PLANS),
        "distance": frontier.distance(panel, **PLANS),
        "super_efficiency": frontier.super_efficiency(panel, **PLANS),
        "directional_distance": frontier.directional_distance(
            panel, bads=["emissions"], **PLANS
        ),
        "malmquist_luenberger": frontier.malmquist_luenberger(
            panel, bads=["emissions"], **PLANS
        ),
        "bootstrap_malmquist": frontier.bootstrap_malmquist(
            panel, seed=3, replications=40, **PLANS
        ),
    }


def test_every_result_says_how_it_was_made_after_sorting_and_filtering(results):
    for name, result in results.items():
        rows = result[result["year"] == 2012].sort_values("city", ascending=False)
        for frame in (result, rows, result.copy(), pickle.loads(pickle.dumps(result))):
            assert isinstance(frame, frontier.FrontierResult), name
            assert frame.options["estimator"] == name
            assert frame.options["inputs"] == ["capital", "labour"]
            text = frame.summary()
            assert text.startswith(name) and "2012" in text
            assert frame.plot().axes[0].lines
        told = rows.to_latex(caption="Means", label="tab:m")
        assert told.startswith(r"\begin{table}") and r"\label{tab:m}" in told
        file = io.StringIO()
        rows.to_latex(file, caption="Means", label="tab:m")
        assert file.getvalue() == told
        other = "distance" if name == "malmquist" else "malmquist"
        both = pd.concat([result, results[other].head(3)])
        with pytest.raises(EstimationError, match="no longer says"):
            both.summary()


def test_means_are_those_of_the_rows_that_are_there(results):
    result = results["malmquist"]
    some = result[result["city"] < "c10"]
    shown = some.means().set_index("year")["tfpch"]
    plain = np.exp(np.log(some["tfpch"]).groupby(some["year"]).mean())
    np.testing.assert_allclose(shown, plain)


def test_what_is_left_out_is_a_frame(results):
    dropped = results["malmquist"].dropped
    assert dropped["city"].unique().tolist() == ["c03"]
    assert dropped["reason"].str.contains("not observed in 2011").all()
    assert "left out: 2 rows" in results["malmquist"].summary()


def test_intervals_follow_their_rows_and_level(results):
    result = results["bootstrap_malmquist"]
    rows = result.sample(frac=0.3, random_state=1)
    found = rows.confint()
    assert list(found) == ["city", "year", "effch_lower", "effch_upper"]
    for name in ("effch_lower", "effch_upper"):
        np.testing.assert_array_equal(found[name], rows[name])
    narrow = rows.confint(0.5)
    assert (narrow["effch_upper"] < found["effch_upper"]).all()
    with pytest.raises(OptionError, match="between 0 and 1"):
        rows.confint(95)
    changed = rows.copy()
    changed["effch"] *= 2
    with pytest.raises(EstimationError, match="no longer says"):
        changed.confint()
    for name in ("malmquist", "distance"):
        with pytest.raises(EstimationError, match=rf"{name} gives no draws"):
            results[name].confint()


def test_means_of_groups_by_hand(results):
    result = results["bootstrap_malmquist"]
    assert "c03" not in set(result["city"])
    groups = {city: "ab"[city > "c20"] for city in result["city"].unique()}
    found = frontier.mean_changes(result, groups)
    now = found[(found["year"] == 2012) & (found["index"] == "tfpch")]
    assert now["group"].tolist() == ["a", "b", "a - b"]
    others = found[found["index"] != "tfpch"]
    assert others[["lower", "upper"]].isna().all(axis=None)
    assert (others["frontier_error"] > 0).all()
    here = (result["year"] == 2012).to_numpy()
    logs = np.log(result["tfpch"].to_numpy()[here])
    first = result["city"].map(groups).to_numpy()[here] == "a"
    errors = result.attrs["errors"]["errors"][:, 0][:, here]
    each = result["tfpch_error"].to_numpy()[here]
    np.testing.assert_allclose(each, np.sqrt((errors**2).mean(axis=0)))
    row = now.iloc[0]
    assert row["mean"] == pytest.approx(np.exp(logs[first].mean()))
    drawn = errors[:, first].mean(axis=1)
    assert row["frontier_error"] == pytest.approx(np.sqrt((drawn**2).mean()))
    n = first.sum()
    error = np.sqrt(logs[first].var(ddof=1) / n + (drawn**2).mean())
    from scipy import stats

    half = stats.t.ppf(0.975, n - 1) * error
    assert row["upper"] == pytest.approx(np.exp(logs[first].mean() + half))
    difference = now.iloc[2]
    welch = stats.ttest_ind(logs[first], logs[~first], equal_var=False)
    drawn = errors[:, first].mean(axis=1) - errors[:, ~first].mean(axis=1)
    ratio = logs[first].mean() - logs[~first].mean()
    error = np.hypot(ratio / welch.statistic, np.sqrt((drawn**2).mean()))
    half = stats.t.ppf(0.975, welch.df) * error
    assert difference["mean"] == pytest.approx(np.exp(ratio))
    assert difference["lower"] == pytest.approx(np.exp(ratio - half))
    one = frontier.mean_changes(result, {"c01": "alone"})
    assert one["lower"].isna().all() and one["mean"].notna().all()
    part = frontier.mean_changes(result[result["year"] == 2012], groups)
    pd.testing.assert_frame_equal(
        part, found[found["year"] == 2012].reset_index(drop=True)
    )


def test_a_frontier_of_one_plan_has_one_corner():
    panel = zones().query("year < 2012 and city in ['c01', 'c02', 'c03']")
    panel = panel.assign(capital=1.0, labour=1.0)
    found = frontier.bootstrap_malmquist(panel, seed=1, replications=10, **PLANS)
    assert np.isfinite(found["effch_lower"]).all()


@pytest.mark.parametrize("returns", ["crs", "vrs"])
@pytest.mark.parametrize("decomposition", ["fgnz", "bias"])
def test_without_scale_the_other_columns_stay(panel, returns, decomposition):
    options = {**PLANS, "returns_to_scale": returns, "decomposition": decomposition}
    whole = frontier.malmquist(panel, **options)
    part = frontier.malmquist(panel, scale=False, **options)
    assert {*whole.columns} - {*part.columns} == {"pech", "sech"}
    kept = [name for name in part.columns if name != "reason"]
    pd.testing.assert_frame_equal(whole[kept], part[kept], check_exact=True)
    solved = [x.attrs["certificate"]["programmes"] for x in (whole, part)]
    assert solved[1] < solved[0] or returns == "vrs"
