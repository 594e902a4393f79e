"""Files are written whole or not at all; exported tables run no formula."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypanel import files
from citypanel.files import (
    FORMULA_STARTS,
    atomically,
    is_running,
    neutral_frame,
    neutral_text,
    one_at_a_time,
    write_csv,
    write_text,
)


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "new" / "table.txt"
    write_text(target, "old\n")
    write_text(target, "北京\r\n")
    assert target.read_bytes() == "北京\r\n".encode()
    assert _names(target.parent) == ["table.txt"]


def test_an_exception_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "table.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), atomically(target) as part:
        part.write_text("half")
        1 / 0  # noqa: B018
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["table.txt"]


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    target = tmp_path / "table.txt"
    write_text(target, "old")

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_text(target, "new")
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["table.txt"]


def test_a_kill_between_writing_and_renaming_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.txt"
    write_text(target, "old")
    code = (
        "import os, pathlib, sys; from citypanel.files import atomically\n"
        "with atomically(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('new'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert killed.returncode == -9
    assert target.read_text() == "old"
    assert len(_names(tmp_path)) == 2


@pytest.mark.parametrize("refused", [0, 3, 99])
def test_windows_waits_for_who_has_a_file_open(tmp_path, monkeypatch, refused):
    """A scanner has it open for a moment, a reader for good."""
    target, tries, waited = tmp_path / "table.txt", [], []
    write_text(target, "old")
    real = os.replace

    def replace(part, to):
        tries.append(to)
        if len(tries) <= refused:
            raise PermissionError(13, "in use")
        real(part, to)

    monkeypatch.setattr(files.os, "replace", replace)
    monkeypatch.setattr(files.sys, "platform", "win32")
    monkeypatch.setattr(files.time, "sleep", waited.append)
    if refused > len(files.PAUSES):
        with pytest.raises(PermissionError, match="replaces no open file"):
            write_text(target, "new")
        assert target.read_text() == "old" and sum(waited) > 3
    else:
        write_text(target, "new")
        assert target.read_text() == "new"
        assert len(waited) == refused
    assert _names(tmp_path) == ["table.txt"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    shared, here = tmp_path / "shared", tmp_path / "here"
    shared.mkdir(), here.mkdir()
    (shared / "table.txt").write_text("old")
    (here / "link").symlink_to(shared / "table.txt")
    (here / "table.txt").symlink_to("link")
    write_text(here / "table.txt", "new")
    assert (here / "table.txt").is_symlink() and (here / "link").is_symlink()
    assert (shared / "table.txt").read_text() == "new"
    assert _names(shared) == ["table.txt"]
    (here / "missing.txt").symlink_to(shared / "later" / "missing.txt")
    write_text(here / "missing.txt", "new")
    assert (shared / "later" / "missing.txt").read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o600, 0o664, 0o444])
def test_mode_and_group_of_the_old_file_stay(tmp_path, mode):
    target = tmp_path / "table.txt"
    target.write_text("old")
    target.chmod(mode)
    groups = [group for group in os.getgroups() if group != target.stat().st_gid]
    group = groups[0] if groups else 4711 if os.geteuid() == 0 else None
    if group is not None:
        os.chown(target, -1, group)
        target.chmod(mode)
    before = target.stat()
    write_text(target, "new")
    after = target.stat()
    assert target.read_text() == "new"
    assert stat.S_IMODE(after.st_mode) == mode
    assert (after.st_gid, after.st_uid) == (before.st_gid, before.st_uid)
    assert after.st_ino != before.st_ino


@pytest.mark.skipif(os.name != "posix", reason="groups of files are POSIX's")
def test_a_group_that_cannot_be_kept_gives_no_rights_to_another(tmp_path, monkeypatch):
    target = tmp_path / "table.txt"
    target.write_text("old")
    target.chmod(0o664)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    write_text(target, "new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no attributes here")
def test_an_access_list_stays(tmp_path):
    """Access lists are attributes; a user's own attribute stands for them here."""
    target = tmp_path / "table.txt"
    target.write_text("old")
    try:
        os.setxattr(target, "user.origin", b"yearbook")
    except OSError:
        pytest.skip("this file system keeps no attributes")
    write_text(target, "new")
    assert os.getxattr(target, "user.origin") == b"yearbook"


def test_a_lock_is_held_by_one_process_and_goes_with_it(tmp_path):
    lock = tmp_path / "new" / ".lock"
    code = (
        "import pathlib, sys; from citypanel.files import one_at_a_time\n"
        "with one_at_a_time(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(BlockingIOError), one_at_a_time(lock):
        pass
    assert is_running(other.pid)
    other.kill()
    other.communicate()
    assert not is_running(other.pid)
    with one_at_a_time(lock):
        pass
    with one_at_a_time(lock):
        pass


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_text_that_begins_like_a_formula_is_marked_as_text(start):
    assert neutral_text(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    "value", ["-0.5", "+3", "-.5e-3", "1=1", "北京", "", "'=1", -0.5, None, 3]
)
def test_numbers_and_plain_text_stay(value):
    assert neutral_text(value) is value


@pytest.mark.parametrize("value", ["-1+1", "+1-1", "-", "=1", "-1|x", "--1", "+A1"])
def test_what_only_begins_like_a_number_is_marked(value):
    assert neutral_text(value) == "'" + value


@given(st.text(max_size=20))
def test_nothing_exported_is_a_formula_and_only_a_mark_is_added(text):
    neutral = neutral_text(text)
    assert neutral in (text, "'" + text)
    if neutral.startswith(FORMULA_STARTS):
        assert np.isfinite(float(neutral))


def test_an_exported_table_is_read_back_without_a_formula(tmp_path):
    frame = pd.DataFrame(
        {
            "=city": ["=1+1", "@SUM(A1)", "北京, \"x\"", None],
            "kind": pd.Categorical(["+a", "b", "b", "b"]),
            "estimate": [-0.011, 0.1 + 0.2, np.nan, 1e-9],
            "n": [-1, 2, 3, 4],
            "at": pd.to_datetime(["2015-03-07"] * 4),
        }
    )  # fmt: skip
    before = frame.copy()
    write_csv(tmp_path / "out.csv", frame)
    pd.testing.assert_frame_equal(frame, before)
    content = (tmp_path / "out.csv").read_bytes()
    assert content.startswith(b"'=city,kind,estimate,n,at\n")
    back = pd.read_csv(tmp_path / "out.csv")
    assert back["'=city"].tolist()[:3] == ["'=1+1", "'@SUM(A1)", '北京, "x"']
    assert back["kind"].tolist() == ["'+a", "b", "b", "b"]
    np.testing.assert_array_equal(back["estimate"], frame["estimate"])
    np.testing.assert_array_equal(back["n"], frame["n"])


def test_a_workbook_of_the_neutral_table_holds_no_formula(tmp_path):
    frame = pd.DataFrame({"city": ["=1+1", "北京"]})
    neutral_frame(frame).to_excel(tmp_path / "out.xlsx", index=False)
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    kinds = {cell.data_type for row in sheet for cell in row}
    frame.to_excel(tmp_path / "raw.xlsx", index=False)
    raw = openpyxl.load_workbook(tmp_path / "raw.xlsx").active
    assert "f" in {cell.data_type for row in raw for cell in row}
    assert "f" not in kinds


def test_two_columns_of_one_name_are_both_neutral():
    frame = pd.DataFrame([["=1", "=2"]], columns=["a", "a"])
    assert neutral_frame(frame).to_numpy().tolist() == [["'=1", "'=2"]]
