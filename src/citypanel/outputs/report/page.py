"""The study report: read the published file, choose, draw, write one page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citypanel.outputs.facts import (
    LEVEL,
    PUBLISHED,
    Facts,
    Frames,
    gather,
    read_frames,
    with_curve,
)
from citypanel.outputs.report import charts, sentences
from citypanel.pages import embedded, render, write_page
from citypanel.study.declaration import declared
from citypanel.words import LABELS, Catalogue, Words, in_chinese, typeset
from citypanel.words.numbers import NOTHING, fixed, p_cell, p_text

TEMPLATES = Path(__file__).with_name("templates")


def study_report(warehouse: Path, *, folder: Path, curve: Path | None = None) -> Path:
    """Write index.html of the published file to `folder`; return its path.

    Parameters
    ----------
    warehouse, folder : Path
    curve : Path, optional
        Where `citypanel specifications` writes; what it computed of this file gives the
        range over all choices. Beside `folder` where it is not given.

    Raises
    ------
    WarehouseError
        When there is no published file or it cannot be read.
    PublicationError
        When it lacks a table without which there is no report, or the page cannot be
        written; an earlier page stays.
    """
    curve = curve or folder.with_name("specifications")
    frames = with_curve(read_frames(warehouse), curve)
    return write_page(folder / "index.html", study_page(frames))


def study_page(frames: Frames) -> str:
    """Compose the page. The same tables give the same bytes; all text is escaped.

    Parameters
    ----------
    frames : mapping
        As `citypanel.outputs.report.facts.gather`.

    Returns
    -------
    str
    """
    facts = gather(frames)
    fields = sentences.Speaker(facts).fields
    said: dict[str, Any] = {k: part(facts) for k, part in sentences.PARTS.items()}
    lines = charts.lines(frames.get("rpt_tfp_trajectories"), facts.cities)
    return render(
        "study.html.j2",
        folder=TEMPLATES,
        facts=facts,
        verdict=sentences.verdict(facts),
        **said,
        unit=fields["unit"],
        units=fields["units"],
        intervals=charts.intervals(facts),
        events=charts.event_studies(
            frames.get("rpt_event_study"),
            facts.outcome,
            frames.get("rpt_att"),
            facts.trend_lines,
        ),
        curve=charts.curve(facts),
        lines=lines,
        tiles=charts.tile_map(facts),
        coverage=_coverage(facts),
        city_data=embedded(_city_data(facts, lines)),
        command=command_of(facts.options),
        outcome=LABELS.label("outcomes", facts.outcome),
        level=LEVEL,
        outcomes=LABELS.of("outcomes") | LABELS.of("short_outcomes"),
        estimators=LABELS.of("short_estimators"),
        change_words=sentences.SAID.of("changes_in_words"),
        p_names=sentences.SAID.of("p_values"),
        audit_names=sentences.SAID.of("audit_checks"),
        why=_reason,
        zh=in_chinese,
        en=typeset,
        fixed=fixed,
        interval=_interval,
        p_text=p_text,
        p_cell=p_cell,
        shown=str,
        page=Catalogue("study_page"),
        words_of=lambda pair: Words(*pair),
    )


def _interval(low: object, high: object) -> str:
    """Both ends; one dash where there is neither."""
    ends = [fixed(low), fixed(high)]
    return ", ".join(ends) if ends != [NOTHING] * 2 else NOTHING


def _reason(text: str) -> Words:
    """Why a city is not in the sample, from rpt_sample, in both languages."""
    en = text.removeprefix("out: ")
    return Words(en, in_chinese(en))


def command_of(options: Mapping[str, str]) -> str:
    """The dbt command that builds the headline with these options, none left out."""
    parts, known = [], declared().options
    for name, value in options.items():
        match known[name].kind if name in known else "choice":
            case "batches" | "groups":
                text = f"[{value}]"
            case "switch":
                text = value.lower()
            case "whole" | "year" | "share":
                text = value
            case _:
                text = json.dumps(value, ensure_ascii=False)
        parts.append(f"{name}: {text}")
    return "dbt build --vars '{" + ", ".join(parts) + "}'"


def _coverage(facts: Facts) -> list[dict]:
    """Years with the shares of their cells by kind, in per cent."""
    rows = []
    for year, counts in facts.data.by_year:
        total = sum(counts.values())
        published = sum(counts.get(k, 0) for k in PUBLISHED)
        missing = counts.get("missing", 0)
        kinds = {
            "published": published,
            "filled": total - published - missing,
            "missing": missing,
        }
        rows.append(
            {
                "year": year,
                "bar": [(k, 100 * n / total) for k, n in kinds.items() if n],
                "published": published / total,
            }
        )
    return rows


def _path(city: charts.City, lines: charts.Lines | None) -> list[list[float]]:
    """Years and levels of a city's line, from the 1 before its first index on."""
    path = [[year, round(value, 6)] for year, value in city.levels]
    if path and lines and str(path[0][0] - 1) in {tick.text for tick in lines.years}:
        path.insert(0, [path[0][0] - 1, 1.0])
    return path


def _city_data(facts: Facts, lines: charts.Lines | None) -> dict:
    """What the script shows of a city, and where its line runs."""
    said, base = sentences.Speaker(facts).words, facts.headline.effect.estimate
    cities = {}
    for city in facts.cities:
        # A municipality is its own province.
        place = [
            "" if a == b else b for a, b in zip(city.name, city.province, strict=True)
        ]
        if not facts.has_batches:
            batch = "treated" if city.cohort else "never_treated"
        else:
            batch = "no_batch" if city.batch is None else "batch"
        role = "treated_from" if city.cohort else "control"
        told = [
            said(batch, batch=city.batch),
            said(role if city.is_in else "not_in_sample", cohort=city.cohort),
        ]
        if math.isfinite(city.growth):
            told.append(said("mean_growth", growth=city.growth))
        if math.isfinite(city.without):
            told.append(said("without_city", without=city.without, base=base))
        parts = [Words(*place), *told] if any(place) else told
        cities[city.city_id] = {
            "name": city.name,
            "text": [*said("city_text", parts=parts)],
            "path": _path(city, lines),
        }
    return {"cities": cities, "scale": lines.scale if lines else None}
