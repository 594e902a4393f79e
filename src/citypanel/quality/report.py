"""The quality report: one page in two languages, from the quality tables of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from citypanel.files import neutral_text
from citypanel.pages import number, render, write_page
from citypanel.quality.maps import (
    CELL_HEIGHT,
    HEAD,
    LABEL_WIDTH,
    ORIGINS,
    count_map,
    origin_maps,
    region_rows,
)
from citypanel.quality.published import read_options, reading
from citypanel.quality.summary import places_touched
from citypanel.study.declaration import declared
from citypanel.words import Catalogue
from citypanel.words.numbers import fixed

SAID = Catalogue("quality")

TEMPLATES = Path(__file__).with_name("templates")
SEVERITIES = ("critical", "warning", "info")
LARGEST_DIFFERENCES = 12
# Causes on the first screen.
FIRST_CAUSES = 10
# Table of the warehouse behind each field of QualityTables.
TABLES = {
    "causes": "quality.dq_causes",
    "findings": "quality.dq_findings",
    "rules": "quality.dq_rules",
    "expectations": "quality.dq_expectation_results",
    "coverage": "quality.dq_imputed_shares",
    "scores": "quality.dq_imputation_scores",
    "agreement": "quality.dq_source_agreement",
    "touches": "quality.dq_touched_results",
    "summary": "quality.dq_summary",
    "cells": "marts.fct_cell_origins",
    "cities": "marts.dim_cities",
    "variables": "marts.dim_variables",
}


@dataclass(frozen=True)
class QualityTables:
    """What the report shows: tables of the published file, and its options."""

    causes: pd.DataFrame
    findings: pd.DataFrame
    rules: pd.DataFrame
    expectations: pd.DataFrame
    coverage: pd.DataFrame
    scores: pd.DataFrame
    agreement: pd.DataFrame
    touches: pd.DataFrame
    summary: pd.DataFrame
    cells: pd.DataFrame
    cities: pd.DataFrame
    variables: pd.DataFrame
    options: Mapping[str, str]


def read_quality_tables(warehouse: Path) -> QualityTables:
    """Read the report's tables from the published file.

    Raises
    ------
    PublicationError
        When there is no published file, or it lacks a table.
    """
    with reading(warehouse) as table:
        frames = {field: table(name) for field, name in TABLES.items()}
        return QualityTables(**frames, options=read_options(table))


def quality_report(warehouse: Path, *, folder: Path) -> Path:
    """Write index.html and findings.csv to `folder`, and return the page's path."""
    tables = read_quality_tables(warehouse)
    write_page(folder / "findings.csv", findings_csv(tables.findings))
    return write_page(folder / "index.html", quality_page(tables))


def quality_page(tables: QualityTables) -> str:
    """Compose the page.

    Everything that comes from a table is escaped; the page loads nothing and depends on
    no clock: the same tables give the same bytes.
    """
    labels = {
        row["variable"]: (row["label_en"], row["label_zh"])
        for row in tables.variables.to_dict("records")
    }
    rules = _records(tables.rules.sort_values("rule_order"))
    titles = {row["rule"]: (row["title_en"], row["title_zh"]) for row in rules}
    findings = [
        _finding(row, labels=labels, titles=titles)
        for row in _records(_ordered(tables.findings))
    ]
    cities = region_rows(tables.cities, tables.cells)
    summary = _records(tables.summary.sort_values(["part", "number"]))
    verdict = [row for row in summary if row["part"] == "verdict"]
    by_variable = _shares(tables.coverage, "variable")
    maps, named = origin_maps(tables.cells, cities), SAID.of("origins")
    for row in by_variable:
        row["label"] = labels.get(row["variable"], (row["variable"],) * 2)
        row["map"] = maps.get(row["variable"])
    return render(
        "report.html.j2",
        folder=TEMPLATES,
        filters_of_text={"zh_words": _chinese_words},
        geometry={"left": LABEL_WIDTH, "head": HEAD, "height": CELL_HEIGHT},
        verdict=verdict[0],
        sentences=verdict[1:],
        counts=_counts(tables.findings),
        causes=[_cause(row, labels) for row in _records(tables.causes)],
        first_causes=FIRST_CAUSES,
        findings=findings,
        rules=rules,
        filters=_filters(findings, titles=titles),
        touches=_touches(tables.touches, labels),
        by_variable=sorted(
            by_variable,
            key=lambda row: (-(row["n_imputed"] + row["n_missing"]), row["variable"]),
        ),
        by_year=_shares(tables.coverage, "year"),
        by_city=sorted(
            (
                {**row, "name": cities.names.get(row["city_id"], (row["city_id"],) * 2)}
                for row in _shares(tables.coverage, "city")
            ),
            key=lambda row: (-row["imputed_share"], row["city_id"]),
        ),
        overview=count_map(tables.cells, cities),
        map_data={
            "years": cities.years,
            "left": LABEL_WIDTH,
            "head": HEAD,
            "width": cities.cell_width,
            "height": CELL_HEIGHT,
            "half": len(cities.halves[0]),
            "cities": [list(cities.names[city]) for city in cities.ids],
            "origins": {key: list(label) for key, label in named.items()},
            "codes": {origin.code: key for key, origin in ORIGINS.items()},
            "cells": {name: drawn.codes for name, drawn in maps.items()},
        },
        cities=cities,
        origins=[(key, ORIGINS[key].letter, label) for key, label in named.items()],
        scores=_scores(tables.scores, labels),
        imputations=SAID.of("imputations"),
        agreement=_agreement(tables.agreement, labels, cities.names),
        changes=_changes(
            [row for row in summary if row["part"] == "change"], titles, labels
        ),
        failing=_failing(tables.expectations),
        n_expectations=len(tables.expectations),
        options=dict(sorted(tables.options.items())),
    )


def findings_csv(findings: pd.DataFrame) -> str:
    """The findings as CSV for a spreadsheet: no cell of it is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(findings.columns)
    for row in findings.astype(object).where(findings.notna(), "").to_numpy():
        writer.writerow([neutral_text(cell) for cell in row])
    # The byte order mark tells spreadsheets that the names are UTF-8.
    return "\ufeff" + out.getvalue()


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries, empty cells as None."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _ordered(findings: pd.DataFrame) -> pd.DataFrame:
    """Open before corrected, critical before the rest; then by place and time."""
    rank = findings["severity"].map(
        {severity: place for place, severity in enumerate(SEVERITIES)}
    )
    return (
        findings.assign(_open=findings["status"] != "open", _rank=rank)
        .sort_values(
            ["_open", "_rank", "rule", "city_id", "year", "variable", "source"],
            kind="stable",
        )
        .drop(columns=["_open", "_rank"])
    )


def _finding(
    row: dict[str, Any],
    *,
    labels: Mapping[str, tuple[str, str]],
    titles: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    variable = row["variable"] or ""
    place = row["city_en"] or ""
    low, high = row["expected_low"], row["expected_high"]
    if low is not None and high is not None:
        expected = [f"{number(low)} –", number(high)]
    elif low is not None:
        expected = [f"≥ {number(low)}"]
    else:
        expected = [f"≤ {number(high)}"] if high is not None else []
    year = None if row["year"] is None else int(row["year"])
    return {
        **row,
        "year": year,
        "title": titles.get(row["rule"], (row["rule"],) * 2),
        "place": (place, row["city_zh"] or place),
        "label": labels.get(variable, (variable,) * 2),
        "value_text": "" if row["value"] is None else number(row["value"], 10),
        "used_text": ""
        if row["used_value"] is None or row["used_value"] == row["value"]
        else number(row["used_value"], 10),
        "unit_zh": _unit_in_chinese(row["unit"]),
        "expected_text": expected,
        "tables": [text.strip() for text in (row["touches"] or "").split(";") if text],
        "places": ";".join("|".join(place) for place in places_touched(row["touches"])),
        "search": " ".join(
            str(part)
            for part in (
                row["rule"], *titles.get(row["rule"], ()), place, row["city_zh"],
                row["city_id"], year, variable, *labels.get(variable, ()),
                row["evidence_en"], row["evidence_zh"],
            )
            if part is not None
        ).lower(),
    }  # fmt: skip


def _cause(
    row: dict[str, Any], labels: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """A cause in words: where, when, which figures, and what it moves."""
    first, last = row["first_year"], row["last_year"]
    years = ""
    if first is not None:
        years = str(int(first))
        if last != first:
            years += f"–{int(last)}"
    more = row["n_places"] - 3
    names = [labels.get(name, (name, name)) for name in row["variables"].split(", ")]
    return {
        **row,
        "years": years,
        "more": max(more, 0),
        "labels": tuple(
            mark.join(n[i] for n in names) for i, mark in ((0, ", "), (1, "、"))
        ),
        "moves": ""
        if row["headline_change"] is None
        else fixed(row["headline_change"], 4, sign="+"),
        "errors": ""
        if row["headline_change_in_errors"] is None
        else fixed(abs(row["headline_change_in_errors"]), 2),
    }


def _counts(findings: pd.DataFrame) -> list[dict[str, Any]]:
    opened = findings[findings["status"] == "open"]["severity"].value_counts()
    corrected = int((findings["status"] == "corrected").sum())
    counts = [
        {"severity": severity, "n": int(opened.get(severity, 0))}
        for severity in SEVERITIES
    ]
    return [*counts, {"severity": "corrected", "n": corrected}]


def _filters(
    findings: Sequence[Mapping[str, Any]], *, titles: Mapping[str, tuple[str, str]]
) -> dict[str, list[tuple[str, str, str]]]:
    """Choices of the filters: value and text in both languages, ordered by text."""

    def choices(pairs: set[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        return sorted(pairs, key=lambda choice: (choice[1], choice[0]))

    used = {row["rule"] for row in findings}
    places = {(row["city_id"] or row["province_id"], *row["place"]) for row in findings}
    variables = {(row["variable"], *row["label"]) for row in findings}
    return {
        "rule": [(rule, *title) for rule, title in titles.items() if rule in used]
        + [(rule, rule, rule) for rule in sorted(used - titles.keys())],
        "place": choices({place for place in places if place[0]}),
        "variable": choices({choice for choice in variables if choice[0]}),
    }


def _touches(
    touches: pd.DataFrame, labels: Mapping[str, tuple[str, str]]
) -> list[dict[str, Any]]:
    """Places by table, the regressions first."""
    rows = _records(touches)
    rows.sort(
        key=lambda row: (
            row["table_name"] != "rpt_regressions", row["table_name"], row["place"],
        )
    )  # fmt: skip
    regions = [(name, said["zh"]) for name, said in declared().regions.items()]
    # One name may end another.
    regions.sort(key=lambda pair: -len(pair[0]))
    parts = [(english, word.zh) for english, word in SAID.of("places").items()]
    for row in rows:
        row["n_open"] = row["n_critical"] + row["n_warning"] + row["n_info"]
        chinese = row["place"]
        for english, word in (*parts, *regions):
            chinese = chinese.replace(english, word)
        row["name"] = labels.get(row["place"], (row["place"], chinese))
    return rows


def _shares(coverage: pd.DataFrame, grouping: str) -> list[dict[str, Any]]:
    key = {"city": "city_id"}.get(grouping, grouping)
    rows = _records(coverage[coverage["grouping"] == grouping].sort_values(key))
    kinds = ("reported", "other_source", "corrected", "imputed", "missing")
    for row in rows:
        row["bar"] = [
            (kind, 100 * row[f"n_{kind}"] / row["n_cells"])
            for kind in kinds
            if row[f"n_{kind}"]
        ]
        row["published_share"] = (
            1 - (row["n_imputed"] + row["n_missing"]) / row["n_cells"]
        )
        row["missing_share"] = row["n_missing"] / row["n_cells"]
        if grouping == "year":
            row["year"] = int(row["year"])
    return rows


def _scores(
    scores: pd.DataFrame, labels: Mapping[str, tuple[str, str]]
) -> list[dict[str, Any]]:
    """One row per variable and kind of gap, with the rules side by side."""
    rows: dict[tuple, dict[str, Any]] = {}
    scored = scores[scores["n_scored"] > 0]
    for row in _records(
        scored.sort_values(["variable", "setting", "gap_years"], kind="stable")
    ):
        gap = (row["variable"], row["setting"], int(row["gap_years"]))
        shown = rows.setdefault(
            gap,
            {
                "label": labels.get(row["variable"], (row["variable"],) * 2),
                "setting": row["setting"],
                "gap_years": gap[2],
                "n": row["n_cells"],
                "rules": {},
            },
        )
        shown["rules"][row["imputation"]] = row
    return list(rows.values())


def _agreement(
    agreement: pd.DataFrame,
    labels: Mapping[str, tuple[str, str]],
    names: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """By variable, and the largest differences."""
    usable = agreement[~agreement["is_defective"].astype(bool)]
    size = usable["difference"].abs()
    by_variable = []
    for variable, cells in usable.assign(size=size).groupby("variable", sort=True):
        by_variable.append(
            {
                "label": labels.get(variable, (variable,) * 2),
                "is_points": cells["difference_unit"].iloc[0] == "percentage points",
                "n": len(cells),
                "n_apart": int((~cells["agrees"].astype(bool)).sum()),
                "median": float(cells["size"].median()),
                "largest": float(cells["size"].max()),
                "tolerance": float(cells["tolerance"].iloc[0]),
            }
        )
    apart = usable[~usable["agrees"].astype(bool)].assign(
        times=size / usable["tolerance"]
    )
    largest = _records(
        apart.sort_values(
            ["times", "city_id", "year", "variable"],
            ascending=[False, True, True, True],
        ).head(LARGEST_DIFFERENCES)
    )
    for row in largest:
        row["label"] = labels.get(row["variable"], (row["variable"],) * 2)
        row["place"] = names.get(row["city_id"], (row["city_id"],) * 2)
        row["is_points"] = row["difference_unit"] == "percentage points"
    return {"by_variable": by_variable, "largest": largest, "n_apart": len(apart)}


def _changes(
    changes: list[dict[str, Any]],
    titles: Mapping[str, tuple[str, str]],
    labels: Mapping[str, tuple[str, str]],
) -> list[dict[str, Any]]:
    for row in changes:
        variable = row["variable"]
        label = labels.get(variable, (variable,) * 2) if variable else ("", "")
        if row["topic"] == "finding":
            title = titles.get(row["rule"], (row["rule"],) * 2)
            where = [
                " ".join(
                    str(part)
                    for part in (row[f"place_{side}"], row["year"], label[place])
                    if part
                )
                for place, side in enumerate(("en", "zh"))
            ]
            row["what"] = tuple(f"{title[i]}: {where[i]}" for i in (0, 1))
        elif row["topic"] == "coverage":
            row["what"] = label
        else:
            row["what"] = (row["text_en"], row["text_zh"])
        row["before"] = row["accepted_value"] or ""
        row["after"] = row["present_value"] or ""
    return changes


def _unit_in_chinese(unit: Any) -> Any:
    known = SAID.of("units").get(unit)
    return known.zh if known else unit


def _chinese_words(text: str) -> str:
    """The few words that values of changes are made of."""
    for english, word in SAID.of("words").items():
        text = text.replace(english, word.zh)
    return text


def _failing(expectations: pd.DataFrame) -> list[dict[str, Any]]:
    failing = expectations[~expectations["success"].astype(bool)]
    rank = failing["severity"].map({name: n for n, name in enumerate(SEVERITIES)})
    return _records(
        failing.assign(rank=rank).sort_values(["rank", "suite", "expectation_number"])
    )
