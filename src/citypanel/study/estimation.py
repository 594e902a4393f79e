"""One estimate of the effect from the study and a set of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.did.frames import overall_only
from citypanel.did.spatial import distances_km
from citypanel.did.study import require_steady
from citypanel.errors import EstimationError, FrontierError, OptionError
from citypanel.panel import factorize
from citypanel.study.declaration import declared
from citypanel.study.estimates import OUTCOME, TREATMENT, usable_controls
from citypanel.study.options import Options
from citypanel.study.parts import not_known
from citypanel.study.run import Study
from citypanel.study.steps.panel import chosen

ESTIMATORS = (
    *("twfe", "imputation", "group_time", "sun_abraham"),
    *("switchers", "synthetic_did"),
)
# Distance (km) up to which errors are shared, falling to zero (Bartlett).
SHARED_KM = 300
PLACE = ("latitude", "longitude")
# Share of city-years without an index from which on there is no estimate.
MOST = 0.5
# Relative difference up to which two indices are the same.
SAME = 1e-9
# What a regression and its description read of the panel, beside the controls.
READ = (
    "city_id", "year", OUTCOME, TREATMENT, "cohort", "tfpch", "is_capital_assumed",
)  # fmt: skip
KEYS: dict[str, Any] = {"outcome": OUTCOME, "unit": "city_id", "period": "year"}


class DegenerateFrontier(FrontierError):
    """Most city-years have no index, or all have the same."""


class NoComparison(EstimationError):
    """The sample has no treated city left, or nothing but treated ones."""


@dataclass(frozen=True)
class Estimate:
    """An estimate, its sample and the index behind it.

    Attributes
    ----------
    estimate, std_error, p_value, conf_low, conf_high : float
        Effect on the outcome and its inference, as the estimator gives it.
    n_obs, n_cities, n_treated_cities, n_treated_city_years : int
        City-years and cities of the regression.
    mean, std_dev, minimum, maximum : float
        Of tfpch over the city-years of the regression (sample standard deviation).
    assumed_share : float
        Share (0-1) of treated city-years on assumed capital.
    zero_labour_share : float
        Share (0-1) of city-years in which labour may have a price of zero.
    note : str or None
        What the reader should know.
    """

    estimate: float
    std_error: float
    p_value: float
    conf_low: float
    conf_high: float
    n_obs: int
    n_cities: int
    n_treated_cities: int
    n_treated_city_years: int
    mean: float
    std_dev: float
    minimum: float
    maximum: float
    assumed_share: float
    zero_labour_share: float
    note: str | None = None


MEASURES = tuple(f.name for f in fields(Estimate))


def regression_panel(study: Study, options: Options) -> tuple[pd.DataFrame, list[str]]:
    """The city-years of the regression and its controls.

    Parameters
    ----------
    study : Study
    options : Options

    Returns
    -------
    rows : DataFrame
        Of `Study.panel` the columns `READ` and the controls, and where the options need
        them exposure to other policies, province and coordinates; without the excluded
        cities, missing outcomes and missing values of the controls, whose number is
        ``attrs["lost"]`` where there are any, and those not compared, whose number is
        ``attrs["apart"]``.
    controls : list of str
        Those chosen that have data in every year, then exposure to other policies.

    Raises
    ------
    OptionError
        An unknown exclusion, control or value.
    EstimationError
        Cities without coordinates where they are asked for, or no other policy.
    DegenerateFrontier
        More than half of the city-years have no index, or all have the same.
    NoComparison
        The sample has no treated city, or no untreated one.
    """
    panel = _panel(study, options)
    read = {name: np.asarray(panel[name]) for name in READ}
    kept = ~excluded(panel, options.exclusion)
    whole = int(kept.sum())
    missing = pd.isna(read[OUTCOME])
    _require_index(read, kept & ~missing, kept & missing)
    kept &= ~missing
    n = kept.sum()
    city, year = study.grid.places(read)
    kept, columns = _among_policies(kept, city, year, study, options)
    more = list(columns)
    place = _places(kept, city, study, options)
    cohort = read["cohort"]
    kept = _without_neighbours(kept, city, cohort, place, options.neighbours)
    apart = int(n - kept.sum())
    _require_groups(city[kept], read[TREATMENT][kept], cohort[kept])
    controls = _controls(panel, kept, options.controls)
    for values in controls.values():
        kept &= pd.notna(values)
    read |= controls | columns | place
    at = np.flatnonzero(kept)
    rows = pd.DataFrame({n: values[at] for n, values in read.items()}, copy=False)
    left = {"apart": apart, "lost": whole - apart - len(at)}
    rows.attrs = {name: number for name, number in left.items() if number}
    return rows, [*controls, *more]


def _panel(study: Study, options: Options) -> pd.DataFrame | dict[str, Any]:
    """`Study.panel`, as arrays where no frame is given in its place."""
    if "panel" in study.given:
        return study.panel(options)
    columns = study.panel_columns(options)
    return chosen(columns, declared(), options.outcome, options.last_year)


def _controls(
    panel: pd.DataFrame | Mapping[str, Any], kept: np.ndarray, choice: str
) -> dict[str, np.ndarray]:
    """The controls chosen that have data in every year of the rows kept."""
    wanted = control_names(choice)
    if not wanted:
        return {}
    names = ("year", *declared().controls)
    known = {name: np.asarray(panel[name]) for name in names}
    usable, _ = usable_controls({name: v[kept] for name, v in known.items()})
    return {name: known[name] for name in usable if name in wanted}


def _among_policies(
    kept: np.ndarray,
    city: np.ndarray,
    year: np.ndarray,
    study: Study,
    options: Options,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rows kept and columns of exposure to the other policies that the study declares.

    ``city`` and ``year`` are the rows' places on the study's grid.
    """
    choice = options.concurrent_policies
    if choice == "ignored":
        return kept, {}
    if choice not in ("controlled", "left_out"):
        raise not_known("concurrent_policies", choice)
    others = tuple(other_policies(options.policy))
    first = study.once(
        ("first_years", others),
        lambda: first_years(study.sources.concurrent, others).reindex(study.city_ids),
    )
    if not len(first.columns):
        raise EstimationError.of("study.no_other_policies")
    under = first.to_numpy()[city] <= study.years[year][:, None]
    if choice == "left_out":
        touched = np.zeros(len(study.city_ids), dtype=bool)
        touched[city[kept & under.any(axis=1)]] = True
        return kept & ~touched[city], {}
    # A policy that every city or none came under, in every year, controls nothing.
    varies = under[kept].any(axis=0) & ~under[kept].all(axis=0)
    return kept, {
        f"under_{name}": under[:, k].astype(float)
        for k, name in enumerate(first.columns)
        if varies[k]
    }


def other_policies(studied: str) -> list[str]:
    """The policies that the study declares beside its own.

    Its own has the name of the option ``policy`` or of the declared roster.
    """
    study = declared()
    roster = PurePath(str(study.content["policy"].get("roster", ""))).stem
    return [name for name in study.other_policies if name not in (studied, roster)]


def first_years(policies: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """First year under each policy, by city; one column a policy."""
    known = policies[policies["policy"].isin(list(names)) & policies["city_id"].notna()]
    first = known.astype({"approval_year": float}).pivot_table(
        index="city_id", columns="policy", values="approval_year", aggfunc="min"
    )
    return first.astype(float)


def _places(
    kept: np.ndarray, city: np.ndarray, study: Study, options: Options
) -> dict[str, np.ndarray]:
    """Province and coordinates of the rows, where the options need them."""
    if options.errors_shared == "city" and options.neighbours == "kept":
        return {}
    place = study.once("place", lambda: _place_of_cities(study))
    wants_place = options.neighbours != "kept" or options.errors_shared == "neighbours"
    unknown = kept & np.isnan([place[name] for name in PLACE]).any(axis=0)[city]
    if wants_place and unknown.any():
        codes = study.city_ids[pd.unique(city[unknown])]
        raise EstimationError.of("study.no_coordinates", [f"city {c}" for c in codes])
    return {name: values[city] for name, values in place.items()}


def _place_of_cities(study: Study) -> dict[str, np.ndarray]:
    """Province and coordinates of the cities, in the order of the grid."""
    place = _coordinates(study.sources.places).reindex(study.city_ids)
    province = study.cities["province_id"].to_numpy(dtype=object)
    return {"province": province, **{name: place[name].to_numpy() for name in PLACE}}


def located(rows: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Rows with the latitude and longitude of their city, null where not known."""
    return rows.join(_coordinates(places), on="city_id")


def _coordinates(places: pd.DataFrame) -> pd.DataFrame:
    return places.set_index("unit_id")[list(PLACE)].astype(float)


def _without_neighbours(
    kept: np.ndarray,
    city: np.ndarray,
    cohort: np.ndarray,
    place: dict[str, np.ndarray],
    choice: str,
) -> np.ndarray:
    """Rows but those of never-treated cities nearer to a treated one than chosen."""
    if choice == "kept":
        return kept
    distance = choice.removeprefix("beyond_").removesuffix("_km")
    if not distance.isdigit():
        raise not_known("neighbours", choice)
    codes, first = np.unique(city[kept], return_index=True)
    first = np.flatnonzero(kept)[first]
    treated = cohort[first] > 0
    if not treated.any() or treated.all():
        return kept
    at = np.column_stack([place[name] for name in PLACE])[first]
    away = distances_km(at[~treated], at[treated]).min(axis=1)
    return kept & ~np.isin(city, codes[~treated][away <= float(distance)])


def excluded(panel: pd.DataFrame | Mapping[str, Any], exclusion: str) -> np.ndarray:
    """Rows of the cities that an exclusion leaves out of the regression."""
    if exclusion == "none":
        return np.zeros(len(panel[next(iter(panel))]), dtype=bool)
    group = declared().exclusions.get(exclusion)
    if group is not None:
        columns = {name: np.asarray(panel[name]) for name in group.where.names}
        return np.asarray(group.where(columns), dtype=bool)
    raise not_known("exclusion", exclusion)


def control_names(choice: str) -> tuple[str, ...]:
    """The controls that a value of the option names."""
    if choice == "none":
        return ()
    known = declared().controls
    if choice == "paper":
        return tuple(known)
    if choice == "without_after_treatment":
        return tuple(n for n, control in known.items() if not control.after_treatment)
    names = tuple(choice.split("+"))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OptionError.of("study.unknown_controls", unknown, known=list(known))
    return names


def _require_index(
    read: Mapping[str, np.ndarray], there: np.ndarray, missing: np.ndarray
) -> None:
    """An index that mostly has no value, or only one, says nothing of productivity."""
    values = np.sort(read[OUTCOME][there])
    n, n_missing = there.sum(), missing.sum()
    # Indices that differ by rounding alone are the same.
    apart = np.diff(values) > SAME * np.abs(values).max(initial=0.0)
    different = int(apart.sum()) + min(1, len(values))
    if n_missing <= MOST * (n + n_missing) and different > 1:
        return
    gaps = zip(read["city_id"][missing], read["year"][missing], strict=True)
    raise DegenerateFrontier.of(
        "study.degenerate_frontier",
        (f"city {c}, {y}" for c, y in gaps),
        n=n,
        whole=n + n_missing,
        different=different,
    )


def _require_groups(
    city: np.ndarray, treatment: np.ndarray, cohort: np.ndarray
) -> None:
    cities = _number_of(city)
    treated = _number_of(city[treatment > 0])
    if treated and cities > _number_of(city[cohort > 0]):
        return
    raise NoComparison.of(
        "study.no_comparison",
        [f"{cities} cities, {treated} of them treated"],
        treated=treated,
    )


def _number_of(places: np.ndarray) -> int:
    """How many places there are among those of the rows."""
    return np.count_nonzero(np.bincount(places))


def estimate(study: Study, options: Options):
    """The effect under a set of options.

    Parameters
    ----------
    study : Study
        Shares what it has computed between calls.
    options : Options

    Returns
    -------
    Estimate
        For `twfe` the coefficient of sydid, as `rpt_regressions`; for the others the
        effect on the treated over all treated city-years.

    Raises
    ------
    CityPanelError
        When some step cannot be done with these options.
    """
    rows, controls = regression_panel(study, options)
    row = fit(rows, controls, options)
    return describe_estimate(row, rows, study, options)


def fit(
    rows: pd.DataFrame,
    controls: list[str],
    options: Options,
    *,
    engine: str | None = None,
) -> pd.Series:
    """The row of the estimator's frame that is the effect; `engine` is that of twfe."""
    with overall_only():
        frame = _fit(rows, controls, options, engine)
    frame.attrs = {}
    return frame.iloc[0]


def _fit(
    rows: pd.DataFrame, controls: list[str], options: Options, engine: str | None
) -> pd.DataFrame:
    """The estimator's frame, in which the effect stands first."""
    name = options.estimator
    if name != "twfe":
        require_steady(rows, TREATMENT, KEYS["unit"], KEYS["period"])
    if name == "twfe":
        return did.twfe(
            rows,
            **KEYS,
            treatment=TREATMENT,
            controls=controls,
            absorbing=False,
            engine=engine,
            **_errors(options),
        )
    if name == "group_time":
        cells = did.group_time_att(
            rows,
            **KEYS,
            cohort="cohort",
            controls=controls,
            control_group="not_yet",
            base_period="universal",
        )
        return did.aggregate_att(cells, "simple")
    if name not in ESTIMATORS:
        raise not_known("estimator", name)
    function = getattr(did, name)
    return function(rows, **KEYS, cohort="cohort", controls=controls)


def _errors(options: Options) -> dict[str, Any]:
    """Options of `did.twfe` for the errors that observations share."""
    match options.errors_shared:
        case "city":
            return {"standard_errors": options.standard_errors}
        case "province":
            return {"standard_errors": options.standard_errors, "cluster": "province"}
        case "neighbours":
            return {
                "standard_errors": "conley",
                "coordinates": PLACE,
                "cutoff_km": SHARED_KM,
            }
    raise not_known("errors_shared", options.errors_shared)


def describe_estimate(
    row: pd.Series, rows: pd.DataFrame, study: Study, options: Options
) -> Estimate:
    """An estimator's row with what the estimate rests on."""
    city, cities = factorize(rows["city_id"])
    treated = rows[TREATMENT].to_numpy() > 0
    assumed = rows["is_capital_assumed"].to_numpy(dtype=float)[treated]
    index = rows["tfpch"].to_numpy(dtype=float)
    index = index[~np.isnan(index)]
    notes = [] if pd.isna(row["note"]) else [str(row["note"])]
    apart, lost = (rows.attrs.get(name, 0) for name in ("apart", "lost"))
    if apart:
        notes.append(
            f"{apart} city-years near a treated city or under another policy are not "
            "compared"
        )
    if lost:
        notes.append(f"{lost} city-years without an index or a control are left out")
    return Estimate(
        estimate=float(row["estimate"]),
        std_error=_number(row["std_error"]),
        p_value=_number(row["p_value"]),
        conf_low=_number(row["conf_low"]),
        conf_high=_number(row["conf_high"]),
        n_obs=len(rows),
        n_cities=len(cities),
        n_treated_cities=_number_of(city[treated]),
        n_treated_city_years=int(treated.sum()),
        mean=float(index.mean()),
        std_dev=float(index.std(ddof=1)),
        minimum=float(index.min()),
        maximum=float(index.max()),
        assumed_share=float(assumed.mean()),
        zero_labour_share=study.zero_labour_share(options),
        note="; ".join(notes) or None,
    )


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)
