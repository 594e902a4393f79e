"""Units of published figures, as seeds/reference/ref_units.csv lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Units:
    """Units by name: figure in base units = (figure + shift) x factor.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of ref_units: unit, quantity, factor, shift.
    """

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._units = {
            row["unit"]: (row["quantity"], float(row["factor"]), float(row["shift"]))
            for row in rows
        }

    @property
    def names(self) -> list[str]:
        return list(self._units)

    def quantity(self, unit: str) -> str:
        """What a unit measures: CNY, persons, km2, ... ; empty where it is unknown."""
        return self._units[unit][0] if unit in self._units else ""

    def same(self, one: str, other: str) -> bool:
        """Whether two names are of one unit (人/平方公里, 人平方公里)."""
        return one == other or (
            one in self._units and self._units[one] == self._units.get(other)
        )

    def convert(self, figure: float, unit: str, wanted: str) -> float:
        """A figure in another unit of the same quantity."""
        _, factor, shift = self._units[unit]
        _, wanted_factor, wanted_shift = self._units[wanted]
        return (figure + shift) * (factor / wanted_factor) - wanted_shift
