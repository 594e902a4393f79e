"""Formulas over named series, as a study declares them: `tertiary / secondary`.

A formula is an SQL expression of a closed list. A declaration may come from somebody
else, so it is parsed and checked before it is run: it may name series, numbers and
texts, and the operators and functions below, and nothing else. `evaluate` takes the
formulas of a panel's rows in DuckDB; a `Formula` called with arrays does arithmetic,
comparisons and logarithms in memory, for steps that run thousands of times, and leaves
the rest to DuckDB.
"""

from __future__ import annotations

import json
import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from citypanel.errors import OptionError
from citypanel.sql import sql_name
from citypanel.study.yaml_lines import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

OPERATORS = frozenset({"+", "-", "*", "/", "**", "^", "%"})
#: Row by row; then the panel's own: the mean over a unit's periods, the value in one
#: period, and the value of the period before or after.
FUNCTIONS = frozenset(
    {
        *("abs", "ceil", "exp", "floor", "greatest", "least", "ln", "log", "log10"),
        *("log2", "nullif", "pow", "power", "round", "sign", "sqrt"),
    }
)
PANEL_FUNCTIONS = {"unit_mean": 1, "value_in": 2, "previous": 1, "next": 1}
_PANEL_CALL = re.compile(r"\b(unit_mean|value_in|previous|next)\s*\(", re.IGNORECASE)
_LOG_CALL = re.compile(r"\blog\s*\(", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.S)
_PLAIN = frozenset(
    {"CONSTANT", "COMPARISON", "CONJUNCTION", "CASE", "BETWEEN", "TYPE", "OPERATOR"}
)
# What is done in memory, by the name that DuckDB's parser gives it.
_IN_MEMORY: Mapping[str, Callable] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "COMPARE_EQUAL": operator.eq,
    "COMPARE_NOTEQUAL": operator.ne,
    "COMPARE_LESSTHAN": operator.lt,
    "COMPARE_LESSTHANOREQUALTO": operator.le,
    "COMPARE_GREATERTHAN": operator.gt,
    "COMPARE_GREATERTHANOREQUALTO": operator.ge,
}
_CONSTANTS: Mapping[str, Callable[[str], object]] = {
    "INTEGER": int,
    "NUMERIC": float,
    "STRING": str,
    "BOOLEAN": lambda text: text == "true",
}
LOGARITHMS = {
    "10": np.frompyfunc(math.log10, 1, 1),
    "e": np.frompyfunc(math.log, 1, 1),
}
_BASES = {"ln": "e", "log10": "10"}
_EXP = np.frompyfunc(math.exp, 1, 1)


def logarithm(values: np.ndarray, base: str) -> np.ndarray:
    """Logarithm where the value is positive, not a number elsewhere.

    By the C library, value by value, as DuckDB takes it: NumPy's own differs in the
    last digit.
    """
    return _by_value(LOGARITHMS[base], values, values > 0)


def exponential(values: np.ndarray) -> np.ndarray:
    """By the C library, value by value, as `logarithm`."""
    return _by_value(_EXP, values, np.isfinite(values))


def _by_value(function: np.ufunc, values: np.ndarray, where: np.ndarray) -> np.ndarray:
    out = np.full(values.shape, np.nan)
    out[where] = function(values[where]).astype(float)
    return out


@dataclass(frozen=True)
class Formula:
    """The text of a formula, which `problems_of` has found nothing wrong with."""

    text: str

    def __str__(self) -> str:
        return self.text

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The series it names, in the order of their first use."""
        parts = (p for p in _walk(_parsed(self.text)) if p["class"] == "COLUMN_REF")
        return tuple(dict.fromkeys(".".join(p["column_names"]) for p in parts))

    def __call__(
        self, series: Mapping[str, np.ndarray], *, log_base: str = "e"
    ) -> np.ndarray:
        """The formula's value.

        Parameters
        ----------
        series : mapping of name to array
            At least the formula's names.
        log_base : {"10", "e"}
            Of `log`; `ln` and `log10` say theirs.
        """
        # A ratio to nothing is infinite or none, as DuckDB has it.
        with np.errstate(divide="ignore", invalid="ignore"):
            try:
                node = _parsed(self.text)["statements"][0]["node"]
                return _value(node["select_list"][0], series, log_base)
            except NotImplementedError:
                return _by_duckdb(self, series, log_base)


@cache
def formula(text: str) -> Formula:
    """A formula from its text, over series of arrays.

    Raises
    ------
    OptionError
        For a text that is no formula, or that asks for a panel's rows.
    """
    if problems := problems_of(text, of_panel=False):
        raise OptionError.of("study.no_formula", problems, text=text)
    return Formula(" ".join(str(text).split()))


def problems_of(
    formula: object, series: Iterable[str] | None = None, *, of_panel: bool = True
) -> list[str]:
    """What is wrong with a formula; empty where it may be run.

    Parameters
    ----------
    formula : object
        Text such as ``log10(gdp / 10000)``; a number counts as text.
    series : iterable of str, optional
        Names it may use, case aside, as in SQL; any by default.
    of_panel : bool
        Whether there are a panel's rows for the functions of `PANEL_FUNCTIONS`.
    """
    text = str(formula)
    if not text.strip():
        return ["a formula is empty"]
    reply = _parsed(text)
    if reply.get("error"):
        why = str(reply.get("error_message", "")).split("\n")[0]
        return [f"'{text}' is no expression: {why}"]
    node = reply["statements"][0]["node"]
    if (
        len(reply["statements"]) != 1
        or node.get("type") != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["from_table"]["type"] != "EMPTY"
        or node.get("where_clause")
        or node.get("modifiers")
        or node["cte_map"]["map"]
    ):
        return [f"'{text}' is not one expression"]
    known = None if series is None else {name.lower() for name in series}
    found: list[str] = []
    for part in _walk(node["select_list"][0]):
        kind = part["class"]
        if kind == "COLUMN_REF":
            name = part["column_names"]
            if len(name) > 1 or (known is not None and name[0].lower() not in known):
                hint = did_you_mean(".".join(name), series or (), "; ", "")
                found.append(f"there is no series {'.'.join(name)}{hint}")
        elif kind == "FUNCTION":
            name = part["function_name"].lower()
            if name not in OPERATORS | FUNCTIONS | set(PANEL_FUNCTIONS):
                allowed = ", ".join(sorted(FUNCTIONS | set(PANEL_FUNCTIONS)))
                found.append(
                    f"{name} is not arithmetic and not among the functions: {allowed}"
                )
        elif kind not in _PLAIN:
            words = {"SUBQUERY": "a query", "CAST": "a change of type", "STAR": "*"}
            what = words.get(kind, kind.lower())
            found.append(f"{what} has no place in a formula")
    return list(dict.fromkeys(found)) or _panel_problems(text, of_panel)


def _panel_problems(text: str, of_panel: bool) -> list[str]:
    """Calls of the panel's functions with too few arguments, or within each other."""
    found = []
    for call in _PANEL_CALL.finditer(_masked(text)):
        name = call[1].lower()
        arguments, _ = _arguments(text, call.end())
        if not of_panel:
            found.append(f"{name} needs the rows of a panel")
        elif len(arguments) != PANEL_FUNCTIONS[name] or not all(
            map(str.strip, arguments)
        ):
            count = PANEL_FUNCTIONS[name]
            found.append(f"{name} takes {count} argument" + "s" * (count > 1))
        elif any(_PANEL_CALL.search(_masked(argument)) for argument in arguments):
            found.append(f"{name} of another of the panel's functions cannot be taken")
    return found


# ------------------------------------------------------------------------- evaluation


def evaluate(
    frame: pd.DataFrame,
    formulas: Mapping[str, object],
    *,
    unit: str | None = None,
    period: str | None = None,
    positions: np.ndarray | None = None,
) -> pd.DataFrame:
    """Columns of checked formulas over a frame's columns, in its row order.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and period.
    formulas : mapping of name to formula
        Each checked by `problems_of`.
    unit, period : str, optional
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
    # Not above: the start of every command reads a declaration, and few evaluate one.
    import pandas as pd

    rows = frame.assign(__row=np.arange(len(frame)))
    if period is not None:
        when = frame[period].to_numpy() if positions is None else positions
        rows["__position"] = when
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


def _in_sql(
    text: str, unit: str | None, period: str | None
) -> tuple[str, dict[str, str]]:
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


def _value(node: dict[str, Any], series: Mapping[str, np.ndarray], log_base: str):
    """A node's value in memory; NotImplementedError for what DuckDB has to do."""
    kind, name = node["class"], node.get("function_name") or node["type"]
    if kind == "COLUMN_REF":
        return series[node["column_names"][0]]
    if kind == "CONSTANT" and node["literal"]["kind"] in _CONSTANTS:
        return _CONSTANTS[node["literal"]["kind"]](node["literal"]["text"])
    parts = [node["left"], node["right"]] if kind == "COMPARISON" else []
    parts = parts or [entry["expression"] for entry in node.get("arguments", ())]
    if len(parts) == 2 and name in _IN_MEMORY:
        left, right = (_value(part, series, log_base) for part in parts)
        return _IN_MEMORY[name](left, right)
    if len(parts) == 1 and name == "-":
        return -_value(parts[0], series, log_base)
    if len(parts) == 1 and name in ("log", *_BASES):
        base = _BASES.get(name, log_base)
        return logarithm(_value(parts[0], series, log_base), base)
    if name == "OPERATOR_NOT":
        return np.logical_not(_value(node["children"][0], series, log_base))
    raise NotImplementedError(name)


def _by_duckdb(
    formula: Formula, series: Mapping[str, np.ndarray], log_base: str
) -> np.ndarray:
    """The formula over arrays of one shape, in DuckDB; `log` to the base asked for."""
    import pandas as pd

    text, names = formula.text, formula.names
    if log_base == "e":
        # `ln` for every `log`, but for what stands in quotes.
        for found in reversed(list(_LOG_CALL.finditer(_masked(text)))):
            text = f"{text[: found.start()]}ln({text[found.end() :]}"
    arrays = np.broadcast_arrays(*(np.asarray(series[name]) for name in names))
    flat = {name: table.ravel() for name, table in zip(names, arrays, strict=True)}
    values = evaluate(pd.DataFrame(flat), {"value": text})["value"]
    if values.dtype.kind in "bO" and values.isin([True, False]).any():
        # A condition that is not known is not met.
        values = values.eq(True).fillna(False)
    return values.to_numpy().reshape(arrays[0].shape)


# ---------------------------------------------------------------------------- parsing


@cache
def _parsed(text: str) -> dict[str, Any]:
    """What DuckDB's parser makes of an expression."""
    return json.loads(
        _parser(os.getpid())
        .cursor()
        .execute("select json_serialize_sql(?)", [f"select ({text}\n)"])
        .fetchone()[0]
    )


@cache
def _parser(process: int) -> duckdb.DuckDBPyConnection:
    """A connection for parsing, one a process and without threads of its own."""
    return duckdb.connect(config={"threads": 1})


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


def _walk(node):
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)
