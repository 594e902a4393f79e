"""`citypanel doctor`: what stands in the way of a build, and the way out."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


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
