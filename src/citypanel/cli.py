"""The command `citypanel`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from citypanel.errors import CityPanelError


def main(arguments: list[str] | None = None) -> int:
    """Run a command from the project's root; return the exit code."""
    parser = argparse.ArgumentParser(prog="citypanel", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report", help="write Great Expectations' Data Docs of the published file"
    )
    report.set_defaults(run=_report)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except CityPanelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _report(options: argparse.Namespace) -> None:
    from citypanel.quality.data_docs import report

    page = report(
        Path("citypanel.duckdb"),
        suites_folder=Path("expectations"),
        site=Path("outputs/data_docs"),
    )
    print(f"Data Docs: {page}")


if __name__ == "__main__":
    sys.exit(main())
