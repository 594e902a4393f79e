"""`citypanel package`: a replication package of the published file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from citypanel.commands import say_unless_quiet
from citypanel.study.declaration import declared

FOLDER = "citypanel-replication"


def run(options: argparse.Namespace) -> None:
    """Write the package, or compare a build with one."""
    if options.check:
        _check(options.check, options.database)
    else:
        _package(Path.cwd(), options)


def _package(root: Path, options: argparse.Namespace) -> None:
    from citypanel import replication
    from citypanel.codebook import project_tables
    from citypanel.exports import open_published
    from citypanel.files import write_output
    from citypanel.replication.archive import Member
    from citypanel.replication.manifest import commit_of
    from citypanel.replication.rebuild import rebuild
    from citypanel.warehouse.published import PUBLISH_TO, PUBLISHED_FILE

    say = say_unless_quiet(options)
    members = replication.project_members(root)
    with open_published(options.database) as connection:
        replication.refuse_stale(root, options.database, connection)
        if not options.without_outputs:
            members += replication.output_members(Path("outputs"), options.database)
        built, changed = replication.options_of(connection, declared().defaults)
        if changed:
            # Other options than the project's are otherwise published beside its file.
            changed |= {PUBLISH_TO: str(PUBLISHED_FILE)}
        tables = replication.fingerprints(connection)
        described = project_tables(root)
        members += _data_members(connection, described, say)
    manifest = replication.manifest(
        options=built, members=members, tables=tables, commit=commit_of(root)
    )
    members.append(Member("run/manifest.json", _json(manifest)))
    sums = Member("SHA256SUMS", replication.sha256sums(members))

    arguments = ["--vars", json.dumps(changed)] if changed else []
    rebuilt = None
    log = replication.read_build_log(Path("target/run_results.json"))
    if options.verify:
        if say:
            last = f", which last took {log.seconds:.0f} s" if log else ""
            say(f"Building the unpacked package: dbt build{last}.")
        trial = replication.archive_bytes([*members, sums], folder=FOLDER)
        rebuilt = rebuild(trial, arguments=arguments, expected=tables)
    machine = _machine()
    origins = replication.read_origins(root)
    outputs = [each.path for each in members if each.path.startswith("outputs/")]
    page = replication.readme(
        manifest=manifest,
        members=members,
        origins=origins,
        programs=replication.program_map(
            root,
            list(tables),
            outputs,
            {table.name: table.description for table in described},
        ),
        command="dbt build" + (f" --vars '{json.dumps(changed)}'" if changed else ""),
        log=log,
        rebuilt=rebuilt,
        machine=machine,
    )
    measured = {
        "machine": machine,
        "packaged_build": vars(log) if log else None,
        "rebuild": {
            "seconds": round(rebuilt.seconds, 1),
            "peak_memory_mb": rebuilt.peak_memory_mb and round(rebuilt.peak_memory_mb),
        }
        if rebuilt
        else None,
    }
    whole = [
        *members,
        sums,
        Member("README.md", page.encode("utf-8")),
        Member("run/measured.json", _json(measured)),
    ]
    write_output(options.output, replication.archive_bytes(whole, folder=FOLDER))
    for origin in origins:
        if not origin.is_stated:
            print(
                f"Rights not stated: {origin.path} has no origin note; see README.md "
                "of the package before you publish it.",
                file=sys.stderr,
            )
    if not options.quiet:
        print(
            f"{len(whole)} files, {len(tables)} tables"
            f"{', every one reproduced' if rebuilt else ''}: {options.output}"
        )


def _check(manifest: Path, database: Path) -> None:
    from citypanel.errors import OutputError
    from citypanel.exports import open_published
    from citypanel.replication import compare, fingerprints

    try:
        expected = json.loads(manifest.read_text(encoding="utf-8"))["tables"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError.of(
            "commands.not_a_manifest", manifest=manifest, error=error
        ) from error
    with open_published(database) as connection:
        result = compare(expected, fingerprints(connection))
    different = result[result["verdict"] != "same"]
    if len(different):
        raise OutputError.of(
            "commands.differs_from_package",
            [
                f"{row.table}: {row.verdict} (rows: {row.rows_expected} there, "
                f"{row.rows_found} here)"
                for row in different.itertuples()
            ],
            name=database.name,
        )
    print(f"{len(result)} tables, every one the same")


def _data_members(connection, tables, say) -> list:
    from citypanel import codebook
    from citypanel.exports import csv_bytes, exported, known_tables, parquet_bytes
    from citypanel.progress import tracked
    from citypanel.replication.archive import Member

    members = []
    for name in tracked(known_tables(connection, tables), what="tables", say=say):
        export = exported(connection, tables, name)
        members.append(
            Member(f"data/{name}.parquet", parquet_bytes(connection, export))
        )
        if name == "panel":
            members.append(Member("data/panel.csv", csv_bytes(export.frame)))
    counts = codebook.coverage(connection, tables)
    series = codebook.series_coverage(connection)
    contents = codebook.contents(tables, counts, series)
    members += [Member(f"data/codebook/{name}", contents[name]) for name in contents]
    return members


def _machine() -> dict[str, object]:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = round(size / 2**30)
    except (AttributeError, ValueError, OSError):
        memory = None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "memory_gb": memory,
    }


def _json(content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    return (text + "\n").encode("utf-8")
