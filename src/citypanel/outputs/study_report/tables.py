"""The report's tables in one language, each a `Table` that every format writes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from citypanel.outputs.study_report.facts import POLICY, StudyFacts
from citypanel.outputs.study_report.sentences import (
    P_VALUES,
    SAID,
    in_a_sentence,
    rule_label,
    term,
    why,
)
from citypanel.outputs.tables.model import (
    NO_VALUE,
    Block,
    Cell,
    Column,
    Row,
    Table,
    count,
    interval,
    is_missing,
    number,
    p_value,
    words,
)
from citypanel.words import LABELS, Words, told

SHOWN_CHECKS = (
    "headline", "with_controls", "group_by_period", "by_group", "exclusion",
    "fake_date", "propensity_score", "other_policies",
)  # fmt: skip


def all_tables(facts: StudyFacts, language: str) -> list[Table]:
    """The tables a study has something for, in their order."""
    last = (estimators, inference, sensitivity, published)
    made = [descriptives(facts, language), *regressions(facts, language)]
    made += [make(facts, language) for make in last]
    return [table for table in made if any(block.rows for block in table.blocks)]


KINDS = dict.fromkeys(
    ("finding", "unit", "period", "statistic", "variable", "verdict"), "text"
)
ESTIMATED = ("estimate", "std_error", "interval", "p_value")


def _table(name, numbered, language, columns, blocks, *, stub, notes=(), title=None):
    """A table of blocks of rows; its columns, or keys of what the heads call them."""
    title, heads = title or SAID(f"titles.{name}"), SAID.of("heads")
    return Table(
        name=f"table_{name}",
        number=numbered,
        title=title.said(language),
        stub=heads[stub].said(language),
        columns=tuple(
            c if isinstance(c, Column)
            else Column(c, heads[c].said(language), kind=KINDS.get(c, "number"))
            for c in columns
        ),
        blocks=tuple(Block(tuple(rows)) for rows in blocks),
        notes=tuple(note.said(language) for note in notes),
        language=language,
    )  # fmt: skip


def _estimated(facts: StudyFacts, row: pd.Series) -> tuple[Cell, ...]:
    """Estimate, standard error, interval and p-value."""
    said: dict[str, Any] = {"decimals": facts.decimals, "absent": NO_VALUE}
    return (
        number(row["estimate"], **said),
        number(row["std_error"], **said),
        interval(row["conf_low"], row["conf_high"], **said),
        p_value(row["p_value"], absent=NO_VALUE),
    )


def descriptives(facts: StudyFacts, language: str) -> Table:
    """Mean, spread and range of every variable."""
    rows = facts["rpt_study_descriptives"].query("units == 'all'")
    numbers = ("mean", "std_dev", "minimum", "maximum")
    lines = [
        Row(
            facts.label(row["variable"]).said(language),
            (count(row["n_obs"]), *(number(row[c]) for c in numbers)),
            str(row["variable"]),
        )
        for _, row in rows.iterrows()
    ]
    columns = ("n_obs", *numbers)
    return _table("descriptives", "A1", language, columns, [lines], stub="variable")


def regressions(facts: StudyFacts, language: str) -> list[Table]:
    """One table for each that the study declares."""
    every = facts["rpt_study_regressions"]
    made = []
    for place, (name, rows) in enumerate(every.groupby("table_name", sort=False), 1):
        columns = list(dict.fromkeys(rows["column_name"]))
        parts = [rows[rows["column_name"] == c] for c in columns]
        # The effect of a column may be called overall; the constant comes last.
        terms = list(dict.fromkeys(rows["term"].replace("overall", POLICY)))
        terms.sort(key=lambda t: (t != POLICY, t in ("const", "Intercept")))
        lines: list[Row] = []
        for each in terms:
            asked = {each, "overall"} if each == POLICY else {each}
            found = [part[part["term"].isin(asked)] for part in parts]
            label = term(facts, each).said(language)
            for shown, column, how in (
                (label, "estimate", {"absent": NO_VALUE}),
                ("", "std_error", {"parentheses": True}),
            ):
                cells = tuple(
                    number(f.iloc[0][column], decimals=facts.decimals, **how)
                    if len(f)
                    else Cell()
                    for f in found
                )
                follows = column == "std_error"
                lines.append(Row(shown, cells, each, (column,), follows=follows))
        heads = SAID.of("heads")
        firsts = [part.iloc[0] for part in parts]
        outcomes = list(dict.fromkeys(rows["outcome"]))
        if len(outcomes) > 1:
            said = (facts.label(first["outcome"]) for first in firsts)
            cells = tuple(words(label.said(language)) for label in said)
            lines.append(Row(heads["outcome"].said(language), cells, "outcome"))
        for key in ("effects", "sample", "standard_errors"):
            cells = tuple(words(told(first[key]).said(language)) for first in firsts)
            if len({cell.text for cell in cells}) > 1 or key == "effects":
                lines.append(
                    Row(heads[key].said(language), cells, key, rule=key == "effects")
                )
        for key in ("n_obs", "n_units", "n_treated_units"):
            cells = tuple(count(first[key]) for first in firsts)
            lines.append(Row(heads[key].said(language), cells, key))
        # Files of before the mean was published stay readable.
        means = tuple(
            number(f.get("outcome_mean"), decimals=facts.decimals, absent=NO_VALUE)
            for f in firsts
        )
        lines.append(Row(heads["outcome_mean"].said(language), means, "outcome_mean"))
        weighted = not is_missing(facts.study["weights"])
        notes = [SAID("notes.errors"), *([SAID("notes.weighted")] if weighted else [])]
        made.append(
            _table(
                f"regressions_{place}",
                str(name),
                language,
                [Column(f"c{i}", c) for i, c in enumerate(columns)],
                [lines],
                stub="variable",
                notes=notes,
                title=SAID(
                    "titles.regressions" if len(outcomes) == 1 else "titles.effects",
                    policy=facts.said("policy"),
                    outcome=in_a_sentence(facts.label(outcomes[0])),
                ),
            )
        )
    return made


def estimators(facts: StudyFacts, language: str) -> Table:
    """Every estimator's overall effect on the headline outcome."""
    lines = [
        Row(
            LABELS.label("estimators", row["estimator"]).said(language),
            (
                *_estimated(facts, row),
                p_value(row["leads_p_value"], absent=NO_VALUE),
            ),
            str(row["estimator"]),
            ("value",),
        )
        for _, row in facts.overall.iterrows()
    ]
    columns = *ESTIMATED, Column("leads_p_value", SAID("leads_head").said(language))
    notes = [SAID("notes.intervals"), *_reasons(facts.overall)]
    return _table(
        "estimators", "A2", language, columns, [lines], stub="estimator", notes=notes
    )


def _reasons(rows: pd.DataFrame) -> list[Words]:
    """Why estimators give none, each reason once, without the places it lists."""
    notes = rows.loc[rows["estimate"].isna(), "note"].dropna().astype(str)
    whys = notes.str.removeprefix("not estimated: ").str.split(" Consequence:").str[0]
    bare = whys.str.replace(r":\s+- .*| \(\d+\)", "", regex=True).str.rstrip(".")
    return [
        SAID(
            "notes.not_estimated",
            names=[LABELS.label("estimators", name) for name in names],
            why=told(reason),
        )
        for reason, names in rows.loc[bare.index, "estimator"].groupby(bare, sort=False)
    ]


def inference(facts: StudyFacts, language: str) -> Table:
    """p-values of each declared column, by how they are reckoned."""
    lines = [
        Row(
            f"{row['table_name']}: {row['column_name']}",
            (
                number(row["estimate"], decimals=facts.decimals, absent=NO_VALUE),
                *(p_value(row[c], absent=NO_VALUE) for c in P_VALUES.values()),
            ),
            f"{row['table_name']}/{row['column_name']}",
        )
        for _, row in facts["rpt_study_inference"].iterrows()
    ]
    labels = SAID.of("p_heads")
    reckoned = [Column(c, labels[k].said(language)) for k, c in P_VALUES.items()]
    columns, notes = ("estimate", *reckoned), [SAID("notes.p_values")]
    return _table(
        "inference", "A3", language, columns, [lines], stub="column", notes=notes
    )


def sensitivity(facts: StudyFacts, language: str) -> Table:
    """The headline under other choices."""
    labels = SAID.of("checks")
    blocks = []
    for name in SHOWN_CHECKS:
        rows = facts.checks(name)
        rows = rows[rows["estimate"].notna()]
        if name == "by_group":
            rows = rows[rows["aggregation"] == "interacted"]
        if name == "other_policies":
            # The headline stands above; what another policy adds, in the sentence.
            own = (rows["term"] == "overall") & (rows["aggregation"] != "headline")
            rows = rows[own & (rows["estimator"] != "imputation")]
        label = labels[name].said(language)
        lines = [
            Row(
                f"{label}{_detail(facts, name, row, language)}",
                _estimated(facts, row),
                f"{name}/{row['sample']}/{row['term']}/{row['aggregation']}",
            )
            for _, row in rows.iterrows()
        ]
        if lines:
            blocks.append(lines)
    return _table("sensitivity", "A4", language, ESTIMATED, blocks, stub="check")


def _detail(facts: StudyFacts, name: str, row: pd.Series, language: str) -> str:
    if name in ("by_group", "exclusion"):
        text = str(row["sample"])
    elif name == "fake_date":
        text = "".join(c for c in str(row["term"]) if c.isdigit())
        text = SAID("fake_row", n=int(text or 0)).said(language)
    elif name == "propensity_score":
        text = LABELS.label("matching", row["aggregation"]).said(language)
    elif name == "other_policies":
        how = SAID.of("other_policies")[row["aggregation"]].said(language)
        policy = str(row["sample"])
        said = SAID("every_other") if policy == "all" else facts.label(policy)
        text = f"{said.said(language)}{': ' if language == 'en' else '：'}{how}"
    else:
        return ""
    return f" ({text})" if language == "en" else f"（{text}）"


def published(facts: StudyFacts, language: str) -> Table:
    """The audit: each printed figure beside ours, and whether it comes out."""
    rows = facts["rpt_study_published"]
    labels, verdicts = SAID.of("statistics"), SAID.of("verdicts")
    lines = []
    for _, row in rows.iterrows():
        what = labels.get(row["statistic"])
        said = what.said(language) if what else str(row["statistic"])
        printed = row["decimals"]
        decimals = facts.decimals if is_missing(printed) else int(printed)
        verdict = "unjudged" if is_missing(row["agrees"]) else (
            "reproduced" if row["agrees"] else "not_reproduced"
        )  # fmt: skip
        lines.append(
            Row(
                f"{row['table_name']}: {row['column_name']}",
                (
                    words(f"{term(facts, row['term']).said(language)}, {said}"),
                    number(row["published"], decimals=decimals),
                    number(row["estimated"], decimals=decimals + 2, absent=NO_VALUE),
                    number(row["difference"], decimals=decimals + 2, absent=NO_VALUE),
                    words(verdicts[verdict].said(language)),
                ),
                f"{row['table_name']}/{row['column_name']}/{row['term']}",
            )
        )
    columns = ("statistic", "published", "estimated", "difference", "verdict")
    sources = list(dict.fromkeys(rows["source"].dropna()))
    notes = [SAID("notes.printed")]
    if sources:
        notes.append(SAID("source", source="; ".join(sources)))
    return _table(
        "published", "A5", language, columns, [lines], stub="column", notes=notes
    )


def findings(facts: StudyFacts, language: str) -> Table:
    """What is odd about the panel, one line a finding."""
    lines = []
    for _, row in facts["dq_study_findings"].iterrows():
        label = rule_label(str(row["rule"])).said(language)
        text = row[f"evidence_{language}"]
        lines.append(
            Row(
                label,
                (
                    words(facts.unit(row["unit_id"]).said(language)),
                    words(row["period"]),
                    words(facts.label(row["variable"]).said(language)
                          if not is_missing(row["variable"]) else ""),
                    words(why(text).en if language == "en" else text),
                ),
                str(row["rule"]),
            )
        )  # fmt: skip
    columns = ("unit", "period", "variable", "finding")
    return _table("findings", "Q1", language, columns, [lines], stub="check")
