"""The published file: where it stands, what it says of its run, what was before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from citypanel.errors import PublicationError
from citypanel.sql import sql_text
from citypanel.study.declaration import FILE, SHIPPED

# The target of profiles.yml that readers of the project know, and its file.
DEFAULT_TARGET = "build"
PUBLISHED_FILE = Path("citypanel.duckdb")
# The schema of a published file that says what run it comes from.
RECORD_SCHEMA = "publication"
RECORD_TABLE = "runs"
# A variable of dbt that is not an option of the study: where this run is published.
PUBLISH_TO = "publish_to"
_SHORT = 8

COMMENTS = {
    "run_id": "Name of the run: dbt's invocation id.",
    "published_at": "When it was published, UTC.",
    "target": "Target of profiles.yml that was built.",
    "options_sha256": "SHA-256 of the options, to tell runs of the same options.",
    "options": "Every option of the study with its value, as JSON.",
    "options_changed": "Options that differ from dbt_project.yml, as JSON.",
    "code_version": "Release of the library citypanel.",
    "code_sha256": "SHA-256 of the library's files (citypanel.identity).",
    "nodes_sha256": "SHA-256 of the fingerprints of every table and test.",
    "software": "Versions of dbt, DuckDB and Python, as JSON.",
    "n_tables": "Number of tables published.",
    "is_this_file": "Whether the row is about this file; else about one before it.",
}


@dataclass(frozen=True)
class Publication:
    """What a published file says of the run it comes from.

    Attributes
    ----------
    run_id : str
    published_at : datetime
        UTC.
    target : str
    options_sha256, options, options_changed : str
        The options as JSON, those that differ from dbt_project.yml, and their digest.
    code_version, code_sha256 : str
    nodes_sha256 : str
        Digest of the fingerprints of all that was checked.
    software : str
        Versions as JSON.
    n_tables : int
    is_this_file : bool
    """

    run_id: str
    published_at: datetime
    target: str
    options_sha256: str
    options: str
    options_changed: str
    code_version: str
    code_sha256: str
    nodes_sha256: str
    software: str
    n_tables: int = 0
    is_this_file: bool = True

    @property
    def short_id(self) -> str:
        """The first characters of the run's name."""
        return self.run_id[:_SHORT]

    @property
    def study(self) -> str:
        """The study, where the file says it; the shipped one's says its options."""
        named = json.loads(self.options).get("study", "")
        return str(named or (SHIPPED if json.loads(self.options) else ""))

    def described(self) -> str:
        """Name run and options in a few words."""
        changed = json.loads(self.options_changed)
        listed = ", ".join(
            f"{name}: {_plain(value)}" for name, value in changed.items()
        )
        return f"run {self.short_id}, options {listed or 'of the project'}"


def options_digest(options: Mapping[str, Any]) -> str:
    """Return a digest of options, whatever their order and the quotes of values."""
    plain = {name: _plain(value) for name, value in options.items()}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changed_options(
    options: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options whose value is not the default."""
    return {
        name: value
        for name, value in sorted(options.items())
        if name not in defaults or _plain(value) != _plain(defaults[name])
    }


def destination(
    *,
    target: str,
    configured: str = "",
    asked: str = "",
    changed: Mapping[str, Any] | None = None,
    digest: str = "",
) -> Path:
    """Return the file that a run publishes.

    Parameters
    ----------
    target : str
        Name of the target in profiles.yml.
    configured : str
        `publish_to` of that target; else the file has the target's name.
    asked : str
        `publish_to` in --vars: for this run, above all else.
    changed : mapping, optional
        Options of this run that are not the project's: they get a file of their own,
        with the first characters of `digest`, so that who reads the project's file
        never finds other options in it.
    digest : str
    """
    if asked:
        return Path(asked)
    if configured:
        path = Path(configured)
    elif target == DEFAULT_TARGET:
        path = PUBLISHED_FILE
    else:
        path = PUBLISHED_FILE.with_stem(f"{PUBLISHED_FILE.stem}_{target}")
    if changed:
        path = path.with_stem(f"{path.stem}-{digest[:_SHORT]}")
    return path


def refuse_destination(
    path: Path, *, root: Path, target: str, is_named: bool, study: str = ""
) -> None:
    """Refuse to replace a file that is another's or nobody's publication.

    Parameters
    ----------
    path : Path
        The file to publish.
    root : Path
        The project's folder.
    target : str
    is_named : bool
        Whether somebody chose the path: a file there that is no publication of this
        project is then somebody's own.
    study : str
        The study that is published.

    Raises
    ------
    PublicationError
    """
    default = (root / PUBLISHED_FILE).resolve()
    record = read_record(path)
    if study and record is not None and record.study not in ("", study):
        raise PublicationError.of(
            "warehouse.file_of_study", path=path, theirs=record.study, study=study
        )
    if target != DEFAULT_TARGET and path.resolve() == default:
        theirs = DEFAULT_TARGET
    elif record is not None and record.target != target:
        theirs = record.target
    elif is_named and path.resolve() != default and _is_somebodys_own(path):
        raise PublicationError.of("warehouse.file_of_nobody", path=path)
    else:
        return
    raise PublicationError.of(
        "warehouse.file_of_target",
        path=path,
        theirs=theirs,
        target=target,
        own=PUBLISHED_FILE.with_stem(f"{PUBLISHED_FILE.stem}_{target}"),
    )


def _is_somebodys_own(path: Path) -> bool:
    """Whether a file stands there that no build of this project has published."""
    if not path.exists():
        return False
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            records_of(connection)
    except duckdb.IOException as error:
        # Open for writing somewhere: what it is cannot be told.
        return "lock" not in str(error).lower()
    except (duckdb.Error, OSError):
        return True
    return False


def read_records(path: Path) -> list[Publication]:
    """Return what a file says of its run and those before it, the oldest first.

    Empty where there is no file, or none that a build of this project has published.
    """
    if not path.is_file():
        return []
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return records_of(connection)
    except (duckdb.Error, OSError):
        return []


def records_of(connection: duckdb.DuckDBPyConnection) -> list[Publication]:
    """Return the same of an open file.

    Raises
    ------
    duckdb.Error
        The file has no such table.
    """
    names = ", ".join(field.name for field in fields(Publication))
    rows = connection.execute(
        f"select {names} from {RECORD_SCHEMA}.{RECORD_TABLE} order by published_at"
    ).fetchall()
    return [Publication(*row) for row in rows]


def read_record(path: Path) -> Publication | None:
    """Return what a file says of its own run."""
    return next((r for r in read_records(path) if r.is_this_file), None)


def write_record(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    record: Publication,
    before: list[Publication],
) -> None:
    """Write the table of runs into an attached file that is being published."""
    table = f'"{database}".{RECORD_SCHEMA}.{RECORD_TABLE}'
    connection.execute(f'create schema "{database}".{RECORD_SCHEMA}')
    other = {"published_at": "timestamp", "n_tables": "integer"}
    other |= {"is_this_file": "boolean"}
    columns = ", ".join(f"{name} {other.get(name, 'varchar')}" for name in COMMENTS)
    connection.execute(f"create table {table} ({columns})")
    rows = [*(replace(r, is_this_file=False) for r in before), record]
    places = f"({', '.join('?' * len(COMMENTS))})"
    connection.execute(
        f"insert into {table} values {', '.join([places] * len(rows))}",
        [value for row in rows for value in asdict(row).values()],
    )
    connection.execute(
        f"comment on table {table} is 'The run this file comes from, and those "
        "published to it before. One row per run.'"
    )
    for column, text in COMMENTS.items():
        connection.execute(f"comment on column {table}.{column} is {sql_text(text)}")


def kept_folder(path: Path) -> Path:
    """Return where earlier files of a path are kept."""
    return path.with_name(f"{path.stem}_runs")


def kept_name(record: Publication) -> str:
    """Return the name of an earlier file: when it was published, and its run."""
    return f"{record.published_at:%Y%m%dT%H%M%SZ}_{record.short_id}.duckdb"


def published_file(study: str) -> Path:
    """Return the file that a study's build publishes, as profiles.yml names it."""
    return PUBLISHED_FILE if study == SHIPPED else PUBLISHED_FILE.with_stem(study)


def published_files(root: Path) -> list[Path]:
    """Return the files of a folder that builds of this project have published."""
    studies = sorted(path.parent.name for path in root.glob(f"studies/*/{FILE}"))
    found = []
    for stem in (PUBLISHED_FILE.stem, *studies):
        found += sorted(root.glob(f"{stem}*{PUBLISHED_FILE.suffix}"))
        for folder in sorted(root.glob(f"{stem}*_runs")):
            found += sorted(folder.glob("*.duckdb"))
    return list(dict.fromkeys(found))


def now() -> datetime:
    """The time, UTC, as the file keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_plain(each) for each in value) + "]"
    return str(value)
