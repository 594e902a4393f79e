"""`citypanel build`: dbt build, and last what became of the published file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from citypanel.commands.failures import in_words


def run(options: argparse.Namespace) -> int:
    """Run dbt in this process; return its exit code."""
    from dbt.cli.main import dbtRunner

    from citypanel.warehouse import run as this_run

    this_run.last_outcome = None
    result = dbtRunner().invoke(["build", *with_study(options.arguments)])
    outcome = this_run.last_outcome
    if outcome is not None:
        message = outcome.message
    elif result.success and any(a in ("-h", "--help") for a in options.arguments):
        return 0
    else:
        message = _stopped(result.exception)
    sys.stdout.flush()
    print(message)
    if result.exception is not None:
        return 2
    return 0 if result.success else 1


def with_study(arguments: list[str]) -> list[str]:
    """The arguments with --study NAME as a variable of dbt, beside those given."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--study")
    parser.add_argument("--vars")
    known, rest = parser.parse_known_args(arguments)
    if known.study is None:
        return arguments
    import yaml

    from citypanel.study.declaration import FILE, SHIPPED
    from citypanel.warehouse.studies import EXTENDS, STUDY, ChosenStudy

    given = yaml.safe_load(known.vars or "{}")
    if not isinstance(given, dict):  # dbt says what is wrong with it
        return [*rest, "--vars", known.vars]
    given[STUDY] = known.study
    folder = Path("studies", known.study)
    if (folder / FILE).is_file() and not ChosenStudy(known.study, folder).brings_panel:
        given[EXTENDS] = SHIPPED
    return [*rest, "--vars", json.dumps(given)]


def _stopped(error: BaseException | None) -> str:
    """Say what stands when dbt did not come to its last hook."""
    why = ""
    remedy = (
        "Remedy: see dbt's message above; citypanel doctor checks versions, locks, "
        "disk and seeds."
    )
    known = in_words(error).splitlines() if error is not None else []
    if known:
        # A folder in which dbt cannot write its log, for one: dbt then says nothing.
        why, remedy = ". " + known[0].removesuffix("."), known[-1]
    elif error is not None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = f" ({type(error).__name__}: {lines[0] if lines else 'no message'})"
    return (
        f"not published, because dbt stopped before its end{why}.\n"
        f"Consequence: the published file stands as it was.\n{remedy}"
    )
