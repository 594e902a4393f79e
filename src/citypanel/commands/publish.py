"""`citypanel publish`: add the published file to a lake that many read and write."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import add_quiet, say_unless_quiet


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "publish",
        help="add the published file to a DuckLake, as one snapshot",
        description="Add the published file to a DuckLake beside other studies and "
        "runs, as one snapshot. Example: citypanel publish --to "
        "'ducklake:postgres:dbname=lake host=db.example.org' --data /srv/lake",
    )
    parser.add_argument(
        "--to", required=True, metavar="ducklake:CATALOG", help="the lake's catalog"
    )
    parser.add_argument(
        "--data", metavar="FOLDER", help="where a new lake keeps its Parquet files"
    )
    parser.add_argument(
        "--database", type=Path, default=Path("citypanel.duckdb"), metavar="FILE"
    )
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Publish, and say as what."""
    from citypanel.warehouse.lake import publish_to_lake, shown

    say = say_unless_quiet(options)
    entry = publish_to_lake(options.database, options.to, data=options.data, say=say)
    if say is None:
        return
    what = f"run {entry.run_id[:8]} of {entry.study}"
    if entry.is_new:
        print(
            f"published {what} to {shown(options.to)}: {entry.n_tables} tables, "
            f"{entry.n_rows} rows, snapshot {entry.snapshot}"
        )
    else:
        print(f"{shown(options.to)} has {what} already (snapshot {entry.snapshot})")
