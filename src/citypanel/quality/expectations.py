"""Run suites of Great Expectations on data frames.

A suite is a JSON file in Great Expectations' own form. Its `meta` says which table of
the warehouse it is for (`table`), which columns name a row (`keys`) and when it runs
(`runs_in`: build, or report for the lesser seeds, whose every cell the build checks in
SQL already); each expectation has a `severity` (critical, warning, info) and a reason
in its `meta`. An argument {"$PARAMETER": name} is filled in when the suite runs: with
the values of a reference table's column (`ref_cities__city_id`), or with the profile of
the accepted run (`accepted`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from citypanel.errors import PanelError
from citypanel.quality.accepted import profile_to_match, read_accepted
from citypanel.quality.checks import Answer, answer

FAILING_KEYS = 10


def load_suites(folder: Path) -> dict[str, dict[str, Any]]:
    """Read every suite of `folder`, by name."""
    suites = {}
    for path in sorted(Path(folder).glob("*.json")):
        suite = json.loads(path.read_text(encoding="utf-8"))
        suites[suite["name"]] = suite
    return suites


def validate_panels(
    panels: Mapping[str, pd.DataFrame],
    *,
    suites: Path,
    references: Mapping[str, pd.DataFrame] | None = None,
    options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Validate each panel with the suite of its name.

    Parameters
    ----------
    panels : mapping of str to DataFrame
        Panels by the name of their suite.
    suites : Path
        Folder of the suites' JSON files; `accepted/run.json` in it is the accepted run.
    references : mapping of str to DataFrame, optional
        Reference tables by name, for expectations of referential integrity.
    options : mapping, optional
        Options the panels were built with; a run accepted under others is not compared
        with. Left out for tables that no option touches.

    Returns
    -------
    DataFrame
        One row per expectation: suite, expectation_number (its place in the suite, from
        1), table_name, expectation, column_name, severity, success, n_rows,
        n_unexpected, unexpected_share (0-1, of the rows with a value), observed_value,
        failing_keys (the first ten), arguments (JSON) and reason.

    Raises
    ------
    PanelError
        When a panel has no suite, or an expectation cannot be evaluated.
    """
    loaded = load_suites(suites)
    accepted = read_accepted(suites)
    without_suite = sorted(set(panels) - set(loaded))
    if without_suite:
        raise PanelError.of("quality.no_suite", without_suite, suites=suites)
    rows = []
    for name in sorted(panels):
        suite = loaded[name]
        parameters = suite_parameters(
            suite, references=references or {}, accepted=accepted, options=options
        )
        answers = answers_of(panels[name], suite, parameters)
        rows += _rows(suite, answers, len(panels[name]))
    return _typed(pd.DataFrame(rows))


def answers_of(
    panel: pd.DataFrame, suite: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[Answer]:
    """Answer a suite, in its order.

    Great Expectations answers it where it asks what `citypanel.quality.checks` does not
    know.
    """
    answers: list[Answer] = []
    for number, asked in enumerate(suite["expectations"], start=1):
        arguments = {
            name: parameters[value["$PARAMETER"]]
            if isinstance(value, dict) and "$PARAMETER" in value
            else value
            for name, value in asked["kwargs"].items()
        }
        try:
            found = answer(panel, asked["type"], arguments, keys=suite["meta"]["keys"])
        except PanelError as error:
            raise _not_evaluated(suite, number, str(error)) from error
        if found is None:
            return answers_by_great_expectations(panel, suite, parameters)
        answers.append(found)
    return answers


def answers_by_great_expectations(
    panel: pd.DataFrame, suite: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[Answer]:
    """Answer a suite with Great Expectations, in its order."""
    definition = add_batch_definition(ephemeral_context(), suite["name"])
    result = definition.get_batch({"dataframe": panel}).validate(
        expectation_suite(suite),
        expectation_parameters=dict(parameters),
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": suite["meta"]["keys"],
        },
    )
    # Great Expectations may answer in another order than it was asked.
    given = {item.expectation_config.meta["number"]: item for item in result.results}
    answers = []
    for number in range(1, len(suite["expectations"]) + 1):
        trouble = _exception(given[number].exception_info or {})
        if trouble:
            raise _not_evaluated(suite, number, trouble)
        found = given[number].result or {}
        share, observed = found.get("unexpected_percent"), found.get("observed_value")
        answers.append(
            Answer(
                bool(given[number].success),
                found.get("unexpected_count"),
                None if share is None else share / 100,
                None if observed is None else str(observed),
                found.get("unexpected_index_list") or (),
            )
        )
    return answers


def _not_evaluated(suite: Mapping[str, Any], number: int, trouble: str) -> PanelError:
    kind = suite["expectations"][number - 1]["type"]
    return PanelError(
        f"Expectation {number} of suite {suite['name']} ({kind}) "
        f"could not be evaluated: {trouble}\n"
        "Remedy: correct its arguments in the suite's JSON file."
    )


def ephemeral_context(data_docs_sites: dict[str, Any] | None = None):
    """A Great Expectations context in memory, silent and without analytics."""
    # The import costs seconds; only those who validate pay them.
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    import citypanel.quality.panel_expectations  # noqa: F401 (registers them)

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            data_docs_sites=data_docs_sites or {},
            analytics_enabled=False,
        ),
    )
    context.variables.progress_bars = {"globally": False}
    return context


def add_batch_definition(context, name: str):
    """A batch definition that takes a whole data frame."""
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    return asset.add_batch_definition_whole_dataframe("all rows")


def expectation_suite(suite: Mapping[str, Any]):
    """A Great Expectations suite whose expectations carry their number."""
    from great_expectations import ExpectationSuite

    numbered = [
        {**asked, "meta": {**asked["meta"], "number": number}}
        for number, asked in enumerate(suite["expectations"], start=1)
    ]
    return ExpectationSuite(
        name=suite["name"], expectations=numbered, meta=suite["meta"]
    )


def suite_parameters(
    suite: Mapping[str, Any],
    *,
    references: Mapping[str, pd.DataFrame],
    accepted: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The values of a suite's {"$PARAMETER": name} arguments.

    Raises
    ------
    PanelError
        When a reference table that the suite names was not given.
    """
    values: dict[str, Any] = {}
    for name in sorted(named_parameters(suite)):
        if name == "accepted":
            values[name] = profile_to_match(
                accepted, suite["meta"]["table"], options=options
            )
            continue
        table, _, column = name.partition("__")
        if table not in references:
            raise PanelError.of(
                "quality.reference_not_given", [name], name=suite["name"]
            )
        known = references[table][column].dropna()
        values[name] = sorted(known.astype(str).unique())
    return values


def named_parameters(suite: Mapping[str, Any]) -> set[str]:
    """Names of the arguments of a suite that are filled in when it runs."""
    return {
        value["$PARAMETER"]
        for asked in suite["expectations"]
        for value in asked["kwargs"].values()
        if isinstance(value, dict) and "$PARAMETER" in value
    }


def _rows(
    suite: Mapping[str, Any], answers: Sequence[Answer], n_rows: int
) -> list[dict[str, Any]]:
    return [
        {
            "suite": suite["name"],
            "expectation_number": number,
            "table_name": suite["meta"]["table"],
            "expectation": asked["type"],
            "column_name": _column_name(asked["kwargs"]),
            "severity": asked["severity"],
            "success": found.success,
            "n_rows": n_rows,
            "n_unexpected": found.n_unexpected,
            "unexpected_share": found.share,
            "observed_value": found.observed,
            "failing_keys": _failing_keys(found.offenders, suite["meta"]["keys"]),
            "arguments": json.dumps(
                asked["kwargs"], ensure_ascii=False, sort_keys=True
            ),
            "reason": asked["meta"]["reason"],
        }
        for number, (asked, found) in enumerate(
            zip(suite["expectations"], answers, strict=True), start=1
        )
    ]


def _column_name(kwargs: Mapping[str, Any]) -> str | None:
    if "column" in kwargs:
        return kwargs["column"]
    for name in (
        "column_list", "exposure_column", "stock_column", "product_column",
        "total_column",
    ):  # fmt: skip
        if name in kwargs:
            value = kwargs[name]
            return value if isinstance(value, str) else ", ".join(value)
    return None


def _exception(information: Mapping[str, Any]) -> str | None:
    """The message of an exception: one record, or one per metric that failed."""
    records = (
        [information] if "raised_exception" in information else (information.values())
    )
    messages = [r["exception_message"] for r in records if r["raised_exception"]]
    return messages[0] if messages else None


def _failing_keys(indices: Sequence[Mapping[str, Any]], keys: list[str]) -> str | None:
    if not indices:
        return None
    lines = []
    for entry in indices[:FAILING_KEYS]:
        # The row's name first, then the cell that failed.
        columns = [
            *(name for name in keys if name in entry),
            *(name for name in entry if name not in keys),
        ]
        lines.append(
            ", ".join(
                f"{name} {'(empty)' if pd.isna(entry[name]) else entry[name]}"
                for name in columns
            )
        )
    more = len(indices) - FAILING_KEYS
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


def _typed(results: pd.DataFrame) -> pd.DataFrame:
    """Give every column a type: one that is all missing would have none in SQL."""
    text = [
        "suite", "table_name", "expectation", "column_name", "severity",
        "observed_value", "failing_keys", "arguments", "reason",
    ]  # fmt: skip
    results[text] = results[text].astype("string")
    results["n_unexpected"] = results["n_unexpected"].astype("Int64")
    results["unexpected_share"] = results["unexpected_share"].astype("float64")
    return results
