"""Which code runs: a digest of the library's files and where it is imported from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path

from citypanel.errors import WarehouseError, describe

#: The dbt project of studies that bring their panel, as an installed library has it.
SKELETON = Path(__file__).parent / "skeleton"
#: Beside a copy of it: the digest of the skeleton that was copied.
STAMP = ".citypanel_skeleton"

# The Python path's own name for compiled bytecode; it differs between machines.
_COMPILED = "__pycache__"


@dataclass(frozen=True)
class Code:
    """The library that a process has imported.

    Attributes
    ----------
    digest : str
        SHA-256 of the package's files, in hexadecimal.
    folder : Path
        The folder of the package, links resolved.
    version : str
        The release it calls itself.
    """

    digest: str
    folder: Path
    version: str


def declared_packages() -> list[str]:
    """Return the packages that the library and the warehouse are declared to need.

    Those of its own and of the extras `warehouse` and `outputs`, in alphabetical order.
    """
    found = set()
    for line in requires("citypanel") or ():
        package, _, condition = line.partition(";")
        extra = re.search(r"""\bextra\s*==\s*['"](\w+)""", condition)
        if extra is None or extra[1] in ("warehouse", "outputs"):
            found.add(re.split(r"[^A-Za-z0-9._-]", package.strip())[0])
    return sorted(found)


def running_code() -> Code:
    """Return the identity of the library that this process runs."""
    folder = Path(__file__).resolve().parent
    return Code(digest=_running_digest(), folder=folder, version=version("citypanel"))


def refuse_other_code(root: Path) -> None:
    """Refuse to go on in a checkout whose library is not the one that runs.

    A copied environment, another checkout's commands on the PATH or a PYTHONPATH run
    the code of another folder. A folder without it in src/ has none of its own, and
    a copy that does not differ is none of another.

    Parameters
    ----------
    root : Path
        The project's folder.

    Raises
    ------
    WarehouseError
        Names both folders.
    """
    own = (root / "src" / "citypanel").resolve()
    code = running_code()
    if (
        not (own / "__init__.py").is_file()
        or own == code.folder
        or digest_of(own) == code.digest
    ):
        return
    raise WarehouseError(
        describe(
            f"The library that runs is {code.folder}, not this project's {own}, and "
            "their code differs",
            consequence="results would come from code that is not the one you see; "
            "nothing was built or written.",
            remedy="run make build here, which sets up an environment of its own, and "
            "take the commands from its .venv (. .venv/bin/activate); unset PYTHONPATH "
            "if it is set.",
        )
    )


def skeleton_digest() -> str:
    """Digest of the skeleton that this library lays out."""
    return digest_of(SKELETON)


def refuse_other_skeleton(root: Path) -> None:
    """Refuse a project that another version of the library has laid out.

    Its models and macros would call a library that is no longer theirs. A checkout has
    no stamp, and its skeleton is its own.

    Raises
    ------
    WarehouseError
        Says how to lay it out anew.
    """
    stamp = root / STAMP
    if not stamp.is_file() or stamp.read_text("ascii").strip() == skeleton_digest():
        return
    raise WarehouseError.of(
        "warehouse.other_skeleton", [str(root.resolve())], version=version("citypanel")
    )


def digest_of(folder: Path) -> str:
    """Return a digest of the files below a folder, their names and their bytes.

    The same files give the same digest on every machine: their order, their times and
    compiled bytecode do not enter it.

    Parameters
    ----------
    folder : Path
        A package's folder.

    Returns
    -------
    str
        SHA-256 in hexadecimal, over each file's path with forward slashes and the
        digest of its content.
    """
    whole = hashlib.sha256()
    for path in package_files(folder):
        name = path.relative_to(folder).as_posix()
        whole.update(f"{name}\0{digest_of_file(path)}\n".encode())
    return whole.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package_files(folder: Path) -> list[Path]:
    """Return the files of a package, compiled and hidden ones left out, by name."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part == _COMPILED or part.startswith(".")
            for part in path.relative_to(folder).parts
        )
    ]
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


@cache
def _running_digest() -> str:
    return digest_of(Path(__file__).resolve().parent)
