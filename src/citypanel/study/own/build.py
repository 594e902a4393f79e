"""What a build asks of a study that brings its panel: one call a Python model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from citypanel.study.declaration import (
    Declaration,
    examine_declaration,
    find_study,
    raise_problems,
    read_declaration,
)
from citypanel.study.own.evaluate import results, unit_periods
from citypanel.study.own.figures import Figures
from citypanel.study.own.panel import StudyPanel, look, panel_of, prepare_panel
from citypanel.study.own.tables import stacked


def panel_file(study: str) -> pd.DataFrame:
    """The panel as the study's file has it; a column of no value is text."""
    frame = panel_of(_read(study))
    empty = [c for c in frame if frame[c].isna().all()]
    return frame.astype(dict.fromkeys(empty, "string"))


def panel_values(study: str, frame: pd.DataFrame) -> pd.DataFrame:
    """``fct_unit_periods`` of a panel."""
    return unit_periods(prepare_panel(_read(study), frame))


def study_results(study: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Every other table of a panel, one below the other (`tables.stacked`)."""
    return stacked(results(prepare_panel(_read(study), frame)))


def check_study(study: str) -> None:
    """As `checked_study`; a build has no use for the panel yet."""
    checked_study(study)


def checked_study(study: str) -> StudyPanel:
    """The panel of a study that has no mistake.

    Raises
    ------
    DeclarationError
        With every mistake of the declaration, and of the panel against it.
    """
    path = find_study(Path.cwd(), study)
    declared, problems = examine_declaration(path)
    made = None
    # What hides behind another mistake shows at the next look.
    named = (
        declared and declared.unit and declared.period and declared.outcomes
        and (declared.cohort or declared.treatment or declared.roster)
    )  # fmt: skip
    if declared and named and _is_there(declared.panel):
        made, more = look(declared, panel_of(declared))
        problems = [*problems, *more]
    if problems or made is None:
        raise_problems(study, list(dict.fromkeys(problems)))
    return made


def _is_there(panel: Path | Figures) -> bool:
    return isinstance(panel, Figures) or panel.is_file()


def _read(study: str) -> Declaration:
    return read_declaration(find_study(Path.cwd(), study))
