"""Write a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from citypanel.errors import OutputError, describe


def write_atomically(path: Path, content: bytes) -> Path:
    """Write `content` beside `path` and rename it over; the old file stands till then.

    Raises
    ------
    OutputError
        The folder or the file cannot be written.
    """
    copy = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        os.replace(copy, path)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise OutputError(
            describe(
                f"{path} could not be written: {error.strerror or error}",
                consequence="the file of that name, if any, stands as it was",
                remedy="see that the folder is writable and not full, or name another "
                "with --output",
            )
        ) from error
    return path
