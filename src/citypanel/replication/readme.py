# ruff: noqa: E501 - the lines of the page are as long as they are.
"""README of a package, in the sections social-science data editors ask for.

The sections are those of the template README of the Social Science Data Editors
(https://social-science-data-editors.github.io/template_README/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from citypanel.replication.archive import Member
from citypanel.replication.build_log import BuildLog
from citypanel.replication.origins import Origin
from citypanel.replication.rebuild import Rebuild

# Upper ends of the template's classes of run time, in seconds.
_CLASSES = (
    (600, "less than 10 minutes"),
    (3600, "10 to 60 minutes"),
    (8 * 3600, "1 to 8 hours"),
)


def readme(
    *,
    manifest: Mapping,
    members: Sequence[Member],
    origins: Sequence[Origin],
    programs: pd.DataFrame,
    command: str,
    log: BuildLog | None,
    rebuilt: Rebuild | None,
    machine: Mapping[str, object],
) -> str:
    """Write the README.

    Parameters
    ----------
    manifest : mapping
        From `manifest`.
    members : sequence of Member
        The other files of the package.
    origins : sequence of Origin
    programs : DataFrame
        From `program_map`.
    command : str
        The build command with the options of this package.
    log : BuildLog, optional
        Of the build that was packaged.
    rebuilt : Rebuild, optional
        Of the unpacked package, where it was tried.
    machine : mapping
        system, processors and memory_gb of the machine the times are from.
    """
    parts = [
        _overview(manifest, command),
        _availability(origins, manifest["commit"]["changed_inputs"] or []),
        _data_files(members, origins),
        _requirements(manifest, members, log, rebuilt, machine),
        _programs(programs),
        _instructions(command, rebuilt),
        _tables(programs),
        _references(origins),
    ]
    return "\n".join(parts)


def _overview(manifest: Mapping, command: str) -> str:
    commit = manifest["commit"]["git_commit"]
    state = (
        f"Git commit {commit}"
        + (", with changes on top of it" if manifest["commit"]["has_uncommitted_changes"]
           else "")
        if commit
        else "Not packaged from a git checkout; run/manifest.json has the digest of every "
        "input"
    )  # fmt: skip
    return f"""# Replication package: citypanel {manifest["citypanel"] or ""}

## Overview

The code in this package builds every table from the raw tables under `seeds/` with dbt,
DuckDB and Python, in one command. {state}.

    python3 -m venv .venv && . .venv/bin/activate
    pip install --no-deps --require-hashes -r requirements.lock
    pip install --no-deps --no-build-isolation --editable .
    {command}
    citypanel package --check run/manifest.json

The last line sets every table that was built beside the digests in `run/manifest.json` and
fails where one differs. `docs/PROJECT.md` is the project's own README: what the estimates
say, and what they do not.
"""


def _availability(origins: Sequence[Origin], changed: Sequence[str]) -> str:
    unknown = [origin.path for origin in origins if not origin.is_stated]
    rights = (
        "The statistics are facts and figures of their publishers; this package claims no "
        "right in them and can grant none. `LICENSE-DATA.md` says for every part whose it\n"
        "is and under which terms it may be used, and the table below quotes what is noted "
        "beside each file, also where terms are not stated. Whoever publishes this package\n"
        "answers for the right to do so."
    )
    if unknown:
        rights += (
            "\n\n**Not cleared:** no origin note states publisher and rights of "
            + ", ".join(f"`{path}`" for path in unknown)
            + "."
        )
    if changed:
        rights += (
            "\n\n**Changed:** these raw tables are not those of the commit, and their "
            "origin notes may be about others: "
            + ", ".join(f"`{path}`" for path in changed)
            + "."
        )
    rows = [
        "| file | publisher | title | retrieved from | date | rights |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| `{o.path}` | {o.author or o.publisher or 'not stated'} | "
        f"{o.title or 'not stated'} | {o.retrieved_from or 'not stated'} | "
        f"{o.date or 'not stated'} | {o.rights or 'not stated'} |"
        for o in origins
    ]
    return f"""## Data Availability and Provenance Statements

All raw tables that the build reads are in the package, under `seeds/`; nothing is
downloaded. `seeds/*/ORIGIN.md` has of each file its edition, coverage and known defects
as well.

### Statement about Rights

{rights}

### License for Data

See `LICENSE-DATA.md`: the figures are their publishers'; the transcribed tables of Huang
(2024) are CC BY 4.0; arrangement, labels and computed tables are CC BY 4.0.

### Summary of Availability

Every raw table is included, whole. What may be passed on is under Statement about Rights.

### Details on each Data Source

{chr(10).join(rows)}
"""


def _data_files(members: Sequence[Member], origins: Sequence[Origin]) -> str:
    listed = [
        member
        for member in members
        if member.path.startswith("data/")
        or (member.path.startswith("seeds/") and member.path.endswith(".csv"))
    ]
    lines = ["| file | bytes | sha256 |", "|---|---|---|"]
    lines += [f"| `{m.path}` | {len(m.content)} | `{m.sha256}` |" for m in listed]
    return f"""## Dataset list

`seeds/` holds the raw tables, `data/` the tables they become (Parquet; the same rows as in
`citypanel.duckdb` after a build), `data/codebook` every column with its label, unit, source
and formula in English and Chinese. `SHA256SUMS` has the digest of all other files
(`sha256sum -c SHA256SUMS`); this README and `run/measured.json`, which state times, are
not in it.

{chr(10).join(lines)}
"""


def _requirements(
    manifest: Mapping,
    members: Sequence[Member],
    log: BuildLog | None,
    rebuilt: Rebuild | None,
    machine: Mapping[str, object],
) -> str:
    versions = ", ".join(
        f"{name} {number}" for name, number in manifest["versions"].items() if number
    )
    megabytes = sum(len(member.content) for member in members) / 1e6
    return f"""## Computational requirements

### Software Requirements

Python 3.11 or newer. `requirements.lock` names every package with its exact version and
digest. The package was written with {versions}.
No compiler, no database server, and no network once the packages are installed.

### Controlled Randomness

Everything random (bootstraps, randomisation, permutations) starts from the option `seed`,
here {manifest["options"].get("seed")}. The same versions on the same kind of processor
give the same bytes; other versions of the linear algebra may differ in a number's last
digits, which `citypanel package --check` reports as a difference.

### Memory, Runtime, Storage Requirements

{_runtime(log, rebuilt, machine)}

Storage: the unpacked package takes {megabytes:.0f} MB, and a build about 100 MB more, without the
Python packages.
"""


def _runtime(
    log: BuildLog | None, rebuilt: Rebuild | None, machine: Mapping[str, object]
) -> str:
    lines = []
    seconds = rebuilt.seconds if rebuilt else log.seconds if log else None
    if seconds is None:
        return (
            "Not measured: dbt's log of the build was overwritten by a later dbt command. "
            "`citypanel package --verify` builds the unpacked package and measures it."
        )
    name = next((name for end, name in _CLASSES if seconds < end), "more than 8 hours")
    lines.append(f"Approximate time needed on one machine: {name}.")
    if rebuilt:
        memory = (
            f", with {rebuilt.peak_memory_mb:.0f} MB of memory in its largest process"
            if rebuilt.peak_memory_mb
            else ""
        )
        lines.append(
            f"Measured: the unpacked package was built in {rebuilt.seconds:.0f} s"
            f"{memory}, and every table came out the same."
        )
    else:
        lines.append("Memory: not measured (`citypanel package --verify` does).")
    if log:
        steps = "; ".join(
            f"{name.split('.')[2]} {took:.1f} s" for name, took in log.slowest[:5]
        )
        lines.append(
            f"From dbt's log of the packaged build (finished {log.finished_at}): "
            f"{log.seconds:.0f} s for {log.n_steps} steps. The longest: {steps}."
        )
    lines.append(
        f"Machine: {machine['system']}, {machine['processors']} processors, "
        f"{machine['memory_gb'] or 'unknown'} GB of memory. "
        "`run/measured.json` has these figures."
    )
    return "\n\n".join(lines)


def _programs(programs: pd.DataFrame) -> str:
    return """## Description of programs/code

- `models/staging` types the raw tables, `models/intermediate` cleans and joins them,
  `models/marts` publishes.
- `python_models` calls the library once each; `src/citypanel` is the library: capital by
  perpetual inventory, Malmquist indices, difference-in-differences.
- `expectations` and `tests` are the checks: a build that fails one publishes nothing.
- `analyses` are queries to the tables, `notebooks` a first look, `docs/method` the maths.

### License for Code

MIT, see `LICENSE`.
"""


def _instructions(command: str, rebuilt: Rebuild | None) -> str:
    tried = (
        "This was tried before the package was written, in an empty folder."
        if rebuilt
        else "This was not tried when the package was written (`--verify` does)."
    )
    return f"""## Instructions to Replicators

1. Unpack, and install as under Overview (`make build` does the first three lines and
   builds with the default options).
2. `{command}` makes `citypanel.duckdb`.
3. `citypanel package --check run/manifest.json` compares. {tried}
4. `citypanel tables` and `citypanel figures`, where this version has them, write the
   tables and figures to `outputs/`.
"""


def _tables(programs: pd.DataFrame) -> str:
    lines = [
        "| table | shows | program | estimator | function | output |",
        "|---|---|---|---|---|---|",
    ]
    for row in programs.itertuples():
        cells = (
            f"`{row.table}`",
            row.shows,
            _code(row.model),
            _code(row.estimators),
            _code(row.library),
            _code(row.outputs),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return f"""## List of tables and programs

All tables and figures come from the marts below. An empty estimator means SQL alone.

{chr(10).join(lines)}
"""


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ") if name)


def _references(origins: Sequence[Origin]) -> str:
    sources = sorted(
        {
            f"{o.author or o.publisher}: {o.title}."
            if _is_named(o.author or o.publisher)
            else f"{o.title}."
            for o in origins
            if o.title and (o.author or o.publisher) != "this project"
        }
    )
    lines = "\n".join(f"- {source}" for source in sources)
    return f"""## References

{lines}
- Social Science Data Editors: A template README for social science replication packages,
  https://social-science-data-editors.github.io/template_README/.

`CITATION.cff` says how to cite this project.
"""


def _is_named(publisher: str) -> bool:
    return publisher not in ("", "this project") and not publisher.startswith("not ")
