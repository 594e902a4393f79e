"""Units of published figures, as seeds/reference/ref_units.csv lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from citypanel.importers.names import SPELLINGS


def spelled(text: str) -> str:
    """A unit's spelling as SPELLINGS has it."""
    return "".join(text.split()).lower()


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

        self._spellings: dict[str, tuple[str, ...]] = {
            spelled(name): (name,) for name in self._units
        }
        for spelling, names in SPELLINGS.items():
            known = tuple(name for name in names if name in self._units)
            if known:
                self._spellings.setdefault(spelled(spelling), known)

    def named(self, text: str, quantity: str = "") -> str:
        """The table's name of a unit that is spelled otherwise; empty where none is.

        Parameters
        ----------
        text : str
            A spelling: 亿, 10 000 yuan, sq. km.
        quantity : str
            What is measured, where a spelling alone does not say (亿).
        """
        names = self._spellings.get(spelled(text), ())
        if len(names) > 1 or quantity:
            fitting = tuple(n for n in names if self.quantity(n) == quantity)
            names = fitting or names
        return names[0] if len(names) == 1 else ""

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
