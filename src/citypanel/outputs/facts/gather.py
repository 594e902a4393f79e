"""The facts of a published file: what pages, tables, figures and messages read.

Nothing is estimated here: a number is a cell of the published file, or a count, a share
or a mean of its cells. A part whose table is not in the file is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from citypanel.curve.summary import is_papers_question
from citypanel.did import minimum_detectable_effect, power_at
from citypanel.errors import PublicationError
from citypanel.outputs.facts.effects import (
    Check,
    Effect,
    Estimator,
    Inference,
    Printed,
    Regression,
    effect_of,
    number,
    regression_of,
    whole,
)
from citypanel.outputs.facts.index import Index, index_of
from citypanel.outputs.facts.labels import Labels, labels_of
from citypanel.outputs.facts.range import Range, range_of
from citypanel.outputs.facts.verdict import Conclusion, Evidence, Pretrend, conclude
from citypanel.quality.published import options_of
from citypanel.study.declaration import declared
from citypanel.study.estimates import TREATMENT
from citypanel.study.parts import Column
from citypanel.warehouse.preflight import open_published
from citypanel.words import LABELS, Words, same

Frames = Mapping[str, pd.DataFrame]

# Tables without which there is no report, and those it can do without.
NEEDED = (
    "dim_cities", "dim_study_variants", "dim_variables", "fct_cell_origins",
    "fct_city_years", "fct_tfp_changes", "rpt_regressions", "rpt_sample",
)  # fmt: skip
WANTED = (
    "rpt_att", "rpt_event_study", "rpt_frontier", "rpt_inference",
    "rpt_published_audit", "rpt_published_comparison", "rpt_sensitivity",
    "rpt_specification_summary", "rpt_specifications", "rpt_tfp_trajectories",
    "dq_findings", "dq_rules", "dq_summary",
)  # fmt: skip
HEADLINE = "headline"
LEVEL = "cumulative_log_tfp"
GROWTH, COMPONENT, OF_LEVEL = "growth", "component", "level"
TWO_WAY = "twfe"
# Origins of a cell that is a published figure.
PUBLISHED = ("reported", "other_source")
# What `citypanel specifications` writes of all choices together.
CURVE = ("specifications.parquet", "summary.parquet")


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
    """A city as a tile, a point and a line of the charts."""

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
class WithoutOne:
    """The headline without each city in turn.

    Attributes
    ----------
    n : int
    low, high : float
    turned : tuple of City
        Those without which the estimate has another sign.
    farthest : City
        The one without which it moves most.
    """

    n: int
    low: float
    high: float
    turned: tuple[City, ...]
    farthest: City

    @property
    def n_turned(self) -> int:
        return len(self.turned)


@dataclass(frozen=True)
class Sample:
    """Who is compared.

    Attributes
    ----------
    n_cities, n_treated : int
        In the sample, and treated among them.
    changes : mapping of city_id to float
        Of the treated cities with years on both sides, `rpt_sample.outcome_change`.
    left_out : tuple
        Names and reason of the cities that are not in it.
    """

    n_cities: int
    n_treated: int
    left_out: tuple[tuple[tuple[str, str], str], ...] = ()
    changes: Mapping[str, float] = field(default_factory=dict)

    @property
    def mean_change(self) -> float:
        """Of the treated cities; NaN where none has a change."""
        changes = self.changes.values()
        return sum(changes) / len(changes) if changes else math.nan

    @property
    def n_risen(self) -> int:
        """Treated cities whose change is positive."""
        return sum(change > 0 for change in self.changes.values())

    @property
    def n_control(self) -> int:
        return self.n_cities - self.n_treated


@dataclass(frozen=True)
class Data:
    """Where the cells of the study's years come from."""

    n_cells: int
    by_year: tuple[tuple[int, Mapping[str, int]], ...]
    origins: Mapping[str, int]
    most_filled: tuple[tuple[str, str], float] | None
    verdict: tuple[str, Words] | None
    critical: tuple[tuple[Words, int, list[Words]], ...]

    @property
    def published_share(self) -> float:
        """Of the cells (0-1); NaN where there are none."""
        n = sum(self.origins.get(name, 0) for name in PUBLISHED)
        return n / self.n_cells if self.n_cells else math.nan

    @property
    def level(self) -> str:
        """stop, care, note or good; unknown where the file has no quality tables."""
        return self.verdict[0] if self.verdict else "unknown"


@dataclass(frozen=True)
class Level:
    """The same question asked of the level, where the outcome is growth."""

    effect: Effect
    leads: tuple[float, ...]

    @property
    def broken(self) -> int:
        """Tests of the leads that find the groups apart before the policy."""
        return sum(p < 0.05 for p in self.leads)


class Facts:
    """Everything that is said, each part read from its tables when it is asked for.

    A part whose table is not in the published file is None or empty.

    Parameters
    ----------
    frames : mapping
        Tables by name, as `NEEDED` and `WANTED` list them.
    **given
        Parts to take as they are, by name.
    """

    def __init__(self, frames: Frames, **given: Any) -> None:
        self._frames = frames
        self.__dict__.update(given)

    # ------------------------------------------------------------ what is studied

    @cached_property
    def options(self) -> Mapping[str, str]:
        """Of the headline, as text."""
        return options_of(self._frames["dim_study_variants"])

    @cached_property
    def labels(self) -> Labels:
        """What is studied, in words."""
        return labels_of(self.options["policy"])

    @property
    def outcome(self) -> str:
        return self.options["outcome"]

    @property
    def estimand(self) -> str:
        """growth, component or level: what the headline is an effect on."""
        value = declared().options["outcome"].value(self.outcome)
        return (value.estimand if value else None) or GROWTH

    @property
    def years(self) -> tuple[int, int]:
        return int(self.options["first_year"]), int(self.options["last_year"])

    @property
    def has_batches(self) -> bool:
        """Whether the roster is the study's own, whose batches the tables number."""
        return self.options["policy"] == declared().options["policy"].default

    @cached_property
    def is_papers(self) -> bool:
        """Whether the question is the paper's, so that its numbers compare."""
        return self.labels.paper is not None and is_papers_question(self.options)

    # --------------------------------------------------------------- the estimate

    def _regression(self, column: Column | None, variant: str) -> Regression | None:
        """The policy's row of a column; None where it has none."""
        rows = _of_column(self._frames["rpt_regressions"], column)
        rows = rows[(rows["term"] == TREATMENT) & (rows["variant"] == variant)]
        return regression_of(rows.iloc[0]) if len(rows) else None

    @cached_property
    def headline(self) -> Regression:
        """In the first column that the study declares."""
        return self._regression(_columns()[0], HEADLINE) or Regression(Effect())

    @property
    def has_controls(self) -> bool:
        """Whether that column has controls."""
        return bool(_columns()[0].controls)

    @cached_property
    def variants(self) -> tuple[tuple[str, Regression], ...]:
        """The same column of the other variants, in their order."""
        names = self._frames["dim_study_variants"].sort_values("variant_order")
        return tuple(
            (name, found)
            for name in names["variant"]
            if name != HEADLINE and (found := self._regression(_columns()[0], name))
        )

    @cached_property
    def controlled(self) -> Regression | None:
        """The same with the declared controls."""
        return self._regression(_columns()[1], HEADLINE)

    @cached_property
    def after_treatment(self) -> tuple[str, ...]:
        """Controls of that column that are measured after treatment."""
        rows = _of_column(self._frames["rpt_regressions"], _columns()[1])
        notes = rows["note"].astype("string").str
        noted = notes.startswith("after treatment").fillna(False)
        return tuple(sorted(rows.loc[noted & (rows["variant"] == HEADLINE), "term"]))

    @cached_property
    def by_region(self) -> tuple[tuple[str, Regression], ...]:
        """Each region in a regression of its own."""
        return tuple(
            (column.name, found)
            for column in _columns()[2]
            if (found := self._regression(column, HEADLINE))
        )

    @cached_property
    def paper(self) -> Printed | None:
        """The number to compare with; None where the question is not the paper's."""
        main = _columns()[0]
        key = {"paper_table": main.table, "paper_column": main.name, "term": TREATMENT}
        estimate = self._printed("published", **key, statistic="estimate")
        if math.isnan(estimate):
            return None
        return Printed(
            estimate, self._printed("published", **key, statistic="std_error")
        )

    @cached_property
    def mean_index(self) -> tuple[float, float] | None:
        """Mean of the outcome as the paper prints it, and ours."""
        key = {"term": self.outcome, "statistic": "mean"}
        pair = self._printed("published", **key), self._printed("ours", **key)
        return pair if math.isfinite(pair[0]) else None

    def _printed(self, which: str, **key: str) -> float:
        """A cell of the comparison with the paper; NaN where there is none."""
        rows = self._frames.get("rpt_published_comparison")
        if rows is None or not self.is_papers:
            return math.nan
        for column, value in key.items():
            rows = rows[rows[column].astype(str) == value]
        return number(rows[which].iloc[0]) if len(rows) else math.nan

    @cached_property
    def mean_output(self) -> float:
        """Of the treated units in the last year, in the study's unit of output; NaN."""
        years, column = self._frames["fct_city_years"], self.labels.money.get("column")
        if column not in years:
            return math.nan
        last = years[(years["year"] == years["year"].max()) & years["cohort"].gt(0)]
        return number(last[column].mean())

    # ------------------------------------------------------- what is set beside it

    @cached_property
    def inference(self) -> Inference | None:
        table = self._frames.get("rpt_inference")
        rows = None if table is None else _of_column(table, _columns()[0])
        if rows is None or not len(rows):
            return None
        row = rows.iloc[0]
        found = {name: number(row[column]) for name, column in _P_VALUES.items()}
        return Inference(
            {name: p for name, p in found.items() if math.isfinite(p)},
            number(row["minimum_detectable_effect"]),
            # The size that power is measured against is the paper's, nobody else's.
            number(row["power_at_bound"]) if self.is_papers else math.nan,
        )

    @cached_property
    def _checked(self) -> tuple[Any, ...]:
        return _checks(self._frames.get("rpt_sensitivity"))

    @cached_property
    def checks(self) -> tuple[Check, ...] | None:
        """The headline with one thing changed; None where nobody looked."""
        checks = self._checked[0]
        if checks is None or self.has_batches:
            return checks
        return tuple(c for c in checks if not _is_of_batches(c))

    @cached_property
    def pretrend(self) -> Pretrend:
        events, leads_p = self._frames.get("rpt_event_study"), math.nan
        if events is not None:
            own = (events["variant"] == HEADLINE) & (events["estimator"] == TWO_WAY)
            rows = events[own & (events["outcome"] == self.outcome)]
            leads = rows["leads_p_value"].dropna()
            leads_p = float(leads.iloc[0]) if len(leads) else math.nan
        checks = self._frames.get("rpt_sensitivity")
        found = pretrend_from(checks, leads_p, self._checked[1])
        others = (e.leads_p for e in self.estimators or () if e.name != TWO_WAY)
        return replace(found, others_p=tuple(filter(math.isfinite, others)))

    @cached_property
    def trend_lines(self) -> Mapping[str, float]:
        """By estimator, slope of the line through the leads and the reference."""
        checks = self._frames.get("rpt_sensitivity")
        if checks is None:
            return {}
        is_slope = checks["term"] == "slope"
        rows = checks[is_slope & (checks["check_name"] == "pretrend_line")]
        return dict(zip(rows["estimator"], rows["estimate"].astype(float), strict=True))

    @cached_property
    def estimators(self) -> tuple[Estimator, ...] | None:
        att = self._frames.get("rpt_att")
        return None if att is None else _estimators(att, self.outcome)

    @cached_property
    def level(self) -> Level | None:
        att = self._frames.get("rpt_att")
        if att is None or self.estimand == OF_LEVEL:
            return None
        rows = _estimators(att, LEVEL)
        own = [r.effect for r in rows if r.name == TWO_WAY and r.effect.is_tested]
        leads = tuple(r.leads_p for r in rows if math.isfinite(r.leads_p))
        return Level(own[0], leads) if own else None

    @cached_property
    def range(self) -> Range | None:
        """Over the choices, within the estimand."""
        return range_of(
            self._frames.get("rpt_specifications"),
            self._frames.get("rpt_specification_summary"),
            self.estimand,
        )

    @cached_property
    def audit(self) -> tuple[AuditCheck, ...] | None:
        table = self._frames.get("rpt_published_audit")
        return None if table is None or not self.is_papers else _audit(table)

    @property
    def n_audited(self) -> int:
        """Printed items that can be checked."""
        return sum(check.n for check in self.audit or ())

    @property
    def n_wrong(self) -> int:
        """Those that agree under no reading."""
        return sum(check.n_disagree for check in self.audit or ())

    @property
    def detectable(self) -> float:
        """Effect found four times in five at the 5 per cent level."""
        if self.inference and math.isfinite(self.inference.detectable):
            return self.inference.detectable
        error = self.headline.effect.std_error
        if not error > 0:
            return math.nan
        return float(minimum_detectable_effect(error, df=self._df))

    @property
    def power(self) -> float:
        """Probability to find an effect of the paper's size; NaN where it has none."""
        if self.inference and math.isfinite(self.inference.power):
            return self.inference.power
        error = self.headline.effect.std_error
        if self.paper is None or not error > 0:
            return math.nan
        return float(power_at(self.paper.estimate, error, df=self._df))

    @property
    def _df(self) -> float:
        n = self.headline.n_units
        return n - 1 if n and n > 1 else math.inf

    # ------------------------------------------------------------- data and units

    @cached_property
    def sample(self) -> Sample:
        return _sample(self._frames["rpt_sample"])

    @cached_property
    def data(self) -> Data:
        return _data(self._frames, self.years)

    @cached_property
    def cities(self) -> tuple[City, ...]:
        return _cities(self._frames, self._checked[2])

    @cached_property
    def without_one(self) -> WithoutOne | None:
        """The headline without each city in turn; None where nobody looked."""
        left = [c for c in self.cities if math.isfinite(c.without)]
        base = self.headline.effect
        if not left or not base.is_known:
            return None
        return WithoutOne(
            n=len(left),
            low=min(c.without for c in left),
            high=max(c.without for c in left),
            turned=tuple(c for c in left if Effect(c.without).sign != base.sign),
            farthest=max(
                left, key=lambda c: (abs(c.without - base.estimate), c.city_id)
            ),
        )

    @cached_property
    def index(self) -> Index | None:
        return index_of(self._frames)

    @cached_property
    def conclusion(self) -> Conclusion:
        """What every sentence is derived from."""
        return conclude(
            Evidence(
                effect=self.headline.effect,
                pretrend=self.pretrend,
                estimators=[
                    row for row in self.estimators or () if row.name != TWO_WAY
                ],
                n_treated=self.headline.n_treated,
                data=self.data.level,
                assumed_share=self.headline.assumed_share,
                in_doubt_share=self.index.zero_price_share if self.index else math.nan,
                bound=self.paper.estimate if self.paper else math.nan,
                detectable=self.detectable,
            )
        )


def read_frames(warehouse: Path) -> dict[str, pd.DataFrame]:
    """The tables of the report; those it can do without only where they are there."""
    with open_published(warehouse) as connection:
        there = tables_in(connection)
        tables = {
            name: f"{'quality' if name.startswith('dq_') else 'marts'}.{name}"
            for name in (*NEEDED, *WANTED)
        }
        missing = [tables[name] for name in NEEDED if tables[name] not in there]
        if missing:
            raise PublicationError.of(
                "outputs.lacks_tables", missing, name=warehouse.name
            )
        return {
            name: connection.sql(f"select * from {table} order by all").df()
            for name, table in tables.items()
            if table in there
        }


def tables_in(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of a file, with their schemas."""
    rows = connection.execute("select schema_name, table_name from duckdb_tables()")
    return {f"{schema}.{name}" for schema, name in rows.fetchall()}


def gather(frames: Frames, **given: Any) -> Facts:
    """The facts of the published tables.

    Parameters
    ----------
    frames : mapping
        Tables by name, as `NEEDED` and `WANTED` list them. `Marts` keeps the facts of
        its file, so that every table and figure of it reads the same ones.
    **given
        Parts to take as they are, by name.
    """
    own = getattr(frames, "facts", None)
    return own if own is not None and not given else Facts(frames, **given)


def with_curve(frames: Frames, folder: Path) -> dict[str, pd.DataFrame]:
    """The tables, with all choices together in place of single moves.

    Those that `citypanel specifications` wrote to the folder are taken where they are
    of this file: the same headline, under the same options.
    """
    frames = dict(frames)
    paths = [folder / name for name in CURVE]
    if not all(path.is_file() for path in paths):
        return frames
    table, summary = (duckdb.read_parquet(str(path)).df() for path in paths)
    if is_of(frames, table):
        frames["rpt_specifications"] = table
        frames["rpt_specification_summary"] = summary
    return frames


def is_of(frames: Frames, table: pd.DataFrame) -> bool:
    """Whether a curve was computed from these tables."""
    options = options_of(frames["dim_study_variants"])
    base = Facts(frames).headline
    own = table[table["specification"] == HEADLINE]
    if len(own) != 1:
        return False
    row = own.iloc[0]
    numbers = {
        "estimate": base.effect.estimate,
        "std_error": base.effect.std_error,
        "n_obs": number(base.n_obs),
    }
    return all(
        math.isclose(number(row[name]), value, rel_tol=1e-6, abs_tol=1e-12)
        for name, value in numbers.items()
    ) and all(str(row[name]) == value for name, value in options.items() if name in row)


def _columns() -> tuple[Column, Column | None, list[Column]]:
    """The headline's column, the same with controls, and those of the regions."""
    study = declared()
    main = study.columns[0]
    whole_sample = [c for c in study.columns if c.where is None and not c.periods_ahead]
    controlled = next((c for c in whole_sample if c.controls), None)
    regional = [c for c in study.columns if c.name in study.regions]
    return main, controlled, regional


def _of_column(table: pd.DataFrame, column: Column | None) -> pd.DataFrame:
    if column is None:
        return table.iloc[:0]
    return table[
        (table["paper_table"].astype(str) == column.table)
        & (table["paper_column"] == column.name)
    ]


_P_VALUES = {
    "cluster": "p_value", "cr2": "p_value_cr2", "cv3": "p_value_cv3",
    "wild": "p_value_wild", "randomisation": "p_value_randomisation",
    "romano_wolf": "p_value_romano_wolf",
}  # fmt: skip


def _estimators(frame: pd.DataFrame, outcome: str) -> tuple[Estimator, ...]:
    rows = frame[
        (frame["outcome"] == outcome)
        & (frame["sample"] == "all")
        & (frame["aggregation"] == "simple")
        & (frame["term"] == "overall")
        & frame["estimate"].notna()
    ]
    order = {name: place for place, name in enumerate(LABELS.of("estimators"))}
    rows = rows.sort_values(
        "estimator", key=lambda names: names.map(lambda n: order.get(n, len(order)))
    )
    return tuple(
        Estimator(row["estimator"], effect_of(row), number(row["leads_p_value"]))
        for row in rows.to_dict("records")
    )


def pretrend_from(
    checks: pd.DataFrame | None, leads_p: float, fakes: tuple[Check, ...] = ()
) -> Pretrend:
    """The years before the policy, from the checks of the two-way estimate.

    Parameters
    ----------
    checks : DataFrame or None
        Rows of rpt_sensitivity or rpt_study_sensitivity on one outcome.
    leads_p : float
        Joint test of the leads; NaN where there is none.
    fakes : tuple of Check
    """
    missed = math.nan
    line = net = bounded = Effect()
    if checks is not None:
        checks = checks[checks["estimator"] == TWO_WAY]

        def row(check: str, **key: object) -> dict | None:
            rows = checks[checks["check_name"] == check]
            for column, value in key.items():
                rows = rows[rows[column] == value]
            return rows.iloc[0].to_dict() if len(rows) else None

        if found := row("pretrend_line", term="slope"):
            line = effect_of(found)
        if found := row("pretrend_power", term="slope_at_power_0.5"):
            missed = number(found["slope"])
        if found := row("honest", aggregation="smoothness", bound=0.0):
            net = effect_of(found)
        if found := row("honest", aggregation="relative_magnitude", bound=1.0):
            bounded = effect_of(found)
    return Pretrend(leads_p, line, missed, net, bounded, fakes)


def _checks(frame: pd.DataFrame | None):
    """Checks beside the headline, the fake dates, the headline without each city."""
    if frame is None:
        return None, (), {}
    checks: list[Check] = []
    fakes: list[Check] = []
    for row in frame.to_dict("records"):
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
    cities = frame[frame["check_name"] == "leave_one_city_out"]
    return (
        tuple(sorted(checks, key=lambda c: (c.kind, c.item))),
        tuple(sorted(fakes, key=lambda c: c.item)),
        {
            str(row["term"]): number(row["estimate"])
            for row in cities.to_dict("records")
        },
    )


def _is_of_batches(check: Check) -> bool:
    """Whether a check leaves out a batch of the study's own roster."""
    group = declared().exclusions.get(check.item.removeprefix("without_"))
    return check.kind == "exclusion" and bool(group and "batch" in group.where.names)


def _audit(frame: pd.DataFrame) -> tuple[AuditCheck, ...]:
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


def _sample(sample: pd.DataFrame) -> Sample:
    inside = sample["is_in_sample"].astype(bool)
    changes = {}
    # Files of before the column was published stay readable.
    if "outcome_change" in sample:
        known = sample.set_index("city_id")["outcome_change"].dropna()
        changes = known.astype(float).to_dict()
    out = sample[~inside]
    if "role" in out:
        out = out[out["role"] != "none"].sort_values("city_id")
    return Sample(
        n_cities=int(inside.sum()),
        n_treated=int((inside & (sample["cohort"].fillna(0) > 0)).sum()),
        left_out=tuple(
            ((row["city_en"], row["city_zh"]), row["reason"])
            for row in out.to_dict("records")
            if "reason" in row
        ),
        changes=changes,
    )


def _data(frames: Frames, years: tuple[int, int]) -> Data:
    cells = frames["fct_cell_origins"]
    cells = cells[cells["year"].between(*years)]
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
    return Data(
        n_cells=len(cells),
        by_year=tuple(by_year),
        origins={str(k): int(n) for k, n in counts.sort_index().items()},
        most_filled=None
        if not len(shares) or shares.iloc[0] == 0
        else (labels.get(shares.index[0], (shares.index[0],) * 2), shares.iloc[0]),
        verdict=quality_verdict(frames.get("dq_summary")),
        critical=_critical(frames.get("dq_findings"), frames.get("dq_rules")),
    )


def quality_verdict(summary: pd.DataFrame | None) -> tuple[str, Words] | None:
    """Level and words of the data's verdict; None where nobody gave one."""
    rows = None if summary is None else summary[summary["part"] == "verdict"]
    if rows is None or rows.empty:
        return None
    row = rows.sort_values("number").iloc[0]
    return str(row["level"]), Words(row["text_en"], row["text_zh"])


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
        cohort = None if own is None else whole(own["cohort"])
        cities.append(
            City(
                city,
                (row["city_en"], row["city_zh"]),
                (row["province_en"], row["province_zh"]),
                row["region"],
                whole(row["batch"]),
                cohort or None,
                own is not None and bool(own["is_in_sample"]),
                "" if own is None else str(own["reason"]),
                number(growth.get(city)),
                paths.get(city, ()),
                without.get(city, math.nan),
            )
        )
    return tuple(cities)
