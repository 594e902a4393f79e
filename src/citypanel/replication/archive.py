"""A zip archive that is the same bytes for the same files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from citypanel.files import zipped

_FILE, _PROGRAM = 0o100644, 0o100755


@dataclass(frozen=True)
class Member:
    """A file of the package: its path with slashes, its bytes, whether it is run."""

    path: str
    content: bytes
    is_program: bool = False

    @property
    def sha256(self) -> str:
        """The digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


def archive_bytes(members: Iterable[Member], *, folder: str) -> bytes:
    """Pack the files under `folder`, sorted by path, without clock or user.

    Parameters
    ----------
    members : iterable of Member
    folder : str
        Name of the one folder that the archive unpacks to.
    """
    return zipped(
        (f"{folder}/{each.path}", each.content, _PROGRAM if each.is_program else _FILE)
        for each in sorted(members, key=lambda member: member.path)
    )


def sha256sums(members: Sequence[Member]) -> bytes:
    """A line for each file in the layout of sha256sum, sorted by path."""
    lines = [f"{each.sha256}  {each.path}\n" for each in members]
    return "".join(sorted(lines, key=lambda line: line[66:])).encode("utf-8")
