"""The study that a run is about, as far as files tell before anything is read of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from citypanel.errors import WarehouseError
from citypanel.identity import digest_of, digest_of_file
from citypanel.study.declaration import (
    FILE,
    SHIPPED,
    brings_panel,
    content_of,
    find_study,
    folder_of,
)
from citypanel.warehouse.published import published_file

# A variable of dbt that is not an option of a study: which study is built.
STUDY = "study"
# Another: that its models are those over seeds/, which the shipped study declares.
EXTENDS = "extends"


@dataclass(frozen=True)
class ChosenStudy:
    """A study by its name, and the folder of its declaration."""

    name: str
    folder: Path

    @cached_property
    def brings_panel(self) -> bool:
        """Whether it has a panel; otherwise it is on the seeds' figures.

        What is no YAML counts as one: the check of a declaration then says so.
        """
        if self.name == SHIPPED:
            return False
        content = self._content()
        return not isinstance(content, dict) or brings_panel(content)

    def digest(self) -> str:
        """Digest of the declaration, what stands beside it, and the files it names."""
        parts = [digest_of(self.folder)]
        content = None if self.name == SHIPPED else self._content()
        if isinstance(content, dict):
            named = [content.get(key) for key in ("panel", "published")]
            files = [self.folder / n for n in named if isinstance(n, str)]
            panel = content.get("panel")
            if isinstance(panel, dict) and isinstance(panel.get("study"), str):
                # The figures of another study are what its build has published.
                files.append(self.folder.parents[1] / published_file(panel["study"]))
            parts += [digest_of_file(f) for f in files if f.is_file()]
            if isinstance(base := content.get("extends"), str) and base != self.name:
                parts.append(ChosenStudy(base, folder_of(base)).digest())
        return " ".join(parts)

    def _content(self) -> Any:
        return content_of(self.folder / FILE)


def choose(root: Path, name: str) -> ChosenStudy:
    """The study of that name below a project's folder.

    Raises
    ------
    WarehouseError
        No study was named.
    DeclarationError
        There is none of that name.
    """
    if name == SHIPPED:
        return ChosenStudy(name, folder_of(name))
    if not name:
        there = sorted(p.parent.name for p in (root / "studies").glob(f"*/{FILE}"))
        raise WarehouseError.of("warehouse.no_study_named", there, there=there)
    return ChosenStudy(name, find_study(root, name).parent)


def check_kind(study: ChosenStudy, *, builds_panels: bool) -> None:
    """Refuse a run whose models are not those of its study.

    Parameters
    ----------
    study : ChosenStudy
    builds_panels : bool
        Whether dbt has parsed the models of studies that bring a panel.

    Raises
    ------
    WarehouseError
    """
    if study.brings_panel == builds_panels:
        return
    if study.brings_panel:
        said, vars_ = "declares a panel", f"{{{STUDY}: {study.name}}}"
    else:
        said = f"extends {SHIPPED}"
        vars_ = f"{{{STUDY}: {study.name}, {EXTENDS}: {SHIPPED}}}"
    raise WarehouseError.of(
        "warehouse.other_kind", name=study.name, said=said, variables=vars_
    )


def check_file(study: ChosenStudy, *, named: str, file: str, holds: str | None) -> None:
    """Refuse a run whose variable, profile and build file are not of one study.

    Parameters
    ----------
    study : ChosenStudy
        As the profile has it.
    named : str
        The variable ``study`` as the models have it; empty where nothing says it.
    file : str
        The build file.
    holds : str or None
        The study whose tables are in it; None for a new one.

    Raises
    ------
    WarehouseError
    """
    if named and named != study.name:
        raise WarehouseError.of(
            "warehouse.other_variable", named=named, study=study.name
        )
    if holds is not None and holds != study.name:
        raise WarehouseError.of(
            "warehouse.other_build_file", file=file, holds=holds, study=study.name
        )
