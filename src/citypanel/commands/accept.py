"""`citypanel accept`: later runs are compared with the published one."""

from __future__ import annotations

import argparse
from pathlib import Path


def run(options: argparse.Namespace) -> None:
    """Write expectations/accepted/run.json."""
    from citypanel.quality.acceptance import accept

    path, record = accept(Path("citypanel.duckdb"), suites_folder=Path("expectations"))
    print(
        f"Accepted: {len(record['findings'])} findings and the profiles of "
        f"{len(record['profiles'])} tables, in {path}.\n"
        "Keep the file under version control; the next build compares with it."
    )
