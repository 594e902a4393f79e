"""Imported cells as they are kept: small sources in the seed, large ones as Parquet.

A source of more than `MOST_IN_SEED` cells has a file of its own in
`seeds/imported/cells`, with the columns of the seed; `stg_imported__cells` reads both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from citypanel.errors import ImporterError
from citypanel.importers.cells import address, harmless, printed
from citypanel.importers.storage import seed_bytes
from citypanel.importers.yearbook import CELL_COLUMNS, YearbookReading, prefix

SEED = "seeds/imported/raw_imported_cells.csv"
FOLDER = "seeds/imported/cells"
MOST_IN_SEED = 100_000
KEY = "variable, city_id, year"
AS_TEXT = ", ".join(f"{name}::varchar as {name}" for name in CELL_COLUMNS)


@dataclass(frozen=True)
class Merged:
    """The files that hold the imported cells after an import.

    Attributes
    ----------
    contents : dict of str to bytes or None
        Path within the project, and what it is to hold; None where it goes.
    rows_by_file : dict
        Cells of the source by file, the earlier ones included.
    kept : list of str
        Files of earlier imports of the source that stay.
    """

    contents: dict[str, bytes | None]
    rows_by_file: dict[str, int]
    kept: list[str]


def merge(
    reading: YearbookReading,
    *,
    project: Path,
    source: str,
    others: Sequence[tuple[str, ...]],
    held: Sequence[tuple[str, ...]],
    replace: bool,
) -> Merged:
    """Put the cells of an import beside what its source holds from other files.

    Parameters
    ----------
    others, held : sequence of tuple
        Rows of the seed that belong to other sources, and to this one.
    replace : bool
        Let the import take the place of everything that the source holds.

    Raises
    ------
    ImporterError
        When another file of the source gives one of the cells another figure, or a
        file that was imported before no longer has a cell it had.
    """
    import duckdb

    name = f"{FOLDER}/{source}.parquet"
    large = project / name
    with duckdb.connect() as connection:
        # A second thread takes more memory than it saves time.
        connection.execute("set threads = 1")
        frame = _frame(reading)
        connection.register("blocks", frame)
        new = (
            f"select '{source}' as source, variable, city_id, year, value, unit, "
            "header, file, prefix::varchar || letters::varchar || number::varchar "
            "as cell from blocks"
        )
        kept: list[str] = []
        counted = dict(reading.rows_by_file)
        if (held or large.is_file()) and not replace:
            _earlier(connection, held, large)
            connection.execute(f"create table new as select {AS_TEXT} from ({new})")
            _refuse_conflicts(connection)
            kept = [
                row[0]
                for row in connection.execute(
                    "select distinct file from held "
                    "where file not in (select file from new) order by file"
                ).fetchall()
            ]
            new = (
                "select * from (select * from new union all by name select * from held "
                "where file not in (select file from new) "
                f"and ({KEY}) not in (select ({KEY}) from new)) order by {KEY}"
            )
            counted = dict(
                connection.execute(
                    f"select file, count(*) from ({new}) group by file"
                ).fetchall()
            )
        n_cells = sum(counted.values())
        contents: dict[str, bytes | None] = {}
        own: list[tuple] = []
        if n_cells > MOST_IN_SEED:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "cells.parquet"
                connection.execute(
                    f"copy ({new}) to '{path}' (format parquet, compression zstd, "
                    "compression_level 1, dictionary_size_limit 10000)"
                )
                contents[name] = path.read_bytes()
        else:
            own = connection.execute(new).fetchall()
            if large.is_file():
                contents[name] = None
    before = [row for row in others if row[0] < source]
    after = [row for row in others if row[0] > source]
    contents[SEED] = seed_bytes(CELL_COLUMNS, [*before, *own, *after])
    return Merged(contents, counted, kept)


def _frame(reading: YearbookReading):
    """Cells in columns, in the order of variable, city and year.

    What repeats is categorical: DuckDB writes it as the dictionary it is.
    """
    import pandas as pd

    variables = sorted({block.variable for block in reading.blocks})
    ranks = np.argsort(np.argsort(reading.city_ids)).astype(np.int16)
    blocks = reading.blocks
    lengths = [len(block.values) for block in blocks]
    numbers = np.repeat(np.arange(len(blocks), dtype=np.int32), lengths)
    rows = np.concatenate([block.rows for block in blocks]) + 1
    columns = np.repeat(
        np.array([block.column + 1 for block in blocks], dtype=np.int32), lengths
    )
    turned = np.repeat([block.sheet.is_turned for block in blocks], lengths)
    rows, columns = np.where(turned, columns, rows), np.where(turned, rows, columns)
    cities = np.concatenate([block.cities for block in blocks])
    years = np.concatenate([block.years for block in blocks])
    order_of = {variable: i for i, variable in enumerate(variables)}
    variable = np.repeat(
        np.array([order_of[b.variable] for b in blocks], dtype=np.int16), lengths
    )
    # One key, which is nearly in order already.
    key = (variable.astype(np.int64) << 32) + (ranks[cities].astype(np.int64) << 16)
    order = np.argsort(key + years, kind="stable")
    values = np.empty(len(order), dtype=object)
    start = 0
    for block in blocks:
        values[start : start + len(block.values)] = block.values
        start += len(block.values)

    def of_block(texts: list[str]) -> pd.Categorical:
        names = sorted(set(texts))
        places = {name: i for i, name in enumerate(names)}
        codes = np.array([places[text] for text in texts], dtype=np.int32)
        return pd.Categorical.from_codes(codes[numbers][order], names)

    letters = [address(0, column)[:-1] for column in range(int(columns.max()))]
    return pd.DataFrame(
        {
            "variable": of_block([block.variable for block in blocks]),
            "city_id": pd.Categorical.from_codes(cities[order], reading.city_ids),
            "year": pd.Categorical.from_codes(
                years[order] - years.min(),
                [str(year) for year in range(years.min(), years.max() + 1)],
            ),
            "value": pd.Series(values[order], dtype=object),
            "unit": of_block([block.unit for block in blocks]),
            "header": of_block([block.header for block in blocks]),
            "file": of_block([harmless(block.sheet.file) for block in blocks]),
            "prefix": of_block([prefix(block.sheet) for block in blocks]),
            "letters": pd.Categorical.from_codes(columns[order] - 1, letters),
            "number": rows[order],
        }
    )


def _earlier(connection, held: Sequence[tuple[str, ...]], large: Path) -> None:
    """The table `held`: what the source holds from earlier imports."""
    import pandas as pd

    rows = pd.DataFrame(list(held), columns=list(CELL_COLUMNS), dtype=str)
    connection.register("small", rows)
    query = f"select {AS_TEXT} from small"
    if large.is_file():
        query += f" union all by name select {AS_TEXT} from read_parquet('{large}')"
    try:
        connection.execute(f"create table held as {query}")
    except Exception as error:
        raise ImporterError.of(
            "importers.earlier_cells_unreadable", [f"{large.name}: {error}"]
        ) from error


def _refuse_conflicts(connection) -> None:
    other = connection.execute(
        "select new.*, held.file, held.cell, held.value, held.unit from new "
        f"inner join held using ({KEY}) where held.file != new.file and "
        "(held.unit != new.unit or held.value::double != new.value::double) "
        f"order by {', '.join('new.' + name for name in KEY.split(', '))}"
    ).fetchall()
    if other:
        raise ImporterError.of(
            "importers.other_figures",
            [
                f"{row[7]}, cell {row[8]}: {row[1]} of {row[2]} in {row[3]} is "
                f"{printed(row[4])} ({row[5]}), and {printed(row[11])} ({row[12]}) "
                f"in {row[9]}, cell {row[10]}"
                for row in other
            ],
        )
    lost = connection.execute(
        f"select file, cell, {KEY}, value from held "
        "where file in (select file from new) "
        f"and ({KEY}) not in (select ({KEY}) from new) order by file, {KEY}"
    ).fetchall()
    if lost:
        raise ImporterError.of(
            "importers.cells_lost",
            [
                f"{row[0]}, cell {row[1]}: {row[2]} of {row[3]} in {row[4]}, value "
                f"{printed(row[5])}"
                for row in lost
            ],
        )
