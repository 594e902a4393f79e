"""The panel that every estimator takes: periods as positions, and one log."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did.panels import FAR, Design, build, coded, prepare
from citypanel.did.periods import label_array, read_periods
from citypanel.errors import OptionError, PanelError

KEYS = dict(outcome="y", unit="id", period="t")
SEED = 3


def grid(*labels, **options):
    return read_periods(pd.Series(list(labels)), **options)


def panel(periods, cohorts, **columns):
    frame = pd.DataFrame(
        [(i, t, g) for i, g in enumerate(cohorts) for t in periods],
        columns=["id", "t", "g"],
    )
    return frame.assign(y=np.arange(len(frame), dtype=float), **columns)


@pytest.mark.parametrize(
    ("labels", "positions", "one"),
    [
        ([2008, 2010, 2014], [0, 1, 3], 2),
        ([2011.0, 2011.5, 2013.0], [0, 1, 4], 0.5),
        ([201511, 201512, 201601, 201603], [0, 1, 2, 4], 1),
        ([20153, 20154, 20161], [0, 1, 2], 1),
        (["2015Q3", "2015Q4", "2016Q2"], [0, 1, 3], 1),
        (["2015-12", "2016-01"], [0, 1], 1),
        (list(pd.period_range("2015Q3", periods=3, freq="Q")), [0, 1, 2], 1),
        (list(pd.date_range("2015-01-31", periods=3, freq="ME")), [0, 1, 2], 1),
        (list(pd.date_range("2015-01-01", periods=3, freq="YS")), [0, 1, 2], 1),
        (list(pd.date_range("2015-01-04", periods=3, freq="W")), [0, 1, 2], 1),
        ([2011.0, 2011.08, 2011.17, 2011.25], [0, 1, 2, 3], round(1 / 12, 10)),
        ([-4, -2, 0], [0, 1, 2], 2),
    ],
)
def test_periods_are_positions_on_the_grid_of_their_distances(labels, positions, one):
    found = grid(*labels)
    assert found.positions.tolist() == positions
    assert found.span(1) == one
    assert found.labels == labels
    assert found.place(pd.Series(labels)).tolist() == positions


def test_a_missing_period_keeps_its_place_and_is_named():
    assert grid(1, 2, 3, 5).gaps == [4]
    assert grid(201511, 201512, 201602).gaps == [201601]
    assert grid("2015Q3", "2015Q4", "2016Q2").gaps == ["2016Q1"]
    months = grid(*pd.to_datetime(["2015-11-30", "2015-12-31", "2016-02-29"]))
    assert months.gaps == [pd.Timestamp("2016-01-31")]
    years = grid(2008, 2010, 2012, frequency="year")
    assert years.gaps == [2009, 2011] and years.span(2) == 2


@pytest.mark.parametrize(
    "labels",
    [
        [20151, 20152, 20161, 20162],  # half-years, or two quarters a year
        [201501, 201502, 201601],  # half-years, or months
        [201551, 201601],  # weeks
        [20150101, 20150201],  # dates
        [2015.1, 2015.4, 2016.1],  # quarters, or tenths
    ],
)
def test_periods_that_can_be_read_in_two_ways_are_refused(labels):
    with pytest.raises(PanelError, match="more than one way"):
        grid(*labels)


def test_a_declared_frequency_settles_it():
    halves = grid(20151, 20152, 20161, frequency="half-year")
    assert halves.positions.tolist() == [0, 1, 2]
    plain = grid(201501, 201502, 201601, frequency=1)
    assert plain.positions.tolist() == [0, 1, 100]
    weeks = grid(201552, 201553, 201601, frequency="week")
    assert weeks.positions.tolist() == [0, 1, 2]
    quarters = grid(*pd.to_datetime(["2015-01-15", "2015-06-03"]), frequency="quarter")
    assert quarters.positions.tolist() == [0, 1]
    with pytest.raises(PanelError, match="grid of 1"):
        grid(2011, 2012.5, frequency=1)
    for wrong in ("fortnight", -1.0, np.nan):
        with pytest.raises(OptionError, match="frequency"):
            grid(2011, 2012, frequency=wrong)
    with pytest.raises(OptionError, match="dates"):
        grid(*pd.date_range("2015-01-01", periods=2), frequency=7)
    with pytest.raises(PanelError, match="text that is no period"):
        grid("first", "second")


def test_cohorts_are_positions_and_never_is_a_mask():
    data = build(
        panel(range(-4, 5), [-2, 2, np.inf, np.nan, 7, -9]), Design(cohort="g", **KEYS)
    )
    assert data.start.tolist() == [2, 6, FAR, FAR, 11, -5]
    assert data.never.tolist() == [False, False, True, True, True, False]
    assert data.sizes == {-5: 1, 2: 1, 6: 1}
    assert data.label(2) == -2
    assert data.event[data.unit == 0].tolist() == list(range(-2, 7))


def test_zero_is_never_only_where_it_is_no_period():
    def start(periods, cohorts):
        return build(panel(periods, cohorts), Design(cohort="g", **KEYS))

    assert start(range(1, 5), [0, 3]).never.tolist() == [True, False]
    assert start(range(-2, 3), [0, 1, np.nan]).start.tolist()[:2] == [2, 3]
    with pytest.raises(PanelError, match="0 could mean treated"):
        start(range(-2, 3), [0, 1])
    first = start(range(4), [0, 2])
    assert first.never.tolist() == [True, False]
    assert "cohort 0 is read as never treated" in first.note


def test_cohorts_are_read_as_the_periods_are():
    months = panel([201511, 201512, 201601], [201512, 0, 201601])
    data = build(months, Design(cohort="g", **KEYS))
    assert data.start.tolist() == [1, FAR, 2]
    dates = pd.date_range("2015-01-01", periods=3, freq="MS")
    dated = panel(dates, [dates[1], pd.NaT])
    assert build(dated, Design(cohort="g", **KEYS)).start.tolist() == [1, FAR]
    with pytest.raises(PanelError, match="not a whole period"):
        build(panel([2008, 2010, 2012], [2009, 0]), Design(cohort="g", **KEYS))
    wide = panel([2008, 2010, 2012], [2009, 0])
    yearly = build(wide, Design(cohort="g", frequency="year", **KEYS))
    assert yearly.start.tolist() == [1, FAR]
    assert yearly.event[yearly.unit == 0].tolist() == [-1, 1, 3]


def test_one_log_of_the_rows_left_out_sets_the_note():
    frame = panel(range(1, 5), [0, 3, 1, 3], c=1.0, w=1.0)
    frame.loc[0, "y"] = np.nan
    frame.loc[1, "y"] = np.inf
    frame.loc[[1, 2], "c"] = np.nan
    frame.loc[3, "w"] = 0.0
    data = prepare(frame, cohort="g", cluster="c", weights="w", **KEYS)
    data = data.without_always_treated()
    assert data.dropped["reason"].tolist()[:4] == [
        "missing value of y",
        "infinite y",
        "missing value of c",
        "w of zero",
    ]
    assert not data.dropped[["id", "t"]].duplicated().any()
    assert data.n_obs + len(data.dropped) == len(frame) == data.total
    assert data.note.startswith("8 of 16 rows left out: missing value of y (1), ")
    assert "treated from the first period (1) on (4)" in data.note


def test_positions_follow_when_the_first_period_goes():
    data = build(panel(range(1, 6), [4, 0]), Design(cohort="g", **KEYS))
    later = data.keep(data.when >= 2, "too early")
    assert later.grid.labels == [3, 4, 5] and later.start.tolist() == [1, FAR]
    assert later.label(0) == 3 and later.label(-1) == 2
    assert set(later.dropped["reason"]) == {"too early"}


def test_units_by_periods():
    frame = panel(range(3), [np.nan, 1, 1])
    data = build(frame.drop(index=4), Design(cohort="g", **KEYS))
    table = data.matrix(data.y)
    assert not data.is_balanced and np.isnan(table[1, 1])
    np.testing.assert_array_equal(table[0], [0.0, 1.0, 2.0])


def test_estimators_take_a_panel_that_is_built_already():
    frame = panel(range(1, 7), [0, 0, 3, 4, 4])
    frame["y"] += np.random.default_rng(1).normal(size=len(frame))
    data = build(frame, Design(cohort="g", **KEYS))
    for estimator in (did.imputation, did.sun_abraham, did.switchers):
        pd.testing.assert_frame_equal(
            estimator(data), estimator(frame, cohort="g", **KEYS)
        )
    assert did.imputation(data).attrs["periods"] == "numbers, one every 1, 1 to 6"
    with pytest.raises(TypeError, match="lacks cohort"):
        did.etwfe(frame, **KEYS)
    names = inspect.signature(did.etwfe).parameters
    assert {"outcome", "cohort", "weights", "frequency", "control_group"} <= set(names)


def test_a_base_before_a_gap_is_named():
    frame = panel([1, 2, 3, 5, 6], [0, 0, 5, 5, 3])
    frame["y"] += np.random.default_rng(2).normal(size=len(frame))
    for estimator in (did.sun_abraham, did.switchers):
        note = estimator(frame, cohort="g", **KEYS).loc[0, "note"]
        assert note == "measured from the last period seen: cohort 5 from 3"
    whole = frame[frame["g"] != 5]
    note = did.sun_abraham(whole, cohort="g", **KEYS).loc[0, "note"]
    assert "measured from" not in str(note)


def test_labels_keep_their_kind():
    assert label_array([1, None, 3]).dtype == "Int64"
    assert label_array([0.5, None]).dtype == float
    dates = label_array([pd.Timestamp("2015-01-01"), None])
    assert dates.dtype.kind == "M" and dates.isna().tolist() == [False, True]
    assert list(label_array([pd.Period("2015Q1"), None])) == [pd.Period("2015Q1"), None]


def test_never_is_0_however_it_is_written():
    frame = panel([2011, 2012, 2013, 2014], [0, 2013, 0, 2013])
    want = build(frame, Design(**KEYS, cohort="g"))
    zero = frame["g"] == 0
    for never in ("0", np.int64(0), 0.0, "0.0", False):
        written = [never if z else g for z, g in zip(zero, frame["g"], strict=True)]
        if isinstance(never, str):
            written = [str(v) for v in written]
        got = build(
            frame.assign(g=pd.Series(written, dtype=object)), Design(**KEYS, cohort="g")
        )
        np.testing.assert_array_equal(got.start, want.start)


@pytest.mark.parametrize(
    ("texts", "positions", "labels"),
    [
        (["201512", "201601", "201603"], [0, 1, 3], [201512, 201601, 201603]),
        (["20153", "20154", "20161"], [0, 1, 2], [20153, 20154, 20161]),
        (["2011", "2012", "2014"], [0, 1, 3], [2011, 2012, 2014]),
        (["2011-12-31", "2012-12-31", "2014-12-31"], [0, 1, 3], None),
        (["2012-01-31", "2012-02-29", "2012-04-30"], [0, 1, 3], None),
        (["2012-01-15", "2012-02-15", "2012-04-15"], [0, 1, 3], None),
        (["2012-01-02", "2012-01-09", "2012-01-23"], [0, 1, 3], None),
    ],
)
def test_text_is_read_as_what_it_writes(texts, positions, labels):
    grid = read_periods(pd.Series(texts))
    np.testing.assert_array_equal(grid.positions, positions)
    assert grid.labels == (labels or texts)
    if positions[-1] == 3 and not labels:
        missing = {"2011": "2013-12-31", "2012-01-31": "2012-03-31"}
        missing |= {"2012-01-15": "2012-03-15", "2012-01-02": "2012-01-16"}
        want = next(v for k, v in missing.items() if texts[0].startswith(k))
        assert grid.label(2) == want


def test_dates_without_a_common_day_ask_for_their_frequency():
    working = pd.to_datetime(["2018-01-02", "2018-02-01", "2018-03-01", "2018-04-02"])
    for days in (pd.Series(working), pd.Series(working.strftime("%Y-%m-%d"))):
        with pytest.raises(PanelError, match="months of their own") as caught:
            read_periods(days, name="day")
        assert "2018-04-02" in str(caught.value)
        grid = read_periods(days, frequency="month")
        np.testing.assert_array_equal(grid.positions, [0, 1, 2, 3])
        assert read_periods(days, frequency="day").positions[1] == 30


def _written(kind, years):
    if kind == "number":
        return years
    if kind == "period":
        return pd.PeriodIndex(years.astype(str), freq="Y")
    days = years.astype(str) + "-01-01"
    return days if kind == "text" else pd.to_datetime(days)


@pytest.mark.parametrize(
    ("periods", "cohorts"),
    [
        ("number", "date"),
        ("number", "period"),
        ("date", "number"),
        ("date", "period"),
        ("period", "number"),
        ("period", "date"),
        ("text", "number"),
    ],
)
def test_a_cohort_written_in_another_way_than_the_periods_is_refused(periods, cohorts):
    frame = panel([2011, 2012, 2013, 2014], [2012, 2013, 2012, 2013])
    t, g = frame["t"], frame["g"]
    for kind in (periods, cohorts):
        same = frame.assign(t=_written(kind, t), g=_written(kind, g))
        assert set(build(same, Design(**KEYS, cohort="g")).start) == {1, 2}
    mixed = frame.assign(t=_written(periods, t), g=_written(cohorts, g))
    with pytest.raises(PanelError, match="not a whole period") as caught:
        build(mixed, Design(**KEYS, cohort="g"))
    assert "id 0, t 2011" in str(caught.value)


def test_columns_of_one_name_are_refused():
    frame = panel([1, 2, 3], [0, 2])
    twice = pd.concat([frame, frame[["y"]]], axis=1)
    with pytest.raises(PanelError, match="same name"):
        build(twice, Design(**KEYS))


@pytest.mark.parametrize(
    "values",
    [
        np.repeat(np.arange(250)[::-1], 8),  # runs
        np.repeat([3.0, 1.0, 3.0, 2.0], 500),
        np.repeat(np.arange(20), np.arange(1, 21) * 10),  # uneven runs
        np.tile([2001, 1999, 2000, 2003], 500),  # a pattern
        np.append(np.tile([1, 2, 3, 4], 499), [1, 2, 4, 3]),  # broken at the end
        np.where(np.arange(2_000) < 8, np.nan, np.repeat(np.arange(250), 8)),
        np.random.default_rng(SEED).integers(0, 9, 2_000),
        np.full(2_000, 7),
    ],
)
def test_codes_read_off_the_order_are_those_of_factorize(values):
    found = coded(pd.Series(values))
    codes, seen = pd.factorize(values)
    np.testing.assert_array_equal(found.rows, codes)
    np.testing.assert_array_equal(found.seen, seen)


@pytest.mark.parametrize("label", ["int64", "float64", "str"])
def test_the_order_of_rows_leaves_the_panel_as_it_is(label):
    starts = np.random.default_rng(SEED).choice([0, 2003, 2005], 300)
    rows = panel(range(2001, 2009), starts)
    rows["id"] = (1_000 - rows["id"]).astype(label)
    there = build(rows, Design(**KEYS, cohort="g"))
    for frame in (rows.sample(frac=1, random_state=SEED), rows.sort_values("t")):
        here = build(frame, Design(**KEYS, cohort="g"))
        for name in ("unit", "period", "start", "units", "y"):
            np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    at = rows.index[rows["id"] == rows["id"].iloc[80]][-1]
    rows.loc[at, "g"] = 2007
    with pytest.raises(PanelError, match=f"id {rows.loc[at, 'id']}: "):
        build(rows, Design(**KEYS, cohort="g"))
    with pytest.raises(PanelError, match="id"):
        build(pd.concat([rows, rows.tail(1)]), Design(**KEYS))
