"""The five-minute page: what was varied, what moved the answer, what would settle it.

Every sentence is chosen by a rule over the results; other data give other sentences.
The words are in `words/en/curve.yml`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices
from citypanel.curve.specifications import HEADLINE
from citypanel.pages.blocks import Block
from citypanel.words import Catalogue, Words
from citypanel.words.numbers import fixed

MAIN = "growth, none dubious"
WIDE = "growth"
# A choice moves the answer from a tenth of the variance on, and does not below a
# hundredth.
MOVES, STILL = 0.10, 0.01
# Most of the specifications; a few of them; as good as none.
MOST, FEW, HARDLY = 0.5, 0.10, 0.05
# Effect found four times in five, in standard errors: 1.96 + 0.84.
DETECTABLE = 2.8
SAID = Catalogue("curve")


class Reader:
    """Cells of the summary by scope, section and item."""

    def __init__(self, summary: pd.DataFrame):
        self.summary = summary

    def rows(self, scope: str | None, section: str) -> pd.DataFrame:
        mask = self.summary["section"] == section
        if scope is not None:
            mask &= self.summary["scope"] == scope
        return self.summary.loc[mask]

    def get(self, scope: str, section: str, item: str, column: str) -> float:
        rows = self.rows(scope, section)
        rows = rows.loc[rows["item"] == item]
        if not len(rows) or pd.isna(rows[column].iloc[0]):
            return float("nan")
        return float(rows[column].iloc[0])

    def curve(self, scope: str) -> dict[str, float]:
        """Count, median, middle 90 per cent and shares of the curve of a scope."""
        cells = {
            "n": ("estimated", "n"),
            "median": ("median", "value"),
            "low": ("middle 90 per cent", "low"),
            "high": ("middle 90 per cent", "high"),
            "positive": ("positive", "share"),
            "up": ("significant and positive", "share"),
            "down": ("significant and negative", "share"),
        }
        return {k: self.get(scope, "curve", *cell) for k, cell in cells.items()}


def answer(table: pd.DataFrame, summary: pd.DataFrame, choices: Choices) -> list[Block]:
    """The page of a curve.

    Parameters
    ----------
    table : DataFrame
        As `specifications`.
    summary : DataFrame
        As `summarise`.
    choices : Choices

    Returns
    -------
    list of Block
    """
    read = Reader(summary)
    figure = ("curve.svg", "curve.html", "The specification curve")
    return [
        Block("title", SAID("title").en),
        _text(_verdict(read)),
        _heading("varied"),
        _text(_varied(table, choices)),
        Block("table", _range_table(read)),
        Block("figure", figure),
        _heading("moved"),
        *_movers(table, read, choices),
        _heading("still"),
        _text(_still(read)),
        _heading("paper"),
        *_paper(read),
        _heading("settle"),
        *_settle(table, read, choices),
        _heading("reading"),
        _text([SAID("reading")]),
    ]


def _text(sentences: Iterable[Words]) -> Block:
    return Block("text", " ".join(words.en for words in sentences))


def _heading(name: str) -> Block:
    return Block("heading", SAID.of("headings")[name].en)


def _verdict(read: Reader) -> list[Words]:
    scope = MAIN if read.get(MAIN, "curve", "estimated", "n") > 0 else WIDE
    curve = read.curve(scope)
    if not curve["n"] > 0:
        return [SAID("none_estimated")]
    up, down = curve["up"], curve["down"]
    if up > HARDLY and down > HARDLY:
        rule = "both_signs"
    elif up >= MOST or down >= MOST:
        rule = "raised" if up >= MOST else "lowered"
    elif up + down <= HARDLY:
        rule = "hardly_any"
    elif up + down <= FEW + HARDLY:
        rule = "few"
    else:
        rule = "most_find_none"
    n = int(curve.pop("n"))
    out = [SAID(rule, more_up=up > down, **curve), SAID("median", n=n, **curve)]
    p = read.get(scope, "joint", "median", "p_value")
    if np.isfinite(p):
        item = "significant in the dominant direction"
        together = read.get(scope, "joint", item, "p_value")
        out.append(SAID("joint", clear=min(p, together) < 0.05, p=p, together=together))
    return out


def _varied(table: pd.DataFrame, choices: Choices) -> list[Words]:
    out = [
        SAID(
            "varied",
            n=len(choices.choices),
            values=sum(len(c.values) for c in choices.choices),
            labels=[c.label[0].lower() + c.label[1:] for c in choices.choices],
            size=choices.size,
            computed=len(table),
        )
    ]
    failed = int(table["estimate"].isna().sum())
    if failed:
        counts = table["reason_kind"].value_counts()
        kinds = [f"{kind}: {n:,}" for kind, n in sorted(counts.items())]
        out.append(SAID("failed", n=failed, kinds=kinds))
    return out


def _range_table(read: Reader) -> list[list[str]]:
    out = [[words.en for words in SAID.of("columns").values()]]
    for scope, label in SAID.of("scopes").items():
        curve = read.curve(scope)
        if curve["n"] > 0:
            row = [f"{100 * curve[c]:.0f}%" for c in ("positive", "up", "down")]
            low, high = (fixed(curve[end], sign="+") for end in ("low", "high"))
            median = fixed(curve["median"], sign="+")
            out.append(
                [label.en, f"{curve['n']:,.0f}", median, f"{low} to {high}", *row]
            )
    return out


def shares_of(read: Reader) -> pd.DataFrame:
    """Shapley shares of the choices, largest first; empty with too few rows."""
    for scope in (MAIN, WIDE):
        rows = read.rows(scope, "variance")
        rows = rows.loc[rows["share"].notna()]
        rows = rows.loc[~rows["item"].isin(["all choices together",
                                            "their interactions"])]  # fmt: skip
        if len(rows):
            return rows
    return read.rows("none", "variance")


def _movers(table: pd.DataFrame, read: Reader, choices: Choices) -> list[Block]:
    blocks = []
    shares = shares_of(read)
    if len(shares):
        big = shares.loc[shares["share"] >= MOVES]
        rest = read.get(
            shares["scope"].iloc[0], "variance", "their interactions", "share"
        )
        told = [
            SAID("share_of", choice=row.text.lower(), share=row.share)
            for row in (big if len(big) else shares.head(1)).itertuples()
        ]
        count = SAID.label("counts", str(len(big)))
        lead = SAID(
            "movers" if len(big) else "no_mover", n=len(big), count=count, told=told
        )
        items = [_by_value(table, name, choices) for name in big["item"]]
        blocks = [
            _text([lead, SAID("interactions", share=rest)]),
            Block("items", items),
        ]
    else:
        note = read.rows(MAIN, "variance")["text"]
        blocks = [
            Block("text", f"{note.iloc[0]}." if len(note) else SAID("nothing").en)
        ]
    moves = read.rows(None, "tornado")
    moves = moves.loc[(moves["scope"] == "growth") & moves["value"].notna()]
    headline = table.loc[table["specification"] == HEADLINE]
    if len(headline) and len(moves):
        blocks.append(_text(_single_moves(headline.iloc[0], moves)))
    return blocks


def _single_moves(base: pd.Series, moves: pd.DataFrame) -> list[Words]:
    """Which moves carry beyond a standard error, turn the sign, are significant."""
    b, error = float(base["estimate"]), float(base["std_error"])
    far = moves.loc[moves["difference"].abs() >= error]
    far = far.reindex(far["difference"].abs().sort_values(ascending=False).index)
    turned = moves.loc[np.sign(moves["value"]) != np.sign(b)]
    clear = moves.loc[moves["p_value"] < 0.05]
    out = []
    for name, rows in (("far", far), ("turned", turned), ("clear", clear)):
        told = [
            SAID("clear_move" if name == "clear" else "move", row=row)
            for row in rows.itertuples()
        ]
        rule = name if told else f"none_{name}"
        out.append(SAID(rule, base=b, error=error, told=told))
    return out


def _by_value(table: pd.DataFrame, name: str, choices: Choices) -> str:
    rows = table.loc[
        (table["estimand"] == "growth")
        & table["estimate"].notna()
        & (table["plausibility"] != "dubious")
    ]
    medians = rows.groupby(rows[name].astype(str))["estimate"].median().sort_values()
    told = [f"{value} {fixed(b, sign='+')}" for value, b in medians.items()]
    return SAID("by_value", choice=choices[name].label, told=told).en


def _still(read: Reader) -> list[Words]:
    shares = shares_of(read)
    if not len(shares):
        return [SAID("too_few")]
    small = shares.loc[shares["share"] < STILL, "text"]
    labels = [text.lower() for text in small]
    return [SAID("still", labels=labels) if labels else SAID("none_still")]


def _paper(read: Reader) -> list[Block]:
    rows = list(read.rows(WIDE, "paper").itertuples())
    if not rows:
        return [_text([SAID("no_paper")])]
    names = SAID.of("of_paper")
    items = [
        SAID(row.text, what=names[row.item], row=row, above=row.value > row.high).en
        for row in rows
    ]
    blocks = [Block("items", items)]
    outside = " or ".join(names[row.item].en for row in rows if row.text == "outside")
    for near in read.rows(WIDE, "nearest").head(1).itertuples():
        said = [SAID("nearest", near=near)]
        if outside:
            said.append(SAID("not_reproduced", outside=outside))
        blocks.append(_text(said))
    return blocks


def _settle(table: pd.DataFrame, read: Reader, choices: Choices) -> list[Block]:
    blocks = []
    headline = table.loc[table["specification"] == HEADLINE]
    paper = read.get(WIDE, "paper", "coefficient", "value")
    if len(headline) and np.isfinite(paper):
        least = DETECTABLE * float(headline["std_error"].iloc[0])
        rule = "imprecise" if least > abs(paper) else "precise"
        blocks.append(_text([SAID(rule, least=least)]))
        share = float(headline["assumed_share"].iloc[0])
        if share >= MOST:
            blocks.append(_text([SAID("assumed", share=share)]))
    top = [choices[name] for name in shares_of(read)["item"].iloc[:4]]
    if top:
        items = [f"{choice.label}: {choice.settled_by}" for choice in top]
        blocks.append(Block("items", items))
    growth, level = (
        read.get(scope, "curve", "median", "value") for scope in (WIDE, "level")
    )
    if np.isfinite(level) and np.sign(level) != np.sign(growth):
        blocks.append(_text([SAID("signs_differ", growth=growth, level=level)]))
    return blocks
