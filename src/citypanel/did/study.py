"""The study's tables: every estimator, every column's inference, every check.

Each function takes the city-year panel and returns one table. A sample in which an
estimator cannot be computed keeps a row that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.did.aggregate import KINDS, aggregate_att, gaussian_critical_value
from citypanel.did.bacon import bacon_decomposition
from citypanel.did.bootstrap import wild_cluster_bootstrap
from citypanel.did.frames import (
    COLUMNS,
    OVERALL,
    WITHOUT_SINGLE,
    join_notes,
    tidy,
)
from citypanel.did.group_time import group_time_att
from citypanel.did.honest import honest_did
from citypanel.did.jackknife import (
    fake_date_placebo,
    jackknife,
    leave_one_batch_out,
    leave_one_unit_out,
)
from citypanel.did.multiple import holm, romano_wolf
from citypanel.did.panels import choose, prepare
from citypanel.did.periods import label_array
from citypanel.did.power import power_table
from citypanel.did.pretest import pretrend_power
from citypanel.did.pretrends import pretrend_line
from citypanel.did.propensity import balance_table, propensity_score_did
from citypanel.did.randomisation import randomisation_inference
from citypanel.did.results import Later
from citypanel.did.sizes import LEADS, size_note
from citypanel.did.synthetic import synthetic_did
from citypanel.did.twfe import NAMED, event_study, shift_outcome, twfe
from citypanel.errors import CityPanelError, EstimationError, OptionError
from citypanel.panel import factorize
from citypanel.words import LABELS

# In the order of the tables; an estimator is a function of `citypanel.did`.
ESTIMATORS = tuple(LABELS.of("estimators"))
# Tests of the tables as `sizes` names them.
SIZES = {"twfe": "twfe, xtreg", "group_time_att": "group_time_att, simple"}
INFERENCE = tuple(
    f"twfe, {name}"
    for name in ("xtreg", "CR2", "CR3", "wild bootstrap", "randomisation t")
)
BANDS = ("band_low", "band_high")
BY_UNIT = "standard errors by unit, not by the study's clusters"


def samples(
    panel: pd.DataFrame,
    *,
    without: Mapping[str, np.ndarray] | None = None,
    by: str | None = None,
) -> dict[str, pd.DataFrame]:
    """The whole panel, the panel without each of some groups, and its parts.

    Parameters
    ----------
    panel : DataFrame
    without : mapping of name to ndarray of bool, optional
        Rows of each group that is left out.
    by : str, optional
        Column whose values are the parts.

    Returns
    -------
    dict of name to DataFrame
        ``all``, ``without_<group>`` for each group, then the parts by name.
    """
    out = {"all": panel}
    for name, rows in (without or {}).items():
        out[f"without_{name}"] = panel[~np.asarray(rows, dtype=bool)]
    if by is not None:
        for name in sorted(panel[by].dropna().unique()):
            out[str(name)] = panel[panel[by] == name]
    return out


def require_steady(frame: pd.DataFrame, treatment: str, unit: str, period: str) -> None:
    """Raise where a treatment is not 1 in every period after a unit's first.

    Estimators by cohort know a first period and nothing else: a policy that ends or is
    partial would be taken as permanent and full.

    Raises
    ------
    EstimationError
        With the rows.
    """
    if treatment not in frame:
        return
    dose = frame[treatment].to_numpy(float, na_value=np.nan)
    of_unit, units = factorize(frame[unit])
    when, periods = factorize(frame[period], sort=True)
    when = np.where(when < 0, len(periods), when)
    first = np.full(len(units) + 1, len(periods))  # the last stands for nulls
    np.minimum.at(first, of_unit[dose > 0], when[dose > 0])
    first[-1] = len(periods)
    if not ((when >= first[of_unit]) & (dose != 1)).any():
        return
    rows = frame[[unit, period, treatment]].sort_values([unit, period])
    dose = rows[treatment].astype(float)
    before = (dose > 0).groupby(rows[unit]).cumsum() - (dose > 0)
    wrong = (before > 0) & (dose != 1)
    if wrong.any():
        raise EstimationError.of(
            "did.treatment_unsteady",
            (f"{u}, {p}: {d:g}" for u, p, d in rows[wrong].itertuples(index=False)),
        )


def att_table(
    panel: pd.DataFrame,
    *,
    outcomes: Sequence[str],
    cohort: str = "cohort",
    treatment: str,
    unit: str = "city_id",
    period: str = "year",
    controls: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    estimators: Sequence[str] = ESTIMATORS,
    sample: Mapping[str, pd.DataFrame] | None = None,
    control_group: str = "not_yet",
    base_period: str = "universal",
    draws: int = 999,
    seed: int = 0,
    single_unit_std_error: bool = False,
    absorbing: bool = True,
) -> pd.DataFrame:
    """Every estimator on every outcome and sample.

    Parameters
    ----------
    panel : DataFrame
        City-year panel with the outcomes, cohort and treatment.
    outcomes : sequence of str
        Columns; those the panel does not have are an error.
    cohort, treatment, unit, period, controls
        Column names; ``treatment`` serves `twfe` (it may be a fraction).
    columns : mapping, optional
        Further columns by what they are: ``weights``, ``cluster``.
    estimators : sequence of str
        Among ``ESTIMATORS``.
    sample : mapping of name to DataFrame, optional
        See `samples`; the whole panel by default.
    control_group, base_period : str
        Of `group_time_att`.
    draws, seed : int
        Of its uniform bands; the other estimators' bands come from the covariance of
        their event times.
    single_unit_std_error : bool
        See the estimators.
    absorbing : bool
        See `twfe`.

    Returns
    -------
    DataFrame
        Tidy rows with outcome, sample, band_low, band_high, and on overall rows
        leads_p_value and sign_differs: whether the estimator's overall sign is not the
        same for every outcome of the sample, which the note then says.
    """
    for name in estimators:
        choose("estimators", name, ESTIMATORS)
    chosen = {"all": panel} if sample is None else dict(sample)
    keys: dict[str, Any] = dict(
        cohort=cohort,
        unit=unit,
        period=period,
        controls=list(controls),
        single_unit_std_error=single_unit_std_error,
        **(columns or {}),
    )
    compared = dict(control_group=control_group, base_period=base_period)
    bands: dict[str, Any] = dict(uniform_band=True, draws=draws, seed=seed)
    parts = []
    for label, frame in chosen.items():
        steady = Later(partial(require_steady, frame, treatment, unit, period))
        for outcome in outcomes:
            options = dict(keys, outcome=outcome)
            built = _built({**options, "panel": frame})
            for name in estimators:
                found = _estimate(
                    name, frame, treatment, absorbing, options, compared, bands,
                    steady, built,
                )  # fmt: skip
                parts += [_with_band(f, seed).assign(sample=label) for f in found]
    out = _stack(parts, [*COLUMNS, "outcome", "sample", *BANDS])
    return _signs(out)


def _estimate(
    name, frame, treatment, absorbing, options, compared, bands, steady, built
) -> list[pd.DataFrame]:
    """Frames of one estimator, or one row that says why there is none.

    ``steady`` checks the treatment; ``built`` are the options, and the panel, of
    `_built`.
    """
    frames: list[pd.DataFrame] = []
    try:
        if name == "twfe":
            fit = twfe(
                frame,
                treatment=treatment,
                without_single_units=True,
                absorbing=absorbing,
                **{k: v for k, v in options.items() if k != "cohort"},
            )
            fit = fit[fit["aggregation"] == "overall"].assign(aggregation="simple")
            frames = [fit]
        steady()
        if name == "twfe":
            path = event_study(**built)
            path = path.assign(
                aggregation=path["aggregation"].replace("event", "dynamic")
            )
            frames.append(path[path["aggregation"] != "coefficient"])
        elif name == "group_time_att":
            cells = group_time_att(**compared, **built)
            frames = [cells]
            for kind in KINDS:
                frames.append(aggregate_att(cells, kind, **bands))
        elif name == "synthetic_did":
            # Its errors leave out a unit at a time and know no other clusters.
            plain = built
            if "cluster" in options:
                plain = {k: v for k, v in options.items() if k != "cluster"}
                plain["panel"] = frame
            found = synthetic_did(seed=bands["seed"], **plain)
            if "cluster" in options:
                found["note"] = [join_notes(note, BY_UNIT) for note in found["note"]]
            frames = [found]
        else:
            frames = [getattr(did, name)(**built)]
    except CityPanelError as error:
        term = "event_times" if frames else OVERALL
        frames.append(_reason(name, term, options["outcome"], error, "not estimated"))
    return frames


def _with_band(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Joint band of the event times, where their covariance came with the frame.

    The estimators other than `group_time_att`, whose bands are bootstrapped.
    """
    extra = frame.attrs.get("covariance")
    if extra is None or "event_times" not in extra or "band_low" in frame:
        return frame
    rows = (frame["aggregation"] == "dynamic") & frame["std_error"].notna()
    times = list(extra["event_times"])
    # Leads of the imputation come from a regression of their own.
    rows &= frame["event_time"].isin(times)
    if not rows.any():
        return frame
    place = [times.index(e) for e in frame.loc[rows, "event_time"]]
    critical = gaussian_critical_value(
        np.asarray(extra["matrix"])[np.ix_(place, place)], seed=seed
    )
    for column, sign in (("band_low", -1.0), ("band_high", 1.0)):
        frame[column] = (
            frame["estimate"] + sign * critical * frame["std_error"]
        ).where(rows)
    return frame


def _stack(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """One frame of tidy frames, their attributes left behind."""
    bare = []
    for part in parts:
        part = part.reindex(columns=list(columns)).astype(object)
        part.attrs = {}
        bare.append(part)
    out = pd.concat(bare, ignore_index=True)
    for column in columns:
        kind = COLUMNS.get(column)
        if kind == "text" or column in ("outcome", "sample", "check"):
            out[column] = out[column].where(out[column].notna(), None)
        elif kind == "label":
            out[column] = label_array(list(out[column]))
        elif kind == "whole":
            out[column] = pd.to_numeric(out[column]).astype("Int64")
        else:
            out[column] = pd.to_numeric(out[column]).astype(float)
    return out


def _signs(out: pd.DataFrame) -> pd.DataFrame:
    """Lead tests and changes of sign between outcomes, on the overall rows."""
    keys = ["sample", "estimator", "outcome"]
    tests = out[out["term"] == "leads_jointly_zero"].drop_duplicates(keys)
    tests = tests[[*keys, "p_value"]].rename(columns={"p_value": "leads_p_value"})
    out = out.merge(tests, on=keys, how="left")
    overall = out["term"].isin([OVERALL, WITHOUT_SINGLE])
    out.loc[~overall, "leads_p_value"] = np.nan
    out["sign_differs"] = pd.array([None] * len(out), dtype="boolean")
    groups = out[overall].groupby(
        ["sample", "estimator", "aggregation", "term"], sort=False
    )
    for _, part in groups:
        known = part["estimate"].dropna()
        if len(known) < 2:
            continue
        differs = len(set(np.sign(known))) > 1
        out.loc[part.index, "sign_differs"] = differs
        if differs:
            said = ", ".join(
                f"{o} {'+' if b > 0 else '-'}"
                for o, b in zip(part.loc[known.index, "outcome"], known, strict=True)
            )
            said = f"sign differs between outcomes: {said}"
            notes = out.loc[part.index, "note"]
            out.loc[part.index, "note"] = [join_notes(note, said) for note in notes]
    out["note"] = out["note"].astype(object).where(out["note"].notna(), None)
    return out


def event_study_table(att: pd.DataFrame) -> pd.DataFrame:
    """The event-time rows of `att_table`, for every estimator, and the lead tests.

    Returns
    -------
    DataFrame
        Rows with aggregation ``dynamic`` that have an event time, and ``test``.
    """
    path = (att["aggregation"] == "dynamic") & att["event_time"].notna()
    return att[path | (att["aggregation"] == "test")].reset_index(drop=True)


def bacon_table(
    panel: pd.DataFrame,
    *,
    outcomes: Sequence[str],
    treatment: str,
    unit: str = "city_id",
    period: str = "year",
    sample: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """The 2x2 comparisons behind the two-way fixed effects coefficient.

    Returns
    -------
    DataFrame
        Columns of `bacon_decomposition`, sample, and twfe, the coefficient that the
        weighted estimates add up to; one row with the reason where there are none.
    """
    parts, keys = [], dict(treatment=treatment, unit=unit, period=period)
    for label, frame in ({"all": panel} if sample is None else dict(sample)).items():
        for outcome in outcomes:
            try:
                table = bacon_decomposition(frame, outcome=outcome, **keys)
            except CityPanelError as error:
                table = _reason(
                    "bacon_decomposition", OVERALL, outcome, error, "not estimated"
                ).assign(control_cohort=None, type="none", weight=np.nan)
            total = table.attrs.get("twfe", np.nan)
            table.attrs = {}
            parts.append(table.assign(sample=label, twfe=total))
    return pd.concat(parts, ignore_index=True)


def table_columns(
    panel: pd.DataFrame,
    columns: Sequence[Any],
    *,
    outcome: str = "tfpch",
    treatment: str,
    unit: str = "city_id",
    period: str = "year",
    controls: Sequence[str] = (),
) -> dict[tuple[str, str], dict[str, object]]:
    """Options of `twfe` for each column of a study's tables.

    Parameters
    ----------
    panel : DataFrame
    columns : sequence of Column
        table, name, controls, where, periods_ahead, and `keep`, which returns the rows
        of a panel that the column has.
    controls : sequence of str
        Of the columns that have controls. Without any, a column that differs from an
        earlier one by its controls alone is left out.

    Returns
    -------
    dict of (table, column) to options
    """
    out: dict[tuple[str, str], dict[str, object]] = {}
    seen = set()
    for column in columns:
        mine = list(controls) if column.controls else []
        key = (column.where, column.periods_ahead, bool(mine))
        if key in seen:
            continue
        seen.add(key)
        rows = panel
        if column.periods_ahead:
            rows = shift_outcome(panel, outcome, unit, period, column.periods_ahead)
        out[column.table, column.name] = dict(
            outcome=outcome,
            treatment=treatment,
            unit=unit,
            period=period,
            controls=mine,
            panel=column.keep(rows),
        )
    return out


def inference_table(
    columns: Mapping[tuple[str, str], Mapping[str, object]],
    *,
    draws: int = 9999,
    permutations: int = 999,
    seed: int = 0,
    bound: float,
    absorbing: bool = True,
) -> pd.DataFrame:
    """Inference for each column of some tables, side by side.

    Parameters
    ----------
    columns : mapping of (table, column) to options of `twfe`
        See `table_columns`.
    draws, permutations, seed : int
        Of the wild bootstrap and the randomisation.
    bound : float
        Effect that an equivalence test tries to exclude.
    absorbing : bool
        See `twfe`.

    Returns
    -------
    DataFrame
        One row per column: table_name, column_name, outcome, estimate, then
        std_error, p_value, conf_low, conf_high under ``xtreg``; std_error_cr2, df_cr2,
        p_value_cr2; std_error_cv3, p_value_cv3; p_value_wild, conf_low_wild,
        conf_high_wild, wild_note; p_value_randomisation; p_value_holm and
        p_value_romano_wolf over the table's columns (wild bootstrap);
        minimum_detectable_effect, power_at_bound, equivalence_p_value, bound; n_obs,
        n_units, n_treated_units, note. What cannot be computed is null and the note
        says why; a column whose cohorts have one unit each has no standard error.
    """
    if not columns:
        raise OptionError.of("did.no_column_infer_about")
    rows, built = [], {}
    for (table, column), given in columns.items():
        options: dict[str, Any] = dict(given)
        built[table, column] = once = _built(options)
        found = _inference(options, once, draws, permutations, seed, bound, absorbing)
        rows.append({"table_name": table, "column_name": column, **found})
    out = pd.DataFrame(rows)
    text = ("table_name", "column_name", "outcome", "wild_note", "note")
    # A measure that no column has is a number all the same.
    numbers = [name for name in out if name not in text]
    out[numbers] = out[numbers].apply(pd.to_numeric)
    out["p_value_holm"] = np.nan
    out["p_value_romano_wolf"] = np.nan
    for table, part in out.groupby("table_name", sort=False):
        known = part[part["p_value_wild"].notna()]
        out.loc[known.index, "p_value_holm"] = holm(known["p_value_wild"])
        chosen = {
            column: options
            for (name, column), options in built.items()
            if name == table and column in set(known["column_name"])
        }
        if chosen:
            joint = romano_wolf(chosen, draws=draws, seed=seed)
            joint = joint["p_romano_wolf"].to_numpy()
            out.loc[known.index, "p_value_romano_wolf"] = joint
    return out


def _built(options: dict[str, Any]) -> dict[str, Any]:
    """Options with their panel built once for all that take it.

    A panel that cannot be built stays as it is: each of them then says why.
    """
    names = {*NAMED, "cohort"} & set(options)
    columns = {name: options[name] for name in names}
    rest = {name: value for name, value in options.items() if name not in names}
    groups = (rest.get("period_effects_by"),)
    with suppress(CityPanelError):
        return {**rest, "panel": prepare(rest["panel"], groups=groups, **columns)}
    return options


def _inference(options, built, draws, permutations, seed, bound, absorbing) -> dict:
    """All inference for one column, from its options and those of `_built`."""
    notes: list[str] = []

    def attempt(function: Callable[[], pd.DataFrame], what: str) -> dict:
        try:
            return function().iloc[0].to_dict()
        except CityPanelError as error:
            notes.append(f"{what}: {error.problem}")
            return {}

    def taken(found: dict, *names: str, of: str = "") -> dict:
        return {name + of: found.get(name) for name in names}

    two_way: dict[str, Any] = {**options, **built, "absorbing": absorbing}
    main = attempt(lambda: twfe(**two_way), "estimate")
    row = {"outcome": options["outcome"], **taken(main, "estimate", "std_error")}
    row |= taken(main, "p_value", "conf_low", "conf_high")
    if main.get("note"):
        notes.append(main["note"])
    counts = main.get("n_units"), main.get("n_treated_units")
    if found := size_note(INFERENCE, *counts):
        notes.append(found)
    reduced = attempt(lambda: twfe(**two_way, standard_errors="CR2"), "CR2")
    row |= taken(reduced, "std_error", "df", "p_value", of="_cr2")
    knife = attempt(lambda: jackknife(**built), "CV3")
    row |= taken(knife, "std_error", "p_value", of="_cv3")
    # Its ``weights`` are those of the draws.
    renamed = {
        "regression_weights" if name == "weights" else name: value
        for name, value in built.items()
    }
    wild = attempt(
        lambda: wild_cluster_bootstrap(**renamed, draws=draws, seed=seed), "wild"
    )
    row |= taken(wild, "p_value", "conf_low", "conf_high", of="_wild")
    row["wild_note"] = wild.get("note")
    dealt = attempt(
        lambda: randomisation_inference(**built, draws=permutations, seed=seed),
        "randomisation",
    )
    row["p_value_randomisation"] = dealt.get("p_value")
    names = ("minimum_detectable_effect", "power_at_bound", "equivalence_p_value")
    row |= dict.fromkeys(names)
    if main:
        seen = power_table(pd.DataFrame([main]), bound=bound).iloc[0]
        row |= {name: seen[name] for name in names}
    row |= {"bound": bound, **taken(main, "n_obs", "n_units", "n_treated_units")}
    row["note"] = "; ".join(dict.fromkeys(notes)) or None
    return row


def with_sizes(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `att_table` of small samples, with the measured size of their tests.

    The sample's units and treated units decide, not those behind a single event time.
    """
    treated = table.groupby("sample")["n_treated_units"].transform("max")
    notes = []
    for row, n in zip(table.to_dict("records"), treated, strict=True):
        test = SIZES.get(row["estimator"], row["estimator"])
        if row["aggregation"] == "test":
            test = LEADS
        found = size_note([test], row["n_units"], n)
        notes.append(join_notes(row["note"], found))
    return table.assign(note=pd.Series(notes, index=table.index, dtype=object))


def regional_table(
    panel: pd.DataFrame,
    *,
    outcomes: Sequence[str],
    treatment: str,
    unit: str = "city_id",
    period: str = "year",
    controls: Sequence[str] = (),
    region: str = "region",
    columns: Mapping[str, str] | None = None,
    standard_errors: str = "xtreg",
    absorbing: bool = True,
) -> pd.DataFrame:
    """Effects by region: interacted in one regression, beside the subsamples.

    The interacted regression has common year effects and controls, a subsample its
    own.

    Returns
    -------
    DataFrame
        Rows with aggregation ``interacted`` and ``subsample``, sample the region.
    """
    options: dict[str, Any] = dict(
        treatment=treatment,
        unit=unit,
        period=period,
        controls=list(controls),
        standard_errors=standard_errors,
        absorbing=absorbing,
        **(columns or {}),
    )
    parts = []
    for outcome in outcomes:
        joint = twfe(panel, outcome=outcome, by=region, **options)
        for name in sorted(panel[region].dropna().unique()):
            row = joint[joint["term"] == f"{treatment}:{name}"]
            parts.append(row.assign(aggregation="interacted", sample=str(name)))
            try:
                own = twfe(panel[panel[region] == name], outcome=outcome, **options)
                own = own[own["aggregation"] == "overall"]
                test = f"twfe, {standard_errors}"
                found = size_note([test], *own[["n_units", "n_treated_units"]].iloc[0])
                own["note"] = [join_notes(own["note"].iloc[0], found)]
            except CityPanelError as error:
                own = _reason("twfe", OVERALL, outcome, error, "not estimated")
            parts.append(own.assign(aggregation="subsample", sample=str(name)))
    return _stack(parts, [*COLUMNS, "outcome", "sample"])


def _reason(estimator, term, outcome, error, what) -> pd.DataFrame:
    """One row that says why there is no estimate."""
    why = " ".join(str(error).split("\n"))
    return tidy(
        [{"aggregation": "none", "term": term, "note": f"{what}: {why}"}],
        estimator=estimator,
        extra_columns=("outcome",),
        outcome=outcome,
    )


# Checks that hold for a policy that stays only.
STEADY = ("honest", "pretrend_power", "fake_date", "propensity_score")
SENSITIVITY_COLUMNS = (
    *COLUMNS,
    "outcome",
    "sample",
    "check",
    "bound",
    "breakdown",
    "slope",
    "power",
    "bias",
    "bias_if_passed",
    "passed_ratio",
    "change",
    "minimum_detectable_effect",
    "power_at_bound",
    "equivalence_p_value",
    "smallest_bound",
)


def sensitivity_table(
    panel: pd.DataFrame,
    *,
    outcomes: Sequence[str],
    cohort: str = "cohort",
    treatment: str,
    unit: str = "city_id",
    period: str = "year",
    controls: Sequence[str] = (),
    covariates: Sequence[str] = (),
    region: str | None = "region",
    columns: Mapping[str, str] | None = None,
    sample: Mapping[str, pd.DataFrame] | None = None,
    bound: float,
    seed: int = 0,
    absorbing: bool = True,
) -> pd.DataFrame:
    """Every credibility check of the headline, in one long table.

    Parameters
    ----------
    panel, outcomes, cohort, treatment, unit, period, controls
        As for `att_table`.
    covariates : sequence of str
        Of the propensity score; none leaves that check out.
    region : str or None
        For region-by-year effects and the effects by region.
    columns : mapping, optional
        Further columns by what they are: ``weights``, ``cluster``. What leaves out
        units or moves dates takes the weights and clusters by unit; the propensity
        score takes neither.
    sample : mapping of name to DataFrame, optional
        Exclusions (see `samples`), the whole panel among them.
    bound : float
        For power and equivalence.
    seed : int
    absorbing : bool
        See `twfe`.

    Returns
    -------
    DataFrame
        Tidy rows with outcome, sample and check: headline, group_by_period, by_group
        (see `regional_table`), with_controls, exclusion, honest (relative magnitudes
        and smoothness, for the two-way and the group-time event study),
        pretrend_power, pretrend_line, fake_date, leave_one_cohort_out,
        leave_one_unit_out, propensity_score; and the columns each check adds. Rows of
        an estimate carry its minimum detectable effect and equivalence test.
    """
    parts: list[pd.DataFrame] = []
    further: dict[str, Any] = dict(columns or {})
    weights = {k: v for k, v in further.items() if k == "weights"}
    base: dict[str, Any] = dict(treatment=treatment, unit=unit, period=period)
    staggered: dict[str, Any] = dict(cohort=cohort, unit=unit, period=period)

    def add(
        check: str,
        outcome: str,
        function: Callable,
        /,
        *of: Any,
        label: str = "all",
        **given: Any,
    ) -> None:
        """The rows of a function, or one row that says why there are none."""
        try:
            if check in STEADY:
                require_steady(panel, treatment, unit, period)
            table = function(*of, **given)
        except CityPanelError as error:
            table = _reason("none", check, outcome, error, "not computed")
        if "sample" not in table:
            table = table.assign(sample=label)
        parts.append(table.assign(check=check, outcome=outcome))

    def overall(frame: pd.DataFrame, **options) -> pd.DataFrame:
        fit = twfe(frame, absorbing=absorbing, **options, **further)
        return power_table(fit[fit["aggregation"] == "overall"], bound=bound)

    def by_group(outcome: str) -> pd.DataFrame:
        options: dict[str, Any] = dict(columns=further, absorbing=absorbing, **base)
        table = regional_table(panel, outcomes=[outcome], region=str(region), **options)
        return power_table(table, bound=bound)

    for outcome in outcomes:
        options: dict[str, Any] = dict(outcome=outcome, **base)
        cohorts: dict[str, Any] = dict(outcome=outcome, **staggered)
        add("headline", outcome, overall, panel, **options)
        if controls:
            more = dict(options, controls=list(controls))
            add("with_controls", outcome, overall, panel, **more)
        if region and region in panel.columns:
            more = dict(options, period_effects_by=region)
            add("group_by_period", outcome, overall, panel, **more)
            add("by_group", outcome, by_group, outcome)
        for label, frame in (sample or {}).items():
            if label != "all":
                add("exclusion", outcome, overall, frame, label=label, **options)
        for estimator in (event_study, _group_time_path):
            # Once for all checks; an error is raised anew for each.
            path = Later(partial(estimator, panel, **cohorts, **further))
            for kind in ("relative_magnitude", "smoothness"):
                add("honest", outcome, _on, honest_did, path, kind=kind, seed=seed)
            add("pretrend_power", outcome, _on, pretrend_power, path, seed=seed)
            add("pretrend_line", outcome, _on, pretrend_line, path)
        for years in (1, 2, 3):
            more = dict(cohorts, years_before=(years,), **weights)
            add("fake_date", outcome, fake_date_placebo, panel, **more)
        more = dict(options, **weights)
        add("leave_one_cohort_out", outcome, _without_cohorts, panel, **more)
        add("leave_one_unit_out", outcome, leave_one_unit_out, panel, **more)
        for method in ("nearest", "kernel", "weighting") if covariates else ():
            more = dict(cohorts, covariates=list(covariates), method=method)
            add("propensity_score", outcome, propensity_score_did, panel, **more)
    return _stack(parts, SENSITIVITY_COLUMNS)


def _on(check: Callable, path: Callable[[], pd.DataFrame], **options) -> pd.DataFrame:
    """A check of an event study."""
    return check(path(), **options)


def _group_time_path(panel: pd.DataFrame, **options) -> pd.DataFrame:
    options |= dict(control_group="not_yet", base_period="universal")
    return aggregate_att(group_time_att(panel, **options), "dynamic")


def _without_cohorts(panel: pd.DataFrame, **options) -> pd.DataFrame:
    found = leave_one_batch_out(panel, **options)
    return found.assign(aggregation="leave_one_cohort_out")


def balance(
    panel: pd.DataFrame,
    *,
    covariates: Sequence[str],
    outcome: str = "tfpch",
    cohort: str = "cohort",
    unit: str = "city_id",
    period: str = "year",
) -> pd.DataFrame:
    """Pre-treatment balance, before and after matching on the propensity score.

    Returns
    -------
    DataFrame
        `balance_table` unmatched; where the score can be estimated, matched too.
    """
    options: dict[str, Any] = dict(
        cohort=cohort, unit=unit, period=period, covariates=list(covariates)
    )
    try:
        fit = propensity_score_did(panel, outcome=outcome, **options)
    except CityPanelError:
        return balance_table(panel, **options)
    return fit.attrs["balance"]["table"]
