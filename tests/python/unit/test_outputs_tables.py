"""How tables are laid out and written, on tables small enough to read."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from citypanel.errors import OutputError
from citypanel.outputs.tables import Style, render
from citypanel.outputs.tables import contents as tables
from citypanel.outputs.tables import model as m
from citypanel.outputs.tables.latex import escape, fragment, standalone
from citypanel.outputs.tables.text import delimited, markdown
from citypanel.words import in_chinese, typeset
from citypanel.words.numbers import fixed

MINUS = "\u2212"


def regression(**values):
    row = {
        "estimate": -0.0107, "std_error": 0.0133, "p_value": 0.04,
        "conf_low": -0.0372, "conf_high": 0.0159,
    }  # fmt: skip
    return pd.Series(row | values)


@pytest.fixture
def table():
    pair = m.estimate_rows(
        "Policy & effect",
        [regression(), None, regression(estimate=12.5, p_value=0.001)],
        key="sydid",
        stars=True,
        intervals=False,
    )
    cells = (m.count(1584), m.words("Yes"), m.p_value(0.0001))
    counts = m.Row("Observations", cells, "n_obs", rule=True)
    return m.Table(
        "table_x",
        "X",
        "A title with 100% of it",
        "",
        (
            m.Column("a", "(1)", "First"),
            m.Column("b", "(2)", "First"),
            m.Column("c", "(3)", "Second"),
        ),
        (m.Block(pair, "Panel A"), m.Block((counts,))),
        ("N as counted.", "real_gdp = city_growth."),
    )


def test_numbers_have_fixed_decimals_and_a_true_minus_sign():
    assert fixed(-0.01066) == MINUS + "0.011"
    assert fixed(1234.5, 1) == "1,234.5"
    assert fixed(-np.inf) == MINUS + "\u221e"
    assert fixed(np.nan) == m.NO_VALUE
    # The sign of an estimate that rounds to zero is a finding; zero itself has none.
    assert fixed(-0.0002) == MINUS + "0.000"
    assert fixed(0.0) == "0.000"


def test_p_values_never_print_as_zero():
    assert m.p_value(0.0004).text == "<0.001"
    assert m.p_value(0.0006).text == "<0.001"
    assert m.p_value(0.0011).text == "0.001"
    assert m.p_value(0.0004).value == (0.0004,)
    assert m.p_value(np.nan, absent=m.NO_VALUE).text == m.NO_VALUE


@pytest.mark.parametrize(
    ("p", "stars"),
    [(0.1, ""), (0.0999, "*"), (0.05, "*"), (0.0499, "**"), (0.01, "**"),
     (0.0099, "***"), (np.nan, "")],
)  # fmt: skip
def test_stars_mark_what_is_below_the_level(p, stars):
    assert m.stars_of(p) == stars


def test_an_estimate_has_its_error_below_it_or_its_interval():
    for intervals, text, names in [
        (False, "(0.013)", ("std_error",)),
        (True, f"[{MINUS}0.037, 0.016]", ("conf_low", "conf_high")),
    ]:
        top, below = m.estimate_rows(
            "x", [regression()], key="x", stars=False, intervals=intervals
        )
        assert top.cells[0].text == MINUS + "0.011"
        assert (below.cells[0].text, below.statistics) == (text, names)
        assert below.follows


def test_what_rests_on_one_city_has_a_dash_for_its_error_and_no_stars():
    alone = regression(std_error=None, p_value=None, conf_low=None, conf_high=None)
    for intervals in (False, True):
        top, below = m.estimate_rows(
            "x", [alone], key="x", stars=True, intervals=intervals
        )
        assert top.cells[0].text == MINUS + "0.011"
        assert below.cells[0].text == m.NO_VALUE


def test_a_row_of_the_wrong_length_is_not_a_table(table):
    with pytest.raises(ValueError, match="2 cells for 3 columns"):
        m.Table(
            "t", "1", "t", "", table.columns,
            (m.Block((m.Row("short", (m.Cell(), m.Cell())),)),), (),
        )  # fmt: skip


def test_headings_span_neighbours_of_one_group_only(table):
    assert table.groups == [("First", 0, 1), ("Second", 2, 2)]


def test_latex_has_three_rules_aligned_points_and_escaped_text(table):
    text = fragment(table)
    for command in (r"\toprule", r"\bottomrule", r"\begin{threeparttable}"):
        assert text.count(command) == 1
    assert text.count(r"\midrule") == 2
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}" in text
    assert r"Policy \& effect & -0.011^{**} &  & 12.500^{***} \\" in text
    assert " & (0.013) &  & (0.013) " in text
    assert r"\multicolumn{1}{c}{1,584}" in text
    assert r"A title with 100\% of it" in text
    assert r"real\_\allowbreak{}gdp = city\_\allowbreak{}growth." in text
    assert r"\input{table_x.tex}" in standalone(table)
    assert escape("p < 0.1 ** x|y") == r"p $<$ 0.1 $^{**}$ x$|$y"


def test_csv_has_plain_numbers_in_full_precision_and_no_parentheses(table):
    rows = list(csv.DictReader(io.StringIO(delimited(table))))
    assert [r["statistic"] for r in rows] == ["estimate", "std_error", "value"]
    assert float(rows[0]["a"]) == -0.0107 and rows[0]["b"] == ""
    assert float(rows[1]["a"]) == 0.0133
    assert rows[1]["row"] == "sydid" and rows[1]["label"] == "Policy & effect"
    assert rows[2]["a"] == "1584"
    assert float(rows[2]["c"]) == 0.0001
    assert "(" not in delimited(table)


def test_markdown_is_one_pipe_table_with_points_below_each_other(table):
    lines = markdown(table).split("\n")
    body = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in body}) == 1
    assert len({len(line) for line in body}) == 1
    top, below = (next(x for x in body if part in x) for part in ("0.011", "(0.013)"))
    assert top.index(".") == below.index(".")
    assert "First: (1)" in body[0]
    assert lines[0] == "**Table X. A title with 100% of it**"


def test_html_stands_alone_and_keeps_every_number(table):
    page = render(table, ("html",))["table_x.html"].decode()
    assert page.lstrip().startswith("<!DOCTYPE html>") and '<html lang="en"' in page
    for text in (">" + MINUS + "0</b>", ">.011**</i>", "Policy &amp; effect", "1,584"):
        assert text in page
    assert "http://" not in page and "https://" not in page


def test_word_has_a_real_table_with_rules_and_repeated_header_rows(table):
    from docx import Document
    from docx.oxml.ns import qn

    document = Document(io.BytesIO(render(table, ("docx",))["table_x.docx"]))
    (grid,) = document.tables
    texts = [[cell.text.strip() for cell in row.cells] for row in grid.rows]
    assert texts[1] == ["", "(1)", "(2)", "(3)"]
    assert texts[2][0] == "Panel A"
    assert texts[3] == ["Policy & effect", MINUS + "0.011**", "", "12.500***"]
    assert texts[4][1:] == ["(0.013)", "", "(0.013)"]
    repeated = [
        row._tr.trPr is not None and row._tr.trPr.find(qn("w:tblHeader")) is not None
        for row in grid.rows
    ]
    assert repeated == [True, True, False, False, False, False]
    edges = {
        (place, edge.tag.split("}")[1]): int(edge.get(qn("w:sz")))
        for place, row in enumerate(grid.rows)
        for cell in row.cells
        for edge in cell._tc.tcPr.iter(qn("w:top"), qn("w:bottom"))
    }
    assert edges[0, "top"] == edges[5, "bottom"] > edges[1, "bottom"] > 0
    assert "Notes:" in document.paragraphs[-1].text


def test_numbers_of_a_word_column_take_the_same_room(table):
    from citypanel.outputs.tables.word import _measure, _space

    widths = {" ": 0, "\u2002": 500, "\u2004": 333, "\u2005": 250, "\u200a": 100}

    def room(text):
        return sum(widths[c] if c in widths else _measure(c) for c in text)

    padded = [row[0] for row in table.aligned(_measure, _space)[:2]]
    before = [room(text.split(".")[0]) for text in padded]
    after = [room(text.split(".")[1]) for text in padded]
    # A hundredth of a millimetre at ten points is 3 thousandths of an em.
    assert max(before) - min(before) < 120 and max(after) - min(after) < 120


def test_the_same_table_gives_the_same_bytes(table):
    first, second = render(table), render(table)
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first["table_x.docx"])) as archive:
        assert {i.date_time[0] for i in archive.infolist()} == {2000}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("the paper prints 630 in every column; here 16 cities enter this one with 128 "
         "observations", "原文各列均为 630；本文该列为 16 个城市、128 个观测"),
        ("printed estimate over parenthesised value is -0.48, printed stars: none; 10 "
         "per cent takes 1.645",
         f"估计值除以括号内数值为 {MINUS}0.48，论文所标星号：无；10% 水平需 1.645"),
        ("printed *, implied no star", "论文为 *，应为 无星号"),
        ("a sentence of no known form, -1", f"a sentence of no known form, {MINUS}1"),
    ],
)  # fmt: skip
def test_sentences_of_the_marts_are_put_into_chinese(english, chinese):
    assert in_chinese(english) == chinese
    signed = english.replace("-0.48", MINUS + "0.48").replace(", -1", f", {MINUS}1")
    assert typeset(english) == signed


def _marts():
    """Two columns of Table 3 in a study of one variant."""
    rows = [
        ("(1)", "sydid", -0.5, 0.25, 0.04, 40, 5, None),
        ("(2)", "sydid", 0.75, 0.5, 0.2, 40, 5, None),
        ("(2)", "eco", 1.0, 0.5, 0.06, 40, 5, "after treatment: a note"),
        ("(2)", "tra", None, None, None, None, None,
         "dropped from the regression: no data in 2012"),
    ]  # fmt: skip
    regressions = pd.DataFrame(
        rows,
        columns=["paper_column", "term", "estimate", "std_error", "p_value", "n_obs",
                 "n_cities", "note"],
    ).assign(
        paper_table="3", variant="headline", n_treated_cities=2, r2_within=0.25,
        assumed_share=0.5, conf_low=-1.0, conf_high=0.0,
    )  # fmt: skip
    return {
        "rpt_regressions": regressions,
        "dim_study_variants": pd.DataFrame(
            {
                "variant": ["headline"], "variant_order": [1], "outcome": ["tfpch"],
                "standard_errors": ["full"], "study_sample": ["nbs_70"],
                "treated_batches": ["1, 2"], "last_year": [2019],
                "policy": ["pilot_zones"],
            }
        ),
        "rpt_sample": pd.DataFrame(
            {
                "is_in_sample": [True] * 5 + [False],
                "cohort": [2015, 2016, 0, 0, 0, 2016],
            }
        ),
        "dim_variables": pd.DataFrame(
            {
                "variable": ["sydid", "eco", "tra"],
                "label_en": ["Exposure", "Development", "Trade"],
                "label_zh": ["政策效应", "经济发展", "对外贸易"],
            }
        ),
        "fct_tfp_changes": pd.DataFrame({"year": [2012, 2019], "tfpch": [1.0, 1.1]}),
    }  # fmt: skip


def test_notes_are_read_from_the_data():
    notes = " ".join(tables.table_3(_marts(), Style()).notes)
    assert "5 cities, 2 of them treated (batches 1, 2" in notes
    assert "city effects counted as parameters" in notes
    assert "among the 70" in notes
    assert "2012 to 2019" in notes
    assert "tra: dropped from the regression: no data in 2012." in notes
    assert "p < 0.1" not in notes
    marked = tables.table_3(_marts(), Style(stars=True))
    assert any("p < 0.1" in note for note in marked.notes)
    assert marked.blocks[0].rows[0].cells[0].text == MINUS + "0.500**"


def test_rows_without_any_value_below_them_are_left_out():
    rows = tables.table_3(_marts(), Style()).blocks[0].rows
    labels = [row.label for row in rows]
    place = labels.index("Trade (tra)")
    assert [cell.text for cell in rows[place].cells] == ["", m.NO_VALUE]
    assert rows[place + 1].label == "Observations"


def test_the_foot_of_a_table_says_effects_clusters_outcome_and_sample():
    marts = _marts()
    marts["rpt_regressions"] = marts["rpt_regressions"].assign(outcome_mean=0.95)
    foot = {
        row.key: [cell.text for cell in row.cells]
        for row in tables.table_3(marts, Style()).blocks[0].rows
    }
    assert foot["n_cities"] == ["5", "5"] and foot["outcome_mean"] == ["0.950"] * 2
    assert foot["effects"] == ["Yes", "Yes"] and foot["controls"] == ["No", "Yes"]
    assert foot["sample"] == ["All", "All"]
    short = tables.table_3(_marts(), Style()).blocks[0].rows
    assert [r.cells[0].text for r in short if r.key == "outcome_mean"] == [m.NO_VALUE]


def test_a_table_of_another_policy_names_it_and_nothing_of_the_paper():
    marts = _marts()
    marts["dim_study_variants"] = marts["dim_study_variants"].assign(policy="ports")
    table = tables.table_3(marts, Style())
    assert table.heading.endswith("Effect of the policy “ports” on productivity growth")
    said = " ".join([table.heading, *table.notes])
    assert "pilot" not in said and "paper" not in said.replace("paper_like", "")
    with pytest.raises(OutputError, match="studies the policy ports"):
        tables.table_a3(marts, Style())


def test_a_column_of_a_document_is_as_wide_as_its_longest_word():
    from citypanel.outputs.tables.word import _column_widths, _room

    columns = tuple(
        m.Column(f"c{k}", "Heterogeneity\nunconditional", "") for k in range(4)
    )
    cells = tuple(m.number(0.1) for _ in columns)
    block = m.Block((m.Row("x" * 200, cells),))
    table = m.Table("t", "1", "T", "", columns, (block,), ())
    em = 10 * 12700
    line = int(60 * em)
    widths = _column_widths(table, line, 10)
    assert sum(widths) <= line
    assert all(w >= _room("unconditional") * em for w in widths[1:])


def test_labels_are_chinese_where_asked_for():
    table = tables.table_3(_marts(), Style(language="zh"))
    assert table.blocks[0].rows[0].label == "政策效应（sydid）"
    assert table.heading.startswith("表 3")
    files = render(table)
    assert all("_zh" in name for name in files)
    assert files["table_3_zh.csv"].startswith(b"\xef\xbb\xbf")
    assert r"\setCJKmainfont" in files["table_3_zh_standalone.tex"].decode()
