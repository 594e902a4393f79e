"""Formulas over series: SQL expressions of a closed list, evaluated by DuckDB.

A declaration may come from somebody else, so a formula is parsed and checked before it
is run: it may name the panel's series, numbers and texts, and the operators and
functions of `FUNCTIONS`, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import duckdb
import numpy as np
import pandas as pd

from citypanel.sql import sql_name
from citypanel.study.yaml_lines import did_you_mean

OPERATORS = frozenset({"+", "-", "*", "/", "**", "^", "%"})
#: Row by row; then the panel's own: the mean over a unit's periods, the value in one
#: period, and the value of the period before or after.
FUNCTIONS = frozenset(
    {
        "abs",
        "ceil",
        "exp",
        "floor",
        "greatest",
        "least",
        "ln",
        "log",
        "log10",
        "log2",
        "nullif",
        "pow",
        "power",
        "round",
        "sign",
        "sqrt",
    }
)
PANEL_FUNCTIONS = {"unit_mean": 1, "value_in": 2, "previous": 1, "next": 1}
_PANEL_CALL = re.compile(r"\b(unit_mean|value_in|previous|next)\s*\(", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.S)
_PLAIN = frozenset(
    {"CONSTANT", "COMPARISON", "CONJUNCTION", "CASE", "BETWEEN", "TYPE", "OPERATOR"}
)


def problems_of(formula: object, series: Iterable[str]) -> list[str]:
    """What is wrong with a formula; empty where it may be run.

    Parameters
    ----------
    formula : object
        Text such as ``log10(gdp / 10000)``; a number counts as text.
    series : iterable of str
        Names it may use; case does not matter, as in SQL.
    """
    text = str(formula)
    if not text.strip():
        return ["a formula is empty"]
    known = {name.lower(): name for name in series}
    reply = json.loads(_parse(text))
    if reply.get("error"):
        why = str(reply.get("error_message", "")).split("\n")[0]
        return [f"'{text}' is no expression: {why}"]
    statements = reply["statements"]
    node = statements[0]["node"]
    if (
        len(statements) != 1
        or node.get("type") != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["from_table"]["type"] != "EMPTY"
        or node.get("where_clause")
        or node.get("modifiers")
        or node["cte_map"]["map"]
    ):
        return [f"'{text}' is not one expression"]
    found: list[str] = []
    for part in _walk(node["select_list"][0]):
        kind = part["class"]
        if kind == "COLUMN_REF":
            name = part["column_names"]
            if len(name) > 1 or name[0].lower() not in known:
                hint = did_you_mean(".".join(name), series, "; ", "")
                found.append(f"there is no series {'.'.join(name)}{hint}")
        elif kind == "FUNCTION":
            name = part["function_name"].lower()
            if name not in OPERATORS | FUNCTIONS | set(PANEL_FUNCTIONS):
                allowed = ", ".join(sorted(FUNCTIONS | set(PANEL_FUNCTIONS)))
                found.append(f"{name} is not among the functions: {allowed}")
        elif kind not in _PLAIN:
            words = {"SUBQUERY": "a query", "CAST": "a change of type", "STAR": "*"}
            what = words.get(kind, kind.lower())
            found.append(f"{what} has no place in a formula")
    return list(dict.fromkeys(found)) or _panel_problems(text)


def _panel_problems(text: str) -> list[str]:
    """Calls of the panel's functions with too few arguments, or within each other."""
    found = []
    for call in _PANEL_CALL.finditer(_masked(text)):
        name = call[1].lower()
        arguments, _ = _arguments(text, call.end())
        if len(arguments) != PANEL_FUNCTIONS[name] or not all(
            map(str.strip, arguments)
        ):
            count = PANEL_FUNCTIONS[name]
            found.append(f"{name} takes {count} argument" + "s" * (count > 1))
        elif any(_PANEL_CALL.search(_masked(argument)) for argument in arguments):
            found.append(f"{name} of another of the panel's functions cannot be taken")
    return found


def evaluate(
    frame: pd.DataFrame,
    formulas: Mapping[str, object],
    *,
    unit: str,
    period: str,
    positions: np.ndarray | None = None,
) -> pd.DataFrame:
    """Columns of checked formulas over a frame's columns, in its row order.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and period.
    formulas : mapping of name to formula
        Each checked by `problems_of`.
    unit, period : str
        Columns of the key, for the panel's functions.
    positions : ndarray of int (n,), optional
        Each row's period on an even grid, so that ``previous`` of a period after a
        gap is null; the periods themselves by default.

    Returns
    -------
    DataFrame
        One column a formula, null where it is not defined (a logarithm of zero, a
        division by zero) and where a series it uses is.
    """
    when = frame[period].to_numpy() if positions is None else positions
    rows = frame.assign(__row=np.arange(len(frame)), __position=when)
    out = {}
    with duckdb.connect() as connection:
        connection.execute("set enable_external_access = false").fetchall()
        connection.register("panel", rows)
        for name, formula in formulas.items():
            expression, calls = _in_sql(str(formula), unit, period)
            inner = "".join(f", {call}\n as {c}" for c, call in calls.items())
            values = connection.execute(
                f"select try({expression}\n) as value "
                f"from (select *{inner} from panel) order by __row"
            ).df()["value"]
            if pd.api.types.is_float_dtype(values):
                values = values.where(np.isfinite(values))
            out[name] = values.to_numpy()
    return pd.DataFrame(out, index=frame.index)


def _in_sql(text: str, unit: str, period: str) -> tuple[str, dict[str, str]]:
    """The formula over columns, and the panel's functions behind those, as windows."""
    key, time = sql_name(unit), sql_name(period)
    over = f"over (partition by {key} order by __position)"
    calls: dict[str, str] = {}
    while found := _PANEL_CALL.search(_masked(text)):
        name = found[1].lower()
        arguments, end = _arguments(text, found.end())
        x = f"try({arguments[0]}\n)"
        if name == "unit_mean":
            call = f"avg({x}) over (partition by {key})"
        elif name == "value_in":
            here = f"{time} = {arguments[1]}\n"
            call = f"max({x}) filter (where {here}) over (partition by {key})"
        else:
            beside, step = ("lag", "- 1") if name == "previous" else ("lead", "+ 1")
            call = (
                f"case when {beside}(__position) {over} = __position {step} "
                f"then {beside}({x}) {over} end"
            )
        column = f"__{name}_{len(calls)}"
        calls[column] = call
        text = f"{text[: found.start()]}{column}{text[end:]}"
    return text, calls


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """Arguments of a call from behind its bracket, and where the call ends."""
    masked = _masked(text)
    depth, last, found = 1, start, []
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(masked[place], 0)
        if depth == 0 or (depth == 1 and masked[place] == ","):
            found.append(text[last:place])
            last = place + 1
        if depth == 0:
            return found, last
    return found, len(text)


def _masked(text: str) -> str:
    """The text with what stands in quotes blanked, at the same length."""
    return _QUOTED.sub(lambda found: " " * len(found[0]), text)


def uses(formula: object, series: Iterable[str]) -> list[str]:
    """The series that a formula names, as they are written in `series`."""
    known = {name.lower(): name for name in series}
    reply = json.loads(_parse(str(formula)))
    found = [
        known[part["column_names"][0].lower()]
        for part in _walk(reply["statements"][0]["node"]["select_list"][0])
        if part["class"] == "COLUMN_REF"
    ]
    return list(dict.fromkeys(found))


def _parse(text: str) -> str:
    with duckdb.connect() as connection:
        return connection.execute(
            "select json_serialize_sql(?)", [f"select ({text}\n)"]
        ).fetchone()[0]


def _walk(node):
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)
