"""The front page of `outputs/`: the verdict, and the way to every page and file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from citypanel.outputs.facts import gather, read_frames, with_curve
from citypanel.outputs.figures import FIGURES
from citypanel.outputs.report import sentences
from citypanel.outputs.tables import TABLES
from citypanel.pages import render, write_page
from citypanel.words import LANGUAGES, Catalogue, Words, same

TEMPLATES = Path(__file__).with_name("templates")
SAID = Catalogue("front")
# The command that writes each page.
PAGES = {
    "report": "citypanel study",
    "specifications": "citypanel specifications --count 2000",
    "quality": "citypanel report",
    "data_docs": "citypanel report",
    "dbt_docs": "make docs",
}
FORMATS = ("html", "docx", "tex", "pdf", "svg", "png", "csv", "md")


@dataclass(frozen=True)
class Output:
    """A table or figure that was written.

    Attributes
    ----------
    name : str
    heading : Words
        Number and title.
    files : tuple
        Language, format and path, from the front page, of each file.
    seen : Words
        Number, title and what the caption says of the picture.
    pictures : mapping of language to path
        The vector picture in each language that has one; empty for a table.
    """

    name: str
    heading: Words
    files: tuple[tuple[str, str, str], ...]
    seen: Words = field(default_factory=lambda: same(""))
    pictures: Mapping[str, str] = field(default_factory=dict)


def front_page(warehouse: Path, *, outputs: Path) -> Path:
    """Write index.html to `outputs`; return its path.

    Parameters
    ----------
    warehouse : Path
        The published file.
    outputs : Path
        Where the commands wrote; what is not there is named with its command.

    Raises
    ------
    WarehouseError, PublicationError
        As `citypanel.outputs.report.study_report`.
    """
    curve = outputs / "specifications"
    facts = gather(with_curve(read_frames(warehouse), curve))
    page = render(
        "front.html.j2",
        folder=TEMPLATES,
        facts=facts,
        verdict=sentences.verdict(facts),
        pages=[
            (name, SAID(f"pages.{name}.title"), SAID(f"pages.{name}.says"),
             command, (outputs / name / "index.html").is_file())
            for name, command in PAGES.items()
        ],
        tables=_written(outputs, "tables", [maker.name for maker in TABLES]),
        figures=_written(outputs, "figures", [maker.name for maker in FIGURES]),
        said=SAID,
    )  # fmt: skip
    return write_page(outputs / "index.html", page)


def _written(outputs: Path, folder: str, names: list[str]) -> list[Output]:
    """The tables or figures of a folder that are there, in their order."""
    out = []
    for name in names:
        files, headings, captions = [], {}, {}
        for language in LANGUAGES:
            stem = name if language == "en" else f"{name}_{language}"
            for kind in FORMATS:
                path = outputs / folder / f"{stem}.{kind}"
                if path.is_file():
                    files.append((language, kind, f"{folder}/{path.name}"))
                    if kind == "md":
                        headings[language] = _heading(path)
                        captions[language] = _plain(path)
        if files:
            english = headings.get("en") or name
            heading = Words(*(headings.get(o) or english for o in LANGUAGES))
            shown = {language: path for language, kind, path in files if kind == "svg"}
            seen = Words(*(captions.get(o) or heading.said(o) for o in LANGUAGES))
            out.append(Output(name, heading, tuple(files), seen, shown))
    return out


def _plain(path: Path) -> str:
    """A caption in Markdown as one line of text."""
    return " ".join(path.read_text(encoding="utf-8").replace("*", "").split())


def _heading(path: Path) -> str:
    """The first line of a caption or a table in Markdown, without its marks."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.strip("*# ") for line in lines if line.strip()), "")
