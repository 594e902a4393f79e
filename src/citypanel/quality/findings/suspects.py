"""Used figures that no build may take unread, and what each would do.

A figure a power of ten from the city's other years, or from another source of the same
cell, is a slip of the unit or of the decimal point. Where the headline's inputs are
made of it the build stops before anything is estimated, until it is corrected or a
person accepts it. Other suspects stop nothing; where a later step fails, they are what
to look at first.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from citypanel.quality.findings.causes import MANY_SHARE, expected
from citypanel.quality.findings.effects import Effects
from citypanel.quality.findings.tables import SAID
from citypanel.study.options import Options
from citypanel.study.run import Study
from citypanel.words import Words

# Steps that read what the headline's inputs are made of.
STEPS = ("real_output", "investment", "labour")
# Suspects that are listed, and whose effect is computed where the build would stop.
LISTED = 10
STOPS = "power_of_ten"


def input_series(study: Study, options: Options) -> set[str]:
    """Series that output, investment and labour are made of."""
    return {name for step in STEPS for name in study.reads("series", step, options)}


def mark_suspects(
    found: pd.DataFrame, study: Study, options: Options, *, imported: Collection[str]
) -> pd.DataFrame:
    """Number the suspects, say which stop a build, and what each would do.

    Parameters
    ----------
    found : DataFrame
        Findings with is_used and status.
    study, options
        What they would move.
    imported
        Sources that a person has brought in.

    Returns
    -------
    DataFrame
        `found` with suspect_order (from 1, a number a cell, those furthest from what is
        expected first), stops, suspicion, a line on each of the first `LISTED`, and
        suspicion_of_all, what all that stop do together.
    """
    found = found.reset_index(drop=True)
    names = input_series(study, options)
    in_inputs = (
        found["is_used"].astype(bool)
        & (found["status"] == "open")
        & (found["scope"] == "city")
        & found["variable"].isin(names)
        & found["unit_id"].isin(study.city_ids)
        & found["year"].notna()
    ).to_numpy(bool)
    new = expected(found)
    value = found["value"].to_numpy(float, na_value=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.abs(np.log(value / new))
        low, high = (
            found[f"expected_{end}"].to_numpy(float) for end in ("low", "high")
        )
        width = np.nan_to_num(np.log(high / low), nan=np.inf)
    rate = found["variable"].str.endswith("_pct").to_numpy(bool)
    distance = np.where(rate, np.abs(value - new) / 100, distance)
    stops = _stops(found, in_inputs, len(study.city_ids), imported)
    # Of several findings of a cell the one that is surest of what is expected speaks.
    cell = ["unit_id", "year", "variable"]
    table = found[cell].assign(stops=stops, distance=distance, width=width)
    first = (
        table.loc[in_inputs & np.isfinite(distance)]
        .sort_values(["stops", "width"], ascending=[False, True], kind="stable")
        .drop_duplicates(cell)
        .sort_values(["stops", "distance"], ascending=False, kind="stable")
    )
    stops = stops & found.index.isin(first.index)
    places = pd.Series(pd.NA, index=found.index, dtype="Int64")
    places[first.index] = np.arange(1, len(first) + 1)
    lines = pd.Series(None, index=found.index, dtype=object)
    listed = first.index[:LISTED].tolist()
    told, of_all = _told(
        found, listed, first.index[stops[first.index]], new, study, options
    )
    for i in listed:
        row = found.loc[i]
        lines[i] = (
            f"{row['place_en']} ({row['unit_id']}), {int(row['year'])}, "
            f"{row['variable']}, {row['source']}: {row['evidence_en']}{told.get(i, '')}"
        )
    return found.assign(
        suspect_order=places,
        stops=stops,
        suspicion=lines,
        suspicion_of_all=np.where(stops, of_all, None),
    )


def _stops(
    found: pd.DataFrame, in_inputs: np.ndarray, n_cities: int, imported
) -> np.ndarray:
    """Figures that no build may take: powers of ten that are no new level.

    A level that stays is a slip where many cities have it in the same year. Of two
    sources either may be wrong: an import that takes the place of another stops.
    """
    beside = found["against"].notna() & ~found["source"].isin(imported)
    in_inputs = in_inputs & ~beside.to_numpy(bool)
    ten = in_inputs & (found["rule"] == STOPS).to_numpy(bool)
    counts = found.loc[ten].groupby(["variable", "year"])["unit_id"].nunique().to_dict()
    limit = max(2, MANY_SHARE * n_cities)
    keys = zip(found["variable"].tolist(), found["year"].tolist(), strict=True)
    many = np.array([counts.get(key, 0) >= limit for key in keys], dtype=bool)
    return ten & (~found["stays"].to_numpy(bool) | many)


def _told(
    found: pd.DataFrame, listed, stopping, new: np.ndarray, study: Study, options
) -> tuple[dict[int, str], str]:
    """What each listed figure does, and all that stop together; in the headline."""
    if not listed:
        return {}, ""
    effects = Effects(study, options)
    if not len(stopping) and effects.headline is not None:
        return {}, ""

    def put(places) -> dict[tuple, float]:
        return {
            (found.at[i, "unit_id"], int(found.at[i, "year"]), found.at[i, "variable"]):
            float(new[i])
            for i in places
        }  # fmt: skip

    now = _headline_is(effects.headline.result.estimate if effects.headline else np.nan)
    if len(stopping) < 2:
        then = effects.of([put([i]) for i in listed])
        return {
            i: " " + SAID("would_do", new=float(new[i]), now=now,
                          then=_headline_is(effect.estimate)).en
            for i, effect in zip(listed, then, strict=True)
        }, ""  # fmt: skip
    mine = [i for i in listed if i in set(stopping)]
    each = [put([k for k in stopping if k != i]) for i in mine]
    whole, *alone = effects.of([put(stopping), *each])
    of_all = SAID("all_would_do", now=now, then=_headline_is(whole.estimate)).en
    return {
        i: " " + SAID("alone_would_do", then=_headline_is(effect.estimate)).en
        for i, effect in zip(mine, alone, strict=True)
    }, of_all


def _headline_is(estimate: float) -> Words:
    if np.isfinite(estimate):
        return SAID("headline_is", estimate=estimate)
    return SAID("no_headline")
