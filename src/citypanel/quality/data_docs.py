"""Great Expectations' Data Docs of the published tables, readable without a network."""

from __future__ import annotations

import html
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from citypanel.files import rename
from citypanel.pages import render, write_page
from citypanel.progress import tracked
from citypanel.quality.accepted import read_accepted
from citypanel.quality.expectations import (
    add_batch_definition,
    ephemeral_context,
    expectation_suite,
    load_suites,
    named_parameters,
    suite_parameters,
)
from citypanel.quality.published import read_options, reading

TEMPLATES = Path(__file__).with_name("templates")
BODY = re.compile(r"<body\b[^>]*>(.*)</body>", re.DOTALL)
# What Great Expectations' pages load or run. Our own style and script take its place,
# so that a page needs no network.
FOREIGN = re.compile(
    r"<(script|style|footer)\b.*?</\1>|<link\b[^>]*>|<img\b[^>]*>", re.DOTALL
)


def read_panels(
    warehouse: Path, suites: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], dict[str, str]]:
    """Read from the published file what the suites need.

    Returns
    -------
    panels, references : dict of DataFrame
        The table of each suite, by the suite's name, with the columns that its
        `numbers` lists as numbers; the reference tables that suites name, by their own.
    options : dict
        The options the file was built with.

    Raises
    ------
    PublicationError
        When there is no published file, or it lacks a table.
    """
    with reading(warehouse) as table:
        panels = {
            name: _with_numbers(
                table(suite["meta"]["table"]), suite["meta"].get("numbers", [])
            )
            for name, suite in suites.items()
        }
        names = {
            parameter.partition("__")[0]
            for suite in suites.values()
            for parameter in named_parameters(suite)
            if parameter != "accepted"
        }
        references = {name: table(f"raw.{name}") for name in sorted(names)}
        return panels, references, read_options(table)


def build_data_docs(
    panels: Mapping[str, pd.DataFrame],
    *,
    suites: Mapping[str, Mapping[str, Any]],
    site: Path,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Validate the panels and write Data Docs, one page a suite, in place of the old.

    Parameters
    ----------
    panels, suites : mapping
        Panels and suites by name.
    site : Path
        Folder of the site. It is written beside the old one and takes its place when it
        is whole.
    parameters : mapping, optional
        Values of each suite's {"$PARAMETER": name} arguments, by suite and name.
    say : callable or None
        Gets progress by panels, a line at a time.

    Returns
    -------
    Path
        The site's first page.
    """
    draft = site.with_name(f".{site.name}.{os.getpid()}")
    try:
        results = _write_site(
            panels, suites=suites, site=draft, parameters=parameters or {}, say=say
        )
        make_offline(draft)
        index = render("data_docs.html.j2", folder=TEMPLATES, suites=results)
        write_page(draft / "index.html", index)
        shutil.rmtree(site, ignore_errors=True)
        rename(draft, site)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return site / "index.html"


def make_offline(site: Path) -> None:
    """Put what every page says into our shell; nothing is loaded from elsewhere.

    Great Expectations words its checks in English only, and so is the page.
    """
    from markupsafe import Markup

    for page in sorted(site.rglob("*.html")):
        text = FOREIGN.sub("", page.read_text(encoding="utf-8"))
        body = BODY.search(text)
        place = page.relative_to(site).parts
        # expectations/<suite>.html, validations/<suite>/.../<run>.html
        title = place[1].removesuffix(".html") if len(place) > 1 else "Data Docs"
        shown = render(
            "data_docs_page.html.j2",
            folder=TEMPLATES,
            title=title.replace("_", " ").capitalize(),
            content=Markup(body[1] if body else text),
            languages=("en",),
            root="/".join([".."] * len(place)),
        )
        page.write_text(shown, encoding="utf-8")
    shutil.rmtree(site / "static", ignore_errors=True)


def report(
    warehouse: Path,
    *,
    suites_folder: Path,
    site: Path,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Write the Data Docs of a published warehouse and return their first page.

    `say` gets progress by panels, a line at a time.
    """
    suites = load_suites(suites_folder)
    accepted = read_accepted(suites_folder)
    panels, references, options = read_panels(warehouse, suites)
    parameters = {
        name: suite_parameters(
            suite,
            references=references,
            accepted=accepted,
            # No option touches a seed.
            options=None if suite["meta"]["table"].startswith("raw.") else options,
        )
        for name, suite in suites.items()
    }
    return build_data_docs(
        panels, suites=suites, site=site, parameters=parameters, say=say
    )


def _write_site(
    panels: Mapping[str, pd.DataFrame],
    *,
    suites: Mapping[str, Mapping[str, Any]],
    site: Path,
    parameters: Mapping[str, Mapping[str, Any]],
    say: Callable[[str], None] | None,
) -> list[dict[str, Any]]:
    """Write Great Expectations' pages; what each suite found, for the first page."""
    from great_expectations import Checkpoint, ValidationDefinition

    site.mkdir(parents=True)
    context = ephemeral_context(
        {
            "data_docs": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(site.resolve()),
                },
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        }
    )
    results: list[dict[str, Any]] = []
    for name, panel in tracked(panels.items(), what="tables of Data Docs", say=say):
        suite = context.suites.add(expectation_suite(suites[name]))
        definition = context.validation_definitions.add(
            ValidationDefinition(
                name=name, data=add_batch_definition(context, name), suite=suite
            )
        )
        checkpoint = context.checkpoints.add(
            Checkpoint(
                name=name,
                validation_definitions=[definition],
                result_format={
                    "result_format": "SUMMARY",
                    "unexpected_index_column_names": suites[name]["meta"]["keys"],
                },
            )
        )
        result = checkpoint.run(
            batch_parameters={"dataframe": _escaped(panel)},
            expectation_parameters=dict(parameters.get(name, {})),
        )
        (validated,) = result.run_results.values()
        results.append(
            {
                "name": name,
                "success": validated.success,
                "n": validated.statistics["evaluated_expectations"],
                "held": validated.statistics["successful_expectations"],
            }
        )
    context.build_data_docs()
    for row in results:
        (page,) = (site / "validations" / row["name"]).rglob("*.html")
        row["page"] = page.relative_to(site).as_posix()
    return results


def _with_numbers(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    numbers = {name: pd.to_numeric(frame[name], errors="coerce") for name in columns}
    return frame.assign(**numbers)


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with text safe for pages that print cells as they are.

    Only cells with a bracket change: no other can open a tag, and what a cell is
    compared with must still equal it.
    """

    def escape(cell: Any) -> Any:
        is_tag = isinstance(cell, str) and ("<" in cell or ">" in cell)
        return html.escape(cell) if is_tag else cell

    text = [
        name
        for name in frame.columns
        if pd.api.types.is_string_dtype(frame[name])
        or pd.api.types.is_object_dtype(frame[name])
    ]
    return frame.assign(**{name: frame[name].map(escape) for name in text})
