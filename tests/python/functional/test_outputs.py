"""Tables and figures of a real build: complete, true to the marts, and readable."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from citypanel.cli import main
from citypanel.outputs import figures, tables
from citypanel.outputs.facts.gather import NEEDED, WANTED
from citypanel.outputs.figures import FIGURES, panels
from citypanel.outputs.marts import Marts
from citypanel.outputs.style import Style
from citypanel.outputs.tables import TABLES
from citypanel.quality import report as quality_report
from citypanel.words import in_chinese

MINUS = "\u2212"


@pytest.fixture(scope="module")
def marts(built):
    with Marts(built.published) as frames:
        yield frames


@pytest.fixture(scope="module")
def made(marts):
    return {maker.name: maker.make(marts, Style()) for maker in TABLES}


def values(table) -> dict[tuple[str, str, str, str], float]:
    """The CSV of a table by block, row, statistic and column."""
    from citypanel.outputs.tables.text import delimited

    out = {}
    for row in csv.DictReader(io.StringIO(delimited(table))):
        keys = row.pop("block"), row.pop("row"), row.pop("statistic")
        row.pop("label")
        for column, text in row.items():
            if text:
                out[(*keys, column)] = text
    return out


def test_every_output_has_an_exposure_of_the_marts_it_needs(project):
    text = (project / "models/marts/_exposures.yml").read_text()
    exposures = {e["name"]: e for e in yaml.safe_load(text)["exposures"]}
    needed = {
        output.name: {*output.needs, *getattr(output, "wants", ())}
        for output in (*TABLES, *FIGURES)
    }
    needed["study_report"] = {*NEEDED, *WANTED}
    # The options stand in the table of variants.
    read = {name.split(".")[1] for name in quality_report.TABLES.values()}
    needed["quality_report"] = read | {"dim_study_variants"}
    assert list(exposures) == list(needed)
    for name, marts in needed.items():
        depends = " ".join(exposures[name]["depends_on"])
        assert set(re.findall(r"(?:rpt|dim|fct|dq)_\w+", depends)) == marts, name


def test_table_3_has_the_estimates_of_the_mart(built, made):
    frame = built.query("select * from marts.rpt_regressions where paper_table = '3'")
    found = values(made["table_3"])
    n = 0
    for _, row in frame.iterrows():
        column = f"{row['variant']} {row['paper_column']}"
        for statistic in ("estimate", "std_error"):
            text = found.get(("", row["term"], statistic, column))
            if np.isnan(row[statistic]):
                assert text is None
            else:
                n += 1
                assert float(text) == row[statistic]
    assert n > 30
    headline = frame[(frame["variant"] == "headline") & (frame["term"] == "sydid")]
    notes = " ".join(made["table_3"].notes)
    assert f"{headline['n_cities'].iloc[0]} cities" in notes
    assert f"{headline['n_treated_cities'].iloc[0]} of them treated" in notes


def test_intervals_of_the_regressions_are_those_of_their_errors(built):
    from scipy.stats import t

    frame = built.query(
        "select * from marts.rpt_regressions where std_error is not null"
    )
    half = t.ppf(0.975, frame["n_cities"].astype(float) - 1) * frame["std_error"]
    np.testing.assert_allclose(frame["conf_low"], frame["estimate"] - half, atol=1e-12)
    np.testing.assert_allclose(frame["conf_high"], frame["estimate"] + half, atol=1e-12)


def test_permutation_draws_give_the_p_values_of_the_inference(built):
    frame = built.query(
        """
        select
            draws.paper_column,
            avg(cast(abs(draws.statistic) >= abs(own.statistic) * (1 - 1e-10) as int))
                as share,
            any_value(inference.p_value_randomisation) as p_value,
            any_value(own.statistic) as t,
            any_value(inference.estimate / inference.std_error) as t_inference,
        from marts.rpt_randomisation as draws
        inner join marts.rpt_randomisation as own
            on draws.paper_column = own.paper_column and own.is_sample
        inner join marts.rpt_inference as inference
            on
                draws.paper_table = inference.paper_table
                and draws.paper_column = inference.paper_column
        group by draws.paper_column
        """
    )
    assert len(frame) == 2
    np.testing.assert_allclose(frame["share"], frame["p_value"], atol=1e-12)
    np.testing.assert_allclose(frame["t"], frame["t_inference"], rtol=1e-9)


def test_trajectories_chain_the_means_and_multiply_to_productivity(built):
    frame = built.query("select * from marts.rpt_tfp_trajectories")
    product = frame["effch_level_idx"] * frame["techch_level_idx"]
    np.testing.assert_allclose(frame["tfp_level_idx"], product, rtol=1e-9)
    last = built.query(
        "select exp(sum(mean_log)) as level from (select year, avg(ln(tfpch)) as "
        "mean_log from marts.fct_tfp_changes group by year)"
    )["level"].item()
    everyone = frame[frame["dimension"] == "all"].sort_values("year")
    assert everyone["tfp_level_idx"].iloc[-1] == pytest.approx(last, rel=1e-9)
    assert everyone["tfp_level_idx"].iloc[0] == 1.0
    regions = frame[frame["dimension"] == "region"].groupby("year")["n_cities"].sum()
    np.testing.assert_array_equal(
        regions[1:], everyone.set_index("year")["n_cities"][1:]
    )


def test_the_frontier_drawn_gives_the_distances_of_the_mart(marts):
    data = panels.frontier_data(marts)
    for _, part in data.groupby("year"):
        on = part[part["is_on_frontier"].astype(bool)]
        line = panels.isoquant(
            on[["capital_output", "labour_output"]].to_numpy(float),
            top=1e3,
            right=1e3,
        )
        # Along the ray of a city: where it meets the line, over where the city is.
        for _, city in part.iterrows():
            x, y = city["capital_output"], city["labour_output"]
            scale = line / np.array([x, y])
            side = scale[:, 0] - scale[:, 1]
            at = int(np.flatnonzero(np.diff(np.sign(side)) != 0)[0])
            share = side[at] / (side[at] - side[at + 1])
            crossing = scale[at] + share * (scale[at + 1] - scale[at])
            assert crossing.mean() == pytest.approx(city["distance_crs"], abs=1e-6)


def test_every_sentence_of_the_tables_is_in_chinese(marts):
    """No English is left but names, options and formulas."""
    for name, columns in [
        ("rpt_published_comparison", ["reason"]),
        ("rpt_published_audit", ["check_name", "quantity", "rule", "verdict"]),
        ("rpt_regressions", ["note"]),
    ]:
        for column in columns:
            for text in marts[name][column].dropna().unique():
                said = in_chinese(text)
                formula = not re.search(r"[a-z]{3,} [a-z]{2,} ", text)
                assert re.search(r"[\u4e00-\u9fff]", said) or formula, text


def test_no_label_of_an_estimator_or_check_is_missing(made):
    for name in ("table_a1", "table_a6"):
        labels = [row.label for block in made[name].blocks for row in block.rows]
        assert labels and not any("_" in label for label in labels)
    assert made["table_a1"].title == "The effect under nine estimators"


def test_the_audit_counts_its_disagreements(built, made):
    n = built.query(
        "select count(*) as n, count(*) filter (where disagrees) as bad "
        "from marts.rpt_published_audit"
    ).iloc[0]
    rows = sum(len(block.rows) for block in made["table_a4"].blocks)
    assert rows == n["n"]
    assert f"{n['n']} comparisons, {n['bad']} of which" in made["table_a4"].notes[0]


def test_a_build_without_credibility_still_gives_its_own_outputs(
    built, tmp_path, capsys
):
    code = main(
        ["tables", "--database", str(built.published), "--output", str(tmp_path),
         "--format", "md", "-q"]
    )  # fmt: skip
    assert code == 0
    names = {path.stem for path in tmp_path.iterdir()}
    assert {"table_2", "table_3", "table_4", "table_5", "table_a3"} <= names
    said = capsys.readouterr().err
    present = set(Marts(built.published))
    for maker in TABLES:
        if not set(maker.needs) <= present:
            assert f"{maker.name} needs marts" in said
        else:
            assert maker.name in names


def test_every_figure_has_its_data_and_words(marts):
    for maker in FIGURES:
        files = figures.render(maker, marts, Style(), ("csv", "md"))
        text = files[f"{maker.name}.csv"].decode()
        assert text.count("\n") > 8
        caption = files[f"{maker.name}.md"].decode()
        assert caption.startswith(f"**Figure {maker.number}. ")
        assert "nan" not in caption and "None" not in caption.replace("None of", "")


# ---------------------------------------------------------------- with other programs


def _run(*command: str, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )


def _needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")


@pytest.fixture(scope="module")
def written(built, tmp_path_factory):
    """Every table in both languages, with stars and with intervals too."""
    folder = tmp_path_factory.mktemp("tables")
    for extra, place in [
        ([], "plain"), (["--stars"], "stars"), (["--intervals"], "intervals")
    ]:  # fmt: skip
        for language in ("en", "zh"):
            code = main(
                ["tables", "--database", str(built.published), "--language",
                 language, "--output", str(folder / place), "-q", *extra]
            )  # fmt: skip
            assert code == 0
    return folder


def _headline(built):
    """Estimate and standard error of the headline as a table prints them."""
    row = built.query(
        "from marts.rpt_regressions where paper_table = '3' and paper_column = '(1)'"
        " and variant = 'headline' and term = 'sydid'"
    ).iloc[0]
    estimate = f"{row['estimate']:.3f}".replace("-", MINUS)
    return estimate, f"({row['std_error']:.3f})"


PAGES = {"table_a3": (4, 7), "table_a4": (4, 7)}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_latex_compiles_on_one_page_and_within_the_margins(built, written, language):
    _needs("xelatex", "pdfinfo", "pdftotext")
    suffix = "" if language == "en" else "_zh"
    for place in ("plain", "stars", "intervals"):
        folder = written / place
        chosen = TABLES if place == "plain" else TABLES[1:5]
        for maker in chosen:
            stem = f"{maker.name}{suffix}_standalone"
            # A long table needs a second run for its widths.
            for _ in range(2 if maker.name in PAGES else 1):
                result = _run(
                    "xelatex", "-interaction=nonstopmode", "-halt-on-error",
                    f"{stem}.tex", cwd=folder,
                )  # fmt: skip
                assert result.returncode == 0, result.stdout[-2000:]
            assert "Missing character" not in result.stdout
            wide = [
                float(w) for w in re.findall(r"\(([\d.]+)pt too wide", result.stdout)
            ]
            assert max(wide, default=0) < 3, (stem, wide)
            info = _run("pdfinfo", f"{stem}.pdf", cwd=folder).stdout
            pages = int(re.search(r"Pages:\s+(\d+)", info)[1])
            low, high = PAGES.get(maker.name, (1, 1))
            assert low <= pages <= high, (stem, pages)
            text = _run("pdftotext", "-layout", f"{stem}.pdf", "-", cwd=folder).stdout
            number = maker.name.removeprefix("table_").upper()
            lead = "表" if language == "zh" else "Table"
            assert re.search(rf"{lead}\s*{number}\b", text), stem
            if maker.name == "table_3":
                estimate, error = _headline(built)
                assert estimate in text
                assert (error in text) is (place != "intervals")


@pytest.mark.slow
def test_word_documents_become_pages_with_their_numbers(built, written):
    _needs("soffice", "pdfinfo", "pdftotext")
    folder = written / "plain"
    documents = sorted(path.name for path in folder.glob("*.docx"))
    assert len(documents) == 2 * len(TABLES)
    result = _run(
        "soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless",
        "--convert-to", "pdf", "--outdir", "word", *documents, cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    for name in documents:
        path = folder / "word" / name.replace(".docx", ".pdf")
        info = _run("pdfinfo", str(path), cwd=folder).stdout
        pages = int(re.search(r"Pages:\s+(\d+)", info)[1])
        long = name.startswith(("table_a3", "table_a4"))
        assert (3 <= pages <= 8) if long else pages == 1, (name, pages)
        text = _run("pdftotext", "-layout", str(path), "-", cwd=folder).stdout
        assert "Notes:" in text or "注" in text
        if name == "table_3.docx":
            assert all(number in text for number in _headline(built))


@pytest.mark.slow
def test_outputs_are_the_same_bytes_in_another_process(built, written, tmp_path):
    for command, folder in (("tables", written / "plain"), ("figures", None)):
        folders = [tmp_path / command / "a", tmp_path / command / "b"]
        for place in folders:
            result = _run(
                sys.executable, "-m", "citypanel.cli", command, "--database",
                str(built.published), "--output", str(place), "-q",
                cwd=tmp_path,
            )  # fmt: skip
            assert result.returncode == 0 and result.stdout + result.stderr == ""
        first, second = (
            {path.name: path.read_bytes() for path in place.iterdir()}
            for place in folders
        )
        count = 6 * len(TABLES) if command == "tables" else 5 * len(FIGURES)
        assert first == second and len(first) == count
        if folder is not None:
            assert all((folder / n).read_bytes() == c for n, c in first.items())


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_figures_are_drawn_with_every_letter(built, tmp_path, language, recwarn):
    if language == "zh" and figures.panels.s.chinese_font() is None:
        pytest.skip("no font with Chinese characters is on this machine")
    code = main(
        ["figures", "--database", str(built.published), "--language", language,
         "--output", str(tmp_path), "-q", "--overlay"]
    )  # fmt: skip
    assert code == 0
    assert not [w for w in recwarn if "missing from font" in str(w.message)]
    assert len(list(tmp_path.glob("*.pdf"))) == len(FIGURES)
    for path in tmp_path.glob("*.svg"):
        assert "<image" not in path.read_text() or "figure_10" in path.name


def test_a_table_is_rendered_in_all_formats(made):
    files = tables.render(made["table_2"])
    assert len(files) == 6


def test_what_figures_read_of_their_own_is_what_the_facts_say(marts):
    facts = marts.facts
    base = facts.headline
    bacon = marts["rpt_bacon"]
    total = bacon.loc[bacon["outcome"] == facts.outcome, "twfe_estimate"]
    assert total.iloc[0] == pytest.approx(base.effect.estimate, abs=1e-9)
    events = marts["rpt_event_study"]
    own = events[
        (events["variant"] == "headline")
        & (events["outcome"] == facts.outcome)
        & (events["estimator"] == "twfe")
    ]
    assert set(own["n_obs"]) == {base.n_obs}
    assert set(own["n_cities"]) == {base.n_units} == {facts.sample.n_cities}
    paths = marts["rpt_tfp_trajectories"].query("dimension == 'role'")
    counts = paths.groupby("member")["n_cities"].max()
    assert counts["treated"] == facts.sample.n_treated == base.n_treated
    assert counts["control"] == facts.sample.n_control
    changes = facts.sample.changes
    assert len(changes) == facts.sample.n_treated
