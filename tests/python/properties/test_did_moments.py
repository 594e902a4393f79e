"""Estimates from moments against those from rows, on panels of every shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import (
    ESTIMATORS,
    KEYS,
    STAGGERED,
    group_time,
    random_panel,
)

from citypanel import did
from citypanel.did import moments
from citypanel.did.covariances import CONVENTIONS
from citypanel.errors import CityPanelError

NAMES = sorted(set(ESTIMATORS) - {"synthetic_did", "group_time_att repeated"})
PANELS = 40
ROUNDING = 1e-5
NUMBERS = (
    "estimate", "std_error", "statistic", "df", "conf_low", "conf_high", "p_value",
)  # fmt: skip


def both(function, frame, **options):
    """The result or the error, from rows and from moments."""
    found = []
    for way in ("never", "always"):
        with moments.way(way):
            try:
                found.append(function(frame, **options))
            except CityPanelError as error:
                found.append(error)
    return found


def assert_same(rows, sums, tolerance=1e-9):
    if isinstance(rows, CityPanelError) or isinstance(sums, CityPanelError):
        assert type(rows) is type(sums), (rows, sums)
        assert str(rows) == str(sums)
        return
    assert list(rows.columns) == list(sums.columns)
    # Where outcomes have no spread an error is rounding, and so is what follows.
    error = rows["std_error"].to_numpy(float)
    if (error < ROUNDING).any():
        rows, sums = (fit[fit["term"] != "const"] for fit in (rows, sums))
        error = rows["std_error"].to_numpy(float)
    test = rows["aggregation"].eq("test").to_numpy()
    sure = ~(error < ROUNDING) & ~test
    for column in rows.columns:
        a, b = rows[column], sums[column]
        if column in NUMBERS or a.dtype.kind == "f":
            a, b = a.to_numpy(float), b.to_numpy(float)
            if column == "std_error":
                a, b = np.where(a < ROUNDING, 0.0, a), np.where(b < ROUNDING, 0.0, b)
            elif column != "estimate":
                a, b = a[sure], b[sure]
            np.testing.assert_allclose(b, a, tolerance, tolerance, err_msg=column)
        else:
            left, right = a.astype(str), b.astype(str)
            if column == "note" and (error < ROUNDING).any():
                left, right = left[~test], right[~test]
            assert left.tolist() == right.tolist(), column
    assert set(rows.attrs) == set(sums.attrs)
    if "dropped" in rows.attrs:
        pd.testing.assert_frame_equal(
            rows.attrs["dropped"]["rows"], sums.attrs["dropped"]["rows"]
        )


OPTIONS = [{}, {"weights": "w"}, {"cluster": "c"}, {"weights": "w", "cluster": "c"}]


QUICK = pytest.param(6, id="quick")
FULL = pytest.param(150, id="full", marks=pytest.mark.slow)


@pytest.mark.parametrize("count", [QUICK, FULL])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
@pytest.mark.parametrize("name", NAMES)
def test_moments_give_what_rows_give(name, options, count):
    if name == "bacon_decomposition" and "cluster" in options:
        pytest.skip("no clustering")
    first = 1000 * OPTIONS.index(options) + 10 * NAMES.index(name)
    for seed in range(first, first + count):
        case = random_panel(seed, noise=0.0 if seed % 3 == 0 else 1.0)
        assert_same(*both(ESTIMATORS[name], case.frame, **options))


TWFE = dict(treatment="d", engine="closed_form", **KEYS)
EVENTS = dict(engine="closed_form", **STAGGERED)
VARIANTS = {
    **{
        f"twfe {name}": lambda f, name=name, **o: did.twfe(
            f, standard_errors=name, **(TWFE | dict(engine="linearmodels")), **o
        )
        for name in CONVENTIONS
    },
    **{
        f"event study {name}": lambda f, name=name, **o: did.event_study(
            f, standard_errors=name, **EVENTS, **o
        )
        for name in CONVENTIONS
        if name != "linearmodels"
    },
    "twfe fixest": lambda f, **o: did.twfe(
        f, standard_errors="fixest", small_sample={"K.fixef": "full"}, **TWFE, **o
    ),
    "twfe unit effects": lambda f, **o: did.twfe(f, effects="unit", **TWFE, **o),
    "twfe unit effects, linearmodels": lambda f, **o: did.twfe(
        f,
        effects="unit",
        standard_errors="linearmodels",
        **(TWFE | dict(engine="linearmodels")),
        **o,
    ),
    "twfe pooled": lambda f, **o: did.twfe(f, effects="none", **TWFE, **o),
    "twfe without single units": lambda f, **o: did.twfe(
        f, without_single_units=True, **TWFE, **o
    ),
    "event study in bins": lambda f, **o: did.event_study(
        f.assign(g=f["gp"].where(f["gp"] < 10**6), t=f["p"]),
        bin_before=-3,
        bin_after=1,
        **EVENTS,
        **o,
    ),
    "sun_abraham full": lambda f, **o: did.sun_abraham(
        f, standard_errors="full", **STAGGERED, **o
    ),
    "imputation with two leads": lambda f, **o: did.imputation(
        f.assign(g=f["gp"].where(f["gp"] < 10**6), t=f["p"]),
        leads=2,
        **STAGGERED,
        **o,
    ),
    "stacked unweighted": lambda f, **o: did.stacked(
        f, before=2, after=1, weighting="none", control_group="never", **STAGGERED, **o
    ),
    "stacked full": lambda f, **o: did.stacked(
        f,
        before=1,
        after=0,
        standard_errors="full",
        experiment_effects=False,
        weighting="none",
        **STAGGERED,
        **o,
    ),
    "switchers, two": lambda f, **o: did.switchers(
        f, effects=2, placebos=1, **STAGGERED, **o
    ),
    "group_time with errors of single units": lambda f, **o: group_time(
        f, single_unit_std_error=True, **STAGGERED, **o
    ),
    "jackknife": lambda f, **o: did.jackknife(f, treatment="d", **KEYS, **o),
}


@pytest.mark.parametrize("count", [pytest.param(3, id="quick"), FULL])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_moments_give_what_rows_give_under_every_option(name, weights, count):
    options = {} if weights is None else {"weights": weights}
    first = 10 * sorted(VARIANTS).index(name)
    for seed in range(first, first + count):
        case = random_panel(seed, noise=1.0)
        rows, sums = both(VARIANTS[name], case.frame, **options)
        assert_same(rows, sums, 1e-8 if "CR" in name else 1e-9)


def large(n, level=1.0, t=8, seed=1):
    """Units of three cohorts, with levels of a size."""
    rng = np.random.default_rng(seed)
    cohort = rng.choice([np.nan, 2004, 2006], n)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), t),
            "t": np.tile(np.arange(2001, 2001 + t), n),
            "g": np.repeat(cohort, t),
            "w": np.repeat(rng.uniform(0.5, 2, n), t),
            "c": np.repeat(rng.integers(0, 40, n), t),
        }
    )
    frame["d"] = (frame["t"] >= frame["g"]).astype(float)
    level = np.repeat(level * rng.normal(size=n), t)
    return frame.assign(y=level + rng.normal(size=n * t) * (1 + frame["d"]))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
@pytest.mark.parametrize("name", NAMES)
def test_large_levels_cost_no_digits(name, options):
    if name == "bacon_decomposition" and "cluster" in options:
        pytest.skip("no clustering")
    with moments.way("always"):
        fits = [ESTIMATORS[name](large(600, size), **options) for size in (0.0, 1e6)]
    fits = [fit[fit["term"] != "const"] for fit in fits]
    assert_same(*(fit.drop(columns="r2_within", errors="ignore") for fit in fits), 1e-7)


def other_shape(frame, seed=2):
    """Outcomes with the counts, means and covariances of each cohort, but skewed."""
    rng = np.random.default_rng(seed)
    parts = []
    for _, part in frame.groupby(frame["g"].fillna(0)):
        y = part["y"].to_numpy().reshape(-1, part["t"].nunique())
        new = rng.exponential(size=y.shape)

        def net(values):
            values = values - values.mean(axis=0)
            return values, np.linalg.cholesky(values.T @ values)

        (_, root), (new, own) = net(y), net(new)
        moved = new @ np.linalg.inv(own).T @ root.T + y.mean(axis=0)
        parts.append(part.assign(y=moved.ravel()))
    return pd.concat(parts)


@pytest.mark.parametrize("way", ["never", "always"])
@pytest.mark.parametrize("name", NAMES)
def test_higher_moments_change_nothing(name, way):
    frame = large(300)
    with moments.way(way):
        fits = [ESTIMATORS[name](f) for f in (frame, other_shape(frame))]
    assert_same(*fits, 1e-7)


def test_large_panels_take_moments_by_themselves():
    frame = large(3_000)
    panel = did.panels.prepare(frame, **STAGGERED)
    assert isinstance(moments.condense(panel), moments.MomentPanel)
    assert moments.condense(did.panels.prepare(frame[:800], **STAGGERED)).frame.shape
    changing = frame.assign(w=np.linspace(1, 2, len(frame)))
    for options in ({"weights": "w"}, {"controls": ["w"]}):
        panel = did.panels.prepare(changing, **STAGGERED, **options)
        assert moments.condense(panel) is panel


@pytest.mark.parametrize("kind", ["simple", "group", "dynamic", "calendar"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_influence_is_expanded_on_request(kind, weights):
    options = {} if weights is None else {"weights": weights}
    rows, sums = both(
        did.group_time_att,
        large(300).drop(index=5),
        base_period="universal",
        **STAGGERED,
        **options,
    )
    for found in (lambda fit: fit, lambda fit: did.aggregate_att(fit, kind)):
        a, b = (found(fit).attrs["influence"] for fit in (rows, sums))
        for name in ("matrix", "start", "weights", "clusters"):
            np.testing.assert_allclose(b[name], a[name], rtol=1e-6, atol=1e-6)
    some = [
        did.aggregate_att(
            fit[fit["cohort"] == 2004].sort_values("p_value"), kind, uniform_band=True
        )
        for fit in (rows, sums)
    ]
    assert_same(*some, 1e-6)
