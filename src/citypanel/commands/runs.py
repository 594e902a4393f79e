"""`citypanel runs`: what was published here, and from which options and code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def run(options: argparse.Namespace) -> None:
    """Print or write the list.

    Raises
    ------
    OutputError
        Nothing was published here.
    """
    import pandas as pd

    from citypanel.errors import OutputError
    from citypanel.warehouse.published import published_files, read_records

    files = [options.database] if options.database else published_files(Path())
    rows = [
        {
            "published_at": f"{record.published_at:%Y-%m-%d %H:%M:%S}",
            "run": record.short_id,
            "file": str(path) if record.is_this_file else f"{path} (replaced)",
            "target": record.target,
            "options": ", ".join(
                f"{name}: {value}"
                for name, value in json.loads(record.options_changed).items()
            )
            or "of the project",
            "options_sha256": record.options_sha256[:8],
            "code": f"{record.code_version} {record.code_sha256[:8]}",
            "tables": record.n_tables,
        }
        for path in files
        for record in read_records(path)
    ]
    if not rows:
        raise OutputError.of("commands.no_runs")
    table = pd.DataFrame(rows).sort_values(
        ["published_at", "file"], ascending=[False, True]
    )
    # A file that was kept stands in the history of the one that replaced it too.
    is_kept = table["run"].isin(table.loc[~table["file"].str.endswith(")"), "run"])
    table = table[~(table["file"].str.endswith(" (replaced)") & is_kept)]
    if options.csv:
        from citypanel.files import write_csv

        write_csv(options.csv, table)
        print(f"{len(table)} runs: {options.csv}")
    else:
        print(table.to_string(index=False))
