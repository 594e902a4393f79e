"""The virtual environment of a checkout: whole, and made for this folder.

`make` runs this file before anything is installed, with whatever Python there is: it
needs the standard library alone, and nothing newer than Python 3.6. Scripts and the
library's import path in a virtual environment name its folder in full, so that a copied
or moved one runs the code of the folder it was made in. Here that is noticed, and the
environment is made again.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib import util
from pathlib import Path

VENV = ".venv"
# Written last: without it an environment is half made.
STAMP = ".installed"
SOURCES = ("requirements.lock", "pyproject.toml")
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
ANOTHER_FOLDER = "was made for another folder"
# A longer interpreter path, or one with spaces, does not fit a script's first line.
_LONGEST_FIRST_LINE = 120
_NAMED = re.compile(rb"""(?:^#!|["'])(/[^\n"']*)/\.venv/bin/python""", re.M)


class SetupError(Exception):
    """The environment cannot be made; the message has consequence and remedy."""


class BrokenError(SetupError):
    """The environment does not work, and is best made anew."""


def requires_python(root: Path) -> str:
    """Return what pyproject.toml says of the Pythons that do, such as >=3.11,<3.14."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^requires-python\s*=\s*"([^"]*)"', text, re.M)
    return found.group(1) if found else ""


def python_bounds(requires: str) -> tuple:
    """Return the oldest Python that does, and the first one that is too new."""
    bounds = []
    for sign in (">=", "<"):
        found = re.search(sign + r"\s*(\d+)\.(\d+)", requires)
        if not found:
            raise SetupError(
                f"pyproject.toml does not say which Python it needs: {requires!r}.\n"
                "Consequence: nothing was set up.\n"
                "Remedy: restore it: git checkout -- pyproject.toml"
            )
        bounds.append(tuple(int(part) for part in found.groups()))
    return tuple(bounds)


def python_problem(requires: str, version: tuple) -> str:
    """Return why a Python does not do, or nothing."""
    oldest, too_new = python_bounds(requires)
    if oldest <= tuple(version[:2]) < too_new:
        return ""
    newest = (too_new[0], too_new[1] - 1)
    return (
        f"Python {_dotted(oldest)} to {_dotted(newest)} is needed, and this is "
        f"{_dotted(version)}"
    )


def python_remedy(requires: str) -> str:
    """Return the command that takes a Python that does, one found here first."""
    oldest, too_new = python_bounds(requires)
    names = [f"python3.{minor}" for minor in reversed(range(oldest[1], too_new[1]))]
    for name in names:
        if shutil.which(name):
            return f"{name} is on this machine: make PYTHON={name} build"
    return f"install one and name it: make PYTHON={names[0]} build"


def trouble(root: Path) -> str:
    """Return what is wrong with the environment of a checkout, or nothing.

    The words go on from "the environment .venv ...". Only files are looked at:
    `citypanel.doctor.installation` tries the imports.
    """
    venv = root / VENV
    if not venv.exists():
        return "is not there yet"
    if not (venv / STAMP).is_file():
        return "is half made"
    python = interpreter(root)
    if not python.exists():
        return "has lost its Python"
    if os.name != "nt":
        named = re.fullmatch(r"python(\d+)\.(\d+)", Path(os.path.realpath(python)).name)
        if named and not (venv / "lib" / named.group()).is_dir():
            return f"was made with another Python than {named.group()}"
        if named and python_problem(
            requires_python(root), tuple(map(int, named.groups()))
        ):
            return f"has a Python that does not do, {named.group()}"
        if not (venv / SCRIPTS / "dbt").exists():
            return "has lost its commands"
        if _strange_scripts(root):
            return ANOTHER_FOLDER
    if _library(root) != Path(os.path.realpath(root / "src")):
        return ANOTHER_FOLDER
    stamp = (venv / STAMP).stat().st_mtime
    if any((root / name).stat().st_mtime > stamp for name in SOURCES):
        return f"is older than {' or '.join(SOURCES)}"
    return ""


def interpreter(root: Path) -> Path:
    """Return the environment's Python."""
    return root / VENV / SCRIPTS / ("python.exe" if os.name == "nt" else "python")


def _library(root: Path):
    """Where the environment imports the library from; None where from nowhere."""
    venv = root / VENV
    for pattern in ("lib/python3*/site-packages", "Lib/site-packages"):
        for link in sorted(venv.glob(f"{pattern}/citypanel.pth")):
            return Path(os.path.realpath(link.read_text(encoding="utf-8").strip()))
    return None


def _strange_scripts(root: Path) -> list:
    """Scripts that start another folder's Python, and how they name that folder."""
    found = []
    for script in sorted((root / VENV / SCRIPTS).iterdir()):
        if script.is_symlink() or not script.is_file():
            continue
        with script.open("rb") as file:
            start = file.read(1000)
        named = _NAMED.search(start) if start.startswith(b"#!") else None
        if named and os.path.realpath(os.fsdecode(named.group(1))) != os.path.realpath(
            root
        ):
            found.append((script, named.group(1)))
    return found


def prepare(root: Path, say=print) -> None:
    """Make the environment of a checkout where it is missing, half made or another's.

    Raises
    ------
    SetupError
        It cannot be made; the next call begins anew.
    """
    if not trouble(root):
        return
    with _one_at_a_time(root):
        reason = trouble(root)
        if not reason:  # another make has made it meanwhile
            return
        say(f"The environment {VENV} {reason}; setting it up.")
        requires = requires_python(root)
        problem = python_problem(requires, sys.version_info[:2])
        if problem:
            raise SetupError(
                f"{problem} ({sys.executable}).\n"
                "Consequence: no environment was made; nothing was built.\n"
                f"Remedy: {python_remedy(requires)}"
            )
        try:
            if _can_be_mended(root, reason):
                _mend(root)
                return
        except BrokenError:
            pass
        _make_anew(root, say)


def discard(root: Path) -> None:
    """Remove the environment unless it is whole, works and is this folder's own."""
    if not (root / VENV).exists():
        return
    try:
        if not trouble(root):
            _prove(root)
            return
    except SetupError:
        pass
    _remove(root / VENV)


def _can_be_mended(root: Path, reason: str) -> bool:
    line = f"#!{interpreter(root).absolute()}"
    if reason == ANOTHER_FOLDER:
        # Behind a link it serves the other folder too.
        fits = " " not in line and len(line) <= _LONGEST_FIRST_LINE
        return fits and not (root / VENV).is_symlink()
    return reason.startswith("is older")


def _mend(root: Path) -> None:
    """Bring a whole environment to this folder, or to a changed lock."""
    for script, other in _strange_scripts(root):
        content = script.read_bytes()
        part = script.with_name(f".{script.name}")
        part.write_bytes(content.replace(other, os.fsencode(root.absolute()), 2))
        shutil.copymode(script, part)
        os.replace(part, script)
    # The activation scripts name the folder too.
    for script in (root / VENV / SCRIPTS).glob("[Aa]ctivate*"):
        script.unlink()
    python = interpreter(root)
    if _run([python, "-m", "venv", "--without-pip", root / VENV], root).returncode:
        raise BrokenError
    if _run([python, "-m", "pip", "--version"], root).returncode:
        raise BrokenError
    _install(root)


def _make_anew(root: Path, say) -> None:
    if util.find_spec("ensurepip") is None or util.find_spec("venv") is None:
        package = f"python{_dotted(sys.version_info[:2])}-venv"
        raise SetupError(
            f"This Python cannot make an environment: it has no ensurepip "
            f"({sys.executable}).\n"
            "Consequence: no environment was made; nothing was built.\n"
            f"Remedy: on Debian and Ubuntu apt install {package}, then make again; or "
            "name another Python: make PYTHON=... build"
        )
    _remove(root / VENV)
    # Under an environment's Python, as in an activated shell, the one it came from.
    base = getattr(sys, "_base_executable", None) or sys.executable
    _must([base, "-m", "venv", root / VENV], root)
    say("Installing the packages of requirements.lock; this takes some minutes.")
    _install(root)


def _remove(venv: Path) -> None:
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(str(venv))


def _install(root: Path) -> None:
    """Packages, the library itself, the proof that they work, and the stamp."""
    # What is imported is compiled then; the rest, mostly tests of packages, never is.
    pip = [interpreter(root), "-m", "pip", "install", "--quiet", "--no-deps"]
    pip.append("--no-compile")
    _must([*pip, "--require-hashes", "-r", root / "requirements.lock"], root)
    _must([*pip, "--no-build-isolation", "--editable", root], root)
    _prove(root)
    (root / VENV / STAMP).write_text("", encoding="ascii")


def _prove(root: Path) -> None:
    """Let the environment's own Python try what is installed."""
    code = "from citypanel.doctor.installation import prove; prove()"
    result = _run([interpreter(root), "-c", code], root)
    if result.returncode:
        raise BrokenError(_failed("trying what was installed", result))


def _must(command: list, root: Path) -> None:
    result = _run(command, root)
    if result.returncode:
        raise SetupError(_failed(" ".join(map(str, command)), result))


def _run(command: list, root: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in command],
        cwd=str(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _failed(step: str, result: subprocess.CompletedProcess) -> str:
    lines = [f"  {line}" for line in result.stdout.strip().splitlines()[-10:]]
    return "\n".join(
        [
            f"Setting up {VENV} failed in: {step}",
            *lines,
            "Consequence: nothing was built; the next make sets it up again.",
            "Remedy: see that the disk has 1 GB free and that pip reaches a package "
            "index (PIP_INDEX_URL or PIP_FIND_LINKS name another), then make again.",
        ]
    )


@contextmanager
def _one_at_a_time(root: Path):
    """Let a second make wait for the first."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (root / "pyproject.toml").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _dotted(version: tuple) -> str:
    return ".".join(map(str, version))


def main(arguments: list, root: Path) -> int:
    """Prepare the environment, or `discard` it; return the exit code."""
    try:
        if arguments == ["discard"]:
            discard(root)
        else:
            prepare(root)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nStopped; the next make sets {VENV} up again.", file=sys.stderr)
        return 130
    except OSError as error:
        print(
            f"{VENV} could not be set up: {error}\n"
            "Consequence: nothing was built.\n"
            "Remedy: see that the folder is writable and the disk has 1 GB free.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
