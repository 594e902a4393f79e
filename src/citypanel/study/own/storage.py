"""The tables of an evaluated study as a DuckDB file, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd

from citypanel.errors import PublicationError, describe
from citypanel.files import atomically
from citypanel.study.own.declaration import Study

SCHEMA = "marts"
COMMENTS = {
    "rpt_sample": "One row per unit: its cohort, periods and groups.",
    "rpt_left_out": "Rows of the panel left out before any estimate, with the reason.",
    "rpt_descriptives": "Mean, standard deviation and range of each variable. One row "
    "per variable and group of units.",
    "rpt_regressions": "The declared columns. One row per column and term.",
    "rpt_published_comparison": "Published figures beside ours. One row per figure.",
    "rpt_att": "Every estimator on every outcome. One row per estimator, outcome, "
    "aggregation and term.",
    "rpt_event_study": "Effects by event time. One row per estimator, outcome and "
    "event time.",
    "rpt_bacon": "The 2x2 comparisons behind the two-way estimate. One row each.",
    "rpt_inference": "Inference side by side. One row per declared column.",
    "rpt_sensitivity": "Every check of the headline. One row per check and term.",
    "rpt_balance": "Balance before the policy. One row per covariate.",
}


def write_tables(
    target: Path, study: Study, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write tables to a DuckDB file; the last one stands until the new one is whole.

    Raises
    ------
    PublicationError
        The file cannot be written.
    """
    try:
        with atomically(target) as part:
            part.unlink(missing_ok=True)
            with duckdb.connect() as connection:
                path = str(part).replace("'", "''")
                connection.execute(
                    f"attach '{path}' as study "
                    "(storage_version 'v1.4.0', block_size 16384)"
                ).fetchall()
                connection.execute(f"create schema study.{SCHEMA}").fetchall()
                for name, frame in tables.items():
                    _write(connection, f"study.{SCHEMA}.{name}", name, frame)
                connection.execute("detach study").fetchall()
    except (OSError, duckdb.Error) as error:
        raise PublicationError(
            describe(
                f"{target} could not be written: {' '.join(str(error).split())}",
                consequence=f"{target} stands as it was",
                remedy="see that its folder is writable and the disk has room",
            )
        ) from error


def _write(connection, table: str, name: str, frame: pd.DataFrame) -> None:
    connection.register("frame", _typed(frame))
    connection.execute(f"create table {table} as select * from frame").fetchall()
    connection.unregister("frame")
    comment = COMMENTS.get(name, "").replace("'", "''")
    connection.execute(f"comment on table {table} is '{comment}'").fetchall()


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of no known type become text, so that an empty one is no NULL type."""
    out = frame.reset_index(drop=True).copy()
    out.attrs = {}
    for column in out:
        if out[column].dtype != object:
            continue
        numbers = pd.to_numeric(out[column], errors="coerce")
        if out[column].notna().any() and numbers.notna().eq(out[column].notna()).all():
            out[column] = numbers
        else:
            text = out[column].map(str, na_action="ignore")
            out[column] = text.astype("string")
    return out
