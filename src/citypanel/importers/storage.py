"""Seeds written whole or not at all, whatever happens in between.

An import changes several files that belong together. They are written beside the seeds
first, in `seeds/.importing`, under names that dbt does not read. Then a journal that
lists them is put there by a single rename: that is the moment at which the import has
happened. After it every file is renamed over its seed, and the journal is removed last.

A process killed before the journal stands leaves the old seeds and rubbish, which the
next import clears away. One killed after it leaves a journal, from which the other
renames are done by whatever comes next: another import or `citypanel import --recover`.
In between `dbt build` refuses to start (its first hook looks for the journal), so
that no build reads half of an import.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from citypanel.errors import ImporterError
from citypanel.files import rename, sync_folder

FOLDER = Path("seeds") / ".importing"
JOURNAL = "journal.json"
_PART = re.compile("part[0-9]+")
_SEED = re.compile(r"seeds(/[A-Za-z0-9_]+)+\.(csv|parquet)")


def read_seed(path: Path) -> list[dict[str, str]]:
    """Rows of a seed; none where the file is not there yet."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImporterError.of(
            "importers.seed_unreadable", [f"{path}: {error}"]
        ) from error


def seed_bytes(
    columns: Iterable[str], rows: Iterable[Mapping[str, object] | Sequence[object]]
) -> bytes:
    """A seed's content: UTF-8 without a mark, line feeds, empty cells for gaps.

    Rows are mappings by column, or sequences in the order of the columns.
    """
    columns = list(columns)
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        if isinstance(row, Mapping):
            row = [row[name] for name in columns]
        writer.writerow(row)
    text.flush()
    text.detach()
    return content.getvalue()


def write_together(
    project: Path,
    files: Mapping[str, bytes | str | None],
    *,
    after_step: Callable[[str], None] = lambda step: None,
) -> None:
    """Replace several files of the project as one.

    Parameters
    ----------
    project : Path
        Root of the project.
    files : mapping of str to bytes or str or None
        Path within the project, and what it is to hold; None removes the file.
    after_step : callable
        Told each step once it is done.

    Raises
    ------
    ImporterError
        When a file cannot be written, or another import is at work; the old files
        stand.
    """
    folder = project / FOLDER
    with locked(project):
        recover(project)
        try:
            folder.mkdir(exist_ok=True)
            after_step("folder")
            moves = []
            for number, (target, content) in enumerate(sorted(files.items())):
                (project / target).parent.mkdir(parents=True, exist_ok=True)
                if content is None:
                    moves.append({"part": f"part{number}", "target": target})
                    continue
                if isinstance(content, str):
                    content = content.encode("utf-8")
                _write_through(folder / f"part{number}", content)
                moves.append(
                    {
                        "part": f"part{number}",
                        "target": target,
                        "sha256": hashlib.sha256(content).hexdigest(),
                    }
                )
                after_step(f"staged {target}")
            _write_through(
                folder / "journal.part", json.dumps(moves, indent=1).encode("utf-8")
            )
            after_step("journal written")
            rename(folder / "journal.part", folder / JOURNAL)
            sync_folder(folder)
            after_step("journal in place")
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise _unwritable(folder, error) from error
        _roll_forward(project, after_step)


def recover(project: Path) -> str:
    """Finish or clear away an import that was interrupted.

    Returns
    -------
    str
        What was found: nothing, cleared (it had not happened; the old seeds stand) or
        finished (it had; the new seeds stand).
    """
    folder = project / FOLDER
    if not folder.is_dir():
        return "nothing"
    if (folder / JOURNAL).is_file():
        _roll_forward(project, lambda step: None)
        return "finished"
    rubbish = [path for path in folder.iterdir() if path.name != "lock"]
    try:
        for path in rubbish:
            path.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error
    return "cleared" if rubbish else "nothing"


def _roll_forward(project: Path, after_step: Callable[[str], None]) -> None:
    folder = project / FOLDER
    try:
        moves = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        for move in moves:
            # An entry of the journal must stay within the folder of the seeds.
            if not (_PART.fullmatch(move["part"]) and _SEED.fullmatch(move["target"])):
                raise OSError(f"the journal names {move['target']}, which is no seed")
            part, target = folder / move["part"], project / move["target"]
            if "sha256" not in move:
                target.unlink(missing_ok=True)
            elif part.is_file():
                rename(part, target)
                sync_folder(target.parent)
            elif hashlib.sha256(target.read_bytes()).hexdigest() != move["sha256"]:
                raise OSError(f"{move['target']} was changed after the import stopped")
            after_step(f"moved {move['target']}")
        (folder / JOURNAL).unlink()
        after_step("journal removed")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImporterError.of("importers.not_finished", [str(error)]) from error


@contextlib.contextmanager
def locked(project: Path) -> Iterator[None]:
    """One import at a time; the lock goes with the process that holds it."""
    folder = project / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        handle = open(folder / "lock", "w")  # noqa: SIM115
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        try:
            import fcntl
        except ImportError:  # without it two imports at once are not told apart
            pass
        else:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before may have removed the file that was just opened.
                if os.fstat(handle.fileno()).st_ino != (folder / "lock").stat().st_ino:
                    raise BlockingIOError
            except OSError as error:
                raise ImporterError.of("importers.another_import") from error
        yield
        if not (folder / JOURNAL).exists():
            with contextlib.suppress(OSError):
                (folder / "lock").unlink(missing_ok=True)
                folder.rmdir()
    finally:
        handle.close()


def _write_through(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _unwritable(folder: Path, error: OSError) -> ImporterError:
    return ImporterError.of(
        "importers.seeds_unwritable", [f"{folder}: {error.strerror or error}"]
    )
