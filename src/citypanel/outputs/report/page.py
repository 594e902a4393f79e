"""The study report: read the published file, choose, draw, write one page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd
from markupsafe import Markup

from citypanel.errors import PublicationError, describe
from citypanel.outputs import words as w
from citypanel.outputs.report import charts, sentences
from citypanel.outputs.report.facts import (
    LEVEL,
    NEEDED,
    PUBLISHED,
    WANTED,
    Facts,
    Frames,
    gather,
)
from citypanel.outputs.sentences import sentence as translated
from citypanel.pages import render, write_page
from citypanel.study.declaration import declared
from citypanel.warehouse.preflight import open_published

TEMPLATES = Path(__file__).with_name("templates")
CHANGES = {
    "conclusion": ("changes the conclusion", "结论改变"),
    "sign": ("changes the sign", "符号改变"),
    "size": ("a standard error away", "相差一个标准误"),
    "same": ("", ""),
    "": ("", ""),
}
P_VALUES = {
    "cluster": ("Clustered by city", "按城市聚类"),
    "cr2": ("Bias-reduced (CR2)", "偏差修正（CR2）"),
    "cv3": ("Jackknife (CV3)", "刀切法（CV3）"),
    "wild": ("Wild cluster bootstrap", "Wild 聚类自助法"),
    "randomisation": ("Randomisation", "随机化推断"),
    "romano_wolf": ("Romano–Wolf, over the table", "Romano–Wolf 多重检验"),
}
AUDIT_CHECKS = {
    "stars": ("Stars against the numbers in parentheses", "星号与括号内数值"),
    "observations": ("Number of observations", "观测数"),
    "largest possible spread": ("Spread against extremes, mean", "离散程度与最值"),
    "reading of the parentheses": ("What the parentheses could be", "括号内数值的含义"),
    "controls defined in the text": ("Controls of the text", "正文所列控制变量"),
    "log base": ("Base of the logarithms", "对数的底"),
    "variance of a 0/1 variable": ("Variance of the 0/1 policy", "政策变量的方差"),
    "growth against amounts": ("Growth rates against amounts", "增长率与金额"),
    "treated share": ("Share of treated city-years", "处理组占比"),
    "exports and imports add up": ("Exports and imports add up", "进出口之和"),
}  # fmt: skip
# Why a city is left out, by how rpt_sample begins to say it.
REASONS = {
    "the yearbook table has no row of this city": "年鉴数据表中没有该城市",
    "excluded_cities": "excluded_cities 选项剔除：",
    "no ": "缺少：",
    "not among the 70 cities of the NBS": "不在国家统计局 70 个大中城市之列",
}

def study_report(warehouse: Path, *, folder: Path) -> Path:
    """Write index.html of the published file to `folder`; return its path.

    Raises
    ------
    WarehouseError
        When there is no published file or it cannot be read.
    PublicationError
        When it lacks a table without which there is no report, or the page cannot be
        written; an earlier page stays.
    """
    return write_page(folder / "index.html", study_page(read_frames(warehouse)))


def read_frames(warehouse: Path) -> dict[str, pd.DataFrame]:
    """The tables of the report; those it can do without only where they are there."""
    with open_published(warehouse) as connection:
        there = {
            name
            for (name,) in connection.execute(
                "select schema_name || '.' || table_name from duckdb_tables()"
            ).fetchall()
        }
        missing = [name for name in NEEDED.values() if name not in there]
        if missing:
            raise PublicationError(
                describe(
                    f"The published warehouse {warehouse.name} lacks tables",
                    missing,
                    consequence="the study report was not written; an earlier one "
                    "stands as it was",
                    remedy="run make build, which publishes them",
                )
            )
        return {
            name: _read(connection, table)
            for name, table in (NEEDED | WANTED).items()
            if table in there
        }


def _read(connection: duckdb.DuckDBPyConnection, table: str) -> pd.DataFrame:
    return connection.sql(f"select * from {table} order by all").df()


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
    lines = charts.lines(frames.get("rpt_tfp_trajectories"), facts.cities)
    return render(
        "study.html.j2",
        folder=TEMPLATES,
        facts=facts,
        verdict=sentences.verdict(facts),
        data=sentences.data(facts),
        uncertainty=sentences.uncertainty(facts),
        pretrend=sentences.pretrend(facts),
        changes=sentences.what_changes(facts),
        still=sentences.what_does_not(facts),
        regions=sentences.regions(facts),
        curve_sentences=sentences.specifications(facts),
        audit=sentences.audit(facts),
        intervals=charts.intervals(facts),
        events=charts.event_studies(
            frames.get("rpt_event_study"), facts.outcome, frames.get("rpt_att")
        ),
        curve=charts.curve(facts),
        lines=lines,
        tiles=charts.tile_map(facts),
        coverage=_coverage(facts),
        city_data=embedded(_city_data(facts, lines)),
        command=command_of(facts.options),
        outcome=w.OUTCOMES.get(facts.outcome, (facts.outcome,) * 2),
        level=LEVEL,
        outcomes=w.OUTCOMES | w.SHORT_OUTCOMES,
        estimators=w.SHORT_ESTIMATORS,
        change_words=CHANGES,
        p_names=P_VALUES,
        audit_names=AUDIT_CHECKS,
        why=_reason,
        zh=lambda text: translated(text, "zh"),
        en=lambda text: translated(text, "en"),
        fixed=sentences.fixed,
        p_text=sentences.p_text,
        shown=sentences.shown,
    )


def _reason(text: str) -> tuple[str, str]:
    """Why a city is not in the sample, from rpt_sample, in both languages."""
    en = text.removeprefix("out: ")
    for start, zh in REASONS.items():
        if en.startswith(start):
            return en, zh + en[len(start) :]
    return en, en


def embedded(value: object) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True,
                      separators=(",", ":"))  # fmt: skip
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def command_of(options: Mapping[str, str]) -> str:
    """The dbt command that builds the headline with these options, none left out."""
    parts, known = [], declared().options
    for name, value in options.items():
        match known[name].kind if name in known else "choice":
            case "batches" | "groups":
                text = f"[{value}]"
            case "switch":
                text = value.lower()
            case "whole" | "share":
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
                "n": total,
                "bar": [(k, 100 * n / total) for k, n in kinds.items() if n],
                "shares": {k: n / total for k, n in kinds.items()},
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
    base = facts.headline.effect.estimate
    cities = {}
    for city in facts.cities:
        batch = (
            ("no pilot zone up to the last batch", "未设综试区")
            if city.batch is None
            else (f"batch {city.batch}", f"第 {city.batch} 批")
        )
        if not facts.is_paper_policy:
            treated, never = ("treated", "处理组"), ("never treated", "未处理")
            batch = treated if city.cohort else never
        role = (
            (f"treated from {city.cohort}", f"{city.cohort} 年起受处理")
            if city.cohort
            else ("control", "对照组")
        )
        if not city.is_in:
            role = ("not in the sample", "不在样本中")
        told = []
        if city.growth == city.growth:
            told.append(
                (
                    f"mean log growth of TFP {sentences.fixed(city.growth)} a year",
                    f"全要素生产率年均对数增长 {sentences.fixed(city.growth)}",
                )
            )
        if city.without == city.without:
            told.append(
                (
                    f"headline without it {sentences.fixed(city.without)} "
                    f"(with it {sentences.fixed(base)})",
                    f"剔除后基准估计为 {sentences.fixed(city.without)}"
                    f"（包含时 {sentences.fixed(base)}）",
                )
            )
        # A municipality is its own province.
        places = [
            () if name == province else (province,)
            for name, province in zip(city.name, city.province, strict=True)
        ]
        cities[city.city_id] = {
            "name": city.name,
            "text": [
                comma.join((*places[k], batch[k], role[k], *(t[k] for t in told))) + end
                for k, (comma, end) in enumerate(((", ", "."), ("，", "。")))
            ],
            "path": _path(city, lines),
        }
    return {"cities": cities, "scale": lines.scale if lines else None}
