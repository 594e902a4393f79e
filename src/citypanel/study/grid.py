"""Units by periods: tables of numbers, and frames with a row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Grid:
    """The cities and the years of every table, city x year.

    Attributes
    ----------
    city_ids : ndarray (n,)
        Codes, sorted.
    years : ndarray (T,)
        Sorted.
    """

    city_ids: np.ndarray
    years: np.ndarray

    @cached_property
    def city_at(self) -> dict[str, int]:
        """Row of each city."""
        return {code: i for i, code in enumerate(self.city_ids)}

    @cached_property
    def index(self) -> pd.Index:
        """The codes, to look rows up by."""
        return pd.Index(self.city_ids, dtype=object)

    @property
    def shape(self) -> tuple[int, int]:
        """Cities, years."""
        return len(self.city_ids), len(self.years)

    def places(
        self, frame: pd.DataFrame | Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a frame with city_id and year as places in a table."""
        year = np.searchsorted(self.years, np.asarray(frame["year"], dtype=int))
        codes = np.asarray(frame["city_id"], dtype=object)
        new = np.ones(len(codes), dtype=bool)
        new[1:] = codes[1:] != codes[:-1]
        if 4 * (np.count_nonzero(new) - 1) < len(codes):
            # A city's rows follow each other: it is looked up once.
            found = [self.city_at[code] for code in codes[new].tolist()]
            return np.array(found, dtype=int)[np.cumsum(new) - 1], year
        city = self.index.get_indexer(pd.Index(codes, dtype=object))
        if (city < 0).any():
            raise KeyError(codes[city < 0][0])
        return city, year

    def wide(self, frame: pd.DataFrame, column: str) -> np.ndarray:
        """A column of a city-year frame as a table, missing where it has no row."""
        table = np.full(self.shape, np.nan)
        table[self.places(frame)] = frame[column].to_numpy(float, na_value=np.nan)
        return table

    def long(
        self, tables: Mapping[str, np.ndarray], keep: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Tables as a frame with city_id and year, by city and year."""
        if keep is None:
            keep = np.ones(self.shape, bool)
        city, year = np.nonzero(keep)
        return pd.DataFrame(
            {
                "city_id": self.city_ids[city],
                "year": self.years[year],
                **{name: table[city, year] for name, table in tables.items()},
            },
            copy=False,
        )
