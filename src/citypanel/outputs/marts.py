"""Read the published marts that an output needs, and say which are not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from citypanel.errors import OutputError

if TYPE_CHECKING:
    from citypanel.outputs.facts import Facts

# Not built where the option credibility is false.
CREDIBILITY = frozenset(
    f"rpt_{name}"
    for name in (
        "att", "bacon", "balance", "inference", "published_audit", "randomisation",
        "referee", "sensitivity",
    )
)  # fmt: skip


class Marts(Mapping[str, pd.DataFrame]):
    """The tables of schemas marts and quality in one warehouse file, each read once.

    Parameters
    ----------
    database : Path
        The published file, or the one a build works in.

    Raises
    ------
    OutputError
        No file, or one that DuckDB cannot read.
    """

    def __init__(self, database: Path) -> None:
        if not database.is_file():
            raise OutputError.of("outputs.no_database", database=database)
        try:
            self._connection = duckdb.connect(str(database), read_only=True)
            self._names = dict(
                self._connection.execute(
                    "select table_name, schema_name from duckdb_tables() "
                    "where schema_name in ('marts', 'quality')"
                ).fetchall()
            )
        except duckdb.Error as error:
            raise OutputError.of(
                "outputs.unreadable", database=database, what=str(error).splitlines()[0]
            ) from error
        self._frames: dict[str, pd.DataFrame] = {}

    def __enter__(self) -> Marts:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._frames:
            self._frames[name] = self._connection.sql(
                f'select * from {self._names[name]}."{name}" order by all'
            ).df()
        return self._frames[name]

    @cached_property
    def facts(self) -> Facts:
        """The facts of the file, gathered once for all that is written of it."""
        from citypanel.outputs.facts import Facts

        return Facts(self)

    def __iter__(self):
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)


def absent(needs: Iterable[str], marts: Mapping[str, pd.DataFrame]) -> list[str]:
    """Names among `needs` that the file does not have."""
    present = set(marts)
    return [name for name in needs if name not in present]


def message_of_absent(output: str, missing: list[str], *, partly: bool = False) -> str:
    """Say which mart an output lacks and how to build it; `partly`: it is written."""
    option = " with credibility: true" if CREDIBILITY & set(missing) else ""
    names = [f"marts.{name}" for name in missing]
    error = OutputError.of(
        "outputs.lacks_marts", names, output=output, partly=partly, option=option
    )
    return str(error)
