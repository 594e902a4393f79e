"""The production plans behind the headline as arrays: city by year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.errors import PanelError
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


def plans_of(sample: pd.DataFrame) -> Plans:
    """Arrays of a sample.

    Parameters
    ----------
    sample : DataFrame
        city_id, year, the output and the inputs; one row per city-year that draws the
        frontier, all positive.

    Raises
    ------
    PanelError
        A missing column, a repeated key, or a value that is not positive.
    """
    columns = [OUTPUT, *INPUTS]
    require_columns(sample, ["city_id", "year", *columns])
    require_unique_key(sample, ["city_id", "year"])
    values = sample[columns].to_numpy(float)
    wrong = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        raise PanelError.of(
            "study.not_positive",
            (
                f"city_id {sample['city_id'].iloc[i]}, "
                f"year {sample['year'].iloc[i]}, {columns[k]}: {values[i, k]:g}"
                for i, k in np.argwhere(wrong)
            ),
        )
    city, cities = pd.factorize(sample["city_id"], sort=True)
    year = sample["year"].to_numpy(int)
    years = np.arange(year.min(), year.max() + 1)
    table = np.full((len(cities), len(years), len(columns)), np.nan)
    table[city, year - years[0]] = values
    return Plans(
        np.asarray(cities, dtype=object), years, table[:, :, 0], table[:, :, 1:]
    )
