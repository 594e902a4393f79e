"""Texts and names as SQL writes them."""

from __future__ import annotations


def sql_text(value: object) -> str:
    """A literal, its quotes doubled."""
    return "'" + str(value).replace("'", "''") + "'"


def sql_name(value: object) -> str:
    """The name of a table or a column, its quotes doubled."""
    return '"' + str(value).replace('"', '""') + '"'
