"""What each table says, from the frames of the marts.

Every function takes the marts by name and gives a `Table`; nothing is estimated here.
How a table is set is in `layout.yml`, its words in `words/*/tables.yml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from citypanel.did.frames import split_notes
from citypanel.did.sizes import MEASURED
from citypanel.errors import OutputError
from citypanel.outputs.facts import gather
from citypanel.outputs.style import (
    Frames,
    Maker,
    Style,
    exclusion_name,
    headline,
    is_papers,
    region_name,
    region_names,
    spoken,
    study_labels,
    variants,
)
from citypanel.outputs.tables.model import (
    NO_VALUE,
    Block,
    Cell,
    Column,
    Row,
    Table,
    count,
    estimate_rows,
    is_missing,
    number,
    p_value,
    percent,
    words,
)
from citypanel.study.declaration import declared
from citypanel.words import LABELS, Catalogue, Words, same, told

SAID = Catalogue("tables")
TERMS = ("sydid", "eco", "ind", "inf", "edu", "sca", "tra", "con", "const")
POLICY = "sydid"
# rpt_inference and rpt_sensitivity have this convention whatever standard_errors says.
ALWAYS = "xtreg"
OUTCOME_ORDER = ("tfpch", "log_tfpch", "cumulative_log_tfp")
TITLE = "titles.table_3"
OF_THE_BOUND = ("power_at_bound", "equivalence_p_value")
Make = Callable[..., Cell]
WRITTEN: dict[str, Make] = {
    "number": number,
    "one_decimal": partial(number, decimals=1),
    "two_decimals": partial(number, decimals=2),
    "count": count,
    "p_value": p_value,
    "percent": percent,
}


@cache
def _layouts() -> dict[str, dict]:
    return yaml.safe_load(Path(__file__).with_name("layout.yml").read_text("utf-8"))


def _table(
    name: str,
    o: Style,
    blocks: Sequence[Block],
    notes: Sequence[Words],
    *,
    columns: Sequence[Column] | None = None,
    keys: Sequence[str] | None = None,
    title: str = "",
    heading: str = "",
    **setting: object,
) -> Table:
    """A table as `layout.yml` sets it; `columns` and settings given here come first."""
    layout = _layouts().get(name, {}) | setting
    if columns is None:
        labels = SAID.data("columns")[o.language][name]
        asked: list[dict[str, Any]] = [
            {"key": c} if isinstance(c, str) else c for c in keys or layout["columns"]
        ]
        columns = [
            Column(
                c["key"],
                labels[c["key"]],
                labels.get(c.get("group"), ""),
                c.get("kind", "number"),
                c.get("width", 0.0),
            )
            for c in asked
        ]
    stubs = SAID.of("stubs")
    return Table(
        name,
        name.removeprefix("table_").upper(),
        heading or o(SAID.label("titles", title or name)),
        o(stubs[name]) if name in stubs else "",
        tuple(columns),
        tuple(blocks),
        tuple(o(note) for note in notes),
        o.language,
        landscape=bool(layout.get("landscape")),
        long=bool(layout.get("long")),
        stub_width=layout.get("stub_width", 0.0),
    )


def _written(name: str, row: Mapping[str, Any], absent: str = "") -> tuple[Cell, ...]:
    """The cells of a row, as the columns of `layout.yml` say."""
    return tuple(
        WRITTEN[column.get("written", "number")](
            row[column.get("of", column["key"])], absent=absent
        )
        for column in _layouts()[name]["columns"]
    )


# ------------------------------------------------------------------ shared sentences


def _labels(marts: Frames) -> dict[str, Words]:
    frame = marts["dim_variables"].set_index("variable")
    pairs = zip(frame["label_en"], frame["label_zh"], strict=True)
    labels = dict(zip(frame.index, (Words(*pair) for pair in pairs), strict=True))
    if headline(marts)["policy"] != declared().options["policy"].default:
        # The declared label names the study's own policy.
        labels[POLICY] = SAID("exposure", **spoken(marts))
    return labels


def _term(term: str, labels: dict[str, Words]) -> Words:
    if term == "const":
        return SAID("constant")
    return SAID("term", label=labels.get(term, term), term=term)


def _sample(marts: Frames) -> Words:
    options = headline(marts)
    return SAID(
        "sample",
        **spoken(marts),
        name=LABELS.label("samples", options["study_sample"]),
        sample=gather(marts).sample,
        batches=options["treated_batches"],
    )


def _uncertainty(marts: Frames, o: Style, convention: str = "") -> list[Words]:
    """How standard errors or intervals are written, and the marks."""
    name = convention or headline(marts)["standard_errors"]
    written = "in_brackets" if o.intervals else "in_parentheses"
    stars = [SAID("stars")] if o.stars else []
    return [SAID(written, convention=LABELS.label("conventions", name)), *stars]


def _outcome(marts: Frames) -> Words:
    outcome = headline(marts)["outcome"]
    index = outcome in ("tfpch", "effch", "techch")
    label = LABELS.label("outcomes", outcome)
    return SAID("outcome_index" if index else "outcome", label=label)


def _stacked(label: str) -> str:
    """A heading over two columns, on two lines where it is long."""
    words_ = label.split()
    if not label.isascii() or len(label) <= 18 or len(words_) < 2:
        return label
    cut = min(
        range(1, len(words_)),
        key=lambda i: abs(len(" ".join(words_[:i])) - len(label) / 2),
    )
    return " ".join(words_[:cut]) + "\n" + " ".join(words_[cut:])


def _about_variants(marts: Frames) -> list[Words]:
    """What the variants beside the headline change, and the years of each."""
    last = headline(marts)["last_year"]
    out = []
    for row in variants(marts).to_dict("records"):
        if row["variant"] == "headline":
            continue
        changed = study_labels(marts).moves(row["variant"])
        own = row["last_year"]
        years = SAID("years_to", year=own) if own != last else ""
        out.append(SAID("variant", label=row["label"], changed=changed, years=years))
    return out


def _years(marts: Frames) -> Words:
    frame = marts["fct_tfp_changes"]
    years = frame.loc[frame["tfpch"].notna(), "year"]
    return SAID("years", first=years.min(), last=years.max())


def _explained(notes: Iterable[object], labels: Iterable[object]) -> list[Words]:
    """Notes of the rows, the rows of the same note named together.

    What the sizes of the rows' tests are is said in one sentence for all of them.
    """
    out: dict[str, dict] = {}
    sizes = []
    for note, label in zip(notes, labels, strict=True):
        for part in split_notes(note):
            if part.startswith(MEASURED):
                size = _size(part.removeprefix(MEASURED))
                sizes.append(SAID("size_of", name=label, size=size))
            else:
                out.setdefault(part, {})[label] = None
    found = [
        SAID("explained", names=list(names), note=told(note))
        for note, names in out.items()
    ]
    return [*found, SAID("sizes", sizes=sizes)] if sizes else found


def _size(text: str) -> list[Words]:
    """What `did.sizes.size_note` says of a row's tests, test by test."""
    out = []
    for test, low, high in re.findall(r"(.+?) ([\d.]+)(?: to ([\d.]+))?%(?:, )?", text):
        estimator, _, kind = test.partition(", ")
        named = LABELS.label("short_estimators", estimator) if not kind else None
        kind = named or SAID.label("tests", kind)
        between = SAID("between", low=low, high=high) if high else same(low)
        out.append(SAID("size", test=kind, share=between))
    return out


# ------------------------------------------------------------------------- table 2


def table_2(marts: Frames, o: Style) -> Table:
    """Descriptive statistics of the variables in the regressions."""
    frame = marts["rpt_descriptives"].sort_values("variable_order")
    units = marts["dim_variables"].set_index("variable")["unit"]
    rows = []
    for r in frame.to_dict("records"):
        label = SAID("term", label=r[o.column("label")], term=r["variable"])
        rows.append(Row(o(label), _written("table_2", r, NO_VALUE), r["variable"]))
    unit = [SAID("unit", variable=v, unit=told(units[v])) for v in frame["variable"]]
    notes = [_sample(marts), SAID("units", units=unit)]
    gaps = frame[frame["n_without_value"] > 0]
    if len(gaps):
        named = [
            SAID("gap", variable=r["variable"], n=r["n_without_value"])
            for r in gaps.to_dict("records")
        ]
        notes.append(SAID("gaps", gaps=named))
    return _table("table_2", o, [Block(tuple(rows))], [*notes, SAID("std_dev")])


# ------------------------------------------------------------------- tables 3, 4, 5


def _counts(rows: list[pd.Series | None], o: Style, *, rule: bool) -> list[Row]:
    """What stands under the coefficients of each column."""
    made: dict[str, Make] = {
        "r2_within": number, "assumed_share": percent, "outcome_mean": number,
    }  # fmt: skip
    columns = {(c.table, c.name): c for c in declared().columns}

    def cell(r: pd.Series | None, name: str) -> Cell:
        if r is None:
            return Cell()
        column = columns.get((str(r["paper_table"]), r["paper_column"]))
        if name == "effects":
            return words(o(SAID("yes_or_no", flag=True)))
        if name == "controls":
            flag = column is not None and column.controls
            return words(o(SAID("yes_or_no", flag=flag)))
        if name == "sample":
            return words(o(_who(column)))
        # Files of before a column was published stay readable.
        return made.get(name, count)(r.get(name), absent=NO_VALUE)

    return [
        Row(
            o(label),
            tuple(cell(r, name) for r in rows),
            name,
            rule=rule and name == "n_obs",
        )
        for name, label in SAID.of("counts").items()
    ]


def _who(column: Any) -> Words:
    """The units of a column of the paper."""
    if column is None or column.where is None:
        return SAID("every_unit")
    if column.name in region_names():
        return region_name(column.name)
    names = column.where.names
    groups = (g.name for g in declared().exclusions.values() if g.where.names == names)
    return exclusion_name(f"without_{next(groups, names[0].removeprefix('is_'))}")


def _regressions(marts: Frames, paper_table: str) -> pd.DataFrame:
    frame = marts["rpt_regressions"]
    return frame[frame["paper_table"] == paper_table]


def _estimates(label: Words, series: list, o: Style, key: str) -> tuple[Row, Row]:
    return estimate_rows(
        o(label), series, key=key, stars=o.stars, intervals=o.intervals
    )


def _look_up(frame: pd.DataFrame, keys: list[tuple]) -> list[pd.Series | None]:
    return [frame.loc[key] if key in frame.index else None for key in keys]


def table_3(marts: Frames, o: Style) -> Table:
    """The benchmark regressions for the headline and its variants."""
    frame = _regressions(marts, "3")
    labels = _labels(marts)
    places = [
        (row["variant"], row["label"], column)
        for row in variants(marts).to_dict("records")
        for column in sorted(frame["paper_column"].unique())
    ]
    found = frame.set_index(["variant", "paper_column", "term"], drop=False)
    rows: list[Row] = []
    for term in (t for t in TERMS if t in set(frame["term"])):
        series = _look_up(found, [(v, c, term) for v, _, c in places])
        pair = _estimates(_term(term, labels), series, o, term)
        rows += [row for row in pair if any(cell.text for cell in row.cells)]
    policy = _look_up(found, [(v, c, POLICY) for v, _, c in places])
    rows += _counts(policy, o, rule=True)
    dropped = frame[frame["estimate"].isna() | frame["std_error"].isna()]
    after = frame[(frame["variant"] == "headline") & frame["estimate"].notna()]
    return _table(
        "table_3",
        o,
        [Block(tuple(rows))],
        [
            _outcome(marts),
            SAID("effects"),
            *_uncertainty(marts, o),
            _sample(marts),
            _years(marts),
            *_about_variants(marts),
            *_explained(after["note"], after["term"]),
            *_explained(dropped["note"], dropped["term"]),
            SAID("assumed"),
        ],
        columns=[
            Column(f"{variant} {column}", f"({place})", _stacked(o(label)))
            for place, (variant, label, column) in enumerate(places, 1)
        ],
        heading=o(
            SAID(
                TITLE,
                **spoken(marts),
                outcome=study_labels(marts).outcome(headline(marts)["outcome"]),
            )
        ),
        landscape=o.intervals,
    )


def _policy_table(
    name: str, marts: Frames, o: Style, columns: list[Column], extra: list[Words]
) -> Table:
    """A block a variant: the policy's coefficient in each column, and its counts."""
    of_table = _regressions(marts, name.removeprefix("table_"))
    frame = of_table[of_table["term"] == POLICY]
    found = frame.set_index(["variant", "paper_column"], drop=False)
    labels = _labels(marts)
    label = _term(POLICY, labels)
    blocks = []
    for place, row in enumerate(variants(marts).to_dict("records")):
        series = _look_up(found, [(row["variant"], c.key) for c in columns])
        pair = _estimates(label, series, o, POLICY)
        title = SAID("panel", letter=chr(ord("A") + place), name=row["label"])
        blocks.append(Block((*pair, *_counts(series, o, rule=False)), o(title)))
    base = of_table[of_table["variant"] == "headline"]
    used = [
        t
        for t in TERMS
        if t not in (POLICY, "const")
        and base.loc[base["term"] == t, "estimate"].notna().any()
    ]
    rest = base[base["estimate"].isna() & ~base["term"].isin(used)]
    without = frame[frame["estimate"].isna() | frame["std_error"].isna()]
    names = [
        SAID(
            "place",
            variant=LABELS.label("variants", r["variant"]),
            column=region_name(r["paper_column"]),
        )
        for r in without.to_dict("records")
    ]
    notes = [
        _outcome(marts),
        SAID("effects"),
        *_uncertainty(marts, o),
        _sample(marts),
        _years(marts),
        SAID("controls", names=[_term(t, labels) for t in used]),
        *_explained(rest["note"], rest["term"]),
        *_about_variants(marts),
        *_explained(without["note"], names),
        SAID("assumed"),
        *extra,
    ]
    width = 0.26 if o.intervals else 0.0
    return _table(name, o, blocks, notes, columns=columns, stub_width=width)


def table_4(marts: Frames, o: Style) -> Table:
    """The effect by region, each region a regression of its own."""
    present = set(_regressions(marts, "4")["paper_column"])
    regions = {k: v for k, v in region_names().items() if k in present}
    columns = [Column(key, o(label)) for key, label in regions.items()]
    return _policy_table("table_4", marts, o, columns, [SAID("regions")])


def table_5(marts: Frames, o: Style) -> Table:
    """The paper's robustness checks."""
    labels = SAID.data("columns")[o.language]["table_5"]
    order = sorted(set(_regressions(marts, "5")["paper_column"]))
    columns = [Column(c, labels.get(c, c), c) for c in order]
    return _policy_table("table_5", marts, o, columns, [])


# --------------------------------------------------------------- A1: the estimators


def table_a1(marts: Frames, o: Style) -> Table:
    """Nine estimators on the growth index, its logarithm and the level."""
    frame = marts["rpt_att"]
    frame = frame[(frame["sample"] == "all") & (frame["term"] == "overall")]
    aggregations = ("simple", "dynamic", "group", "calendar")
    frame = frame[frame["aggregation"].isin(aggregations)]
    found = frame.set_index(["estimator", "aggregation", "outcome"])
    outcomes = [c for c in OUTCOME_ORDER if c in set(frame["outcome"])]
    rows: list[Row] = []
    for estimator, label in LABELS.of("estimators").items():
        for aggregation in aggregations:
            series = _look_up(found, [(estimator, aggregation, c) for c in outcomes])
            if all(r is None for r in series):
                continue
            if aggregation != "simple":
                short = LABELS.label("short_estimators", estimator)
                label = SAID(f"by_{aggregation}", estimator=short)
            top, below = _estimates(label, series, o, f"{estimator} {aggregation}")
            empty = Cell("", "text", (None,) * len(below.statistics))
            tests = [
                Cell() if r is None else p_value(r["leads_p_value"], absent=NO_VALUE)
                for r in series
            ]
            pairs = zip(top.cells, tests, strict=True)
            cells = tuple(cell for pair in pairs for cell in pair)
            rows.append(Row(top.label, cells, top.key, top.statistics))
            cells = tuple(c for cell in below.cells for c in (cell, empty))
            rows.append(Row("", cells, below.key, below.statistics, follows=True))
    heads = {key: o(label) for key, label in SAID.of("att_columns").items()}
    columns = []
    for outcome in outcomes:
        group = _stacked(o.label("short_outcomes", outcome))
        columns += [
            Column(f"{outcome} effect", heads["effect"], group),
            Column(f"{outcome} leads_p_value", heads["leads"], group),
        ]
    simple = frame[frame["aggregation"] == "simple"]
    n_estimators = simple["estimator"].nunique()
    return _table(
        "table_a1",
        o,
        [Block(tuple(rows))],
        _notes_of_estimators(frame, simple, marts, o),
        columns=columns,
        title="table_a1" if n_estimators == 9 else "table_a1_other",
        landscape=o.intervals,
    )


def _notes_of_estimators(
    frame: pd.DataFrame, simple: pd.DataFrame, marts: Frames, o: Style
) -> list[Words]:
    short = LABELS.of("short_estimators")
    errors = simple.drop_duplicates("estimator").set_index("estimator")
    kinds = [
        SAID("kind", estimator=short[e], kind=told(errors["standard_errors"][e]))
        for e in short
        if e in errors.index
    ]
    errors_note = "att_intervals" if o.intervals else "att_errors"
    notes = [SAID("att"), SAID(errors_note, kinds=kinds)]
    if o.stars:
        notes.append(SAID("stars"))
    for first in simple[simple["estimator"] == "twfe"].head(1).to_dict("records"):
        stacked = simple[(simple["estimator"] == "stacked") & simple["n_obs"].notna()]
        tail = [SAID("att_stacked", n=n) for n in stacked["n_obs"].head(1)]
        told_of = {"n": first["n_obs"], "n_cities": first["n_cities"]}
        treated = first["n_treated_cities"]
        notes.append(SAID("att_sample", n_treated=treated, stacked=[*tail], **told_of))
    notes += [_sample(marts), SAID("leads")]
    differing = set(frame.loc[frame["sign_differs"].fillna(False), "estimator"])
    if differing:
        names = [label for e, label in short.items() if e in differing]
        notes.append(SAID("signs_differ", names=names))
    return notes


# ---------------------------------------------------------------- A2: the inference


def _by_region(frame: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Sorted by paper table, region and the keys; the paper's columns as they are."""
    order = {region: place for place, region in enumerate(region_names())}
    frame = frame.assign(region=frame["paper_column"].map(order))
    keys = ("paper_table", "region", "paper_column", *keys)
    return frame.sort_values(list(keys), kind="stable")


def table_a2(marts: Frames, o: Style) -> Table:
    """Inference on the policy's coefficient in each published column, side by side."""
    frame = _by_region(marts["rpt_inference"])
    records = frame.to_dict("records")
    columns = []
    for r in records:
        label = o(region_name(r["paper_column"]))
        if label == "Northeastern":
            label = o(SAID("North-eastern"))
        group = o(SAID("table", n=r["paper_table"]))
        columns.append(Column(f"{r['paper_table']} {r['paper_column']}", label, group))
    labels = SAID.data("rows")[o.language]["table_a2"]
    blocks = []
    # The size that power and equivalence are measured against is the paper's.
    compared = is_papers(marts)
    for block in _layouts()["table_a2"]["blocks"]:
        rows = [
            Row(
                labels[c],
                tuple(WRITTEN[kind](r[c], absent=NO_VALUE) for r in records),
                c,
                rule=bool(block.get("rule")) and place == 0,
            )
            for place, (c, kind) in enumerate(block["rows"].items())
            if compared or c not in OF_THE_BOUND
        ]
        blocks.append(Block(tuple(rows), labels.get(block.get("heading"), "")))
    convention = LABELS.label("conventions", ALWAYS)
    notes = [
        _outcome(marts),
        SAID("inference_controls"),
        SAID("inference_errors", convention=convention),
    ]
    for draws in frame["draws"].dropna().head(1):
        said = {part for note in frame["note"] for part in split_notes(note)}
        weights = {part for note in frame["wild_note"] for part in split_notes(note)}
        wild = [told(part) for part in sorted(weights - said)]
        notes.append(SAID("inference_draws", wild=wild, draws=int(draws)))
    notes += [SAID("inference_multiple"), SAID("inference_detectable")]
    for bound in frame["bound"].dropna().head(1) if compared else ():
        notes.append(SAID("inference_bound", bound=bound))
    places = [
        SAID("places", parts=[SAID("table", n=r["paper_table"]), name])
        for r in records
        if (name := region_name(r["paper_column"]))
    ]
    notes += [_sample(marts), *_explained(frame["note"], places)]
    return _table("table_a2", o, blocks, notes, columns=columns)


# ------------------------------------------------------- A3: the paper's and our own


def _only_of_the_paper(name: str, marts: Frames) -> None:
    """Refuse where the file asks another question than the paper.

    Raises
    ------
    OutputError
    """
    if not is_papers(marts):
        options = headline(marts)
        raise OutputError.of(
            "outputs.not_the_papers",
            name=name,
            policy=options["policy"],
            outcome=options["outcome"],
        )


def table_a3(marts: Frames, o: Style) -> Table:
    """Every printed number beside ours, with the reason for the difference."""
    _only_of_the_paper("table_a3", marts)
    frame = marts["rpt_published_comparison"]
    order = {term: place for place, term in enumerate(("tfpch", *TERMS))}
    frame = frame.assign(term_order=frame["term"].map(order))
    frame = _by_region(frame, "term_order", "statistic_order")
    # Observations and R2 belong to a column of a regression, not to each of its terms.
    frame["of_column"] = frame["statistic"].isin(["n_obs", "r2_within"]) & (
        frame["paper_table"] != "2"
    )
    frame = frame[~frame["of_column"] | (frame["term"] == POLICY)]
    labels = _labels(marts)
    blocks = []
    for (table, column), part in frame.groupby(
        ["paper_table", "paper_column"], sort=False
    ):
        parts = [SAID("table", n=table)]
        if column != "all":
            en, zh = region_name(column)
            parts.append(Words(en[0].lower() + en[1:], zh))
        rows, last = [], None
        part = part.sort_values("of_column", kind="stable")
        for r in part.to_dict("records"):
            counted = r["statistic"] == "n_obs"
            term = "" if r["of_column"] else o(_term(r["term"], labels))
            make: Make = count if counted else number
            values = (r[c] for c in ("published", "ours", "difference"))
            cells = (
                words(o(SAID.label("statistics", r["statistic"]))),
                *(make(value, absent=NO_VALUE) for value in values),
                words(o(told(r["reason"]))),
            )
            rows.append(Row("" if term == last else term, cells, r["term"]))
            last = term
        blocks.append(Block(tuple(rows), o(SAID("places", parts=parts))))
    n_compared = int((frame["published"].notna() & frame["ours"].notna()).sum())
    convention = LABELS.label("conventions", headline(marts)["standard_errors"])
    notes = [
        SAID("compared", n=n_compared),
        _sample(marts),
        SAID("standard_errors", convention=convention),
        SAID("dash"),
    ]
    return _table("table_a3", o, blocks, notes)


# ------------------------------------------------------------------- A4: the audit


def table_a4(marts: Frames, o: Style) -> Table:
    """The printed tables against themselves."""
    _only_of_the_paper("table_a4", marts)
    frame = marts["rpt_published_audit"]
    order = {name: i for i, name in enumerate(_layouts()["table_a4"]["order"])}
    frame = frame.assign(order=frame["check_name"].map(order).fillna(len(order)))
    frame = frame.sort_values(
        ["order", "check_name", "paper_table", "paper_column", "term", "quantity"],
        kind="stable",
    )
    blocks = []
    for check, part in frame.groupby("check_name", sort=False):
        n = int(part["disagrees"].fillna(False).sum())
        name = told(check)
        name = Words(name.en[0].upper() + name.en[1:], name.zh)
        rows = []
        for r in part.to_dict("records"):
            values = (r["printed"], r["recomputed"])
            whole = all(is_missing(v) or float(v).is_integer() for v in values)
            make: Make = count if whole else number
            cells = (
                words(o(told(r["quantity"]))),
                *(make(value, absent=NO_VALUE) for value in values),
                words(o(told(r["rule"]))),
                words(o(told(r["verdict"]))),
            )
            key = " ".join(str(r[c]) for c in ("paper_table", "paper_column", "term"))
            rows.append(Row(_audit_place(r, o), cells, key.strip()))
        heading = SAID("disagree", check=name, n=n, of=len(part))
        blocks.append(Block(tuple(rows), o(heading)))
    n_bad = int(frame["disagrees"].fillna(False).sum())
    notes = [SAID("audited", n=len(frame), bad=n_bad, facts=gather(marts))]
    return _table("table_a4", o, blocks, notes)


def _audit_place(row: dict, o: Style) -> str:
    parts = [SAID("table", n=row["paper_table"])]
    if column := row["paper_column"]:
        names = region_names() | SAID.of("audit_places")
        label = names.get(column, same(column))
        parts.append(Words(label.en.lower(), label.zh))
    if term := row["term"]:
        parts.append(SAID.label("audit_terms", term))
    return o(SAID("places", parts=parts))


# ------------------------------------------------------ A5 and A6: balance and checks


def table_a5(marts: Frames, o: Style) -> Table:
    """Treated and control cities before the policy."""
    frame = marts["rpt_balance"]
    labels = _labels(marts)
    blocks = []
    for sample, heading in SAID.of("balance_samples").items():
        part = frame[frame["sample"] == sample]
        mean = part["covariate"] == "all"
        rows = []
        for r in pd.concat([part[~mean], part[mean]]).to_dict("records"):
            covariate = r["covariate"]
            label = (
                SAID("mean_bias") if covariate == "all" else _term(covariate, labels)
            )
            rows.append(Row(o(label), _written("table_a5", r), covariate))
        if rows:
            blocks.append(Block(tuple(rows), o(heading)))
    return _table(
        "table_a5", o, blocks, [SAID("balance", **spoken(marts)), _sample(marts)]
    )


def table_a6(marts: Frames, o: Style) -> Table:
    """The headline under other samples, effects, dates and weights."""
    frame = marts["rpt_sensitivity"]
    keys = _layouts()["table_a6"]["columns"]
    cities = marts["dim_cities"].set_index("city_id")[o.column("city")]
    blocks: list[Block] = []
    for check, title in LABELS.of("checks").items():
        part = frame[(frame["check_name"] == check) & frame["estimate"].notna()]
        if not len(part):
            continue
        if check == "leave_one_city_out":
            ordered = part.sort_values(["estimate", "term"], kind="stable")
            part = pd.concat([ordered.head(1), ordered.tail(1)])
        rows: list[Row] = []
        for place, (_, r) in enumerate(part.iterrows()):
            label = _check_label(check, r, place, cities)
            key = f"{check} {r['sample']} {r['term']}"
            top, below = _estimates(label, [r], o, key)
            # Every statistic on one line: the checks are many.
            error = below.cells[0]
            if is_missing(r["std_error"]) and check == "leave_one_city_out":
                error = Cell("", "text", error.value)
            cells = (
                top.cells[0],
                error,
                p_value(r["p_value"]),
                number(r["minimum_detectable_effect"]),
                count(r["n_obs"]),
                count(r["n_cities"]),
            )
            rows.append(Row(o(label), cells, key))
        single = check in ("headline", "with_controls", "region_by_year")
        if single and blocks and not blocks[-1].heading:
            blocks[-1] = Block((*blocks[-1].rows, *rows))
        else:
            blocks.append(Block(tuple(rows), "" if single else o(title)))
    matching = frame[frame["check_name"] == "propensity_score"]["note"].notna().any()
    notes = [
        _outcome(marts),
        SAID("effects"),
        *_uncertainty(marts, o, ALWAYS),
        _sample(marts),
        SAID("detectable"),
        *([SAID("matching", **spoken(marts))] if matching else []),
    ]
    columns = ["interval" if c == "std_error" and o.intervals else c for c in keys]
    return _table("table_a6", o, blocks, notes, keys=columns)


def _check_label(check: str, row: pd.Series, place: int, cities: pd.Series) -> Words:
    term = str(row["term"])
    if check == "exclusion":
        return exclusion_name(row["sample"])
    if check == "leave_one_batch_out":
        return SAID(check, year=term.split()[-1])
    if check == "fake_date":
        years = next((part for part in term.split() if part.isdigit()), term)
        return SAID(check, years=years, n=1 if years == "1" else 2)
    if check == "propensity_score":
        return LABELS.label("matching", row["aggregation"])
    if check == "leave_one_city_out":
        return SAID(f"left_out_{place}", city=cities.get(term, term))
    return LABELS.label("checks", check)


_STUDY = ("dim_study_variants", "rpt_sample")
_OF_PAPER = ("rpt_regressions", "fct_tfp_changes", "dim_variables", *_STUDY)
TABLES = (
    Maker("table_2", ("rpt_descriptives", "dim_variables", *_STUDY), table_2),
    Maker("table_3", _OF_PAPER, table_3),
    Maker("table_4", _OF_PAPER, table_4),
    Maker("table_5", _OF_PAPER, table_5),
    Maker("table_a1", ("rpt_att", *_STUDY), table_a1),
    Maker("table_a2", ("rpt_inference", *_STUDY), table_a2),
    Maker("table_a3", ("rpt_published_comparison", "dim_variables", *_STUDY), table_a3),
    Maker("table_a4", ("rpt_published_audit", "dim_variables", *_STUDY), table_a4),
    Maker("table_a5", ("rpt_balance", "dim_variables", *_STUDY), table_a5),
    Maker("table_a6", ("rpt_sensitivity", "dim_cities", *_STUDY), table_a6),
)
