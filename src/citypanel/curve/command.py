"""What `citypanel specifications` does with the published file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from citypanel.cluster import check_scheduler
from citypanel.curve.choices import Choices, load_choices
from citypanel.curve.running import Run, execute
from citypanel.curve.specifications import (
    HEADLINE,
    Specification,
    design,
    evaluate,
    headline_values,
)
from citypanel.curve.summary import is_papers_question, published_numbers, summarise
from citypanel.curve.tables import headline_row
from citypanel.errors import OptionError, PublicationError
from citypanel.files import alone_in
from citypanel.progress import Pace
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study
from citypanel.study.sources import SOURCE_TABLES, lacking

OTHER_TABLES = {
    "variants": "marts.dim_study_variants",
    "descriptives": "staging.stg_published__descriptives",
    "regressions": "staging.stg_published__regressions",
}


@dataclass(frozen=True)
class Published:
    """What the published file says about the study and the paper."""

    study: Study
    base: Options
    seed: int
    paper: dict[str, float]


def read_published(warehouse: Path) -> Published:
    """Read what the curve needs from the published file.

    Raises
    ------
    PublicationError
        When there is no such file, or it is one of an earlier version.
    """
    if not warehouse.is_file():
        raise PublicationError.of("curve.no_warehouse", name=warehouse.name)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        needed = [*SOURCE_TABLES.values(), *OTHER_TABLES.values()]
        if missing := lacking(connection, needed):
            raise PublicationError.of(
                "curve.lacks_tables", missing, name=warehouse.name
            )

        def table(name: str) -> pd.DataFrame:
            return connection.sql(f"from {name}").df()

        study = Study(Sources.read(table))
        row = headline_row(table(OTHER_TABLES["variants"]))
        paper = {}
        if is_papers_question(row):
            paper = published_numbers(
                table(OTHER_TABLES["descriptives"]), table(OTHER_TABLES["regressions"])
            )
    return Published(study, Options.of_build(row), int(row["seed"]), paper)


def parse_only(text: str, choices: Choices, base: Options) -> Specification:
    """A specification from `choice=value,...`; `headline` for none moved.

    Raises
    ------
    OptionError
        A choice that is not varied, or a part that is not choice=value. A value that
        does not exist is a row with its reason, as in the curve.
    """
    values = headline_values(choices, base)
    parts = [] if text.strip() == HEADLINE else [p.strip() for p in text.split(",")]
    wrong = [p for p in parts if p.split("=", 1)[0] not in values or "=" not in p]
    if wrong:
        raise OptionError.of(
            "curve.only_takes_choices", wrong, names=list(choices.names)
        )
    for part in parts:
        name, value = part.split("=", 1)
        known = {str(v.value): v.value for v in choices[name].values}
        known.setdefault(str(values[name]), values[name])
        values[name] = known.get(value, value)
    return Specification(values, "asked")


def one(warehouse: Path, text: str) -> list[str]:
    """The lines that `--only` prints: every column of one row that has a value."""
    published = read_published(warehouse)
    choices = load_choices()
    row, _ = evaluate(
        published.study,
        parse_only(text, choices, published.base),
        choices=choices,
        base=published.base,
    )
    width = max(len(name) for name in row)
    return [f"{k:<{width}}  {v}" for k, v in row.items() if v is not None]


def curve(
    warehouse: Path,
    *,
    output: Path,
    count: int,
    permutations: int,
    workers: int,
    dask: str | None,
    resume: bool,
    say: Callable[[str], None],
) -> list[str]:
    """Compute a curve and write its tables, figures and page; return a report.

    Parameters
    ----------
    warehouse, output : Path
        Published file; folder of the results.
    count, permutations, workers, dask, resume
        Of the run; see `citypanel.curve.running.execute`.
    say : callable
        Gets progress, a line at a time.

    Returns
    -------
    list of str
        What was computed, what had no estimate and why, and where the files are.
    """
    for name, value, least in (
        ("--count", count, 1),
        ("--permutations", permutations, 0),
        ("--workers", workers, 1),
    ):
        if value < least:
            raise OptionError.of("curve.too_small", name=name, value=value, least=least)
    if dask is not None:
        check_scheduler(dask)
    choices = load_choices()
    published = read_published(warehouse)
    rows = design(choices, published.base, n=count, seed=published.seed)
    run = Run(
        published.study, rows, choices, published.base, permutations, published.seed
    )
    with alone_in(output, "specifications"):
        table, draws = execute(
            run,
            folder=output / "batches",
            workers=workers,
            dask=dask,
            resume=resume,
            progress=Pace(say, "specifications", resumed=True),
            say=say,
        )
        summary = summarise(
            table,
            draws,
            choices=choices,
            published=published.paper,
            seed=published.seed,
        )
        return write_results(table, summary, warehouse, output)


def write_results(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    warehouse: Path,
    output: Path,
) -> list[str]:
    """Write everything about a curve; return the report's lines.

    Parameters
    ----------
    table, summary : DataFrame
        As `specifications` and `summarise`.
    warehouse : Path
        The file they were computed from, for the facts beside them.
    output : Path
    """
    import shutil

    from citypanel.curve.results import write_tables
    from citypanel.files import write_text
    from citypanel.outputs.facts import gather, read_frames
    from citypanel.outputs.specifications import (
        answer,
        curve_page,
        english,
        specification_page,
        write_figures,
    )
    from citypanel.pages.blocks import as_markdown

    choices = load_choices()
    curve = {"rpt_specifications": table, "rpt_specification_summary": summary}
    facts = gather(read_frames(warehouse) | curve)
    write_tables({"specifications": table, "summary": summary}, output)
    figures = {path.name for path in write_figures(table, choices, facts, output)}
    write_text(output / "curve.html", curve_page(table, choices, facts))
    blocks = answer(table, summary, choices, facts)
    write_text(output / "index.md", as_markdown(english(blocks)))
    page = specification_page(table, summary, choices, facts, figures=figures)
    write_text(output / "index.html", page)
    shutil.rmtree(output / "batches", ignore_errors=True)
    return report(table, output)


def report(table: pd.DataFrame, output: Path) -> list[str]:
    """The run in a few lines, the rows without an estimate by reason."""
    estimated = int(table["estimate"].notna().sum())
    lines = [f"{len(table):,} specifications, {estimated:,} with an estimate."]
    counts = table["reason_kind"].value_counts().sort_index()
    for kind, n in counts.items():
        example = table.loc[table["reason_kind"] == kind, "reason"].iloc[0]
        lines.append(f"  {n:,} without: {kind}, such as: {example}")
    lines.append(f"Read {output / 'index.html'}; the curve is {output / 'curve.html'}.")
    return lines
