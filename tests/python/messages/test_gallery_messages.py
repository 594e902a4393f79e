"""Messages quoted by docs/how-to are what the commands say, word for word."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from citypanel.capital import perpetual_inventory
from citypanel.cli import main
from citypanel.errors import CapitalError, OptionError
from citypanel.study.declaration import declared


def _flat(text):
    return re.sub(r"\n +", "\n", text).strip()


@pytest.fixture(scope="module")
def page(project):
    path = project / "docs" / "how-to" / "when-a-build-fails.md"
    return _flat(path.read_text(encoding="utf-8"))


def _row(project, cell):
    lines = (project / "seeds" / "yearbook" / "raw_yearbook_city_years.csv").read_text(
        encoding="utf-8"
    ).splitlines()  # fmt: skip
    cells = lines[1].split(",")
    cells[lines[0].split(",").index("地区生产总值(万元)")] = cell
    return f"{lines[0]}\n{','.join(cells)}\n"


REFUSED = {
    "a misspelt city": (
        ("policy", "low_carbon.csv"),
        lambda project: "城市,日期\n石家庄,2012-11-26\n石家莊市区,2012-11-26\n",
    ),
    "a cell that is no number": (
        ("yearbook", "my_yearbook.csv"),
        lambda project: _row(project, "14；70"),
    ),
    "no spec": (("yearbook", "x.csv"), lambda project: "a,b\n1,2\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_page_quotes_a_refused_import(
    page, project, seeded, monkeypatch, capsys, case
):
    (kind, name), content = REFUSED[case]
    (seeded / name).write_text(content(project), encoding="utf-8")
    monkeypatch.chdir(seeded)
    assert main(["import", kind, name]) == 1
    assert _flat(capsys.readouterr().err) in page


@pytest.mark.parametrize(
    "arguments", [["specifications"], ["specifications", "--count", "0"]]
)
def test_the_page_quotes_specifications(page, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert _flat(capsys.readouterr().err) in page


@pytest.mark.parametrize(
    "arguments", [["tables", "--only", "table_9"], ["export", "--format", "xls"]]
)
def test_the_page_quotes_a_wrong_name(page, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert _flat(capsys.readouterr().err) in page


def test_the_page_quotes_a_wrong_choice(page):
    from citypanel.curve.choices import load_choices
    from citypanel.curve.command import parse_only
    from citypanel.errors import OptionError
    from citypanel.study.options import Options

    with pytest.raises(OptionError) as raised:
        parse_only("labour=employed", load_choices(), Options())
    assert _flat(str(raised.value)) in page


def test_the_page_quotes_another_folder(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export"]) == 1
    said = capsys.readouterr().err.replace(str(tmp_path), "/home/user")
    assert _flat(said) in page


def test_the_page_quotes_an_initial_stock_without_end(page):
    panel = pd.DataFrame({"city": "a", "year": [2011, 2012], "investment": [1.0, 1.0]})
    with pytest.raises(CapitalError) as raised:
        perpetual_inventory(
            panel,
            unit="city",
            period="year",
            investment="investment",
            growth=pd.Series({"a": -0.25}),
            first_period=2011,
        )
    assert _flat(str(raised.value)) in page


def test_the_page_lists_the_options_that_there_are(page):
    study = declared()
    assert f"Options: {', '.join(sorted(study.build_options))}.\n" in page
    for given in (
        {"real_gpd": "city_growth"}, {"fai_extension": "none"}, {"depreciation": 6}
    ):  # fmt: skip
        with pytest.raises(OptionError) as raised:
            study.resolve(given)
        assert str(raised.value) in page


def test_the_page_quotes_an_unfinished_import(page, project):
    macros = project / "src" / "citypanel" / "skeleton" / "macros"
    macro = (macros / "start_run.sql").read_text(encoding="utf-8")
    spoken = "".join(re.findall(r'"([^"\n]*)"', macro)).replace("\\n", "\n")
    quoted = page[page.index("An import was interrupted while") :].partition("\n```")[0]
    assert quoted in spoken
