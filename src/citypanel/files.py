"""Files written whole or not at all, and tables that a spreadsheet cannot run.

Whoever reads a file while it is written, or after the writer was killed, finds the old
one or the new one.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from citypanel.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

# What a spreadsheet takes for the beginning of a formula, full-width forms included:
# Chinese editions read those alike.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Seconds between tries to rename a file; none after the last.
PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 0.0)
# Earliest moment a zip archive can state.
EPOCH = (1980, 1, 1, 0, 0, 0)
_NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?")


def neutral_text(value: object) -> object:
    """Return a cell that a spreadsheet shows and does not run.

    Text that begins like a formula gets an apostrophe before it, which spreadsheets
    take for "this is text". A plain number written as text, such as "-0.5", and
    whatever is not text stay as they are.
    """
    if (
        isinstance(value, str)
        and value.startswith(FORMULA_STARTS)
        and not _NUMBER.fullmatch(value)
    ):
        return "'" + value
    return value


def neutral_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every text cell and column name made neutral.

    Names of index levels and cells of the index are text a spreadsheet reads too; reset
    the index before the call where it is written.
    """
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

    neutral = frame.copy()
    for place, dtype in enumerate(frame.dtypes):
        if not (is_numeric_dtype(dtype) or is_datetime64_any_dtype(dtype)):
            cells = frame.iloc[:, place].astype(object)
            neutral.isetitem(place, cells.map(neutral_text))
    neutral.columns = [neutral_text(name) for name in frame.columns]
    return neutral


@contextmanager
def atomically(target: Path) -> Iterator[Path]:
    """Give the path of a file to write; on leaving, it takes the target's place.

    The file stands beside the target under a hidden name with this process's number,
    so that the renaming cannot cross a file system; where the target is a link, beside
    the file it leads to. An exception inside removes it and leaves the target as it
    was.
    """
    target = real_path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield part
        replace(part, target)
    finally:
        with suppress(OSError):
            part.unlink()


def replace(part: Path, target: Path) -> None:
    """Rename `part` over `target` once its content is on the disk.

    A link stays, and what it leads to is replaced: `part` must stand in that folder.
    The new file has the mode, group and access list of the old one.

    Raises
    ------
    OSError
        The disk is full, the folder is closed, or, on Windows, a program has the
        target open.
    """
    target = real_path(target)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        _keep_rights(part, target)
    rename(part, target)
    sync_folder(target.parent)


def rename(part: Path, target: Path) -> None:
    """Rename `part` over `target`.

    Windows replaces no open file, and a scanner has a new one open for a moment: there
    it is tried for some seconds.

    Raises
    ------
    OSError
        As `replace`.
    """
    for seconds in PAUSES:
        try:
            os.replace(part, target)
            return
        except PermissionError as error:
            if sys.platform != "win32":
                raise
            if not seconds:
                raise PermissionError(
                    error.errno,
                    "a program has it open, and Windows replaces no open file",
                ) from error
        time.sleep(seconds)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk, where the system and its disk can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def real_path(path: Path) -> Path:
    """Return the file that a path leads to, every link followed."""
    return Path(os.path.realpath(path))


def _keep_rights(part: Path, target: Path) -> None:
    """Give `part` the owner, group, mode and access list of `target`.

    Where this process may not give the group, the group it gives instead gets no more
    than everybody has. A file system without rights takes none.
    """
    old = target.stat()
    mode = stat.S_IMODE(old.st_mode)
    group_kept = True
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root gives a file away
            os.chown(part, old.st_uid, -1)
        try:
            os.chown(part, -1, old.st_gid)
        except OSError:
            group_kept = False
            mode = mode & ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
    with suppress(OSError):
        part.chmod(mode)
    if group_kept and hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(target):
                os.setxattr(part, name, os.getxattr(target, name))


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Hold a lock file; the lock goes with the process, even a killed one.

    The file stays: to remove it would let a third process lock another file of the
    same name.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    OSError
        The file cannot be made.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        if sys.platform == "win32":
            import msvcrt

            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError(*error.args) from error
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def alone_in(folder: Path, what: str) -> ExitStack:
    """Hold the lock of a folder of results while they are computed and written.

    Two runs would remove each other's files; and where nothing can be written, a long
    computation need not begin.

    Parameters
    ----------
    folder : Path
        Made where there is none.
    what : str
        What is computed, in the plural.

    Raises
    ------
    OutputError
        Another process holds the lock.
    OSError
        The folder cannot be written.
    """
    held = ExitStack()
    try:
        held.enter_context(one_at_a_time(folder / ".lock"))
    except BlockingIOError as error:
        raise OutputError.of("files.at_work", what=what, folder=folder) from error
    return held


def is_running(pid: int) -> bool:
    """Whether a process of that number runs; true where the system does not tell."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomically(target) as part:
        part.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Write a UTF-8 file with the line ends of `content`, whole or not at all."""
    write_bytes(target, content.encode("utf-8"))


def write_output(target: Path, content: bytes) -> Path:
    """Write what a command makes, whole or not at all; return where it stands.

    Raises
    ------
    OutputError
        The folder or the file cannot be written.
    """
    try:
        write_bytes(target, content)
    except OSError as error:
        raise OutputError.of(
            "files.not_written", target=target, why=error.strerror or error
        ) from error
    return target


def zipped(
    entries: Iterable[tuple[str, bytes, int]],
    moment: tuple[int, int, int, int, int, int] = EPOCH,
) -> bytes:
    """A zip archive that is the same bytes for the same files, whenever it is made.

    Parameters
    ----------
    entries : iterable of (str, bytes, int)
        Path, content and mode of each file.
    moment : tuple of int
        What the archive states as their time.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data, mode in entries:
            entry = zipfile.ZipInfo(path, date_time=moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return content.getvalue()


def write_csv(target: Path, frame: pd.DataFrame) -> None:
    """Write a table as UTF-8 CSV without its index, whole or not at all.

    Text cells and column names that a spreadsheet would run as formulas are made
    neutral (`neutral_text`): what people export is opened in spreadsheets. Seeds, which
    must keep every character, are written with `write_text`.
    """
    content = neutral_frame(frame).to_csv(index=False, lineterminator="\n")
    write_text(target, content)
