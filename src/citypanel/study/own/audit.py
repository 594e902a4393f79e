"""Figures that were published elsewhere, read and held against a study's own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.study.declaration import Declaration
from citypanel.study.own.tables import TABLES, fixed
from citypanel.study.yaml_lines import SAID, Problem, did_you_mean

KEYS = ("table_name", "column_name", "term", "statistic")
COLUMNS = (*KEYS, "value", "decimals")
#: What can be compared: numbers of ``rpt_study_regressions``.
STATISTICS = tuple(
    name
    for name, kind in TABLES["rpt_study_regressions"].items()
    if kind in ("double", "bigint")
)
#: Terms of a column beside its controls.
TERMS = ("treatment", "overall", "const")


def read_published(path: Path) -> pd.DataFrame:
    """The printed figures as text, with what a spreadsheet adds taken away."""
    frame = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    frame.columns = [str(column).strip() for column in frame.columns]
    return frame.apply(lambda column: column.str.strip())


def problems_of(study: Declaration, path: Path) -> list[Problem]:
    """What is wrong with a study's file of printed figures, line by line."""
    try:
        printed = read_published(path)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        return [Problem.of(path.name, "printed_unread", why=why)]
    lacks = [name for name in COLUMNS if name not in printed]
    if lacks:
        said = {"columns": lacks, "wanted": list(COLUMNS)}
        return [Problem.of(f"{path.name} line 1", "printed_columns", **said)]
    columns = {(column.table, column.name) for column in study.columns}
    terms = (*TERMS, *study.controls)
    seen: set[tuple] = set()
    found = []
    for number, row in enumerate(printed.to_dict("records"), 2):
        mistakes: list[tuple[str, dict[str, object]]] = []
        asked = (row["table_name"], row["column_name"])
        if asked not in columns:
            listed = "; ".join(f"{table}, {name}" for table, name in sorted(columns))
            of = {"table": asked[0], "column": asked[1]}
            facts = {**of, "declared": listed or SAID("none")}
            mistakes.append(("printed_column", facts))
        for key, known in (("term", terms), ("statistic", STATISTICS)):
            if row[key] not in known:
                hint = did_you_mean(row[key], known)
                facts = {"key": key, "value": row[key], "hint": hint}
                mistakes.append(("printed_key", {**facts, "known": list(known)}))
        try:
            is_number = math.isfinite(float(row["value"]))
        except ValueError:
            is_number = False
        if not is_number:
            mistakes.append(("printed_value", {"value": row["value"]}))
        if not row["decimals"].isdigit():
            mistakes.append(("printed_decimals", {"value": row["decimals"]}))
        named = tuple(row[name] for name in KEYS)
        if named in seen:
            mistakes.append(("printed_twice", {"named": list(named)}))
        seen.add(named)
        place = f"{path.name} line {number}"
        found += [Problem.of(place, key, **facts) for key, facts in mistakes]
    return found


def comparison_table(study: Declaration, regressions: pd.DataFrame) -> pd.DataFrame:
    """``rpt_study_published``: printed figures beside ours, none where none are named.

    A figure agrees where ours differs by at most half of its last printed digit; where
    the column has no such figure it does not, and `note` says why.
    """
    if study.published is None:
        return fixed("rpt_study_published", pd.DataFrame())
    rows = []
    for line in read_published(study.published).to_dict("records"):
        ours = regressions[
            (regressions["table_name"] == line["table_name"])
            & (regressions["column_name"] == line["column_name"])
        ]
        term = ours[ours["term"] == line["term"]]
        value = float(term[line["statistic"]].iloc[0]) if len(term) else np.nan
        published, decimals = float(line["value"]), int(line["decimals"])
        difference = value - published
        note = None
        if np.isnan(value):
            notes = (term if len(term) else ours)["note"].dropna()
            note = notes.iloc[0] if len(notes) else f"the column has no {line['term']}"
        rows.append(
            {
                **{name: line[name] for name in KEYS},
                "published": published,
                "decimals": decimals,
                "estimated": value,
                "difference": difference,
                # Half of the last printed digit, and what rounding adds.
                "agrees": abs(difference) <= 0.5 * 10.0**-decimals * (1 + 1e-9),
                "note": note,
                "source": line.get("source") or None,
            }
        )
    return fixed("rpt_study_published", pd.DataFrame(rows))
