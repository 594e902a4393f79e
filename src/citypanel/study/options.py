"""One value for every option of a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from citypanel.study.declaration import declared


class Options:
    """One value for every option of the study; the defaults are the declaration's.

    Options are read as attributes, and cannot be changed: `replace` makes others.

    Parameters
    ----------
    **changes
        Values other than the default, by the option's name.

    Raises
    ------
    TypeError
        For a name that is no option.
    """

    __slots__ = ("_first", "_start", "_values")
    _values: dict[str, Any]
    _first: int | None
    _start: int | None

    def __init__(self, **changes: object):
        values = declared().defaults
        for name in changes:
            if name not in values:
                raise TypeError(f"there is no option {name}")
        object.__setattr__(self, "_values", {**values, **changes})
        object.__setattr__(self, "_first", None)
        object.__setattr__(self, "_start", None)

    @classmethod
    def of_build(cls, row: Mapping[str, object]) -> Options:
        """The options of a row of `dim_study_variants`."""
        options = declared().options
        taken = {}
        for name, option in options.items():
            if name not in row:
                continue
            value: Any = row[name]
            match option.kind:
                case "whole" | "year":
                    value = int(value)
                case "share":
                    value = float(value)
                case "switch":
                    value = str(value) == "True"
                case "batches" if isinstance(value, str):
                    value = tuple(int(batch) for batch in value.split(","))
                case "groups" if isinstance(value, str):
                    value = tuple(group for group in value.split(", ") if group)
            taken[name] = value
        return cls(**taken)

    def replace(self, **changes: object) -> Options:
        """The options with some other values."""
        for name in changes:
            if name not in self._values:
                raise TypeError(f"there is no option {name}")
        return _restored({**self._values, **changes})

    def bounded(self) -> Options:
        """The options with those lowered that the values of others bound."""
        return _restored(declared().bounded(self._values))

    @property
    def panel_first_year(self) -> int:
        """First year whose frontier is drawn."""
        if self._first is None:
            chosen = declared().options["first_index_year"].value(self.first_index_year)
            first = self.first_year - (chosen.years_before if chosen else 0)
            object.__setattr__(self, "_first", first)
            return first
        return self._first

    @property
    def capital_first_year(self) -> int:
        """Year of the initial stock."""
        if self._start is None:
            start = min(declared().base_year, self.panel_first_year)
            object.__setattr__(self, "_start", start)
            return start
        return self._start

    def part(self, *names: str) -> tuple:
        """The values of some options, as a key."""
        values = self._values
        # A list is faster filled than a generator, and every step asked for has a key.
        return tuple(
            [values[name] if name in values else getattr(self, name) for name in names]
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"there is no option {name}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("options cannot be changed; see replace")

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def keys(self) -> Iterable[str]:
        """The names of the options."""
        return self._values.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Options) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        defaults = declared().defaults
        moved = {k: v for k, v in self._values.items() if v != defaults.get(k)}
        return f"Options({', '.join(f'{k}={v!r}' for k, v in moved.items())})"

    def __reduce__(self):
        return _restored, (self._values,)


def _restored(values: dict[str, Any]) -> Options:
    options = object.__new__(Options)
    object.__setattr__(options, "_values", values)
    object.__setattr__(options, "_first", None)
    object.__setattr__(options, "_start", None)
    return options
