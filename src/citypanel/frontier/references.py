"""Which observations make the technology of a period.

A scheme names, for a change from period a to period b, the rows behind "the
technology of a" and "the technology of b". Rows are chosen by period, by group and
by `reference_units`; a set of rows is a technology, built once and shared by all the
distances that ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from citypanel.errors import OptionError, describe
from citypanel.frontier.panel import Panel
from citypanel.frontier.technology import check_option

REFERENCES = (
    "contemporaneous",
    "sequential",
    "window",
    "biennial",
    "global",
    "metafrontier",
)


@dataclass(frozen=True)
class Reference:
    """A reference scheme and the rows it may use.

    Attributes
    ----------
    scheme : str
        One of `REFERENCES`.
    window : int
        Periods in a window, the current one included.
    period_of : ndarray (n,)
        Period of each row of the panel.
    allowed : ndarray (n,) of bool
        Rows of the reference units.
    """

    scheme: str
    window: int
    period_of: np.ndarray
    allowed: np.ndarray

    def own(self, p: int) -> tuple[int, int]:
        """First and last period of the technology of period p."""
        if self.scheme == "sequential":
            return 0, p
        if self.scheme == "window":
            return max(0, p - self.window + 1), p
        return p, p

    def pooled(self, a: int, b: int) -> tuple[int, int] | None:
        """First and last period of the technology shared by a and b, if there is one.

        The biennial technology of a change that is not between neighbours (base
        "first") is made of its two periods only.
        """
        if self.scheme == "global":
            return 0, int(self.period_of.max())
        if self.scheme == "biennial":
            return (a, b) if b == a + 1 else (a, -b)
        return None

    def rows(self, span: tuple[int, int]) -> np.ndarray:
        """Rows of a technology: a span of periods, or a pair where the end is < 0."""
        first, last = span
        if last < 0:
            inside = (self.period_of == first) | (self.period_of == -last)
        else:
            inside = (self.period_of >= first) & (self.period_of <= last)
        return np.flatnonzero(inside & self.allowed)


def make_reference(
    panel: Panel,
    *,
    reference: str,
    window: int | None = None,
    reference_units: Iterable[object] | None = None,
) -> Reference:
    """Check the options of a reference scheme; they are those of `malmquist`.

    OptionError for an unknown scheme, a window below 1, reference units that the panel
    does not have, or a period without any of them whose own technology is needed.
    """
    check_option("reference", reference, REFERENCES)
    if window is not None and (reference != "window" or int(window) < 1):
        raise OptionError(
            describe(
                f"window={window!r} with reference={reference!r}",
                consequence="no technology was built",
                remedy="give window= as a whole number from 1 on, and only with "
                "reference='window'",
            )
        )
    allowed = np.ones(len(panel.unit_of), dtype=bool)
    if reference_units is not None:
        allowed = _units(panel, reference_units)[panel.unit_of]
        counts = np.bincount(panel.period_of[allowed], minlength=len(panel.periods))
        bare = panel.periods[counts == 0]
        if len(bare) and reference in ("contemporaneous", "biennial", "metafrontier"):
            raise OptionError(
                describe(
                    "a period has none of the reference units",
                    [f"{panel.period} {p}" for p in bare],
                    consequence="there is no technology to measure that period against",
                    remedy="name units that are observed in every period",
                )
            )
    return Reference(reference, int(window or 3), panel.period_of, allowed)


def _units(panel: Panel, reference_units: Iterable[object]) -> np.ndarray:
    wanted = list(reference_units)
    known = {value: k for k, value in enumerate(panel.units.tolist())}
    unknown = [u for u in wanted if u not in known]
    if unknown or not wanted:
        raise OptionError(
            describe(
                "reference_units names units that the panel does not have"
                if unknown
                else "reference_units is empty",
                [f"{panel.unit} {u}" for u in unknown],
                consequence="the frontier would rest on other units than asked for",
                remedy=f"use values of column {panel.unit}",
            )
        )
    chosen = np.zeros(len(panel.units), dtype=bool)
    chosen[[known[u] for u in wanted]] = True
    return chosen
