"""The set-up of a checkout: what is noticed, what is mended, what is made anew."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from citypanel.doctor import environment
from citypanel.doctor.environment import SetupError, trouble

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts as POSIX has them")

SCRIPT = "#!{root}/.venv/bin/python\nimport sys\n"
LONG_SCRIPT = "#!/bin/sh\n'''exec' \"{root}/.venv/bin/python\" \"$0\" \"$@\"\n' '''\n"


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder whose environment looks whole: nothing in it was really installed."""
    root = tmp_path / "project"
    packages = root / f".venv/lib/python3.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (root / "src" / "citypanel").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir()
    (root / "pyproject.toml").write_text('requires-python = ">=3.11,<3.14"\n')
    (root / "requirements.lock").write_text("")
    (packages / "citypanel.pth").write_text(f"{root}/src")
    (root / ".venv/bin/python").symlink_to(os.path.realpath(sys.executable))
    (root / ".venv/bin/dbt").write_text(SCRIPT.format(root=root))
    (root / ".venv/bin/long").write_text(LONG_SCRIPT.format(root=root))
    (root / ".venv/.installed").touch()
    return root


def test_a_whole_environment_is_left_alone(checkout, monkeypatch):
    def refuse(*_):
        raise AssertionError("nothing is to be run")

    monkeypatch.setattr(environment, "_run", refuse)
    assert trouble(checkout) == ""
    environment.prepare(checkout)
    linked = checkout.with_name("link")
    linked.symlink_to(checkout)
    assert trouble(linked) == ""


SPOILT = {
    "is not there yet": lambda root: shutil.rmtree(root / ".venv"),
    "is half made": lambda root: (root / ".venv/.installed").unlink(),
    "has lost its Python": lambda root: (
        (root / ".venv/bin/python").unlink(),
        (root / ".venv/bin/python").symlink_to("/nowhere/python3.11"),
    ),
    "has lost its commands": lambda root: (root / ".venv/bin/dbt").unlink(),
    "was made for another folder": lambda root: (root / ".venv/bin/dbt").write_text(
        SCRIPT.format(root="/somewhere/else")
    ),
    "was made for another folder ": lambda root: (root / ".venv/bin/long").write_text(
        LONG_SCRIPT.format(root="/somewhere/else")
    ),
    "was made for another folder  ": lambda root: next(
        (root / ".venv/lib").glob("*/*/citypanel.pth")
    ).write_text("/somewhere/else/src"),
    "was made with another Python than": lambda root: next(
        (root / ".venv/lib").iterdir()
    ).rename(root / ".venv/lib/python3.99"),
    "has a Python that does not do": lambda root: (root / "pyproject.toml").write_text(
        'requires-python = ">=3.98,<3.99"\n'
    ),
    "is older than requirements.lock": lambda root: os.utime(
        root / ".venv/.installed", (0, 0)
    ),
}


@pytest.mark.parametrize("words", SPOILT)
def test_what_is_wrong_is_noticed(checkout, words):
    SPOILT[words](checkout)
    assert trouble(checkout).startswith(words.rstrip())


def test_a_copy_and_a_moved_checkout_are_noticed(checkout, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy, symlinks=True)
    assert trouble(copy) == "was made for another folder"
    assert trouble(checkout) == ""
    checkout.rename(tmp_path / "moved")
    assert trouble(tmp_path / "moved") == "was made for another folder"


def test_the_bounds_of_python_are_those_of_pyproject(project, checkout, monkeypatch):
    requires = environment.requires_python(project)
    assert environment.python_bounds(requires) == ((3, 11), (3, 14))
    for version in ((3, 11), (3, 13)):
        assert environment.python_problem(requires, version) == ""
    for version in ((3, 10), (3, 14), (2, 7), (4, 0)):
        problem = environment.python_problem(requires, version)
        assert problem.startswith("Python 3.11 to 3.13 is needed, and this is")
    monkeypatch.setattr(shutil, "which", lambda name: name == "python3.12" or None)
    assert "make PYTHON=python3.12 build" in environment.python_remedy(requires)
    (checkout / ".venv/.installed").unlink()
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(SetupError, match=r"this is 3\.14 .*\n.*\nRemedy: python3\.12"):
        environment.prepare(checkout, say=lambda line: None)


def test_a_python_without_ensurepip_is_named_and_changes_nothing(
    checkout, monkeypatch, capsys
):
    (checkout / ".venv/.installed").unlink()
    before = sorted(checkout.rglob("*"))
    monkeypatch.setattr(environment.util, "find_spec", lambda name: None)
    assert environment.main([], checkout) == 1
    said = capsys.readouterr().err
    assert "it has no ensurepip" in said and "-venv, then make again" in said
    assert sorted(checkout.rglob("*")) == before


def test_ctrl_c_leaves_an_environment_that_is_made_anew(checkout, monkeypatch, capsys):
    (checkout / ".venv/.installed").unlink()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_run", stop)
    assert environment.main([], checkout) == 130
    assert "the next make sets .venv up again" in capsys.readouterr().err
    assert trouble(checkout) in ("is not there yet", "is half made")


def test_the_file_that_make_runs_is_read_by_old_pythons(project):
    """Nothing newer than Python 3.6, so that an old one is told and does not crash."""
    import ast

    source = Path(environment.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__" not in source and "citypanel." not in re.sub(
        r'"""[\s\S]*?"""|"[^"\n]*"|\'[^\'\n]*\'', "", source
    )


TINY = {
    "pyproject.toml": """
        [build-system]
        requires = ["flit_core"]
        build-backend = "flit_core.buildapi"
        [project]
        name = "citypanel"
        version = "0"
        description = "tiny"
        requires-python = ">=3.11,<3.14"
        [project.scripts]
        dbt = "citypanel:main"
        """,
    "src/citypanel/__init__.py": "def main(): print(__file__)\n",
    "src/citypanel/doctor/__init__.py": "",
    "src/citypanel/doctor/installation.py": "def prove(): pass\n",
}


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A project whose lock has one package, found in a folder."""
    root, wheels = tmp_path / "tiny", tmp_path / "wheels"
    wheels.mkdir()
    for name, text in TINY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))
    version = metadata.version("flit_core")
    wheel = wheels / f"flit_core-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in metadata.files("flit_core"):
            if file.suffix != ".pyc" and file.locate().is_file():
                archive.write(file.locate(), str(file))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (root / "requirements.lock").write_text(
        f"flit_core=={version} --hash=sha256:{digest}\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return root


def _runs(root: Path) -> str:
    """The file of the library that the environment's command runs."""
    command = root / ".venv/bin/dbt"
    return subprocess.run([command], capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_an_environment_is_made_moved_copied_and_made_anew(tiny, tmp_path, monkeypatch):
    said = []
    environment.prepare(tiny, said.append)
    assert _runs(tiny) == str(tiny / "src/citypanel/__init__.py")
    assert trouble(tiny) == "" and "is not there yet" in said[0]

    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy, symlinks=True)
    assert _runs(copy) == _runs(tiny)
    environment.prepare(copy, said.append)
    assert _runs(copy) == str(copy / "src/citypanel/__init__.py")
    assert _runs(tiny) == str(tiny / "src/citypanel/__init__.py")
    assert str(tiny) not in (copy / ".venv/bin/activate").read_text()
    assert said[1:2] != [] and not any("Installing" in line for line in said[2:])

    spaced = tmp_path / "a folder with spaces"
    copy.rename(spaced)
    environment.prepare(spaced, said.append)
    assert _runs(spaced) == str(spaced / "src/citypanel/__init__.py")

    # Interrupted after the folder was made, and before pip was in it.
    shutil.rmtree(spaced / ".venv/lib")
    (spaced / ".venv/.installed").unlink()
    environment.prepare(spaced, said.append)
    assert _runs(spaced) == str(spaced / "src/citypanel/__init__.py")

    environment.discard(spaced)
    assert (spaced / ".venv").is_dir()
    (spaced / "src/citypanel/doctor/installation.py").write_text("prove = 1 / 0\n")
    environment.discard(spaced)
    assert not (spaced / ".venv").exists()


@pytest.mark.slow
def test_without_an_index_the_message_has_a_remedy_and_the_next_make_works(
    tiny, monkeypatch, capsys
):
    links = os.environ["PIP_FIND_LINKS"]
    monkeypatch.setenv("PIP_FIND_LINKS", str(tiny))
    assert environment.main([], tiny) == 1
    said = capsys.readouterr().err
    assert "flit_core" in said and "Remedy: see that the disk" in said
    assert trouble(tiny) == "is half made"
    monkeypatch.setenv("PIP_FIND_LINKS", links)
    assert environment.main([], tiny) == 0
    assert _runs(tiny)
