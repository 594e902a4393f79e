"""Lay out the site's pages under target/site/source, for Sphinx.

The pages of `docs/` and those they lead to keep their places, so that their links hold.
Added are the results and pictures of the estimators, made here by running what the page
says, the gallery and the reference of functions.

Run in the project's root:  python -m docs.site.assemble
With --write it writes the pages of estimators under docs/ anew.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SOURCE = Path("target/site/source")
WITH = ("README*.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE*", "analyses/*.md")
PACKAGES = ("did", "frontier", "capital", "importers", "examples")
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
            f"```python\n{name} = {entry['call']}\n```\n"
        )
    return "\n".join(parts)


def run(call: str) -> Any:
    """What a call of estimators.yml returns."""
    from citypanel import did, frontier
    from citypanel.examples import zones

    return eval(call, {"did": did, "frontier": frontier, "panel": zones()})


def shown(result: Any) -> str:
    """The first rows of a result in few columns, as a text."""
    columns = [c for c in result.columns if result[c].notna().any()]
    few = [
        "term", "type", "cohort", "period", "city", "year", "event_time", "bound",
        "estimate", "std_error", "conf_low", "conf_high", "p_value", "weight",
        "tfpch", "effch", "techch", "distance",
    ]  # fmt: skip
    kept = [c for c in few if c in columns][:8]
    return result[kept].head(8).round(3).to_string(index=False, na_rep="")


def picture(name: str, result: Any) -> Any:
    """A figure of a result: its own, or means by period."""
    from matplotlib.figure import Figure

    from citypanel.did import Result

    if name in ("honest_did", "leave_one_unit_out", "bacon_decomposition"):
        figure = Figure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.add_subplot()
        if name == "honest_did":
            at = result["bound"].fillna(-0.5)
            axes.vlines(at, result["conf_low"], result["conf_high"], linewidth=2.2)
            axes.set_xlabel("largest violation after treatment, of that before")
            axes.axhline(0, color="0.5", linewidth=0.8)
        elif name == "leave_one_unit_out":
            axes.plot(result["estimate"], range(len(result)), "o", markersize=4)
            axes.set_yticks(range(len(result)), result["term"], fontsize=5)
            axes.set_xlabel("estimate without the unit")
        else:
            for kind, rows in result.groupby("type"):
                axes.plot(rows["weight"], rows["estimate"], "o", label=kind)
            axes.legend(frameon=False, fontsize="small")
            axes.set_xlabel("weight")
            axes.set_ylabel("estimate")
        axes.spines[["top", "right"]].set_visible(False)
        return figure
    if isinstance(result, Result):
        return result.plot()
    column = "tfpch" if "tfpch" in result else "distance"
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    by = result.groupby("year")[column]
    axes.fill_between(by.min().index, by.min(), by.max(), alpha=0.2)
    axes.plot(by.mean().index, by.mean(), "o-")
    axes.set_ylabel(f"{column}: mean and range")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def illustrated(page: str, results: dict[str, str], folder: str) -> str:
    """The page with result and picture below each call."""

    def more(found: re.Match[str]) -> str:
        name = found[1]
        title = f"{name}.svg"
        return (
            f"{found[0]}\n```text\n{results[name]}\n```\n\n"
            f"![What {name} returns, drawn]({folder}/{title})\n"
        )

    return re.sub(r"```python\n(\w+) = .*?\n```\n", more, page)


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
    _gallery(root, source, list(results))
    _reference(source / "docs" / "api")
    _index(source)


def _gallery(root: Path, source: Path, names: list[str]) -> None:
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
        for notes in folder.rglob("*.md"):
            notes.unlink()
        drawn = sorted(folder.rglob("*.svg")) if code == 0 else []
        if drawn:
            parts.append("## The shipped study\n")
        for path in drawn:
            place = path.relative_to(source / "docs").as_posix()
            parts.append(f"![{path.stem.replace('_', ' ')}]({place})\n")
    parts.append("## Estimators\n")
    parts += [f"[![{n}](pictures/{n}.svg)](estimators.md)\n" for n in names]
    parts.append("## Speed and lineage\n")
    parts.append("![Seconds by number of units](benchmarks/frontier.svg)\n")
    parts.append("![The tables of the warehouse](engineering/lineage.svg)\n")
    (source / "docs" / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


def _reference(folder: Path) -> None:
    """A page a package, with the docstring of every public function."""
    folder.mkdir()
    for package in PACKAGES:
        module = importlib.import_module(f"citypanel.{package}")
        lines = [f"# citypanel.{package}", "", inspect.getdoc(module) or "", ""]
        lines += ["```{eval-rst}", f".. currentmodule:: citypanel.{package}", ""]
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                own = [m for m in vars(thing) if not m.startswith("_")]
                members = f"   :members: {', '.join(own)}"
                lines += [f".. autoclass:: {name}", members, ""]
            elif callable(thing):
                lines += [f".. autofunction:: {name}", ""]
        lines.append("```")
        (folder / f"{package}.md").write_text("\n".join(lines), encoding="utf-8")


def _index(source: Path) -> None:
    """The first page, with the menu."""
    parts = [(HERE / "first_page.txt").read_text("utf-8")]
    for caption, entries in MENU.items():
        pages = []
        for entry in entries:
            found = sorted((source / "docs").glob(f"{entry}.md"))
            pages += [p.relative_to(source).with_suffix("").as_posix() for p in found]
        if caption == "Start":
            pages.append("README")
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
