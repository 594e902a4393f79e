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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from citypanel.errors import CityPanelError, WarehouseError
from citypanel.files import real_path
from citypanel.identity import refuse_other_code, refuse_other_skeleton
from citypanel.study.declaration import SHIPPED, use
from citypanel.warehouse.locks import holders
from citypanel.warehouse.published import PUBLISH_TO, PUBLISHED_FILE
from citypanel.warehouse.seed_files import check_seeds
from citypanel.warehouse.studies import STUDY, ChosenStudy, choose
from citypanel.workers import in_worker, start_workers

# As in profiles.yml, from the project's root.
BUILD_FILE = Path("target/citypanel_build.duckdb")

# A first build takes 34 MB for its file, 15 for DuckDB's log of it, 6 for dbt's
# own, and the copy to publish; a later one writes new blocks beside the old ones.
_MB = 2**20
_SPARE_OF_BUILD = 60 * _MB
_SPARE_OF_PUBLISHED = 16 * _MB
_SPARE_OF_OTHERS = 2 * _MB

# Of address space; with 1.5 GB threads cannot start and models fail one after another.
MEMORY_BYTES = 2000 * _MB

# By a build's workers, while dbt looks at its tables.
_IMPORTED = (
    "citypanel.study.tables",
    "citypanel.study.referee",
    "citypanel.curve.tables",
    "linearmodels.panel",
)

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


@dataclass(frozen=True)
class Disk:
    """A file system that a build writes to.

    Attributes
    ----------
    folders : tuple of Path
        What is written there.
    free, needed : int
        Bytes.
    """

    folders: tuple[Path, ...]
    free: int
    needed: int

    @property
    def is_short(self) -> bool:
        """Whether it has no room for a build."""
        return self.free < self.needed

    @property
    def room(self) -> str:
        """What it has, and what a build needs."""
        free, needed = self.free / _MB, self.needed / _MB
        return f"{free:.0f} MB free and a build needs {needed:.0f} MB"

    @property
    def names(self) -> str:
        """Its folders, by name where they stand in the project."""
        return ", ".join(map(str, self.folders))


def disks(root: Path, *others: Path, build_file: Path = BUILD_FILE) -> list[Disk]:
    """Return the file systems that a build writes to, each folder in one of them.

    The build file, the published file (where its link leads, if it is one), the log and
    temporary files may stand on a disk of their own each.

    Parameters
    ----------
    root : Path
        The project's folder.
    *others : Path
        Further folders in which a little is written.
    build_file : Path
        The file the build writes.
    """
    build, published = (real_path(root / name) for name in (build_file, PUBLISHED_FILE))
    wanted = [
        (build.parent, _SPARE_OF_BUILD + _size(build)),
        (published.parent, _SPARE_OF_PUBLISHED + _size(published)),
        (real_path(root / "logs"), _SPARE_OF_OTHERS),
    ]
    wanted += [(real_path(folder), _SPARE_OF_OTHERS) for folder in others]
    with suppress(FileNotFoundError):
        wanted.append((Path(tempfile.gettempdir()), _SPARE_OF_OTHERS))
    by_disk: dict[int, Disk] = {}
    for folder, needed in wanted:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        number = there.stat().st_dev
        known = by_disk.get(number)
        by_disk[number] = Disk(
            (*known.folders, folder) if known else (folder,),
            known.free if known else shutil.disk_usage(there).free,
            needed + (known.needed if known else 0),
        )
    return list(by_disk.values())


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


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
        raise WarehouseError.of("warehouse.nothing_published", name=path.name)
    trouble = file_trouble(path, read_only=True)
    if trouble:
        verb = "is held by" if trouble.is_lock else "cannot be read:"
        raise WarehouseError.of(
            "warehouse.published_unusable", name=path.name, verb=verb, what=trouble.what
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


def check_place(root: Path) -> None:
    """Refuse a build that was started outside the project's folder.

    Raises
    ------
    WarehouseError
        Names the folder.
    """
    if not (root / "dbt_project.yml").is_file():
        raise WarehouseError.of("warehouse.other_folder", folder=root.resolve())


def memory_limit() -> int | None:
    """Return the bytes of address space this process may use; none for no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def check_memory() -> None:
    """Refuse to begin a build that may not use the memory it needs.

    Raises
    ------
    WarehouseError
        Says what the limit is and what is needed.
    """
    limit = memory_limit()
    if limit is not None and limit < MEMORY_BYTES:
        raise WarehouseError.of(
            "warehouse.little_memory", limit=limit / _MB, needed=MEMORY_BYTES / _MB
        )


def check_folders(root: Path) -> None:
    """Refuse a project in which a build cannot write.

    Raises
    ------
    WarehouseError
        Names the folders.
    """
    closed = closed_folders(root)
    if closed:
        raise WarehouseError.of("warehouse.folders_closed", closed)


def closed_folders(root: Path, *others: Path) -> list[str]:
    """Return the folders in which a build cannot write, each with the reason.

    Parameters
    ----------
    root : Path
        The project's folder.
    *others : Path
        Further folders to look at.
    """
    published = real_path(root / PUBLISHED_FILE).parent
    closed = [
        f"{folder.resolve()}: {problem}"
        for folder in dict.fromkeys(
            (root.resolve(), root / "target", root / "logs", *others, published)
        )
        if (problem := write_problem(folder))
    ]
    if not published.exists():
        closed.append(f"{published}, to which {PUBLISHED_FILE} leads: no such folder")
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        closed.append(f"temporary files: {error.strerror or error}")
    return closed


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
    """Refuse to begin a build that a disk has no room for.

    Raises
    ------
    WarehouseError
        Says which folders are on it, what is free and what is needed.
    """
    found = disks(root, build_file=build_file)
    short = [disk for disk in found if disk.is_short]
    if not short:
        return
    if len(found) == 1:
        raise WarehouseError.of("warehouse.disk_full", room=short[0].room)
    places = [f"{disk.names}: {disk.room}" for disk in short]
    raise WarehouseError.of("warehouse.disks_full", places)


def check_build_file(path: Path, *, config: Mapping[str, Any] | None = None) -> None:
    """Refuse a build file that another process holds or that cannot be opened.

    Raises
    ------
    WarehouseError
        Names the process, or what is wrong with the file.
    """
    trouble = file_trouble(path, read_only=False, config=config)
    if trouble and trouble.is_lock:
        raise WarehouseError.of(
            "warehouse.build_file_held",
            path=path,
            what=trouble.what,
            published=PUBLISHED_FILE,
        )
    if trouble:
        raise WarehouseError.of(
            "warehouse.build_file_unusable", path=path, what=trouble.what
        )


def check_before_build(
    root: Path,
    *,
    build_file: Path,
    config: Mapping[str, Any] | None = None,
    study: str = SHIPPED,
) -> ChosenStudy:
    """Refuse to begin what could not end, before anything is written.

    Parameters
    ----------
    root : Path
        The project's folder.
    build_file : Path
        The file the build writes.
    config : mapping, optional
        DuckDB's configuration of the build.
    study : str
        The study that is built.

    Raises
    ------
    WarehouseError
        When the place, the code that runs, memory, folders, disk or the build file
        stand in the way.
    SeedError
        When a seed's file is not what its declaration says.
    DeclarationError
        When there is no such study; with every mistake of one that brings its panel.
    """
    check_place(root)
    refuse_other_code(root)
    refuse_other_skeleton(root)
    check_memory()
    check_folders(root)
    check_disk(root, build_file)
    check_build_file(build_file, config=config)
    chosen = choose(root, study)
    if chosen.brings_panel:
        # In the worker that will estimate: what it imports takes seconds.
        in_worker("citypanel.study.own.build.check_study", study)
    else:
        check_seeds(root / "seeds")
    return chosen


class Plugin:
    """What dbt-duckdb calls around opening its file: looks before, publishes after.

    RuntimeError is what dbt-duckdb shows as an error of the run and not as a crash.

    Parameters
    ----------
    name : str
    plugin_config : mapping
        `config` of the plug-in in profiles.yml: study, the study that is built;
        publish_to, the file to publish; and keep, the number of earlier files that are
        kept.
    credentials : dbt.adapters.duckdb.credentials.DuckDBCredentials
    """

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: Any):
        self.name = name
        self.build_file = credentials.path
        self.configured = str(plugin_config.get(PUBLISH_TO) or "")
        self.keep = int(plugin_config.get("keep") or 0)
        name = str(plugin_config.get(STUDY, SHIPPED) or "")
        try:
            # A database that is no file here has nothing to look at.
            if credentials.path == ":memory:" or "://" in credentials.path:
                self.study = choose(Path(os.curdir), name)
                return
            self.study = check_before_build(
                Path(os.curdir),
                build_file=Path(credentials.path),
                config=credentials.config_options,
                study=name,
            )
        except CityPanelError as error:
            raise RuntimeError(f"\n{error}") from error

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Leave the configuration as it is."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register what the project's macros and hooks call."""
        from citypanel.warehouse.run import computes_everything, register

        if computes_everything():
            start_workers(*_IMPORTED)
        from citypanel.study import plugin

        if not self.study.brings_panel:
            use(self.study.name)
        plugin.register(conn, brings_panel=self.study.brings_panel)
        register(
            conn,
            study=self.study,
            build_file=self.build_file,
            configured=self.configured,
            keep=self.keep,
        )

    def configure_cursor(self, cursor: Any) -> None:
        """Leave the cursor as it is."""
