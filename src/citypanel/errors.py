"""The one family of errors a user of the library meets.

A message ends with what is wrong, where, what it would spoil and how to mend it:
dbt prints frames of its own before it, and readers look at the last lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

FIRST_OFFENDERS = 10


class Worded(Exception):
    """What has its words in `words/en/errors.yml`."""

    @classmethod
    def of(cls, key: str, offenders: Iterable[object] = (), /, **facts: object) -> Self:
        """The error, or warning, that the catalogue words.

        Parameters
        ----------
        key : str
            Of the message: the folder and its name, as in "panel.lacks_columns".
        offenders : iterable
            Where it is wrong, one entry a place.
        **facts
            What the templates name.
        """
        from citypanel.words import Catalogue

        said = Catalogue("errors")
        parts = {
            part: said(f"{key}.{part}", **facts).en
            for part in ("problem", "consequence", "remedy")
            if f"{key}.{part}" in said
        }
        return cls(describe(parts.pop("problem"), offenders, **parts))


class CityPanelError(Worded):
    """Base of every error raised on purpose by this package."""

    @property
    def problem(self) -> str:
        """What is wrong, without the places: for a note."""
        return re.sub(r"( \(\d+\):|\.)$", "", str(self).split("\n", 1)[0])


class OptionError(CityPanelError):
    """An option has a value that the study does not know."""


class PanelError(CityPanelError):
    """A panel's keys, columns or cells cannot be used as they are."""


class CapitalError(CityPanelError):
    """The perpetual inventory cannot be started or continued."""


class FrontierError(CityPanelError):
    """A distance function or an index of them cannot be computed."""


class FrontierWarning(Worded, UserWarning):
    """A frontier was computed, but from fewer data than its reader may think."""


class EstimationError(CityPanelError):
    """A regression or another estimator cannot be computed."""


class ImporterError(CityPanelError):
    """A file cannot be imported; the seeds stand as they were."""


class DeclarationError(OptionError):
    """A declaration of a study, or its data against it, is wrong."""


class PublicationError(CityPanelError):
    """The warehouse file could not be published; the last one still stands."""


class SeedError(CityPanelError):
    """The file of a seed is not what its declaration says."""


class WarehouseError(CityPanelError):
    """Files, disk or another process stand in the way of a build."""


class OutputError(CityPanelError):
    """A table, figure or other output cannot be made; the last one still stands."""


class ClusterError(CityPanelError):
    """Processes or machines that should compute cannot be reached, or have died."""


def describe(
    problem: str,
    offenders: Iterable[object] = (),
    *,
    consequence: str = "",
    remedy: str = "",
) -> str:
    """Compose a message: the problem, the first ten offenders and their count.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence without its full stop.
    offenders : iterable
        Where it is wrong, one entry a place (city, year, column, value).
    consequence : str
        What the error would have spoiled.
    remedy : str
        How the reader mends it.

    Returns
    -------
    str
        Lines in the order problem, offenders, consequence, remedy.
    """
    places = [str(offender) for offender in offenders]
    lines = [f"{problem} ({len(places)}):" if places else f"{problem}."]
    lines += [f"  - {place}" for place in places[:FIRST_OFFENDERS]]
    if len(places) > FIRST_OFFENDERS:
        lines.append(f"  ... and {len(places) - FIRST_OFFENDERS} more")
    if consequence:
        lines.append(f"Consequence: {consequence}")
    if remedy:
        lines.append(f"Remedy: {remedy}")
    return "\n".join(lines)
