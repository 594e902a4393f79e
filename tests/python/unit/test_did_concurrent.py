"""Other policies at the same time: known truth, and each adjustment by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import STAGGERED, random_panel

from citypanel import did
from citypanel.errors import CityPanelError, OptionError, PanelError

OWN = dict(outcome="y", cohort="g", unit="i", period="t")


def simulate(seed=0, n=80, years=10, noise=0.0, added=0.0):
    rng = np.random.default_rng(seed)
    g = np.where(rng.random(n) < 0.4, rng.choice([5, 7], n), np.nan)
    # The other policy falls on half of the treated and a fifth of the rest.
    share = np.where(np.isnan(g), 0.2, 0.5)
    p = np.where(rng.random(n) < share, rng.choice([4, 6], n), np.nan)
    q = np.where(rng.random(n) < 0.2, 6, np.nan)
    frame = pd.DataFrame(
        [(i, t, g[i], p[i], q[i]) for i in range(n) for t in range(years)],
        columns=["i", "t", "g", "p", "q"],
    )
    d, e, f = (frame["t"] >= frame[c] for c in "gpq")
    frame["y"] = (
        frame["i"] % 9
        + 0.2 * frame["t"] ** 2
        + 2.0 * d
        + 1.5 * e
        - 0.7 * f
        + added * (d & (e | f))
        + noise * rng.normal(size=len(frame))
    )
    return frame.assign(d=d * 1.0, e=e * 1.0, f=f * 1.0)


def line(table, policy, aggregation, estimator="twfe", term="overall"):
    found = table[
        (table["policy"] == policy)
        & (table["aggregation"] == aggregation)
        & (table["estimator"] == estimator)
        & (table["term"] == term)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_the_truth_without_noise():
    frame = simulate()
    table = did.concurrent_policies(frame, policies=["p", "q"], **OWN)
    assert list(dict.fromkeys(table["policy"])) == ["p", "q", "all"]
    for estimator in ("twfe", "imputation"):
        assert abs(line(table, "all", "headline", estimator)["estimate"] - 2) > 0.05
        for name in ("without_units", "exposure_controlled"):
            found = line(table, "all", name, estimator)
            assert found["estimate"] == pytest.approx(2.0, abs=1e-8), (estimator, name)
    # Accounting for one of two is not enough.
    assert abs(line(table, "p", "exposure_controlled")["estimate"] - 2) > 1e-3


def test_the_interaction_is_what_the_other_policy_adds():
    frame = simulate(added=0.6)
    table = did.concurrent_policies(frame, policies=["p"], **OWN)
    assert list(dict.fromkeys(table["policy"])) == ["p"]
    frame["y"] += 0.7 * frame["f"] - 0.6 * (frame["d"] * frame["f"] * (1 - frame["e"]))
    table = did.concurrent_policies(frame, policies="p", **OWN)
    for term, want in (("overall", 2.0), ("added", 0.6), ("other_policy", 1.5)):
        found = line(table, "p", "interacted", term=term)
        assert found["estimate"] == pytest.approx(want, abs=1e-8)


def test_each_adjustment_is_the_estimator_by_hand():
    frame = simulate(3, noise=0.6)
    table = did.concurrent_policies(frame, policies=["p", "q"], before=2, **OWN)
    keys = dict(outcome="y", unit="i", period="t")
    exposed = did.twfe(
        frame, treatment="d", controls=["e", "f"], engine="closed_form", **keys
    )
    found = line(table, "all", "exposure_controlled")
    for column in ("estimate", "std_error", "p_value"):
        assert found[column] == pytest.approx(exposed[column].iloc[0])
    out = frame[frame["p"].isna() & frame["q"].isna()]
    own = did.imputation(out, **OWN).iloc[0]
    found = line(table, "all", "without_units", "imputation")
    assert found["std_error"] == pytest.approx(own["std_error"])
    clean = frame[frame["g"].notna() | ((frame["e"] + frame["f"]) == 0)]
    own = did.stacked(clean, before=2, control_group="never", **OWN).iloc[0]
    found = line(table, "all", "stacked_clean", "stacked")
    assert found["estimate"] == pytest.approx(own["estimate"])
    assert found["std_error"] == pytest.approx(own["std_error"])


def test_overlap_counts_units():
    frame = simulate(1)
    table = did.concurrent_policies(frame, policies=["p"], **OWN)
    units = frame.drop_duplicates("i")
    counts = table[table["aggregation"] == "overlap"].set_index("term")["n_units"]
    both = units["g"].notna() & units["p"].notna()
    assert counts["both"] == both.sum()
    assert counts["other_only"] == (units["p"].notna() & units["g"].isna()).sum()
    assert counts.sum() == len(units)


def test_what_cannot_be_used_is_named():
    frame = simulate(1)
    with pytest.raises(OptionError, match="No other policy"):
        did.concurrent_policies(frame, policies=[], **OWN)
    frame.loc[3, "p"] = 8
    with pytest.raises(PanelError, match="varies within"):
        did.concurrent_policies(frame, policies=["p"], **OWN)


def test_everyone_under_the_other_policy_is_null_with_a_note():
    frame = simulate(1).assign(p=4)
    table = did.concurrent_policies(frame, policies=["p"], **OWN)
    found = line(table, "p", "without_units")
    assert pd.isna(found["estimate"]) and isinstance(found["note"], str)


@pytest.mark.parametrize("seed", range(40))
def test_any_panel(seed):
    case = random_panel(seed)
    rng = np.random.default_rng(seed)
    frame = case.frame.copy()
    first = rng.choice(np.array([*frame["t"].unique(), np.nan]), 200)
    frame["other"] = first[frame["unit_number"]]
    try:
        table = did.concurrent_policies(frame, policies=["other"], **STAGGERED)
    except CityPanelError:
        return
    effects = table[table["aggregation"] != "overlap"]
    lost = effects["estimate"].isna()
    assert effects.loc[lost, "note"].notna().all()
    if case.effect == "constant":
        shown = effects[~lost & (effects["term"] == "overall")]
        np.testing.assert_allclose(shown["estimate"], 1.0, atol=1e-6)
