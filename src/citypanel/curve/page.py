"""The five-minute page: what was varied, what moved the answer, what would settle it.

Every sentence is chosen by a rule over the results; other data give other sentences.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices
from citypanel.curve.specifications import HEADLINE

MAIN = "growth, none dubious"
WIDE = "growth"
# A choice moves the answer from a tenth of the variance on, and does not below a
# hundredth.
MOVES, STILL = 0.10, 0.01
# Most of the specifications; a few of them; as good as none.
MOST, FEW, HARDLY = 0.5, 0.10, 0.05
# Effect found four times in five, in standard errors: 1.96 + 0.84.
DETECTABLE = 2.8


@dataclass(frozen=True)
class Block:
    """A piece of the page: title, heading, text, items or table."""

    kind: str
    content: object


def per_cent(share: float) -> str:
    """A share in words of a table: 12 per cent, under 1 per cent."""
    if 0 < share < 0.005:
        return "under 1 per cent"
    if 0.995 < share < 1:
        return "over 99 per cent"
    return f"{100 * share:.0f} per cent"


def number(value: float) -> str:
    """An effect with its sign, three digits behind the point."""
    return f"{value:+.3f}"


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
    blocks = [Block("title", "What the answer rests on")]
    blocks.append(Block("text", " ".join(_verdict(read))))
    blocks.append(Block("heading", "What was varied"))
    blocks.append(Block("text", " ".join(_varied(table, choices))))
    blocks.append(Block("table", _range_table(read)))
    blocks.append(Block("heading", "What moved the answer"))
    blocks += _movers(table, read, choices)
    blocks.append(Block("heading", "What did not"))
    blocks.append(Block("text", " ".join(_still(read, choices))))
    blocks.append(Block("heading", "Where the paper lies"))
    blocks += _paper(read)
    blocks.append(Block("heading", "What would settle it"))
    blocks += _settle(table, read, choices)
    blocks.append(Block("heading", "How to read this"))
    blocks.append(
        Block(
            "text",
            "The curve is no sample of possible worlds and its shares are no "
            "probabilities: they count the choices that were declared, each value "
            "alike. It shows what a reader who would have chosen otherwise would have "
            "found. An effect is in points of a growth index: 0.01 is one percentage "
            "point of productivity growth a year.",
        )
    )
    return blocks


def _verdict(read: Reader) -> list[str]:
    scope = MAIN if read.get(MAIN, "curve", "estimated", "n") > 0 else WIDE
    n = read.get(scope, "curve", "estimated", "n")
    if not n > 0:
        return ["No specification has an estimate; the reasons are in the table."]
    up = read.get(scope, "curve", "significant and positive", "share")
    down = read.get(scope, "curve", "significant and negative", "share")
    positive = read.get(scope, "curve", "positive", "share")
    median = read.get(scope, "curve", "median", "value")
    low = read.get(scope, "curve", "middle 90 per cent", "low")
    high = read.get(scope, "curve", "middle 90 per cent", "high")
    if up > HARDLY and down > HARDLY:
        lead = (
            "The sign of the effect is a matter of choice: "
            f"{per_cent(up)} of the specifications find a significant rise of "
            f"productivity growth and {per_cent(down)} a significant fall."
        )
    elif up >= MOST:
        lead = (
            "The zones raised productivity growth under most choices: "
            f"{per_cent(up)} of the specifications say so at the 5 per cent level."
        )
    elif down >= MOST:
        lead = (
            "The zones lowered productivity growth under most choices: "
            f"{per_cent(down)} of the specifications say so at the 5 per cent level."
        )
    elif up + down <= HARDLY:
        lead = (
            "Hardly any choice finds an effect: "
            f"{per_cent(up)} of the specifications are significant and positive, "
            f"{per_cent(down)} significant and negative, no more than chance alone "
            "would give."
        )
    elif up + down <= FEW + HARDLY:
        lead = (
            "Few choices find an effect: "
            f"{per_cent(up)} of the specifications are significant and positive, "
            f"{per_cent(down)} significant and negative."
        )
    else:
        more = "rise" if up > down else "fall"
        lead = (
            "Most choices find no effect that can be told from zero; those that do "
            f"find a {more} of productivity growth more often "
            f"({per_cent(up)} significant and positive, {per_cent(down)} significant "
            "and negative)."
        )
    out = [
        lead,
        f"The median of {int(n):,} defensible specifications is {number(median)}, the "
        f"middle 90 per cent run from {number(low)} to {number(high)}, and "
        f"{per_cent(positive)} are positive.",
    ]
    p = read.get(scope, "joint", "median", "p_value")
    if np.isfinite(p):
        together = read.get(
            scope, "joint", "significant in the dominant direction", "p_value"
        )
        clear = min(p, together) < 0.05
        out.append(
            "Taken together the two-way specifications "
            + ("cannot" if clear else "can")
            + " well be what chance gives where no zone has an effect: with the policy "
            "dealt at random among the cities, a median as far from zero comes up with "
            f"p = {p:.2f}, and as many significant estimates with p = {together:.2f}."
        )
    return out


def _varied(table: pd.DataFrame, choices: Choices) -> list[str]:
    values = sum(len(c.values) for c in choices.choices)
    failed = int(table["estimate"].isna().sum())
    labels = ", ".join(c.label[0].lower() + c.label[1:] for c in choices.choices)
    out = [
        f"{len(choices.choices)} choices with {values} values: {labels}. Their "
        f"product has {choices.size:,} combinations; {len(table):,} were computed, the "
        "headline and every single move among them, the others drawn so that each "
        "value of a choice appears alike. Half of the draws have nothing dubious."
    ]
    if failed:
        counts = table["reason_kind"].value_counts()
        told = ", ".join(f"{kind}: {n:,}" for kind, n in sorted(counts.items()))
        out.append(f"{failed:,} have no estimate ({told}); their rows say why.")
    return out


def _range_table(read: Reader) -> list[list[str]]:
    names = {
        MAIN: "growth, nothing dubious",
        WIDE: "growth, all",
        "component": "a component of the index",
        "level": "the level",
    }
    out = [["effect on", "specifications", "median", "middle 90 per cent",
            "positive", "significant, positive", "significant, negative"]]  # fmt: skip
    for scope, label in names.items():
        n = read.get(scope, "curve", "estimated", "n")
        if not n > 0:
            continue
        cells = [
            read.get(scope, "curve", item, "share")
            for item in (
                "positive",
                "significant and positive",
                "significant and negative",
            )
        ]
        low = read.get(scope, "curve", "middle 90 per cent", "low")
        high = read.get(scope, "curve", "middle 90 per cent", "high")
        out.append(
            [
                label,
                f"{int(n):,}",
                number(read.get(scope, "curve", "median", "value")),
                f"{number(low)} to {number(high)}",
                *(f"{100 * c:.0f}%" for c in cells),
            ]
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
        scope = shares["scope"].iloc[0]
        big = shares.loc[shares["share"] >= MOVES]
        rest = read.get(scope, "variance", "their interactions", "share")
        if len(big):
            told = ", ".join(
                f"{row.text.lower()} ({per_cent(row.share)})"
                for row in big.itertuples()
            )
            word = "choice explains" if len(big) == 1 else "choices explain"
            text = (
                f"{_count(len(big))} {word} a tenth or more of the variance of the "
                f"estimates each: {told}."
            )
        else:
            top = shares.iloc[0]
            text = (
                "No single choice explains a tenth of the variance of the estimates; "
                f"the largest share is that of {top.text.lower()} "
                f"({per_cent(top.share)})."
            )
        text += (
            f" {per_cent(rest)[0].upper()}{per_cent(rest)[1:]} lie in how choices "
            "combine."
        )
        blocks.append(Block("text", text))
        blocks.append(
            Block("items", [_by_value(table, name, choices) for name in big["item"]])
        )
    else:
        note = read.rows(MAIN, "variance")["text"]
        blocks.append(
            Block("text", f"{note.iloc[0]}." if len(note) else "Nothing was varied.")
        )
    moves = read.rows(None, "tornado")
    moves = moves.loc[(moves["scope"] == "growth") & moves["value"].notna()]
    headline = table.loc[table["specification"] == HEADLINE]
    if len(headline) and len(moves):
        base = headline.iloc[0]
        b, error = float(base["estimate"]), float(base["std_error"])
        far = moves.loc[moves["difference"].abs() >= error]
        far = far.reindex(far["difference"].abs().sort_values(ascending=False).index)
        turned = moves.loc[np.sign(moves["value"]) != np.sign(b)]
        text = f"From the headline, {number(b)} with a standard error of {error:.3f}, "
        if len(far):
            told = ", ".join(f"{r.item} ({number(r.value)})" for r in far.itertuples())
            text += f"a single move carries further than that error with {told}."
        else:
            text += "no single move carries further than that error."
        if len(turned):
            told = ", ".join(
                f"{r.item} ({number(r.value)})" for r in turned.itertuples()
            )
            text += f" The sign turns with {told}."
        else:
            text += " No single move turns its sign."
        clear = moves.loc[moves["p_value"] < 0.05]
        if len(clear):
            told = ", ".join(
                f"{r.item} ({number(r.value)}, p = {r.p_value:.3f}, {r.text})"
                for r in clear.itertuples()
            )
            text += f" Significant at 5 per cent: {told}."
        else:
            text += " None is significant at 5 per cent."
        blocks.append(Block("text", text))
    return blocks


def _by_value(table: pd.DataFrame, name: str, choices: Choices) -> str:
    rows = table.loc[
        (table["estimand"] == "growth")
        & table["estimate"].notna()
        & (table["plausibility"] != "dubious")
    ]
    medians = rows.groupby(rows[name].astype(str))["estimate"].median()
    medians = medians.sort_values()
    told = ", ".join(f"{value} {number(b)}" for value, b in medians.items())
    return f"{choices[name].label}, medians: {told}."


def _still(read: Reader, choices: Choices) -> list[str]:
    shares = shares_of(read)
    if not len(shares):
        return ["With so few specifications this cannot be said of any choice."]
    small = shares.loc[shares["share"] < STILL]
    if not len(small):
        return ["Every choice explains a hundredth or more of the variance."]
    labels = ", ".join(text.lower() for text in small["text"])
    return [f"Less than a hundredth of the variance each: {labels}."]


def _paper(read: Reader) -> list[Block]:
    scope = WIDE
    rows = read.rows(scope, "paper")
    if not len(rows):
        return [Block("text", "There is no estimate to set beside the paper's.")]
    words = {
        "mean": "mean index",
        "std_dev": "spread of the index",
        "maximum": "largest index",
        "coefficient": "coefficient",
    }
    items = []
    for row in rows.itertuples():
        if row.text == "inside":
            items.append(
                f"The paper's {words[row.item]}, {row.value:g}, lies inside the cloud "
                f"({row.low:.3f} to {row.high:.3f}); {per_cent(row.share)} of the "
                "specifications are below it."
            )
        else:
            side = "above" if row.value > row.high else "below"
            items.append(
                f"The paper's {words[row.item]}, {row.value:g}, lies {side} every "
                f"specification ({row.low:.3f} to {row.high:.3f})."
            )
    outside = [words[r.item] for r in rows.itertuples() if r.text == "outside"]
    blocks = [Block("items", items)]
    near = read.rows(scope, "nearest")
    if len(near):
        near = near.iloc[0]
        text = (
            "Nearest to the four numbers together: "
            f"{near['item']} ({near['text']}), {near['value']:.1f} standard deviations "
            "of the cloud away."
        )
        if outside:
            text += (
                f" No choice made here reproduces the paper's {' or '.join(outside)}; "
                "its inputs must differ from the published figures, or its index from "
                "a Malmquist index of them."
            )
        blocks.append(Block("text", text))
    return blocks


def _settle(table: pd.DataFrame, read: Reader, choices: Choices) -> list[Block]:
    blocks = []
    headline = table.loc[table["specification"] == HEADLINE]
    paper = read.get(WIDE, "paper", "coefficient", "value")
    if len(headline) and np.isfinite(paper):
        error = float(headline["std_error"].iloc[0])
        least = DETECTABLE * error
        if least > abs(paper):
            text = (
                f"With the headline's standard error an effect of {least:.3f} would be "
                "found four times in five; the paper's effect is smaller. What "
                "the published figures can show is bounded by that, whatever is "
                "chosen: more treated years, or figures of firms, would tell more than "
                "another specification."
            )
        else:
            text = (
                f"The headline's standard error would find an effect of {least:.3f} "
                "four times in five, less than the paper's: precision is "
                "not what is lacking."
            )
        blocks.append(Block("text", text))
        share = float(headline["assumed_share"].iloc[0])
        if share >= MOST:
            blocks.append(
                Block(
                    "text",
                    f"{per_cent(share)[0].upper()}{per_cent(share)[1:]} of the "
                    "headline's treated city-years rest on investment that nobody "
                    "published.",
                )
            )
    shares = shares_of(read)
    top = list(shares["item"].iloc[:4])
    if top:
        blocks.append(
            Block(
                "items",
                [f"{choices[name].label}: {choices[name].settled_by}" for name in top],
            )
        )
    growth, level = (
        read.get(scope, "curve", "median", "value") for scope in (WIDE, "level")
    )
    if np.isfinite(level) and np.sign(level) != np.sign(growth):
        blocks.append(
            Block(
                "text",
                f"The medians of growth ({number(growth)}) and of the level "
                f"({number(level)}) have different signs: the two answer different "
                "questions, and the level's answer stands only where treated and "
                "other cities moved alike before (`rpt_att` tests that).",
            )
        )
    return blocks


def _count(n: int) -> str:
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"]
    word = words[n] if n < len(words) else str(n)
    return word[0].upper() + word[1:]


def as_markdown(blocks: Sequence[Block]) -> str:
    """The page as Markdown."""
    out = []
    for block in blocks:
        content = block.content
        if block.kind == "title":
            out.append(f"# {content}")
        elif block.kind == "heading":
            out.append(f"## {content}")
        elif block.kind == "text":
            out.append(str(content))
        elif block.kind == "items" and content:
            out.append("\n".join(f"- {item}" for item in content))
        elif block.kind == "table":
            head, *rows = content
            lines = [head, ["---"] * len(head), *rows]
            out.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(out) + "\n"


STYLE = """body { font: 16px/1.55 system-ui, sans-serif; color: #1c2833;
  max-width: 46em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.15em; margin-top: 1.6em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8em; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th, td { border-bottom: 1px solid #d5dbdb; padding: .3em .5em; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; } li, p { overflow-wrap: anywhere; }
code { background: #f2f4f4; }"""


def as_html(blocks: Sequence[Block]) -> str:
    """The page as HTML, with the curve beside it; all text escaped."""
    body = []
    for block in blocks:
        content = block.content
        if block.kind == "title":
            body.append(f"<h1>{_text(content)}</h1>")
        elif block.kind == "heading":
            body.append(f"<h2>{_text(content)}</h2>")
        elif block.kind == "text":
            body.append(f"<p>{_text(content)}</p>")
        elif block.kind == "items" and content:
            items = "".join(f"<li>{_text(item)}</li>" for item in content)
            body.append(f"<ul>{items}</ul>")
        elif block.kind == "table":
            head, *rows = content
            cells = "".join(f"<th>{_text(c)}</th>" for c in head)
            lines = "".join(
                "<tr>" + "".join(f"<td>{_text(c)}</td>" for c in row) + "</tr>"
                for row in rows
            )
            body.append(
                f'<div class="wide"><table><tr>{cells}</tr>{lines}</table></div>'
            )
            body.append(
                '<p><a href="curve.html"><img src="curve.svg" '
                'alt="The specification curve"></a></p>'
            )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>What the answer rests on</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n"
        "</html>\n"
    )


def _text(value: object) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(str(value)))
