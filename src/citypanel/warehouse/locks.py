"""Who holds a file open with a lock."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_LONGEST_COMMAND = 100


@dataclass(frozen=True)
class Holder:
    """A process with a lock on a file.

    Attributes
    ----------
    pid : int
        Its number; 0 where the system does not tell.
    command : str
        Its command line, cut; empty where the system does not tell.
    writes : bool
        Whether it may write: DuckDB then lets nobody else open the file.
    """

    pid: int
    command: str
    writes: bool

    def __str__(self) -> str:
        name = f"process {self.pid}" if self.pid else "a process of another container"
        mode = "open for writing" if self.writes else "open for reading"
        return f"{name} ({self.command or 'command unknown'}), {mode}"


def holders(path: Path) -> list[Holder]:
    """Return the other processes that have a lock on the file.

    Reads /proc/locks; where there is none (macOS, Windows) the list is empty and
    opening the file tells.
    """
    try:
        file = path.stat()
        table = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    device = file.st_dev
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}:{file.st_ino}"
    found: dict[int, bool] = {}
    for line in table:
        # 1: POSIX  ADVISORY  WRITE 19248 fe:00:2474903 0 EOF
        cells = line.split()
        if len(cells) < 8 or "->" in cells:
            continue
        mode, pid = cells[-5], int(cells[-4])
        if cells[-3] == wanted and pid != os.getpid():
            found[max(pid, 0)] = found.get(max(pid, 0), False) or mode == "WRITE"
    return [Holder(pid, _command(pid), writes) for pid, writes in sorted(found.items())]


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)
    return text if len(text) <= _LONGEST_COMMAND else text[:_LONGEST_COMMAND] + " ..."
