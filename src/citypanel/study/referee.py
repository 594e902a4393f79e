"""What a referee asks next of the headline, each point answered by a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import pandas as pd

from citypanel import did
from citypanel.errors import CityPanelError, OptionError
from citypanel.study.credibility import headline
from citypanel.study.declaration import declared
from citypanel.study.estimates import OUTCOME, usable_controls
from citypanel.study.referee_words import answer_rows

KEYS: dict[str, Any] = dict(outcome=OUTCOME, unit="city_id", period="year")
TREATMENT, COHORT = "sydid", "cohort"
PLACE = ("latitude", "longitude")
RINGS = (0, 100, 200, 300)
CUTOFFS = (100, 200, 300, 500, 800)
# Draws of what refits a model each time.
REFITS = 50
MECHANISMS = ("effch", "techch")

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
    own = {str(options["policy"]), _roster()}
    others = [name for name in declared().other_policies if name not in own]
    absent = set(others) - set(policies["policy"])
    if absent:
        raise OptionError.of("study.no_such_policy", sorted(absent))
    frame = _with(rows, policies[policies["policy"].isin(others)], places)
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
    # The sentence first, then what it rests on.
    place = out["question"].map({name: n for n, name in enumerate(QUESTIONS)})
    out = out.loc[place.sort_values(kind="stable").index].reset_index(drop=True)
    out["answer_order"] = out.groupby("question").cumcount()
    out["outcome_name"] = out["outcome_name"].fillna(rows["outcome_name"].iloc[0])
    out[list(NUMBERS)] = out[list(NUMBERS)].astype(float)
    return out.astype(COLUMNS)


def _roster() -> str:
    """Name of the study's own roster, without its ending."""
    return PurePath(str(declared().content["policy"].get("roster", ""))).stem


def _with(rows: pd.DataFrame, policies: pd.DataFrame, places: pd.DataFrame):
    """The panel with the other policies' first years, and where its cities lie."""
    known = policies[policies["city_id"].notna()]
    first = known.pivot_table(
        index="city_id", columns="policy", values="approval_year", aggfunc="min"
    )
    at = places.set_index("unit_id")[list(PLACE)].astype(float)
    frame = rows.join(at, on="city_id").join(first.astype(float), on="city_id")
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
    since = since.reset_index().assign(aggregation="first_period")
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
    return did.spatial_inference(
        frame,
        treatment=TREATMENT,
        coordinates=PLACE,
        cutoffs_km=CUTOFFS,
        above="province",
        draws=draws,
        seed=seed,
        **KEYS,
    ).rename(columns={"cutoff_km": "distance_km"})


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
        did.interactive_fixed_effects(frame, most_rank=2, folds=5, **options),
        did.matrix_completion(frame, folds=5, **options),
        did.augmented_synthetic_control(frame, cohort=COHORT, **KEYS),
    ]
    kinds = ("simple", "placebo", "carryover", "test")
    return pd.concat(
        [fit[fit["aggregation"].isin(kinds)] for fit in fits], ignore_index=True
    )


def _adjusted(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    usable, _ = usable_controls(frame)
    names = [name for name in declared().covariates if name in usable]
    fit = did.entropy_balancing(frame, cohort=COHORT, controls=names, **KEYS)
    overlap = fit.attrs["overlap"]["rows"]
    fit = fit[fit["aggregation"].isin(["simple", "group", "test"])]
    if len(overlap):
        least = overlap.loc[overlap["effective_controls"].idxmin()]
        row = {
            "estimator": "entropy_balancing",
            "aggregation": "overlap",
            "term": "fewest_effective_controls",
            "estimate": least["effective_controls"],
            "n_units": least["controls"],
            "note": f"cohort {least['cohort']}",
        }
        fit = pd.concat([fit, pd.DataFrame([row])], ignore_index=True)
    return fit


def _mechanisms(frame: pd.DataFrame, seed: int, draws: int) -> pd.DataFrame:
    """The effect on the index's parts and on what the policy may move, side by side."""
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
    return out


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
    return pd.DataFrame([rows[0], power, *left])


QUESTIONS: dict[str, Callable[[pd.DataFrame, int, int], pd.DataFrame]] = {
    "concurrent_policies": _concurrent,
    "spillovers": _spillovers,
    "spatial_errors": _spatial,
    "two_way_weights": _weights,
    "few_treated": _few,
    "factor_models": _factors,
    "adjustment": _adjusted,
    "mechanisms": _mechanisms,
    "pretrend": _trend,
}
