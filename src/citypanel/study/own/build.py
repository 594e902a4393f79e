"""What a build asks of a study that brings its panel: one call a Python model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from citypanel.identity import digest_of, digest_of_file
from citypanel.study.own.declaration import (
    examine_declaration,
    find_study,
    raise_problems,
    read_declaration,
)
from citypanel.study.own.evaluate import results, unit_periods
from citypanel.study.own.panel import look, prepare_panel, read_panel
from citypanel.study.own.tables import stacked


def panel_file(study: str) -> pd.DataFrame:
    """The panel as the study's file has it; a column of no value is text."""
    frame = read_panel(_read(study).panel)
    empty = [c for c in frame if frame[c].isna().all()]
    return frame.astype(dict.fromkeys(empty, "string"))


def panel_values(study: str, frame: pd.DataFrame) -> pd.DataFrame:
    """``fct_unit_periods`` of a panel."""
    return unit_periods(prepare_panel(_read(study), frame))


def study_results(study: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Every other table of a panel, one below the other (`tables.stacked`)."""
    return stacked(results(prepare_panel(_read(study), frame)))


def check_study(study: str) -> None:
    """Raise with every mistake of a declaration, and of its panel against it.

    Raises
    ------
    DeclarationError
    """
    path = find_study(Path.cwd(), study)
    declared, problems = examine_declaration(path)
    made = None
    # What hides behind another mistake shows at the next look.
    named = declared and declared.unit and declared.period and declared.outcomes
    if declared and named and declared.panel.is_file():
        made, more = look(declared, read_panel(declared.panel))
        problems = [*problems, *more]
    if problems or made is None:
        raise_problems(study, list(dict.fromkeys(problems)))


def digest_of_study(study: str) -> str:
    """Digest of the declaration, what stands beside it, and the panel it names."""
    path = find_study(Path.cwd(), study)
    parts = [digest_of(path.parent)]
    declared, _ = examine_declaration(path)
    named = (declared.panel, declared.published) if declared else ()
    parts += [digest_of_file(f) for f in named if f is not None and f.is_file()]
    return " ".join(parts)


def _read(study: str):
    return read_declaration(find_study(Path.cwd(), study))
