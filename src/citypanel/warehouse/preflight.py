"""What must hold before a build opens its file, said in words a person can act on.

dbt-duckdb makes the `Plugin` named in profiles.yml before it opens the build file, and
shows what it raises as the run's error. What dbt meets before that, a folder in which
it cannot write its log, is left to `citypanel doctor`.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from citypanel.errors import CityPanelError, WarehouseError, describe
from citypanel.warehouse.locks import holders
from citypanel.warehouse.published import PUBLISH_TO, PUBLISHED_FILE
from citypanel.warehouse.seed_files import check_seeds

# As in profiles.yml, from the project's root.
BUILD_FILE = Path("target/citypanel_build.duckdb")

# A first build takes 30 MB for its two files and 5 MB for dbt's own; a later one writes
# new blocks beside the old ones, and the copy to publish beside the published file.
SPARE_BYTES = 64 * 2**20

_MAGIC_OFFSET = 8
_HEADER_BYTES = 3 * 4096


@dataclass(frozen=True)
class Trouble:
    """Why a database file cannot be used.

    Attributes
    ----------
    what : str
        One sentence without its full stop.
    is_lock : bool
        Whether another process holds it; else the file itself is unusable.
    """

    what: str
    is_lock: bool = False


def bytes_needed(build_file: Path, published_file: Path) -> int:
    """Return the free bytes a build should find before it begins."""
    return SPARE_BYTES + sum(
        path.stat().st_size for path in (build_file, published_file) if path.is_file()
    )


def file_trouble(
    path: Path, *, read_only: bool, config: Mapping[str, Any] | None = None
) -> Trouble | None:
    """Open a database file as its reader or writer would and say what goes wrong.

    Parameters
    ----------
    path : Path
        The file; where there is none nothing is wrong.
    read_only : bool
        Whether to open it as a reader does: a reader beside it is then no hindrance.
    config : mapping, optional
        DuckDB's configuration; one process cannot open a file with two.
    """
    if not path.exists():
        return None
    others = [holder for holder in holders(path) if holder.writes or not read_only]
    if others:
        return Trouble("; ".join(str(holder) for holder in others), is_lock=True)
    problem = _header_problem(path)
    if problem:
        return Trouble(problem)
    try:
        duckdb.connect(
            str(path), read_only=read_only, config=dict(config or {})
        ).close()
    except (duckdb.Error, OSError) as error:
        text = " ".join(str(error).split())
        if "lock" in text.lower() and "PID" in text:
            return Trouble(text, is_lock=True)
        return Trouble(f"DuckDB {duckdb.__version__} cannot open it: {text}")
    return None


def bytes_cut(path: Path) -> int:
    """Return how many bytes a published file lacks of what its header counts.

    Only a file that was written in one go, as a publication is, has all it counts: a
    build file that was killed, or shrunk by DuckDB, counts blocks it does not need.
    """
    with duckdb.connect(str(path), read_only=True) as connection:
        blocks = connection.execute(
            "select used_blocks * block_size from pragma_database_size()"
        ).fetchall()[0][0]
    return max(0, _HEADER_BYTES + blocks - path.stat().st_size)


@contextmanager
def open_published(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file to read.

    Raises
    ------
    WarehouseError
        When there is none, or it cannot be opened.
    """
    if not path.exists():
        raise WarehouseError(
            describe(
                f"There is no published warehouse {path.name} here",
                consequence="there is nothing to read.",
                remedy="run make build first, or change to the project's folder.",
            )
        )
    trouble = file_trouble(path, read_only=True)
    if trouble:
        verb = "is held by" if trouble.is_lock else "cannot be read:"
        raise WarehouseError(
            describe(
                f"The published warehouse {path.name} {verb} {trouble.what}",
                consequence="nothing was read, and nothing written.",
                remedy="citypanel doctor says how to mend it.",
            )
        )
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def storage_version(path: Path) -> int | None:
    """Return the storage format's number in the header of a file, if DuckDB's."""
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError:
        return None
    if len(header) < 20 or header[_MAGIC_OFFSET : _MAGIC_OFFSET + 4] != b"DUCK":
        return None
    return struct.unpack("<Q", header[12:20])[0]


def _header_problem(path: Path) -> str:
    if not path.is_file():
        return "it is not a file"
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if size == 0:
        return "it is empty"
    if storage_version(path) is None:
        return "it is not a DuckDB file: its first bytes are something else's"
    if size < _HEADER_BYTES:
        return f"it was cut short: it has {size:,} bytes, less than a header"
    return ""


def check_folders(root: Path) -> None:
    """Refuse a project in which a build cannot write.

    Raises
    ------
    WarehouseError
        Names the folders.
    """
    closed = []
    for folder in (root, root / "target", root / "logs"):
        problem = write_problem(folder)
        if problem:
            closed.append(f"{folder.name or folder}: {problem}")
    if closed:
        raise WarehouseError(
            describe(
                "A build cannot write in folders of the project",
                closed,
                consequence="nothing was built; the published file stands as it was.",
                remedy="give yourself the right to write there (ls -ld shows whose "
                "they are), or copy the project to a folder of your own.",
            )
        )


def write_problem(folder: Path) -> str:
    """Return why no file can be made in an existing folder, or nothing."""
    if not folder.exists():
        return ""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".write_test."):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def check_disk(root: Path, build_file: Path = BUILD_FILE) -> None:
    """Refuse to begin a build that the disk has no room for.

    Raises
    ------
    WarehouseError
        Says what is free and what is needed.
    """
    needed = bytes_needed(root / build_file, root / PUBLISHED_FILE)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise WarehouseError(
            describe(
                f"The disk has {free / 2**20:.0f} MB free and a build needs "
                f"{needed / 2**20:.0f} MB",
                consequence="nothing was built; the published file stands as it was.",
                remedy="free some room and build again; target/ and logs/ may be "
                "removed at any time (make clean also removes the published file).",
            )
        )


def check_build_file(path: Path, *, config: Mapping[str, Any] | None = None) -> None:
    """Refuse a build file that another process holds or that cannot be opened.

    Raises
    ------
    WarehouseError
        Names the process, or what is wrong with the file.
    """
    trouble = file_trouble(path, read_only=False, config=config)
    if trouble is None:
        return
    if trouble.is_lock:
        raise WarehouseError(
            describe(
                f"The build file {path} is held by {trouble.what}",
                consequence="this build did not begin; the other process and the "
                "published file are as they were.",
                remedy="wait for the other build to end, or close what has the file "
                f"open, and build again. To read while building, open "
                f"{PUBLISHED_FILE}, which never blocks a build.",
            )
        )
    raise WarehouseError(
        describe(
            f"The build file {path} cannot be used: {trouble.what}",
            consequence="nothing was built; the published file stands as it was.",
            remedy=f"remove it (rm -rf {path} {path}.wal) and build again: a build "
            "makes it anew from the seeds.",
        )
    )


def check_before_build(
    root: Path, *, build_file: Path, config: Mapping[str, Any] | None = None
) -> None:
    """Refuse to begin what could not end, before anything is written.

    Parameters
    ----------
    root : Path
        The project's folder.
    build_file : Path
        The file the build writes.
    config : mapping, optional
        DuckDB's configuration of the build.

    Raises
    ------
    WarehouseError
        When folders, disk or the build file stand in the way.
    SeedError
        When a seed's file is not what its declaration says.
    """
    check_folders(root)
    check_disk(root, build_file)
    check_build_file(build_file, config=config)
    check_seeds(root / "seeds")


class Plugin:
    """What dbt-duckdb calls around opening its file: looks before, publishes after.

    RuntimeError is what dbt-duckdb shows as an error of the run and not as a crash.

    Parameters
    ----------
    name : str
    plugin_config : mapping
        `config` of the plug-in in profiles.yml: publish_to, the file to publish, and
        keep, the number of earlier files that are kept.
    credentials : dbt.adapters.duckdb.credentials.DuckDBCredentials
    """

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: Any):
        self.name = name
        self.build_file = credentials.path
        self.configured = str(plugin_config.get(PUBLISH_TO) or "")
        self.keep = int(plugin_config.get("keep") or 0)
        # A database that is no file here has nothing to look at.
        if credentials.path == ":memory:" or "://" in credentials.path:
            return
        try:
            check_before_build(
                Path(os.curdir),
                build_file=Path(credentials.path),
                config=credentials.config_options,
            )
        except CityPanelError as error:
            raise RuntimeError(f"\n{error}") from error

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Leave the configuration as it is."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register what the project's hooks call."""
        from citypanel.warehouse.run import register

        register(
            conn,
            build_file=self.build_file,
            configured=self.configured,
            keep=self.keep,
        )

    def configure_cursor(self, cursor: Any) -> None:
        """Leave the cursor as it is."""
