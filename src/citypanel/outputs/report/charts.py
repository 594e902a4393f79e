"""Charts as SVG in per cent of their width: one drawing fits desktop and phone.

Every mark carries what it says in both languages (`data-en`, `data-zh`); a script shows
it at the pointer. Nothing is drawn by the script but the chosen city's own line.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from citypanel.outputs.facts import (
    HEADLINE,
    LEVEL,
    City,
    Effect,
    Facts,
    effect_of,
)
from citypanel.outputs.report.sentences import SAID, all_checks, change_of, label_of
from citypanel.outputs.style import region_name, region_names
from citypanel.words import LABELS, Words
from citypanel.words.numbers import NOTHING, fixed, p_text

STEPS = 5
# Marks that a chart of specifications has at most.
MARKS = 250


@dataclass(frozen=True)
class Mark:
    """A point with its interval, in per cent of the width or height.

    Attributes
    ----------
    at : float
        Across (event study, curve) or along (interval row) the chart.
    low, high : float or None
        Ends of the interval; None where there is none.
    along : float
        On the other axis.
    tone : str
        Class of the mark.
    en, zh : str
        What it says.
    cut_low, cut_high : bool
        The interval goes on beyond the chart.
    """

    at: float
    along: float
    low: float | None
    high: float | None
    tone: str
    en: str
    zh: str
    cut_low: bool = False
    cut_high: bool = False


@dataclass(frozen=True)
class Tick:
    """A tick: where, in per cent, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Row:
    """A line of the interval chart; group rows have a label only."""

    label: Words
    effect: Effect | None = None
    mark: Mark | None = None
    change: str = ""
    is_headline: bool = False


@dataclass(frozen=True)
class Intervals:
    """Effects under each other on one scale."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    zero: float
    band: tuple[float, float] | None


@dataclass(frozen=True)
class Events:
    """One estimator's event study on one outcome."""

    estimator: str
    outcome: str
    marks: tuple[Mark, ...]
    bands: tuple[tuple[float, float, float], ...]
    columns: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    zero: float
    before: float
    leads_p: float
    rows: tuple[tuple[int, Effect, float, float], ...]
    reference: int | None
    told: Words
    line: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Curve:
    """The specifications in order of their estimates."""

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    zero: float
    told: Words


@dataclass(frozen=True)
class Lines:
    """Levels of productivity by year, on a logarithmic axis.

    `scale` maps a year to x = scale[0] + scale[1] year and a level to
    y = scale[2] + scale[3] ln(level), in per cent.
    """

    years: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    scale: tuple[float, float, float, float]
    series: tuple[tuple[str, Words, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True)
class Tile:
    """A city of the tile map."""

    city: City
    step: int | None
    en: str
    zh: str


@dataclass(frozen=True)
class TileMap:
    """Cities by region and the upper ends of the steps of growth."""

    regions: tuple[tuple[Words, tuple[Tile, ...]], ...]
    ends: tuple[float, ...]


def nice_ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round numbers from at most `low` to at least `high`, a nice step apart."""
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = -1.0, 1.0
    if high <= low:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


class _Axis:
    """Places of values between two round numbers, in per cent from the left or top."""

    def __init__(
        self, effects: Sequence[Effect], *, about: int = 5, reach: float = 4.0,
        upward: bool = False,
    ):  # fmt: skip
        values = nice_ticks(*_range(effects, reach), about=about)
        self.first, self.last, self.upward = values[0], values[-1], upward
        digits = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
        self.ticks = tuple(Tick(self(t), fixed(t, digits)) for t in values)

    def share(self, value: float) -> float:
        """Per cent of the way from the first to the last, beyond them too."""
        return round(100 * (value - self.first) / (self.last - self.first), 3)

    def __call__(self, value: float) -> float:
        """The place, at an end where the value lies beyond it."""
        share = min(max(self.share(value), 0.0), 100.0)
        return round(100 - share, 3) if self.upward else share


def _range(effects: Sequence[Effect], reach: float) -> tuple[float, float]:
    """Of the estimates whole, of the intervals up to `reach` times the median one."""
    known = [e for e in effects if e.is_known]
    estimates = [e.estimate for e in known] + [0.0]
    widths = sorted(e.high - e.low for e in known if e.has_interval)
    low, high = min(estimates), max(estimates)
    if widths:
        most = reach * widths[len(widths) // 2] / 2
        lows = [max(e.low, e.estimate - most) for e in known if math.isfinite(e.low)]
        highs = [min(e.high, e.estimate + most) for e in known if math.isfinite(e.high)]
        low, high = min(low, *lows), max(high, *highs)
    return low, high


def _mark(effect: Effect, axis: _Axis, along: float, tone: str, label: Words) -> Mark:
    """The mark of an effect."""
    low = high = None
    cut_low = cut_high = False
    tail = ""
    if effect.has_interval:
        low, high = axis(effect.low), axis(effect.high)
        cut_low, cut_high = axis.share(effect.low) < 0, axis.share(effect.high) > 100
        tail = f" [{fixed(effect.low)}, {fixed(effect.high)}]"
        if p := p_text(effect.p_value):
            tail += f", {p}"
    said = SAID("mark", label=label, effect=effect, tail=tail)
    at = axis(effect.estimate)
    return Mark(at, along, low, high, tone, said.en, said.zh, cut_low, cut_high)


def intervals(facts: Facts) -> Intervals:
    """The headline and everything set beside it, on one scale."""
    base = facts.headline.effect
    groups: dict[str, list[tuple[Words, Effect]]] = {}
    groups["answer"] = [(LABELS.label("checks", "headline"), base)]
    if facts.paper is not None:
        groups["answer"].append((SAID("printed"), facts.paper.effect))
    estimators = {LABELS.label("estimators", r.name) for r in facts.estimators or ()}
    checks = {label_of(c) for c in facts.checks or () if c.kind != "by_region"}
    checks.add(LABELS.label("checks", "with_controls"))
    groups |= {"inputs": [], "estimators": [], "checks": []}
    for label, effect in all_checks(facts):
        kind = "estimators" if label in estimators else "inputs"
        groups["checks" if label in checks else kind].append((label, effect))
    groups["regions"] = [
        (region_name(c.item), c.effect)
        for c in facts.checks or ()
        if c.kind == "by_region"
    ]
    axis = _Axis([effect for part in groups.values() for _, effect in part])
    rows = []
    for group, part in groups.items():
        rows += [Row(SAID.label("groups", group))] if part else []
        for label, effect in part:
            is_headline = effect is base
            change = ""
            if effect.is_tested and group not in ("regions", "answer"):
                change = change_of(base, effect)
            tone = "headline" if is_headline else change or "plain"
            mark = _mark(effect, axis, 50, tone, label) if effect.is_known else None
            rows.append(Row(label, effect, mark, change, is_headline))
    band = None
    if base.has_interval:
        low = axis(base.low)
        band = (low, round(axis(base.high) - low, 3))
    return Intervals(tuple(rows), axis.ticks, axis(0.0), band)


def event_studies(
    frame: pd.DataFrame | None,
    outcome: str,
    att: pd.DataFrame | None = None,
    lines: Mapping[str, float] | None = None,
) -> tuple[Events, ...]:
    """Every estimator's event study on the outcome, then on the level, two-way first.

    The estimators of an outcome share their axes, so that a pick compares. `att`, as
    rpt_att, lends its uniform bands to points that are the same there; `lines` are
    slopes of the trend before the policy, by estimator, on the outcome.
    """
    if frame is None:
        return ()
    frame = frame[frame["variant"] == HEADLINE]
    if att is not None:
        frame = _with_bands(frame, att)
    out = []
    for name in dict.fromkeys((outcome, LEVEL)):
        own = frame[frame["outcome"] == name]
        if not len(own):
            continue
        effects = [effect_of(row) for row in own.to_dict("records")]
        axis = _Axis(effects, reach=6, upward=True)
        times = range(int(own["event_time"].min()), int(own["event_time"].max()) + 1)
        for estimator in (
            e for e in LABELS.of("estimators") if (own["estimator"] == e).any()
        ):
            out.append(
                _events(
                    own[own["estimator"] == estimator].sort_values("event_time"),
                    estimator, name, axis, times,
                    (lines or {}).get(estimator) if name == outcome else None,
                )
            )  # fmt: skip
    return tuple(out)


def _with_bands(frame: pd.DataFrame, att: pd.DataFrame) -> pd.DataFrame:
    keys = ["estimator", "outcome", "event_time"]
    known = att[(att["aggregation"] == "dynamic") & (att["sample"] == "all")]
    known = known.dropna(subset=["event_time", "band_low", "band_high"])
    known = known.drop_duplicates(keys)[[*keys, "estimate", "band_low", "band_high"]]
    keyed = frame.assign(event_time=frame["event_time"].astype("int64"))
    both = keyed.merge(
        known.assign(event_time=known["event_time"].astype("int64")),
        on=keys, how="left", suffixes=("", "_att"), validate="many_to_one",
    )  # fmt: skip
    same = (both["estimate"] - both["estimate_att"]).abs() < 1e-9
    for column in ("band_low", "band_high"):
        both[column] = both[column].fillna(both[f"{column}_att"].where(same))
    return both


def _events(
    rows, estimator: str, outcome: str, axis: _Axis, times, line=None
) -> Events:
    width = 100 / len(times)

    def across(time: float) -> float:
        return round((time - times[0] + 0.5) * width, 3)

    marks, bands, numbers, reference = [], [], [], None
    for row in rows.to_dict("records"):
        effect, time = effect_of(row), int(row["event_time"])
        # An estimate of exactly nothing without an error is one by construction.
        by_construction = effect.estimate == 0 and math.isnan(effect.std_error)
        if row["note"] == "reference period" or by_construction:
            reference = time
        if not effect.is_known:
            continue
        label = SAID("event_time", time=time)
        if str(row["note"]).startswith("rests on cohorts of one unit"):
            label = SAID("one_city", label=label)
        if time == reference:
            told = SAID("reference", label=label)
            at = axis(effect.estimate)
            mark = Mark(at, across(time), None, None, "reference", *told)
        else:
            tone = "before" if time < 0 else "after"
            mark = _mark(effect, axis, across(time), tone, label)
            low, high = (
                math.nan if pd.isna(row[c]) else float(row[c])
                for c in ("band_low", "band_high")
            )
            if math.isfinite(low) and math.isfinite(high):
                top = axis(high)
                bands.append((across(time), top, round(axis(low) - top, 3)))
            numbers.append((time, effect, low, high))
        marks.append(mark)
    leads = rows["leads_p_value"].dropna()
    before = [effect.estimate for time, effect, *_ in numbers if time < 0]
    after = [effect.estimate for time, effect, *_ in numbers if time >= 0]
    told = SAID(
        "events_seen",
        estimator=LABELS.label("short_estimators", estimator),
        outcome=LABELS.label("outcomes", outcome),
        before=_ends(before),
        after=_ends(after),
    )
    return Events(
        estimator,
        outcome,
        tuple(marks),
        tuple(bands),
        tuple(Tick(across(t), fixed(t, 0)) for t in times),
        axis.ticks,
        axis(0.0),
        round((0 - times[0]) * width, 3),
        float(leads.iloc[0]) if len(leads) else math.nan,
        tuple(numbers),
        reference,
        told,
        _trend(line, reference, times, across, axis),
    )


def _ends(values: Sequence[float]) -> str:
    return f"{fixed(min(values))} – {fixed(max(values))}" if values else NOTHING


def _trend(line, reference: int | None, times, across, axis: _Axis):
    """The line through the leads, and where it would go, within the chart."""
    if line is None or reference is None:
        return ()

    def at(time: float) -> tuple[float, float]:
        return across(time), axis(line * (time - reference))

    first, last = times[0], times[-1]
    return ((*at(first), *at(reference)), (*at(reference), *at(last)))


def curve(facts: Facts) -> Curve | None:
    """The specifications of the published file, by their estimates."""
    s = facts.range
    if s is None:
        return None
    # A page has room for some hundred marks: every so many-th, and the headline.
    step = max(1, -(-len(s.rows) // MARKS))
    shown = [
        row
        for place_, row in enumerate(s.rows)
        if place_ % step == 0 or row[1] == HEADLINE or place_ == len(s.rows) - 1
    ]
    effects = [effect for _, _, effect in shown]
    axis = _Axis(effects, about=8, upward=True)
    width = 100 / len(effects)
    marks = []
    for number, (name, plausibility, effect) in enumerate(shown):
        tone = plausibility if plausibility in ("headline", "dubious") else "plain"
        if plausibility == "paper" and facts.labels.paper is None:
            plausibility = "defensible"
        label = SAID(f"mark_{plausibility}", name=facts.labels.moves(name))
        along = round((number + 0.5) * width, 3)
        marks.append(_mark(effect, axis, along, tone, label))
    return Curve(
        tuple(marks),
        axis.ticks,
        axis(0.0),
        SAID("curve_seen", n=len(s.rows), ends=_ends([e.estimate for e in effects])),
    )


def lines(frame: pd.DataFrame | None, cities: Sequence[City]) -> Lines | None:
    """Levels of treated and other cities, on axes that hold every city's own line."""
    if frame is None:
        return None
    rows = frame[(frame["dimension"] == "role") & frame["tfp_level_idx"].notna()]
    if not len(rows):
        return None
    paths = {
        role: [
            (int(y), float(v))
            for y, v in part.sort_values("year")[["year", "tfp_level_idx"]].to_numpy()
        ]
        for role, part in rows.groupby("member", sort=True)
    }
    values = [v for path in paths.values() for _, v in path]
    values += [v for city in cities for _, v in city.levels]
    years = sorted({y for path in paths.values() for y, _ in path})
    low, high = math.log(min(values)), math.log(max(values))
    pad = 0.04 * (high - low or 1.0)
    low, high = low - pad, high + pad
    span = years[-1] - years[0] or 1
    scale = (
        -100 * years[0] / span,
        100 / span,
        100 * high / (high - low),
        -100 / (high - low),
    )

    def at(year: int, value: float) -> tuple[float, float]:
        return (
            round(scale[0] + scale[1] * year, 3),
            round(scale[2] + scale[3] * math.log(value), 3),
        )

    ticks = [
        t for t in (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20)
        if low <= math.log(t) <= high
    ]  # fmt: skip
    return Lines(
        tuple(Tick(at(y, 1.0)[0], str(y)) for y in years),
        tuple(Tick(at(years[0], t)[1], f"{t:g}") for t in ticks),
        scale,
        tuple(
            (role, LABELS.label("roles", role), tuple(at(y, v) for y, v in path))
            for role, path in paths.items()
        ),
    )


def tile_map(facts: Facts) -> TileMap:
    """Cities by region, in the order of their codes, shaded by mean growth."""
    known = sorted(c.growth for c in facts.cities if math.isfinite(c.growth))
    ends = [
        known[min(len(known) - 1, math.ceil(len(known) * k / STEPS) - 1)]
        for k in range(1, STEPS + 1)
    ] if known else []  # fmt: skip
    regions = []
    strange = {city.region for city in facts.cities} - set(region_names())
    for region in (*region_names(), *sorted(strange)):
        tiles = [
            Tile(
                city,
                bisect_left(ends, city.growth) if math.isfinite(city.growth) else None,
                *city.name,
            )
            for city in facts.cities
            if city.region == region
        ]
        if tiles:
            regions.append((region_name(region), tuple(tiles)))
    return TileMap(tuple(regions), tuple(ends))
