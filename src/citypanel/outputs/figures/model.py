"""A figure with the data behind it and the words under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from citypanel.errors import OutputError, describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Options:
    """How figures are drawn.

    Attributes
    ----------
    language : str
        en or zh.
    overlay : bool
        Every estimator in the event study.
    """

    language: str = "en"
    overlay: bool = False

    def __call__(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" else en


@dataclass(frozen=True)
class Drawing:
    """What a maker gives.

    Attributes
    ----------
    figure : matplotlib Figure
    data : DataFrame
        Every number that is drawn.
    title : str
    notes : tuple of str
    """

    figure: Figure
    data: pd.DataFrame
    title: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Maker:
    """A figure: its name and number, the marts it needs and those it can do without."""

    name: str
    number: str
    needs: tuple[str, ...]
    make: Callable[[Frames, Options], Drawing]
    wants: tuple[str, ...] = field(default=())


def headline(marts: Frames) -> pd.Series:
    """The options of the headline."""
    options = marts["dim_study_variants"]
    return options.set_index("variant", drop=False).loc["headline"]


def required(rows: pd.DataFrame, mart: str, what: str) -> pd.DataFrame:
    """The rows, if there are any.

    Raises
    ------
    OutputError
        The mart has no such rows: the build could not compute them.
    """
    if len(rows):
        return rows
    raise OutputError(
        describe(
            f"marts.{mart} has no {what}",
            consequence="the figure was not written; a copy of another run stands",
            remedy=f"read the notes of marts.{mart}: they say why it could not be "
            "computed under these options",
        )
    )
