"""The five-minute page: what was varied, what moved the answer, what would settle it.

Every sentence is chosen by a rule over the results; other data give other sentences.
The verdict, the range, what could have been found and the paper are the facts that the
study report tells too. The words are in `words/*/curve.yml`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices
from citypanel.curve.summary import scopes_of
from citypanel.outputs.facts import SIGNIFICANCE, Facts
from citypanel.outputs.facts.effects import number
from citypanel.outputs.facts.range import MOST, range_of
from citypanel.outputs.report.sentences import detectable, scale, specifications
from citypanel.pages import render
from citypanel.pages.blocks import Block
from citypanel.words import LANGUAGES, Catalogue, Words, same

# A choice moves the answer from a tenth of the variance on, and does not below a
# hundredth.
MOVES, STILL = 0.10, 0.01
SAID = Catalogue("curve")
TEMPLATES = Path(__file__).with_name("templates")
TOGETHER = "significant in the dominant direction"
NOT_CHOICES = ("all choices together", "their interactions")


class Reader:
    """Cells of the summary by scope, section and item."""

    def __init__(self, summary: pd.DataFrame):
        self.summary = summary

    def rows(self, scope: str | None, section: str) -> pd.DataFrame:
        mask = self.summary["section"] == section
        if scope is not None:
            mask &= self.summary["scope"] == scope
        return self.summary.loc[mask]

    def shares(self, estimand: str) -> pd.DataFrame:
        """Shapley shares of the choices, largest first; empty with too few rows."""
        for scope in (f"{estimand}, none dubious", estimand):
            rows = self.rows(scope, "variance")
            rows = rows.loc[rows["share"].notna() & ~rows["item"].isin(NOT_CHOICES)]
            if len(rows):
                return rows
        return self.rows("none", "variance")


def specification_page(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    choices: Choices,
    facts: Facts,
    *,
    figures: Collection[str] = (),
) -> str:
    """The page, in English and Chinese; see `answer`.

    ``figures`` are the files beside it; without its own, a language shows the English.
    """
    blocks = answer(table, summary, choices, facts)
    return render(
        "specifications.html.j2",
        folder=TEMPLATES,
        blocks=blocks,
        title=SAID("title"),
        caption=SAID("figure_caption"),
        has_figure=facts.range is not None,
        sources={
            language: own
            if (own := f"curve_{language}.svg") in figures
            else "curve.svg"
            for language in LANGUAGES
        },
    )


def answer(
    table: pd.DataFrame, summary: pd.DataFrame, choices: Choices, facts: Facts
) -> list[Block]:
    """The page of a curve, in pieces whose texts are in every language.

    Parameters
    ----------
    table : DataFrame
        As `specifications`.
    summary : DataFrame
        As `summarise`.
    choices : Choices
    facts : Facts
        Of the file the curve was computed from, with its range over this table.

    Returns
    -------
    list of Block
    """
    page = _Page(table, Reader(summary), choices, facts)
    return [
        Block("title", SAID("title")),
        Block("text", [SAID("lead")]),
        Block("text", page.verdict()),
        _heading("varied"),
        Block("text", page.varied()),
        Block("table", page.ranges()),
        Block("figure", ("curve.svg", "curve.html", SAID("figure"))),
        _heading("moved"),
        *page.movers(),
        _heading("still"),
        Block("text", page.still()),
        *page.paper(),
        _heading("settle"),
        *page.settle(),
        _heading("reading"),
        Block("text", [SAID("reading"), scale(facts)]),
    ]


def _heading(name: str) -> Block:
    return Block("heading", SAID.of("headings")[name])


class _Page:
    def __init__(self, table, read: Reader, choices: Choices, facts: Facts):
        self.table, self.read, self.choices = table, read, choices
        self.facts, self.labels = facts, facts.labels
        self.estimand = facts.estimand
        self.base = facts.headline.effect
        self.shares = read.shares(self.estimand)
        moves = read.rows(None, "tornado")
        self.moves = moves.loc[
            (moves["scope"] == self.estimand) & moves["value"].notna()
        ]

    def say(self, rule: str, **given) -> Words:
        return SAID(rule, **(self.labels.said | given))

    def verdict(self) -> list[Words]:
        s = self.facts.range
        if s is None:
            return [SAID("none_estimated")]
        out = [Words(x.en, x.zh) for x in specifications(self.facts)]
        if s.is_whole:
            told = {"positive": s.positive, "base": self.base.estimate}
            out.insert(1, self.say("median", **told))
            if TOGETHER in s.joint:
                out.append(self.say("together", p=s.joint[TOGETHER]))
        return out

    def varied(self) -> list[Words]:
        out = [
            self.say(
                "varied",
                n=len(self.choices.choices),
                values=sum(len(c.values) for c in self.choices.choices),
                labels=[_small(self.labels.choice(n)) for n in self.choices.names],
                size=self.choices.size,
                computed=len(self.table),
            )
        ]
        failed = int(self.table["estimate"].isna().sum())
        return [*out, self.say("failed", n=failed)] if failed else out

    def ranges(self) -> list[list[Words]]:
        """The range of every estimand, with and without known defects."""
        out = [list(SAID.of("columns").values())]
        scopes = scopes_of(self.table)
        sound = self.table["plausibility"] != "dubious"
        estimands = sorted(
            dict.fromkeys(scope.split(",")[0] for scope in scopes),
            key=lambda name: name != self.estimand,
        )
        for estimand in estimands:
            for scope, rows in (
                (f"{estimand}, none dubious", self.table[sound]),
                (estimand, self.table.assign(plausibility="defensible")),
            ):
                s = range_of(rows, None, estimand)
                if s is not None:
                    shares = (s.positive, s.up, s.down)
                    out.append(
                        [
                            SAID.of("scopes")[scope],
                            same(f"{s.n:,}"),
                            SAID("value_median", value="", median=s.median),
                            SAID("middle", low=s.low, high=s.high),
                            *(same(f"{100 * share:.0f}%") for share in shares),
                        ]
                    )
        return [[Words(*(text.strip() for text in cell)) for cell in r] for r in out]

    def movers(self) -> list[Block]:
        blocks = []
        if len(self.shares):
            big = self.shares.loc[self.shares["share"] >= MOVES]
            rows = self.read.rows(self.shares["scope"].iloc[0], "variance")
            rest = number(rows.set_index("item")["share"].get(NOT_CHOICES[1]))
            told = [
                SAID(
                    "share_of",
                    choice=_small(self.labels.choice(row.item)),
                    share=row.share,
                )
                for row in (big if len(big) else self.shares.head(1)).itertuples()
            ]
            count = SAID.label("counts", str(len(big)))
            rule = "movers" if len(big) else "no_mover"
            lead = SAID(rule, n=len(big), count=count, told=told)
            blocks = [
                Block("text", [lead, SAID("interactions", share=rest)]),
                Block("items", [self.by_value(name) for name in big["item"]]),
            ]
        else:
            blocks = [Block("text", [SAID("too_few")])]
        if self.base.is_known and len(self.moves):
            blocks.append(Block("items", self.single_moves()))
        return blocks

    def single_moves(self) -> list[Words]:
        """Which moves carry beyond a standard error, turn the sign, are significant."""
        moves = self.moves
        far = moves.loc[self.is_far(moves)]
        order = far["difference"].abs().sort_values(ascending=False).index
        turned = moves.loc[np.sign(moves["value"]) != self.base.sign]
        clear = moves.loc[moves["p_value"] < SIGNIFICANCE]
        out = []
        for name, rows in (
            ("far", far.reindex(order)),
            ("turned", turned),
            ("clear", clear),
        ):
            told = [
                SAID(
                    "clear_move" if name == "clear" else "move",
                    row=row,
                    moves=self.labels.moves(row.item),
                    dubious=row.text == "dubious",
                )
                for row in rows.itertuples()
            ]
            rule = name if told else f"none_{name}"
            numbers = {"base": self.base.estimate, "error": self.base.std_error}
            out.append(SAID(rule, told=told, **numbers))
        return out

    def is_far(self, moves: pd.DataFrame) -> pd.Series:
        return moves["difference"].abs() >= self.base.std_error

    def by_value(self, name: str) -> Words:
        rows = self.table.loc[
            (self.table["estimand"] == self.estimand)
            & self.table["estimate"].notna()
            & (self.table["plausibility"] != "dubious")
        ]
        medians = rows.groupby(rows[name].astype(str))["estimate"].median()
        told = [
            SAID("value_median", value=self.labels.value(name, value), median=b)
            for value, b in medians.sort_values().items()
        ]
        return SAID("by_value", choice=self.labels.choice(name), told=told)

    def still(self) -> list[Words]:
        """Choices that neither explain variance nor move the headline when alone."""
        if not len(self.shares):
            return [SAID("too_few")]
        moved = {
            item.partition("=")[0]
            for item in self.moves.loc[self.is_far(self.moves), "item"]
        }
        names = self.shares.loc[self.shares["share"] < STILL, "item"]
        labels = [_small(self.labels.choice(n)) for n in names if n not in moved]
        return [SAID("still", labels=labels) if labels else SAID("none_still")]

    def paper(self) -> list[Block]:
        """Where the paper lies; nothing where the question is not the paper's."""
        if self.facts.paper is None:
            return []
        rows = list(self.read.rows(self.estimand, "paper").itertuples())
        if not rows:
            return [_heading("paper"), Block("text", [SAID("no_paper")])]
        names = SAID.of("of_paper")
        items = [
            SAID(row.text, what=names[row.item], row=row, above=row.value > row.high)
            for row in rows
        ]
        blocks = [_heading("paper"), Block("items", items)]
        outside = [names[row.item] for row in rows if row.text == "outside"]
        for near in self.read.rows(self.estimand, "nearest").head(1).itertuples():
            moves = self.labels.moves(near.item)
            said = [SAID("nearest", near=near, moves=moves)]
            if outside:
                said.append(SAID("not_reproduced", outside=SAID("or", parts=outside)))
            blocks.append(Block("text", said))
        return blocks

    def settle(self) -> list[Block]:
        facts, least = self.facts, detectable(self.facts)
        least_words = Words(least.en, least.zh)
        rule = "ceiling"
        if facts.paper is not None:
            weak = facts.detectable > abs(facts.paper.estimate)
            rule = "imprecise" if weak else "precise"
        blocks = [Block("text", [SAID(rule, detectable=least_words)])]
        share = facts.headline.assumed_share
        if share >= MOST:
            blocks.append(Block("text", [self.say("assumed", share=share)]))
        top = list(self.shares["item"].iloc[:4])
        if top:
            items = [
                SAID(
                    "settled",
                    choice=self.labels.choice(name),
                    settled=self.labels.settled_by(name),
                )
                for name in top
            ]
            blocks.append(Block("items", items))
        medians = {}
        for estimand in ("growth", "level"):
            found = range_of(self.table, None, estimand)
            medians[estimand] = found.median if found else float("nan")
        if medians["growth"] * medians["level"] < 0:
            blocks.append(Block("text", [self.say("signs_differ", **medians)]))
        return blocks


def _small(words: Words) -> Words:
    return Words(*(text[:1].lower() + text[1:] for text in words))


def english(blocks: Iterable[Block]) -> list[Block]:
    """The pieces with their English texts alone, for `as_markdown`."""
    out = []
    for block in blocks:
        content = block.content
        match block.kind:
            case "text":
                content = " ".join(words.en for words in content)
            case "items":
                content = [words.en for words in content]
            case "table":
                content = [[cell.en for cell in row] for row in content]
            case "title" | "heading":
                content = content.en
        out.append(Block(block.kind, content))
    return out
