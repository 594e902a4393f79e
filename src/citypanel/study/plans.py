"""The production plans behind the headline as arrays: city by year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.errors import PanelError, describe
from citypanel.panel import require_columns, require_unique_key

OUTPUT = "gdp_real_cny_10k"
INPUTS = ("capital_real_cny_10k", "labour")


@dataclass(frozen=True, eq=False)
class Plans:
    """Outputs and inputs of every city and year; not a number where there is no plan.

    Attributes
    ----------
    cities : ndarray (n,)
        Codes, sorted.
    years : ndarray (T,)
        Consecutive.
    outputs : ndarray (n, T)
        Real output.
    inputs : ndarray (n, T, m)
        Capital, labour.
    """

    cities: np.ndarray
    years: np.ndarray
    outputs: np.ndarray
    inputs: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Where there is a plan, (n, T) of bool."""
        return np.isfinite(self.outputs)

    def position(self, city: object) -> int:
        """Row of a city."""
        return int(np.flatnonzero(self.cities == city)[0])

    def frame(self) -> pd.DataFrame:
        """One row per city and year with a plan, as the study's sample has them."""
        city, year = np.nonzero(self.present)
        frame = pd.DataFrame(
            {
                "city_id": self.cities[city],
                "year": self.years[year],
                OUTPUT: self.outputs[city, year],
            }
        )
        for k, name in enumerate(INPUTS):
            frame[name] = self.inputs[city, year, k]
        return frame


def plans_of(
    sample: pd.DataFrame,
    *,
    output: str = OUTPUT,
    inputs: Sequence[str] = INPUTS,
) -> Plans:
    """Arrays of a sample.

    Parameters
    ----------
    sample : DataFrame
        city_id, year, the output and the inputs; one row per city-year that draws the
        frontier, all positive.
    output, inputs
        Columns.

    Raises
    ------
    PanelError
        A missing column, a repeated key, or a value that is not positive.
    """
    columns = [output, *inputs]
    require_columns(sample, ["city_id", "year", *columns])
    require_unique_key(sample, ["city_id", "year"])
    values = sample[columns].to_numpy(float)
    wrong = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        raise PanelError(
            describe(
                "An output or input of the sample is not a positive number",
                (
                    f"city_id {sample['city_id'].iloc[i]}, "
                    f"year {sample['year'].iloc[i]}, {columns[k]}: {values[i, k]:g}"
                    for i, k in np.argwhere(wrong)
                ),
                consequence="the influence of a plan that is none cannot be told",
                remedy="pass the city-years that draw the frontier only",
            )
        )
    city, cities = pd.factorize(sample["city_id"], sort=True)
    year = sample["year"].to_numpy(int)
    years = np.arange(year.min(), year.max() + 1)
    table = np.full((len(cities), len(years), len(columns)), np.nan)
    table[city, year - years[0]] = values
    return Plans(
        np.asarray(cities, dtype=object), years, table[:, :, 0], table[:, :, 1:]
    )
