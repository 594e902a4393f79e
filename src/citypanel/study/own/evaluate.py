"""Every table of a study that brings its own panel, without a warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from citypanel import did
from citypanel.did import study as tables
from citypanel.errors import CityPanelError
from citypanel.study.declaration import Declaration, find_study, read_declaration
from citypanel.study.own.audit import comparison_table
from citypanel.study.own.findings import panel_findings, steps_not_taken
from citypanel.study.own.panel import (
    COHORT,
    PERIOD,
    POSITION,
    TREATMENT,
    UNIT,
    WEIGHTS,
    StudyPanel,
    before,
    prepare_panel,
)
from citypanel.study.own.tables import fixed, text
from citypanel.study.parts import STUDY_WEIGHTS, Column
from citypanel.words import LANGUAGES

KEYS: dict[str, Any] = dict(unit=UNIT, period=PERIOD)
STAGGERED = {
    "group_time_att": lambda frame, **options: did.aggregate_att(
        did.group_time_att(frame, base_period="universal", **options), "dynamic"
    ),
    "sun_abraham": did.sun_abraham,
    "imputation": did.imputation,
    "two_stage": did.two_stage,
    "etwfe": did.etwfe,
    "stacked": did.stacked,
    "switchers": did.switchers,
    "synthetic_did": did.synthetic_did,
}


def evaluate(
    panel: pd.DataFrame | None, design: Declaration | Path | str
) -> dict[str, pd.DataFrame]:
    """Every table of a declared study, as frames.

    Parameters
    ----------
    panel : DataFrame or None
        One row per unit and period; None reads the file that the declaration names.
    design : Declaration, Path or str
        A declaration, the path of a ``study.yml``, or the name of a study under
        ``studies/``.

    Returns
    -------
    dict of name to DataFrame
        Those of `citypanel.study.own.tables.TABLES`, in the same shape for every study
        and as a build publishes them: who is in (``dim_units``, ``fct_unit_periods``),
        the declared columns (``rpt_study_regressions``) beside what was printed
        (``rpt_study_published``), every estimator (``rpt_study_att``,
        ``rpt_study_event_study``), inference, sensitivity, and what is odd about the
        panel (``dq_study_findings``). A table that a study has nothing for is empty;
        what cannot be estimated is a row with the reason in ``note``.

    Raises
    ------
    DeclarationError
        Every mistake of the declaration, or of the data against it, at once.

    Examples
    --------
    >>> import citypanel
    >>> tables = citypanel.evaluate(None, "enterprise_zones")
    >>> columns = tables["rpt_study_regressions"].query("term == 'treatment'")
    >>> columns[["estimate", "std_error", "n_obs"]].head(1).round(3).values.tolist()
    [[-0.182, 0.078, 176]]
    """
    if isinstance(design, str):
        design = find_study(Path.cwd(), design)
    if isinstance(design, Path):
        design = read_declaration(design)
    made = prepare_panel(design, panel)
    return {"fct_unit_periods": unit_periods(made)} | results(made)


def results(made: StudyPanel) -> dict[str, pd.DataFrame]:
    """Every table but that of the panel's values."""
    study = made.study
    regressions = regression_table(made)
    att = fixed("rpt_study_att", att_table(made))
    found = {
        "dim_study": study_table(made),
        "dim_study_variables": variable_table(made),
        "dim_units": unit_table(made),
        "dim_unit_groups": group_table(made),
        "rpt_study_descriptives": descriptives(made),
        "rpt_study_regressions": regressions,
        "rpt_study_published": comparison_table(study, regressions),
        "rpt_study_att": att,
        "rpt_study_event_study": att[
            (att["aggregation"] == "dynamic") & att["event_time"].notna()
        ],
        "rpt_study_inference": inference_table(made),
        "rpt_study_sensitivity": sensitivity_table(made),
        "rpt_study_bacon": _or_reason(lambda: bacon_table(made), "term"),
        "rpt_study_balance": _or_reason(lambda: balance_table(made), "covariate"),
        "dq_study_findings": panel_findings(made),
    }
    empty = steps_not_taken([name for name, frame in found.items() if frame.empty])
    found["dq_study_findings"] = pd.concat([found["dq_study_findings"], empty])
    return {name: fixed(name, frame) for name, frame in found.items()}


def _or_reason(function: Callable[[], pd.DataFrame], key: str) -> pd.DataFrame:
    try:
        return function()
    except CityPanelError as error:
        return pd.DataFrame([{key: "all", "sample": "all", "note": _why(error)}])


def _why(error: Exception) -> str:
    return "not estimated: " + " ".join(str(error).split())


def study_table(made: StudyPanel) -> pd.DataFrame:
    """One row: what the study is called, what it is about and how much it has."""
    study, frame = made.study, made.frame
    treated = frame.groupby(UNIT)[TREATMENT].max() > 0
    languages = [n for n in LANGUAGES if n in study.title]
    row = {
        "study": study.name,
        **_labels("title", study.title),
        **_labels("unit", study.unit_noun),
        **_labels("policy", study.policy_label),
        "source": study.source or None,
        "languages": ", ".join(languages),
        "outcome": study.headline.name,
        "weights": study.weights,
        "cluster": study.cluster or study.unit,
        "first_period": text(frame[PERIOD].min()),
        "last_period": text(frame[PERIOD].max()),
        "n_periods": frame[PERIOD].nunique(),
        "n_obs": len(frame),
        "n_units": len(treated),
        "n_treated_units": int(treated.sum()),
        "relevant_effect": relevant_effect(made),
        "draws": study.draws,
        "seed": study.seed,
    }
    return pd.DataFrame([row])


def _labels(name: str, said: Mapping[str, str]) -> dict[str, str | None]:
    return {f"{name}_{language}": said.get(language) for language in LANGUAGES}


def variable_table(made: StudyPanel) -> pd.DataFrame:
    """One row per outcome, control and other policy: its words and its formula."""
    study = made.study
    kinds: dict[str, Mapping[str, Any]] = {
        "outcome": {outcome.name: outcome for outcome in study.outcomes},
        "control": study.controls,
        "other_policy": study.other_policies,
    }
    rows = []
    for kind, named in kinds.items():
        for name, it in named.items():
            row: dict[str, Any] = {"variable": name, "kind": kind}
            row |= _labels("label", it.label) | {"is_headline": it is study.headline}
            if kind != "other_policy":
                row["formula"] = it.formula.text
                row["transform"] = getattr(it, "transform", "level")
                row["unit"] = getattr(it, "unit", None) or None
            if kind == "control":
                row["is_after_treatment"] = bool(it.after_treatment)
            rows.append(row)
    return pd.DataFrame(rows).assign(variable_order=range(1, len(rows) + 1))


def unit_table(made: StudyPanel) -> pd.DataFrame:
    """One row per unit: its cohort and the periods it is seen in."""
    frame, parent = made.frame, made.study.parent
    groups = frame.groupby(UNIT, sort=True)
    treated = groups[TREATMENT].max() > 0
    out = pd.DataFrame(
        {
            "cohort": groups[COHORT].first().where(treated),
            "first_period": groups[PERIOD].min(),
            "last_period": groups[PERIOD].max(),
            "n_periods": groups.size(),
            "is_treated": treated,
            "is_always_treated": groups[TREATMENT].min() > 0,
        }
    )
    out["parent"] = groups[parent].first() if parent else None
    out = out.reset_index()
    named = [made.name(unit) for unit in out[UNIT]]
    out["name_en"] = [name.en for name in named]
    has_zh = bool(made.study.unit_names.get("zh"))
    out["name_zh"] = [name.zh for name in named] if has_zh else None
    return out


def group_table(made: StudyPanel) -> pd.DataFrame:
    """One row per unit and declared group, or other policy it came under."""
    first = made.frame.groupby(UNIT, sort=True)
    others = {n: other.column for n, other in made.study.other_policies.items()}
    parts = []
    for name, column in (dict(made.study.groups) | others).items():
        part = first[column].first().rename("group_value").reset_index()
        # Who never came under another policy is in no row of it.
        if name in others:
            part = part.dropna(subset="group_value")
        parts.append(part.assign(group_name=name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def unit_periods(made: StudyPanel) -> pd.DataFrame:
    """One row per unit, period and variable: outcomes, controls, treatment, weights."""
    study, frame = made.study, made.frame
    names = [*(o.name for o in study.outcomes), *study.controls]
    names += [TREATMENT] + ([WEIGHTS] if study.weights else [])
    long = pd.concat(
        [
            frame[[UNIT, PERIOD]].assign(
                variable=name,
                period_number=frame[POSITION],
                value=frame[name].astype(float),
            )
            for name in names
        ]
    )
    return fixed("fct_unit_periods", long)


def descriptives(made: StudyPanel) -> pd.DataFrame:
    """Mean, standard deviation and range of outcomes and controls, by treatment."""
    study, frame = made.study, made.frame
    ever = frame.groupby(UNIT)[TREATMENT].transform("max") > 0
    rows = []
    groups = {"all": ever | True, "treated": ever, "never treated": ~ever}
    columns = ["n_obs", "mean", "std_dev", "minimum", "maximum"]
    for name in (*(o.name for o in study.outcomes), *study.controls):
        for group, keep in groups.items():
            values = frame.loc[keep, name].astype(float)
            said = values.agg(["count", "mean", "std", "min", "max"])
            row = {"variable": name, "units": group}
            rows.append(row | dict(zip(columns, said, strict=True)))
    return pd.DataFrame(rows)


def column_options(made: StudyPanel, place: int) -> tuple[pd.DataFrame, dict]:
    """Rows and options of one declared column, as the estimators take them."""
    study, column = made.study, made.study.columns[place]
    frame = made.select(column.where)
    weights = WEIGHTS if study.weights and column.weights == STUDY_WEIGHTS else None
    if column.weights not in (None, STUDY_WEIGHTS):
        weights = f"{WEIGHTS}_{place}"
    options: dict[str, object] = dict(
        outcome=column.outcome, controls=list(column.controls), **KEYS
    )
    if weights:
        options["weights"] = weights
    if column.cluster:
        options["cluster"] = column.cluster
    if column.periods_ahead:
        when = frame[POSITION].to_numpy()
        later = before(frame[UNIT], when, frame[column.outcome], -column.periods_ahead)
        frame = frame.assign(**{column.outcome: later})
    if column.difference:
        frame = _differenced(frame, column)
    return frame, options


def _differenced(frame: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Outcome, treatment and controls as changes from the period before."""
    when = frame[POSITION].to_numpy()
    changes = {}
    for name in (column.outcome, TREATMENT, *column.controls):
        values = frame[name].astype(float)
        changes[name] = values - before(frame[UNIT], when, values)
    return frame.assign(**changes).dropna(subset=[column.outcome, TREATMENT])


def regression_table(made: StudyPanel) -> pd.DataFrame:
    """The declared columns; one that cannot be estimated has a row with its reason."""
    parts = [_column_rows(made, place) for place in range(len(made.study.columns))]
    out = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return fixed("rpt_study_regressions", out.rename(columns={"statistic": "t"}))


def _column_rows(made: StudyPanel, place: int) -> pd.DataFrame:
    column = made.study.columns[place]
    common: dict[str, object] = {
        "table_name": column.table,
        "column_name": column.name,
        "outcome": column.outcome,
        "estimator": column.estimator,
        "effects": _effects(column),
        "sample": column.sample or "all",
    }
    try:
        frame, options = column_options(made, place)
        common["outcome_mean"] = _outcome_mean(frame, options)
        if column.estimator == "twfe":
            fit = did.twfe(frame, **twfe_options(made.study, frame, column, options))
            fit = fit[fit["aggregation"] == "coefficient"]
        else:
            tables.require_steady(frame, TREATMENT, UNIT, PERIOD)
            options |= dict(cohort=COHORT)
            by_unit = column.estimator == "synthetic_did" and "cluster" in options
            if by_unit:
                del options["cluster"]
            if column.estimator in ("group_time_att", "etwfe"):
                options["control_group"] = column.control_group
            fit = STAGGERED[column.estimator](frame, **options)
            fit = fit[fit["term"].astype(str).str.startswith("overall")]
            if by_unit:
                fit = fit.assign(note=fit["note"].fillna(tables.BY_UNIT))
    except CityPanelError as error:
        fit = pd.DataFrame([{"term": TREATMENT, "note": _why(error)}])
    fit = fit[~fit["term"].astype(str).str.startswith("__period")]
    fit = fit.drop(columns=[c for c in common if c in fit])
    return fit.assign(**common)


def _outcome_mean(frame: pd.DataFrame, options: Mapping) -> float | None:
    """Mean of the outcome over the rows without a gap, under the column's weights."""
    outcome, weights = options["outcome"], options.get("weights")
    names = [outcome, *options["controls"], *([weights] if weights else [])]
    rows = frame[list(dict.fromkeys(names))].astype(float).dropna()
    under = rows[weights] if weights else None
    if rows.empty or (under is not None and not under.sum() > 0):
        return None
    return float(np.average(rows[outcome], weights=under))


def _effects(column: Column) -> str:
    if column.estimator != "twfe":
        return "by estimator"
    words = column.effects.replace("two_way", "unit and period")
    if column.period_effects_by:
        words += f" by {column.period_effects_by}"
    return words + (", in first differences" if column.difference else "")


def twfe_options(
    study: Declaration, frame: pd.DataFrame, column: Column, options: Mapping
) -> dict:
    """Options of `twfe` for a column; adds period dummies to `frame` where asked."""
    effects, controls = column.effects, list(column.controls)
    if effects == "period":
        effects = "none"
        for number, period in enumerate(sorted(frame[PERIOD].unique())[1:]):
            name = f"__period_{number}"
            frame[name] = (frame[PERIOD] == period).astype(float)
            controls.append(name)
    return {
        **options,
        "treatment": TREATMENT,
        "controls": controls,
        "effects": effects,
        "period_effects_by": column.period_effects_by,
        "standard_errors": column.standard_errors,
        "absorbing": treatment_stays(study) and not column.difference,
    }


def att_table(made: StudyPanel) -> pd.DataFrame:
    """Every estimator on every outcome; see `citypanel.did.study.att_table`."""
    study = made.study
    return tables.att_table(
        made.frame,
        outcomes=[o.name for o in study.outcomes],
        cohort=COHORT,
        treatment=TREATMENT,
        columns=shared_columns(study),
        **KEYS,
        draws=study.draws,
        seed=study.seed,
        absorbing=treatment_stays(study),
    )


def treatment_stays(study: Declaration) -> bool:
    """Whether a treatment that falls is a mistake: a roster says when it ends."""
    return study.roster is None


def shared_columns(study: Declaration) -> dict[str, str]:
    """Columns that every estimator takes: weights and clusters."""
    out = {"weights": WEIGHTS} if study.weights else {}
    return out | ({"cluster": study.cluster} if study.cluster else {})


def bacon_table(made: StudyPanel) -> pd.DataFrame:
    """The comparisons behind the two-way coefficient of the headline outcome.

    Under a fractional exposure the decomposition is of the 0/1 treatment.
    """
    exposed = (made.frame[TREATMENT] > 0).astype(float)
    table = tables.bacon_table(
        made.frame.assign(**{TREATMENT: exposed}),
        outcomes=[made.study.headline.name],
        treatment=TREATMENT,
        **KEYS,
    )
    if made.study.weights:
        table["note"] = table["note"].map(_unweighted)
    return table.rename(columns={"type": "comparison", "twfe": "twfe_estimate"})


def inference_table(made: StudyPanel) -> pd.DataFrame:
    """Inference side by side for each declared column with two-way effects.

    Columns in first differences, or with other effects, are in
    ``rpt_study_regressions`` only: what resamples here re-estimates two-way effects.
    """
    columns = {}
    for place, column in enumerate(made.study.columns):
        plain = column.effects == "two_way" and not column.difference
        if column.estimator != "twfe" or not plain or column.period_effects_by:
            continue
        frame, options = column_options(made, place)
        options = twfe_options(made.study, frame, column, options)
        columns[column.table, column.name] = {
            "panel": frame.dropna(subset=[column.outcome]),
            **{k: v for k, v in options.items() if k in _OF_INFERENCE},
        }
    if not columns:
        return pd.DataFrame()
    return tables.inference_table(
        columns,
        draws=made.study.draws,
        permutations=made.study.draws,
        seed=made.study.seed,
        bound=relevant_effect(made),
        absorbing=treatment_stays(made.study),
    )


_OF_INFERENCE = ("outcome", "unit", "period", "treatment", "controls", "weights")


def sensitivity_table(made: StudyPanel) -> pd.DataFrame:
    """Every check of the headline; see `citypanel.did.study.sensitivity_table`."""
    study = made.study
    table = tables.sensitivity_table(
        made.frame.dropna(subset=[study.headline.name]),
        outcomes=[study.headline.name],
        cohort=COHORT,
        treatment=TREATMENT,
        **KEYS,
        controls=list(study.controls),
        covariates=_covariates(study),
        region=next(iter(study.groups.values()), None),
        columns=shared_columns(study),
        sample={
            name: made.select(condition) for name, condition in study.samples.items()
        },
        bound=relevant_effect(made),
        seed=study.seed,
        absorbing=treatment_stays(study),
    )
    table = table.rename(columns={"check": "check_name"})
    if study.other_policies:
        others = other_policies_table(made)
        table = pd.concat([table, others], ignore_index=True)
    if study.weights:
        matched = table["check_name"] == "propensity_score"
        table.loc[matched, "note"] = table["note"].map(_unweighted)[matched]
    keys = ["check_name", "sample", "estimator", "aggregation", "term"]
    table["row_order"] = table.groupby(keys, dropna=False).cumcount() + 1
    return table


def other_policies_table(made: StudyPanel) -> pd.DataFrame:
    """The headline where units came under other policies, each way of seeing to it.

    See `citypanel.did.concurrent_policies`; ``sample`` is the other policy, ``all``
    all of them together.
    """
    study = made.study
    names = {other.column: n for n, other in study.other_policies.items()}
    try:
        found = did.concurrent_policies(
            made.frame,
            outcome=study.headline.name,
            cohort=COHORT,
            policies=list(names),
            frequency=study.frequency,
            **KEYS,
            **shared_columns(study),
        )
    except CityPanelError as error:
        found = pd.DataFrame([{"term": "overall", "note": _why(error)}])
    policy = found["policy"] if "policy" in found else pd.Series("all", found.index)
    return pd.DataFrame(found).assign(
        check_name="other_policies",
        sample=policy.replace(names),
        outcome=study.headline.name,
    )


def _unweighted(note: object = None) -> str:
    said = "without the study's weights"
    return f"{note}; {said}" if isinstance(note, str) else said


def relevant_effect(made: StudyPanel) -> float:
    """The effect that power and equivalence are judged by.

    The declared one; else a tenth of the standard deviation of the headline outcome
    where nobody is treated.
    """
    if made.study.effect is not None:
        return made.study.effect
    untreated = made.frame.loc[made.frame[TREATMENT] == 0, made.study.headline.name]
    return float(untreated.astype(float).std() / 10)


def _covariates(study: Declaration) -> list[str]:
    return [n for n, c in study.controls.items() if not c.after_treatment]


def balance_table(made: StudyPanel) -> pd.DataFrame:
    """Balance before the policy of the controls that it does not move."""
    covariates = _covariates(made.study)
    if not covariates:
        return pd.DataFrame()
    table = tables.balance(
        made.frame,
        covariates=covariates,
        outcome=made.study.headline.name,
        cohort=COHORT,
        **KEYS,
    )
    if made.study.weights:
        table["note"] = _unweighted()
    names = {"n_treated": "n_treated_units", "n_control": "n_control_units"}
    return table.rename(columns=names)
