"""Long steps say count, elapsed and remaining, every five seconds at most."""

from __future__ import annotations

import itertools

import pytest

from citypanel.cli import main, parser
from citypanel.progress import Pace
from citypanel.quality import data_docs

LONG = (
    "import", "report", "study", "tables", "figures", "specifications", "influence",
    "codebook", "export", "package",
)  # fmt: skip


@pytest.mark.parametrize("command", LONG)
def test_a_long_step_can_be_silent(command):
    more = ["policy", "x.csv"] if command == "import" else []
    assert parser().parse_args([command, *more, "-q"]).quiet
    assert not parser().parse_args([command, *more]).quiet


def test_step_after_step_says_where_it_is_every_five_seconds_at_most():
    moments = itertools.count(0.0, 2.0)
    said = []
    now = 0.0

    def clock():
        nonlocal now
        now = next(moments)
        return now

    def say(line):
        said.append((now, line))

    begin = Pace(say, "tables", clock=clock).begin
    for name in ("influence", "index_uncertainty"):
        note = begin(name)
        for done in range(1, 11):
            note(done, 10)
    begin("yardsticks")
    times = [moment for moment, _ in said]
    assert len(said) > 3
    assert min(b - a for a, b in itertools.pairwise([0.0, *times])) >= 5
    assert said[0][1] == "influence: 2 of 10, 4 s elapsed, about 16 s remaining"


def test_a_resumed_run_reckons_with_what_it_did_itself():
    moments = iter([0.0, 0.0, 2.0, 6.0, 7.0, 12.0, 90.0])
    lines = []
    pace = Pace(
        lines.append, "specifications", resumed=True, clock=lambda: next(moments)
    )
    for done in (50, 60, 70, 80, 90, 110):
        pace(done, 200)
    assert lines == [
        "specifications: 70 of 200, 6 s elapsed, about 39 s remaining",
        "specifications: 90 of 200, 12 s elapsed, about 33 s remaining",
        "specifications: 110 of 200, 1 min 30 s elapsed, about 2 min 15 s remaining",
    ]


def _table(seeded):
    lines = (seeded / "seeds" / "yearbook" / "raw_yearbook_city_years.csv").read_text(
        encoding="utf-8"
    ).splitlines()  # fmt: skip
    (seeded / "mine.csv").write_text("\n".join(lines[:40]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("quiet", [False, True])
def test_an_import_says_its_rows(seeded, monkeypatch, capsys, slow_clock, quiet):
    _table(seeded)
    monkeypatch.chdir(seeded)
    arguments = ["import", "yearbook", "mine.csv", "--source", "mine"]
    assert main([*arguments, "-q" if quiet else "--dry-run"]) == 0
    out, err = capsys.readouterr()
    if quiet:
        assert (out, err) == ("", "")
        written = seeded / "seeds" / "imported" / "raw_imported_cells.csv"
        assert "mine.csv" in written.read_text(encoding="utf-8")
    else:
        assert (
            "rows of mine.csv: 1 of 39, 6 s elapsed, about 3 min 48 s remaining" in err
        )
        assert "39" in err.splitlines()[-1]


def test_a_silent_dry_run_still_says_what_it_read(seeded, monkeypatch, capsys):
    _table(seeded)
    monkeypatch.chdir(seeded)
    assert main(["import", "yearbook", "mine.csv", "--dry-run", "-q"]) == 0
    assert "nothing was written" in capsys.readouterr().out


@pytest.mark.parametrize("quiet", [False, True])
def test_a_report_says_its_tables(tmp_path, monkeypatch, capsys, quiet):
    def pretend(warehouse, *, suites_folder, site, say):
        for line in ("tables of Data Docs: 1 of 2",) if say else ():
            say(line)
        return site / "index.html"

    monkeypatch.setattr(data_docs, "report", pretend)
    monkeypatch.setattr(
        "citypanel.quality.report.quality_report", lambda path, folder: folder
    )
    assert main(["report", "-q"] if quiet else ["report"]) == 0
    out, err = capsys.readouterr()
    if quiet:
        assert (out, err) == ("", "")
    else:
        assert "tables of Data Docs" in err and "Data Docs: " in out
