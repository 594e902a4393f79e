"""Who carries the frontier, and the headline under other frontiers.

The own-period programme of city i is max phi such that phi y_i <= sum_j lambda_j y_j
and x_i >= sum_j lambda_j x_j. With one output the peers j of i share its target:
lambda_j y_j / sum_k lambda_k y_k is the share of it that j stands for (0-1), and its
mean over cities is how much of the year's frontier j carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import CityPanelError, FrontierError
from citypanel.frontier import distance, malmquist, programmes, super_efficiency
from citypanel.influence.changed_plans import INDICES, Change, index_tables
from citypanel.influence.headline import Headline
from citypanel.study.options import Options
from citypanel.study.productivity import KEYS, OUTPUT
from citypanel.study.run import Study

CARRIER_COLUMNS = {
    "year": "Int64",
    "city_id": "string",
    "n_cities": "Int64",
    "n_cities_carried": "Int64",
    "n_treated_carried": "Int64",
    "weight": "float64",
    "weight_treated": "float64",
    "super_distance": "float64",
    "is_treated": "boolean",
    "is_capital_assumed": "boolean",
    "estimate_without": "float64",
    "change_without": "float64",
    "note": "string",
}
ALTERNATIVE_COLUMNS = {
    "alternative_order": "Int64",
    "alternative": "string",
    "estimate": "float64",
    "std_error": "float64",
    "p_value": "float64",
    "headline_same_rows": "float64",
    "change": "float64",
    "change_in_std_errors": "float64",
    "mean": "float64",
    "std_dev": "float64",
    "minimum": "float64",
    "maximum": "float64",
    "n_obs": "Int64",
    "n_cities": "Int64",
    "n_reference_cities": "Int64",
    "n_beyond_frontier": "Int64",
    "n_infeasible": "Int64",
    "note": "string",
}


def carriers(study: Study, options: Options) -> pd.DataFrame:
    """The cities that span each year's own frontier, and how much of it they carry.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline. The frontier shown is the full one (DEA) of the year's
        own plans under the option's returns to scale and orientation, whatever
        `frontier` and `frontier_reference` are.

    Returns
    -------
    DataFrame
        One row per year and city that is a peer of some city, itself included:
        n_cities (of the year), n_cities_carried (whose peer it is), n_treated_carried,
        weight (its mean share of the cities' targets, 0-1; a year's weights add up to
        1), weight_treated (the mean over treated cities), super_distance (Shephard's
        output or input distance to the frontier of the others: how far it stands out),
        estimate_without and change_without (the headline when the city never draws the
        frontier but is measured against it, and what that changes on the city-years in
        which both have an index; empty where no other city is left).
    """
    headline = Headline(study, options)
    rows = headline.plans.frame()
    solved = programmes(
        rows,
        **KEYS,
        orientation=options.orientation,
        returns_to_scale=options.returns_to_scale,
        slacks=False,
    )
    peers = solved.peers.merge(
        rows[["city_id", "year", OUTPUT]].rename(
            columns={"city_id": "peer_city_id", "year": "peer_year"}
        ),
        on=["peer_city_id", "peer_year"],
    )
    peers["carried"] = peers["intensity"] * peers[OUTPUT]
    whole = peers.groupby(["city_id", "year"])["carried"].transform("sum")
    peers["share"] = peers["carried"] / whole
    treated = dict(zip(headline.plans.cities, headline.treated, strict=True))
    peers["is_treated"] = peers["city_id"].map(treated).astype(bool)
    solved_cities = peers.drop_duplicates(["city_id", "year"])
    n_cities = solved_cities.groupby("year").size()
    n_treated = solved_cities.groupby("year")["is_treated"].sum()
    grouped = peers.groupby(["year", "peer_city_id"])
    frame = grouped.agg(
        n_cities_carried=("city_id", "nunique"), total=("share", "sum")
    ).reset_index()
    of_treated = peers.loc[peers["is_treated"]].groupby(["year", "peer_city_id"])
    keys = pd.MultiIndex.from_frame(frame[["year", "peer_city_id"]])
    total_treated = of_treated["share"].sum().reindex(keys).fillna(0.0).to_numpy()
    frame["n_treated_carried"] = (
        of_treated["city_id"].nunique().reindex(keys).fillna(0).to_numpy()
    )
    frame["n_cities"] = frame["year"].map(n_cities)
    frame["weight"] = frame["total"] / frame["n_cities"]
    frame["weight_treated"] = total_treated / frame["year"].map(n_treated)
    frame = frame.rename(columns={"peer_city_id": "city_id"})
    apart = super_efficiency(
        rows,
        **KEYS,
        orientation=options.orientation,
        returns_to_scale=options.returns_to_scale,
    )
    frame = frame.merge(
        apart[["city_id", "year", "super_distance", "reason"]],
        on=["city_id", "year"],
        how="left",
    )
    frame["note"] = frame["reason"].map(
        lambda reason: None if pd.isna(reason) else f"without it: {reason}"
    )
    frame["is_treated"] = frame["city_id"].map(treated)
    assumed = study.long(
        {"is_capital_assumed": study.sample(options).is_capital_assumed}
    )
    frame = frame.merge(assumed, on=["city_id", "year"], how="left")
    without = {
        city: _out_of_frontier(headline, [city])
        for city in sorted(frame["city_id"].unique())
    }
    for column, of in (("estimate_without", "estimate"), ("change_without", "change")):
        frame[column] = frame["city_id"].map(
            {city: row.get(of) for city, row in without.items()}
        )
    frame = frame.sort_values(
        ["year", "weight", "city_id"],
        ascending=[True, False, True],
        ignore_index=True,
    )
    return frame.reindex(columns=list(CARRIER_COLUMNS)).astype(CARRIER_COLUMNS)


def frontier_alternatives(
    study: Study, options: Options, *, every: bool = True
) -> pd.DataFrame:
    """The headline under other frontiers, everything else as it is.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline.
    every : bool
        False: the headline and the two frontiers that treated cities do not draw for
        those they are compared with, that of the never-treated cities and, for each
        city, that of all others.

    Returns
    -------
    DataFrame
        One row per frontier. Of the cities that do not draw it, n_beyond_frontier
        counts the own-period plans beyond it (a Shephard output distance above 1, an
        input distance below 1: super-efficient); their index is as well defined as any
        other. n_infeasible counts indices without a value, which leave the regression;
        it is 0 under constant returns, where every plan can be scaled to the frontier.
        headline_same_rows is the headline's index on the city-years in which both have
        one, and change what the other frontier's estimate differs from it on those,
        in the headline's standard errors there: a difference of samples is not taken
        for one of frontiers. A frontier that cannot be drawn has a row with the reason
        in `note`.
    """
    headline = Headline(study, options)
    cities, indices = headline.plans.cities, headline.indices.base
    plans: dict[str, Callable[[], dict]] = {
        "headline": lambda: (
            _described(headline, indices, 0, len(cities)) | {"note": None}
        ),
        "never-treated cities only": partial(
            _out_of_frontier, headline, cities[headline.treated]
        ),
        "each city without itself": partial(_without_own, headline),
    }
    if every:
        plans |= _further(headline)
    rows = []
    for number, (name, row) in enumerate(plans.items()):
        try:
            found = row()
        except CityPanelError as error:
            found = {"note": f"not computed: {str(error).splitlines()[0]}"}
        rows.append({"alternative_order": number, "alternative": name, **found})
    frame = pd.DataFrame(rows)
    return frame.reindex(columns=list(ALTERNATIVE_COLUMNS)).astype(ALTERNATIVE_COLUMNS)


def _further(headline: Headline) -> dict[str, Callable[[], dict]]:
    """The frontiers that take a table of their own."""
    weighty = carriers(headline.study, headline.options)["city_id"].unique()
    measured, out = partial(_measured, headline), partial(_out_of_frontier, headline)
    return {
        "carriers out of the frontier": partial(out, weighty),
        "carriers out of the sample": partial(_dropped, headline, weighty),
        "sequential": partial(measured, reference="sequential"),
        "window of three years": partial(measured, reference="window"),
        "biennial": partial(measured, reference="biennial"),
        "global": partial(measured, reference="global"),
        **{
            f"order-m, m = {m}": partial(measured, frontier="order-m", order=m)
            for m in (10, 25, 50)
        },
        **{
            f"order-alpha, alpha = {alpha:.2f}": partial(
                measured, frontier="order-alpha", order=alpha
            )
            for alpha in (0.90, 0.95)
        },
        **{f"without {city}": partial(out, [city]) for city in sorted(weighty)},
    }


def _out_of_frontier(headline: Headline, out: Iterable[object]) -> dict:
    """Some cities do not draw the frontier; they are measured against it."""
    gone = {str(city) for city in out}
    stay = [city for city in headline.plans.cities if str(city) not in gone]
    if not stay:
        return {"note": "not computed: no city is left to draw the frontier"}
    return _measured(headline, reference_units=stay)


def _dropped(headline: Headline, drop: Iterable[object]) -> dict:
    """Some cities out of the sample altogether."""
    plans = headline.plans
    rows = np.flatnonzero(np.isin(plans.cities.astype(str), [str(c) for c in drop]))
    change = Change.without(plans, rows)
    found = headline.outcomes(
        headline.indices.changed(change), headline.present_after(change)
    )
    counts = {"n_reference_cities": len(plans.cities) - len(rows)}
    counts |= {"n_beyond_frontier": 0, "n_infeasible": 0}
    return {**_compared(headline, *found), **counts}


def _compared(headline: Headline, outcome: np.ndarray, tfpch: np.ndarray) -> dict:
    """The estimate of an outcome, and the headline's on the city-years they share."""
    result = headline.of_outcome(outcome, tfpch)
    same = np.isfinite(outcome) & headline.rows
    base = headline.without_rows(~same)
    there = headline.of_outcome(np.where(same, outcome, np.nan), tfpch).estimate
    change = there - base.estimate
    return {
        **asdict(result),
        "headline_same_rows": base.estimate,
        "change": change,
        "change_in_std_errors": change / base.std_error,
    }


def _measured(headline: Headline, **frontier: Any) -> dict:
    """The headline with the index from another frontier; see `_indices`."""
    found, beyond = _indices(headline, **frontier)
    units = frontier.get("reference_units")
    drawn = len(headline.plans.cities) if units is None else len(units)
    return _described(headline, found, int(beyond.to_numpy().sum()), drawn)


def _without_own(headline: Headline) -> dict:
    """Every city against the frontier that all the others draw.

    A city that is not on the frontier in any year carries none of it, so that only the
    others' indices change when they do not count themselves.
    """
    cities = headline.plans.cities
    found, at_frontier = _indices(headline, on_frontier=True)
    on_it = np.unique(at_frontier.index[at_frontier])
    near = _near(headline, on_it)
    beyond = 0
    for city in on_it:
        others = [other for other in near if other != city]
        if not others:
            raise FrontierError.of("influence.no_other_city")
        alone, out = _indices(headline, only=near, reference_units=others)
        row = int(np.flatnonzero(cities == city)[0])
        for name in INDICES:
            found[name][row] = alone[name][row]
        beyond += int(out[out.index == city].sum())
    return _described(headline, found, beyond, len(cities) - 1)


def _near(headline: Headline, on_it: np.ndarray) -> np.ndarray:
    """The cities that draw the frontier of all but any one of those on it.

    A city whose plans all lie inside the frontier of the cities that are never on it
    carries none of theirs, and takes no part. All cities where the frontier is not made
    so: a partial one, and a window, in whose later years a plan counts for more.
    """
    plans = headline.plans
    inner = ~np.isin(plans.cities, on_it)
    how = _how(headline)
    made_so = how["frontier"] == "dea" and how["reference"] != "window"
    if not (made_so and plans.present[inner].any(axis=0).all()):
        return plans.cities
    how |= {"reference_units": plans.cities[inner]}
    near = _beyond(plans.frame(), how, on_frontier=True)
    return plans.cities[~inner | np.isin(plans.cities, near.index[near])]


def _described(
    headline: Headline, found: dict[str, np.ndarray], beyond: int, drawn: int
) -> dict:
    """The row of indices from another frontier."""
    present = headline.plans.present
    both = present[:, 1:] & present[:, :-1]
    infeasible = int((both & np.isnan(found["tfpch"])).sum())
    compared = _compared(headline, *headline.outcomes(found, present))
    notes = []
    if beyond:
        notes.append(f"{beyond} plans lie beyond the frontier and keep their index")
    if infeasible:
        notes.append(f"{infeasible} indices have no solution and leave the regression")
    return {
        **compared,
        "n_reference_cities": drawn,
        "n_beyond_frontier": beyond,
        "n_infeasible": infeasible,
        "note": "; ".join(notes) or None,
    }


def _indices(
    headline: Headline,
    *,
    only: np.ndarray | None = None,
    on_frontier: bool = False,
    **frontier: Any,
) -> tuple[dict[str, np.ndarray], pd.Series]:
    """Indices (n, T-1) under another frontier, and which plans lie beyond it, by city.

    With `on_frontier` also those that lie on it; with `only` of those cities alone. For
    the frontier see `_how`.
    """
    rows, how = headline.plans.frame(), _how(headline, **frontier)
    if only is not None:
        rows = rows.loc[rows["city_id"].isin(only)]
    decomposition = headline.options["decomposition"]
    pooled = how["reference"] in ("global", "biennial")
    if how["frontier"] != "dea" or (decomposition == "bias" and pooled):
        decomposition = "fgnz"
    frame = malmquist(rows, **KEYS, decomposition=decomposition, **how)
    return index_tables(frame, headline.plans), _beyond(rows, how, on_frontier)


def _how(
    headline: Headline,
    *,
    reference: str | None = None,
    reference_units: Iterable[object] | None = None,
    frontier: str | None = None,
    order: float | None = None,
) -> dict[str, Any]:
    """The options of a frontier: the headline's, but for what is given."""
    options = headline.options
    frontier = frontier or options["frontier"]
    reference = reference or options["frontier_reference"]
    if reference == "metafrontier":
        # Its tfpch is that of the year's own plans of all regions.
        reference = "contemporaneous"
    return {
        "orientation": options["orientation"],
        "returns_to_scale": options["returns_to_scale"] if frontier == "dea" else "crs",
        "reference": reference,
        "reference_units": reference_units,
        "frontier": frontier,
        "order": order,
    }


def _beyond(rows: pd.DataFrame, how: dict[str, Any], on_frontier: bool) -> pd.Series:
    """Which plans lie beyond the frontier, or on it too, by city."""
    own = distance(rows, **KEYS, **how).set_index("city_id")["distance"]
    if on_frontier and how["frontier"] != "dea":
        # A partial frontier is drawn by every plan.
        return own.notna()
    edge = -1e-9 if on_frontier else 1e-9
    return own > 1 + edge if how["orientation"] == "output" else own < 1 - edge
