"""Read tables of the published file, with messages for what is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from citypanel.errors import PublicationError
from citypanel.warehouse.preflight import open_published

Reader = Callable[[str], pd.DataFrame]


@contextmanager
def reading(warehouse: Path) -> Iterator[Reader]:
    """Open the published file; gives a function from a table's name to its frame.

    Raises
    ------
    WarehouseError
        When there is no published file or it cannot be read.
    PublicationError
        When it lacks a table.
    """
    with open_published(warehouse) as connection:

        def table(name: str) -> pd.DataFrame:
            try:
                return connection.sql(f"select * from {name}").df()
            except duckdb.CatalogException as error:
                raise PublicationError.of(
                    "quality.lacks_table",
                    [name],
                    name=warehouse.name,
                ) from error

        yield table


def read_options(table: Reader) -> dict[str, str]:
    """The options of the headline, by name, as text."""
    return options_of(table("marts.dim_study_variants"))


def options_of(variants: pd.DataFrame) -> dict[str, str]:
    """The options of the headline, by name, as text; names the variants' own aside."""
    headline = variants[variants["variant"] == "headline"].iloc[0]
    return {
        name: str(value)
        for name, value in headline.items()
        if name not in ("variant", "variant_order")
    }
