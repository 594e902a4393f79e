"""What a referee asks next of the headline, each point answered by a number."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from citypanel import did
from citypanel.did.frames import join_notes
from citypanel.did.results import first_comparisons
from citypanel.did.sizes import size_note
from citypanel.errors import CityPanelError, EstimationError, OptionError
from citypanel.study import estimation
from citypanel.study.credibility import headline
from citypanel.study.declaration import declared
from citypanel.study.estimates import OUTCOME, usable_controls
from citypanel.study.estimation import (
    PLACE,
    first_years,
    located,
    other_policies,
)
from citypanel.study.options import Options
from citypanel.study.referee_words import answer_rows

KEYS: dict[str, Any] = dict(outcome=OUTCOME, unit="city_id", period="year")
TREATMENT, COHORT = "sydid", "cohort"
RINGS = (0, 100, 200, 300)
CUTOFFS = (100, 200, 300, 500, 800)
# Draws of what refits a model each time.
REFITS = 50
# What is left out of larger panels, whose row says so: cells that draws of a factor
# model fit anew, that the jackknife does, that are fitted for every treated cell, and
# weights that the cohorts' synthetic controls choose together.
MOST_DRAWN_CELLS = 400_000
MOST_JACKKNIFED_CELLS = 100_000_000
MOST_CELL_FITS = 20_000_000
MOST_POOLED_WEIGHTS = 2_000
MECHANISMS = ("effch", "techch")
# Tests whose size was measured, by term, aggregation or estimator.
MEASURED = {
    "any_scale": "functional_form_test",
    "exposure_controlled": "concurrent_policies, exposure controlled",
    "conley_taber": "conley_taber",
    "ferman_pinto": "ferman_pinto",
    "randomisation": "twfe, randomisation t",
    "finite": "population_inference, a random attribute",
    "direct": "spillovers, direct",
    "above": "twfe, clusters of a level above",
    "bartlett_300_km": "twfe, conley, bartlett to 300 km",
    "ring_0_100_km": "spillovers, nearest ring",
    **{
        name: name
        for name in (
            *("synthetic_did", "augmented_synthetic_control", "triply_robust"),
            *("interactive_fixed_effects", "matrix_completion", "nonabsorbing_did"),
            *("entropy_balancing", "covariate_balancing", "dose_response"),
        )
    },
}

NUMBERS = (
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "p_value",
    "adjusted_p_value",
    "weight",
    "distance_km",
)
COUNTS = ("n_obs", "n_units", "n_treated_units", "n_clusters")
TEXTS = (
    "question",
    "outcome_name",
    "policy",
    "sample",
    "estimator",
    "aggregation",
    "term",
    "standard_errors",
    "note",
    "text_en",
    "text_zh",
)
COLUMNS = {
    **dict.fromkeys(TEXTS, "object"),
    **dict.fromkeys(NUMBERS, "float64"),
    **dict.fromkeys(COUNTS, "Int64"),
    "answer_order": "int64",
}


def answers(
    panel: pd.DataFrame,
    variants: pd.DataFrame,
    policies: pd.DataFrame,
    places: pd.DataFrame,
) -> pd.DataFrame:
    """Every question of the list, answered on the headline's panel.

    Parameters
    ----------
    panel, variants : DataFrame
        As `credibility.att`.
    policies : DataFrame
        policy, city_id, approval_year: policies of the time, of which those count that
        the study declares (``other_policies``). Its own, by the name of the option
        ``policy`` or of the declared roster, is not another.
    places : DataFrame
        unit_id, latitude and longitude in degrees, as text or numbers.

    Returns
    -------
    DataFrame
        One row an answer: question, answer_order, then as the library's tidy frames;
        ``adjusted_p_value`` is Holm's over the outcomes of a question, ``weight`` a
        share of the two-way weights, ``distance_km`` a cutoff or the outer edge of a
        ring. The first row of a question, aggregation ``answer``, holds the sentence
        in text_en and text_zh. What cannot be answered keeps a row that says why.
    """
    rows, options = headline(panel, variants)
    rows = rows.loc[rows[OUTCOME].notna()].reset_index(drop=True)
    others = other_policies(str(options["policy"]))
    absent = set(others) - set(policies["policy"])
    if absent:
        raise OptionError.of("study.no_such_policy", sorted(absent))
    frame = _with(rows, first_years(policies, others), places)
    seed, draws = int(options["seed"]), int(options["inference_draws"])
    parts = []
    for question, ask in QUESTIONS.items():
        try:
            part = ask(frame, seed, draws)
        except CityPanelError as error:
            part = pd.DataFrame([{"note": str(error).splitlines()[0]}])
        parts.append(part.assign(question=question))
    out = pd.concat(
        [part.dropna(axis="columns", how="all") for part in parts], ignore_index=True
    ).reindex(columns=list(COLUMNS))
    out = pd.concat(
        [pd.DataFrame(answer_rows(out)).reindex(columns=list(COLUMNS)), out],
        ignore_index=True,
    )
    out["note"] = [_with_size(row) for row in out.to_dict("records")]
    # The sentence first, then what it rests on.
    place = out["question"].map({name: n for n, name in enumerate(QUESTIONS)})
    out = out.loc[place.sort_values(kind="stable").index].reset_index(drop=True)
    out["answer_order"] = out.groupby("question").cumcount()
    out["outcome_name"] = out["outcome_name"].fillna(rows["outcome_name"].iloc[0])
    out[list(NUMBERS)] = out[list(NUMBERS)].astype(float)
    return out.astype(COLUMNS)


def _with_size(row: dict[str, Any]) -> Any:
    """A row's note, and how its test does in samples of about its size."""
    names = (row["term"], row.get("aggregation"), row["estimator"])
    test = next((MEASURED[name] for name in names if name in MEASURED), None)
    if test is None or pd.isna(row["p_value"]):
        return row["note"]
    said = size_note([test], row["n_units"], row["n_treated_units"])
    return join_notes(row["note"] if isinstance(row["note"], str) else None, said)


def _with(rows: pd.DataFrame, first: pd.DataFrame, places: pd.DataFrame):
    """The panel with the other policies' first years, and where its cities lie."""
    frame = located(rows, places).join(first, on="city_id")
    frame["province"] = frame["city_id"].astype(str).str[:2]
    frame.attrs["policies"] = list(first.columns)
    return frame


def _concurrent(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    names = frame.attrs["policies"]
    if not names:
        return pd.DataFrame([{"note": "no other policy is known"}])
    found = did.concurrent_policies(frame, cohort=COHORT, policies=names, **KEYS)
    first = frame.drop_duplicates("city_id").set_index("city_id")[names]
    since = first.stack().rename("estimate").rename_axis(["term", "policy"])
    since = since.dropna().reset_index().assign(aggregation="first_period")
    return pd.concat([found, since], ignore_index=True)


def _spillovers(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    rings = did.spillovers(
        frame, cohort=COHORT, coordinates=PLACE, rings=RINGS, **KEYS
    ).rename(columns={"ring_to_km": "distance_km"})
    groups = did.spillovers(frame, cohort=COHORT, neighbours="province", **KEYS)
    near = groups["term"].isin(["direct", "same_province", "without_neighbours"])
    groups = groups[near].replace({"term": {"direct": "direct_by_province"}})
    return pd.concat([rings, groups], ignore_index=True)


def _spatial(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    shared = did.spatial_inference(
        frame,
        treatment=TREATMENT,
        coordinates=PLACE,
        cutoffs_km=CUTOFFS,
        above="province",
        draws=draws,
        seed=seed,
        **KEYS,
    ).rename(columns={"cutoff_km": "distance_km"})
    # The cities are most of those that could have been treated.
    whole = did.population_inference(
        frame, treatment=TREATMENT, attributes=("region",), above="province", **KEYS
    ).rename(columns={"share": "weight"})
    whole = whole[whole["term"].isin(["finite", "unit_within", "mixed"])]
    return pd.concat([shared, whole], ignore_index=True)


def _weights(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    return did.twfe_weights(frame, treatment=TREATMENT, **KEYS)


def _few(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    found = did.few_treated(
        frame, treatment=TREATMENT, by="region", draws=draws, seed=seed, **KEYS
    )
    none = pd.DataFrame([{"note": "every cohort and region has ten treated units"}])
    return found if len(found) else none


def _factors(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    binary = (frame[COHORT] > 0) & (frame["year"] >= frame[COHORT])
    frame = frame.assign(**{TREATMENT: binary.astype(float)})
    options: dict[str, Any] = dict(treatment=TREATMENT, draws=REFITS, seed=seed, **KEYS)
    fits = [
        _drawn("interactive_fixed_effects", frame, options | {"most_rank": 2}),
        _drawn("matrix_completion", frame, options),
        _augmented(frame),
        _triply_robust(frame, options),
    ]
    kinds = ("simple", "placebo", "carryover", "test")
    parts = [fit[fit["aggregation"].isin(kinds)] for fit in fits]
    parts.append(_pooled(frame))
    usable, _ = usable_controls(frame)
    names = [name for name in declared().covariates if name in usable]
    for controls in ([], names):
        fit = did.synthetic_did(frame, cohort=COHORT, controls=controls, **KEYS)
        part = fit[fit["aggregation"].isin(["simple", "group"])]
        if controls:
            part = part.assign(aggregation="with_covariates_" + part["aggregation"])
        parts.append(part)
        for cohort, weights in () if controls else fit.attrs["weights"].values.items():
            omega = np.array(list(weights["omega"].values()))
            row = {
                "estimator": "synthetic_did",
                "aggregation": "weights",
                "term": f"effective_controls_{cohort}",
                "estimate": 1.0 / (omega**2).sum(),
                "weight": omega.max(),
                "n_units": int((omega > 0).sum()),
            }
            parts.append(pd.DataFrame([row]))
    return pd.concat(parts, ignore_index=True)


def _left_out(estimator: str, why: str, aggregation: str = "simple") -> pd.DataFrame:
    """An estimator's row in a panel too large for it."""
    row = {"estimator": estimator, "aggregation": aggregation}
    return pd.DataFrame([{**row, "note": f"{why}: not estimated"}])


def _drawn(name: str, frame: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    """A factor model, refitted in every draw of the units."""
    if REFITS * len(frame) > MOST_DRAWN_CELLS:
        return _left_out(name, f"each of {REFITS} draws fits {len(frame):,} cells anew")
    return getattr(did, name)(frame, folds=5, **options)


def _augmented(frame: pd.DataFrame) -> pd.DataFrame:
    """Weights chosen anew without each unit; in large panels no standard error."""
    units = frame["city_id"].nunique()
    options: dict[str, Any] = dict(cohort=COHORT, **KEYS)
    if units * len(frame) <= MOST_JACKKNIFED_CELLS:
        return did.augmented_synthetic_control(frame, **options)
    fit = did.augmented_synthetic_control(frame, variance="none", **options)
    why = f"the jackknife would choose weights without each of {units:,} units"
    note = f"{why}: no standard error"
    fit["note"] = [
        join_notes(n if isinstance(n, str) else None, note) for n in fit["note"]
    ]
    return fit


def _pooled(frame: pd.DataFrame) -> pd.DataFrame:
    """The synthetic controls of all cohorts, their weights chosen together."""
    name, kind = "augmented_synthetic_control", "partially_pooled"
    first = frame.drop_duplicates("city_id")[COHORT]
    weights = int((first == 0).sum()) * int(first[first > 0].nunique())
    if weights > MOST_POOLED_WEIGHTS:
        why = f"the cohorts have {weights:,} weights to choose together"
        return _left_out(name, why, kind)
    fit = did.augmented_synthetic_control(
        frame, cohort=COHORT, pooling=0.5, variance="none", **KEYS
    )
    return fit.head(1).assign(aggregation=kind)


def _triply_robust(frame: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    """The estimator, whose time goes with treated cells times cells."""
    treated = int((frame[TREATMENT] > 0).sum())
    if treated * len(frame) <= MOST_CELL_FITS:
        return did.triply_robust(frame, validation_cells=len(frame), **options)
    why = f"each of {treated:,} treated cells has a fit of its own"
    return _left_out("triply_robust", why)


def _adjusted(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    usable, _ = usable_controls(frame)
    names = [name for name in declared().covariates if name in usable]
    parts = []
    for estimate in (did.entropy_balancing, did.covariate_balancing):
        name = estimate.__name__
        try:
            found = estimate(frame, cohort=COHORT, controls=names, **KEYS)
        except EstimationError as error:
            row = {"estimator": name, "note": str(error).splitlines()[0]}
            parts.append(pd.DataFrame([row]))
            continue
        parts.append(found[found["aggregation"].isin(["simple", "group", "test"])])
        overlap = found.attrs["overlap"]["rows"]
        least = overlap.loc[overlap["effective_controls"].idxmin()]
        row = {
            "estimator": name,
            "aggregation": "overlap",
            "term": "fewest_effective_controls",
            "estimate": least["effective_controls"],
            "p_value": least.get("p_value"),
            "n_units": least["controls"],
            "note": f"cohort {least['cohort']}",
        }
        parts.append(pd.DataFrame([row]))
        if estimate is did.covariate_balancing:
            parts.append(_scores(found))
    return pd.concat(parts, ignore_index=True)


def _scores(found: pd.DataFrame) -> pd.DataFrame:
    """Each city's probability of treatment and weight, by cohort."""
    rows = first_comparisons(found.attrs["scores"]["rows"])
    return pd.DataFrame(
        {
            "estimator": "covariate_balancing",
            "aggregation": "score",
            "sample": rows["cohort"].astype(str),
            "term": rows["unit"].astype(str),
            "estimate": rows["probability"],
            "weight": rows["weight"],
            "n_treated_units": rows["treated"].astype(int),
        }
    )


def _dose(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    """Treatments that change, end or come in doses, as the study has them."""
    fit = did.nonabsorbing_did(frame, treatment=TREATMENT, **KEYS)
    fit = fit[fit["aggregation"].isin(["simple", "dynamic", "normalised", "test"])]
    last = frame.sort_values("year").groupby("city_id")[TREATMENT].last()
    doses = last[last > 0]
    row: dict[str, Any] = {"estimator": "dose_response", "aggregation": "simple"}
    if doses.nunique() < 2:
        row["note"] = "every treated city has the same dose: no response to it"
        return pd.concat([fit, pd.DataFrame([row])], ignore_index=True)
    dosed = frame.assign(dose=frame["city_id"].map(last))
    found = did.dose_response(dosed, dose="dose", cohort=COHORT, **KEYS)
    return pd.concat([fit, found], ignore_index=True)


def _mechanisms(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    """The effect on the index's parts and on what the policy may move, side by side.

    Then the effect by declared group.
    """
    after = [n for n, c in declared().controls.items() if c.after_treatment]
    rows = []
    for name in [*MECHANISMS, *after]:
        if name not in frame or not frame[name].notna().any():
            continue
        fit = did.twfe(
            frame,
            treatment=TREATMENT,
            engine="closed_form",
            standard_errors="CR2",
            **{**KEYS, "outcome": name},
        )
        last = fit[fit["term"] == "overall"].iloc[-1].to_dict()
        rows.append({**last, "outcome_name": name, "term": name})
    out = pd.DataFrame(rows)
    if len(out):
        out["adjusted_p_value"] = did.holm(out["p_value"])
        out["aggregation"] = "mechanism"
    estimator = str(declared().defaults["estimator"])
    return pd.concat([out, _by_group(frame, estimator)], ignore_index=True)


def _by_group(frame: pd.DataFrame, estimator: str) -> pd.DataFrame:
    """The headline's estimator with an effect of its own in each declared group.

    Each group against all others: its effect, and by how much it differs from theirs;
    Holm's correction over the groups, for either. Of two-way effects both come from one
    regression; of any other estimator from the group's treated cities and from the
    others', each beside all never-treated ones, with errors by the jackknife over
    cities.
    """
    groups = {
        f"region: {name}": (frame["region"] == name).to_numpy()
        for name in declared().regions
    }
    batch = pd.to_numeric(frame.get("later_batch", pd.Series(index=frame.index)))
    for name, group in declared().exclusions.items():
        if set(group.where.names) <= {*frame, "batch"}:
            where = group.where(frame.assign(batch=batch.fillna(0)))
            groups[name] = np.asarray(where, dtype=bool)
    treated = frame[TREATMENT].to_numpy() > 0
    rows = []
    for name, inside in groups.items():
        if not (treated & inside).any() or not (treated & ~inside).any():
            continue
        own = frame[TREATMENT] * inside
        count = frame.loc[treated & inside, "city_id"].nunique()
        if estimator != "twfe":
            for row in _group_apart(frame, inside, estimator):
                rows.append({**row, "term": name, "n_treated_units": count})
            continue
        for kind, more in (
            ("group_effect", frame[TREATMENT] * ~inside),
            ("group_difference", frame[TREATMENT]),
        ):
            try:
                fit = did.twfe(
                    frame.assign(own=own, more=more),
                    treatment="own",
                    controls=["more"],
                    engine="closed_form",
                    **KEYS,
                )
                row = fit[fit["term"] == "own"].iloc[0].to_dict()
            except CityPanelError as error:
                row = {"estimator": "twfe", "note": str(error).splitlines()[0]}
            row |= {"aggregation": kind, "term": name, "n_treated_units": count}
            rows.append(row)
    out = pd.DataFrame(rows)
    for kind in out["aggregation"].unique() if len(out) else ():
        some = (out["aggregation"] == kind) & out.get("p_value").notna()
        out.loc[some, "adjusted_p_value"] = did.holm(out.loc[some, "p_value"])
    return out


def _group_apart(
    frame: pd.DataFrame, inside: np.ndarray, estimator: str
) -> list[dict[str, Any]]:
    """A group's effect and its difference from the others', jackknifed over cities."""
    options = Options(estimator=estimator)
    never = (frame[COHORT] == 0).to_numpy()

    def effects(keep: np.ndarray) -> np.ndarray:
        own, rest = (
            estimation.fit(frame[keep & (never | side)], [], options)["estimate"]
            for side in (inside, ~inside)
        )
        return np.array([own, own - rest], dtype=float)

    base: dict[str, Any] = {"estimator": estimator, "standard_errors": "jackknife"}
    base |= {"n_obs": len(frame), "n_units": frame["city_id"].nunique()}
    city = pd.factorize(frame["city_id"])[0]
    n = city.max() + 1
    kinds = ("group_effect", "group_difference")
    try:
        found = effects(np.ones(len(frame), bool))
        without = np.array([effects(city != i) for i in range(n)])
    except CityPanelError as error:
        note = str(error).splitlines()[0]
        return [{**base, "aggregation": kind, "note": note} for kind in kinds]
    away = without - without.mean(axis=0)
    errors = np.sqrt((n - 1) / n * (away**2).sum(axis=0))
    wide = special.stdtrit(n - 1, 0.975) * errors
    return [
        {
            **base,
            "aggregation": kind,
            "estimate": found[k],
            "std_error": errors[k],
            "conf_low": found[k] - wide[k],
            "conf_high": found[k] + wide[k],
            "p_value": 2 * special.stdtr(n - 1, -abs(found[k] / errors[k])),
            "n_clusters": n,
        }
        for k, kind in enumerate(kinds)
    ]


def _trend(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    study = did.event_study(frame, cohort=COHORT, engine="closed_form", **KEYS)
    found = did.pretrend_at_slope(study, draws=20_000, seed=seed)
    rows = found.to_dict("records")
    power = {
        "estimator": "twfe",
        "aggregation": "pretrend",
        "term": "power_at_slope",
        "estimate": found["power"].iloc[0],
    }
    left = [
        {**row, "term": f"{row['term']}_less_trend", "estimate": row["left"]}
        for row in rows[1:]
    ]
    for row in left:
        row |= dict.fromkeys(("std_error", "conf_low", "conf_high", "p_value"))
    parts = [pd.DataFrame([rows[0], power, *left])]
    for reference in (None, -2):
        # A straight difference in trends, from either base.
        with suppress(CityPanelError):
            robust = did.honest_did(
                study, kind="smoothness", bounds=[0.0], reference=reference
            )
            at = -1 if reference is None else reference
            parts.append(robust.assign(term=f"straight_trend_from_{at}").tail(1))
    with suppress(CityPanelError):
        parts.append(did.functional_form_test(frame, cohort=COHORT, seed=seed, **KEYS))
    return pd.concat(parts, ignore_index=True)


QUESTIONS: dict[str, Callable[[pd.DataFrame, int, int], pd.DataFrame]] = {
    "concurrent_policies": _concurrent,
    "spillovers": _spillovers,
    "spatial_errors": _spatial,
    "dose": _dose,
    "two_way_weights": _weights,
    "few_treated": _few,
    "factor_models": _factors,
    "adjustment": _adjusted,
    "mechanisms": _mechanisms,
    "pretrend": _trend,
}
