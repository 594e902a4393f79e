"""Findings: what a person would want to know of the cells before estimating anything.

Rules are general: they know variables and arithmetic, no city, no year and no cell by
name. `judge` runs them all on every source's reading and on the cells that are used,
before anything is estimated; `find` says of each finding which published numbers hold
its cell, and of each cause what it moves in the headline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from citypanel.quality.findings.causes import (
    SEVERITY,
    causes,
    effects_of_causes,
    family,
    leading,
    ordered,
)
from citypanel.quality.findings.effects import Effect, Effects
from citypanel.quality.findings.rules import RULES
from citypanel.quality.findings.suspects import mark_suspects
from citypanel.quality.findings.tables import (
    CELL_COLUMNS,
    PROVINCE_COLUMNS,
    SAID,
    USED,
    Cells,
    Series,
    as_panel,
    as_series,
    places_of,
)
from citypanel.quality.findings.uses import ALL, Use, Uses, together
from citypanel.study.run import Sources, Study
from citypanel.study.tables import options_of
from citypanel.words import LANGUAGES, Words

SEVERITIES = tuple(SEVERITY)
DETECTED_COLUMNS = (
    "rule", "severity", "scope", "unit_id", "year", "variable", "source", "value",
    "expected_low", "expected_high", "evidence_en", "evidence_zh", "members", "stays",
    "against",
)  # fmt: skip
KEY = ["rule", "scope", "unit_id", "year", "variable"]
# Other columns are texts.
TYPES = {
    "year": "Int64", "value": "float64", "expected_low": "float64",
    "expected_high": "float64", "stays": "bool", "is_used": "bool",
    "suspect_order": "Int64", "stops": "bool", "used_value": "float64",
    "cause": "Int64", "speaks_for_cause": "bool", "headline_without": "float64",
    "headline_change": "float64", "headline_change_in_errors": "float64",
}  # fmt: skip


def _typed(*names: str) -> dict[str, str]:
    return {name: TYPES.get(name, "string") for name in names}


JUDGED_COLUMNS = _typed(
    "rule", "severity", "scope", "unit_id", "place_en", "place_zh", "province_id",
    "year", "variable", "source", "value", "unit", "expected_low", "expected_high",
    "members", "stays", "is_used", "status", "judgement", "judged_by", "judged_on",
    "judgement_reason", "evidence_en", "evidence_zh", "suspect_order", "stops",
    "suspicion", "suspicion_of_all",
)  # fmt: skip
FINDING_COLUMNS = _typed(
    "rule", "severity", "scope", "city_id", "city_en", "city_zh", "province_id", "year",
    "variable", "source", "value", "unit", "expected_low", "expected_high",
    "used_value", "origin", "status", "evidence_en", "evidence_zh", "consequence_en",
    "consequence_zh", "touches", "cause", "speaks_for_cause", "headline_without",
    "headline_change", "headline_change_in_errors", "cause_note", "judgement",
    "judged_by", "judged_on", "judgement_reason",
)  # fmt: skip
# Of a rule's words, in each language.
SAID_OF_RULES = [
    f"{what}_{language}"
    for what in ("title", "description", "advice")
    for language in LANGUAGES
]
RULE_COLUMNS = ("rule", "rule_order", "scope", *SAID_OF_RULES)
RULE_ORDER = {rule.name: order for order, rule in enumerate(RULES, start=1)}

__all__ = ["RULES", "as_panel", "detect", "find", "judge", "panels", "rules"]


def rules() -> pd.DataFrame:
    """The rules with their words; one row per rule, in the order they are listed."""
    rows = [
        [rule.name, RULE_ORDER[rule.name], rule.scope]
        + [getattr(rule, name) for name in SAID_OF_RULES]
        for rule in RULES
    ]
    return pd.DataFrame(rows, columns=list(RULE_COLUMNS))


def detect(panel: Cells, *, judges: Iterable[str] | None = None) -> pd.DataFrame:
    """Run the rules on a panel; rows as the rules return them.

    Parameters
    ----------
    panel : Cells
    judges : iterable of str, optional
        The kinds of rules to run (`Rule.judges`); by default all.

    Returns
    -------
    DataFrame
        `DETECTED_COLUMNS`, members being the variables of a finding about a row; one
        row per rule, unit, year, variable and source.
    """
    chosen = [rule for rule in RULES if judges is None or rule.judges in judges]
    found: list[dict[str, Any]] = []
    for run in dict.fromkeys(rule.run for rule in chosen):
        found += run(panel)
    for row in found:
        if row["rule"] not in RULE_ORDER:
            raise KeyError(row["rule"])
        if row["source"] is None:
            where = (row["unit_id"], row["year"], row["variable"])
            row["source"] = panel.source_of(*where)
    frame = pd.DataFrame(found, columns=list(DETECTED_COLUMNS))
    key = [*KEY, "source"]
    # Another source's figure of the very cell says more than the years beside it.
    better = (frame["rule"] == "power_of_ten") & frame.duplicated(key, keep="last")
    return frame.loc[~better].drop_duplicates(key, ignore_index=True)


def panels(
    cells: pd.DataFrame,
    cities: pd.DataFrame,
    provinces: pd.DataFrame,
    used: pd.DataFrame,
) -> tuple[list[Cells], Cells, Cells]:
    """Every source's reading, the cells that are used, and whatever is printed.

    Parameters
    ----------
    cells : DataFrame
        `CELL_COLUMNS`: every source's reading, in the unit of the variable.
    cities, provinces : DataFrame
        As `as_panel`.
    used : DataFrame
        city_id, year, variable, value, source: the reading that the study takes.

    Returns
    -------
    readings : list of Cells
        The source that most used cells come from first; each is compared with those
        after it.
    used : Cells
    printed : Cells
        The used cells, and where there is none what a source prints.
    """
    used = used[["city_id", "year", "variable", "value", "source"]]
    used = used.loc[used["value"].notna()]
    counts = used["source"].value_counts()
    names = sorted(
        cells["source"].unique(), key=lambda name: (-counts.get(name, 0), name)
    )
    first = as_panel(cells, cities, provinces, source=names[0] if names else USED)
    by_source = {first.source: first.series, **first.others}
    readings = [
        replace(
            first,
            source=name,
            series=by_source[name],
            others={other: by_source[other] for other in names[place + 1 :]},
        )
        for place, name in enumerate(names)
    ]
    order, years = first.city_ids, first.years
    units = {
        name: series.unit
        for group in by_source.values()
        for name, series in group.items()
    }
    taken = as_series(
        used.assign(unit=used["variable"].map(units)), "city_id", order, years
    )
    for name, series in taken.items():
        # What is used as it stands in a source is that series, and measured once.
        own = first.series.get(name)
        if own and np.array_equal(own.values, series.values, equal_nan=True):
            taken[name] = own
    whose = np.full((len(taken), len(order), len(years)), None, dtype=object)
    at = places_of(used, "city_id", order, years, ["variable"])
    whose[at] = used["source"].to_numpy(dtype=object)
    sources = dict(zip(taken, whose, strict=True))
    mine = replace(first, source=USED, series=taken, others={}, sources=sources)
    return readings, mine, replace(mine, series=_printed(mine, readings))


def _printed(used: Cells, readings: list[Cells]) -> dict[str, Series]:
    """The used cells, filled from what any source prints."""
    found: dict[str, Series] = dict(used.series)
    for panel in readings:
        for name, series in panel.series.items():
            if name in found:
                known = found[name].values
                values = np.where(np.isfinite(known), known, series.values)
                series = replace(found[name], values=values)
            found[name] = series
    return found


def judge(
    cells: pd.DataFrame,
    cities: pd.DataFrame,
    provinces: pd.DataFrame,
    *,
    used: pd.DataFrame | None = None,
    variants: pd.DataFrame,
    sources: Mapping[str, pd.DataFrame],
    judgements: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Run every rule on every source's reading and on the cells that are used.

    Parameters
    ----------
    cells : DataFrame
        city_id, year, variable, source, printed_value (in the unit of the variable),
        import_precedence (empty of shipped sources), correction_action, is_usable:
        every source's reading, and whether it is used as it stands (not defective,
        neither dropped nor replaced).
    cities : DataFrame
        city_id, city_en, city_zh, province_id, province_en, province_zh,
        is_municipality; one row per city.
    provinces : DataFrame
        province_id, year, indicator, unit, value.
    used : DataFrame, optional
        city_id, year, variable, value, source: the reading that is used; by default
        the cells of `sources`.
    variants : DataFrame
        The options, one row per variant.
    sources : mapping of name to DataFrame
        The parts of `citypanel.study.run.Sources`, to say what a suspect figure does.
    judgements : DataFrame, optional
        rule, unit_id, year, variable, source, value, judgement, judged_by, judged_on,
        reason: what a person has said of findings. An empty cell matches all.

    Returns
    -------
    DataFrame
        `JUDGED_COLUMNS`, one row per rule, unit, year, variable and source. A finding
        is `open`; `corrected` where its figure is set aside or replaced; `not_used`
        where another source's stands; `accepted` where a person has said so.
        suspect_order numbers the used figures of the headline's inputs that are
        furthest from what is expected, stops is true for those that no build may use
        unread, and suspicion says in a line what each would do.
    """
    used = sources["cells"] if used is None else used
    if not used["value"].notna().any():
        return pd.DataFrame(columns=list(JUDGED_COLUMNS)).astype(JUDGED_COLUMNS)
    variables = sources["variables"].set_index("variable")
    units = variables["unit"] if "unit" in variables else pd.Series(dtype=object)
    readings = cells[["city_id", "year", "variable", "source", "printed_value"]].rename(
        columns={"printed_value": "value"}
    )
    readings = readings.loc[readings["value"].notna()]
    known = {name: str(units.get(name, "")) for name in cells["variable"].unique()}
    each, mine, printed = panels(
        readings.assign(unit=readings["variable"].map(known))[list(CELL_COLUMNS)],
        cities,
        provinces.rename(columns={"indicator": "variable"})[list(PROVINCE_COLUMNS)],
        used,
    )
    found = [detect(printed, judges=["printed"])]
    # What no source prints is asked of the one that the study rests on.
    found[0]["source"] = each[0].source
    found += [detect(panel, judges=["reading"]) for panel in each]
    found.append(detect(printed, judges=["provinces"]))
    seen = pd.concat(found, ignore_index=True)
    more = _only_in_use(detect(mine, judges=["reading"]), seen, mine, each)
    frame = pd.concat([seen, more], ignore_index=True)
    frame = frame.drop_duplicates([*KEY, "source"], ignore_index=True)
    series_units = {
        **{name: series.unit for name, series in mine.province.items()},
        **{name: series.unit for name, series in printed.series.items()},
    }
    frame["unit"] = frame["variable"].map(series_units).fillna("")
    frame["members"] = frame["members"].map(", ".join)
    frame["status"], frame["is_used"] = _statuses(frame, cells, mine)
    frame = _named(frame, cities)
    frame = with_judgements(frame, judgements)
    imported = cells.loc[cells["import_precedence"].notna(), "source"].unique()
    study = Study(Sources(**sources))
    frame = mark_suspects(frame, study, options_of(variants), imported=set(imported))
    frame = frame.assign(_rule=frame["rule"].map(RULE_ORDER)).sort_values(
        ["_rule", "province_id", "unit_id", "variable", "year", "source"],
        na_position="first",
        kind="stable",
    )
    return frame[list(JUDGED_COLUMNS)].astype(JUDGED_COLUMNS).reset_index(drop=True)


def _only_in_use(
    found: pd.DataFrame, seen: pd.DataFrame, used: Cells, readings: list[Cells]
) -> pd.DataFrame:
    """Findings of the used cells that no source's reading has.

    They come from joining sources or from corrections: where a city's series is one
    source's as it stands, there is nothing to add.
    """

    def keys(frame: pd.DataFrame) -> list[tuple]:
        plain = frame[KEY].astype(object).where(frame[KEY].notna(), None)
        return list(plain.itertuples(index=False, name=None))

    known, joined = set(keys(seen)), set()
    for name, series in used.series.items():
        same = np.zeros(len(series.units), dtype=bool)
        for panel in readings:
            if name in panel.series:
                other = panel.series[name].values
                equal = (series.values == other) | (
                    np.isnan(series.values) & np.isnan(other)
                )
                same |= equal.all(axis=1)
        joined |= {(series.units[i], family(name)) for i in np.flatnonzero(~same)}
    keep = [
        key not in known and (scope != "city" or (unit, family(name)) in joined)
        for key, scope, unit, name in zip(
            keys(found),
            found["scope"],
            found["unit_id"],
            found["variable"],
            strict=True,
        )
    ]
    return found.loc[keep]


def _statuses(
    found: pd.DataFrame, cells: pd.DataFrame, used: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """Whether a finding is open, and whether its figure is the one in use."""
    aside = ~cells["is_usable"].astype(bool) | cells["correction_action"].notna()
    is_aside = _among(found, cells.loc[aside])
    taken = [
        used.source_of(unit, None if pd.isna(year) else int(year), variable)
        for unit, year, variable in found[["unit_id", "year", "variable"]].itertuples(
            index=False, name=None
        )
    ]
    is_taken = (found["source"] == pd.Series(taken, found.index)).to_numpy(bool)
    a_figure = (
        (found["scope"] == "city") & (found["source"] != USED) & found["value"].notna()
    ).to_numpy(bool)
    statuses = np.where(
        a_figure & is_aside,
        "corrected",
        np.where(a_figure & ~is_taken, "not_used", "open"),
    )
    # A year of rates that are all set aside is dealt with.
    wide = (found["scope"] == "study") & (found["rule"] == "nominal_as_real")
    for place in np.flatnonzero(wide):
        row = found.iloc[place]
        mine = (
            (cells["year"] == row["year"])
            & (cells["variable"] == row["variable"])
            & (cells["source"] == row["source"])
        )
        if mine.any() and aside[mine].all():
            statuses[place] = "corrected"
    return statuses, ~a_figure | is_taken


def _among(found: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """Which findings are about one of the cells of their source."""
    keys = ["unit_id", "year", "variable", "source"]
    there = cells.rename(columns={"city_id": "unit_id"})[keys].drop_duplicates()
    there = there.astype({"year": "float64"}).assign(there=True)
    joined = found[keys].astype({"year": "float64"}).merge(there, on=keys, how="left")
    return joined["there"].notna().to_numpy(bool)


def _named(found: pd.DataFrame, cities: pd.DataFrame) -> pd.DataFrame:
    """place_en, place_zh and province_id of each finding's city or province."""
    of_city = cities.set_index("city_id")
    of_province = cities.drop_duplicates("province_id").set_index("province_id")
    is_city, is_province = found["scope"] == "city", found["scope"] == "province"
    columns = {}
    for language in ("en", "zh"):
        city = found["unit_id"].map(of_city[f"city_{language}"])
        province = found["unit_id"].map(of_province[f"province_{language}"])
        name = city.where(is_city, province.fillna(found["unit_id"]))
        columns[f"place_{language}"] = name.where(is_city | is_province)
    home = found["unit_id"].map(of_city["province_id"])
    home = home.where(is_city, found["unit_id"]).where(is_city | is_province)
    return found.assign(**columns, province_id=home)


def with_judgements(
    found: pd.DataFrame, judgements: pd.DataFrame | None
) -> pd.DataFrame:
    """Findings with what a person has said of them; the first judgement that fits.

    An accepted finding is closed. One that was judged on another figure than stands
    there now is as if nobody had looked.
    """
    found = found.assign(
        judgement=None, judged_by=None, judged_on=None, judgement_reason=None
    )
    if judgements is None or judgements.empty:
        return found
    free = pd.Series(True, index=found.index)
    for said in judgements.to_dict("records"):
        fits = free.copy()
        for name in ("rule", "unit_id", "variable", "source"):
            if _given(said[name]):
                fits &= found[name] == said[name]
        for name in ("year", "value"):
            if _given(said[name]):
                fits &= found[name].astype(float) == float(said[name])
        free &= ~fits
        found.loc[fits, "judgement"] = said["judgement"]
        for name in ("judged_by", "judged_on"):
            found.loc[fits, name] = said[name]
        found.loc[fits, "judgement_reason"] = said["reason"]
        if said["judgement"] == "accepted":
            found.loc[fits & (found["status"] == "open"), "status"] = "accepted"
    return found


def _given(value: Any) -> bool:
    return not pd.isna(value) and value != ""


def find(
    judged: pd.DataFrame,
    *,
    used: pd.DataFrame,
    sources: Mapping[str, pd.DataFrame],
    variants: pd.DataFrame,
) -> pd.DataFrame:
    """Say what each finding does to the published results, and group them by cause.

    Parameters
    ----------
    judged : DataFrame
        As `judge` returns it.
    used : DataFrame
        city_id, year, variable, value, origin: what the warehouse uses, gaps filled.
    sources : mapping of name to DataFrame
        The parts of `citypanel.study.run.Sources`: what the study is computed
        from, to see what moves with a cell.
    variants : DataFrame
        The options, one row per variant.

    Returns
    -------
    DataFrame
        `FINDING_COLUMNS`, one row per rule, unit, year, variable and source; sorted by
        severity, then rule, unit and year. A finding that is not open is info; one
        whose cell is in no regression is a step less severe. cause numbers the causes,
        those first that move the headline most.
    """
    if judged.empty:
        return pd.DataFrame(columns=list(FINDING_COLUMNS)).astype(FINDING_COLUMNS)
    study = Study(Sources(**sources))
    uses = Uses(study, variants)
    in_use = _in_use(judged, used)
    consequences = {r.name: (r.consequence_en, r.consequence_zh) for r in RULES}
    every_city = tuple(study.city_ids)
    names = tuple(used["variable"].unique())
    told = ["rule", "severity", "status", "scope", "unit_id", "year", "variable"]
    records = judged[[*told, "members"]].astype(object).to_dict("records")
    cells = [_cells(row, names, study.years, every_city) for row in records]
    of_cell = uses.of_cells(
        [
            key
            for row, keys in zip(records, cells, strict=True)
            if row["scope"] != "province"
            for key in keys
        ]
    )
    rows = []
    for row, keys in zip(records, cells, strict=True):
        use = together(
            uses.of_province(*key) if row["scope"] == "province" else of_cell[key]
            for key in keys
        )
        places = uses.touches(use)
        where = _where(uses, use)
        is_city = row["scope"] == "city"
        rows.append(
            {
                "severity": _severity(row["severity"], row["status"], places),
                "city_id": row["unit_id"] if is_city else None,
                "consequence_en": f"{consequences[row['rule']][0]} {where.en}",
                "consequence_zh": f"{consequences[row['rule']][1]}{where.zh}",
                "touches": places,
            }
        )
    said = pd.DataFrame(rows)
    frame = judged.drop(columns="severity").assign(
        city_en=judged["place_en"],
        city_zh=judged["place_zh"],
        **in_use.to_dict("series"),
        **said.to_dict("series"),
    )
    frame = _with_causes(frame, Effects(study, uses.headline), len(every_city))
    frame = frame[list(FINDING_COLUMNS)].astype(FINDING_COLUMNS)
    frame = frame.assign(
        _severity=frame["severity"].map(SEVERITY), _rule=frame["rule"].map(RULE_ORDER)
    )
    frame = frame.sort_values(
        ["_severity", "_rule", "province_id", "city_id", "variable", "year"],
        na_position="first",
        kind="stable",
    )
    return frame.drop(columns=["_severity", "_rule"]).reset_index(drop=True)


def _in_use(found: pd.DataFrame, used: pd.DataFrame) -> pd.DataFrame:
    """used_value and origin of the cell that each finding is about."""
    keys = ["unit_id", "year", "variable"]
    cells = used.rename(columns={"city_id": "unit_id", "value": "used_value"})
    cells = cells[[*keys, "used_value", "origin"]].astype({"year": "float64"})
    mine = found[keys].astype({"year": "float64"}).merge(cells, on=keys, how="left")
    return mine[["used_value", "origin"]].where(found["scope"] == "city")


def _with_causes(found: pd.DataFrame, effects: Effects, n_units: int) -> pd.DataFrame:
    """The cause of each finding, in the order of what it moves, and what it moves."""
    cause = causes(found, n_units=n_units)
    moved = effects_of_causes(found, cause, effects)
    place = ordered(found, cause, moved)
    each = [moved.get(number, Effect()) for number in cause.tolist()]
    return found.assign(
        cause=[place[number] for number in cause.tolist()],
        speaks_for_cause=leading(found, cause),
        headline_without=[effect.estimate for effect in each],
        headline_change=[effect.change for effect in each],
        headline_change_in_errors=[effect.in_errors for effect in each],
        cause_note=[effect.note or None for effect in each],
    )


def _cells(row, names, years, every_city) -> list[tuple[str, int, str]]:
    """The cells that a finding is about: unit, year, variable."""
    of_years = years if pd.isna(row["year"]) else [row["year"]]
    units = every_city if row["scope"] == "study" else [row["unit_id"]]
    if row["members"]:
        names = row["members"].split(", ")
    elif row["variable"] != ALL:
        names = (row["variable"],)
    return [
        (unit, int(year), name) for unit in units for year in of_years for name in names
    ]


def _severity(severity: str, status: str, places: str) -> str:
    if status != "open":
        return "info"
    if "rpt_regressions" in places:
        return severity
    return SEVERITIES[min(SEVERITIES.index(severity) + 1, len(SEVERITIES) - 1)]


def _where(uses: Uses, use: Use) -> Words:
    """One sentence: the inputs, controls and indices that contain the cell."""
    controls = sorted({name for name, *_ in use.controls})
    n_cities = len({c for _, c, _ in use.inputs} | {c for _, c, _ in use.controls})
    return _enters(
        tuple(sorted({name for name, *_ in use.inputs})),
        tuple(controls),
        tuple(name for name in controls if name not in uses.controls),
        tuple(sorted(use.variants)),
        n_cities,
    )


@cache
def _enters(
    inputs: tuple[str, ...],
    controls: tuple[str, ...],
    dropped: tuple[str, ...],
    variants: tuple[str, ...],
    n_cities: int,
) -> Words:
    """The sentence; thousands of cells have the same."""
    parts = [SAID.of("inputs")[name] for name in inputs]
    if controls:
        parts.append(SAID("controls", names=list(controls), n=len(controls)))
    if not parts:
        if variants:
            return SAID("used_by_variants", names=list(variants))
        return SAID("not_used")
    last = SAID("dropped", names=list(dropped)) if dropped else ""
    many = SAID("of_cities", n=n_cities) if n_cities > 1 else ""
    listed = parts[-1]
    if len(parts) > 1:
        listed = SAID("and", parts=parts[:-1], last=parts[-1])
    return SAID("enters", listed=listed, many=many, last=last)
