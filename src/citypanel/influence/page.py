"""A page of sentences and tables about what carries the headline.

Its sentences are chosen by rules over the tables, so that other data give others. The
words, and the columns of the tables, are in `words/en/influence.yml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from citypanel.pages.blocks import Block, as_markdown
from citypanel.words import Catalogue

#: Cells in the table of the strongest.
STRONGEST = 10
SAID = Catalogue("influence")
# Kind and scope of the experiments that have a table, in its order.
TABLES = (
    ("city", "sample"),
    ("city_year", "sample"),
    ("seed_cell", "yearbook"),
    ("seed_cell", "province"),
    ("slip", "yearbook"),
    ("slip", "province"),
)


def influence_page(tables: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> str:
    """Markdown about the six tables.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        As `citypanel.influence.tables.every_table`.
    names : mapping of str to str
        Cities by code.

    Returns
    -------
    str
    """
    yardsticks = tables["yardsticks"]
    yardsticks = yardsticks.loc[
        (yardsticks["estimator"] == "twfe")
        & yardsticks["outcome"].isin(["growth", "level"])
    ]
    return as_markdown(
        [
            _said("title", "title"),
            *_influence(tables["influence"], names),
            *_carriers(tables["frontier_carriers"], names),
            *_alternatives(tables["frontier_alternatives"], names),
            *_bounds(tables["assumed_bounds"]),
            _said("heading", "uncertainty"),
            _table("uncertainty", tables["index_uncertainty"]),
            _said("heading", "yardsticks"),
            _table("yardsticks", yardsticks),
        ]
    )


def _said(kind: str, rule: str, **facts: object) -> Block:
    return Block(kind, SAID(rule, **facts).en)


def _influence(frame: pd.DataFrame, names: Mapping[str, str]) -> list[Block]:
    base = frame.loc[frame["kind"] == "headline"].iloc[0]
    blocks = [_said("text", "headline", base=base)]
    deleted = frame.loc[frame["kind"].isin(["city", "city_year", "seed_cell"])]
    sign = deleted.loc[deleted["estimate"] * base["estimate"] < 0]
    which = ""
    if len(sign) == 1:
        row = sign.iloc[0]
        year, variable = _shown(row["year"]), _shown(row["variable"])
        which = " ".join(filter(None, (_name(row, names), year, variable)))
    rule = "no_sign" if sign.empty else "one_sign" if which else "signs"
    said = [SAID(rule, n=len(sign), which=which).en]
    slips = frame.loc[(frame["kind"] == "slip") & frame["estimate"].notna()]
    if len(slips):
        far = (slips["change_in_std_errors"].abs() > 1.96).mean()
        said.append(SAID("slips", far=100 * far, n=len(slips)).en)
    blocks.append(Block("text", "\n".join(said)))
    for kind, scope in TABLES:
        part = frame.loc[(frame["kind"] == kind) & (frame["rank"] <= STRONGEST)]
        part = part.loc[part["scope"] == scope].sort_values("rank")
        if len(part):
            unit = [_name(row, names) for _, row in part.iterrows()]
            note = part["note"].map(_shown).str[:60]
            blocks.append(_said("heading", f"{kind}_{scope}"))
            blocks.append(_table("influence", part.assign(unit=unit, note=note)))
    return blocks


def _name(row: pd.Series, names: Mapping[str, str]) -> str:
    given = row.get("unit_name")
    return str(given) if pd.notna(given) else names.get(row["unit"], str(row["unit"]))


def _carriers(frame: pd.DataFrame, names: Mapping[str, str]) -> list[Block]:
    items = [
        SAID(
            "carriers_of",
            year=year,
            shown=[
                f"{names.get(row.city_id, row.city_id)} {100 * row.weight:.0f}"
                for row in part.itertuples()
            ],
        ).en
        for year, part in frame.groupby("year")
    ]
    alone = frame.groupby("year").size()
    alone = [str(year) for year in alone.index[alone == 1]]
    blocks = [_said("heading", "carriers"), Block("items", items)]
    return [*blocks, _said("text", "alone", years=alone)] if alone else blocks


def _alternatives(frame: pd.DataFrame, names: Mapping[str, str]) -> list[Block]:
    found = frame.loc[frame["estimate"].notna()]
    differs = found["estimate"] * found["headline_same_rows"] < 0
    other = found.loc[differs, "alternative"]

    def named(text: str) -> str:
        code = text.removeprefix("without ")
        return f"without {names[code]}" if code in names else text

    rule = "same_sign" if other.empty else "another_sign"
    return [
        _said("heading", "alternatives"),
        _said("text", rule, names=list(other)),
        _table(
            "alternatives", frame.assign(alternative=frame["alternative"].map(named))
        ),
    ]


def _bounds(frame: pd.DataFrame) -> list[Block]:
    bounds = frame.loc[frame["kind"] == "bound"]
    heading = _said("heading", "bounds")
    if bounds["target_value"].isna().all():
        return [heading, _said("text", "nothing_assumed")]
    items = []
    for row in bounds.itertuples():
        start = SAID("assumed", row=row, level=row.shape == "level")
        rule = "never_reached" if pd.isna(row.factor) else "reached"
        items.append(SAID(rule, start=start, row=row).en)
    return [heading, Block("items", items)]


def _table(name: str, frame: pd.DataFrame) -> Block:
    """The columns that the catalogue lists, each by its attribute and its format."""
    columns = SAID.data("tables")["en"][name]
    if {"conf_low", "conf_high"} <= set(frame):
        frame = frame.assign(
            interval=[
                "" if pd.isna(low) else f"{low:.3f} to {high:.3f}"
                for low, high in zip(frame["conf_low"], frame["conf_high"], strict=True)
            ]
        )
    rows = [
        [_shown(row[column], form) for column, (_, form) in columns.items()]
        for row in frame.to_dict("records")
    ]
    return Block("table", [[heading for heading, _ in columns.values()], *rows])


def _shown(value: Any, form: str = "") -> str:
    if pd.isna(value):
        return ""
    return format(float(value), form) if form else str(value)
