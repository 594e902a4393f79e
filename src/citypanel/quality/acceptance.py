"""Accept the published run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from citypanel.quality.accepted import write_accepted
from citypanel.quality.expectations import load_suites
from citypanel.quality.published import read_options, reading
from citypanel.quality.summary import compares, profiles_of, run_record


def accept(warehouse: Path, *, suites_folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write what is kept of the published run beside the suites.

    Parameters
    ----------
    warehouse : Path
        The published file.
    suites_folder : Path
        Folder of the suites; the record is written to `accepted/run.json` in it.

    Returns
    -------
    path, record
        The file, and what it holds.

    Raises
    ------
    PublicationError
        When there is no published file, it lacks a table, or the record cannot be
        written; the last one then stands.
    """
    suites = load_suites(suites_folder)
    with reading(warehouse) as table:
        compared = {
            name: table(suite["meta"]["table"])
            for name, suite in suites.items()
            if compares(suite)
        }
        results = table("quality.dq_expectation_results")
        # Those that compare with an accepted run hold once this one is it.
        held = set().union(*map(compares, suites.values()))
        record = run_record(
            findings=table("quality.dq_findings"),
            expectations=results[~results["expectation"].isin(held)],
            coverage=table("quality.dq_imputed_shares"),
            estimates=table("marts.rpt_regressions"),
            options=read_options(table),
            profiles=profiles_of(compared, suites),
        )
    return write_accepted(suites_folder, record), record
