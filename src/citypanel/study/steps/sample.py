"""Which cities and years draw the frontier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.study.declaration import Declaration
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.parts import not_known
from citypanel.study.steps.inputs import Investment

OUTPUT, CAPITAL, LABOUR = "gdp_real_cny_10k", "capital_real_cny_10k", "labour"


@dataclass(frozen=True, eq=False)
class Sample:
    """The city-years that could draw the frontier and those that do.

    All arrays are city x year.
    """

    output: np.ndarray
    capital: np.ndarray
    labour: np.ndarray
    has_output: np.ndarray
    has_capital: np.ndarray
    has_labour: np.ndarray
    is_candidate: np.ndarray
    is_in_sample: np.ndarray
    is_capital_assumed: np.ndarray


@step
def groups(
    cities: pd.DataFrame, policy: pd.DataFrame, study: Declaration
) -> dict[str, np.ndarray]:
    """The groups of cities that may be left out, as masks.

    Parameters
    ----------
    cities : DataFrame
        city_id and the columns that the groups are declared over.
    policy : DataFrame
        city_id, year, batch: `int_policy_exposures`.
    """
    batch = policy.drop_duplicates("city_id").set_index("city_id")["batch"]
    batch = pd.to_numeric(cities["city_id"].map(batch)).fillna(0)
    columns: dict[str, np.ndarray] = {"batch": batch.to_numpy(dtype=int)}
    for name in cities.columns:
        values = cities[name].to_numpy()
        columns[name] = values.astype(bool) if name.startswith("is_") else values
    return {
        name: np.asarray(group.where(columns), dtype=bool)
        for name, group in study.exclusions.items()
    }


@step(large=True)
def sample(
    real_output: np.ndarray,
    capital: np.ndarray,
    labour: np.ndarray,
    investment: Investment,
    groups: Mapping[str, np.ndarray],
    cities: pd.DataFrame,
    grid: Grid,
    *,
    study_sample: str,
    excluded_cities: tuple[str, ...],
    panel_first_year: int,
    last_year: int,
) -> Sample:
    """Who could draw the frontier and who does.

    paper_like        cities complete in every year
    nbs_70            of them those among the 70 cities of the NBS
    all_available     every complete city-year
    """
    window = (grid.years >= panel_first_year) & (grid.years <= last_year)
    has = [table > 0 for table in (real_output, capital, labour)]
    complete = has[0] & has[1] & has[2]
    if study_sample == "all_available":
        drawn = complete & window
    elif study_sample in ("paper_like", "nbs_70"):
        always = complete[:, window].all(axis=1)
        if study_sample == "nbs_70":
            always = always & cities["is_in_nbs_70"].to_numpy(dtype=bool)
        drawn = always[:, None] & window
    else:
        raise not_known("study_sample", study_sample)
    for group in excluded_cities:
        if group not in groups:
            raise not_known("excluded_cities", group)
        drawn = drawn & ~groups[group][:, None]
    # Capital rests on assumed investment from the first assumed year on.
    assumed = investment.is_assumed & window
    return Sample(
        output=real_output,
        capital=capital,
        labour=labour,
        has_output=has[0],
        has_capital=has[1],
        has_labour=has[2],
        is_candidate=np.broadcast_to(window, real_output.shape),
        is_in_sample=drawn,
        is_capital_assumed=np.logical_or.accumulate(assumed, axis=1),
    )


@step
def is_capital_assumed(sample: Sample) -> np.ndarray:
    """Whether a city-year's capital rests on assumed investment."""
    return sample.is_capital_assumed


@step(large=True)
def technology(sample: Sample, cities: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The city-years that draw the frontier, as the index functions take them."""
    regions = cities["region"].to_numpy(dtype=object)
    return grid.long(
        {
            OUTPUT: sample.output,
            CAPITAL: sample.capital,
            LABOUR: sample.labour,
            "region": np.broadcast_to(regions[:, None], grid.shape),
        },
        sample.is_in_sample,
    )
