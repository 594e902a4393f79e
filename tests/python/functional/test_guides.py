"""What the tutorial and the how-tos print is what comes out."""

from __future__ import annotations

import re

import duckdb
import pytest

from citypanel.cli import main


@pytest.fixture(scope="module")
def tutorial(project):
    path = project / "docs" / "tutorial" / "first-estimate.md"
    return path.read_text(encoding="utf-8")


def _queries(text):
    found = re.findall(r'sql\("""\n(.*?)\.\.\. """\)', text, flags=re.DOTALL)
    return [re.sub(r"^\.\.\. ", "", query, flags=re.MULTILINE) for query in found]


def _tables(text):
    """Printed tables as lists of rows of cells, the row of types left out."""
    boxes = re.findall(r"┌.*?┘", text, flags=re.DOTALL)
    tables = []
    for box in boxes:
        rows = [
            [cell.strip() for cell in line.strip("│").split("│")]
            for line in box.splitlines()
            if line.startswith("│")
        ]
        tables.append([rows[0], *rows[2:]])
    return tables


def _answer(file, query):
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        rows = found.fetchall()
    return [
        names,
        *[["NULL" if cell is None else str(cell) for cell in row] for row in rows],
    ]


def test_the_tutorials_first_queries_answer_as_printed(built, tutorial):
    queries, tables = _queries(tutorial), _tables(tutorial)
    assert len(queries) == 4 and len(tables) == 6
    for query, table in list(zip(queries, tables, strict=False))[:2]:
        assert _answer(built.published, query) == table


@pytest.mark.slow
def test_the_tutorial_to_its_end(workshop, tutorial, monkeypatch, capsys):
    queries, tables = _queries(tutorial), _tables(tutorial)
    builds = re.findall(r"^dbt build --vars '(.*)'$", tutorial, flags=re.MULTILINE)
    assert len(builds) == 2
    result = workshop.dbt("build", "--vars", builds[0])
    assert result.returncode == 0, result.stdout
    other = workshop.published_by(result)
    assert other.file == "city_growth.duckdb"
    with duckdb.connect() as both:
        both.execute(f"attach '{workshop.published}' as before (read_only)")
        both.execute(f"attach '{other.published}' as after (read_only)")
        rows = both.execute(queries[2]).fetchall()
    assert [[str(cell) for cell in row] for row in rows] == tables[2][1:]
    assert _answer(other.published, queries[0]) == tables[3]
    summary = other.query("from quality.dq_summary order by part desc, number")
    for sentence in summary.loc[summary["part"] == "verdict", "text_en"][:2]:
        assert f"\n{sentence}\n" in tutorial

    roster = re.search(r"```\n(城市,日期\n.*?)```", tutorial, flags=re.DOTALL)[1]
    (workshop.root / "placebo.csv").write_text(roster, encoding="utf-8")
    monkeypatch.chdir(workshop.root)
    assert main(["import", "policy", "placebo.csv", "--name", "placebo"]) == 0
    assert capsys.readouterr().out.strip() in tutorial
    result = workshop.dbt("build", "--vars", builds[1])
    assert result.returncode == 0, result.stdout
    other = workshop.published_by(result)
    assert other.file == "placebo.duckdb"
    assert _answer(other.published, queries[0]) == tables[4]
    assert _answer(other.published, queries[3]) == tables[5]


@pytest.mark.slow
def test_the_gallery_quotes_unusable_cells(workshop, project):
    page = project / "docs" / "how-to" / "when-a-build-fails.md"
    text = page.read_text(encoding="utf-8")
    start = text.index("Seed raw_yearbook_city_years: 2 unusable")
    quoted = text[start : text.index("\n```", start)]
    seed = workshop.seed("raw_yearbook_city_years")
    lines = seed.read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("地区生产总值(万元)")
    number = next(i for i, line in enumerate(lines) if line.startswith("2012,天津市"))
    cells = lines[number].split(",")
    cells[place] = "about 9"
    lines[number] = ",".join(cells)
    seed.write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")
    said = workshop.dbt("build", "-s", "raw_yearbook_city_years").stdout
    assert re.sub(r"\n +", "\n", quoted) in re.sub(r"\n +", "\n", said)


ROW = re.compile(
    r"^\| (?P<vars>the defaults|both|`\w+: [^|]+`) \| (?P<estimate>-?\d\.\d{4}) \| "
    r"(?P<error>\d\.\d{4}) \|(?P<sample> \d+ \(\d+\) \| \d+ \|)?$",
    flags=re.MULTILINE,
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_rows"), [("period", 6), ("deflator", 4)])
def test_the_tables_of_the_how_tos_are_the_studys(built, project, name, n_rows):
    from citypanel.curve.choices import load_choices
    from citypanel.curve.command import read_published
    from citypanel.curve.specifications import (
        Specification,
        evaluate,
        headline_values,
    )

    page = project / "docs" / "how-to" / f"another-{name}.md"
    rows = list(ROW.finditer(page.read_text(encoding="utf-8")))
    assert len(rows) == n_rows
    published, choices = read_published(built.published), load_choices()
    moved: dict[str, str] = {}
    for row in rows:
        pairs = dict(re.findall(r"(\w+): (\w+)", row["vars"]))
        moved |= pairs
        options = moved if row["vars"] == "both" else pairs
        base = published.base.replace(
            **{key: int(v) if v.isdigit() else v for key, v in options.items()},
        )
        found, _ = evaluate(
            published.study,
            Specification(headline_values(choices, base), "asked"),
            choices=choices,
            base=base,
        )
        assert f"{found['estimate']:.4f}" == row["estimate"]
        assert f"{found['std_error']:.4f}" == row["error"]
        if row["sample"]:
            assert row["sample"] == (
                f" {found['n_cities']} ({found['n_treated_cities']}) | "
                f"{found['n_obs']} |"
            )
