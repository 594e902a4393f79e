"""`citypanel doctor`: what stands in the way of a build, and the way out."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "doctor",
        help="check versions, locks, seeds, disk and leftovers; say what to do",
        description="Check what a build rests on and say what to do where something "
        "is amiss. Changes nothing. Exit code 1 when there is a problem.",
    )
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a line a check; return 1 when one of them is a problem."""
    from citypanel.doctor import Status, examine

    findings = examine(Path.cwd())
    problems = sum(finding.status is Status.PROBLEM for finding in findings)
    if options.json:
        print(
            json.dumps(
                [asdict(finding) for finding in findings], ensure_ascii=False, indent=2
            )
        )
    else:
        for finding in findings:
            print(finding)
        warnings = sum(finding.status is Status.WARNING for finding in findings)
        print(f"{len(findings)} checks: {problems} problems, {warnings} warnings")
    return int(problems > 0)
