"""What the study report says, taken from the published tables.

Nothing is estimated here: every number is a cell of the published file, or a count or a
share of its cells. A part whose table is not in the file is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import pandas as pd

from citypanel.curve.page import MAIN, WIDE, Reader
from citypanel.quality.published import options_of
from citypanel.words import Words, same
from citypanel.words.numbers import fixed

Frames = Mapping[str, pd.DataFrame]

# Tables without which there is no report, and those it can do without.
NEEDED = {
    "dim_cities": "marts.dim_cities",
    "dim_study_variants": "marts.dim_study_variants",
    "dim_variables": "marts.dim_variables",
    "fct_cell_origins": "marts.fct_cell_origins",
    "fct_tfp_changes": "marts.fct_tfp_changes",
    "rpt_regressions": "marts.rpt_regressions",
    "rpt_sample": "marts.rpt_sample",
}
WANTED = {
    "rpt_att": "marts.rpt_att",
    "rpt_event_study": "marts.rpt_event_study",
    "rpt_frontier": "marts.rpt_frontier",
    "rpt_inference": "marts.rpt_inference",
    "rpt_published_audit": "marts.rpt_published_audit",
    "rpt_published_comparison": "marts.rpt_published_comparison",
    "rpt_sensitivity": "marts.rpt_sensitivity",
    "rpt_specification_summary": "marts.rpt_specification_summary",
    "rpt_specifications": "marts.rpt_specifications",
    "rpt_tfp_trajectories": "marts.rpt_tfp_trajectories",
    "dq_findings": "quality.dq_findings",
    "dq_rules": "quality.dq_rules",
    "dq_summary": "quality.dq_summary",
}
HEADLINE = "headline"
LEVEL = "cumulative_log_tfp"
SIGNIFICANCE = 0.05
# Origins of a cell that is a published figure.
PUBLISHED = ("reported", "other_source")


@dataclass(frozen=True)
class Effect:
    """An estimate with its 95 per cent interval; NaN where there is none."""

    estimate: float
    std_error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.estimate)

    @property
    def is_tested(self) -> bool:
        return self.is_known and math.isfinite(self.p_value)

    @property
    def is_significant(self) -> bool:
        return self.is_tested and self.p_value < SIGNIFICANCE

    @property
    def sign(self) -> int:
        """-1, 0 or 1; 0 too where there is no estimate."""
        return (self.estimate > 0) - (self.estimate < 0)

    def holds(self, value: float) -> bool:
        """Whether the interval holds the value."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """The estimate with its standard error behind it."""
        if not math.isfinite(self.std_error):
            return fixed(self.estimate)
        return f"{fixed(self.estimate)}\u00a0({fixed(self.std_error)})"


@dataclass(frozen=True)
class Regression:
    """An effect and what it was estimated on."""

    effect: Effect
    n_obs: int | None = None
    n_cities: int | None = None
    n_treated: int | None = None
    assumed_share: float = math.nan


@dataclass(frozen=True)
class Estimator:
    """An estimator's overall effect and the joint test of its leads."""

    name: str
    effect: Effect
    leads_p: float = math.nan


@dataclass(frozen=True)
class Check:
    """The headline with one thing changed: its kind, what was changed, the effect."""

    kind: str
    item: str
    effect: Effect


@dataclass(frozen=True)
class Paper:
    """What the paper prints in Table 3, column 1, and its mean index beside ours."""

    estimate: float
    std_error: float
    mean_index: float = math.nan
    our_mean_index: float = math.nan

    @property
    def effect(self) -> Effect:
        """With the interval and p-value that its printed standard error implies.

        estimate -/+ 1.96 std_error, under the normal distribution.
        """
        if not self.std_error > 0:
            return Effect(self.estimate)
        normal = NormalDist()
        reach = normal.inv_cdf(1 - SIGNIFICANCE / 2) * self.std_error
        return Effect(
            self.estimate,
            self.std_error,
            self.estimate - reach,
            self.estimate + reach,
            2 * normal.cdf(-abs(self.estimate / self.std_error)),
        )


@dataclass(frozen=True)
class Inference:
    """P-values of the headline by method, and what the study could have found."""

    p_values: Mapping[str, float]
    detectable: float
    bound: float
    power: float
    equivalence_p: float
    draws: int


@dataclass(frozen=True)
class Specifications:
    """The effect on growth over the specifications of the published file."""

    n: int
    n_dubious: int
    only_single_moves: bool
    median: float
    low: float
    high: float
    positive: float
    up: float
    down: float
    joint_p: float
    rows: tuple[tuple[str, str, Effect], ...] = ()


@dataclass(frozen=True)
class AuditCheck:
    """What a check says of the printed items, each under every reading it allows.

    Attributes
    ----------
    name : str
    n : int
        Printed items (a place in a table) that can be checked; those that are not
        legible are left out.
    n_disagree : int
        Items that agree under no reading.
    n_by_reading : int
        Items that agree under some readings and not under others.
    places : tuple
        Table, column, term, rule and verdict of each disagreement of the former.
    """

    name: str
    n: int
    n_disagree: int
    n_by_reading: int = 0
    places: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class City:
    """A city as a tile and a line of the charts."""

    city_id: str
    name: tuple[str, str]
    province: tuple[str, str]
    region: str
    batch: int | None
    cohort: int | None
    is_in: bool
    reason: str
    growth: float
    levels: tuple[tuple[int, float], ...]
    without: float


@dataclass(frozen=True)
class Data:
    """Where the cells come from."""

    n_cells: int
    by_year: tuple[tuple[int, Mapping[str, int]], ...]
    origins: Mapping[str, int]
    most_filled: tuple[tuple[str, str], float] | None
    n_cities: int
    n_treated: int
    left_out: tuple[tuple[tuple[str, str], str], ...]
    verdict: tuple[str, str, str] | None
    critical: tuple[tuple[Words, int, list[Words]], ...]
    n_zero_price_first: tuple[int, float] | None = None
    n_zero_price_last: tuple[int, float] | None = None


@dataclass(frozen=True)
class Facts:
    """Everything the report says. `None`: the table is not in the published file."""

    options: Mapping[str, str]
    headline: Regression
    data: Data
    variants: tuple[tuple[str, Regression], ...] = ()
    controlled: Regression | None = None
    after_treatment: tuple[str, ...] = ()
    paper: Paper | None = None
    inference: Inference | None = None
    leads_p: float = math.nan
    estimators: tuple[Estimator, ...] | None = None
    level: tuple[Estimator, ...] | None = None
    checks: tuple[Check, ...] | None = None
    fake_dates: tuple[Check, ...] = ()
    honest: tuple[tuple[float, Effect], ...] = ()
    pretrend_slope: float = math.nan
    specifications: Specifications | None = None
    audit: tuple[AuditCheck, ...] | None = None
    cities: tuple[City, ...] = field(default=())

    @property
    def outcome(self) -> str:
        return self.options.get("outcome", "tfpch")

    @property
    def is_paper_policy(self) -> bool:
        return self.options.get("policy", "pilot_zones") == "pilot_zones"


def gather(frames: Frames) -> Facts:
    """The facts of the published tables.

    Parameters
    ----------
    frames : mapping
        Tables by name, as `NEEDED` and `WANTED` list them; the needed ones must be
        there.

    Returns
    -------
    Facts
    """
    options = options_of(frames["dim_study_variants"])
    outcome = options.get("outcome", "tfpch")
    table = frames["rpt_regressions"]
    main = table[(table["paper_table"].astype(str) == "3") & (table["term"] == "sydid")]
    plain = main[main["paper_column"] == "(1)"]
    variants = [
        (name, _regression(plain[plain["variant"] == name]))
        for name in _in_order(frames["dim_study_variants"])
        if name != HEADLINE and (plain["variant"] == name).any()
    ]
    with_controls = main[
        (main["paper_column"] == "(2)") & (main["variant"] == HEADLINE)
    ]
    notes = table[
        (table["paper_table"].astype(str) == "3")
        & (table["paper_column"] == "(2)")
        & (table["variant"] == HEADLINE)
        & table["note"].astype("string").str.startswith("after treatment").fillna(False)
    ]
    checks, fakes, honest, slope, without = _sensitivity(frames.get("rpt_sensitivity"))
    att = frames.get("rpt_att")
    return Facts(
        options=options,
        headline=_regression(plain[plain["variant"] == HEADLINE]),
        data=_data(frames),
        variants=tuple(variants),
        controlled=_regression(with_controls) if len(with_controls) else None,
        after_treatment=tuple(sorted(notes["term"])),
        paper=_paper(frames.get("rpt_published_comparison"), options),
        inference=_inference(frames.get("rpt_inference")),
        leads_p=_leads(frames.get("rpt_event_study"), outcome),
        estimators=None if att is None else _estimators(att, outcome),
        level=None if att is None else _estimators(att, LEVEL),
        checks=checks,
        fake_dates=fakes,
        honest=honest,
        pretrend_slope=slope,
        specifications=_specifications(frames),
        audit=_audit(frames.get("rpt_published_audit")),
        cities=_cities(frames, without),
    )


def _number(value: Any) -> float:
    return math.nan if value is None or pd.isna(value) else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def effect_of(row: Mapping) -> Effect:
    """The effect in a row of a table of estimates."""
    return Effect(
        _number(row["estimate"]),
        _number(row.get("std_error")),
        _number(row.get("conf_low")),
        _number(row.get("conf_high")),
        _number(row.get("p_value")),
    )


def _regression(rows: pd.DataFrame) -> Regression:
    if not len(rows):
        return Regression(Effect(math.nan))
    row = rows.iloc[0]
    return Regression(
        effect_of(row),
        _whole(row["n_obs"]),
        _whole(row["n_cities"]),
        _whole(row["n_treated_cities"]),
        _number(row["assumed_share"]),
    )


def _in_order(variants: pd.DataFrame) -> list[str]:
    return list(variants.sort_values("variant_order")["variant"])


def _paper(frame: pd.DataFrame | None, options: Mapping[str, str]) -> Paper | None:
    comparable = (
        options.get("policy") == "pilot_zones" and options.get("outcome") == "tfpch"
    )
    if frame is None or not comparable:
        return None

    def cell(table: str, column: str, term: str, statistic: str, which: str) -> float:
        row = frame[
            (frame["paper_table"].astype(str) == table)
            & (frame["paper_column"] == column)
            & (frame["term"] == term)
            & (frame["statistic"] == statistic)
        ]
        return _number(row[which].iloc[0]) if len(row) else math.nan

    estimate = cell("3", "(1)", "sydid", "estimate", "published")
    if math.isnan(estimate):
        return None
    return Paper(
        estimate,
        cell("3", "(1)", "sydid", "std_error", "published"),
        cell("2", "all", "tfpch", "mean", "published"),
        cell("2", "all", "tfpch", "mean", "ours"),
    )


def _inference(frame: pd.DataFrame | None) -> Inference | None:
    if frame is None:
        return None
    rows = frame[
        (frame["paper_table"].astype(str) == "3") & (frame["paper_column"] == "(1)")
    ]
    if not len(rows):
        return None
    row = rows.iloc[0]
    names = {
        "cluster": "p_value", "cr2": "p_value_cr2", "cv3": "p_value_cv3",
        "wild": "p_value_wild", "randomisation": "p_value_randomisation",
        "romano_wolf": "p_value_romano_wolf",
    }  # fmt: skip
    found = {name: _number(row[column]) for name, column in names.items()}
    return Inference(
        {name: p for name, p in found.items() if math.isfinite(p)},
        _number(row["minimum_detectable_effect"]),
        _number(row["bound"]),
        _number(row["power_at_bound"]),
        _number(row["equivalence_p_value"]),
        int(row["draws"]),
    )


def _leads(frame: pd.DataFrame | None, outcome: str) -> float:
    if frame is None:
        return math.nan
    rows = frame[
        (frame["variant"] == HEADLINE)
        & (frame["outcome"] == outcome)
        & (frame["estimator"] == "twfe")
    ]["leads_p_value"].dropna()
    return float(rows.iloc[0]) if len(rows) else math.nan


def _estimators(frame: pd.DataFrame, outcome: str) -> tuple[Estimator, ...]:
    rows = frame[
        (frame["outcome"] == outcome)
        & (frame["sample"] == "all")
        & (frame["aggregation"] == "simple")
        & (frame["term"] == "overall")
    ].sort_values("estimator")
    return tuple(
        Estimator(row["estimator"], effect_of(row), _number(row["leads_p_value"]))
        for row in rows.to_dict("records")
        if not pd.isna(row["estimate"])
    )


def _sensitivity(frame: pd.DataFrame | None):
    if frame is None:
        return None, (), (), math.nan, {}
    rows = frame.to_dict("records")
    checks: list[Check] = []
    fakes: list[Check] = []
    for row in rows:
        kind, item = row["check_name"], ""
        interacted = kind == "by_region" and row["aggregation"] == "interacted"
        if kind == "exclusion" or interacted:
            item = row["sample"]
        elif kind in ("leave_one_batch_out", "fake_date"):
            item = "".join(c for c in str(row["term"]) if c.isdigit())
        elif kind != "region_by_year":
            continue
        into = fakes if kind == "fake_date" else checks
        into.append(Check(kind, item, effect_of(row)))
    twfe = frame[frame["estimator"] == "twfe"]
    honest = twfe[
        (twfe["check_name"] == "honest") & (twfe["aggregation"] == "relative_magnitude")
    ].sort_values("bound")
    slope = twfe[
        (twfe["check_name"] == "pretrend_power")
        & (twfe["term"] == "slope_at_power_0.5")
    ]["slope"].dropna()
    cities = frame[frame["check_name"] == "leave_one_city_out"]
    return (
        tuple(sorted(checks, key=lambda c: (c.kind, c.item))),
        tuple(sorted(fakes, key=lambda c: c.item)),
        tuple(
            (float(row["bound"]), effect_of(row)) for row in honest.to_dict("records")
        ),
        float(slope.iloc[0]) if len(slope) else math.nan,
        {
            str(row["term"]): _number(row["estimate"])
            for row in cities.to_dict("records")
        },
    )


def _specifications(frames: Frames) -> Specifications | None:
    table = frames.get("rpt_specifications")
    summary = frames.get("rpt_specification_summary")
    if table is None or summary is None or not len(table):
        return None
    read = Reader(summary)
    scope = MAIN if read.get(MAIN, "curve", "estimated", "n") > 0 else WIDE
    n = read.get(scope, "curve", "estimated", "n")
    growth = table[(table["estimand"] == "growth") & table["estimate"].notna()]
    if not n > 0 or not len(growth):
        return None
    growth = growth.sort_values(["estimate", "specification"])

    def share(item: str) -> float:
        return read.get(scope, "curve", item, "share")

    return Specifications(
        n=int(n),
        n_dubious=int((growth["plausibility"] == "dubious").sum()),
        only_single_moves=bool(table["role"].isin([HEADLINE, "one_at_a_time"]).all()),
        median=read.get(scope, "curve", "median", "value"),
        low=read.get(scope, "curve", "middle 90 per cent", "low"),
        high=read.get(scope, "curve", "middle 90 per cent", "high"),
        positive=share("positive"),
        up=share("significant and positive"),
        down=share("significant and negative"),
        joint_p=read.get(scope, "joint", "median", "p_value"),
        rows=tuple(
            (row["specification"], row["plausibility"], effect_of(row))
            for row in growth.to_dict("records")
        ),
    )


def _audit(frame: pd.DataFrame | None) -> tuple[AuditCheck, ...] | None:
    if frame is None:
        return None
    checks = []
    for name, rows in frame.groupby("check_name", sort=True):
        legible = rows[rows["verdict"] != "not legible"]
        item = legible[["paper_table", "paper_column", "term"]].fillna("").astype(str)
        item = item.agg("|".join, axis=1)
        disagrees = legible["disagrees"].astype(bool)
        none_agrees = disagrees.groupby(item).transform("all").astype(bool)
        wrong = legible[none_agrees].sort_values(
            ["paper_table", "paper_column", "term", "quantity", "rule"]
        )
        n_disagree = item[none_agrees].nunique()
        checks.append(
            AuditCheck(
                name,
                item.nunique(),
                n_disagree,
                item[disagrees].nunique() - n_disagree,
                tuple(
                    tuple("" if pd.isna(row[c]) else str(row[c]) for c in _PLACE)
                    for row in wrong.to_dict("records")
                ),
            )
        )
    return tuple(sorted(checks, key=lambda c: (-c.n_disagree, -c.n, c.name)))


_PLACE = ("paper_table", "paper_column", "term", "rule", "verdict")


def _data(frames: Frames) -> Data:
    cells = frames["fct_cell_origins"]
    counts = cells["origin"].value_counts()
    by_year = [
        (int(year), {str(k): int(n) for k, n in part.value_counts().items()})
        for year, part in cells.groupby("year", sort=True)["origin"]
    ]
    filled = (~cells["origin"].isin((*PUBLISHED, "corrected", "missing"))).groupby(
        cells["variable"]
    )
    shares = filled.mean().sort_values(ascending=False, kind="stable")
    labels = {
        row["variable"]: (row["label_en"], row["label_zh"])
        for row in frames["dim_variables"].to_dict("records")
    }
    sample = frames["rpt_sample"]
    inside = sample["is_in_sample"].astype(bool)
    out = sample[~inside & (sample["role"] != "none")].sort_values("city_id")
    frontier = frames.get("rpt_frontier")
    prices = []
    if frontier is not None and len(frontier):
        ordered = frontier.sort_values("year")
        prices = [
            (int(row["year"]), _number(row["zero_labour_price_share"]))
            for row in (ordered.iloc[0], ordered.iloc[-1])
        ]
    return Data(
        n_cells=len(cells),
        by_year=tuple(by_year),
        origins={str(k): int(n) for k, n in counts.sort_index().items()},
        most_filled=None
        if not len(shares) or shares.iloc[0] == 0
        else (labels.get(shares.index[0], (shares.index[0],) * 2), shares.iloc[0]),
        n_cities=int(inside.sum()),
        n_treated=int((inside & (sample["role"] == "treated")).sum()),
        left_out=tuple(
            ((row["city_en"], row["city_zh"]), row["reason"])
            for row in out.to_dict("records")
        ),
        verdict=_quality_verdict(frames.get("dq_summary")),
        critical=_critical(frames.get("dq_findings"), frames.get("dq_rules")),
        n_zero_price_first=prices[0] if prices else None,
        n_zero_price_last=prices[1] if prices else None,
    )


def _quality_verdict(summary: pd.DataFrame | None) -> tuple[str, str, str] | None:
    if summary is None:
        return None
    rows = summary[summary["part"] == "verdict"].sort_values("number")
    if not len(rows):
        return None
    row = rows.iloc[0]
    return row["level"], row["text_en"], row["text_zh"]


def _critical(findings: pd.DataFrame | None, rules: pd.DataFrame | None):
    """Rules with open critical findings: title, how many, and in which cities."""
    if findings is None or rules is None:
        return ()
    titles = {
        row["rule"]: Words(row["title_en"], row["title_zh"])
        for row in rules.to_dict("records")
    }
    critical = findings["severity"] == "critical"
    rows = findings[critical & (findings["status"] == "open")].sort_values("city_id")
    return tuple(
        (
            titles.get(rule, same(rule)),
            len(part),
            [
                Words(*names)
                for names in part[["city_en", "city_zh"]]
                .dropna()
                .drop_duplicates()
                .values
            ],
        )
        for rule, part in rows.groupby("rule", sort=True)
    )


def _cities(frames: Frames, without: Mapping[str, float]) -> tuple[City, ...]:
    changes = frames["fct_tfp_changes"].sort_values(["city_id", "year"])
    paths = {
        city: tuple(
            (int(year), math.exp(level))
            for year, level in zip(part["year"], part[LEVEL], strict=True)
            if not pd.isna(level)
        )
        for city, part in changes.groupby("city_id", sort=True)
    }
    growth = changes.groupby("city_id")["log_tfpch"].mean()
    sample = frames["rpt_sample"].set_index("city_id")
    cities = []
    for row in frames["dim_cities"].sort_values("city_id").to_dict("records"):
        city = row["city_id"]
        own = sample.loc[city] if city in sample.index else None
        cohort = None if own is None else _whole(own["cohort"])
        cities.append(
            City(
                city,
                (row["city_en"], row["city_zh"]),
                (row["province_en"], row["province_zh"]),
                row["region"],
                _whole(row["batch"]),
                cohort or None,
                own is not None and bool(own["is_in_sample"]),
                "" if own is None else str(own["reason"]),
                _number(growth.get(city)),
                paths.get(city, ()),
                without.get(city, math.nan),
            )
        )
    return tuple(cities)
