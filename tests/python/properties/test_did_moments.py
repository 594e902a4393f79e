"""Estimates from moments against those from rows, on panels of every shape."""

from __future__ import annotations

import duckdb
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
from citypanel.did import frisch_waugh, randomisation, relations
from citypanel.did.covariances import CONVENTIONS
from citypanel.did.moments import MomentPanel, condense, way
from citypanel.errors import CityPanelError, PanelError

NAMES = sorted(set(ESTIMATORS) - {"synthetic_did", "group_time_att repeated"})
PANELS = 40
ROUNDING = 1e-5
ROUNDED = "rounding of the outcome"
NUMBERS = (
    "estimate", "std_error", "statistic", "df", "conf_low", "conf_high", "p_value",
)  # fmt: skip


def both(function, frame, **options):
    """The result or the error, from rows and from moments."""
    found = []
    for name in ("never", "always"):
        with way(name):
            try:
                found.append(function(frame, **options))
            except CityPanelError as error:
                found.append(error)
    return found


def assert_same(rows, sums, tolerance=1e-10):
    if isinstance(rows, CityPanelError) or isinstance(sums, CityPanelError):
        assert type(rows) is type(sums), (rows, sums)
        assert str(rows) == str(sums)
        return
    assert list(rows.columns) == list(sums.columns)
    # Without spread an error is rounding, and so is what follows from it.
    errors = [fit["std_error"].to_numpy(float) for fit in (rows, sums)]
    exact = any(
        (error < ROUNDING).any() or fit["note"].str.contains(ROUNDED).any()
        for error, fit in zip(errors, (rows, sums), strict=True)
    )
    if exact:
        rows, sums = (fit[fit["term"] != "const"] for fit in (rows, sums))
        errors = [fit["std_error"].to_numpy(float) for fit in (rows, sums)]
    test = rows["aggregation"].eq("test").to_numpy()
    sure = (errors[0] >= ROUNDING) & ~test if exact else ~test
    for column in rows.columns:
        a, b = rows[column], sums[column]
        if column in NUMBERS or a.dtype.kind == "f":
            a, b = a.to_numpy(float), b.to_numpy(float)
            if column == "std_error":
                if exact:
                    a, b = (np.where(error >= ROUNDING, error, 0.0) for error in errors)
            elif column != "estimate":
                a, b = a[sure], b[sure]
            np.testing.assert_allclose(b, a, tolerance, tolerance, err_msg=column)
        else:
            left, right = a.astype(str).fillna(""), b.astype(str).fillna("")
            if column == "note" and exact:
                left, right = left[sure], right[sure]
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
        assert_same(rows, sums, 1e-9 if "CR" in name else 1e-10)


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
    with way("always"):
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


@pytest.mark.parametrize("chosen", ["never", "always"])
@pytest.mark.parametrize("name", NAMES)
def test_higher_moments_change_nothing(name, chosen):
    frame = large(300)
    with way(chosen):
        fits = [ESTIMATORS[name](f) for f in (frame, other_shape(frame))]
    assert_same(*fits, 1e-7)


def test_large_panels_take_moments_by_themselves():
    frame = large(3_000)
    panel = did.panels.prepare(frame, **STAGGERED)
    assert isinstance(condense(panel), MomentPanel)
    assert condense(did.panels.prepare(frame[:800], **STAGGERED)).frame.shape
    changing = frame.assign(w=np.linspace(1, 2, len(frame)))
    for options in ({"weights": "w"}, {"controls": ["w"]}):
        panel = did.panels.prepare(changing, **STAGGERED, **options)
        assert condense(panel) is panel


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


FROM_SUMS = {
    "twfe": lambda p: did.twfe(
        p, **{k: v for k, v in TWFE.items() if k != "engine"}, standard_errors="HC1"
    ),
    "event_study": did.event_study,
    "group_time_att": lambda p: pd.concat(
        [
            did.group_time_att(p, panel="unbalanced", control_group="not_yet"),
            did.aggregate_att(
                did.group_time_att(p, base_period="universal"), "dynamic"
            ),
        ]
    ),
    "sun_abraham": did.sun_abraham,
    "imputation": did.imputation,
    "two_stage": did.two_stage,
    "etwfe": did.etwfe,
    "stacked": lambda p: did.stacked(p, before=1, after=1),
    "switchers": did.switchers,
}


def read_in_parts(frame, tmp_path, monkeypatch, *, part=4, **columns):
    """The moments of a frame, of its relation and of its Parquet file."""
    monkeypatch.setattr(relations, "PART", part)
    path = tmp_path / "panel.parquet"
    with duckdb.connect() as connection:
        connection.from_df(frame).write_parquet(str(path))
        for panel in (frame, connection.from_df(frame), path, str(path)):
            yield did.moments(panel, **columns)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
def test_a_relation_gives_what_a_frame_gives(options, tmp_path, monkeypatch):
    for seed in range(8):
        case = random_panel(seed, noise=1.0)
        frame = case.frame.assign(
            y=case.frame["y"].where(case.frame["unit_number"] != 3)
        )
        columns = dict(STAGGERED, treatment="d", **options)
        first, *others = read_in_parts(frame, tmp_path, monkeypatch, **columns)
        assert first.dropped["reason"].tolist()
        for other in others:
            for name, estimator in FROM_SUMS.items():
                fits = []
                for panel in (first, other):
                    try:
                        fits.append(estimator(panel))
                    except CityPanelError as error:
                        fits.append(error)
                for fit in fits:
                    if not isinstance(fit, CityPanelError):
                        fit.attrs.pop("dropped", None)
                if isinstance(fits[0], CityPanelError):
                    assert type(fits[0]) is type(fits[1]), name
                else:
                    assert_same(*fits)


@pytest.mark.parametrize("calendar", ["dates", "text", "months"])
def test_a_relation_reads_periods_as_a_frame_does(calendar, tmp_path, monkeypatch):
    frame = large(40)
    frame["g"] = frame["g"].fillna(0).astype(int)
    label = {
        "dates": lambda k: pd.Timestamp(2000, 1, 1) + pd.DateOffset(months=k),
        "text": lambda k: f"{2000 + k // 4}Q{k % 4 + 1}",
        "months": lambda k: 201500 + k + 1,
    }[calendar]
    labels = {k: label(k - 2000) for k in range(2001, 2009)}
    never = 0 if calendar == "months" else None
    frame["t"], frame["g"] = frame["t"].map(labels), frame["g"].map(labels)
    if never is not None:
        frame["g"] = frame["g"].fillna(never).astype(int)
    fits = [
        did.sun_abraham(panel)
        for panel in read_in_parts(frame, tmp_path, monkeypatch, **STAGGERED)
    ]
    want = did.sun_abraham(frame, **STAGGERED)
    for fit in fits:
        fit.attrs.pop("dropped"), want.attrs.pop("dropped", None)
        assert_same(want, fit)


STRATA = ["size", "coast"]


def with_strata(n=400):
    """Units of a size and a coast, on which cohorts and trends depend."""
    frame = large(n)
    rng = np.random.default_rng(3)
    late = frame.groupby("id")["g"].transform("max").fillna(0) > 0
    size = rng.integers(0, 3, n)[frame["id"]] + (late & (frame["id"] % 3 == 0))
    coast = rng.integers(0, 2, n)[frame["id"]]
    trend = 0.1 * size * (frame["t"] - 2001) * (1 + coast)
    return frame.assign(size=size, coast=coast, y=frame["y"] + trend)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
def test_covariates_fixed_in_time_divide_the_groups(
    method, options, tmp_path, monkeypatch
):
    frame = with_strata(200).drop(index=[5, 77])
    columns = dict(STAGGERED, controls=STRATA, **options)
    for more in ({"control_group": "not_yet", "base_period": "universal"}, {}):
        call = dict(method=method, **more)
        rows, sums = both(did.group_time_att, frame, **columns, **call)
        assert rows["estimate"].notna().any()
        assert_same(rows, sums)
        for kind in ("simple", "dynamic"):
            assert_same(*(did.aggregate_att(fit, kind) for fit in (rows, sums)))
        a, b = (fit.attrs["influence"]["matrix"] for fit in (rows, sums))
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-6)
    for panel in read_in_parts(frame, tmp_path, monkeypatch, part=100, **columns):
        found = did.group_time_att(panel, **call)
        found.attrs["dropped"] = rows.attrs["dropped"]
        assert_same(rows, found)
    changing = frame.assign(coast=frame["coast"] * frame["t"])
    assert_same(*both(did.group_time_att, changing, **columns))
    for given in (changing, duckdb.from_df(changing)):
        with pytest.raises(PanelError, match=r"suffice|changes within"):
            did.moments(given, **columns)
    with pytest.raises(PanelError, match="suffice"):
        did.imputation(did.moments(duckdb.from_df(frame), **columns))


CONTROLLED = [
    {"controls": ["x", "trend"]},
    {"controls": ["x", "twice", "fixed", "trend"], "weights": "w"},
    {"controls": ["trend"], "cluster": "c"},
    {"controls": ["x"], "weights": "w", "cluster": "c"},
]


@pytest.mark.parametrize("convention", ["xtreg", "full", "CR0", "HC1", "conventional"])
@pytest.mark.parametrize("options", CONTROLLED, ids=lambda o: "-".join(o["controls"]))
def test_controls_are_partialled_out_of_a_relation(options, convention, tmp_path):
    """Coefficients, errors, constant and notes are those of the rows in memory."""
    compared = 0
    for seed in range(12):
        frame = random_panel(seed, noise=1.0).frame
        rng = np.random.default_rng(seed)
        frame["x"] = rng.normal(size=len(frame))
        frame["trend"] = frame["d"] + 5 * frame["p"] + rng.normal(size=len(frame))
        frame["twice"], frame["fixed"] = 2 * frame["x"] + 1, frame["unit_number"] * 1.0
        frame.loc[3, ["x", "trend"]] = np.nan
        frame.loc[5, "y"] = np.nan
        path = tmp_path / f"{seed}.parquet"
        duckdb.from_df(frame).write_parquet(str(path))
        call = dict(treatment="d", standard_errors=convention, **KEYS, **options)
        fits = []
        for panel in (frame, duckdb.from_df(frame), path):
            try:
                fits.append(did.twfe(panel, **call))
                fits[-1].attrs.pop("dropped")
            except CityPanelError as error:
                fits.append(type(error))
        for other in fits[1:]:
            if isinstance(fits[0], type):
                assert other is fits[0]
                continue
            # An end of an interval near zero has the digits of its estimate.
            assert_same(fits[0], other, 1e-9)
            compared += 1
    assert compared > 10


def test_a_relation_without_controls_is_the_sums_of_its_panel():
    frame = large(40)
    relation = duckdb.from_df(frame)
    kept = did.moments(relation, treatment="d", **KEYS)
    for convention in ("xtreg", "CR2"):
        call = dict(treatment="d", standard_errors=convention, **KEYS)
        found = did.twfe(relation, **call)
        want = did.twfe(kept, **call)
        pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(want))


@pytest.mark.parametrize(
    "option",
    [
        {"by": "c"},
        {"period_effects_by": "c"},
        {"outcome_shift": 1},
        {"without_single_units": True},
        {"effects": "unit"},
        {"effects": "none"},
        {"standard_errors": "conley", "coordinates": ["w", "w"], "cutoff_km": 10},
        {"standard_errors": "CR2"},
        {"standard_errors": "CR3"},
        {"standard_errors": "reghdfe"},
        {"cluster": ["c", "t"]},
    ],
    ids=str,
)
def test_what_needs_the_rows_of_a_relation_is_refused_by_name(option):
    frame = large(40)
    call = dict(treatment="d", controls=["w"], **KEYS) | option
    with pytest.raises(CityPanelError, match="do not suffice"):
        did.twfe(duckdb.from_df(frame), **call)


NEED_ROWS = {
    "wild_cluster_bootstrap": lambda p: did.wild_cluster_bootstrap(p, draws=99),
    "randomisation_inference": lambda p: did.randomisation_inference(p, draws=99),
    "leave_one_unit_out": did.leave_one_unit_out,
    "interactive_fixed_effects": lambda p: did.interactive_fixed_effects(p, draws=0),
    "nonabsorbing_did": lambda p: did.nonabsorbing_did(p),
    "synthetic_did": lambda p: did.synthetic_did(p),
    "twfe_weights": did.twfe_weights,
}


@pytest.mark.parametrize("name", sorted(NEED_ROWS))
def test_what_needs_rows_takes_those_behind_the_sums_or_says_so(name):
    frame = large(40)
    columns = dict(STAGGERED, treatment="d")
    kept = did.moments(frame, **columns)
    found, want = (NEED_ROWS[name](panel) for panel in (kept, kept.source))
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(want))
    with pytest.raises(PanelError, match="do not suffice"):
        NEED_ROWS[name](did.moments(duckdb.from_df(frame), **columns))


@pytest.mark.parametrize(
    "option",
    [
        {"controls": ["w"]},
        {"cluster": "c"},
        {"weights": "w"},
        {"outcome": "w"},
        {"by": "c"},
        {"period_effects_by": "c"},
    ],
    ids=str,
)
def test_columns_that_a_panel_was_not_built_with_are_named(option):
    """They would be left out of the regression without a word."""
    frame = large(40)
    call = dict(treatment="d", **KEYS)
    for panel in (did.moments(frame, **call), did.moments(frame, **call).source):
        with pytest.raises(CityPanelError, match="other columns") as caught:
            did.twfe(panel, **(call | option))
        assert str(*option.values()).strip("[]'") in str(caught.value)
    with pytest.raises(CityPanelError, match="other columns"):
        did.event_study(did.moments(frame, **STAGGERED), period_effects_by="c")


def test_what_sums_do_not_suffice_for_is_said():
    frame = large(40)
    relation = duckdb.from_df(frame)
    panel = did.moments(relation, **STAGGERED, weights="w", treatment="d")
    for call in (
        lambda: did.twfe(panel, **TWFE, standard_errors="CR2"),
        lambda: did.aggregate_att(did.group_time_att(panel), uniform_band=True),
    ):
        with pytest.raises(PanelError, match="do not suffice"):
            call()
    changing = frame.assign(
        w=np.linspace(1, 2, len(frame)), half=np.where(frame["d"] > 0, 0.5, 0.0)
    )
    for options in ({"weights": "w"}, {"cluster": "t"}, {"treatment": "half"}):
        for given in (changing, duckdb.from_df(changing)):
            with pytest.raises(PanelError, match=r"suffice|changes within"):
                did.moments(given, **STAGGERED, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename(columns={"y": "z"}), "lacks columns"),
        (lambda f: f.assign(y="about " + f["y"].astype(str)), "text"),
        (lambda f: f.assign(id=f["id"].where(f["id"] > 3)), "id or t is missing"),
        (lambda f: f.assign(w=-f["w"]), "negative"),
        (lambda f: f.assign(g=f["g"].where(f["t"] > 2003, 2002)), "within a unit"),
        (lambda f: pd.concat([f, f[:3]]), "share a key|More rows"),
        (lambda f: f.assign(y=np.nan), "No unit"),
        (lambda f: f.assign(g=f["g"] + 0.5), "whole period"),
    ],
)
def test_a_relation_that_is_no_panel_is_refused_like_a_frame(change, message):
    frame = change(large(40))
    for panel in (frame, duckdb.from_df(frame)):
        with pytest.raises(PanelError, match=message):
            did.moments(panel, **STAGGERED, weights="w")


DEALT = [
    {}, {"cluster": "c"}, {"within": "half"}, {"weights": "w"},
    {"weights": "w", "cluster": "c"},
    {"controls": ["a", "b", "twice"]},
    {"controls": ["a"], "weights": "w", "cluster": "c", "within": "half"},
]  # fmt: skip


@pytest.mark.parametrize("gaps", [False, True], ids=["balanced", "gaps"])
@pytest.mark.parametrize("options", DEALT, ids=str)
def test_dealt_treatments_are_summed_unit_by_unit(options, gaps):
    frame = large(80).assign(half=lambda f: f["id"] % 2)
    rng = np.random.default_rng(3)
    frame["a"], frame["b"] = 1e3 * rng.normal(size=(2, len(frame))) + frame["id"].values
    frame["twice"] = 2 * frame["a"] + frame["t"]
    if gaps:  # two patterns more
        late, early = frame["id"] % 5 == 0, frame["id"] % 7 == 1
        frame = frame[~(late & (frame["t"] < 2003)) & ~(early & (frame["t"] == 2005))]
    options = dict(options, treatment="d", **KEYS)
    draws = {k: v for k, v in options.items() if k in ("treatment", "controls", *KEYS)}
    fits = both(did.randomisation_draws, frame, draws=99, **draws)
    np.testing.assert_allclose(*(f["statistic"] for f in fits), rtol=1e-9)
    with way("always"):
        parts = frisch_waugh.partial(
            frame, **{k: v for k, v in options.items() if k != "within"}
        )
        paths = randomisation.treatment_paths(parts.data)
        assert randomisation.unit_paths(parts, paths) is not None
    assert_same(*both(did.randomisation_inference, frame, draws=199, **options))
