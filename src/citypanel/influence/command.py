"""What `citypanel influence` does with the published file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd

from citypanel.cluster import joblib_on
from citypanel.curve.results import write_tables
from citypanel.errors import OptionError, PublicationError
from citypanel.files import alone_in, write_text
from citypanel.influence.page import influence_page
from citypanel.influence.tables import every_table
from citypanel.progress import Pace
from citypanel.study.sources import SOURCE_TABLES, lacking

OTHER_TABLES = {
    "variants": "marts.dim_study_variants",
    "origins": "marts.fct_cell_origins",
    "published": "staging.stg_published__regressions",
    "names": "marts.dim_cities",
}


def read_warehouse(warehouse: Path) -> dict[str, pd.DataFrame]:
    """The frames that the tables are computed from, by name.

    Raises
    ------
    PublicationError
        When there is no published file, or it lacks one of the tables.
    """
    if not warehouse.is_file():
        raise PublicationError.of("influence.no_warehouse", name=warehouse.name)
    wanted = {**SOURCE_TABLES, **OTHER_TABLES}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        if missing := lacking(connection, wanted.values()):
            raise PublicationError.of(
                "influence.lacks_tables", missing, name=warehouse.name
            )
        return {
            name: connection.sql(f"from {table}").df() for name, table in wanted.items()
        }


def compute(
    warehouse: Path,
    *,
    output: Path,
    workers: int,
    dask: str | None = None,
    say: Callable[[str], None],
) -> list[str]:
    """Compute every table, write them and the page; return a report.

    Parameters
    ----------
    warehouse, output : Path
        Published file; folder of the results, replaced file by file once everything
        is computed.
    workers : int
        Processes of this machine; not used with `dask`.
    dask : str, optional
        Address of a Dask scheduler whose workers compute.
    say : callable
        Gets progress, a line at a time.

    Returns
    -------
    list of str
        The strongest cells and where the files are.

    Raises
    ------
    OptionError
        Fewer than one worker.
    ClusterError
        As `citypanel.cluster.connect`.
    PublicationError
        As `read_warehouse`.
    """
    if workers < 1:
        raise OptionError.of("influence.no_workers", workers=workers)
    frames = read_warehouse(warehouse)
    with alone_in(output, "influences"), joblib_on(dask):
        tables = every_table(
            {name: frames[name] for name in SOURCE_TABLES},
            frames["variants"],
            frames["origins"][["city_id", "year", "variable", "origin"]],
            frames["published"],
            n_jobs=workers,
            say=Pace(say, "tables").begin,
        )
        cities = frames["names"]
        names = dict(zip(cities["city_id"], cities["city_en"], strict=True))
        provinces = dict(zip(cities["province_id"], cities["province_en"], strict=True))
        tables["influence"].insert(
            3, "unit_name", tables["influence"]["unit"].map({**provinces, **names})
        )
        write_tables(tables, output)
        text = influence_page(tables, names)
        write_text(output / "index.md", text)
    return [*text.splitlines()[:12], f"Read {output / 'index.md'}."]
