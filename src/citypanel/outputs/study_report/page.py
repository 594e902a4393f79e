"""Tables, figures, report page and quality page of a study, written to one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from citypanel.errors import PublicationError
from citypanel.files import write_output
from citypanel.outputs.study_report import sentences
from citypanel.outputs.study_report.facts import StudyFacts, read_facts
from citypanel.outputs.study_report.figures import all_figures, caption
from citypanel.outputs.study_report.tables import all_tables, findings
from citypanel.outputs.tables import FORMATS, Table
from citypanel.outputs.tables import render as render_table
from citypanel.pages import PAGES, render, write_page
from citypanel.warehouse.published import read_record

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = {"en": "", "zh": "_zh"}
# A study that brings its panel has two pages.
LINKS = tuple(page for page in PAGES if page[0].startswith(("report/", "quality/")))


def write_report(warehouse: Path, *, folder: Path) -> list[Path]:
    """Write a published study's tables, figures, report and quality report.

    Parameters
    ----------
    warehouse : Path
        The study's published file.
    folder : Path
        Holds report/index.html, quality/index.html, tables/ and figures/ afterwards.

    Returns
    -------
    list of Path
        The report page first, then the quality page.

    Raises
    ------
    WarehouseError, PublicationError
        There is no such file, or it lacks a table; a file cannot be written.
    """
    facts = read_facts(warehouse)
    tables = {lang: all_tables(facts, lang) for lang in facts.languages}
    figures = {lang: all_figures(facts, lang) for lang in facts.languages}
    try:
        for language in facts.languages:
            for table in tables[language]:
                for name, content in render_table(table, FORMATS, LINKS).items():
                    write_output(folder / "tables" / name, content)
            for name, drawn in figures[language].items():
                for kind, content in drawn.items():
                    file = f"{name}{SUFFIX[language]}.{kind}"
                    write_output(folder / "figures" / file, content)
    except OSError as error:
        raise PublicationError(
            f"{folder} could not be written: {error}\n"
            "Consequence: some of its files are of the last report.\n"
            "Remedy: see that the folder is writable and the disk has room."
        ) from error
    run = read_record(warehouse)
    pages = {
        "report": report_page(facts, tables, figures, run),
        "quality": quality_page(facts),
    }
    return [
        write_page(folder / name / "index.html", text) for name, text in pages.items()
    ]


def report_page(
    facts: StudyFacts,
    tables: Mapping[str, list[Table]],
    figures: Mapping[str, Mapping[str, Mapping[str, bytes]]],
    run: Any = None,
) -> str:
    """The report as HTML; the same facts give the same bytes."""
    groups = {
        language: {
            name: [t for t in made if t.name.startswith(f"table_{name}")]
            for name in (
                "descriptives", "regressions", "estimators", "inference",
                "sensitivity", "published",
            )
        }
        for language, made in tables.items()
    }  # fmt: skip
    drawn = {
        language: {name: _drawing(kinds["svg"]) for name, kinds in made.items()}
        for language, made in figures.items()
    }
    return render(
        "report.html.j2",
        folder=TEMPLATES,
        **_common(facts),
        finding=sentences.finding(facts),
        verdict=sentences.verdict(facts),
        data=sentences.data(facts),
        inference=sentences.inference(facts),
        sensitivity=sentences.sensitivity(facts),
        published=sentences.published(facts),
        quality=sentences.quality(facts),
        tables=groups,
        figures=drawn,
        captions={name: caption(facts, name) for name in drawn[facts.languages[0]]},
        run=run,
    )


def quality_page(facts: StudyFacts) -> str:
    """Every finding about the panel as HTML."""
    return render(
        "quality.html.j2",
        folder=TEMPLATES,
        **_common(facts),
        counts=sentences.quality(facts),
        data=sentences.data(facts),
        tables={lang: findings(facts, lang) for lang in facts.languages},
    )


def _common(facts: StudyFacts) -> dict[str, Any]:
    return {
        "facts": facts,
        "languages": facts.languages,
        "links": LINKS,
        "sections": sentences.SAID.of("sections"),
        "said": sentences.SAID,
    }


def _drawing(svg: bytes) -> Markup:
    """An SVG to stand in a page: matplotlib's own text, without its XML head."""
    text = svg.decode("utf-8")
    return Markup(text[text.index("<svg") :])
