"""Small quality tables, as a build writes them."""

from __future__ import annotations

import pandas as pd
import pytest

from citypanel.quality.report import QualityTables
from citypanel.quality.summary import summarise, touched_results

OPTIONS = {"real_gdp": "province_deflator", "labour_measure": "employed"}
TOUCHES = "rpt_regressions: Table 3 (1)-(2), Table 4 eastern; fct_capital_stocks"


def finding(**given) -> dict:
    """One row of dq_findings: a critical one of Hangzhou unless told otherwise."""
    return {
        "rule": "unit_slip", "severity": "critical", "scope": "city",
        "city_id": "330100", "city_en": "Hangzhou", "city_zh": "杭州",
        "province_id": "330000", "year": 2014, "variable": "gdp_cny_10k",
        "source": "yearbook", "value": 9206163.0, "unit": "CNY 10,000",
        "expected_low": 8e7, "expected_high": 1e8, "used_value": 9206163.0,
        "origin": "reported", "status": "open",
        "evidence_en": "A tenth of its neighbours.",
        "evidence_zh": "为相邻年份的十分之一。",
        "consequence_en": "Output of the year is a tenth.",
        "consequence_zh": "当年产出仅为十分之一。",
        "touches": TOUCHES,
    } | given  # fmt: skip


FINDING_COLUMNS = list(finding())


def findings_frame(rows: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=FINDING_COLUMNS)
    return frame.astype({"year": "Int32", "value": "float64", "used_value": "float64"})


def causes_frame(findings: pd.DataFrame) -> pd.DataFrame:
    """A cause a finding."""
    rows = [
        {
            "cause": place, "rule": row["rule"], "severity": row["severity"],
            "status": row["status"], "title_en": row["rule"], "title_zh": row["rule"],
            "places_en": row["city_en"], "places_zh": row["city_zh"],
            "variables": row["variable"], "evidence_en": row["evidence_en"],
            "evidence_zh": row["evidence_zh"], "advice_en": "Look it up.",
            "advice_zh": "请核对。", "note": None, "judgements": None,
            "first_year": row["year"], "last_year": row["year"], "n_findings": 1,
            "n_open": 1, "n_places": 1, "headline_without": -0.01,
            "headline_change": 0.001, "headline_change_in_errors": 0.1,
        }
        for place, row in enumerate(findings.to_dict("records"), start=1)
    ]  # fmt: skip
    columns = [
        "cause", "rule", "severity", "status", "title_en", "title_zh", "places_en",
        "places_zh", "variables", "evidence_en", "evidence_zh", "advice_en",
        "advice_zh", "note", "judgements", "first_year", "last_year", "n_findings",
        "n_open", "n_places", "headline_without", "headline_change",
        "headline_change_in_errors",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def rules_frame(findings: pd.DataFrame) -> pd.DataFrame:
    rows = [
        (
            "unit_slip",
            "Unit slip",
            "单位错误",
            "Ten times its neighbours.",
            "为邻近值十倍。",
        ),
        ("copied_row", "Copied cells", "重复数据", "Twice the same.", "数值重复。"),
    ]
    frame = pd.DataFrame(
        rows,
        columns=["rule", "title_en", "title_zh", "description_en", "description_zh"],
    )
    frame["rule_order"] = [1, 2]
    for name in ("critical", "warning", "info"):
        frame[f"n_{name}"] = [
            int(((findings["rule"] == rule) & (findings["severity"] == name)).sum())
            for rule in frame["rule"]
        ]
    frame["n_open"] = [
        int(((findings["rule"] == rule) & (findings["status"] == "open")).sum())
        for rule in frame["rule"]
    ]
    return frame


def expectations_frame(**given) -> pd.DataFrame:
    row = {
        "suite": "city_year_panel", "expectation_number": 1,
        "table_name": "marts.fct_city_years",
        "expectation": "expect_column_values_to_not_be_null", "column_name": "eco",
        "severity": "warning", "success": True, "n_rows": 4, "n_unexpected": 0,
        "unexpected_share": 0.0, "observed_value": None, "failing_keys": None,
        "arguments": "{}", "reason": "Controls are complete.",
    } | given  # fmt: skip
    return pd.DataFrame([row])


CELLS = pd.DataFrame(
    [
        ("330100", 2013, "gdp_cny_10k", "reported"),
        ("330100", 2014, "gdp_cny_10k", "reported"),
        ("330200", 2013, "gdp_cny_10k", "carried"),
        ("330200", 2014, "gdp_cny_10k", "missing"),
        ("330100", 2013, "fai_cny_10k", "reported"),
        ("330100", 2014, "fai_cny_10k", "assumed"),
        ("330200", 2013, "fai_cny_10k", "reported"),
        ("330200", 2014, "fai_cny_10k", "other_source"),
    ],
    columns=["city_id", "year", "variable", "origin"],
)


def coverage_frame() -> pd.DataFrame:
    imputed = ("interpolated", "carried", "chained", "assumed")
    parts = []
    for grouping, key in (
        ("variable", "variable"), ("city", "city_id"), ("year", "year"),
    ):  # fmt: skip
        rows = []
        for value, cells in CELLS.groupby(key):
            origins = cells["origin"]
            rows.append(
                {
                    "grouping": grouping, key: value, "n_cells": len(cells),
                    "n_reported": int((origins == "reported").sum()),
                    "n_other_source": int((origins == "other_source").sum()),
                    "n_corrected": 0,
                    "n_imputed": int(origins.isin(imputed).sum()),
                    "n_missing": int((origins == "missing").sum()),
                }
            )  # fmt: skip
        parts.append(pd.DataFrame(rows))
    frame = pd.concat(parts)
    return frame.assign(imputed_share=frame["n_imputed"] / frame["n_cells"])


def agreement_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "city_id": ["330100", "330100"],
            "year": [2013, 2014],
            "variable": ["gdp_cny_10k", "gdp_cny_10k"],
            "unit": ["CNY 10,000"] * 2,
            "difference_unit": ["share of the province figure"] * 2,
            "yearbook_value": [101.0, 120.0],
            "province_value": [100.5, 100.0],
            "difference": [0.005, 0.2],
            "tolerance": [0.01, 0.01],
            "agrees": [True, False],
            "is_defective": [False, False],
        }
    )


def variables_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variable": ["gdp_cny_10k", "fai_cny_10k"],
            "label_en": ["Gross domestic product", "Total investment in fixed assets"],
            "label_zh": ["地区生产总值", "固定资产投资总额"],
        }
    )


def cities_frame(**given) -> pd.DataFrame:
    columns = {
        "city_id": ["330100", "330200"],
        "city_en": ["Hangzhou", "Ningbo"],
        "city_zh": ["杭州", "宁波"],
    } | given
    return pd.DataFrame(columns)


def estimates_frame(estimate: float = -0.011) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "paper_table": ["3"], "paper_column": ["(1)"], "variant": ["headline"],
            "term": ["sydid"], "estimate": [estimate], "std_error": [0.013],
        }
    )  # fmt: skip


def scores_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variable": ["gdp_cny_10k"], "imputation": ["linear"],
            "setting": ["interior"], "gap_years": [1], "n_cells": [10], "n_scored": [9],
            "median_abs_log_error": [0.0123], "mean_abs_log_error": [0.02],
            "p90_abs_log_error": [0.05], "is_used": [True],
        }
    )  # fmt: skip


def summary_inputs(findings: pd.DataFrame, **given) -> dict:
    """Arguments of `summarise`."""
    return {
        "findings": findings, "rules": rules_frame(findings),
        "expectations": expectations_frame(), "coverage": coverage_frame(),
        "agreement": agreement_frame(), "estimates": estimates_frame(),
        "variables": variables_frame(), "options": OPTIONS, "accepted": None,
    } | given  # fmt: skip


@pytest.fixture
def make_finding():
    return finding


@pytest.fixture
def make_findings():
    return findings_frame


@pytest.fixture
def make_inputs():
    return summary_inputs


@pytest.fixture
def make_expectations():
    return expectations_frame


@pytest.fixture
def make_estimates():
    return estimates_frame


@pytest.fixture
def make_tables():
    """A factory of `QualityTables` around findings; cities may be renamed."""

    def make(findings: pd.DataFrame, *, cities=None, **given) -> QualityTables:
        inputs = summary_inputs(findings, **given)
        return QualityTables(
            causes=causes_frame(findings),
            findings=findings,
            rules=inputs["rules"],
            expectations=inputs["expectations"],
            coverage=inputs["coverage"],
            scores=scores_frame(),
            agreement=inputs["agreement"],
            touches=touched_results(findings),
            summary=summarise(**inputs),
            cells=CELLS,
            cities=cities_frame(**(cities or {})),
            variables=inputs["variables"],
            options=OPTIONS,
        )

    return make
