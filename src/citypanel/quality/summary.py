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

from citypanel.quality.accepted import differing_options, read_accepted
from citypanel.quality.profiles import profile
from citypanel.study.declaration import declared
from citypanel.words import Catalogue, Words, same
from citypanel.words.numbers import number

SAID = Catalogue("quality")
FINDING_KEYS = (
    "rule", "scope", "city_id", "province_id", "year", "variable", "source",
)  # fmt: skip
TOUCH_KINDS = ("critical", "warning", "info", "corrected")
COUNTS = [f"n_{kind}" for kind in TOUCH_KINDS]
TEXTS = (
    "level", "topic", "text_en", "text_zh", "rule", "severity", "city_id", "place_en",
    "place_zh", "year", "variable", "accepted_value", "present_value", "table_name",
    "place",
)  # fmt: skip
COLUMNS = (
    {"part": "string", "number": "int32"}
    | dict.fromkeys(TEXTS, "string")
    | dict.fromkeys(("year", *COUNTS), "Int32")
)
HEADLINE_TABLE = "Table 3"
NAMED_RULES = 3
PAPER_TABLE = re.compile(r"(Table \d+) (.+)")
YEARS = re.compile(r"\d{4}(-\d{4})?")
# "(1)-(3)" is (1), (2) and (3).
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
    touched = touched_results(findings).to_dict("records")
    numbered = [
        {"part": part, "number": n, **row}
        for part, own in (("verdict", rows), ("change", changes), ("touched", touched))
        for n, row in enumerate(own, 1)
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
    kept = findings[[*FINDING_KEYS, "severity", "status", "value"]].sort_values(
        list(FINDING_KEYS), kind="stable"
    )
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
        if compares(suite)
    }


def compares(suite: Mapping[str, Any]) -> set[str]:
    """Types of the suite's expectations that compare with the accepted run."""
    return {a["type"] for a in suite["expectations"] if "accepted" in a["kwargs"]}


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
        entry = after or before or {}
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
    rows += [
        {
            "level": "new" if item in new else "gone",
            "topic": "expectation",
            "accepted_value": "fails" if item in old else "holds",
            "present_value": "fails" if item in new else "holds",
            "text_en": item,
            "text_zh": item,
        }
        for item in sorted(old ^ new)
    ]
    for part, topic, text in (
        ("coverage", "coverage", _coverage_text),
        ("estimates", "estimate", _estimate_text),
    ):
        for item in sorted(accepted[part].keys() | present[part].keys()):
            before, after = (
                text(run[part][item]) if item in run[part] else None
                for run in (accepted, present)
            )
            if before == after:
                continue
            about = {"variable": item}
            if topic == "estimate":
                about = {"text_en": item, "text_zh": item.replace("Table ", "表")}
            rows.append(
                {
                    "level": _level(before, after),
                    "topic": topic,
                    "accepted_value": before,
                    "present_value": after,
                    **about,
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
            found = COLUMN_RANGE.fullmatch(part)
            numbers = range(int(found[1]), int(found[2]) + 1) if found else ()
            for column in [f"({n})" for n in numbers] or [part]:
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
    kinds = findings["severity"].where(findings["status"] == "open", "corrected")
    each = Counter(zip(findings["touches"].tolist(), kinds.tolist(), strict=True))
    for (touches, kind), n in each.items():
        for place in places_touched(touches):
            counts.setdefault(place, Counter())[kind] += n
    return pd.DataFrame(
        [
            {"table_name": table, "place": place}
            | {f"n_{kind}": n[kind] for kind in TOUCH_KINDS}
            for (table, place), n in sorted(counts.items())
        ],
        columns=["table_name", "place", *COUNTS],
    )


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
    failing = expectations[~expectations["success"].astype(bool)]
    labels = _by_name(variables, "variable", "label")
    titles = _by_name(rules, "rule", "title")
    rows = []

    def say(topic: str, words: Words, level: str = "note") -> None:
        rows.append(
            {"topic": topic, "level": level, "text_en": words.en, "text_zh": words.zh}
        )

    say("verdict", *_judgement(opened, failing, titles, len(rules), len(expectations)))
    if len(opened):
        say("reach", _reach(opened))
        say("where", _where(opened, titles, labels))
    by_variable = coverage[coverage["grouping"] == "variable"]
    if len(by_variable):
        say("coverage", _coverage(by_variable, labels))
    usable = agreement[~agreement["is_defective"].astype(bool)]
    if len(usable):
        apart = int((~usable["agrees"].astype(bool)).sum())
        say("agreement", SAID("agreement", n=len(usable), apart=apart))
    hold = len(expectations) - len(failing)
    rule = "some_hold" if len(failing) else "all_hold"
    say("expectations", SAID(rule, n=len(expectations), hold=hold))
    say("changes", _change_sentence(changes, accepted, options))
    return rows


def _judgement(
    opened: pd.DataFrame,
    failing: pd.DataFrame,
    titles: Mapping[str, Words],
    n_rules: int,
    n_expectations: int,
) -> tuple[Words, str]:
    """The first sentence and its level."""
    found, fails = Counter(opened["severity"]), Counter(failing["severity"])
    for severity, level in (("critical", "stop"), ("warning", "care")):
        n = found[severity] + fails[severity]
        if not n:
            continue
        parts = [
            SAID(f"{severity}_{kind}", n=count)
            for kind, count in (
                ("findings", found[severity]), ("expectations", fails[severity])
            )
            if count
        ]  # fmt: skip
        what = parts[0] if len(parts) == 1 else SAID("both", a=parts[0], b=parts[1])
        counts = Counter(opened.loc[opened["severity"] == severity, "rule"])
        most = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        named = [
            SAID("rule_count", rule=_lower(titles.get(rule, same(rule))), n=count)
            for rule, count in most[:NAMED_RULES]
        ]
        which = SAID("which", rules=named) if named else ""
        return SAID(level, what=what, n=n, which=which), level
    return SAID("good", rules=n_rules, expectations=n_expectations), "good"


def _reach(opened: pd.DataFrame) -> Words:
    """How many open findings lie behind a regression, and behind the headline."""
    n = in_headline = 0
    for text, count in Counter(opened["touches"].tolist()).items():
        touched = places_touched(text)
        places = [place for table, place in touched if table == "rpt_regressions"]
        n += count * bool(places)
        in_headline += count * any(p.startswith(HEADLINE_TABLE) for p in places)
    rule = "reach" if n else "reach_none"
    return SAID(rule, n=n, of=len(opened), in_headline=in_headline)


def _where(
    opened: pd.DataFrame, titles: Mapping[str, Words], labels: Mapping[str, Words]
) -> Words:
    """The rule, the city and the variable with the most open findings."""
    rule, n = _most(opened["rule"])
    parts = [SAID("most_rule", what=titles.get(rule, same(rule)), n=n)]
    cities = opened.dropna(subset=["city_id"])
    if len(cities):
        city, n = _most(cities["city_id"])
        first = cities[cities["city_id"] == city].iloc[0]
        name = Words(first["city_en"], first["city_zh"])
        parts.append(SAID("most_city", what=name, n=n))
    if opened["variable"].notna().any():
        variable, n = _most(opened["variable"].dropna())
        label = _lower(labels.get(variable, same(variable)))
        parts.append(SAID("most_variable", what=label, n=n))
    return _joined(parts)


def _coverage(by_variable: pd.DataFrame, labels: Mapping[str, Words]) -> Words:
    n, imputed, missing = (
        int(by_variable[c].sum()) for c in ("n_cells", "n_imputed", "n_missing")
    )
    shares = by_variable.assign(share=by_variable["n_imputed"] / by_variable["n_cells"])
    shares = shares.sort_values(["share", "variable"], ascending=[False, True])
    most = shares.iloc[0]
    told = {"imputed": imputed / n, "missing": missing / n}
    parts = [SAID("coverage", n=n, published=1 - (imputed + missing) / n, **told)]
    if most["n_imputed"]:
        label = _lower(labels.get(most["variable"], same(most["variable"])))
        parts.append(SAID("most_filled", what=label, share=most["share"]))
    return _joined(parts)


def _change_sentence(
    changes: Iterable[Mapping[str, Any]],
    accepted: Mapping[str, Any] | None,
    options: Mapping[str, str],
) -> Words:
    if accepted is None:
        return SAID("nothing_accepted")
    kinds = Counter(change["level"] for change in changes)
    numbers = {kind: kinds[kind] for kind in ("new", "gone", "changed")}
    parts = [SAID("changes" if kinds else "no_changes", **numbers)]
    differing = differing_options(accepted, options)
    if differing:
        parts.append(SAID("other_options", names=list(differing)))
    return _joined(parts)


def _joined(parts: list[Words]) -> Words:
    """Sentences after one another."""
    return Words(" ".join(p.en for p in parts), "".join(p.zh for p in parts))


def _lower(words: Words) -> Words:
    return Words(words.en.lower(), words.zh)


def _most(values: pd.Series) -> tuple[str, int]:
    counts = Counter(values)
    top = max(counts.values())
    return min(value for value, n in counts.items() if n == top), top


def _by_name(frame: pd.DataFrame, key: str, what: str) -> dict[str, Words]:
    """Names or titles in both languages, by the key."""
    return {
        row[key]: Words(str(row[f"{what}_en"]), str(row[f"{what}_zh"]))
        for row in frame.to_dict("records")
    }


def _place_names(findings: pd.DataFrame) -> dict[str, tuple[str, str]]:
    named = {}
    places = findings[["city_id", "province_id", "city_en", "city_zh"]]
    for row in places.drop_duplicates(keep="last").to_dict("records"):
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


def _coverage_text(entry: Mapping[str, int]) -> str:
    return f"{entry['imputed']} filled in, {entry['missing']} missing"


def _estimate_text(entry: list[float | None]) -> str:
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
