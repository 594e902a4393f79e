"""`citypanel publish`: add the published file to a lake that many read and write."""

from __future__ import annotations

import argparse

from citypanel.commands import say_unless_quiet


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
