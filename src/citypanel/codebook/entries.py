"""Tables and columns as the project's YAML describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

NUMERIC_TYPES = (
    "tinyint", "smallint", "integer", "bigint", "hugeint", "float", "double",
)  # fmt: skip
LABELS = ("label_en", "label_zh")
MEASURES = ("unit", "source")
GRAIN = "One row per "


@dataclass(frozen=True)
class Column:
    """One column: its meaning, labels in both languages, unit, source and formula.

    `formula` is empty for what is read and not computed; `unit` and `source` are empty
    for text and flags.
    """

    name: str
    data_type: str
    description: str
    label_en: str = ""
    label_zh: str = ""
    unit: str = ""
    source: str = ""
    formula: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether the column is a measure, a count or a year."""
        return self.data_type in NUMERIC_TYPES or self.data_type.startswith("decimal")

    def label(self, language: str) -> str:
        """The label in `language` (en or zh); the name where there is none."""
        return (self.label_zh if language == "zh" else self.label_en) or self.name


@dataclass(frozen=True)
class Table:
    """One table: its description, the columns that name a row, and all columns."""

    schema: str
    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def grain(self) -> str:
        """The last sentence of the description: what one row is."""
        start = self.description.rfind(GRAIN)
        return self.description[start:] if start >= 0 else ""

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((each for each in self.columns if each.name == name), None)


def tables_from(documents: Iterable[tuple[str, Mapping]]) -> list[Table]:
    """Read tables from parsed YAML.

    Parameters
    ----------
    documents : iterable of (str, mapping)
        A schema and the document of a dbt properties file, as `yaml.safe_load` gives
        it. Models without columns are left out.

    Returns
    -------
    list of Table
        In the order of the documents.
    """
    tables = []
    for schema, document in documents:
        for model in (document or {}).get("models") or []:
            columns = tuple(_column(entry) for entry in model.get("columns") or [])
            if columns:
                tables.append(
                    Table(
                        schema=schema,
                        name=model["name"],
                        description=_plain(model.get("description")),
                        key=_key(model),
                        columns=columns,
                    )
                )
    return tables


def gaps(tables: Iterable[Table]) -> pd.DataFrame:
    """What the YAML does not say of a column.

    Every column needs a description and a label in both languages; a numeric one its
    unit and source too; a computed one its formula.

    Returns
    -------
    DataFrame
        One row per gap: table, column, missing. A table whose description does not end
        with its grain has a row with an empty column.
    """
    rows = []
    for table in tables:
        if not table.grain.endswith("."):
            rows.append((table.name, "", "grain"))
        for column in table.columns:
            needed: tuple[str, ...] = ("description", *LABELS)
            if column.is_numeric:
                needed += MEASURES
            if column.source == "computed":
                needed += ("formula",)
            rows += [
                (table.name, column.name, field)
                for field in needed
                if not getattr(column, field)
            ]
    return pd.DataFrame(rows, columns=["table", "column", "missing"])


def _column(entry: Mapping) -> Column:
    meta = (entry.get("config") or {}).get("meta") or entry.get("meta") or {}
    return Column(
        name=str(entry["name"]),
        data_type=str(entry.get("data_type", "")).lower(),
        description=_plain(entry.get("description")),
        **{field: _plain(meta.get(field)) for field in (*LABELS, *MEASURES, "formula")},
    )


def _key(model: Mapping) -> tuple[str, ...]:
    for constraint in model.get("constraints") or []:
        if constraint.get("type") == "primary_key":
            return tuple(constraint["columns"])
    for test in model.get("data_tests") or []:
        if isinstance(test, Mapping) and "unique_key" in test:
            arguments = test["unique_key"].get("arguments") or test["unique_key"]
            return tuple(arguments.get("columns") or ())
    return ()


def _plain(text: object) -> str:
    return " ".join(str(text or "").split())
