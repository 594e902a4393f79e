"""What any command says of a disk, a folder, memory or another folder's code."""

from __future__ import annotations

import errno
import os
import shutil
from types import SimpleNamespace

import duckdb
import pytest

from citypanel import cli
from citypanel.commands import failures


@pytest.mark.parametrize(
    ("error", "words", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left", "outputs"), "disk is full", "free"),
        (OSError(errno.EROFS, "Read-only", "outputs"), "cannot be written", "ls -ld"),
        (PermissionError(errno.EACCES, "denied", "x"), "cannot be written", "--output"),
        (FileNotFoundError(errno.ENOENT, "none", "x"), "cannot be used", "doctor"),
        (duckdb.IOException("IO Error: No space left on device"), "disk is full", ""),
        (duckdb.OutOfMemoryException("Failed to allocate\nPossible: x"),
         "The memory ran out (Failed to allocate).", "ulimit"),
        (MemoryError(), "The memory ran out (MemoryError)", "--workers"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out", "ulimit"),
        (ImportError("lib.so: failed to map segment"), "memory ran out", "ulimit"),
        (RuntimeError("can't start new thread"), "memory ran out", "ulimit"),
    ],
)  # fmt: skip
def test_what_stops_a_command_from_outside(monkeypatch, capsys, error, words, remedy):
    def stop(options):
        raise error

    monkeypatch.setattr("citypanel.commands.codebook.run", stop)
    assert cli.main(["codebook"]) == 1
    said = capsys.readouterr().err
    assert words in said and "Consequence: the command stopped" in said
    assert remedy in said.partition("Remedy: ")[2]


def test_a_defect_keeps_its_traceback(monkeypatch):
    assert failures.in_words(ZeroDivisionError("division by zero")) == ""

    def stop(options):
        raise KeyError("x")

    monkeypatch.setattr("citypanel.commands.codebook.run", stop)
    with pytest.raises(KeyError):
        cli.main(["codebook"])


def test_ctrl_c_is_a_line_and_its_exit_code(monkeypatch, capsys):
    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("citypanel.commands.codebook.run", stop)
    assert cli.main(["codebook"]) == 130
    assert "Stopped" in capsys.readouterr().err


def test_no_command_runs_another_folders_code(project, tmp_path, monkeypatch, capsys):
    """As in a copied checkout, whose commands start the original's Python."""
    shutil.copytree(project / "src", tmp_path / "src")
    (tmp_path / "src/citypanel/panel.py").write_text("broken", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for command in (["codebook"], ["specifications"], ["accept"]):
        assert cli.main(command) == 1
        said = capsys.readouterr().err
        assert f"not this project's {tmp_path / 'src' / 'citypanel'}" in said
        assert "Consequence: " in said and "Remedy: run make build here" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]


@pytest.mark.parametrize(
    ("number", "what"),
    [(errno.EACCES, "cannot be written"), (errno.ENOSPC, "The disk is full")],
)
def test_a_build_that_dbt_leaves_without_a_word_has_one(
    monkeypatch, capsys, number, what
):
    """dbt prints nothing where it cannot make the folder of its log."""
    stop = OSError(number, os.strerror(number), "/project/logs")
    monkeypatch.setattr(
        "dbt.cli.main.dbtRunner.invoke",
        lambda *_: SimpleNamespace(success=False, exception=stop),
    )
    assert cli.main(["build"]) != 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("not published, because dbt stopped before its end. ")
    assert what in said[0]
    assert said[0].endswith("'/project/logs'.")
    assert said[1] == "Consequence: the published file stands as it was."
    assert said[2].startswith("Remedy: ")
