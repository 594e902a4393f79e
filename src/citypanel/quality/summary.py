"""The verdict on a run, and what changed since the accepted one.

The verdict is chosen by rules over the tables of a run, in the order below; other data
give other sentences. A finding counts where its status is open.

1. stop: a critical finding is open, or a critical expectation fails.
2. care: no critical one, but a warning is open or an expectation that is one fails.
3. good: neither.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from citypanel.pages.formats import number, share
from citypanel.quality.accepted import differing_options, read_accepted
from citypanel.quality.profiles import profile
from citypanel.study.declaration import declared

IMPUTED = ("interpolated", "carried", "chained", "assumed")
FINDING_KEYS = (
    "rule", "scope", "city_id", "province_id", "year", "variable", "source",
)  # fmt: skip
COLUMNS = {
    "part": "string",
    "number": "int32",
    "level": "string",
    "topic": "string",
    "text_en": "string",
    "text_zh": "string",
    "rule": "string",
    "severity": "string",
    "city_id": "string",
    "place_en": "string",
    "place_zh": "string",
    "year": "Int32",
    "variable": "string",
    "accepted_value": "string",
    "present_value": "string",
    "table_name": "string",
    "place": "string",
    "n_critical": "Int32",
    "n_warning": "Int32",
    "n_info": "Int32",
    "n_corrected": "Int32",
}
HEADLINE_TABLE = "Table 3"
NAMED_RULES = 3
TOUCH_KINDS = ("critical", "warning", "info", "corrected")
PAPER_TABLE = re.compile(r"(Table \d+) (.+)")
YEARS = re.compile(r"\d{4}(-\d{4})?")
COLUMN_RANGE = re.compile(r"\((\d+)\)-\((\d+)\)")
NUMBERED = re.compile(r"\(\d+\)(-\(\d+\))?")


def summarise(
    *,
    findings: pd.DataFrame,
    rules: pd.DataFrame,
    expectations: pd.DataFrame,
    coverage: pd.DataFrame,
    agreement: pd.DataFrame,
    estimates: pd.DataFrame,
    variables: pd.DataFrame,
    options: Mapping[str, str],
    accepted: Mapping[str, Any] | None,
) -> pd.DataFrame:
    """Judge a run and compare it with the accepted one.

    Parameters
    ----------
    findings, rules, expectations, agreement : DataFrame
        quality.dq_findings, dq_rules, dq_expectation_results, dq_source_agreement.
    coverage : DataFrame
        quality.dq_imputed_shares.
    estimates, variables : DataFrame
        marts.rpt_regressions and marts.dim_variables.
    options : mapping
        Options of the headline.
    accepted : mapping or None
        The accepted run (`accepted.read_accepted`).

    Returns
    -------
    DataFrame
        One row per sentence of the verdict (part verdict), per change (part change) and
        per touched result (part touched, `touched_results`): part, number, level (stop,
        care, good, note; new, gone, changed), topic (verdict, reach, where, coverage,
        agreement, expectations, changes; finding, expectation, coverage, estimate),
        text_en, text_zh, and of a change what it is about and the two values.
    """
    record = run_record(
        findings=findings, expectations=expectations, coverage=coverage,
        estimates=estimates, options=options, profiles={},
    )  # fmt: skip
    names = _place_names(findings)
    changes = changes_since(record, accepted, names=names)
    rows = _verdict(
        findings=findings, rules=rules, expectations=expectations, coverage=coverage,
        agreement=agreement, variables=variables, changes=changes, accepted=accepted,
        options=options,
    )  # fmt: skip
    numbered = [
        {"part": "verdict", "number": n, **row} for n, row in enumerate(rows, 1)
    ]
    numbered += [
        {"part": "change", "number": n, **row} for n, row in enumerate(changes, 1)
    ]
    numbered += [
        {"part": "touched", "number": n, **row}
        for n, row in enumerate(touched_results(findings).to_dict("records"), 1)
    ]
    return pd.DataFrame(numbered).reindex(columns=list(COLUMNS)).astype(COLUMNS)


def summarise_run(*, suites: Path, **tables: Any) -> pd.DataFrame:
    """`summarise`, with the accepted run of the suites' folder."""
    return summarise(**tables, accepted=read_accepted(suites))


def run_record(
    *,
    findings: pd.DataFrame,
    expectations: pd.DataFrame,
    coverage: pd.DataFrame,
    estimates: pd.DataFrame,
    options: Mapping[str, str],
    profiles: Mapping[str, Any],
) -> dict[str, Any]:
    """What is kept of a run that is accepted; see `citypanel.quality.accepted`."""
    kept = findings.sort_values(list(FINDING_KEYS), kind="stable")
    by_variable = coverage[coverage["grouping"] == "variable"].sort_values("variable")
    failing = expectations[~expectations["success"].astype(bool)]
    effects = estimates[estimates["term"] == "sydid"].sort_values(
        ["paper_table", "paper_column", "variant"]
    )
    return {
        "options": {name: str(value) for name, value in options.items()},
        "profiles": dict(profiles),
        "findings": [
            {
                **{key: _plain(row[key]) for key in FINDING_KEYS},
                "severity": row["severity"],
                "status": row["status"],
                "value": _plain(row["value"]),
            }
            for row in kept.to_dict("records")
        ],
        "coverage": {
            row["variable"]: {
                "imputed": int(row["n_imputed"]),
                "missing": int(row["n_missing"]),
            }
            for row in by_variable.to_dict("records")
        },
        "expectations": sorted(
            f"{row['suite']}: {row['expectation']}"
            f" ({row['column_name'] if pd.notna(row['column_name']) else 'table'},"
            f" {row['severity']})"
            for row in failing.to_dict("records")
        ),
        "estimates": {
            f"Table {row['paper_table']} {row['paper_column']}, {row['variant']}": [
                _plain(row["estimate"]), _plain(row["std_error"])
            ]
            for row in effects.to_dict("records")
        },
    }  # fmt: skip


def profiles_of(
    tables: Mapping[str, pd.DataFrame], suites: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Profiles of the tables that a suite compares with the accepted run, by table."""
    return {
        suite["meta"]["table"]: profile(tables[name], keys=suite["meta"]["keys"])
        for name, suite in sorted(suites.items())
        if any("accepted" in asked["kwargs"] for asked in suite["expectations"])
    }


def changes_since(
    present: Mapping[str, Any],
    accepted: Mapping[str, Any] | None,
    *,
    names: Mapping[str, tuple[str, str]],
) -> list[dict[str, Any]]:
    """Rows of part change: findings, expectations, coverage, estimates that moved."""
    if accepted is None:
        return []
    then = {_finding_key(entry): entry for entry in accepted["findings"]}
    now = {_finding_key(entry): entry for entry in present["findings"]}
    rows = []
    for key in sorted(then.keys() | now.keys()):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        entry = after or before
        place = entry["city_id"] or entry["province_id"] or ""
        place_en, place_zh = names.get(place, (place, place))
        rows.append(
            {
                "level": _level(before, after),
                "topic": "finding",
                "rule": entry["rule"],
                "severity": entry["severity"],
                "city_id": entry["city_id"],
                "place_en": place_en or None,
                "place_zh": place_zh or None,
                "year": entry["year"],
                "variable": entry["variable"],
                "accepted_value": _finding_text(before),
                "present_value": _finding_text(after),
            }
        )
    old, new = set(accepted["expectations"]), set(present["expectations"])
    for item in sorted(old ^ new):
        rows.append(
            {
                "level": "new" if item in new else "gone",
                "topic": "expectation",
                "accepted_value": "fails" if item in old else "holds",
                "present_value": "fails" if item in new else "holds",
                "text_en": item,
                "text_zh": item,
            }
        )
    for variable in sorted(accepted["coverage"].keys() | present["coverage"].keys()):
        before = accepted["coverage"].get(variable)
        after = present["coverage"].get(variable)
        if before != after:
            rows.append(
                {
                    "level": _level(before, after),
                    "topic": "coverage",
                    "variable": variable,
                    "accepted_value": _coverage_text(before),
                    "present_value": _coverage_text(after),
                }
            )
    for item in sorted(accepted["estimates"].keys() | present["estimates"].keys()):
        before = _estimate_text(accepted["estimates"].get(item))
        after = _estimate_text(present["estimates"].get(item))
        if before != after:
            rows.append(
                {
                    "level": _level(before, after),
                    "topic": "estimate",
                    "accepted_value": before,
                    "present_value": after,
                    "text_en": item,
                    "text_zh": item.replace("Table ", "表"),
                }
            )
    return rows


def places_touched(touches: str | None) -> list[tuple[str, str]]:
    """Split `dq_findings.touches` into (table, place), each once.

    "rpt_regressions: Table 5 (1)-(2), eastern; fct_capital_stocks: 2011-2019" is
    Table 5 (1), Table 5 (2) and Table 5 eastern of rpt_regressions, and
    fct_capital_stocks as a whole: years are no place of their own.
    """
    places: dict[tuple[str, str], None] = {}
    named = {column.name for column in declared().columns}
    for entry in (touches or "").split(";"):
        table, _, within = (text.strip() for text in entry.partition(":"))
        if not table:
            continue
        stem = ""
        parts = [part.strip() for part in within.split(",") if part.strip()]
        for part in parts or [""]:
            found = PAPER_TABLE.fullmatch(part)
            if YEARS.fullmatch(part):
                part = ""
            elif found:
                stem, part = found[1], found[2]
            elif not (stem and (part in named or NUMBERED.fullmatch(part))):
                stem = ""
            for column in _columns(part):
                places[(table, f"{stem} {column}".strip())] = None
    return list(places)


def touched_results(findings: pd.DataFrame) -> pd.DataFrame:
    """Count the findings by published place.

    Returns
    -------
    DataFrame
        One row per table_name and place (empty for the whole table): n_critical,
        n_warning and n_info, open ones, and n_corrected. A finding counts once in every
        place it touches.
    """
    counts: dict[tuple[str, str], Counter] = {}
    for row in findings[["severity", "status", "touches"]].to_dict("records"):
        kind = row["severity"] if row["status"] == "open" else "corrected"
        for place in places_touched(row["touches"]):
            counts.setdefault(place, Counter())[kind] += 1
    return pd.DataFrame(
        [
            {"table_name": table, "place": place}
            | {f"n_{kind}": n[kind] for kind in TOUCH_KINDS}
            for (table, place), n in sorted(counts.items())
        ],
        columns=["table_name", "place", *(f"n_{kind}" for kind in TOUCH_KINDS)],
    )


def _columns(part: str) -> list[str]:
    """ "(1)-(3)" is (1), (2) and (3)."""
    found = COLUMN_RANGE.fullmatch(part)
    if not found:
        return [part]
    return [f"({n})" for n in range(int(found[1]), int(found[2]) + 1)]


def _verdict(
    *,
    findings: pd.DataFrame,
    rules: pd.DataFrame,
    expectations: pd.DataFrame,
    coverage: pd.DataFrame,
    agreement: pd.DataFrame,
    variables: pd.DataFrame,
    changes: list[dict[str, Any]],
    accepted: Mapping[str, Any] | None,
    options: Mapping[str, str],
) -> list[dict[str, Any]]:
    opened = findings[findings["status"] == "open"]
    of = Counter(opened["severity"])
    failing = expectations[~expectations["success"].astype(bool)]
    fails = Counter(failing["severity"])
    n_critical, n_warning = of["critical"], of["warning"]
    labels = variables.set_index("variable")[["label_en", "label_zh"]]
    titles = rules.set_index("rule")[["title_en", "title_zh"]]
    rows = []

    def say(topic: str, level: str, english: str, chinese: str) -> None:
        rows.append(
            {"topic": topic, "level": level, "text_en": english, "text_zh": chinese}
        )

    if n_critical or fails["critical"]:
        what_en = _and(
            _count(n_critical, "critical finding") if n_critical else "",
            _count(fails["critical"], "failed critical expectation")
            if fails["critical"]
            else "",
        )
        what_zh = "、".join(
            text
            for n, text in (
                (n_critical, f"{n_critical} 项严重问题"),
                (fails["critical"], f"{fails['critical']} 项关键检验未通过"),
            )
            if n
        )
        which = [
            (*_label(titles, rule), n)
            for rule, n in sorted(
                Counter(opened.loc[opened["severity"] == "critical", "rule"]).items(),
                key=lambda entry: (-entry[1], entry[0]),
            )
        ][:NAMED_RULES]
        which_en = ", ".join(f"{english.lower()}: {n}" for english, _, n in which)
        which_zh = "，".join(f"{chinese}：{n}" for _, chinese, n in which)
        which_en = f" ({which_en})" if which_en else ""
        which_zh = f"（{which_zh}）" if which_zh else ""
        say(
            "verdict", "stop",
            f"Do not rest results on these figures yet: {what_en} "
            f"{'is' if n_critical + fails['critical'] == 1 else 'are'} open{which_en}.",
            f"暂不可据此得出结论：尚有 {what_zh}{which_zh}。",
        )  # fmt: skip
    elif n_warning or fails["warning"]:
        what_en = _and(
            _count(n_warning, "warning") if n_warning else "",
            _count(fails["warning"], "expectation") + " that does not hold"
            if fails["warning"] == 1
            else f"{fails['warning']} expectations that do not hold"
            if fails["warning"]
            else "",
        )
        what_zh = "、".join(
            text
            for n, text in (
                (n_warning, f"{n_warning} 项警告"),
                (fails["warning"], f"{fails['warning']} 项检验未通过"),
            )
            if n
        )
        say(
            "verdict", "care",
            f"Usable with care: nothing critical is open; there are {what_en}."
            if n_warning + fails["warning"] != 1
            else f"Usable with care: nothing critical is open; there is {what_en}.",
            f"可用，但须留意：无严重问题；尚有 {what_zh}。",
        )  # fmt: skip
    else:
        say(
            "verdict", "good",
            f"Nothing is open: {_count(len(rules), 'rule')} and "
            f"{_count(len(expectations), 'expectation')} looked at every cell.",
            f"未发现待处理的问题：已用 {len(rules)} 条规则和 {len(expectations)} 项检验"
            "逐格核查。",
        )  # fmt: skip

    n_open = len(opened)
    if n_open:
        reached = [places_touched(text) for text in opened["touches"]]
        in_regressions = sum(
            any(table == "rpt_regressions" for table, _ in places) for places in reached
        )
        in_headline = sum(
            any(
                table == "rpt_regressions" and place.startswith(HEADLINE_TABLE)
                for table, place in places
            )
            for places in reached
        )
        if in_regressions:
            say(
                "reach", "note",
                f"{in_regressions} of {_count(n_open, 'open finding')} "
                f"{'lies' if in_regressions == 1 else 'lie'} in cells behind a "
                f"regression, {in_headline} of them behind the headline "
                f"({HEADLINE_TABLE}).",
                f"{n_open} 项待处理问题中，{in_regressions} 项位于回归所用数据，"
                f"其中 {in_headline} 项影响主要结果（表3）。",
            )  # fmt: skip
        else:
            say(
                "reach", "note",
                f"None of {_count(n_open, 'open finding')} lies in a cell behind a "
                "regression.",
                f"{n_open} 项待处理问题均不涉及回归所用数据。",
            )  # fmt: skip
        rule, n_rule = _most(opened["rule"])
        title_en, title_zh = _label(titles, rule)
        english = f"Most come from one rule: {title_en} ({n_rule})."
        chinese = f"最多的一类：{title_zh}（{n_rule}）。"
        cities = opened.dropna(subset=["city_id"])
        if len(cities):
            city, n_city = _most(cities["city_id"])
            first = cities[cities["city_id"] == city].iloc[0]
            english += f" Most in one city: {first['city_en']} ({n_city})."
            chinese += f"最多的城市：{first['city_zh']}（{n_city}）。"
        if opened["variable"].notna().any():
            variable, n_variable = _most(opened["variable"].dropna())
            label_en, label_zh = _label(labels, variable)
            english += f" Most in one variable: {label_en.lower()} ({n_variable})."
            chinese += f"最多的变量：{label_zh}（{n_variable}）。"
        say("where", "note", english, chinese)

    by_variable = coverage[coverage["grouping"] == "variable"]
    if len(by_variable):
        n_cells = int(by_variable["n_cells"].sum())
        n_imputed = int(by_variable["n_imputed"].sum())
        n_missing = int(by_variable["n_missing"].sum())
        most = (
            by_variable.assign(share=by_variable["n_imputed"] / by_variable["n_cells"])
            .sort_values(["share", "variable"], ascending=[False, True])
            .iloc[0]
        )
        label_en, label_zh = _label(labels, most["variable"])
        published = share(1 - (n_imputed + n_missing) / n_cells)
        filled_in, missing = share(n_imputed / n_cells), share(n_missing / n_cells)
        english = (
            f"Of {number(n_cells)} cells, {published} are published figures, "
            f"{filled_in} were filled in by rule and {missing} are missing."
        )
        chinese = (
            f"{number(n_cells)} 个单元格中，{published} 为公布数据，"
            f"{filled_in} 按规则填补，{missing} 缺失。"
        )
        if most["n_imputed"]:
            english += f" Filled in most: {label_en.lower()} ({share(most['share'])})."
            chinese += f"填补比例最高：{label_zh}（{share(most['share'])}）。"
        say("coverage", "note", english, chinese)

    usable = agreement[~agreement["is_defective"].astype(bool)]
    if len(usable):
        apart = usable[~usable["agrees"].astype(bool)]
        say(
            "agreement", "note",
            f"{_count(len(usable), 'cell')} can be compared between two sources; "
            f"{len(apart)} differ beyond tolerance.",
            f"有 {len(usable)} 个单元格可在两个来源间比较，其中 {len(apart)} 个差异超出"
            "容许范围。",
        )  # fmt: skip

    say("expectations", "note", *_expectation_sentence(expectations, failing))
    say("changes", "note", *_change_sentence(changes, accepted, options))
    return rows


def _expectation_sentence(
    expectations: pd.DataFrame, failing: pd.DataFrame
) -> tuple[str, str]:
    n, n_failing = len(expectations), len(failing)
    if not n_failing:
        return (
            f"All {n} expectations of the build hold.",
            f"构建中的 {n} 项检验全部通过。",
        )
    return (
        f"{n - n_failing} of {n} expectations of the build hold.",
        f"构建中的 {n} 项检验有 {n - n_failing} 项通过。",
    )


def _change_sentence(
    changes: Iterable[Mapping[str, Any]],
    accepted: Mapping[str, Any] | None,
    options: Mapping[str, str],
) -> tuple[str, str]:
    if accepted is None:
        return (
            "Nothing was accepted yet, so there is nothing to compare with.",
            "尚无已认可的运行结果，无从比较。",
        )
    kinds = Counter(change["level"] for change in changes)
    if kinds:
        english = (
            f"Since the accepted run: {kinds['new']} new, {kinds['gone']} gone, "
            f"{kinds['changed']} changed."
        )
        chinese = (
            f"与已认可的结果相比：新增 {kinds['new']} 项，消失 {kinds['gone']} 项，"
            f"变动 {kinds['changed']} 项。"
        )
    else:
        english = "Nothing changed since the accepted run."
        chinese = "与已认可的结果相比没有变化。"
    differing = differing_options(accepted, options)
    if differing:
        english += f" It was built with other options ({', '.join(differing)})."
        chinese += f"两者的选项不同（{'、'.join(differing)}）。"
    return english, chinese


def _most(values: pd.Series) -> tuple[str, int]:
    counts = Counter(values)
    top = max(counts.values())
    return min(value for value, n in counts.items() if n == top), top


def _label(labels: pd.DataFrame, name: str) -> tuple[str, str]:
    """Labels in both languages; the name itself where it has none."""
    if name in labels.index:
        english, chinese = labels.loc[name]
        return str(english), str(chinese)
    return name, name


def _place_names(findings: pd.DataFrame) -> dict[str, tuple[str, str]]:
    named = {}
    for row in findings.to_dict("records"):
        place = _plain(row["city_id"]) or _plain(row["province_id"])
        if place and pd.notna(row["city_en"]):
            named[place] = (row["city_en"], row["city_zh"])
    return named


def _finding_key(entry: Mapping[str, Any]) -> str:
    return json.dumps([entry[key] for key in FINDING_KEYS], ensure_ascii=False)


def _level(before: Any, after: Any) -> str:
    if before is None:
        return "new"
    return "gone" if after is None else "changed"


def _finding_text(entry: Mapping[str, Any] | None) -> str | None:
    if entry is None:
        return None
    value = "" if entry["value"] is None else f", {number(entry['value'], 10)}"
    return f"{entry['severity']}, {entry['status']}{value}"


def _coverage_text(entry: Mapping[str, int] | None) -> str | None:
    if entry is None:
        return None
    return f"{entry['imputed']} filled in, {entry['missing']} missing"


def _estimate_text(entry: list[float | None] | None) -> str | None:
    if entry is None:
        return None
    estimate, error = entry
    if estimate is None:
        return "not estimated"
    return f"{estimate:.4f} ({error:.4f})" if error is not None else f"{estimate:.4f}"


def _plain(value: Any) -> Any:
    """A value that JSON can hold; numbers to ten digits, as profiles have them."""
    if value is None or pd.isna(value):
        return None
    if isinstance(value, str):
        return value
    value = float(value)
    return int(value) if value == round(value) else float(f"{value:.10g}")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _and(*texts: str) -> str:
    return " and ".join(text for text in texts if text)
