"""Formulas over named series, as a study declares them: `tertiary / secondary`.

A formula is arithmetic, a comparison of a name with a constant, or a logarithm of
these, and nothing else of Python: a declaration runs no code of its own.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from citypanel.errors import OptionError, describe

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.Not: np.logical_not,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
LOGARITHMS = {
    "10": np.frompyfunc(math.log10, 1, 1),
    "e": np.frompyfunc(math.log, 1, 1),
}
_EXP = np.frompyfunc(math.exp, 1, 1)
FUNCTIONS = ("log", "ln", "log10")


def logarithm(values: np.ndarray, base: str) -> np.ndarray:
    """Logarithm where the value is positive, not a number elsewhere.

    By the C library, value by value, as DuckDB takes it: NumPy's own differs in the
    last digit.
    """
    positive = values > 0
    out = np.full(values.shape, np.nan)
    out[positive] = LOGARITHMS[base](values[positive]).astype(float)
    return out


def exponential(values: np.ndarray) -> np.ndarray:
    """By the C library, value by value, as `logarithm`."""
    out = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    out[known] = _EXP(values[known]).astype(float)
    return out


@dataclass(frozen=True)
class Formula:
    """A formula and the names in it.

    Attributes
    ----------
    text : str
    names : tuple of str
        In the order of their first use.
    """

    text: str
    names: tuple[str, ...]

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
            return _value(_tree(self.text), series, log_base)


@cache
def formula(text: str) -> Formula:
    """A formula from its text.

    Raises
    ------
    OptionError
        For a text that is no formula, or that does more than arithmetic.
    """
    names: dict[str, None] = {}
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Name) and node.id not in FUNCTIONS:
            names[node.id] = None
    return Formula(text, tuple(sorted(names, key=text.index)))


@cache
def _tree(text: str) -> ast.expr:
    try:
        tree = ast.parse(" ".join(str(text).split()), mode="eval").body
        _check(tree)
    except (SyntaxError, TypeError) as error:
        raise OptionError(
            describe(
                f"'{text}' is no formula",
                [getattr(error, "msg", str(error))],
                consequence="nothing was computed with it",
                remedy="write arithmetic over names of series, such as "
                "exports / (10000 * population), with log, ln or log10",
            )
        ) from error
    return tree


def _check(node: ast.expr) -> None:
    """Raise TypeError for what is not arithmetic."""
    match node:
        case ast.Name() | ast.Constant(value=int() | float() | str()):
            return
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            _check(left)
            _check(right)
        case ast.UnaryOp(op, operand) if type(op) in OPERATORS:
            _check(operand)
        case ast.Compare(left, [op], [right]) if type(op) in OPERATORS:
            _check(left)
            _check(right)
        case ast.Call(ast.Name(name), [argument], []) if name in FUNCTIONS:
            _check(argument)
        case _:
            raise TypeError(f"{ast.unparse(node)} is not arithmetic")


def _value(node: ast.expr, series: Mapping[str, np.ndarray], log_base: str):
    match node:
        case ast.Name(name):
            return series[name]
        case ast.Constant(value):
            return value
        case ast.BinOp(left, op, right) | ast.Compare(left, [op], [right]):
            return OPERATORS[type(op)](
                _value(left, series, log_base), _value(right, series, log_base)
            )
        case ast.UnaryOp(op, operand):
            return OPERATORS[type(op)](_value(operand, series, log_base))
        case ast.Call(ast.Name(name), [argument]):
            base = {"ln": "e", "log10": "10"}.get(name, log_base)
            return logarithm(_value(argument, series, log_base), base)
    raise TypeError(ast.unparse(node))
