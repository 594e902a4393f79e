"""Lay out the site's pages under target/site/source, for Sphinx.

The pages of `docs/` and those they lead to keep their places, so that their links hold.
Added are the results and pictures of the estimators, made here by running what the page
says, the gallery and the reference of functions.

Run in the project's root:  python -m docs.site.assemble
With --write it writes the pages of estimators under docs/ anew.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

HERE = Path(__file__).parent
SOURCE = Path("target/site/source")
WITH = ("README*.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE*", "analyses/*.md")
PACKAGES = ("", "did", "frontier", "capital", "importers", "examples")
# Columns of a page's code before it needs a scroll bar.
WIDTH = 80
DROPPED_FIRST = (
    "p_value",
    "conf_high",
    "conf_low",
    "std_error",
    "period",
    "cohort",
    "bias",
)
HEADS = {
    "en": """# Estimators

Each with its call on the panel of the [quickstart](quickstart.md).
[中文](zh/estimators.md)

On the site, what a call returns and its picture stand below it. What each is, and what
it needs: [method](method/did.md), [frontier](method/frontier.md).
""",
    "zh": """# 估计量

每个估计量在[快速上手](quickstart.md)所用面板上的调用。[English](../estimators.md)

网站上，调用之后附有结果与图。方法见[双重差分](../method/did.md)与
[前沿](../method/frontier.md)（英文）。
""",
}
MENU = {
    "Start": ["quickstart", "estimators", "gallery", "tutorial/first-estimate",
              "comparison"],
    "How to": ["how-to/*"],
    "Method": ["method/*", "validation"],
    "Reference": ["api/*", "reference/*"],
    "For data engineers": ["engineering/*", "architecture"],
    "Project": ["versioning", "roadmap", "windows", "results/*", "benchmarks/*"],
    "中文": ["zh/index", "zh/quickstart", "zh/estimators", "zh/own-study",
             "zh/method", "zh/how-to", "zh/comparison"],
}  # fmt: skip


def estimators() -> dict[str, dict[str, Any]]:
    """The entries of estimators.yml, by name."""
    return yaml.safe_load((HERE / "estimators.yml").read_text("utf-8"))


def estimators_page(language: str) -> str:
    """The page of estimators as it stands under docs/."""
    parts = [HEADS[language]]
    for name, entry in estimators().items():
        parts.append(
            f"## {entry['title'][language]}\n\n{entry['text'][language]}\n\n"
            f"```python\n{written(name, entry['call'])}\n```\n"
        )
    return "\n".join(parts)


def written(name: str, call: str) -> str:
    """An assignment, its arguments on lines of their own where it is long."""
    return f"{name} = {_broken(ast.parse(call, mode='eval').body, len(name) + 3, '')}"


def _broken(node: ast.expr, before: int, indent: str) -> str:
    """An expression whose first line stands behind `before` characters."""
    line = ast.unparse(node).replace("'", '"')
    if before + len(line) <= WIDTH or not isinstance(node, ast.Call):
        return line
    inner = indent + "    "
    arguments = [_broken(a, len(inner), inner) for a in node.args]
    arguments += [
        f"{k.arg}={_broken(k.value, len(inner) + len(k.arg or '') + 1, inner)}"
        for k in node.keywords
    ]
    lines: list[str] = []
    for argument in arguments:
        if lines and len(lines[-1]) + len(argument) + 2 <= WIDTH:
            lines[-1] += f" {argument},"
        else:
            lines.append(f"{inner}{argument},")
    inside = "\n".join(lines)
    return f"{ast.unparse(node.func)}(\n{inside}\n{indent})"


class LeastSquares:
    """A learner: fit and predict_proba, as far as a line goes."""

    def fit(self, x: Any, y: Any) -> LeastSquares:
        self.line = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y)[0]
        return self

    def predict(self, x: Any) -> Any:
        return np.column_stack([np.ones(len(x)), x]) @ self.line

    def predict_proba(self, x: Any) -> Any:
        share = np.clip(self.predict(x), 0.02, 0.98)
        return np.column_stack([1 - share, share])


def run(call: str) -> Any:
    """What a call of estimators.yml returns."""
    from citypanel import capital, did, frontier
    from citypanel.examples import zones

    names = {"did": did, "frontier": frontier, "capital": capital}
    return eval(call, {**names, "panel": zones(), "learner": LeastSquares()})


def shown(result: Any) -> str:
    """The first rows of a result in few columns, as a text."""
    columns = [c for c in result.columns if result[c].notna().any()]
    few = [
        "term", "type", "cohort", "period", "city", "year", "event_time", "bound",
        "estimate", "std_error", "conf_low", "conf_high", "p_value", "weight",
        "tfpch", "effch", "techch", "distance", "super_distance", "effch_lower",
        "effch_upper", "covariate", "mean_treated", "mean_control", "bias_pct", "slope",
        "power", "bias", "p_holm", "p_romano_wolf", "initial_growth", "capital_real",
    ]  # fmt: skip
    kept = [c for c in few if c in columns]
    rows = result[kept].head(8).round(3)
    while len(rows.to_string(index=False).splitlines()[0]) > WIDTH:
        rows = rows.drop(columns=next(c for c in DROPPED_FIRST if c in rows))
    for column in rows.select_dtypes(exclude="float"):
        rows[column] = rows[column].astype(object).where(rows[column].notna(), "")
    return rows.to_string(index=False, na_rep="")


def picture(name: str, result: Any) -> Any:
    """A figure of a result: its own, or what suits its columns."""
    from matplotlib.figure import Figure

    draw = DRAWN.get(name)
    if draw is None:
        return result.plot()
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, result)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _bounds(axes: Any, result: Any) -> None:
    at = result["bound"].fillna(-0.5)
    axes.vlines(at, result["conf_low"], result["conf_high"], linewidth=2.2)
    axes.set_xlabel("largest violation after treatment, of that before")
    axes.axhline(0, color="0.5", linewidth=0.8)


def _without(axes: Any, result: Any) -> None:
    axes.plot(result["estimate"], range(len(result)), "o", markersize=4)
    axes.set_yticks(range(len(result)), result["term"], fontsize=5)
    axes.set_xlabel("estimate without the unit")


def _comparisons(axes: Any, result: Any) -> None:
    for kind, rows in result.groupby("type"):
        axes.plot(rows["weight"], rows["estimate"], "o", label=kind)
    axes.legend(frameon=False, fontsize="small")
    axes.set_xlabel("weight")
    axes.set_ylabel("estimate")


def _weights(axes: Any, result: Any) -> None:
    cells = result[result["period"].notna()]
    for cohort, rows in cells.groupby("cohort"):
        axes.plot(
            rows["period"].astype(int), rows["weight"], "o-", label=f"cohort {cohort}"
        )
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.legend(frameon=False, fontsize="small")
    axes.set_xlabel("period")
    axes.set_ylabel("weight")


def _differences(axes: Any, result: Any) -> None:
    rows = result[result["covariate"] != "all"]
    axes.barh(rows["covariate"], rows["bias_pct"])
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.set_xlabel("standardised difference, per cent")


def _trends(axes: Any, result: Any) -> None:
    for term, rows in result.groupby("term"):
        axes.plot(rows["event_time"].astype(int), rows["bias"], "o-", label=term)
    first = result[result["term"] == result["term"].iloc[0]]
    axes.plot(
        first["event_time"].astype(int), first["estimate"], "ks", label="estimate"
    )
    axes.legend(frameon=False, fontsize="small")
    axes.set_xlabel("event time")


def _p_values(axes: Any, result: Any) -> None:
    for name, marker in (("p_value", "o"), ("p_holm", "s"), ("p_romano_wolf", "D")):
        axes.plot(result["term"], result[name], marker, label=name)
    axes.legend(frameon=False, fontsize="small")
    axes.set_ylabel("p")


def _stock(axes: Any, result: Any) -> None:
    for _, rows in result.groupby("city"):
        axes.plot(rows["year"], rows["capital_real"], color="0.7", linewidth=0.8)
    means = result.groupby("year")["capital_real"].mean()
    axes.plot(means.index, means, "o-")
    axes.set_ylabel("capital, a line a city, and the mean")


def _errors(axes: Any, result: Any) -> None:
    axes.plot(range(len(result)), result["std_error"], "o")
    axes.set_xticks(range(len(result)), result["term"], rotation=30)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("standard error")


def _intervals(axes: Any, result: Any) -> None:
    rows = result[result["year"] == result["year"].max()].sort_values("effch")
    places = range(len(rows))
    axes.vlines(places, rows["effch_lower"], rows["effch_upper"], linewidth=1.5)
    axes.plot(places, rows["effch"], "o", markersize=4)
    axes.axhline(1, color="0.5", linewidth=0.8)
    axes.set_xticks(places, rows["city"], rotation=90, fontsize=5)
    axes.set_ylabel("effch")


def _range(axes: Any, result: Any) -> None:
    found = ("tfpch", "super_distance", "distance")
    column = next(c for c in found if c in result)
    by = result.groupby("year")[column]
    axes.fill_between(by.min().index, by.min(), by.max(), alpha=0.2)
    axes.plot(by.mean().index, by.mean(), "o-")
    axes.set_ylabel(f"{column}: mean and range")


DRAWN = {
    "honest_did": _bounds,
    "leave_one_unit_out": _without,
    "bacon_decomposition": _comparisons,
    "twfe_weights": _weights,
    "balance_table": _differences,
    "pretrend_power": _trends,
    "romano_wolf": _p_values,
    "perpetual_inventory": _stock,
    "spatial_inference": _errors,
    "population_inference": _errors,
    "bootstrap_malmquist": _intervals,
    **dict.fromkeys(
        ("malmquist", "distance", "malmquist_luenberger", "super_efficiency",
         "directional_distance"), _range,
    ),
}  # fmt: skip


def illustrated(page: str, results: dict[str, str], folder: str) -> str:
    """The page with result and picture below each call."""

    def more(found: re.Match[str]) -> str:
        name = found[1]
        title = f"{name}.svg"
        return (
            f"{found[0]}\n```text\n{results[name]}\n```\n\n"
            f"![What {name} returns, drawn]({folder}/{title})\n"
        )

    return re.sub(r"```python\n(\w+) = .*?\n```\n", more, page, flags=re.DOTALL)


def assemble(root: Path, source: Path) -> None:
    """Write every page and picture."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(
        root / "docs", source / "docs",
        ignore=shutil.ignore_patterns("site", "*.py", "__pycache__", "README.md"),
    )  # fmt: skip
    for pattern in WITH:
        for path in sorted(root.glob(pattern)):
            target = source / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    (source / "docs" / "README.md").write_text(
        (root / "docs" / "README.md").read_text("utf-8"), encoding="utf-8"
    )
    pictures = source / "docs" / "pictures"
    pictures.mkdir(exist_ok=True)
    results = {}
    for name, entry in estimators().items():
        result = run(entry["call"])
        results[name] = shown(result)
        picture(name, result).savefig(pictures / f"{name}.svg")
    for language, place, folder in (
        ("en", "docs/estimators.md", "pictures"),
        ("zh", "docs/zh/estimators.md", "../pictures"),
    ):
        text = illustrated(estimators_page(language), results, folder)
        (source / place).write_text(text, encoding="utf-8")
    for page in (source / "README.zh-CN.md", *(source / "docs" / "zh").glob("*.md")):
        page.write_text(_joined(page.read_text("utf-8")), encoding="utf-8")
    _gallery(root, source)
    _reference(source / "docs" / "api")
    _index(source)


def _joined(page: str) -> str:
    """Chinese text without the blanks that line breaks between its signs would be."""
    parts = re.split(r"(?ms)(^```.*?^```$)", page)
    sign = r"[\u2014\u2018-\u201d\u3000-\u9fff\uff00-\uffef]"
    parts[::2] = [re.sub(rf"(?<={sign})\n *(?={sign})", "", p) for p in parts[::2]]
    return "".join(parts)


def _gallery(root: Path, source: Path) -> None:
    """Every picture on one page; those of the study where it has been published."""
    parts = ["# Gallery\n"]
    if (root / "citypanel.duckdb").is_file():
        from citypanel.cli import main

        folder = source / "docs" / "pictures" / "study"
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(
                ["figures", "--database", str(root / "citypanel.duckdb"),
                 "--output", str(folder), "-q"]
            )  # fmt: skip
        drawn = sorted(folder.rglob("*.svg"), key=_number) if code == 0 else []
        if drawn:
            parts.append("## The shipped study\n")
            parts.append(_shelf((_title(path), path, "how-to/tables-and-figures.md")
                                for path in drawn))  # fmt: skip
        for notes in folder.rglob("*.md"):
            notes.unlink()
    parts.append("## Estimators\n")
    docs = source / "docs"
    parts.append(
        _shelf(
            (entry["title"]["en"], docs / "pictures" / f"{name}.svg", "estimators.md")
            for name, entry in estimators().items()
        )
    )
    parts.append("## Speed and lineage\n")
    parts.append(
        _shelf(
            (
                ("Seconds by number of units", docs / "benchmarks" / "frontier.svg",
                 "benchmarks/frontier.md"),
                ("The tables of the warehouse", docs / "engineering" / "lineage.svg",
                 "engineering/lineage.md"),
            )
        )
    )  # fmt: skip
    (docs / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


def _shelf(pictures: Iterable[tuple[str, Path, str]]) -> str:
    """Pictures side by side, each under its title, with a link to its page."""
    lines = ["::::{container} shelf"]
    for title, path, page in pictures:
        place = path.as_posix().split("/docs/", 1)[1]
        lines += [":::{container}", f"[{title}]({page})", "",
                  f"[![{title}]({place})]({page})", ":::"]  # fmt: skip
    return "\n".join([*lines, "::::", ""])


def _number(picture: Path) -> list[int]:
    """What figures are ordered by: figure_2 stands before figure_10."""
    return [int(number) for number in re.findall(r"\d+", picture.stem)]


def _title(picture: Path) -> str:
    """The first line of the notes beside a figure, else its name."""
    notes = picture.with_suffix(".md")
    if notes.is_file():
        first = notes.read_text("utf-8").strip().splitlines()[0]
        return first.strip("#* ")
    return picture.stem.replace("_", " ")


def _reference(folder: Path) -> None:
    """A page a package, with the docstring of every public function."""
    folder.mkdir()
    for package in PACKAGES:
        path = f"citypanel.{package}".rstrip(".")
        module = importlib.import_module(path)
        lines = [f"# {path}", "", inspect.getdoc(module) or "", ""]
        peers = getattr(module, "PEERS", {})
        if peers:
            lines += ["| name elsewhere | name here |", "|---|---|"]
            lines += [f"| `{n}` | `{f.__name__}` |" for n, f in peers.items()]
        lines += ["", "```{eval-rst}", f".. currentmodule:: {path}", ""]
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                own = [
                    member
                    for kind in reversed(thing.__mro__)
                    if kind.__module__.startswith("citypanel.")
                    for member in vars(kind)
                    if not member.startswith("_")
                ]
                members = ", ".join(dict.fromkeys(own))
                lines += [f".. autoclass:: {name}()", f"   :members: {members}"]
            elif callable(thing):
                lines += [f".. autofunction:: {name}", ""]
        lines.append("```")
        name = package or "citypanel"
        (folder / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")


def _index(source: Path) -> None:
    """The first page, with the menu."""
    parts = [(HERE / "first_page.txt").read_text("utf-8")]
    for caption, entries in MENU.items():
        pages = []
        for entry in entries:
            found = sorted((source / "docs").glob(f"{entry}.md"))
            pages += [p.relative_to(source).with_suffix("").as_posix() for p in found]
        if caption == "Start":
            pages.append("The shipped study <README>")
        if caption == "Project":
            pages += ["CONTRIBUTING", "CHANGELOG", "LICENSE-DATA", "analyses/README"]
            pages.append("docs/README")
        if caption == "中文":
            pages.append("README.zh-CN")
        menu = "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "",
                          *pages, "```"])  # fmt: skip
        parts.append(menu)
    (source / "index.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--write" in sys.argv:
        Path("docs/estimators.md").write_text(estimators_page("en"), encoding="utf-8")
        Path("docs/zh/estimators.md").write_text(
            estimators_page("zh"), encoding="utf-8"
        )
    else:
        assemble(Path.cwd(), SOURCE)
