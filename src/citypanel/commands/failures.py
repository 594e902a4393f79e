"""What stops a command from outside, in words: a disk, a folder, memory, a process.

An error that is none of these is a defect of the program, and keeps its traceback.
"""

from __future__ import annotations

import errno

from citypanel.errors import describe

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_OUT_OF_MEMORY = (
    "out of memory",
    "cannot allocate memory",
    "unable to allocate",
    "failed to map segment",
    "can't start new thread",
    "could not allocate",
    "failed to allocate",
    "terminatedworkererror",
    "brokenprocesspool",
)
_DISK_IS_FULL = ("no space left", "disk quota", "out of disk")
_CONSEQUENCE = (
    "the command stopped; what it had written before is whole, and every other file is "
    "as it was"
)


def in_words(error: BaseException) -> str:
    """Return a message with consequence and remedy; empty for any other error."""
    if isinstance(error, ModuleNotFoundError) and not _is_ours(error.name):
        return describe(
            f"This command needs {error.name}, which is not installed",
            consequence="nothing was done",
            remedy="python -m pip install 'citypanel[warehouse,outputs]', or "
            "citypanel[warehouse] where no tables and figures are wanted",
        )
    text = " ".join(str(error).split())
    whole = f"{type(error).__name__} {text}".lower()
    number = getattr(error, "errno", None)
    if (
        isinstance(error, MemoryError)
        or number == errno.ENOMEM
        or any(words in whole for words in _OUT_OF_MEMORY)
    ):
        return describe(
            f"The memory ran out ({_first_line(error)})",
            consequence=_CONSEQUENCE,
            remedy="close other programs, raise the limit (ulimit -v says what it is), "
            "or compute in fewer processes where the command has --workers",
        )
    is_file = isinstance(error, OSError) or type(error).__module__.startswith(
        ("duckdb", "_duckdb")
    )
    if not is_file:
        return ""
    if number in _FULL or any(words in whole for words in _DISK_IS_FULL):
        what, remedy = "The disk is full", "free some room and run the command again"
    elif number in _CLOSED or "read-only" in whole or "permission denied" in whole:
        what = "A file or folder cannot be written"
        remedy = (
            "give yourself the right to write there (ls -ld shows whose it is), or "
            "name another folder where the command has --output"
        )
    else:
        what = "A file or folder cannot be used"
        remedy = (
            "run the command in the project's folder; citypanel doctor says what is "
            "amiss there"
        )
    return describe(
        f"{what}: {_first_line(error)}", consequence=_CONSEQUENCE, remedy=remedy
    )


def _is_ours(module: str | None) -> bool:
    return (module or "citypanel").partition(".")[0] == "citypanel"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
