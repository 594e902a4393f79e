"""A figure with the data behind it and the words under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from citypanel.errors import OutputError
from citypanel.words import Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """What a maker gives.

    Attributes
    ----------
    figure : matplotlib Figure
    data : DataFrame
        Every number that is drawn.
    title : Words
    notes : tuple of Words
    """

    figure: Figure
    data: pd.DataFrame
    title: Words
    notes: tuple[Words, ...]


def required(rows: pd.DataFrame, mart: str, what: str) -> pd.DataFrame:
    """The rows, if there are any.

    Raises
    ------
    OutputError
        The mart has no such rows: the build could not compute them.
    """
    if len(rows):
        return rows
    raise OutputError.of("outputs.no_rows", mart=mart, what=what)
