"""Entropy balancing and learned nuisances: truth, first-order conditions, peers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import STAGGERED, random_panel

from citypanel import did
from citypanel.did.adjusted import NOTE_APART, balance
from citypanel.did.propensity_scores import moment_covariance
from citypanel.errors import CityPanelError, EstimationError, OptionError

OWN = dict(outcome="y", cohort="g", unit="i", period="t")


class Line:
    def fit(self, x, y, sample_weight=None):
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        z = np.column_stack([np.ones(len(x)), x])
        self.b = np.linalg.lstsq(np.sqrt(w)[:, None] * z, np.sqrt(w) * y, rcond=None)[0]
        return self

    def predict(self, x):
        return np.column_stack([np.ones(len(x)), x]) @ self.b


class Logit:
    def fit(self, x, d, sample_weight=None):
        w = np.ones(len(d)) if sample_weight is None else sample_weight
        z = np.column_stack([np.ones(len(x)), x])
        self.b = np.zeros(z.shape[1])
        for _ in range(50):
            p = 1 / (1 + np.exp(-z @ self.b))
            h = (w * p * (1 - p))[:, None] * z
            self.b += np.linalg.solve(
                h.T @ z + 1e-8 * np.eye(len(self.b)), z.T @ (w * (d - p))
            )
        return self

    def predict_proba(self, x):
        p = 1 / (1 + np.exp(-np.column_stack([np.ones(len(x)), x]) @ self.b))
        return np.column_stack([1 - p, p])


def simulate(seed=0, n=200, years=6, noise=1.0, curved=0.0, effect=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    p = 1 / (1 + np.exp(-(x[:, 0] - 0.5 * x[:, 1] - 0.5)))
    g = np.where(rng.random(n) < p, rng.choice([3, 4], n), np.nan)
    i, t = (v.ravel() for v in np.indices((n, years)))
    frame = pd.DataFrame({"i": i, "t": t, "g": g[i], "a": x[i, 0], "b": x[i, 1]})
    trend = x[:, 0] + 0.3 * x[:, 1] + curved * x[:, 0] ** 2
    frame["y"] = i % 5 + trend[i] * t + effect * (t >= g[i])
    frame["y"] += noise * rng.normal(size=len(frame))
    frame["w"] = rng.uniform(0.5, 2, n)[i]
    return frame


def test_the_truth_without_noise():
    frame = simulate(noise=0.0)
    for fit in (
        did.entropy_balancing(frame, controls=["a", "b"], **OWN),
        did.machine_learning_did(
            frame,
            controls=["a", "b"],
            outcome_learner=Line(),
            score_learner=Logit(),
            **OWN,
        ),
    ):
        shown = fit[fit["aggregation"].isin(["simple", "group", "group_time"])]
        late = shown["event_time"].isna() | (shown["event_time"].astype(float) >= 0)
        np.testing.assert_allclose(shown.loc[late, "estimate"], 1.0, atol=1e-5)
        np.testing.assert_allclose(shown.loc[~late, "estimate"], 0.0, atol=1e-5)


def test_weights_are_the_nearest_that_balance():
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(60, 3)), rng.normal(0.4, 1, size=(20, 3))
    q = rng.uniform(1, 2, 60)
    q /= q.sum()
    w = balance(x, target, np.full(20, 0.05), q)
    np.testing.assert_allclose(w @ x, target.mean(axis=0), atol=1e-7)
    assert w.sum() == pytest.approx(1)
    # log w/q is linear in x: the first-order condition of least relative entropy.
    z = np.column_stack([np.ones(60), x])
    left = np.log(w / q) - z @ np.linalg.lstsq(z, np.log(w / q), rcond=None)[0]
    np.testing.assert_allclose(left, 0, atol=1e-7)
    assert balance(x, target + 10, np.full(20, 0.05), q) is None


def test_the_moments_covariance_is_theirs():
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(50), rng.normal(size=50)])
    q = rng.uniform(0.5, 1.5, 50)
    p = 1 / (1 + np.exp(-x @ [-0.5, 0.8]))
    d = rng.random((40_000, 50)) < p
    share = q.sum() / (q @ p)
    gap = np.sqrt(q) * (d - p)
    moments = np.hstack([gap @ x, (share * gap / (1 - p)) @ x]) / np.sqrt(q.sum())
    np.testing.assert_allclose(
        moment_covariance(p, x, q, share),
        moments.T @ moments / len(d),
        rtol=0.02,
        atol=0.01,
    )


def test_a_score_balances_as_near_as_it_says_and_adds_up_to_the_effect():
    frame = simulate(6)
    fit = did.covariate_balancing(frame, controls=["a", "b"], weights="w", **OWN)
    scores = fit.attrs["scores"]["rows"]
    first = scores[(scores["cohort"] == 3) & (scores["period"] == scores["period"][0])]
    wide = frame.pivot(index="i", columns="t", values="y")
    change = (wide[3] - wide[2]).loc[first["unit"]].to_numpy()
    share, own = first["weight"].to_numpy(), first["treated"].to_numpy(bool)
    cells = fit[fit["aggregation"] == "group_time"].set_index(["cohort", "period"])
    want = share[own] @ change[own] - share[~own] @ change[~own]
    assert cells.loc[(3, 3), "estimate"] == pytest.approx(want)
    w = frame.drop_duplicates("i").set_index("i")["w"].loc[first["unit"]].to_numpy()
    odds = w * first["probability"] / (1 - first["probability"])
    np.testing.assert_allclose(share[~own], odds[~own] / odds[~own].sum())
    table = fit.attrs["balance"]["rows"]
    assert (table["after"].abs() < 0.5 * table["before"].abs()).all()
    assert fit.attrs["overlap"]["rows"]["p_value"].between(0, 1).all()


def test_entropys_odds_are_those_of_the_logit_that_balances_exactly():
    frame = simulate(7)
    fit = did.entropy_balancing(frame, controls=["a", "b"], **OWN)
    scores = fit.attrs["scores"]["rows"]
    first = scores[scores["cohort"] == 3].groupby("unit").first().reset_index()
    x = frame.drop_duplicates("i").set_index("i")[["a", "b"]].loc[first["unit"]]
    p = first["probability"].to_numpy()
    gap = (first["treated"] - p) / (1 - p)
    np.testing.assert_allclose(gap @ x.to_numpy(), 0, atol=1e-5)
    assert gap.sum() == pytest.approx(0, abs=1e-5)


def test_errors_of_scores_are_near_the_derivative_by_a_units_weight():
    frame = simulate(9, n=100)
    frame = frame[frame["t"].between(2, 3)].copy()
    frame["g"] = frame["g"].where(frame["g"].isna(), 3)
    options = dict(controls=["a", "b"], weights="v", **OWN)

    def at(unit, step):
        moved = frame.assign(v=1 + step * (frame["i"] == unit))
        return did.covariate_balancing(moved, **options).loc[0, "estimate"]

    parts = np.array([(at(u, 1e-4) - at(u, -1e-4)) / 2e-4 for u in range(100)])
    own = frame.drop_duplicates("i")["g"].notna().to_numpy()
    for side in (own, ~own):
        parts[side] *= np.sqrt(side.sum() / (side.sum() - 1))
    # Errors hold the weight of the moments and their slope, which the units move too.
    fit = did.covariate_balancing(frame, controls=["a", "b"], **OWN)
    assert fit.loc[0, "std_error"] == pytest.approx(np.sqrt(parts @ parts), rel=0.05)


def test_a_cohort_apart_has_no_score():
    frame = simulate(9)
    frame["a"] += 50 * frame["g"].eq(3)
    fit = did.covariate_balancing(frame, controls=["a"], **OWN)
    rows = fit[(fit["aggregation"] == "group_time") & (fit["cohort"] == 3)]
    assert rows["estimate"].isna().all()
    assert rows["note"].str.contains(NOTE_APART).all()
    assert fit[fit["cohort"] == 4]["estimate"].notna().any()


def test_overlap_is_drawn():
    pytest.importorskip("matplotlib")
    fit = did.covariate_balancing(simulate(6), controls=["a", "b"], **OWN)
    figure = fit.plot_overlap()
    scores = fit.attrs["scores"]["rows"]
    assert len(figure.axes) == scores["cohort"].nunique()
    drawn = sum(len(c.get_offsets()) for ax in figure.axes for c in ax.collections)
    shown = scores.groupby("cohort")["period"].transform("first") == scores["period"]
    assert drawn == shown.sum()
    with pytest.raises(EstimationError, match="no scores"):
        did.imputation(simulate(6), **OWN).plot_overlap()


def test_weights_are_statspais():
    statspai = pytest.importorskip("statspai")
    rng = np.random.default_rng(2)
    x, target = rng.normal(size=(60, 2)), rng.normal(0.4, 1, size=(20, 2))
    ours = balance(x, target, np.full(20, 0.05), np.full(60, 1 / 60))
    frame = pd.DataFrame(np.vstack([target, x]), columns=["a", "b"])
    frame["d"] = np.repeat([1, 0], [20, 60])
    frame["y"] = rng.normal(size=80)
    peer = statspai.ebalance(frame, y="y", treat="d", covariates=["a", "b"])
    att = frame["y"][:20].mean() - ours @ frame["y"][20:]
    assert peer.estimate == pytest.approx(att, abs=1e-6)


@pytest.mark.parametrize("options", [{}, {"weights": "w"}])
def test_influence_is_the_derivative_by_a_units_weight(options):
    frame = simulate(3, n=60)
    frame = frame[frame["t"].between(2, 4)].copy()
    frame["g"] = frame["g"].where(frame["g"].isna(), 3)
    frame["v"] = frame["w"] if options else 1.0
    fit = did.entropy_balancing(frame, controls=["a", "b"], weights="v", **OWN)
    cell = fit[(fit["aggregation"] == "group_time") & (fit["period"] == 4)].iloc[0]

    def at(unit, step):
        moved = frame.assign(v=frame["v"] * (1 + step * (frame["i"] == unit)))
        again = did.entropy_balancing(moved, controls=["a", "b"], weights="v", **OWN)
        return again[(again["aggregation"] == "group_time") & (again["period"] == 4)][
            "estimate"
        ].iloc[0]

    parts = np.array([(at(u, 1e-5) - at(u, -1e-5)) / 2e-5 for u in range(60)])
    own = frame.drop_duplicates("i")["g"].notna().to_numpy()
    for side in (own, ~own):
        parts[side] *= np.sqrt(side.sum() / (side.sum() - 1))
    assert cell["std_error"] == pytest.approx(np.sqrt(parts @ parts), rel=1e-5)


def test_cross_fitting_by_hand():
    frame = simulate(4, n=80)
    frame["g"] = frame["g"].where(frame["g"].isna(), 3)
    fit = did.machine_learning_did(
        frame,
        controls=["a", "b"],
        outcome_learner=Line(),
        score_learner=Logit(),
        folds=3,
        seed=5,
        **OWN,
    )
    wide = frame.pivot(index="i", columns="t", values="y")
    x = frame.drop_duplicates("i")[["a", "b"]].to_numpy()
    d = frame.drop_duplicates("i")["g"].notna().to_numpy().astype(float)
    rng, fold = np.random.default_rng([5, 0]), np.empty(80, int)
    for side in (0, 1):
        places = rng.permutation(np.flatnonzero(d == side))
        fold[places] = np.arange(len(places)) % 3
    dy = (wide[5] - wide[2]).to_numpy()
    e, m = np.empty(80), np.empty(80)
    for k in range(3):
        rest, out = fold != k, fold == k
        e[out] = Logit().fit(x[rest], d[rest]).predict_proba(x[out])[:, 1]
        free = rest & (d == 0)
        m[out] = Line().fit(x[free], dy[free]).predict(x[out])
    e = np.clip(e, 0.01, 0.99)
    odds = (1 - d) * e / (1 - e)
    want = d @ (dy - m) / d.sum() - odds @ (dy - m) / odds.sum()
    cell = fit[(fit["aggregation"] == "group_time") & (fit["period"] == 5)]
    assert cell["estimate"].iloc[0] == pytest.approx(want, abs=1e-8)


@pytest.mark.slow
def test_forests_find_what_lines_do_not():
    pytest.importorskip("sklearn")
    frame = simulate(6, n=300, noise=0.3, curved=1.0)
    options = dict(controls=["a", "b"], **OWN)
    forest = did.machine_learning_did(frame, learner="forest", folds=2, **options)
    plain = did.group_time_att(frame, **OWN)
    plain = did.aggregate_att(plain, "simple")
    assert abs(forest["estimate"].iloc[0] - 1) < 0.5
    assert abs(plain["estimate"].iloc[0] - 1) > 1.0
    lasso = did.machine_learning_did(simulate(7), learner="lasso", folds=2, **options)
    assert abs(lasso["estimate"].iloc[0] - 1) < 0.6


def test_repetitions_take_the_median():
    frame = simulate(8, n=80)
    frame["g"] = frame["g"].where(frame["g"].isna(), 3)
    options = dict(
        controls=["a", "b"], outcome_learner=Line(), score_learner=Logit(), **OWN
    )
    one = did.machine_learning_did(frame, repetitions=1, **options)
    many = did.machine_learning_did(frame, repetitions=5, **options)
    assert many["std_error"].iloc[0] > 0
    assert many["estimate"].iloc[0] != one["estimate"].iloc[0]


@pytest.mark.slow
def test_size():
    wrong = np.zeros(2)
    for seed in range(150):
        frame = simulate(seed, n=120, effect=0.0)
        for j, fit in enumerate(
            (
                did.entropy_balancing(frame, controls=["a", "b"], **OWN),
                did.machine_learning_did(
                    frame,
                    controls=["a", "b"],
                    outcome_learner=Line(),
                    score_learner=Logit(),
                    **OWN,
                ),
            )
        ):
            wrong[j] += fit["p_value"].iloc[0] < 0.05
    # 150 panels: a rate of 5 has a simulation error of 1.8.
    assert (wrong / 150 < 0.12).all(), wrong


def test_a_cohort_out_of_reach_is_null_with_a_note():
    frame = simulate(9, n=60)
    frame["a"] += 50.0 * (frame["g"] == 4)
    fit = did.entropy_balancing(frame, controls=["a", "b"], **OWN)
    lost = fit[(fit["aggregation"] == "group") & (fit["cohort"] == 4)].iloc[0]
    assert pd.isna(lost["estimate"]) and "reach" in lost["note"]
    assert fit["estimate"].notna().iloc[0]
    overlap = fit.attrs["overlap"]["rows"]
    assert (overlap["effective_controls"] <= overlap["controls"]).all()
    after = fit.attrs["balance"]["rows"]["after"]
    np.testing.assert_allclose(after, 0, atol=1e-6)
    with pytest.raises(EstimationError, match="No cohort has an effect"):
        far = frame.assign(a=frame["a"] + 50 * (frame["g"] == 3))
        did.entropy_balancing(far, controls=["a"], control_group="never", **OWN)


def test_what_cannot_be_used_is_named(monkeypatch):
    frame = simulate(1, n=40)
    with pytest.raises(OptionError, match="No covariates"):
        did.entropy_balancing(frame, **OWN)
    with pytest.raises(OptionError, match="folds"):
        did.machine_learning_did(frame, controls=["a"], folds=1, **OWN)
    import sys

    for name in ("sklearn", "sklearn.ensemble", "sklearn.linear_model"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OptionError, match=r"citypanel\[learners\]"):
        did.machine_learning_did(frame, controls=["a"], **OWN)


@pytest.mark.parametrize("seed", range(40))
def test_any_panel(seed):
    case = random_panel(seed)
    frame = case.frame.assign(
        x=np.random.default_rng(seed).normal(size=200)[case.frame["unit_number"]]
    )
    for name, more in (
        ("entropy_balancing", {}),
        (
            "machine_learning_did",
            dict(outcome_learner=Line(), score_learner=Logit(), folds=2),
        ),
    ):
        try:
            fit = getattr(did, name)(frame, controls=["x"], **STAGGERED, **more)
        except CityPanelError:
            continue
        effects = fit[fit["aggregation"] != "test"]
        lost = effects["estimate"].isna()
        assert effects.loc[lost, "note"].notna().all()
        if case.effect == "constant":
            late = effects["event_time"].isna() | (
                effects["event_time"].astype(float) >= 0
            )
            shown = effects[~lost & late]
            np.testing.assert_allclose(shown["estimate"], 1.0, atol=1e-6)
