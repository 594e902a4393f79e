"""What the public functions return: a tidy frame that says how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from citypanel import results
from citypanel.errors import EstimationError, OptionError
from citypanel.frontier.summaries import INDICES, LEVELS, summarise
from citypanel.results import (
    Remembering,
    Summary,
    axes_of,
    latex_number,
    latex_text,
    said_dropped,
    said_options,
)


class FrontierResult(Remembering):
    """Distances or indices of units and periods, with what was measured and how.

    Sorting, filtering and copying keep the options, the rows left out and the draws of
    a bootstrap; a frame put together from several results has none, and says so when
    asked. `attrs["certificate"]` counts the programmes by the method that proved them.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> changes = frontier.malmquist(zones(), **plans)
    >>> changes.options["orientation"], len(changes.dropped)
    ('output', 0)
    >>> print(changes[changes["year"] == 2011].to_latex(digits=2))
    \\begin{tabular}{lrrrrr}
    \\toprule
    year & tfpch & effch & techch & pech & sech \\\\
    \\midrule
    2011 & 1.00 & 0.99 & 1.01 & 1.00 & 0.99 \\\\
    \\bottomrule
    \\end{tabular}
    <BLANKLINE>
    """

    @property
    def _constructor(self) -> Callable[..., FrontierResult]:
        return FrontierResult

    @property
    def dropped(self) -> pd.DataFrame:
        """Rows and changes that are not in the result, by unit and period, and why.

        Raises
        ------
        EstimationError
            A frame put together from several results.
        """
        options = self.options
        columns = [options["unit"], options["period"], "reason"]
        return pd.DataFrame(list(self.attrs["dropped"]), columns=columns)

    def means(self) -> pd.DataFrame:
        """Means by period of the rows that are there; see `summarise`."""
        return summarise(self, by=self.options["period"], total=None)

    def summary(self) -> Summary:
        """What was measured, from what, and the means by period, as a text."""
        options = self.options
        unit = options["unit"]
        said = [str(options["estimator"]), *said_options(options)]
        counts = [f"{self[unit].nunique():,} units", f"{len(self):,} rows"]
        certificate = self.attrs.get("certificate", {})
        if certificate:
            counts.append(f"{certificate['programmes']:,} programmes")
            if certificate["not_certified"]:
                counts.append(f"{certificate['not_certified']:,} not certified")
        said.append("; ".join(counts))
        if "reason" in self:
            missing = self["reason"].dropna().value_counts()
            said += [
                f"without a value: {n:,} rows, {why}" for why, n in missing.items()
            ]
        said += said_dropped(self.dropped)
        table = self.means().to_string(
            index=False, na_rep="", float_format=lambda value: f"{value:.4g}"
        )
        return Summary("\n".join([*said, "", table]))

    def confint(self, level: float | None = None) -> pd.DataFrame:
        """Intervals of the bootstrap at a level.

        Parameters
        ----------
        level : float, optional
            Coverage, in (0, 1); that of the frame by default.

        Returns
        -------
        DataFrame
            Unit, period, and for each index that has an interval `<index>_lower` and
            `<index>_upper`.

        Raises
        ------
        EstimationError
            The result has no bootstrap, or its numbers were changed since.
        """
        options = self.options
        if "errors" not in self.attrs:
            raise EstimationError.of(
                "frontier.no_bootstrap", estimator=options["estimator"]
            )
        # Not above: bootstrap itself returns results.
        from citypanel.frontier.bootstrap import intervals

        given = options.get("level", 0.95)
        level = given if level is None else level
        if not 0 < level < 1:
            raise OptionError.of("did.level_outside", level=level)
        return intervals(self, level)

    def _latex_cells(self, digits: int) -> tuple[str, list[str], list[list[str]]]:
        table = self.means()
        first, *names = table.columns
        rows = [
            [latex_text(str(row[first]))]
            + [latex_number(row[name], digits) for name in names]
            for row in table.to_dict("records")
        ]
        return "l" + "r" * len(names), [latex_text(str(n)) for n in table.columns], rows

    def plot(self, ax: Any = None, *, title: str | None = None) -> Any:  # type: ignore[override]
        """Draw the means by period: indices as lines about 1, distances as lines.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw.
        title : str, optional
            Above the figure; the function by default.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        EstimationError
            No row has a value.
        """
        table = self.means()
        first = table.columns[0]
        names = [name for name in ("tfpch", "effch", "techch") if name in table]
        names = names or [name for name in table.columns[1:] if name in LEVELS]
        if not names or table[names].isna().all(axis=None):
            raise EstimationError.of("did.nothing_to_draw")
        figure, (ax,) = axes_of(ax, 1, (6.4, 3.6))
        places = np.arange(len(table))
        if names[0] in INDICES:
            ax.axhline(1.0, color="0.5", linewidth=0.8)
        for name, marker in zip(names, "osD^", strict=False):
            ax.plot(places, table[name], marker=marker, markersize=4, label=name)
        ax.set_xticks(places, [str(value) for value in table[first]])
        ax.set_xlabel(first)
        ax.set_ylabel("mean")
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        title = str(self.options["estimator"]) if title is None else title
        ax.set_title(title, loc="left")
        return figure


def _remember(result: Any, estimator: str, options: Mapping[str, Any]) -> Any:
    return results.remember(result, FrontierResult, estimator, options)


#: Notes in what a public function returns how it was called.
remembering = results.remembering(_remember)
