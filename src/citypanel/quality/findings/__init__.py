"""Findings: what a person would want to know of the cells before estimating anything.

Rules are general: they know variables and arithmetic, no city, no year and no cell by
name. `find` runs them all on the cells as printed, before any correction, and says of
each finding what the warehouse does with the cell and which published numbers hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from citypanel.quality.findings.rules import RULES
from citypanel.quality.findings.tables import (
    CELL_COLUMNS,
    PROVINCE_COLUMNS,
    SAID,
    Cells,
    as_panel,
)
from citypanel.quality.findings.uses import ALL, Use, Uses, together
from citypanel.study.run import Sources, Study
from citypanel.words import Words

NOTHING = (np.nan, None)
SEVERITIES = ("critical", "warning", "info")
FINDING_COLUMNS = {
    "rule": "string",
    "severity": "string",
    "scope": "string",
    "city_id": "string",
    "city_en": "string",
    "city_zh": "string",
    "province_id": "string",
    "year": "Int64",
    "variable": "string",
    "source": "string",
    "value": "float64",
    "unit": "string",
    "expected_low": "float64",
    "expected_high": "float64",
    "used_value": "float64",
    "origin": "string",
    "status": "string",
    "evidence_en": "string",
    "evidence_zh": "string",
    "consequence_en": "string",
    "consequence_zh": "string",
    "touches": "string",
}
RULE_COLUMNS = (
    "rule",
    "rule_order",
    "scope",
    "title_en",
    "title_zh",
    "description_en",
    "description_zh",
)

__all__ = ["RULES", "as_panel", "detect", "find", "rules"]


def rules() -> pd.DataFrame:
    """The rules with their words; one row per rule, in the order they are listed."""
    rows = [
        [rule.name, order, rule.scope, *(getattr(rule, c) for c in RULE_COLUMNS[3:])]
        for order, rule in enumerate(RULES, start=1)
    ]
    return pd.DataFrame(rows, columns=list(RULE_COLUMNS))


def detect(panel: Cells) -> pd.DataFrame:
    """Run every rule on a panel; rows as the rules return them.

    Returns
    -------
    DataFrame
        rule, severity, scope, unit_id, year, variable, source, value, expected_low,
        expected_high, evidence_en, evidence_zh, members (the variables of a finding
        about a row); one row per rule, unit, year and variable.
    """
    known = {rule.name for rule in RULES}
    found: list[dict[str, Any]] = []
    for run in dict.fromkeys(rule.run for rule in RULES):
        found += run(panel)
    for row in found:
        if row["rule"] not in known:
            raise KeyError(row["rule"])
    columns = [
        "rule",
        "severity",
        "scope",
        "unit_id",
        "year",
        "variable",
        "source",
        "value",
        "expected_low",
        "expected_high",
        "evidence_en",
        "evidence_zh",
        "members",
    ]
    frame = pd.DataFrame(found, columns=columns)
    return frame.drop_duplicates(
        ["rule", "scope", "unit_id", "year", "variable", "source"], ignore_index=True
    )


def find(
    cells: pd.DataFrame,
    cities: pd.DataFrame,
    provinces: pd.DataFrame,
    *,
    used: pd.DataFrame,
    sources: Mapping[str, pd.DataFrame],
    variants: pd.DataFrame,
) -> pd.DataFrame:
    """Run every rule and say what each finding does to the published results.

    Parameters
    ----------
    cells : DataFrame
        city_id, year, variable, source, raw_unit, printed_value (in the yearbook's
        unit), correction_action, is_usable: every source's reading, and whether it is
        used as it stands (not defective, neither dropped nor replaced).
    cities : DataFrame
        city_id, city_en, city_zh, province_id, province_en, province_zh,
        is_municipality; one row per city.
    provinces : DataFrame
        province_id, year, indicator, unit, value.
    used : DataFrame
        city_id, year, variable, value, origin: what the warehouse uses.
    sources : mapping of name to DataFrame
        The parts of `citypanel.study.run.Sources`: what the study is computed
        from, to see what moves with a cell.
    variants : DataFrame
        The options, one row per variant.

    Returns
    -------
    DataFrame
        `FINDING_COLUMNS`, one row per rule, unit, year, variable and source; sorted by
        severity, then rule, unit and year. A finding whose cell is not used as printed
        is `corrected` and info; one whose cell is in no regression is a step less
        severe.
    """
    readings = cells.drop(columns="value", errors="ignore").rename(
        columns={"raw_unit": "unit", "printed_value": "value"}
    )
    panel = as_panel(
        readings.loc[readings["value"].notna(), list(CELL_COLUMNS)],
        cities,
        provinces.rename(columns={"indicator": "variable"})[list(PROVINCE_COLUMNS)],
    )
    study = Study(Sources(**sources))
    uses = Uses(study, variants)
    found = detect(panel)
    set_aside = ~cells["is_usable"].astype(bool) | cells["correction_action"].notna()
    unused = set(
        cells.loc[set_aside, ["city_id", "year", "variable", "source"]].itertuples(
            index=False, name=None
        )
    )
    names = cities.set_index("city_id").to_dict("index")
    province_names = cities.drop_duplicates("province_id")
    province_names = province_names.set_index("province_id").to_dict("index")
    columns = [used[c] for c in ("city_id", "year", "variable", "value", "origin")]
    in_use: dict[tuple, tuple] = {
        tuple(key): (value, origin)
        for *key, value, origin in zip(*(c.tolist() for c in columns), strict=True)
    }
    consequences = {r.name: (r.consequence_en, r.consequence_zh) for r in RULES}
    units = {
        **{name: series.unit for name, series in panel.province.items()},
        **{name: series.unit for name, series in panel.yearbook.items()},
    }
    order = {rule.name: number for number, rule in enumerate(RULES)}
    found = found.to_dict("records")
    every_city = tuple(study.city_ids)
    of_cell = uses.of_cells(
        [
            key
            for row in found
            if row["scope"] != "province"
            for key in _cells(row, panel, every_city)
        ]
    )
    rows = []
    for row in found:
        year = None if pd.isna(row["year"]) else int(row["year"])
        unit_id, scope, variable = row["unit_id"], row["scope"], row["variable"]
        keys = _cells(row, panel, every_city)
        use = together(
            uses.of_province(*key) if scope == "province" else of_cell[key]
            for key in keys
        )
        places = uses.touches(use)
        status = _status(panel, row, year, unused)
        where = _where(uses, use)
        key = (unit_id, year, variable)
        rows.append(
            {
                **{k: row[k] for k in ("rule", "scope", "variable", "source", "value")},
                **{k: row[k] for k in ("expected_low", "expected_high")},
                **{k: row[k] for k in ("evidence_en", "evidence_zh")},
                "severity": _severity(row["severity"], status, places),
                "city_id": unit_id if scope == "city" else None,
                **_names(scope, unit_id, names, province_names),
                "year": year,
                "unit": units.get(variable, ""),
                "used_value": in_use.get(key, NOTHING)[0]
                if scope == "city"
                else np.nan,
                "origin": in_use.get(key, NOTHING)[1] if scope == "city" else None,
                "status": status,
                "consequence_en": f"{consequences[row['rule']][0]} {where.en}",
                "consequence_zh": f"{consequences[row['rule']][1]}{where.zh}",
                "touches": places,
            }
        )
    frame = pd.DataFrame(rows, columns=list(FINDING_COLUMNS)).astype(FINDING_COLUMNS)
    frame = frame.assign(
        _severity=frame["severity"].map({s: i for i, s in enumerate(SEVERITIES)}),
        _rule=frame["rule"].map(order),
    )
    frame = frame.sort_values(
        ["_severity", "_rule", "province_id", "city_id", "variable", "year"],
        na_position="first",
        kind="stable",
    )
    return frame.drop(columns=["_severity", "_rule"]).reset_index(drop=True)


def _names(scope, unit_id, names, province_names) -> dict[str, Any]:
    if scope == "city":
        city = names[unit_id]
        return {
            "city_en": city["city_en"],
            "city_zh": city["city_zh"],
            "province_id": city["province_id"],
        }
    if scope == "province":
        known = province_names.get(unit_id, {})
        return {
            "city_en": known.get("province_en", unit_id),
            "city_zh": known.get("province_zh", unit_id),
            "province_id": unit_id,
        }
    return {"city_en": None, "city_zh": None, "province_id": None}


def _cells(row, panel, every_city) -> list[tuple[str, int, str]]:
    """The cells that a finding is about: unit, year, variable."""
    years = panel.years if pd.isna(row["year"]) else [row["year"]]
    units = every_city if row["scope"] == "study" else [row["unit_id"]]
    names = row["members"] or (
        tuple(panel.yearbook) if row["variable"] == ALL else (row["variable"],)
    )
    return [
        (unit, int(year), name) for unit in units for year in years for name in names
    ]


def _status(panel, row, year, unused) -> str:
    if row["scope"] == "study" and row["rule"] == "nominal_as_real":
        cells = [
            (unit, year, row["variable"], row["source"])
            for unit, value in zip(
                panel.city_ids,
                panel.yearbook[row["variable"]].values[:, year - int(panel.years[0])],
                strict=True,
            )
            if np.isfinite(value)
        ]
        return "corrected" if all(cell in unused for cell in cells) else "open"
    key = (row["unit_id"], year, row["variable"], row["source"])
    return "corrected" if key in unused else "open"


def _severity(severity: str, status: str, places: str) -> str:
    if status == "corrected":
        return "info"
    if "rpt_regressions" in places:
        return severity
    return SEVERITIES[min(SEVERITIES.index(severity) + 1, len(SEVERITIES) - 1)]


def _where(uses: Uses, use: Use) -> Words:
    """One sentence: the inputs, controls and indices that contain the cell."""
    inputs = sorted({name for name, *_ in use.inputs})
    controls = sorted({name for name, *_ in use.controls})
    dropped = [name for name in controls if name not in uses.controls]
    parts = [SAID.of("inputs")[name] for name in inputs]
    if controls:
        parts.append(SAID("controls", names=controls, n=len(controls)))
    if not parts:
        if use.variants:
            return SAID("used_by_variants", names=sorted(use.variants))
        return SAID("not_used")
    n_cities = len({c for _, c, _ in use.inputs} | {c for _, c, _ in use.controls})
    last = SAID("dropped", names=dropped) if dropped else ""
    many = SAID("of_cities", n=n_cities) if n_cities > 1 else ""
    listed = parts[-1]
    if len(parts) > 1:
        listed = SAID("and", parts=parts[:-1], last=parts[-1])
    return SAID("enters", listed=listed, many=many, last=last)
