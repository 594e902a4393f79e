"""The tables of a study that brings its panel: their columns, types, and one shape.

They are the same for every study: `evaluate` returns them, a build publishes them in
schema ``study``, and the report reads nothing else. Periods and cohorts are text, as
the panel writes them; ``period_number`` is a period's place on the panel's grid.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

#: Where they stand in a file.
SCHEMA = "study"
_ESTIMATE = {
    "estimate": "double",
    "std_error": "double",
    "conf_low": "double",
    "conf_high": "double",
    "p_value": "double",
}
_COUNTS = {"n_obs": "bigint", "n_units": "bigint", "n_treated_units": "bigint"}

#: Columns of every table and their types in DuckDB.
TABLES: dict[str, dict[str, str]] = {
    "dim_study": {
        "study": "varchar",
        "title_en": "varchar",
        "title_zh": "varchar",
        "unit_en": "varchar",
        "unit_zh": "varchar",
        "policy_en": "varchar",
        "policy_zh": "varchar",
        "source": "varchar",
        "languages": "varchar",
        "outcome": "varchar",
        "weights": "varchar",
        "cluster": "varchar",
        "first_period": "varchar",
        "last_period": "varchar",
        "n_periods": "bigint",
        "n_obs": "bigint",
        "n_units": "bigint",
        "n_treated_units": "bigint",
        "relevant_effect": "double",
        "draws": "bigint",
        "seed": "bigint",
    },
    "dim_study_variables": {
        "variable": "varchar",
        "kind": "varchar",
        "label_en": "varchar",
        "label_zh": "varchar",
        "unit": "varchar",
        "formula": "varchar",
        "transform": "varchar",
        "variable_order": "bigint",
        "is_headline": "boolean",
        "is_after_treatment": "boolean",
    },
    "dim_units": {
        "unit_id": "varchar",
        "name_en": "varchar",
        "name_zh": "varchar",
        "parent": "varchar",
        "cohort": "varchar",
        "first_period": "varchar",
        "last_period": "varchar",
        "n_periods": "bigint",
        "is_treated": "boolean",
        "is_always_treated": "boolean",
    },
    "dim_unit_groups": {
        "unit_id": "varchar",
        "group_name": "varchar",
        "group_value": "varchar",
    },
    "fct_unit_periods": {
        "unit_id": "varchar",
        "period": "varchar",
        "variable": "varchar",
        "period_number": "bigint",
        "value": "double",
    },
    "rpt_study_descriptives": {
        "variable": "varchar",
        "units": "varchar",
        "n_obs": "bigint",
        "mean": "double",
        "std_dev": "double",
        "minimum": "double",
        "maximum": "double",
    },
    "rpt_study_regressions": {
        "table_name": "varchar",
        "column_name": "varchar",
        "term": "varchar",
        "outcome": "varchar",
        "estimator": "varchar",
        "effects": "varchar",
        "standard_errors": "varchar",
        "sample": "varchar",
        "note": "varchar",
        **_ESTIMATE,
        "t": "double",
        "df": "double",
        "r2_within": "double",
        "outcome_mean": "double",
        **_COUNTS,
        "n_clusters": "bigint",
    },
    "rpt_study_published": {
        "table_name": "varchar",
        "column_name": "varchar",
        "term": "varchar",
        "statistic": "varchar",
        "source": "varchar",
        "note": "varchar",
        "published": "double",
        "decimals": "bigint",
        "estimated": "double",
        "difference": "double",
        "agrees": "boolean",
    },
    "rpt_study_att": {
        "outcome": "varchar",
        "sample": "varchar",
        "estimator": "varchar",
        "aggregation": "varchar",
        "term": "varchar",
        "cohort": "varchar",
        "period": "varchar",
        "event_time": "double",
        "standard_errors": "varchar",
        "note": "varchar",
        **_ESTIMATE,
        "band_low": "double",
        "band_high": "double",
        "leads_p_value": "double",
        **_COUNTS,
        "sign_differs": "boolean",
    },
    "rpt_study_event_study": {
        "outcome": "varchar",
        "sample": "varchar",
        "estimator": "varchar",
        "event_time": "double",
        "note": "varchar",
        **_ESTIMATE,
        "band_low": "double",
        "band_high": "double",
        **_COUNTS,
    },
    "rpt_study_inference": {
        "table_name": "varchar",
        "column_name": "varchar",
        "outcome": "varchar",
        "wild_note": "varchar",
        "note": "varchar",
        **_ESTIMATE,
        "std_error_cr2": "double",
        "df_cr2": "double",
        "p_value_cr2": "double",
        "std_error_cv3": "double",
        "p_value_cv3": "double",
        "p_value_wild": "double",
        "conf_low_wild": "double",
        "conf_high_wild": "double",
        "p_value_randomisation": "double",
        "p_value_holm": "double",
        "p_value_romano_wolf": "double",
        "minimum_detectable_effect": "double",
        "bound": "double",
        "power_at_bound": "double",
        "equivalence_p_value": "double",
        **_COUNTS,
    },
    "rpt_study_sensitivity": {
        "check_name": "varchar",
        "sample": "varchar",
        "estimator": "varchar",
        "aggregation": "varchar",
        "term": "varchar",
        "row_order": "bigint",
        "outcome": "varchar",
        "note": "varchar",
        **_ESTIMATE,
        "n_obs": "bigint",
        "n_units": "bigint",
        "bound": "double",
        "breakdown": "double",
        "slope": "double",
        "power": "double",
        "bias": "double",
        "bias_if_passed": "double",
        "passed_ratio": "double",
        "change": "double",
        "minimum_detectable_effect": "double",
        "power_at_bound": "double",
        "equivalence_p_value": "double",
        "smallest_bound": "double",
    },
    "rpt_study_bacon": {
        "outcome": "varchar",
        "term": "varchar",
        "comparison": "varchar",
        "cohort": "varchar",
        "control_cohort": "varchar",
        "note": "varchar",
        "weight": "double",
        "estimate": "double",
        "twfe_estimate": "double",
        **_COUNTS,
    },
    "rpt_study_balance": {
        "covariate": "varchar",
        "sample": "varchar",
        "note": "varchar",
        "mean_treated": "double",
        "mean_control": "double",
        "bias_pct": "double",
        "bias_reduction_pct": "double",
        "variance_ratio": "double",
        "t": "double",
        "p_value": "double",
        "n_treated_units": "bigint",
        "n_control_units": "bigint",
    },
    "dq_study_findings": {
        "rule": "varchar",
        "severity": "varchar",
        "unit_id": "varchar",
        "period": "varchar",
        "variable": "varchar",
        "value": "double",
        "evidence_en": "varchar",
        "evidence_zh": "varchar",
    },
}
#: The table and the row of a stacked frame; see `stacked`.
MART, ROW = "mart", "mart_row"
_DTYPES = {
    "varchar": "string",
    "double": "float64",
    "bigint": "Int64",
    "boolean": "boolean",
}


def fixed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its own columns and types; what it lacks is null."""
    columns = TABLES[name]
    out = pd.DataFrame(index=range(len(frame)))
    for column, kind in columns.items():
        values = frame[column] if column in frame else pd.Series([None] * len(frame))
        values = values.reset_index(drop=True)
        if kind == "varchar":
            out[column] = pd.Series([text(v) for v in values], dtype="string")
        elif kind == "boolean":
            out[column] = values.astype("boolean")
        else:
            out[column] = pd.to_numeric(values, errors="coerce").astype(_DTYPES[kind])
    return out


def text(value: object) -> str | None:
    """A label as text: 2001 and not 2001.0, a day without its midnight."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else repr(float(value))
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value == value.normalize() else str(value)
    return str(value)


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, ``mart`` saying which a row is of.

    One column has one type in every table; a table's columns are cut out again by name.
    """
    types = {c: kind for columns in TABLES.values() for c, kind in columns.items()}
    parts = [
        frame.reindex(columns=list(types)).assign(
            **{MART: name, ROW: range(len(frame))}
        )
        for name, frame in tables.items()
        if len(frame)
    ]
    out = pd.concat(parts, ignore_index=True)
    kinds = {c: _DTYPES[kind] for c, kind in types.items()}
    return out[[MART, ROW, *types]].astype({MART: "string", ROW: "Int64"} | kinds)
