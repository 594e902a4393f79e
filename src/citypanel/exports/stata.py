"""A table as a Stata file, with its labels."""

from __future__ import annotations

import io
from datetime import datetime

import numpy as np
import pandas as pd

from citypanel.errors import OutputError
from citypanel.exports.labels import label_with_unit, shortened, stata_names
from citypanel.exports.tables import Export
from citypanel.study.declaration import declared
from citypanel.words import Catalogue

# Format of Stata 14 and later: text is Unicode.
VERSION = 118
# The header has a time; a fixed one keeps the same table the same bytes.
WRITTEN = datetime(1980, 1, 1)
# Larger doubles are Stata's codes for missing values.
LARGEST = 2.0**1023 * (1 - 2.0**-53)
# Longer text goes into a strL.
LONGEST_TEXT = 2045

SAID = Catalogue("stata")


def stata_bytes(export: Export, *, language: str) -> bytes:
    """Write the table in Stata's format 118.

    Flags become 0 and 1 with value labels; region and role become labelled numbers;
    a table with city_id gets `city_code`, the code as a number whose value labels are
    the cities' names, for ``xtset city_code year``. Names over 32 characters are cut
    (`stata_names`), labels over 80 too (`shortened`).

    Parameters
    ----------
    export : Export
    language : {"en", "zh"}
        Of variable labels, value labels and the data label.

    Raises
    ------
    OutputError
        A number is infinite or larger than Stata can hold.
    """
    short = stata_names(export.frame.columns)
    frame = pd.DataFrame(index=export.frame.index)
    labels: dict[str, str] = {}
    value_labels: dict[str, dict[int, str]] = {}
    dates: dict[str, str] = {}
    long_texts, coded = [], _coded()
    for column in export.columns:
        name, values = short[column.name], export.frame[column.name]
        words = coded.get(column.name, {})
        labels[name] = label_with_unit(column, language)
        if pd.api.types.is_bool_dtype(values):
            frame[name] = _numbers(values)
            value_labels[name] = _words_of("flag", language)
        elif pd.api.types.is_numeric_dtype(values):
            frame[name] = _numbers(values)
            _check(export, column.name)
            if column.name == "cohort":
                value_labels[name] = _words_of("cohort", language)
        elif pd.api.types.is_datetime64_any_dtype(values):
            frame[name] = values
            dates[name] = "td"
        elif words and set(values.dropna()) <= set(words):
            codes = {text: code for code, text in enumerate(words, 1)}
            frame[name] = _numbers(values.map(codes))
            value_labels[name] = {
                code: text if language == "en" else words[text]
                for text, code in codes.items()
            }
        else:
            texts = values.astype(object).where(values.notna(), "").map(str)
            frame[name] = texts.astype(object)
            if texts.map(lambda text: len(text.encode())).max() > LONGEST_TEXT:
                long_texts.append(name)
    if "city_id" in export.frame and "city_code" not in frame:
        cities, names = _cities(export.frame, language)
        frame.insert(0, "city_code", cities)
        labels["city_code"] = SAID("city_code").said(language)
        if names:
            value_labels["city_code"] = names
    content = io.BytesIO()
    frame.to_stata(
        content,
        write_index=False,
        version=VERSION,
        time_stamp=WRITTEN,
        data_label=shortened(f"citypanel {export.name}: {export.description}"),
        variable_labels=labels,
        value_labels=value_labels,
        convert_dates=dates,
        convert_strl=long_texts,
    )
    return content.getvalue()


def _coded() -> dict[str, dict[str, str]]:
    """Text with few values, which becomes numbers with value labels, in this order."""
    regions = {name: said["zh"] for name, said in declared().regions.items()}
    roles = {name: said.zh for name, said in SAID.of("role").items()}
    return {"region": regions, "role": roles}


def _words_of(group: str, language: str) -> dict[int, str]:
    """The words of numbers."""
    return {int(n): said.said(language) for n, said in SAID.of(group).items()}


def _numbers(values: pd.Series) -> pd.Series:
    """Whole numbers in the smallest type that holds them, others as doubles."""
    if values.isna().any() or pd.api.types.is_float_dtype(values):
        return pd.Series(values.to_numpy(float, na_value=np.nan), index=values.index)
    whole = values.to_numpy(np.int64)
    # Stata keeps the upper end of each type for missing values.
    for kind, low, high in (
        (np.int8, -127, 100),
        (np.int16, -32767, 32740),
        (np.int32, -2147483647, 2147483620),
    ):
        if len(whole) and low <= whole.min() and whole.max() <= high:
            return pd.Series(whole.astype(kind), index=values.index)
    return pd.Series(whole.astype(float), index=values.index)


def _check(export: Export, name: str) -> None:
    numbers = export.frame[name].to_numpy(float, na_value=np.nan)
    wrong = np.flatnonzero(np.abs(numbers) > LARGEST)
    if len(wrong):
        keys = [each for each in ("city_id", "year") if each in export.frame]
        places = []
        for row in wrong:
            named = (f"{key} {export.frame[key].iloc[row]}" for key in keys)
            places.append(
                ", ".join([f"row {row + 1}", *named, f"value {numbers[row]}"])
            )
        raise OutputError.of(
            "exports.too_large_for_stata", places, name=export.name, name_2=name
        )


def _cities(frame: pd.DataFrame, language: str) -> tuple[pd.Series, dict[int, str]]:
    codes = _numbers(pd.to_numeric(frame["city_id"]))
    name = "city_zh" if language == "zh" else "city_en"
    if name not in frame:
        return codes, {}
    pairs = pd.DataFrame({"code": codes, "name": frame[name]}).dropna()
    pairs = pairs.drop_duplicates("code").sort_values("code")
    return codes, {
        int(code): str(text)
        for code, text in zip(pairs["code"], pairs["name"], strict=True)
    }
