"""What a study's report rests on, read from its general tables alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from citypanel.errors import PublicationError
from citypanel.outputs.facts import (
    Check,
    Conclusion,
    Effect,
    Estimator,
    Evidence,
    Pretrend,
    conclude,
    effect_of,
    pretrend_from,
)
from citypanel.outputs.facts.effects import number, whole
from citypanel.outputs.facts.gather import quality_verdict, tables_in
from citypanel.study.own.tables import SCHEMA, TABLES
from citypanel.warehouse.preflight import open_published
from citypanel.words import LANGUAGES, Words

POLICY = "treatment"
TWO_WAY = "twfe"
# Tables of a study on the shipped figures that bear on how certain it is.
WANTED = {
    "dq_summary": "quality.dq_summary",
    "rpt_frontier": "marts.rpt_frontier",
    "rpt_regressions": "marts.rpt_regressions",
}


@dataclass(frozen=True, eq=False)
class StudyFacts:
    """The tables of a published study, and the few numbers its sentences turn on.

    Attributes
    ----------
    frames : mapping of name to DataFrame
        Those of `citypanel.study.own.tables.TABLES`, and of `WANTED` where they are.
    """

    frames: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.frames[name]

    @cached_property
    def study(self) -> pd.Series:
        """The row of ``dim_study``."""
        return self["dim_study"].iloc[0]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages the study has words in, English first."""
        said = str(self.study["languages"]).split(", ")
        return tuple(name for name in LANGUAGES if name in said) or ("en",)

    def said(self, name: str) -> Words:
        """title, unit or policy in every language; another's where one lacks it."""
        return _words(self.study, name)

    @property
    def units(self) -> Words:
        """The noun of the units, more than one of them."""
        one = self.said("unit")
        return Words(plural(one.en), one.zh)

    @cached_property
    def _names(self) -> dict[str, Words]:
        rows = self["dim_units"]
        return {str(row["unit_id"]): _words(row, "name") for _, row in rows.iterrows()}

    def unit(self, unit_id: object) -> Words:
        """What a unit is called; its key where it is in no comparison."""
        key = "" if pd.isna(unit_id) else str(unit_id)
        return self._names.get(key) or Words(key, key)

    def label(self, variable: str) -> Words:
        """The label of an outcome or a control; the policy's of the treatment."""
        if variable == POLICY:
            return self.said("policy")
        rows = self["dim_study_variables"]
        rows = rows[rows["variable"] == variable]
        return _words(rows.iloc[0], "label") if len(rows) else Words(variable, variable)

    @property
    def outcome(self) -> str:
        """The headline outcome."""
        return str(self.study["outcome"])

    @cached_property
    def is_log(self) -> bool:
        """Whether an estimate is a change in logarithms."""
        rows = self["dim_study_variables"].query("is_headline")
        return len(rows) > 0 and "log" in str(rows.iloc[0]["transform"])

    @cached_property
    def overall(self) -> pd.DataFrame:
        """Every estimator's overall effect on the headline outcome."""
        att = self["rpt_study_att"]
        rows = (att["outcome"] == self.outcome) & (att["sample"] == "all")
        rows &= att["term"] == "overall"
        # One that could not be computed has its reason under another aggregation.
        rows &= att["aggregation"].isin(["simple", "none"])
        return att[rows].drop_duplicates("estimator")

    @cached_property
    def headline(self) -> pd.Series:
        """The first declared column on the headline outcome; else the two-way effect.

        With estimate, its interval, p_value, n_obs, n_units and n_treated_units.
        """
        columns = self["rpt_study_regressions"]
        rows = columns[
            (columns["outcome"] == self.outcome)
            & columns["term"].isin([POLICY, "overall"])
            & columns["estimate"].notna()
        ]
        if len(rows):
            return rows.iloc[0]
        rows = self.overall
        known = rows[rows["estimate"].notna()]
        return (known if len(known) else rows).iloc[0]

    @property
    def effect(self) -> Effect:
        """The headline's."""
        return effect_of(self.headline)

    @cached_property
    def quality(self) -> tuple[str, Words] | None:
        """Level and words of the data's verdict; None where nobody gave one."""
        return quality_verdict(self.frames.get("dq_summary"))

    @cached_property
    def shares(self) -> tuple[float, float]:
        """Of treated rows on assumed figures; of units whose labour has no price."""
        assumed = priceless = float("nan")
        rows = self.frames.get("rpt_regressions")
        if rows is not None:
            rows = rows[rows["variant"] == "headline"]["assumed_share"].dropna()
            assumed = number(rows.iloc[0]) if len(rows) else assumed
        rows = self.frames.get("rpt_frontier")
        if rows is not None:
            rows = rows[rows["zero_labour_price_share"].notna()].sort_values("year")
            last = rows["zero_labour_price_share"]
            priceless = number(last.iloc[-1]) if len(rows) else priceless
        return assumed, priceless

    @cached_property
    def pretrend(self) -> Pretrend:
        """The periods before the policy."""
        rows = self.overall
        leads = rows.loc[rows["estimator"] == TWO_WAY, "leads_p_value"].dropna()
        checks = self["rpt_study_sensitivity"]
        checks = checks[checks["outcome"] == self.outcome]
        fakes = tuple(
            Check("fake_date", "".join(filter(str.isdigit, str(row["term"]))),
                  effect_of(row))
            for row in self.checks("fake_date").to_dict("records")
        )  # fmt: skip
        leads_p = number(leads.iloc[0]) if len(leads) else float("nan")
        others = rows.loc[rows["estimator"] != TWO_WAY, "leads_p_value"].dropna()
        found = pretrend_from(checks, leads_p, fakes)
        return replace(found, others_p=tuple(others.astype(float)))

    @cached_property
    def detectable(self) -> float:
        """Effect that the headline would find four times in five; NaN for none."""
        rows = self["rpt_study_inference"]
        known = rows.loc[rows["outcome"] == self.outcome, "minimum_detectable_effect"]
        return number(known.iloc[0]) if len(known) else float("nan")

    @cached_property
    def conclusion(self) -> Conclusion:
        """What every sentence is derived from."""
        assumed, priceless = self.shares
        return conclude(
            Evidence(
                effect=self.effect,
                pretrend=self.pretrend,
                estimators=[
                    Estimator(str(row["estimator"]), effect_of(row))
                    for row in self.overall.to_dict("records")
                    if row["estimator"] != TWO_WAY and not pd.isna(row["estimate"])
                ],
                n_treated=whole(self.headline["n_treated_units"]),
                data=self.quality[0] if self.quality else "unknown",
                assumed_share=assumed,
                in_doubt_share=priceless,
                bound=number(self.study.get("relevant_effect")),
                detectable=self.detectable,
            )
        )

    @cached_property
    def decimals(self) -> int:
        """Decimals that show two digits of the headline's standard error; 3 to 6."""
        error = self.headline["std_error"]
        if pd.isna(error) or not error > 0:
            return 3
        return min(6, max(3, 1 - math.floor(math.log10(float(error)))))

    @cached_property
    def events(self) -> pd.DataFrame:
        """Event studies of the headline outcome, by estimator and event time."""
        rows = self["rpt_study_event_study"]
        rows = rows[(rows["outcome"] == self.outcome) & (rows["sample"] == "all")]
        return rows.sort_values(["estimator", "event_time"])

    @cached_property
    def other_policies(self) -> tuple[str, ...]:
        """Policies that are declared beside the studied one."""
        rows = self["dim_study_variables"]
        return tuple(rows.loc[rows["kind"] == "other_policy", "variable"])

    def checks(self, name: str) -> pd.DataFrame:
        """Rows of a check of the headline."""
        rows = self["rpt_study_sensitivity"]
        rows = rows[rows["outcome"] == self.outcome]
        return rows[rows["check_name"] == name]


def _words(row: pd.Series, name: str) -> Words:
    there = [row[f"{name}_{language}"] for language in LANGUAGES]
    known = [str(text) for text in there if not pd.isna(text)]
    return Words(*(known[0] if pd.isna(text) else str(text) for text in there))


def plural(noun: str) -> str:
    """More than one of an English noun: counties, buses, firms."""
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def read_facts(warehouse: Path) -> StudyFacts:
    """The facts of a published file.

    Raises
    ------
    WarehouseError
        There is none, or it cannot be read.
    PublicationError
        It lacks a table.
    """
    with open_published(warehouse) as connection:
        there = tables_in(connection)
        own = {name: f"{SCHEMA}.{name}" for name in TABLES}
        missing = sorted(name for name, table in own.items() if table not in there)
        if missing:
            raise PublicationError.of(
                "outputs.lacks_tables", missing, name=warehouse.name
            )
        return StudyFacts(
            {
                name: connection.execute(f"select * from {table}").df()
                for name, table in (own | WANTED).items()
                if table in there
            }
        )
