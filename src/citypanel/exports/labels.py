"""Names and labels within the limits of Stata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from citypanel.codebook.entries import Column
from citypanel.codebook.translation import translation

# Stata: help limits, help reserved.
LONGEST_NAME = 32
LONGEST_LABEL = 80
_RESERVED = frozenset(
    {
        "_all", "_b", "_coef", "_cons", "_n", "_N", "_pi", "_pred", "_rc", "_se",
        "_skip", "byte", "double", "float", "if", "in", "int", "long", "strL", "using",
        "with",
    }
)  # fmt: skip
_STRING_TYPE = re.compile(r"str[0-9]+")


def stata_names(names: Iterable[str]) -> dict[str, str]:
    """A name that Stata takes for each name, all different.

    Letters, digits and underscores, not a digit first, at most 32 characters, no
    reserved word. A name that is right stays as it is; a long one is cut, and where
    two would meet the later one ends in a number.
    """
    wanted = list(names)
    taken = {name for name in wanted if _is_stata_name(name)}
    result = {}
    for name in wanted:
        if name in taken:
            result[name] = name
            continue
        base = re.sub(r"[^0-9A-Za-z_]", "_", name)
        if not base or base[0].isdigit() or not _is_free(base):
            base = f"v_{base}"
        short, number = base[:LONGEST_NAME], 1
        while short in taken:
            number += 1
            tail = f"_{number}"
            short = base[: LONGEST_NAME - len(tail)] + tail
        taken.add(short)
        result[name] = short
    return result


def shortened(text: str, limit: int = LONGEST_LABEL) -> str:
    """The text, cut at a word and marked with ... where it is over the limit.

    The limit counts characters, as Stata does from version 14 on.
    """
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 3]
    at_word = cut.rpartition(" ")[0]
    return (at_word if len(at_word) > limit // 2 else cut).rstrip(" ,;:") + "..."


def label_with_unit(column: Column, language: str) -> str:
    """The label with its unit in brackets, without the unit where that is too long."""
    label, unit = column.label(language), translation(language)(column.unit)
    full = f"{label} ({unit})" if unit else label
    return full if len(full) <= LONGEST_LABEL else shortened(label)


def variables(columns: Sequence[Column]) -> pd.DataFrame:
    """What each column of an export means, in both languages.

    Returns
    -------
    DataFrame
        One row per column: name, stata_name, label_en, label_zh, unit, source,
        formula, description_en, description_zh.
    """
    chinese = translation("zh")
    short = stata_names(column.name for column in columns)
    return pd.DataFrame(
        [
            {
                "name": column.name,
                "stata_name": short[column.name],
                "label_en": column.label("en"),
                "label_zh": column.label("zh"),
                "unit": column.unit,
                "source": column.source,
                "formula": column.formula,
                "description_en": column.description,
                "description_zh": chinese(column.description),
            }
            for column in columns
        ]
    )


def _is_stata_name(name: str) -> bool:
    return (
        re.fullmatch(r"[A-Za-z_][0-9A-Za-z_]*", name) is not None
        and len(name) <= LONGEST_NAME
        and _is_free(name)
    )


def _is_free(name: str) -> bool:
    return name not in _RESERVED and not _STRING_TYPE.fullmatch(name)
