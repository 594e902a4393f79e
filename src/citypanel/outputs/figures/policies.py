"""Who came under which policy when: a line from the first period on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from citypanel.outputs.figures import style as s

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Units that still have a line of their own; of more the counts are drawn.
MOST_UNITS = 90
COLUMN = 45


def policies_by_unit(
    first: pd.DataFrame, periods: pd.Series, count_label: str
) -> Figure:
    """Lines of every policy a unit came under, or counts where units are many.

    Parameters
    ----------
    first : DataFrame
        Units by policies, headed by their labels, the studied one first: position of
        the unit's first period under it, null for never.
    periods : Series
        Labels of the periods by position.
    count_label : str
        Of the axis, where counts are drawn.
    """
    seen = first[first.le(periods.index.max()).any(axis=1)]
    if len(seen) > MOST_UNITS:
        figure = s.new_figure(height=3.4)
        axes = figure.subplots()
        _counts(axes, seen, periods)
        axes.set_ylabel(count_label)
        parts = [axes]
    else:
        columns = 1 + (len(seen) > COLUMN)
        rows = int(np.ceil(len(seen) / columns))
        figure = s.new_figure(height=1.2 + 0.12 * rows)
        parts = list(np.atleast_1d(figure.subplots(1, columns)))
        for place, axes in enumerate(parts):
            _lines(axes, seen.iloc[place * rows : (place + 1) * rows], periods)
            axes.set_ylim(rows - 0.4, -0.6)
    shown = periods.iloc[:: max(1, len(periods) // 5)]
    for axes in parts:
        axes.set_xlim(periods.index.min() - 0.5, periods.index.max() + 0.5)
        axes.set_xticks(list(shown.index), [str(label) for label in shown])
    handles, labels = parts[0].get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    figure.legend(
        named.values(), named.keys(), loc="outside lower center", ncols=len(named)
    )
    return figure


def _lines(axes: Axes, first: pd.DataFrame, periods: pd.Series) -> None:
    last, count = periods.index.max() + 0.5, len(first.columns)
    for place, policy in enumerate(first):
        colour, marker, _ = s.SERIES[place % len(s.SERIES)]
        offset = (place - (count - 1) / 2) * 0.7 / count
        at = first[policy].to_numpy(float, na_value=np.nan)
        rows = np.flatnonzero(at <= periods.index.max())
        start = np.maximum(at[rows], periods.index.min()) - 0.4
        axes.hlines(rows + offset, start, last, color=colour, linewidth=1.1)
        axes.plot(
            start, rows + offset, color=colour, marker=marker, markersize=2.4,
            linestyle="none", label=policy,
        )  # fmt: skip
    axes.set_yticks(range(len(first)), list(first.index), fontsize=s.SMALL)
    axes.tick_params(axis="y", length=0)


def _counts(axes: Axes, first: pd.DataFrame, periods: pd.Series) -> None:
    for place, policy in enumerate(first):
        colour, marker, dashes = s.SERIES[place % len(s.SERIES)]
        at = first[policy].to_numpy(float, na_value=np.nan)
        under = [(at <= position).sum() for position in periods.index]
        axes.step(
            periods.index, under, where="mid", color=colour, linestyle=dashes,
            marker=marker, markersize=3, label=policy,
        )  # fmt: skip
