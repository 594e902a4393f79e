"""Which program makes which table, read from the models themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from citypanel.words import Catalogue

_REF = re.compile(r"""ref\(\s*["'](\w+)["']\s*\)""")
_WORKER = re.compile(r"""in_worker\(\s*["']([\w.]+)["']""")
_IMPORT = re.compile(r"^from (citypanel[\w.]*) import (.+)$", re.MULTILINE)
_SEARCHED = 6
SAID = Catalogue("package")


def program_map(
    root: Path,
    tables: list[str],
    outputs: list[str],
    descriptions: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The programs behind each mart.

    Parameters
    ----------
    root : Path
    tables : list of str
        Marts of the published file, with or without their schema.
    outputs : list of str
        Paths of the package's outputs; those whose name the mart's has are listed.
    descriptions : mapping, optional
        Of the tables by name; the first sentence says what a table shows that holds
        none of the paper's.

    Returns
    -------
    DataFrame
        One row per mart: table, shows, model (its SQL), estimators (Python models
        upstream, within six steps and not beyond another mart), library (functions
        they call), outputs.
    """
    files = {
        path.stem: path
        for folder in ("models", "python_models")
        for path in sorted((root / folder).rglob("*"))
        if path.suffix in (".sql", ".py")
    }
    rows, shown = [], SAID.of("shows")
    for table in tables:
        name = table.rpartition(".")[2]
        if name not in files:
            continue
        estimators = sorted(_python_upstream(name, files))
        made_by = [files[each].relative_to(root).as_posix() for each in estimators]
        library = sorted({f for each in estimators for f in _calls(files[each])})
        text = (descriptions or {}).get(name, "").split(". ")[0].split("; ")[0]
        rows.append(
            (
                table,
                shown[name].en if name in shown else text.rstrip("."),
                files[name].relative_to(root).as_posix(),
                ", ".join(made_by),
                ", ".join(library),
                ", ".join(_made_from(name, outputs)),
            )
        )
    return pd.DataFrame(
        rows, columns=["table", "shows", "model", "estimators", "library", "outputs"]
    )


def _python_upstream(name: str, files: dict[str, Path]) -> set[str]:
    found, seen, edge = set(), {name}, {name}
    for _ in range(_SEARCHED):
        edge = {
            parent
            for each in edge
            for parent in _REF.findall(files[each].read_text(encoding="utf-8"))
            if parent in files and parent not in seen
        }
        seen |= edge
        python = {each for each in edge if files[each].suffix == ".py"}
        found |= python
        # Another mart, or an estimator, has a row or a program of its own.
        marts = {each for each in edge if each.startswith(("fct_", "rpt_", "dim_"))}
        edge -= python | marts
    return found


def _calls(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return _WORKER.findall(text) or [
        f"{module}.{name.strip()}"
        for module, names in _IMPORT.findall(text)
        for name in names.split(",")
        if module != "citypanel.workers"
    ]


def _made_from(name: str, outputs: list[str]) -> list[str]:
    """Outputs of the same number as the mart's paper tables, or of its name."""
    numbered = SAID.data("outputs")["en"].get(name, ())
    wanted = (*numbered, name.removeprefix("rpt_"))
    made = {
        path.rpartition(".")[0]
        for path in outputs
        if any(word in path.rpartition("/")[2] for word in wanted)
    }
    return sorted(made)
