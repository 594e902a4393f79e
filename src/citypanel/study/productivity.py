"""Malmquist indices and own-period distances of every variant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from citypanel.frontier import (
    bootstrap_malmquist,
    distance,
    mean_changes,
)
from citypanel.frontier.malmquist import indices
from citypanel.study.variants import by_variant

OUTPUT = "gdp_real_cny_10k"
CAPITAL = "capital_real_cny_10k"
LABOUR = "labour"
KEYS: dict[str, Any] = {
    "unit": "city_id",
    "period": "year",
    "outputs": [OUTPUT],
    "inputs": [CAPITAL, LABOUR],
}
INDICES = ["tfpch", "effch", "techch", "pech", "sech"]
# Of decomposition = bias, and of frontier_reference = metafrontier.
MORE_INDICES = ["obtech", "ibtech", "matech", "tgr"]
BOOTSTRAPPED = ["tfpch", "effch", "techch"]
INTERVAL_COLUMNS = {
    "dimension": "object",
    "member": "object",
    "year": "int64",
    "index_name": "object",
    "low": "float64",
    "high": "float64",
    "corrected": "float64",
    "frontier_error": "float64",
    "bootstrap_replications": "int64",
}
FRONTIER_TOLERANCE = 1e-9


def tfp_changes(sample: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Malmquist indices of every variant; by default as DEAP 2.1 forms them.

    Parameters
    ----------
    sample : DataFrame
        variant, city_id, year, region, gdp_real_cny_10k, capital_real_cny_10k, labour:
        the city-years that draw the frontier, all complete.
    variants : DataFrame
        variant, variant_order, first_index_year, orientation, returns_to_scale,
        frontier, frontier_reference, decomposition: the options of
        `citypanel.frontier.malmquist` by those names.

    Returns
    -------
    DataFrame
        variant, city_id, year (the later one), year_from, tfpch, effch, techch, pech,
        sech (each > 1 when productivity rises); obtech, ibtech, matech and tgr, missing
        unless their option is chosen; reason, why an index is missing; and
        cumulative_log_tfp, the sum of ln tfpch since the city's base year, missing from
        a gap in the indices on.
        Under first_index_year = one a first row per city has every index 1 and no
        year_from.
    """
    return by_variant(sample, variants, changes)


def changes(
    rows: pd.DataFrame,
    options: Any,
    drawn_by: list | None = None,
    *,
    has_scale: bool = True,
) -> pd.DataFrame:
    """Indices of one set of options; see `tfp_changes`.

    ``drawn_by`` are the cities that draw the frontier; all by default. Without
    ``has_scale`` pech and sech are missing.
    """
    reference = options["frontier_reference"]
    evaluator, found = indices(
        rows,
        **KEYS,
        orientation=options["orientation"],
        returns_to_scale=options["returns_to_scale"],
        frontier=options["frontier"],
        reference=reference,
        group="region" if reference == "metafrontier" else None,
        decomposition=options["decomposition"],
        scale=has_scale,
        reference_units=drawn_by,
    )
    panel = evaluator.panel
    units, seen = panel.unit_of[found.rows], panel.period_of[found.rows]
    both = [np.asarray(names, dtype=object) for names in (rows["city_id"], panel.units)]
    codes, cities = pd.factorize(np.concatenate(both), sort=True)
    of_row, city = codes[: len(rows)], codes[len(rows) :][units]
    years = rows["year"].to_numpy()
    base = np.full(len(cities), np.iinfo(years.dtype).max, dtype=years.dtype)
    np.minimum.at(base, of_row, years)
    year, year_from = panel.periods[seen], found.columns["period_from"]
    missing = np.full(len(year), np.nan)
    values = {
        name: found.columns.get(name, missing) for name in (*INDICES, *MORE_INDICES)
    }
    reason = pd.array(found.reason, dtype="string")
    is_first = np.zeros(len(year), dtype=bool)
    if options["first_index_year"] == "one":
        n = len(cities)
        city = np.concatenate([np.arange(n), city])
        order = np.lexsort((np.concatenate([base, year]), city))
        city, is_first = city[order], (np.arange(len(order)) < n)[order]
        year = np.concatenate([base, year])[order]
        year_from = np.concatenate([base, year_from])[order]
        for name, column in values.items():
            one = np.nan if np.isnan(column).all() else 1.0
            values[name] = np.concatenate([np.full(n, one), column])[order]
        reason = reason.take(np.where(is_first, -1, order - n), allow_fill=True)

    # A gap in a city's years breaks the chain: its level is unknown from there on.
    starts = np.diff(city, prepend=-1) != 0
    previous = np.where(starts, base[city], np.roll(year, 1))
    logs = pd.Series(np.where(year_from == previous, np.log(values["tfpch"]), np.nan))
    return pd.DataFrame(
        {
            "city_id": cities[city],
            "year": year,
            "year_from": pd.arrays.IntegerArray(year_from.astype(np.int64), is_first),
            **values,
            "reason": reason,
            "cumulative_log_tfp": logs.groupby(city).cumsum(skipna=False),
        }
    )


def tfp_intervals(
    sample: pd.DataFrame, variants: pd.DataFrame, cities: pd.DataFrame
) -> pd.DataFrame:
    """Intervals of the indices of cities, of groups' means and of their difference.

    Parameters
    ----------
    sample, variants : DataFrame
        As `tfp_changes`; of variants also bootstrap_replications (0: none) and seed.
    cities : DataFrame
        city_id, region, role (treated, control or another).

    Returns
    -------
    DataFrame
        variant; dimension (city, all, region, role or difference) and member (a city's
        code, a group, or treated - control); year; index_name (tfpch, effch, techch);
        low and high, the ends of the 95 per cent interval, of a city's effch and of a
        mean's tfpch; corrected, a city's index less its bias; frontier_error, the error
        of the index's logarithm that the frontier makes; and bootstrap_replications,
        the draws of each loop. See `citypanel.frontier.bootstrap_malmquist` and
        `mean_changes`. No row where the variant asks for none or the frontier is not
        that of a year's own observations, for which alone the bootstrap is defined.
    """
    return by_variant(
        sample, variants, lambda rows, options: _intervals(rows, options, cities)
    )


def _intervals(
    rows: pd.DataFrame, options: pd.Series, cities: pd.DataFrame
) -> pd.DataFrame:
    pieces = []
    if options["bootstrap_replications"] and is_local(options):
        found = bootstrap_malmquist(
            rows,
            **KEYS,
            orientation=options["orientation"],
            returns_to_scale=options["returns_to_scale"],
            replications=int(options["bootstrap_replications"]),
            seed=int(options["seed"]),
        )
        pieces = [_of_cities(found), *_of_groups(found, cities)]
    frame = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()
    return frame.reindex(columns=list(INTERVAL_COLUMNS)).astype(INTERVAL_COLUMNS)


def _of_cities(found: pd.DataFrame) -> pd.DataFrame:
    """One row a city, year and index."""
    columns = {
        "corrected": "corrected",
        "lower": "low",
        "upper": "high",
        "error": "frontier_error",
    }
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "dimension": "city",
                    "member": found["city_id"],
                    "year": found["year"],
                    "index_name": name,
                    "bootstrap_replications": found["replications"],
                    **{
                        new: found[f"{name}_{old}"].to_numpy(float)
                        if f"{name}_{old}" in found
                        else np.nan
                        for old, new in columns.items()
                    },
                }
            )
            for name in BOOTSTRAPPED
        ]
    )


def _of_groups(found: pd.DataFrame, cities: pd.DataFrame) -> list[pd.DataFrame]:
    """One row a group, year and index, and the treated less the controls."""
    at = cities.set_index("city_id")
    role = at["role"]
    compared = role[role.isin(["treated", "control"])].sort_values(ascending=False)
    groupings = {
        "all": pd.Series("all", index=at.index),
        "region": at["region"],
        "role": role,
        "difference": compared,
    }
    pieces = []
    for dimension, groups in groupings.items():
        means = mean_changes(found, groups.dropna().to_dict())
        is_difference = means["group"] == "treated - control"
        means = means[is_difference == (dimension == "difference")]
        pieces.append(means.assign(dimension=dimension))
    return [
        piece.rename(
            columns={
                "group": "member",
                "index": "index_name",
                "lower": "low",
                "upper": "high",
            }
        ).assign(bootstrap_replications=found["replications"].min())
        for piece in pieces
    ]


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


def is_local(options: Any) -> bool:
    """Whether each year has a technology of its own plans."""
    return (
        options["frontier"] == "dea"
        and options["frontier_reference"] == "contemporaneous"
        and options["decomposition"] in ("fgnz", "bias")
    )


def _own(rows: pd.DataFrame, returns_to_scale: str) -> pd.Series:
    """Output distances to the year's own frontier, by city and year."""
    frame = distance(rows, **KEYS, returns_to_scale=returns_to_scale)
    return frame.set_index(["city_id", "year"])["distance"].sort_index()


def zero_labour_prices(rows: pd.DataFrame, distance_crs: pd.Series) -> np.ndarray:
    """Whether the constant-returns distance stays when labour is left out.

    Parameters
    ----------
    rows : DataFrame
        City-years of one variant, as in `tfp_changes`.
    distance_crs : Series
        Their output distances, by city and year.

    Returns
    -------
    ndarray of bool
        By city and year: a price of zero for labour is optimal.
    """
    # With one input and one output the frontier is the year's best ratio.
    city = pd.factorize(rows["city_id"], sort=True)[0]
    year, years = pd.factorize(rows["year"], sort=True)
    ratio = (rows[OUTPUT] / rows[CAPITAL]).to_numpy(dtype=float)
    best = np.full(len(years), -np.inf)
    np.maximum.at(best, year, ratio)
    without = (ratio / best[year])[np.lexsort((year, city))]
    return np.isclose(distance_crs.to_numpy(), without, rtol=FRONTIER_TOLERANCE, atol=0)


def _distances(rows: pd.DataFrame, options: pd.Series) -> pd.DataFrame:
    crs = _own(rows, "crs")
    frame = pd.DataFrame({"distance_crs": crs, "distance_vrs": _own(rows, "vrs")})
    frame["is_on_frontier"] = crs >= 1 - FRONTIER_TOLERANCE
    frame["has_zero_labour_price"] = zero_labour_prices(rows, crs)
    return frame.reset_index()
