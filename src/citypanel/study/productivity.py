"""Malmquist indices and own-period distances of every variant."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.frontier import distance, malmquist
from citypanel.study.variants import by_variant

OUTPUT = "gdp_real_cny_10k"
CAPITAL = "capital_real_cny_10k"
LABOUR = "labour"
INDICES = ["tfpch", "effch", "techch", "pech", "sech"]
FRONTIER_TOLERANCE = 1e-9


def tfp_changes(sample: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Output-oriented Malmquist indices of every variant, as DEAP 2.1 forms them.

    Parameters
    ----------
    sample : DataFrame
        variant, city_id, year, gdp_real_cny_10k, capital_real_cny_10k, labour: the
        city-years that draw the frontier, all complete.
    variants : DataFrame
        variant, variant_order, first_index_year, first_year.

    Returns
    -------
    DataFrame
        variant, city_id, year (the later one), year_from, tfpch, effch, techch, pech,
        sech (each > 1 when productivity rises) and cumulative_log_tfp, the sum of
        ln tfpch since the city's base year, missing from a gap in the indices on.
        Under first_index_year = one a first row per city has every index 1 and no
        year_from.
    """
    return by_variant(sample, variants, _changes)


def _changes(rows: pd.DataFrame, options: pd.Series) -> pd.DataFrame:
    changes = malmquist(
        rows,
        unit="city_id",
        period="year",
        outputs=[OUTPUT],
        inputs=[CAPITAL, LABOUR],
        orientation="output",
    ).rename(columns={"period_from": "year_from"})
    changes = changes[["city_id", "year", "year_from", *INDICES]]
    changes["year_from"] = changes["year_from"].astype("Int64")
    if options["first_index_year"] == "one":
        first = rows.groupby("city_id", as_index=False)["year"].min()
        first["year_from"] = pd.array([pd.NA] * len(first), dtype="Int64")
        first[INDICES] = 1.0
        changes = pd.concat([first, changes], ignore_index=True)
    changes = changes.sort_values(["city_id", "year"], ignore_index=True)

    # A gap in a city's years breaks the chain: its level is unknown from there on.
    city = changes["city_id"]
    base = city.map(rows.groupby("city_id")["year"].min())
    previous = changes.groupby("city_id")["year"].shift().fillna(base)
    follows = changes["year_from"].fillna(changes["year"]) == previous
    logs = np.log(changes["tfpch"]).where(follows)
    changes["cumulative_log_tfp"] = logs.groupby(city).cumsum(skipna=False)
    return changes


def frontier_distances(sample: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Own-period output distances of every variant's city-years.

    Parameters
    ----------
    sample, variants : DataFrame
        As `tfp_changes`.

    Returns
    -------
    DataFrame
        variant, city_id, year; distance_crs and distance_vrs (Shephard output
        distances, <= 1, 1 on the frontier); is_on_frontier under constant returns; and
        has_zero_labour_price, true where a price of zero for labour is optimal: the
        constant-returns distance does not change when labour is left out.
    """
    return by_variant(sample, variants, _distances)


def _distances(rows: pd.DataFrame, options: pd.Series) -> pd.DataFrame:
    def own(inputs: list[str], returns_to_scale: str) -> pd.Series:
        frame = distance(
            rows,
            unit="city_id",
            period="year",
            outputs=[OUTPUT],
            inputs=inputs,
            orientation="output",
            returns_to_scale=returns_to_scale,
        )
        return frame.set_index(["city_id", "year"])["distance"].sort_index()

    crs = own([CAPITAL, LABOUR], "crs")
    without_labour = own([CAPITAL], "crs")
    frame = pd.DataFrame(
        {"distance_crs": crs, "distance_vrs": own([CAPITAL, LABOUR], "vrs")}
    )
    frame["is_on_frontier"] = crs >= 1 - FRONTIER_TOLERANCE
    frame["has_zero_labour_price"] = np.isclose(
        crs, without_labour, rtol=FRONTIER_TOLERANCE, atol=0
    )
    return frame.reset_index()
