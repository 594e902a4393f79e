"""Units of published figures, as seeds/reference/ref_units.csv lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Other spellings of units of the table, in small letters and without white space. Where
# the quantity decides (亿 is 亿元 of output), a spelling stands once a quantity.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "亿": ("亿元", "亿美元"), "万": ("万元", "万人", "万美元"), "千": ("千元", "千人"),
    "百万": ("百万元",), "人民币元": ("元",), "万元人民币": ("万元",),
    "yuan": ("元",), "rmb": ("元",), "cny": ("元",), "rmbyuan": ("元",),
    "10000yuan": ("万元",), "10,000yuan": ("万元",), "10000rmb": ("万元",),
    "10000cny": ("万元",), "10,000cny": ("万元",), "tenthousandyuan": ("万元",),
    "10000rmbyuan": ("万元",), "cny10000": ("万元",), "rmb10000": ("万元",),
    "millionyuan": ("百万元",), "millionrmb": ("百万元",), "1millionyuan": ("百万元",),
    "100millionyuan": ("亿元",), "100millionrmb": ("亿元",), "100millioncny": ("亿元",),
    "100mnyuan": ("亿元",), "hundredmillionyuan": ("亿元",), "cny100million": ("亿元",),
    "billionyuan": ("RMB bn",), "billionrmb": ("RMB bn",), "bnyuan": ("RMB bn",),
    "10000usd": ("万美元",), "usd10000": ("万美元",), "10,000usd": ("万美元",),
    "10000usdollars": ("万美元",), "100millionusd": ("亿美元",),
    "usd100million": ("亿美元",), "millionusd": ("USD mn",),
    "person": ("人",), "people": ("人",), "1000persons": ("千人",),
    "thousandpersons": ("千人",), "10000person": ("万人",), "10000persons": ("万人",),
    "10,000people": ("万人",), "10000people": ("万人",),
    "tenthousandpersons": ("万人",),
    "km²": ("平方公里",), "sq.km": ("平方公里",), "sqkm": ("平方公里",),
    "sq.km.": ("平方公里",), "squarekilometers": ("平方公里",),
    "squarekilometres": ("平方公里",), "squarekm": ("平方公里",), "hectares": ("公顷",),
    "人/km2": ("人/平方公里",), "人/km²": ("人/平方公里",),
    "人每平方公里": ("人/平方公里",), "persons/sq.km": ("人/平方公里",),
    "person/sq.km": ("人/平方公里",), "persons/km2": ("人/平方公里",),
    "persons/km²": ("人/平方公里",), "personspersq.km": ("人/平方公里",),
    "percent": ("%",), "pct": ("%",), "per cent": ("%",),
    "precedingyear=100": ("上年=100",), "previousyear=100": ("上年=100",),
    "lastyear=100": ("上年=100",), "以上年为100": ("上年=100",),
    "上年为100": ("上年=100",),
}  # fmt: skip


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
